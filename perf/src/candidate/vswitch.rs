//! This switch, started and driven by its own command line.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use ::vswitch::sys::{Netns, spawn_in};
use anyhow::{Context as _, Result, bail};

use super::{Candidate, Engine, Host, run, two_machines};
use crate::scenario::Place;

/// Name of the network.
const NETWORK: &str = "perf";

/// The binary, and how it is to run.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The file.
    pub(crate) path: PathBuf,
    /// Worker threads; one for each core when absent.
    pub(crate) workers: Option<usize>,
}

/// A running daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    machine: Arc<Netns>,
    program: PathBuf,
    process: Child,
    directory: tempfile::TempDir,
}

impl Daemon {
    pub(super) fn start(machine: &Arc<Netns>, program: &Program) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut command = Command::new(&program.path);
        command
            .arg("--socket")
            .arg(socket(directory.path()))
            .args(["daemon", "--ephemeral"]);
        if let Some(workers) = program.workers {
            command.args(["--workers", &workers.to_string()]);
        }
        let mut process = spawn_in(machine, command.stderr(Stdio::piped()))?;
        let log = process.stderr.take().context("the daemon has no log")?;
        let mut lines = std::io::BufReader::new(log).lines();
        if !lines
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains("ready"))
        {
            bail!("the daemon ended before it was ready: {}", process.wait()?);
        }
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self {
            machine: Arc::clone(machine),
            program: program.path.clone(),
            process,
            directory,
        })
    }

    fn cli(&self, args: &[&str]) -> Result<()> {
        let socket = socket(self.directory.path());
        let socket = socket.to_string_lossy();
        let mut all = vec!["--socket", &*socket];
        all.extend(args);
        run(&self.machine, &self.program.to_string_lossy(), &all)
    }

    /// A network with addresses for both hosts.
    pub(super) fn network(&self, options: &[&str]) -> Result<()> {
        let mut args = vec!["network", "create", NETWORK, "--subnet", "198.18.0.0/24"];
        args.extend(["--gateway", "198.18.0.254"]);
        args.extend(options);
        self.cli(&args)
    }

    /// Undoes [`Self::network`].
    pub(super) fn remove_network(&self) -> Result<()> {
        self.cli(&["network", "rm", NETWORK])
    }

    /// A host on no network yet.
    pub(super) fn sandbox(&self, place: Place) -> Result<Host> {
        let name = sandbox_name(place);
        self.cli(&["sandbox", "create", name])?;
        let netns = Netns::open(&self.directory.path().join("netns").join(name))?;
        Ok(Host::new(place, netns))
    }

    /// Puts a host on the network, with its address.
    pub(super) fn connect(&self, place: Place, options: &[&str]) -> Result<()> {
        let address = place.address().to_string();
        let connect = ["network", "connect", NETWORK, sandbox_name(place)];
        self.cli(&[&connect[..], &["--ip", &address], options].concat())
    }

    /// Undoes [`Self::connect`].
    pub(super) fn disconnect(&self, place: Place) -> Result<()> {
        self.cli(&["network", "disconnect", NETWORK, sandbox_name(place)])
    }

    /// A host on the network.
    fn host(&self, place: Place) -> Result<Host> {
        let host = self.sandbox(place)?;
        self.connect(place, &[])?;
        Ok(host)
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.stop()
    }

    fn stop(&mut self) -> Result<()> {
        if self.process.try_wait()?.is_none() {
            let pid = self.process.id().to_string();
            run(&self.machine, "kill", &["-TERM", &pid])?;
            self.process.wait()?;
        }
        Ok(())
    }
}

/// Also where a measurement has failed: no daemon stays behind.
impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("the daemon was not stopped: {error}");
        }
    }
}

const fn sandbox_name(place: Place) -> &'static str {
    match place {
        Place::A => "a",
        Place::B => "b",
        Place::Lan => "lan",
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("vswitch.sock")
}

impl Candidate {
    /// A bridge network with both hosts.
    pub(crate) fn vswitch_bridge(program: &Program) -> Result<Self> {
        let machine = Arc::new(Netns::create()?);
        let daemon = Daemon::start(&machine, program)?;
        daemon.network(&[])?;
        let hosts = vec![daemon.host(Place::A)?, daemon.host(Place::B)?];
        Ok(Self {
            name: Self::OWN,
            hosts,
            engine: Engine::Daemons(vec![daemon]),
            _machines: vec![machine],
        })
    }

    /// An overlay network over two machines, a host on each.
    pub(crate) fn vswitch_overlay(program: &Program) -> Result<Self> {
        let machines = two_machines()?;
        let [here, there] =
            [&machines[0], &machines[1]].map(|machine| Daemon::start(machine, program));
        let (here, there) = (here?, there?);
        let (local, remote) = ("local=198.18.100.1", "local=198.18.100.2");
        let (to, back) = ("peers=198.18.100.2", "peers=198.18.100.1");
        here.network(&["-d", "overlay", "-o", "vni=42", "-o", local, "-o", to])?;
        there.network(&["-d", "overlay", "-o", "vni=42", "-o", remote, "-o", back])?;
        let hosts = vec![here.host(Place::A)?, there.host(Place::B)?];
        Ok(Self {
            name: Self::OWN,
            hosts,
            engine: Engine::Daemons(vec![here, there]),
            _machines: machines.into(),
        })
    }
}
