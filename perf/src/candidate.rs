//! The switches that are compared: two hosts each, in namespaces of their own.
//!
//! Every candidate lives in namespaces that play the machines, so that nothing of the real one is
//! touched and nothing is left when the program ends. Host `a` is 198.18.0.1, host `b` is
//! 198.18.0.2; the machines of an overlay are 198.18.100.1 and 198.18.100.2.

mod kernel;
mod vswitch;

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ::vswitch::sys::{Netns, spawn_in};
use anyhow::{Context as _, Result, bail};

use crate::bare::BareLoop;
pub(crate) use vswitch::Program;

/// A switch with two hosts on it.
#[derive(Debug)]
pub(crate) struct Candidate {
    name: &'static str,
    /// The clients' host.
    pub(crate) a: Netns,
    /// The servers' host.
    pub(crate) b: Netns,
    engine: Engine,
    /// The namespaces of the machines; dropped last.
    _machines: Vec<Arc<Netns>>,
}

/// What moves the frames.
#[derive(Debug)]
enum Engine {
    Kernel,
    Daemons(Vec<vswitch::Daemon>),
    Loop(BareLoop),
}

impl Candidate {
    /// Address of host `a`.
    pub(crate) const A: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
    /// Address of host `b`.
    pub(crate) const B: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

    /// Two TAPs and a thread that copies from one to the other: no switch at all.
    pub(crate) fn bare_loop() -> Result<Self> {
        let (a, b) = (Netns::create()?, Netns::create()?);
        let bare = BareLoop::start(
            (&a, &format!("{}/24", Self::A)),
            (&b, &format!("{}/24", Self::B)),
        )?;
        Ok(Self {
            name: "bare TAP loop",
            a,
            b,
            engine: Engine::Loop(bare),
            _machines: Vec::new(),
        })
    }

    /// What the report calls it.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Ends the candidate and leaves nothing behind.
    pub(crate) fn finish(self) -> Result<()> {
        match self.engine {
            Engine::Kernel => Ok(()),
            Engine::Loop(bare) => bare.finish(),
            Engine::Daemons(daemons) => daemons.into_iter().try_for_each(vswitch::Daemon::finish),
        }
    }
}

/// Runs a command in a namespace to its end.
fn run(netns: &Netns, program: &str, args: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let output = spawn_in(netns, &mut command)
        .with_context(|| format!("cannot run {program}"))?
        .wait_with_output()?;
    if !output.status.success() {
        bail!(
            "{program} {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// A veth pair: one end in the namespace `here` under this name, the other one in `there`.
fn veth(here: &Netns, name: &str, there: &Netns, peer: &str) -> Result<()> {
    // Moved by way of a process that lives in the other namespace.
    let mut holder = spawn_in(there, Command::new("sleep").arg("60"))?;
    let pid = holder.id().to_string();
    let made = run(
        here,
        "ip",
        &[
            "link", "add", name, "type", "veth", "peer", "name", peer, "netns", &pid,
        ],
    );
    holder.kill()?;
    holder.wait()?;
    made?;
    run(here, "ip", &["link", "set", name, "up"])?;
    run(there, "ip", &["link", "set", peer, "up"])
}

/// Two machines on a veth pair: 198.18.100.1 and 198.18.100.2.
fn two_machines() -> Result<[Arc<Netns>; 2]> {
    let machines = [Arc::new(Netns::create()?), Arc::new(Netns::create()?)];
    veth(&machines[0], "under0", &machines[1], "under0")?;
    for (machine, address) in machines.iter().zip(["198.18.100.1/24", "198.18.100.2/24"]) {
        run(machine, "ip", &["address", "add", address, "dev", "under0"])?;
    }
    Ok(machines)
}
