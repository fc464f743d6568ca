//! A container on the kernel's bridge, as Docker has it, and two that publish its port at the host: Docker's userland
//! proxy and this switch's.
//!
//! Both lead from the host's 127.0.0.1 to one container, whose iperf3 serves one client at a time. Docker's proxy
//! connects over bridge and veth; this switch's makes its socket inside the container, and crosses neither.

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use ::vswitch::control::publish::{Binding, Transport};
use ::vswitch::control::sandbox::Place as SandboxPlace;
use ::vswitch::control::services::{Home, Service};
use ::vswitch::service::proxy::Proxies;
use ::vswitch::sys::{Netns, spawn_in};
use anyhow::{Context as _, Result, bail};
use tokio::runtime::Runtime;

use super::{Candidate, Engine, Host, IPERF3_PORT, kernel, run};
use crate::scenario::Place;

/// Where Docker's proxy listens.
const DOCKER_PORT: u16 = 5301;

/// The host's address on the bridge.
const GATEWAY: &str = "198.18.0.254/24";

/// Threads of the runtime, as many as the daemon's control plane has.
const THREADS: usize = 2;

/// A host and a container of it.
#[derive(Debug)]
pub(crate) struct Container {
    host: Host,
    container: Host,
}

/// A published port.
#[derive(Debug)]
pub(super) struct Front {
    port: u16,
    proxy: Proxy,
}

#[derive(Debug)]
enum Proxy {
    Docker(Process),
    Own {
        /// Dropped first.
        _service: Service,
        _runtime: Runtime,
    },
}

/// A process that ends with its owner.
#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Where it has ended by itself there is nothing to kill.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Front {
    /// Where a client finds it.
    pub(super) const fn at(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port)
    }

    pub(super) fn finish(self) -> Result<()> {
        if let Proxy::Docker(mut process) = self.proxy
            && let Some(status) = process.0.try_wait()?
        {
            bail!("docker-proxy ended before its time: {status}");
        }
        Ok(())
    }
}

impl Container {
    /// A host with a bridge and a container on it.
    pub(crate) fn create() -> Result<Self> {
        let (host, container) = (Host::create(Place::A)?, Host::create(Place::B)?);
        kernel::bridge(&host.netns)?;
        kernel::join(&host.netns, "pb", &container, "1500")?;
        run(
            &host.netns,
            "ip",
            &["address", "add", GATEWAY, "dev", "br0"],
        )?;
        Ok(Self { host, container })
    }

    /// Behind Docker's userland proxy.
    pub(crate) fn docker_proxy(&self, program: &Path) -> Result<Candidate> {
        let (at, to) = (DOCKER_PORT.to_string(), IPERF3_PORT.to_string());
        let address = self.container.place.address().to_string();
        let mut command = Command::new("sh");
        // What it says to the daemon that starts it, at descriptor 3, is "0" when it listens.
        command.args(["-c", "exec \"$0\" \"$@\" 3>&1"]).arg(program);
        command.args(["-proto", "tcp", "-host-ip", "127.0.0.1", "-host-port", &at]);
        command.args(["-container-ip", &address, "-container-port", &to]);
        let mut process = Process(spawn_in(&self.host.netns, command.stdout(Stdio::piped()))?);
        let said = process
            .0
            .stdout
            .take()
            .context("docker-proxy has no output")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        if line.trim() != "0" {
            let program = program.display();
            bail!("{program} does not listen: install docker.io, or name it with --docker-proxy");
        }
        Ok(self.behind("docker-proxy", DOCKER_PORT, Proxy::Docker(process)))
    }

    /// Behind this switch's, which runs in this process as it does in the daemon.
    pub(crate) fn vswitch(&self) -> Result<Candidate> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(THREADS).enable_all().build()?;
        let proxies = Proxies::new(runtime.handle().clone());
        let binding = Binding {
            host_ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host_port: 0,
            container_port: IPERF3_PORT,
            protocol: Transport::Tcp,
        };
        let netns = &self.container.netns;
        let home = Home {
            place: SandboxPlace::Path(path_of(netns)),
            netns: Some(netns.id()?),
        };
        let addresses = [IpAddr::V4(self.container.place.address())];
        let publish = || proxies.publish(&binding, &home, &addresses);
        let (port, service) = self.host.netns.run(publish)??;
        let own = Proxy::Own {
            _service: service,
            _runtime: runtime,
        };
        Ok(self.behind(Candidate::OWN, port, own))
    }

    fn behind(&self, name: &'static str, port: u16, proxy: Proxy) -> Candidate {
        Candidate {
            name,
            hosts: vec![self.host.clone(), self.container.clone()],
            engine: Engine::Proxy(Front { port, proxy }),
            _machines: Vec::new(),
        }
    }
}

/// A path of a namespace that this process has open.
fn path_of(netns: &Arc<Netns>) -> std::path::PathBuf {
    use std::os::fd::{AsFd as _, AsRawFd as _};
    let descriptor = netns.as_fd().as_raw_fd();
    format!("/proc/{}/fd/{descriptor}", std::process::id()).into()
}
