//! Traffic between two sandboxes: with the tools that everybody knows where the machine has them,
//! with [`sockets`] of our own where it has not.

use super::{super::process::ended, show::Show, sockets};
use crate::print::StdoutClosed;
use anyhow::{Context as _, anyhow, bail};
use std::{
    env,
    net::Ipv4Addr,
    os::{fd::OwnedFd, unix::fs::PermissionsExt, unix::process::ExitStatusExt},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::unix::pipe::Receiver,
    time::timeout,
};
use vswitch::sys::{Netns, spawn_in};

/// iperf3 starts within this.
const PATIENCE: Duration = Duration::from_secs(5);

/// SIGPIPE: the reader of our stdout has gone.
const SIGPIPE: i32 = 13;

/// A sandbox as an end of traffic.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its address on the network.
    pub(crate) address: Ipv4Addr,
    /// Its namespace.
    pub(crate) netns: Netns,
}

/// A process of the demo, which does not outlive this value.
#[derive(Debug)]
struct Tool(Child);

impl Drop for Tool {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for, which is what is wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Tool {
    /// Starts `line` in a sandbox; its stdout is ours, or a pipe.
    fn start(peer: &Peer, line: &str, stdout: Stdio) -> anyhow::Result<Self> {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).stdin(Stdio::null()).stdout(stdout);
        let child = spawn_in(&peer.netns, &mut command);
        Ok(Self(child.with_context(|| {
            format!("cannot run {line} in {}", peer.name)
        })?))
    }

    /// Waits for a good end.
    async fn succeed(&mut self, line: &str) -> anyhow::Result<()> {
        let status = ended(&mut self.0).await?;
        match status.signal() {
            _ if status.success() => Ok(()),
            Some(SIGPIPE) => Err(StdoutClosed.into()),
            _ => Err(anyhow!(
                "`{line}` failed ({status}): the sandboxes do not reach one another"
            )),
        }
    }
}

/// How a person runs `line` in a sandbox.
fn shown(peer: &Peer, line: &str) -> String {
    format!("vswitch sandbox exec {} -- {line}", peer.name)
}

/// `from` pings `to`.
pub(crate) async fn ping(show: Show, from: &Peer, to: &Peer) -> anyhow::Result<()> {
    if !installed("ping") {
        show.text(&format!(
            "(no ping on this machine: UDP probes, {} to {})",
            from.name, to.name
        ))?;
        let times = sockets::echo(&from.netns, &to.netns, to.address)?;
        return show.text(&sockets::times(&times));
    }
    let line = format!("ping -c 3 -i 0.2 {}", to.address);
    show.command(&shown(from, &line))?;
    Tool::start(from, &line, Stdio::inherit())?
        .succeed(&line)
        .await
}

/// `from` sends to `to` as fast as it goes.
pub(crate) async fn throughput(show: Show, from: &Peer, to: &Peer) -> anyhow::Result<()> {
    if !installed("iperf3") {
        show.text(&format!(
            "(no iperf3 on this machine: a stream, {} to {})",
            from.name, to.name
        ))?;
        let flow = sockets::stream(&from.netns, &to.netns, to.address).await?;
        return show.text(&flow.to_string());
    }
    let line = "iperf3 -s -1";
    show.command(&format!("{} &", shown(to, line)))?;
    // The same, but its "listening" is not kept back in a buffer.
    let mut server = Tool::start(to, &format!("{line} --forceflush"), Stdio::piped())?;
    // Kept until the end: without a reader the server would die of its next word.
    let output = timeout(PATIENCE, listening(&mut server)).await;
    let _output = output.context("iperf3 -s does not start")??;

    let line = format!("iperf3 -c {} -t 3 -i 0", to.address);
    show.command(&shown(from, &line))?;
    Tool::start(from, &line, Stdio::inherit())?
        .succeed(&line)
        .await
}

/// Waits until the server says that it listens; gives its output.
async fn listening(server: &mut Tool) -> anyhow::Result<BufReader<Receiver>> {
    let stdout = server.0.stdout.take().context("iperf3 has no stdout")?;
    let mut output = BufReader::new(Receiver::from_owned_fd(OwnedFd::from(stdout))?);
    let mut line = String::new();
    while output.read_line(&mut line).await? > 0 {
        if line.contains("listening") {
            return Ok(output);
        }
        line.clear();
    }
    bail!("iperf3 -s ended before it listened");
}

/// Whether `$PATH` has the program.
fn installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| {
        let found = directory.join(program).metadata();
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_a_file_on_the_path() {
        assert!(installed("sh"));
        assert!(!installed("no-such-program-of-vswitch"));
    }
}
