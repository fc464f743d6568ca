//! A mount namespace for the daemons of one lab, so that each has a `/run/docker` of its own: the paths in it are fixed,
//! and labs run side by side.
//!
//! A process that does nothing holds it; others enter it by a prefix of their command line, before they become what they
//! are. What is mounted in it goes with the last of them. The lab's directory alone is shared with the test: sandboxes that
//! a daemon pins there are seen on both sides.

use crate::Must;
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// What the holder does: `/run/docker` is made empty, then it waits for its end, whose parent holds the other end of
/// its input.
const HOLD: &str = "mkdir -p /run/docker && mount -t tmpfs -o mode=0755 vswitch-lab /run/docker && echo held && read end";

/// A mount namespace.
#[derive(Debug)]
pub struct Mounts {
    holder: Child,
    shared: PathBuf,
}

impl Mounts {
    /// A copy of the test's own, in which `shared` is the same as in the test.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn sharing(shared: &Path) -> Self {
        let mount = |words: &[&str]| {
            let status = Command::new("mount").args(words).arg(shared).status();
            assert!(
                status.must("mount").success(),
                "mount {words:?} {}",
                shared.display()
            );
        };
        mount(&["--bind", &shared.to_string_lossy()]);
        mount(&["--make-shared"]);
        let holder = Command::new("unshare")
            .args(["--mount", "--propagation", "unchanged", "sh", "-c", HOLD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut mounts = Self {
            holder: holder.must("unshare"),
            shared: shared.to_owned(),
        };
        let mut said = String::new();
        let output = mounts.holder.stdout.take().must("the holder's output");
        BufReader::new(output).read_line(&mut said).must("read");
        assert_eq!(said, "held\n", "no mount namespace");
        mounts
    }

    /// A command that runs in it.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()))
            .arg("--")
            .arg(program);
        command
    }

    /// A path in it, as a path of the test's.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.holder.id()))
    }

    /// Mount points in it, at or below `dir`.
    #[must_use]
    pub fn below(&self, dir: &Path) -> Vec<String> {
        crate::procfs::mounts_of(&self.holder.id().to_string(), dir)
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _status = self.holder.wait();
        // Where nothing was left behind it could do without being lazy.
        let unmounted = Command::new("umount").arg("-l").arg(&self.shared).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("left behind: mount {}", self.shared.display());
        }
    }
}
