//! A command that runs inside a sandbox while we wait for it and stay out of its way.
//!
//! It has our stdin, stdout, stderr and process group, so the terminal treats both as one job: Ctrl-C
//! and Ctrl-\ reach the command from the terminal itself, and our part is only not to die of them
//! first. Signals that come to us alone (SIGTERM, SIGHUP, or a SIGINT that no terminal sent) are passed
//! on. After SIGTERM or SIGHUP the command has [`GRACE`] to end, as a container has under
//! `docker stop`, because whoever sends us SIGTERM counts on our end, and on what we clean up then.
//!
//! # Thread rule
//!
//! Waiting is driven by SIGCHLD on the runtime; no thread. The child is reaped nowhere else, so its
//! number is its own while we signal it.

use crate::print;
use rustix::{
    process::{Pid, Signal},
    termios::tcgetpgrp,
};
use std::{
    env,
    ffi::{OsStr, OsString},
    future::{self, Future},
    io,
    path::Path,
    process::{Child, Command, ExitCode, ExitStatus},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    signal::unix::{self, SignalKind},
    time::{Instant, sleep_until},
};
use vswitch::sys::{Netns, Surroundings, spawn_among};

/// From SIGTERM to SIGKILL; Docker's default.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// A shell's status for what was found but cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// A shell's status for what was not found.
const NOT_FOUND: u8 = 127;

/// Where the C library looks without $PATH (`confstr(_CS_PATH)`).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The signals that would end us. From its making on they do not: they wait here to be looked at.
#[derive(Debug)]
pub(crate) struct Stop {
    signals: [(Signal, unix::Signal); 4],
}

impl Stop {
    /// Takes the signals over. Needs a runtime.
    pub(crate) fn install() -> io::Result<Self> {
        let watch = |signal: Signal, kind| Ok::<_, io::Error>((signal, unix::signal(kind)?));
        Ok(Self {
            signals: [
                watch(Signal::TERM, SignalKind::terminate())?,
                watch(Signal::HUP, SignalKind::hangup())?,
                watch(Signal::INT, SignalKind::interrupt())?,
                watch(Signal::QUIT, SignalKind::quit())?,
            ],
        })
    }

    /// The next one. Dropped before it is ready, nothing is lost.
    pub(crate) fn next(&mut self) -> impl Future<Output = Signal> + '_ {
        future::poll_fn(|context| self.poll(context))
    }

    /// One that has arrived already.
    pub(crate) fn arrived(&mut self) -> Option<Signal> {
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(signal) => Some(signal),
            Poll::Pending => None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Signal> {
        for (signal, stream) in &mut self.signals {
            if stream.poll_recv(context).is_ready() {
                return Poll::Ready(*signal);
            }
        }
        Poll::Pending
    }
}

/// The status that a shell shows for an end by `signal`.
pub(crate) fn ended_by(signal: Signal) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal.as_raw()).unwrap_or(1))
}

/// Starts `words` inside `netns`. When there is no such program, says so and gives the status for it.
pub(crate) fn start(
    netns: &Netns,
    surroundings: &Surroundings,
    words: &[OsString],
) -> anyhow::Result<Result<Child, ExitCode>> {
    let Some((program, arguments)) = words.split_first() else {
        anyhow::bail!("no command: write it after `--`");
    };
    let mut command = Command::new(program);
    let error = match spawn_among(netns, surroundings, command.args(arguments)) {
        Ok(child) => return Ok(Ok(child)),
        Err(error) => error,
    };
    let found = is_there(program, env::var_os("PATH").as_deref());
    let program = program.display();
    let (why, status) = match error.kind() {
        // `execvp` says "denied" where it was not let into one of the directories, too.
        io::ErrorKind::PermissionDenied if found => {
            ("not executable; look at its permissions", NOT_EXECUTABLE)
        }
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            ("not found; give its path, or look at $PATH", NOT_FOUND)
        }
        _ => return Err(anyhow::Error::new(error).context(format!("cannot run {program}"))),
    };
    print::complain(&format!("cannot run {program}: {why}"));
    Ok(Err(ExitCode::from(status)))
}

/// Whether there is a file that a shell would take `program` for, executable or not. A name with a slash
/// is a path and needs no search.
fn is_there(program: &OsStr, path: Option<&OsStr>) -> bool {
    if program.as_encoded_bytes().contains(&b'/') {
        // A directory as well: a shell's word for it is the same.
        return Path::new(program).exists();
    }
    let path = path.unwrap_or_else(|| OsStr::new(DEFAULT_PATH));
    env::split_paths(path).any(|directory| directory.join(program).is_file())
}

/// Waits for the end of `child`. Dropped before it is ready, nothing is lost.
pub(crate) async fn ended(child: &mut Child) -> io::Result<ExitStatus> {
    let mut some_child = unix::signal(SignalKind::child())?;
    loop {
        // Only now that an end would be noticed: one before the watch would be missed.
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        some_child.recv().await;
    }
}

/// Waits for the end of `child`, passing signals on.
pub(crate) async fn wait(child: &mut Child, stop: &mut Stop) -> io::Result<ExitStatus> {
    let mut deadline: Option<Instant> = None;
    loop {
        let overdue = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            status = ended(child) => return status,
            signal = stop.next() => {
                let ends = matches!(signal, Signal::TERM | Signal::HUP);
                if ends || !terminal_signals_us() {
                    pass_on(child, signal);
                }
                if ends && deadline.is_none() {
                    deadline = Some(Instant::now() + GRACE);
                }
            }
            () = overdue => {
                deadline = None;
                pass_on(child, Signal::KILL);
            }
        }
    }
}

/// Sends a signal to a child that is not reaped yet.
pub(crate) fn pass_on(child: &Child, signal: Signal) {
    if let Err(error) = rustix::process::kill_process(Pid::from_child(child), signal) {
        // A set-uid command may belong to somebody else by now; its end is still waited for.
        tracing::debug!(%error, ?signal, "signal not passed on");
    }
}

/// Whether Ctrl-C at our terminal goes to our process group, and so to the child as well.
fn terminal_signals_us() -> bool {
    let own = rustix::process::getpgrp();
    let in_front = |group: rustix::io::Result<Pid>| group.is_ok_and(|group| group == own);
    in_front(tcgetpgrp(io::stdin()))
        || in_front(tcgetpgrp(io::stdout()))
        || in_front(tcgetpgrp(io::stderr()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(work)
    }

    #[test]
    fn a_child_is_waited_for_however_it_ends() {
        block_on(async {
            let mut stop = Stop::install().expect("signals");
            let mut child = Command::new("sh")
                .args(["-c", "exit 7"])
                .spawn()
                .expect("sh");
            let status = wait(&mut child, &mut stop).await.expect("wait");
            assert_eq!(status.code(), Some(7));

            let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
            pass_on(&child, Signal::TERM);
            let status = wait(&mut child, &mut stop).await.expect("wait");
            assert_eq!(status.signal(), Some(15));
        });
    }

    #[test]
    fn what_is_there_is_told_from_what_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("plain");
        std::fs::write(&file, "no program").expect("a file");
        std::fs::create_dir(directory.path().join("sub")).expect("a directory");
        let path = env::join_paths([Path::new("/nowhere"), directory.path()]).expect("a path");
        let there = |program: &str| is_there(OsStr::new(program), Some(&path));
        assert!(there("plain"));
        assert!(!there("sub"), "a directory in $PATH is no program");
        assert!(!there("no-such-program"));
        assert!(there(&file.to_string_lossy()));
        assert!(there("/"));
        assert!(!there("/nowhere/at/all"));
        assert!(is_there(OsStr::new("sh"), None));
    }

    #[test]
    fn a_signal_ends_as_in_a_shell() {
        assert_eq!(
            format!("{:?}", ended_by(Signal::TERM)),
            format!("{:?}", ExitCode::from(143))
        );
    }
}
