//! `vswitch-perf`, beside the program under test.

use crate::{Must as _, Output, daemon::program, procfs};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// A command of it with a directory of its own for temporary files: that is in the names of all of them, and on the
/// command lines of what it starts.
#[derive(Debug)]
pub struct Perf {
    command: &'static str,
    dir: tempfile::TempDir,
}

impl Perf {
    /// For this command.
    ///
    /// # Panics
    /// When there is no room for the directory.
    #[must_use]
    pub fn of(command: &'static str) -> Self {
        let dir = tempfile::tempdir().must("dir");
        fs::create_dir(dir.path().join("tmp")).must("tmp");
        Self { command, dir }
    }

    /// A path for what it is to write.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// It, to be started.
    ///
    /// # Panics
    /// When it has not been built.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let path = program().with_file_name("vswitch-perf");
        let there = path.is_file();
        assert!(there, "no {}: cargo build -p vswitch-perf", path.display());
        let mut command = Command::new(path);
        command.arg(self.command).args(args).stdin(Stdio::null());
        command.env("TMPDIR", self.path("tmp"));
        command
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Output {
        let output = self.command(args).output().must("run vswitch-perf");
        Output::new(args.join(" "), &output)
    }

    /// Processes that it has started and that have not ended.
    #[must_use]
    pub fn processes(&self) -> Vec<String> {
        procfs::with_argument(&self.path("tmp"))
    }

    /// Nothing of it is left.
    ///
    /// # Panics
    /// When something is.
    #[track_caller]
    pub fn left_nothing(&self) {
        assert_eq!(self.processes(), [""; 0]);
        let tmp = self.path("tmp");
        assert_eq!(procfs::mounts_below(Path::new(&tmp)), [""; 0]);
        let files: Vec<_> = fs::read_dir(tmp).must("tmp").flatten().collect();
        assert!(files.is_empty(), "{files:?}");
    }
}
