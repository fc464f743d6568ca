//! Processes that end with their owner.
//!
//! Every process that this program starts belongs to a [`Process`], whose drop ends it: SIGTERM, some seconds, SIGKILL. So a
//! measurement that fails, a candidate that cannot be built and a Ctrl-C leave nothing behind.
//!
//! Complications:
//! - Waiting goes by pidfd, which can be waited for together with the descriptor of a signal.
//! - Output is read by threads: a program that nobody reads from stops at 64 KiB.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use vswitch::sys::{Netns, spawn_in};

use crate::interrupt::{self, Woken};

/// How long a process may take to end after it has been asked to.
const END: Duration = Duration::from_secs(5);

/// How long a command that configures something may take.
pub(crate) const COMMAND: Duration = Duration::from_secs(20);

/// How long a daemon may take to be ready.
const START: Duration = Duration::from_secs(20);

/// A process in a namespace.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    pidfd: OwnedFd,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Output {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// All that it wrote.
    pub(crate) stdout: Vec<u8>,
    /// The same of its errors, as text.
    pub(crate) stderr: String,
}

impl Process {
    /// Starts a command. Its input is empty unless the command says otherwise with `input`.
    pub(crate) fn start(netns: &Netns, command: &mut Command, input: Stdio) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = spawn_in(netns, command.stdin(input).process_group(0))
            .with_context(|| format!("cannot run {name}"))?;
        let pid = pid_of(&child)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Self { name, child, pidfd })
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The pipes that the command asked for.
    pub(crate) fn pipes(&mut self) -> &mut Child {
        &mut self.child
    }

    /// An error that names it when it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended before its time: {status}", self.name),
        }
    }

    /// Waits for its end, for a time at most.
    pub(crate) fn wait(&mut self, time: Duration) -> Result<ExitStatus> {
        match interrupt::wait(self.pidfd.as_fd(), time)? {
            Woken::Ready => Ok(self.child.wait()?),
            Woken::Late => bail!("{} did not end within {} s", self.name, time.as_secs()),
        }
    }

    /// Lets it stand still: no processor time until [`Self::resume`].
    pub(crate) fn pause(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub(crate) fn resume(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        self.check()?;
        Ok(kill_process(pid_of(&self.child)?, signal)?)
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = pid_of(&self.child)?;
        kill_process(pid, Signal::TERM)?;
        // One that stands still does not hear.
        kill_process(pid, Signal::CONT)?;
        if interrupt::wait_undisturbed(self.pidfd.as_fd(), END)? == Woken::Late {
            eprintln!(
                "vswitch-perf: {} does not end when asked to: killed",
                self.name
            );
            self.child.kill()?;
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("vswitch-perf: {} was not ended: {error}", self.name);
        }
    }
}

fn pid_of(child: &Child) -> Result<Pid> {
    let number = i32::try_from(child.id())?;
    Pid::from_raw(number).context("a process without a number")
}

/// Runs a command to its end, for a time at most, and reads all that it writes.
pub(crate) fn output(netns: &Netns, command: &mut Command, time: Duration) -> Result<Output> {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start(netns, piped, Stdio::null())?;
    let stdout = read_all(process.child.stdout.take());
    let stderr = read_all(process.child.stderr.take());
    let status = process.wait(time)?;
    Ok(Output {
        status,
        stdout: joined(stdout)?,
        stderr: String::from_utf8_lossy(&joined(stderr)?).trim().to_owned(),
    })
}

/// Whether a program can be started: by its path, or by its name where `PATH` leads to it.
pub(crate) fn is_installed(program: &Path) -> bool {
    if program.components().count() > 1 {
        return program.is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Runs a command that configures something; what it says when it fails is the error.
pub(crate) fn run(netns: &Netns, program: &str, args: &[&str]) -> Result<()> {
    read(netns, program, args).map(drop)
}

/// The same for a command whose answer matters.
pub(crate) fn read(netns: &Netns, program: &str, args: &[&str]) -> Result<String> {
    let output = output(netns, Command::new(program).args(args), COMMAND)?;
    if !output.status.success() {
        bail!("{program} {}: {}", args.join(" "), output.stderr);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut all)?;
        }
        Ok(all)
    })
}

fn joined(reader: JoinHandle<io::Result<Vec<u8>>>) -> Result<Vec<u8>> {
    let all = reader.join().map_err(|_| anyhow!("a reader panicked"))?;
    Ok(all?)
}

/// Reads until a daemon has written `word`, which says that it is ready; then goes on reading and forgets what it
/// reads, so that the daemon never waits for a reader.
pub(crate) fn await_word(
    mut pipe: impl Read + AsFd + Send + 'static,
    word: &str,
    who: &str,
) -> Result<()> {
    let end = Instant::now() + START;
    let mut said = Vec::new();
    let mut room = [0; 4096];
    while !String::from_utf8_lossy(&said).contains(word) {
        let left = end.saturating_duration_since(Instant::now());
        let length = match interrupt::wait(pipe.as_fd(), left)? {
            Woken::Late => bail!("{who} was not ready within {} s", START.as_secs()),
            Woken::Ready => pipe.read(&mut room)?,
        };
        if length == 0 {
            bail!("{who} ended at once: {}", last_line(&said));
        }
        said.extend_from_slice(&room[..length]);
    }
    std::thread::spawn(move || io::copy(&mut pipe, &mut io::sink()));
    Ok(())
}

/// The last thing that was said.
fn last_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let mut lines = text.lines().rev().map(str::trim);
    let last = lines.find(|line| !line.is_empty());
    last.unwrap_or("it gave no reason").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_name_and_by_path() {
        assert!(is_installed(Path::new("sh")) && is_installed(Path::new("/bin/sh")));
        assert!(!is_installed(Path::new("/bin/no-such")) && !is_installed(Path::new("no-such")));
        assert!(!is_installed(Path::new("/")) && !is_installed(Path::new("")));
    }

    #[test]
    fn the_reason_is_the_last_line_with_something_in_it() {
        assert_eq!(last_line(b"a\nno such thing \n\n"), "no such thing");
        assert_eq!(last_line(b""), "it gave no reason");
    }
}
