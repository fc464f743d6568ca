//! This switch, started and driven by its own command line.
//!
//! Its variants are written behind its name: `vswitch:workers=1:offload=off`. `workers` and `program` (another binary, such
//! as that of an older version) are the daemon's, everything else is an option of the network.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ::vswitch::sys::Netns;
use anyhow::{Context as _, Result, bail, ensure};

use super::link::{UNDERLAY, two_machines};
use super::{Candidate, Engine, Host, Setting};
use crate::cpu::Task;
use crate::process::{COMMAND, Process, await_word, output};
use crate::scenario::{Place, VXLAN_OVERHEAD};

/// Name of the network.
const NETWORK: &str = "perf";

/// How this switch is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Worker threads; one for each core when absent.
    workers: Option<usize>,
    /// The binary, where it is not that of all others.
    program: Option<PathBuf>,
    /// Options of the network, as `network create -o` takes them.
    options: Vec<String>,
}

impl Variant {
    /// Reads what stands behind the name: `KEY=VALUE`, with colons between them.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut variant = Self::default();
        for option in text.split(':') {
            let (key, value) = (option.split_once('='))
                .filter(|(key, value)| !key.is_empty() && !value.is_empty())
                .with_context(|| {
                    format!(
                        "{option:?} is no variant of vswitch: write vswitch:KEY=VALUE[:KEY=VALUE]"
                    )
                })?;
            match key {
                "workers" => {
                    let workers = value.parse().ok().filter(|number| *number > 0);
                    let number = workers.with_context(|| {
                        format!("{value:?} is no number of workers: write 1 or more")
                    })?;
                    variant.workers = Some(number);
                }
                "program" => variant.program = Some(value.into()),
                "mtu" => bail!("the MTU is that of all candidates: write --mtu {value}"),
                _ => variant.options.push(option.to_owned()),
            }
        }
        Ok(variant)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(workers) = self.workers {
            write!(f, ":workers={workers}")?;
        }
        if let Some(program) = &self.program {
            write!(f, ":program={}", program.display())?;
        }
        self.options.iter().try_for_each(|one| write!(f, ":{one}"))
    }
}

/// A running daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    machine: Arc<Netns>,
    program: PathBuf,
    /// Options of its network.
    options: Vec<String>,
    /// Ended before its directory goes.
    process: Process,
    directory: Home,
}

/// A daemon's directory. One that was killed has left its namespaces pinned there.
#[derive(Debug)]
struct Home(tempfile::TempDir);

impl Home {
    fn socket(&self) -> PathBuf {
        self.0.path().join("vswitch.sock")
    }

    /// Where the namespaces of its sandboxes are pinned.
    fn pins(&self) -> PathBuf {
        self.0.path().join("netns")
    }

    /// Takes away what an orderly end leaves nothing of.
    fn clear(&self) -> Result<()> {
        let pins = self.pins();
        if !pins.exists() {
            return Ok(());
        }
        for entry in std::fs::read_dir(&pins)? {
            Netns::unpin(&entry?.path())?;
        }
        Ok(Netns::release_directory(&pins)?)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = self.clear() {
            let path = self.0.path().display();
            eprintln!("vswitch-perf: {path} is left behind: {error:#}");
        }
    }
}

impl Daemon {
    pub(super) fn start(
        machine: &Arc<Netns>,
        variant: &Variant,
        setting: &Setting<'_>,
    ) -> Result<Self> {
        let own = variant.program.as_ref();
        let program = own.unwrap_or(&setting.programs.vswitch).clone();
        ensure!(
            program.exists(),
            "{} is missing: build it with `cargo build --release`, or name it with --vswitch",
            program.display()
        );
        let directory = Home(super::scratch()?);
        let mut command = Command::new(&program);
        command.arg("--socket").arg(directory.socket());
        command.args(["daemon", "--ephemeral"]);
        if let Some(workers) = variant.workers {
            command.args(["--workers", &workers.to_string()]);
        }
        let piped = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process::start(machine, piped, Stdio::null())?;
        let log = process.pipes().stderr.take();
        await_word(log.context("the daemon has no log")?, "ready", "the daemon")?;
        Ok(Self {
            machine: Arc::clone(machine),
            program,
            options: variant.options.clone(),
            process,
            directory,
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

    /// Gives the daemon a command. What it says to a wrong one needs no comment.
    fn cli(&self, args: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.program);
        command
            .arg("--socket")
            .arg(self.directory.socket())
            .args(args);
        let output = output(&self.machine, &mut command, COMMAND)?;
        ensure!(output.status.success(), "{}", output.stderr);
        Ok(())
    }

    /// A network with addresses for all hosts.
    pub(super) fn network(&self, mtu: u32, options: &[&str]) -> Result<()> {
        let mtu = format!("mtu={mtu}");
        let mut args = vec!["network", "create", NETWORK, "--subnet", "198.18.0.0/24"];
        args.extend(["--gateway", "198.18.0.254", "-o", &mtu]);
        args.extend(options);
        for option in &self.options {
            args.extend(["-o", option]);
        }
        self.cli(&args)
    }

    /// Undoes [`Self::network`].
    pub(super) fn remove_network(&self) -> Result<()> {
        self.cli(&["network", "rm", NETWORK])
    }

    /// A host on no network yet.
    pub(super) fn sandbox(&self, place: Place) -> Result<Host> {
        let name = place.name();
        self.cli(&["sandbox", "create", name])?;
        let netns = Netns::open(&self.directory.pins().join(name))?;
        Ok(Host::new(place, netns))
    }

    /// Puts a host on the network, with its address.
    pub(super) fn connect(&self, place: Place, options: &[&str]) -> Result<()> {
        let address = place.address().to_string();
        let connect = [
            "network",
            "connect",
            NETWORK,
            place.name(),
            "--ip",
            &address,
        ];
        self.cli(&[&connect[..], options].concat())
    }

    /// Undoes [`Self::connect`].
    pub(super) fn disconnect(&self, place: Place) -> Result<()> {
        self.cli(&["network", "disconnect", NETWORK, place.name()])
    }

    /// A host on the network.
    fn host(&self, place: Place) -> Result<Host> {
        let host = self.sandbox(place)?;
        self.connect(place, &[])?;
        Ok(host)
    }
}

/// A bridge network with both hosts.
pub(super) fn build_bridge(variant: &Variant, setting: &Setting<'_>) -> Result<Candidate> {
    let machine = Arc::new(Netns::create()?);
    let daemon = Daemon::start(&machine, variant, setting)?;
    daemon.network(setting.mtu, &[])?;
    let hosts = vec![daemon.host(Place::A)?, daemon.host(Place::B)?];
    let engine = Engine::Daemons(vec![daemon]);
    Ok(Candidate::new(hosts, engine, vec![machine]))
}

/// An overlay network over two machines, a host on each.
pub(super) fn build_overlay(variant: &Variant, setting: &Setting<'_>) -> Result<Candidate> {
    let machines = two_machines(setting.mtu)?;
    let [here, there] = UNDERLAY;
    let sides = [(Place::A, here, there), (Place::B, there, here)];
    let (mut daemons, mut hosts) = (Vec::new(), Vec::new());
    for (machine, (place, local, peer)) in machines.iter().zip(sides) {
        let daemon = Daemon::start(machine, variant, setting)?;
        let (local, peers) = (format!("local={local}"), format!("peers={peer}"));
        let options = ["-d", "overlay", "-o", "vni=42", "-o", &local, "-o", &peers];
        daemon.network(setting.mtu - VXLAN_OVERHEAD, &options)?;
        hosts.push(daemon.host(place)?);
        daemons.push(daemon);
    }
    let engine = Engine::Daemons(daemons);
    Ok(Candidate::new(hosts, engine, machines.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_written_as_it_is_read() {
        let text = "workers=2:program=/old/vswitch:offload=off:gateway=off";
        let variant = Variant::parse(text).unwrap();
        assert_eq!(variant.workers, Some(2));
        assert_eq!(variant.options, ["offload=off", "gateway=off"]);
        assert_eq!(variant.to_string(), format!(":{text}"));
        assert_eq!(Variant::default().to_string(), "");
    }

    #[test]
    fn what_is_no_variant_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "KEY=VALUE"),
            ("workers", "KEY=VALUE"),
            ("=1", "KEY=VALUE"),
            ("offload=", "KEY=VALUE"),
            ("workers=0", "1 or more"),
            ("workers=two", "1 or more"),
            ("mtu=9000", "--mtu 9000"),
        ] {
            let error = Variant::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
