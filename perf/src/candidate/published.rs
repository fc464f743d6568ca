//! A published port: Docker's userland proxy and this switch's.
//!
//! Both lead from the host's 127.0.0.1 to one container, whose iperf3 serves one client at a time. Docker's proxy
//! connects to a container on the kernel's bridge, over bridge and veth; this switch's makes its socket inside the
//! sandbox, and crosses neither its network nor any other.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ::vswitch::sys::Netns;
use anyhow::{Context as _, Result, ensure};

use super::link::ip;
use super::vswitch::{Daemon, Variant};
use super::{Candidate, ENDPOINT, Engine, Host, SERVER_PORT, Setting, kernel};
use crate::cpu::Task;
use crate::process::{Process, await_word, is_installed};
use crate::scenario::Place;

/// Where a client finds the published port.
const AT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5301);

/// The host's address on the kernel's bridge.
const GATEWAY: &str = "198.18.0.254/24";

/// What listens at [`AT`].
#[derive(Debug)]
pub(super) enum Proxy {
    Docker(Process),
    Own(Daemon),
}

impl Proxy {
    /// Where a client finds it.
    pub(super) const fn at() -> SocketAddrV4 {
        AT
    }

    /// Who does the work.
    pub(super) fn task(&self) -> Task {
        match self {
            Self::Docker(process) => Task::Process(process.id()),
            Self::Own(daemon) => daemon.task(),
        }
    }

    /// An error when it has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        match self {
            Self::Docker(process) => process.check(),
            Self::Own(daemon) => daemon.check(),
        }
    }
}

/// The host that publishes, as a client of its own port.
fn publisher(machine: Arc<Netns>) -> Host {
    Host {
        place: Place::A,
        netns: machine,
        interface: "lo",
    }
}

/// A container on a bridge, behind Docker's userland proxy.
pub(super) fn build_docker(setting: &Setting<'_>) -> Result<Candidate> {
    let program = &setting.programs.docker_proxy;
    ensure!(
        is_installed(program),
        "{} is not installed: install docker.io, or name it with --docker-proxy",
        program.display()
    );
    let (host, container) = (
        publisher(Arc::new(Netns::create()?)),
        Host::create(Place::B)?,
    );
    kernel::bridge(&host.netns)?;
    kernel::join(&host.netns, "pb", &container, setting.mtu)?;
    ip(&host.netns, &["address", "add", GATEWAY, "dev", "br0"])?;
    let (at, to) = (AT.port().to_string(), SERVER_PORT.to_string());
    let (from, address) = (AT.ip().to_string(), container.place.address().to_string());
    let mut command = Command::new("sh");
    // What it says to the daemon that starts it, at descriptor 3, is "0" when it listens.
    command.args(["-c", "exec \"$0\" \"$@\" 3>&1"]).arg(program);
    command.args(["-proto", "tcp", "-host-ip", &from, "-host-port", &at]);
    command.args(["-container-ip", &address, "-container-port", &to]);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::start(&host.netns, piped, Stdio::null())?;
    let said = process.pipes().stdout.take();
    let said = said.context("docker-proxy has no output")?;
    await_word(said, "0\n", "docker-proxy")?;
    let hosts = vec![host, container];
    let engine = Engine::Proxy(Proxy::Docker(process));
    Ok(Candidate::new(hosts, engine, Vec::new()))
}

/// A sandbox of this switch with a published port.
pub(super) fn build_vswitch(variant: &Variant, setting: &Setting<'_>) -> Result<Candidate> {
    let machine = Arc::new(Netns::create()?);
    let daemon = Daemon::start(&machine, variant, setting)?;
    daemon.network(setting.mtu, &[])?;
    let container = daemon.sandbox(Place::B)?;
    let published = format!("{AT}:{SERVER_PORT}");
    daemon.connect(Place::B, &["--publish", &published, "--ifname", ENDPOINT])?;
    let hosts = vec![publisher(Arc::clone(&machine)), container];
    let engine = Engine::Proxy(Proxy::Own(daemon));
    Ok(Candidate::new(hosts, engine, vec![machine]))
}
