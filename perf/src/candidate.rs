//! The switches that are compared: a few hosts each, in namespaces of their own.
//!
//! Every candidate lives in namespaces that play the machines, so that nothing of the real one is
//! touched. The hosts' addresses are those of their [`Place`]; the machines of an overlay are 198.18.100.1 and
//! 198.18.100.2. A [`Candidate`] owns its processes and threads, and its drop ends them: nothing has to be called
//! for that. The namespaces go with the last descriptor.
//!
//! [`Kind`] is the closed set of them, with their names; a file here is one kind.

mod bare;
mod kernel;
mod kind;
mod link;
mod macvlan;
mod ovs;
mod published;
mod vde;
mod vswitch;

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::Arc;

use ::vswitch::sys::Netns;
use anyhow::{Context as _, Result};

use crate::cpu::Task;
use crate::scenario::{Path, Place};
pub(crate) use kind::Kind;
pub(crate) use macvlan::Lan;

/// Port of whoever serves on the second host.
const SERVER_PORT: u16 = 5201;

/// Name of a host's interface to the switch.
const ENDPOINT: &str = "eth0";

/// Where the programs are that have no fixed place.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// This switch.
    pub(crate) vswitch: PathBuf,
    /// Docker's userland proxy.
    pub(crate) docker_proxy: PathBuf,
}

/// What all candidates of a part of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    /// MTU of the network: of the hosts' interfaces, or of the underlay between two machines.
    pub(crate) mtu: u32,
    /// Where the programs are.
    pub(crate) programs: &'a Programs,
    /// The physical network, where there is one.
    pub(crate) lan: Option<&'a Lan>,
}

/// A switch with hosts on it.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// Dropped first: whatever runs ends before its namespaces go.
    engine: Engine,
    hosts: Vec<Host>,
    /// The namespaces of the machines.
    _machines: Vec<Arc<Netns>>,
}

/// A host: a namespace with the address of its place.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// Who it is.
    pub(crate) place: Place,
    /// Where it lives.
    pub(crate) netns: Arc<Netns>,
    /// The interface by which it sends and receives.
    pub(crate) interface: &'static str,
}

impl Host {
    fn new(place: Place, netns: Netns) -> Self {
        let netns = Arc::new(netns);
        Self {
            place,
            netns,
            interface: ENDPOINT,
        }
    }

    /// One with nothing in it yet.
    fn create(place: Place) -> Result<Self> {
        Ok(Self::new(place, Netns::create()?))
    }

    /// The two hosts that most candidates have.
    fn pair() -> Result<Vec<Self>> {
        Ok(vec![Self::create(Place::A)?, Self::create(Place::B)?])
    }
}

/// Who talks to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends<'a> {
    /// Who makes connections, and sends data unless a load is reversed.
    pub(crate) client: &'a Host,
    /// Who serves.
    pub(crate) server: &'a Host,
    /// Where the client finds a server that listens at [`Self::listen`].
    pub(crate) at: SocketAddrV4,
}

impl Ends<'_> {
    /// Where a server listens on its host.
    pub(crate) const fn listen(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.server.place.address(), SERVER_PORT)
    }
}

/// A directory for a candidate's sockets and files.
fn scratch() -> Result<tempfile::TempDir> {
    let directory = tempfile::Builder::new().prefix("vswitch-perf-").tempdir();
    directory.context("cannot make a directory for temporary files")
}

/// What moves the frames.
#[derive(Debug)]
enum Engine {
    Kernel,
    Daemons(Vec<vswitch::Daemon>),
    Loop(bare::BareLoop),
    /// One of those that take turns on a parent.
    Tenant(macvlan::Tenant),
    /// A proxy in front of a container.
    Proxy(published::Proxy),
    Ovs(Vec<ovs::Ovs>),
    Vde(vde::Vde),
}

impl Candidate {
    const fn new(hosts: Vec<Host>, engine: Engine, machines: Vec<Arc<Netns>>) -> Self {
        Self {
            engine,
            hosts,
            _machines: machines,
        }
    }

    /// Its hosts.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The hosts at the ends of a path; nothing where the candidate has no such path.
    pub(crate) fn ends(&self, path: Path) -> Option<Ends<'_>> {
        let host = |place| self.hosts.iter().find(|host| host.place == place);
        let (client, server) = path.ends();
        let server = host(server)?;
        let at = match &self.engine {
            Engine::Proxy(_) => published::Proxy::at(),
            Engine::Kernel
            | Engine::Daemons(_)
            | Engine::Loop(_)
            | Engine::Tenant(_)
            | Engine::Ovs(_)
            | Engine::Vde(_) => SocketAddrV4::new(server.place.address(), SERVER_PORT),
        };
        Some(Ends {
            client: host(client)?,
            server,
            at,
        })
    }

    /// Its turn begins: from now on, and until [`Self::give_way`], traffic passes. Most are always there.
    pub(crate) fn take_turn(&mut self) -> Result<()> {
        match &mut self.engine {
            Engine::Kernel => Ok(()),
            Engine::Daemons(daemons) => daemons.iter_mut().try_for_each(vswitch::Daemon::check),
            Engine::Loop(bare) => bare.check(),
            Engine::Proxy(proxy) => proxy.check(),
            Engine::Tenant(tenant) => {
                tenant.check()?;
                tenant.enter(&self.hosts)
            }
            Engine::Ovs(switches) => switches.iter_mut().try_for_each(|one| {
                one.check()?;
                one.resume()
            }),
            Engine::Vde(vde) => vde.check(),
        }
    }

    /// Its turn is over: it costs nothing until the next one. An error where it has ended meanwhile.
    pub(crate) fn give_way(&mut self) -> Result<()> {
        match &mut self.engine {
            Engine::Kernel => Ok(()),
            Engine::Daemons(daemons) => daemons.iter_mut().try_for_each(vswitch::Daemon::check),
            Engine::Loop(bare) => bare.check(),
            Engine::Proxy(proxy) => proxy.check(),
            Engine::Tenant(tenant) => tenant.leave(&self.hosts),
            Engine::Ovs(switches) => switches.iter_mut().try_for_each(ovs::Ovs::pause),
            Engine::Vde(vde) => vde.check(),
        }
    }

    /// Whose processor time is the switch's. Nobody's where the kernel does the work.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        match &self.engine {
            Engine::Kernel => Vec::new(),
            Engine::Daemons(daemons) => daemons.iter().map(vswitch::Daemon::task).collect(),
            Engine::Loop(bare) => vec![bare.task()],
            Engine::Proxy(proxy) => vec![proxy.task()],
            Engine::Tenant(tenant) => tenant.tasks(),
            Engine::Ovs(switches) => switches.iter().map(ovs::Ovs::task).collect(),
            Engine::Vde(vde) => vec![vde.task()],
        }
    }
}
