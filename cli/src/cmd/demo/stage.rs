//! What the demo stands on: a directory of its own and a daemon in it. And how both go again.
//!
//! The daemon has a process group of its own, so that Ctrl-C at the terminal reaches us alone and the
//! order of clearing up stays ours. Its log goes to a file in the directory: when it does not start,
//! the last line says why.
//!
//! [`Stage::clear`] does not trust anybody, the daemon least of all: it looks whether socket, mounts,
//! processes and files are gone, and removes what is not.

use super::super::{
    daemon::LOG_VARIABLE,
    process::{ended, pass_on},
    run::random,
};
use anyhow::{Context as _, anyhow, bail};
use rustix::process::Signal;
use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File},
    io,
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};
use vswitch::{
    api::Client,
    sys::{Netns, NetnsId},
};

/// The daemon's socket, in our directory.
const SOCKET: &str = "vswitch.sock";
/// The daemon has this long to answer, and later to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks whether the daemon answers.
const LOOK: Duration = Duration::from_millis(10);

/// Directory, daemon, and the namespaces to be looked for in the end.
#[derive(Debug)]
pub(crate) struct Stage {
    directory: PathBuf,
    daemon: Option<Child>,
    namespaces: HashSet<NetnsId>,
}

impl Stage {
    /// Makes the directory, for our eyes only.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let name = format!("vswitch-demo-{:08x}", random() & 0xffff_ffff);
        let directory = std::env::temp_dir().join(name);
        // Not recursive: fails if somebody has put something there.
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(|error| {
            let directory = directory.display();
            anyhow!("cannot make {directory}: {error}; set TMPDIR to a directory of yours")
        })?;
        Ok(Self {
            directory,
            daemon: None,
            namespaces: HashSet::new(),
        })
    }

    /// Where the daemon listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join(SOCKET)
    }

    fn log(&self) -> PathBuf {
        self.directory.join("daemon.log")
    }

    /// Where the daemon pins its sandboxes.
    fn pins(&self) -> PathBuf {
        self.directory.join("netns")
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) async fn start(&mut self) -> anyhow::Result<Client> {
        let log = File::create(self.log()).context("cannot make the daemon's log")?;
        // Whatever this program is called and wherever it is, this is it.
        let child = Command::new("/proc/self/exe")
            .arg0("vswitch")
            .args(["daemon", "--socket"])
            .arg(self.socket())
            .arg("--ephemeral")
            .env(LOG_VARIABLE, "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("cannot start the daemon")?;
        let child = self.daemon.insert(child);
        let deadline = Instant::now() + PATIENCE;
        let socket = self.directory.join(SOCKET);
        loop {
            match Client::connect(&socket).await {
                Ok(client) => return Ok(client),
                Err(error) if Instant::now() > deadline => {
                    return Err(anyhow::Error::new(error).context("the daemon does not answer"));
                }
                Err(_) => {}
            }
            if let Some(status) = child.try_wait()? {
                self.daemon = None;
                let why = last_line(&self.log()).unwrap_or_else(|| status.to_string());
                bail!("the daemon did not start: {why}");
            }
            sleep(LOOK).await;
        }
    }

    /// Opens a sandbox, and remembers it for the proof.
    pub(crate) fn enter(&mut self, sandbox: &Path) -> anyhow::Result<Netns> {
        let netns = Netns::open(sandbox)?;
        self.namespaces.insert(netns.id()?);
        Ok(netns)
    }

    /// Ends the daemon, removes what it left, and says what was found gone.
    pub(crate) async fn clear(mut self) -> anyhow::Result<&'static str> {
        let started = self.daemon.is_some();
        let mut left = Vec::new();
        if let Some(daemon) = self.daemon.take() {
            left.extend(end(daemon).await);
        }
        left.extend(self.look());
        self.remove()?;
        if let Some(pid) = self.inhabitants().first() {
            bail!("process {pid} is still in a sandbox; end it with `kill {pid}`");
        }
        match (&left[..], started) {
            ([], true) => Ok(
                "nothing: the daemon ended with status 0, its socket and directory are gone,\n\
                 no namespace is mounted, no process is in one",
            ),
            ([], false) => Ok("nothing: the daemon had not been started"),
            (left, _) => bail!("{} (all of it is removed now)", left.join("; ")),
        }
    }

    /// What the daemon should have removed and has not.
    fn look(&self) -> Vec<String> {
        let mut left = Vec::new();
        if self.socket().exists() {
            left.push("it left its socket".to_owned());
        }
        let directory = self.directory.display().to_string();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for mount in mounts.lines().filter(|line| line.contains(&directory)) {
            let point = mount.split(' ').nth(4).unwrap_or(mount);
            left.push(format!("it left the mount {point}"));
        }
        left
    }

    /// Processes in our sandboxes, by number.
    fn inhabitants(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        // A process that ends meanwhile, or is not ours to look at, is in none of them.
        let inside = |pid: &u32| {
            let id = Netns::of_pid(*pid).and_then(|netns| netns.id());
            id.is_ok_and(|id| self.namespaces.contains(&id))
        };
        pids.filter(inside).collect()
    }

    /// Removes all that may be in the directory, mounts first.
    fn remove(&self) -> anyhow::Result<()> {
        for pin in fs::read_dir(self.pins()).into_iter().flatten().flatten() {
            Netns::unpin(&pin.path())?;
        }
        Netns::release_directory(&self.pins())?;
        fs::remove_dir_all(&self.directory)
            .with_context(|| format!("cannot remove {}", self.directory.display()))
    }
}

/// Ends the daemon, by force if need be; says what was wrong with its end.
async fn end(mut daemon: Child) -> Option<String> {
    match daemon.try_wait() {
        // Its number is its own only as long as it is not reaped.
        Ok(None) => pass_on(&daemon, Signal::TERM),
        Ok(Some(status)) => return Some(format!("the daemon had ended with {status}")),
        Err(error) => return Some(format!("cannot wait for the daemon: {error}")),
    }
    let status: io::Result<ExitStatus> = match timeout(PATIENCE, ended(&mut daemon)).await {
        Ok(status) => status,
        Err(_) => {
            pass_on(&daemon, Signal::KILL);
            return match daemon.wait() {
                Ok(_) => Some("the daemon did not end on SIGTERM and was killed".to_owned()),
                Err(error) => Some(format!("cannot wait for the daemon: {error}")),
            };
        }
    };
    match status {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("the daemon ended with {status}")),
        Err(error) => Some(format!("cannot wait for the daemon: {error}")),
    }
}

/// The last line of a log, without the program's name in front.
fn last_line(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    Some(line.strip_prefix("vswitch: ").unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_s_last_word_is_the_reason() {
        let directory = tempfile::tempdir().expect("a directory of the test");
        let log = directory.path().join("log");
        assert_eq!(last_line(&log), None);
        fs::write(&log, "INFO ready\nvswitch: socket x in use; stop it\n\n").expect("written");
        assert_eq!(last_line(&log).as_deref(), Some("socket x in use; stop it"));
    }
}
