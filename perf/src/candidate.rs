//! The switches that are compared: a few hosts each, in namespaces of their own.
//!
//! Every candidate lives in namespaces that play the machines, so that nothing of the real one is
//! touched and nothing is left when the program ends. The hosts' addresses are those of their
//! [`Place`]; the machines of an overlay are 198.18.100.1 and 198.18.100.2.

mod kernel;
mod macvlan;
mod published;
mod vswitch;

use std::net::SocketAddrV4;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ::vswitch::sys::{Netns, spawn_in};
use anyhow::{Context as _, Result, bail};

use crate::bare::BareLoop;
use crate::scenario::{Path, Place};
pub(crate) use macvlan::Lan;
pub(crate) use published::Container;
pub(crate) use vswitch::Program;

/// Port of iperf3's server.
const IPERF3_PORT: u16 = 5201;

/// A switch with hosts on it.
#[derive(Debug)]
pub(crate) struct Candidate {
    name: &'static str,
    hosts: Vec<Host>,
    engine: Engine,
    /// The namespaces of the machines; dropped last.
    _machines: Vec<Arc<Netns>>,
}

/// A host: a namespace with the address of its place.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// Who it is.
    pub(crate) place: Place,
    /// Where it lives.
    pub(crate) netns: Arc<Netns>,
}

impl Host {
    fn new(place: Place, netns: Netns) -> Self {
        let netns = Arc::new(netns);
        Self { place, netns }
    }

    /// One with nothing in it yet.
    fn create(place: Place) -> Result<Self> {
        Ok(Self::new(place, Netns::create()?))
    }
}

/// Who talks to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends<'a> {
    /// Who sends the data.
    pub(crate) client: &'a Host,
    /// Who receives it.
    pub(crate) server: &'a Host,
    /// Where the client finds iperf3's server.
    pub(crate) at: SocketAddrV4,
    /// Whether the server sends and the client receives.
    pub(crate) is_reversed: bool,
}

/// What moves the frames.
#[derive(Debug)]
enum Engine {
    Kernel,
    Daemons(Vec<vswitch::Daemon>),
    Loop(BareLoop),
    /// One of those that take turns on a parent.
    Tenant(macvlan::Tenant),
    /// A proxy in front of a container.
    Proxy(published::Front),
}

impl Candidate {
    /// What the report calls this switch.
    pub(crate) const OWN: &'static str = "vswitch";

    /// Two TAPs and a thread that copies from one to the other: no switch at all.
    pub(crate) fn bare_loop() -> Result<Self> {
        let hosts = vec![Host::create(Place::A)?, Host::create(Place::B)?];
        let bare = BareLoop::start(&hosts[0], &hosts[1])?;
        Ok(Self {
            name: "bare TAP loop",
            hosts,
            engine: Engine::Loop(bare),
            _machines: Vec::new(),
        })
    }

    /// What the report calls it.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// The hosts at the ends of a path; nothing where the candidate has no such path.
    pub(crate) fn ends(&self, path: Path) -> Option<Ends<'_>> {
        let host = |place| self.hosts.iter().find(|host| host.place == place);
        let (client, server) = path.ends();
        let server = host(server)?;
        let at = match &self.engine {
            Engine::Proxy(front) => front.at(),
            Engine::Kernel | Engine::Daemons(_) | Engine::Loop(_) | Engine::Tenant(_) => {
                SocketAddrV4::new(server.place.address(), IPERF3_PORT)
            }
        };
        Some(Ends {
            client: host(client)?,
            server,
            at,
            is_reversed: path.is_reversed(),
        })
    }

    /// Its turn begins: from now on, and until [`Self::give_way`], traffic passes. Most are always there.
    pub(crate) fn take_turn(&mut self) -> Result<()> {
        match &mut self.engine {
            Engine::Kernel | Engine::Daemons(_) | Engine::Loop(_) | Engine::Proxy(_) => Ok(()),
            Engine::Tenant(tenant) => tenant.enter(&self.hosts),
        }
    }

    /// Its turn is over.
    pub(crate) fn give_way(&mut self) -> Result<()> {
        match &mut self.engine {
            Engine::Kernel | Engine::Daemons(_) | Engine::Loop(_) | Engine::Proxy(_) => Ok(()),
            Engine::Tenant(tenant) => tenant.leave(&self.hosts),
        }
    }

    /// Ends the candidate and leaves nothing behind.
    pub(crate) fn finish(self) -> Result<()> {
        match self.engine {
            Engine::Kernel => Ok(()),
            Engine::Loop(bare) => bare.finish(),
            Engine::Proxy(front) => front.finish(),
            Engine::Tenant(tenant) => tenant.finish(),
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

/// Calls with the number of a process that lives in the namespace: by that `ip` names it.
fn with_resident(netns: &Netns, call: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let mut resident = spawn_in(netns, Command::new("sleep").arg("60"))?;
    let done = call(&resident.id().to_string());
    resident.kill()?;
    resident.wait()?;
    done
}

/// A veth pair: one end in the namespace `here` under this name, the other one in `there`.
fn veth(here: &Netns, name: &str, there: &Netns, peer: &str) -> Result<()> {
    with_resident(there, |pid| {
        run(
            here,
            "ip",
            &[
                "link", "add", name, "type", "veth", "peer", "name", peer, "netns", pid,
            ],
        )
    })?;
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
