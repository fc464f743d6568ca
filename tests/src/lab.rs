//! A host of one's own: a fresh network namespace, a directory for the socket, and the real daemon
//! in it, driven through the real command line.
//!
//! The end of a lab is a test. [`Lab::finish`], or the drop of a lab whose test went well,
//!
//! 1. waits until the books close: every frame that came in was delivered, consumed or dropped for a
//!    named reason;
//! 2. ends the daemon with SIGTERM, and it must end with 0 and have neither panicked nor
//!    logged an error (where its state outlives it, its sandboxes and networks are removed before);
//! 3. looks for leftovers: a device in the host or in any sandbox, a mount, a process, a file.
//!
//! When the test panicked, all is taken away without questions, and the daemon's log is printed.

use crate::{
    Must, Output, Sandbox,
    daemon::{self, Log, program, start_daemon},
    deadline::{SOON, within},
    etc::Etc,
    guard::Guard,
    leftovers,
    mounts::Mounts,
    procfs::Process,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};
use tempfile::TempDir;
use vswitch::sys::{Netns, spawn_in};

/// The socket of a lab's engine of Docker.
const DOCKER_SOCKET: &str = "docker.sock";

/// How a lab is set up.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Worker threads; one for each core when absent.
    pub workers: Option<usize>,
    /// Whether nobody else may run beside it, because it measures.
    pub alone: bool,
    /// Whether its state outlives the daemon.
    pub keeps: bool,
    /// The namespace to run in, with what is in it already; a fresh one when absent.
    pub site: Option<Arc<Netns>>,
    /// Whether the daemon is a plugin of Docker's engine, `vswitch`, in a mount namespace of the lab's own: where
    /// plugins are is fixed. The engine is a [`Docker`](crate::Docker), at [`Lab::docker_socket`].
    pub docker: Option<Scope>,
    /// What the daemon finds in `/etc/resolv.conf`; the machine's when absent.
    pub resolv_conf: Option<String>,
}

/// What Docker's engines take the networks of our driver for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Each engine has its own.
    Local,
    /// Engines with a common store have them all.
    Global,
}

/// A host with a running daemon.
#[derive(Debug)]
pub struct Lab {
    host: Arc<Netns>,
    /// Interfaces that were in the host before the daemon.
    furniture: Vec<String>,
    /// Where the daemon runs, if not where the test does. Ends before its directory.
    mounts: Option<Arc<Mounts>>,
    dir: TempDir,
    daemon: Child,
    /// How the daemon is started, once more where a test has ended it.
    setup: Setup,
    log: Log,
    sandboxes: Mutex<Vec<Sandbox>>,
    /// What an error in the log may say, because the test has done it.
    forgiven: Vec<&'static str>,
    /// The daemon's own `/etc/resolv.conf`.
    etc: Option<Etc>,
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

    pub(crate) fn launch(setup: &Setup, guard: Option<Guard>) -> Self {
        let fresh = || Arc::new(Netns::create().must("a network namespace for the lab"));
        let host = setup.site.clone().unwrap_or_else(fresh);
        let furniture = leftovers::links(&host);
        let dir = (tempfile::Builder::new().prefix("vswitch-lab-").tempdir()).must("directory");
        let log = Log::default();
        let mounts = setup.docker.map(|_| Arc::new(Mounts::sharing(dir.path())));
        let etc = (setup.resolv_conf.as_ref()).map(|text| Etc::prepare(dir.path(), text));
        let mut command = daemon_command(mounts.as_deref(), etc.as_ref(), dir.path(), setup);
        let daemon = start_daemon(&host, &mut command, &log);
        let lab = Self {
            host,
            furniture,
            mounts,
            dir,
            daemon,
            setup: setup.clone(),
            log,
            sandboxes: Mutex::default(),
            forgiven: Vec::new(),
            etc,
            _guard: guard,
        };
        lab.wait_ready();
        lab
    }

    fn wait_ready(&self) {
        let ready = within(SOON, || UnixStream::connect(self.socket()).ok());
        assert!(ready.is_some(), "no daemon at {}", self.socket().display());
        // Answering, not only listening: and a program that a killed daemon was about to start listens for a moment more.
        let answers = within(SOON, || (self.cli(&["status"]).status == 0).then_some(()));
        assert!(answers.is_some(), "the daemon does not answer");
    }

    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("vswitch.sock")
    }

    /// Where the lab's engine of Docker listens, if there is one.
    #[must_use]
    pub fn docker_socket(&self) -> PathBuf {
        self.dir.path().join(DOCKER_SOCKET)
    }

    /// The mount namespace of a lab with Docker.
    ///
    /// # Panics
    /// When the lab is none.
    #[track_caller]
    #[must_use]
    pub fn mounts(&self) -> Arc<Mounts> {
        self.mounts.clone().must("a lab with Docker")
    }

    /// The lab's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The namespace of the daemon.
    #[must_use]
    pub fn host(&self) -> &Netns {
        &self.host
    }

    pub(crate) fn host_shared(&self) -> Arc<Netns> {
        Arc::clone(&self.host)
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

    /// Changes what the daemon finds in `/etc/resolv.conf`, where it has one of its own.
    ///
    /// # Panics
    /// When it has none.
    #[track_caller]
    pub fn set_resolv_conf(&self, text: &str) {
        self.etc.as_ref().must("a file of its own").write(text);
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
                "{after} changed something:\n{}",
                leftovers::difference(before, &self.fingerprint())
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
    /// were made by hand, the host's interfaces, files, the daemon's descriptors. Not its threads: the
    /// runtime keeps some for a while.
    #[track_caller]
    #[must_use]
    pub fn fingerprint(&self) -> String {
        leftovers::fingerprint(self)
    }

    /// Ends the lab and tests its end.
    pub fn finish(self) {
        drop(self);
    }

    /// Ends the daemon with SIGINT; its status.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn interrupt(&mut self) -> ExitStatus {
        daemon::signal(self.daemon.id(), Signal::INT);
        self.wait_end().must("the daemon's end on SIGINT")
    }

    /// Kills the daemon, which can do nothing about it.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill_daemon(&mut self) {
        self.daemon.kill().must("kill the daemon");
        self.daemon.wait().must("wait for the daemon");
    }

    /// Errors in the log with these words are of the test's own making.
    pub fn forgive(&mut self, words: &'static str) {
        self.forgiven.push(words);
    }

    /// Starts the daemon again after it has ended.
    pub fn restart(&mut self) {
        let mut command = daemon_command(
            self.mounts.as_deref(),
            self.etc.as_ref(),
            self.dir.path(),
            &self.setup,
        );
        self.daemon = start_daemon(&self.host, &mut command, &self.log);
        self.wait_ready();
    }

    /// Ends a lab whose daemon the test has told to stop already.
    pub fn finish_stopped(mut self) {
        let status = self.wait_end().must("the daemon's end");
        self.check_end(status);
        self.restart();
        self.finish();
    }

    fn wait_end(&mut self) -> Option<ExitStatus> {
        within(SOON, || self.daemon.try_wait().ok().flatten())
    }

    /// Asks the daemon to end; its status if it does.
    fn stop(&mut self) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.daemon.try_wait() {
            return Some(status);
        }
        daemon::terminate(self.daemon.id());
        self.wait_end()
    }

    fn finish_checked(&mut self) {
        let mut totals = Value::Null;
        let closed = within(SOON, || {
            totals = self.json(&["status"])["totals"].clone();
            (totals["residual"] == 0).then_some(())
        });
        assert!(closed.is_some(), "the books do not close: {totals}");
        if self.setup.keeps {
            self.take_apart();
        }
        let status = self.stop().must("the daemon's end on SIGTERM");
        self.check_end(status);
    }

    /// Removes what would outlive the daemon.
    fn take_apart(&self) {
        for (what, force) in [("sandbox", Some("--force")), ("network", None)] {
            for object in self.json(&[what, "ls"]).as_array().into_iter().flatten() {
                let name = object["name"].as_str().must("a name");
                if !["bridge", "host", "none"].contains(&name) {
                    let words = ["rm"].into_iter().chain(force).chain([name]);
                    self.cli(&[what].into_iter().chain(words).collect::<Vec<_>>())
                        .done();
                }
            }
        }
    }

    /// What must hold once the daemon has ended of itself.
    fn check_end(&mut self, status: ExitStatus) {
        let log = self.log.text();
        assert!(status.success(), "the daemon ended with {status}");
        assert!(!log.contains("panicked at"), "the daemon panicked");
        let unforeseen = |line: &&str| {
            let mut forgiven = self.forgiven.iter();
            line.contains(" ERROR ") && !forgiven.any(|words| line.contains(words))
        };
        let error = log.lines().find(unforeseen);
        assert_eq!(error, None, "the daemon logged an error");
        let sandboxes = self.sandboxes.get_mut();
        let sandboxes = std::mem::take(sandboxes.unwrap_or_else(PoisonError::into_inner));
        drop(self.etc.take());
        let mut left = Vec::new();
        let clean = within(SOON, || {
            left = leftovers::find(self.dir.path(), &self.host, &self.furniture, &sandboxes);
            left.is_empty().then_some(())
        });
        assert!(clean.is_some(), "left behind:\n{}", left.join("\n"));
    }

    /// After a failure: everything away, whatever state it is in.
    fn clean_up(&mut self) {
        if self.stop().is_none() {
            let _killed = self.daemon.kill();
            let _status = self.daemon.wait();
        }
        leftovers::remove(self.dir.path());
        drop(self.etc.take());
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
        for words in [["status"].as_slice(), &["port", "ls"], &["sandbox", "ls"]] {
            let shown = self.cli(words);
            eprintln!("$ {}\n{}{}", shown.command, shown.stdout, shown.stderr);
        }
        self.clean_up();
        eprintln!("---- the daemon's log ----\n{}\n----", self.log.text());
        if let Some(Err(panic)) = checked {
            std::panic::resume_unwind(panic);
        }
    }
}

fn daemon_command(
    mounts: Option<&Mounts>,
    etc: Option<&Etc>,
    dir: &Path,
    setup: &Setup,
) -> Command {
    let mut command = match mounts {
        Some(mounts) => mounts.command(program()),
        None => etc.map_or_else(|| Command::new(program()), Etc::command),
    };
    command
        .args(["daemon", "--socket"])
        .arg(dir.join("vswitch.sock"))
        .args((!setup.keeps).then_some("--ephemeral"));
    if let Some(workers) = setup.workers {
        command.args(["--workers", &workers.to_string()]);
    }
    if let Some(scope) = setup.docker {
        let scope = match scope {
            Scope::Local => "local",
            Scope::Global => "global",
        };
        command
            .args(["--docker-plugin", "vswitch", "--docker-scope", scope])
            .arg("--docker-socket")
            .arg(dir.join(DOCKER_SOCKET))
            .env("VSWITCH_LOG", "info,vswitch::api::docker=debug");
    }
    command
}
