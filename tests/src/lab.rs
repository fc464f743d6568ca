//! A host of one's own: a fresh network namespace, a directory for the socket, and the real daemon
//! in it, driven through the real command line.
//!
//! The end of a lab is a test. [`Lab::finish`], or the drop of a lab whose test went well,
//!
//! 1. waits until the books close: every frame that came in was delivered, consumed or dropped for a
//!    named reason;
//! 2. ends the daemon with SIGTERM, and it must end with 0 and have neither panicked nor
//!    logged an error;
//! 3. looks for leftovers: a device in the host or in any sandbox, a mount, a process, a file.
//!
//! When the test panicked, all is taken away without questions, and the daemon's log is printed.

use crate::{
    Must, Output, Sandbox,
    daemon::{Log, program, start_daemon},
    deadline::{SOON, within},
    guard::Guard,
    leftovers,
    procfs::Process,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};
use tempfile::TempDir;
use vswitch::sys::{Netns, spawn_in};

/// How a lab is set up.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Worker threads; one for each core when absent.
    pub workers: Option<usize>,
    /// Whether nobody else may run beside it, because it measures.
    pub alone: bool,
}

/// A host with a running daemon.
#[derive(Debug)]
pub struct Lab {
    host: Netns,
    dir: TempDir,
    daemon: Child,
    log: Log,
    sandboxes: Mutex<Vec<Sandbox>>,
    /// Given back last.
    _guard: Option<Guard>,
}

impl Lab {
    /// A lab that shares the machine with others.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&Setup::default())
    }

    /// A lab as wanted.
    #[must_use]
    pub fn start_with(setup: &Setup) -> Self {
        let guard = if setup.alone {
            Guard::alone()
        } else {
            Guard::shared()
        };
        Self::launch(setup, Some(guard))
    }

    /// A second lab in the same test.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self::launch(&Setup::default(), None)
    }

    fn launch(setup: &Setup, guard: Option<Guard>) -> Self {
        let host = Netns::create().must("a network namespace for the lab");
        let dir = (tempfile::Builder::new().prefix("vswitch-lab-").tempdir()).must("directory");
        let mut command = Command::new(program());
        command
            .args(["daemon", "--socket"])
            .arg(dir.path().join("vswitch.sock"))
            .arg("--state-dir")
            .arg(dir.path().join("state"));
        if let Some(workers) = setup.workers {
            command.args(["--workers", &workers.to_string()]);
        }
        let log = Log::default();
        let daemon = start_daemon(&host, &mut command, &log);
        let lab = Self {
            host,
            dir,
            daemon,
            log,
            sandboxes: Mutex::default(),
            _guard: guard,
        };
        lab.wait_ready();
        lab
    }

    fn wait_ready(&self) {
        let ready = within(SOON, || UnixStream::connect(self.socket()).ok());
        assert!(ready.is_some(), "no daemon at {}", self.socket().display());
        // Answering, not only listening.
        self.cli(&["status"]).done();
    }

    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("vswitch.sock")
    }

    /// The lab's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The namespace of the daemon.
    #[must_use]
    pub const fn host(&self) -> &Netns {
        &self.host
    }

    /// The daemon's process.
    #[must_use]
    pub fn daemon(&self) -> Process {
        Process(self.daemon.id())
    }

    /// The daemon's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The command `vswitch` with these words, for this lab's daemon.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .arg("--socket")
            .arg(self.socket())
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `vswitch` with these words, in the lab's namespace.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn cli(&self, words: &[&str]) -> Output {
        let child = spawn_in(&self.host, &mut self.command(words)).must("vswitch");
        let output = child.wait_with_output().must("wait for vswitch");
        Output::new(format!("vswitch {}", words.join(" ")), &output)
    }

    /// Runs `vswitch` with these words alone, which name the socket or do without.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn cli_anywhere(&self, words: &[&str]) -> Output {
        let mut command = Command::new(program());
        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = spawn_in(&self.host, &mut command).must("vswitch");
        let output = child.wait_with_output().must("wait for vswitch");
        Output::new(format!("vswitch {}", words.join(" ")), &output)
    }

    /// Runs `vswitch --json` with these words and gives what it printed.
    ///
    /// # Panics
    /// When it failed.
    #[track_caller]
    #[must_use]
    pub fn json(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = ["--json"].iter().chain(words).copied().collect();
        self.cli(&words).json()
    }

    /// Asserts that a command is refused with one line that has all of `say` in it, and that the
    /// switch is as it was before. Gives the line.
    ///
    /// # Panics
    /// When it is not so.
    #[track_caller]
    pub fn refuses(&self, words: &[&str], say: &[&str]) -> String {
        let before = self.fingerprint();
        let line = self.cli(words).refused(say).to_owned();
        self.unchanged(&before, &format!("`vswitch {}`", words.join(" ")));
        line
    }

    /// Asserts that all is as in `before`, a [fingerprint](Self::fingerprint).
    ///
    /// # Panics
    /// When it is not, with what `after` did.
    #[track_caller]
    pub fn unchanged(&self, before: &str, after: &str) {
        // What was made and undone may take a moment to be gone.
        let same = within(SOON, || (self.fingerprint() == before).then_some(()));
        if same.is_none() {
            panic!(
                "{after} changed something\nbefore: {before}\nafter: {}",
                self.fingerprint()
            );
        }
    }

    /// Looks for leftovers in this sandbox, too, at the end.
    pub fn watch(&self, sandbox: &Sandbox) {
        let mut all = self
            .sandboxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(sandbox.clone());
    }

    /// All that a refused command must leave alone, as text: networks, sandboxes, ports, entries that
    /// were made by hand, the host's interfaces, files, the daemon's threads and descriptors.
    #[track_caller]
    #[must_use]
    pub fn fingerprint(&self) -> String {
        leftovers::fingerprint(self)
    }

    /// Ends the lab and tests its end.
    pub fn finish(self) {
        drop(self);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.daemon.id()).ok().and_then(Pid::from_raw);
        // One that has ended already is found out by `wait`.
        let _sent = pid.map(|pid| kill_process(pid, signal));
    }

    /// Asks the daemon to end; its status if it does.
    fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        within(SOON, || self.daemon.try_wait().ok().flatten())
    }

    fn finish_checked(&mut self) {
        let mut totals = Value::Null;
        let closed = within(SOON, || {
            totals = self.json(&["status"])["totals"].clone();
            (totals["residual"] == 0).then_some(())
        });
        assert!(closed.is_some(), "the books do not close: {totals}");
        let status = self.stop();
        let log = self.log.text();
        let Some(status) = status else {
            panic!("the daemon does not end on SIGTERM");
        };
        assert!(status.success(), "the daemon ended with {status}");
        assert!(!log.contains("panicked at"), "the daemon panicked");
        assert!(!log.contains(" ERROR "), "the daemon logged an error");
        let sandboxes = self.sandboxes.get_mut();
        let sandboxes = std::mem::take(sandboxes.unwrap_or_else(PoisonError::into_inner));
        let mut left = Vec::new();
        let clean = within(SOON, || {
            left = leftovers::find(self.dir.path(), &self.host, &sandboxes);
            left.is_empty().then_some(())
        });
        assert!(clean.is_some(), "left behind:\n{}", left.join("\n"));
    }

    /// After a failure: everything away, whatever state it is in.
    fn clean_up(&mut self) {
        if self.stop().is_none() {
            self.signal(Signal::KILL);
            let _status = self.daemon.wait();
        }
        leftovers::remove(self.dir.path());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let failed = thread::panicking();
        let checked = (!failed).then(|| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.finish_checked()))
        });
        if let Some(Ok(())) = checked {
            return;
        }
        self.clean_up();
        eprintln!("---- the daemon's log ----\n{}\n----", self.log.text());
        if let Some(Err(panic)) = checked {
            std::panic::resume_unwind(panic);
        }
    }
}
