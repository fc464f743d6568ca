//! The program under test as a process: where it is, how a daemon is started, what it logs.

use crate::{
    Must, Output,
    deadline::{SOON, within},
    sandbox::command_of,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};
use vswitch::sys::{Netns, spawn_in};

/// What a daemon writes to its standard error.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the daemon's standard error until its end.
    fn follow(&self, stderr: std::process::ChildStderr) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                log.lines().push(line);
            }
        });
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }
}

/// The program under test: `vswitch` beside the running test program.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn program() -> PathBuf {
    let test = std::env::current_exe().must("own path");
    let found = (test.ancestors().skip(1).take(3))
        .map(|dir| dir.join("vswitch"))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "no program `vswitch` near {}: run ./tests/run, or `cargo build -p vswitch-cli` first",
            test.display()
        )
    })
}

/// Sends a signal to a process that the test has started.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // Whoever waits for it finds out that it has ended already.
    let _sent = pid.map(|pid| kill_process(pid, signal));
}

/// Sends SIGTERM to a process that the test has started.
pub fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

/// Starts a daemon in a namespace and follows its log.
///
/// # Panics
/// When it cannot be started.
pub(crate) fn start_daemon(host: &Netns, command: &mut Command, log: &Log) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut daemon = spawn_in(host, command).must("start the daemon");
    log.follow(daemon.stderr.take().must("the daemon's stderr"));
    daemon
}

/// Runs a daemon that is to end by itself because it must not start: its output. `wrap` stands before
/// the command line, for instance `unshare -m`.
///
/// # Panics
/// When it does not end.
#[must_use]
pub fn failing_daemon(host: &Netns, wrap: &[&str], socket: &Path) -> Output {
    let program = program();
    let (program, socket) = (program.to_string_lossy(), socket.to_string_lossy());
    let words = [wrap, &[&program, "daemon", "--socket", &socket]].concat();
    let mut command = command_of(&words);
    command
        .env("VSWITCH_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn_in(host, &mut command).must("start the daemon");
    let ended = within(SOON, || child.try_wait().ok().flatten());
    if ended.is_none() {
        let _killed = child.kill();
    }
    let output = child.wait_with_output().must("wait for the daemon");
    let output = Output::new(words.join(" "), &output);
    assert!(ended.is_some(), "it started all the same: {output:?}");
    output
}
