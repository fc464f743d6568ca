//! VDE's switch, with a TAP to each host.
//!
//! It reads commands from its standard input and ends with it, so it cannot outlive this program even where nobody
//! ends it.

use std::io::Write as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;

use ::vswitch::sys::Netns;
use anyhow::{Context as _, Result};

use super::link::{self, ip, path_of, up};
use super::{Candidate, Engine, Host, Setting};
use crate::cpu::Task;
use crate::process::{Process, await_word};

/// A running switch.
#[derive(Debug)]
pub(super) struct Vde {
    process: Process,
    _commands: ChildStdin,
    _directory: tempfile::TempDir,
}

impl Vde {
    fn start(machine: &Netns) -> Result<Self> {
        let directory = super::scratch()?;
        let mut command = Command::new("vde_switch");
        command.arg("-s").arg(directory.path().join("ctl"));
        command.args(["-t", "pa", "-t", "pb"]);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::start(machine, piped, Stdio::piped())
            .context("install vde2 for a comparison with VDE")?;
        let pipes = process.pipes();
        let (input, output) = (pipes.stdin.take(), pipes.stdout.take());
        let mut commands = input.context("vde_switch has no input")?;
        commands.write_all(b"showinfo\n")?;
        let output = output.context("vde_switch has no output")?;
        await_word(output, "1000 Success", "vde_switch")?;
        Ok(Self {
            process,
            _commands: commands,
            _directory: directory,
        })
    }

    /// Who does the work.
    pub(super) fn task(&self) -> Task {
        Task::Process(self.process.id())
    }

    /// An error when it has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        self.process.check()
    }
}

/// A switch with both hosts.
pub(super) fn build(setting: &Setting<'_>) -> Result<Candidate> {
    let machine = Arc::new(Netns::create()?);
    let vde = Vde::start(&machine)?;
    let hosts = Host::pair()?;
    for (port, host) in ["pa", "pb"].into_iter().zip(&hosts) {
        move_in(&machine, port, host, setting.mtu)?;
    }
    Ok(Candidate::new(hosts, Engine::Vde(vde), vec![machine]))
}

/// Moves a TAP from the machine into a host, as its interface.
pub(super) fn move_in(machine: &Netns, port: &str, host: &Host, mtu: u32) -> Result<()> {
    let (place, mtu) = (path_of(&host.netns), mtu.to_string());
    ip(machine, &["link", "set", port, "netns", &place])?;
    let renamed = ["link", "set", port, "name", host.interface, "mtu", &mtu];
    ip(&host.netns, &renamed)?;
    link::address(host)?;
    up(&host.netns, host.interface)
}
