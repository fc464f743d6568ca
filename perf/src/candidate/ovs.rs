//! Open vSwitch with its userspace datapath (`netdev`), run privately: database, sockets and logs in a directory of
//! its own, processes that end with the candidate, everything in the machine's namespace.
//!
//! | candidate | how frames come in and go out |
//! |---|---|
//! | `ovs-tap` | TAPs (`type=internal`), a frame a system call |
//! | `ovs-packet` | veth pairs, AF_PACKET sockets on the switch's ends |
//! | `ovs-xdp` | veth pairs, AF_XDP sockets on them |
//! | `ovs-tap-tso`, `ovs-packet-tso` | the first two with superframes: the build with DPDK, `userspace-tso-enable`, without hugepages |
//! | `ovs-dpdk` | TAPs with superframes, DPDK started and its memory from hugepages |
//! | `ovs-vxlan` | TAPs, and a tunnel over AF_PACKET on the underlay |
//!
//! Complications:
//! - Without userspace TSO, OVS passes on what the kernel left undone at a veth pair, so the hosts' offload is off
//!   there, as its documentation asks.
//! - A thread that polls AF_XDP never sleeps. When it is not the candidate's turn its processes stand still
//!   ([`Ovs::pause`]), else they would take a core from all others.
//! - OVS no longer sees a TAP that has moved to a host, and then reads 1500 bytes of each frame unless it takes
//!   superframes: with larger MTUs `ovs-tap` and `ovs-vxlan` carry too little, which their first turn shows.

mod port;
mod tunnel;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ::vswitch::sys::Netns;
use anyhow::{Context as _, Result, bail, ensure};

use super::{Candidate, Engine, Host, Setting};
use crate::cpu::Task;
use crate::process::{Process, await_word, read, run};

pub(crate) use port::Port;
pub(super) use tunnel::build as build_vxlan;

/// Where Debian has the two builds.
const PLAIN: &str = "/usr/lib/openvswitch-switch/ovs-vswitchd";
const DPDK: &str = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";

/// Where packages put the schema of the database.
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// What both daemons say when they are ready.
const READY: &str = "(Open vSwitch)";

/// MiB of hugepages that DPDK is to take.
const DPDK_MEMORY: u64 = 256;

/// The bridge that the hosts are on.
const BRIDGE: &str = "br0";

/// What a switch is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    /// The common one.
    Plain,
    /// The one with DPDK, which can take superframes also where DPDK itself is not started.
    Tso,
    /// The same with DPDK started.
    Eal,
}

/// A running switch and its database.
#[derive(Debug)]
pub(super) struct Ovs {
    machine: Arc<Netns>,
    switch: Process,
    database: Process,
    directory: tempfile::TempDir,
}

impl Build {
    fn program(self) -> Result<&'static str> {
        match self {
            // Elsewhere there is one build, in the path.
            Self::Plain if Path::new(PLAIN).exists() => Ok(PLAIN),
            Self::Plain => Ok("ovs-vswitchd"),
            Self::Tso | Self::Eal => {
                let there = Path::new(DPDK).exists();
                ensure!(there, "{DPDK} is missing: install openvswitch-switch-dpdk");
                Ok(DPDK)
            }
        }
    }

    /// What the database says before the switch starts.
    fn config(self) -> Result<Vec<String>> {
        let tso = "other_config:userspace-tso-enable=true".to_owned();
        match self {
            Self::Plain => Ok(Vec::new()),
            Self::Tso => Ok(vec![tso]),
            Self::Eal => {
                let pages = Hugepages::of(&std::fs::read_to_string("/proc/meminfo")?);
                pages.ensure(DPDK_MEMORY)?;
                let memory = format!("other_config:dpdk-socket-mem={DPDK_MEMORY}");
                let start = "other_config:dpdk-init=true".to_owned();
                Ok(vec![tso, start, memory])
            }
        }
    }
}

impl Ovs {
    fn start(machine: &Arc<Netns>, build: Build) -> Result<Self> {
        let (program, config) = (build.program()?, build.config()?);
        let directory = super::scratch()?;
        let dir = directory.path();
        let file = dir.join("conf.db");
        run(
            machine,
            "ovsdb-tool",
            &["create", &file.to_string_lossy(), SCHEMA],
        )
        .context("install openvswitch-switch for a comparison with it")?;
        let mut command = Command::new("ovsdb-server");
        command.arg(file).arg(format!("--remote=p{}", remote(dir)));
        let database = daemon(machine, &mut command, "db", dir)?;
        vsctl(machine, dir, &["--no-wait", "init"])?;
        for option in &config {
            let set = ["--no-wait", "set", "Open_vSwitch", ".", option];
            vsctl(machine, dir, &set)?;
        }
        let mut command = Command::new(program);
        command.arg(remote(dir));
        let switch = daemon(machine, &mut command, "switch", dir)?;
        Ok(Self {
            machine: Arc::clone(machine),
            switch,
            database,
            directory,
        })
    }

    fn vsctl(&self, args: &[&str]) -> Result<String> {
        vsctl(&self.machine, self.directory.path(), args)
    }

    fn add_bridge(&self, name: &str) -> Result<()> {
        let add = ["add-br", name, "--", "set", "bridge", name];
        self.vsctl(&[&add[..], &["datapath_type=netdev"]].concat())
            .map(drop)
    }

    /// Adds a port and looks whether the switch could open it, which the database takes note of.
    fn add_port(&self, bridge: &str, name: &str, settings: &[&str]) -> Result<()> {
        let add = ["add-port", bridge, name, "--", "set", "interface", name];
        // An interface without a type is a device of the system.
        let settings = if settings.is_empty() {
            &["type=system"]
        } else {
            settings
        };
        self.vsctl(&[&add[..], settings].concat())?;
        let error = self.vsctl(&["--if-exists", "get", "interface", name, "error"])?;
        if error.trim() != "[]" {
            bail!("OVS cannot open {name}: {}", error.trim().trim_matches('"'));
        }
        Ok(())
    }

    /// An error unless this build has such ports.
    fn require(&self, kind: &str) -> Result<()> {
        let kinds = self.vsctl(&["get", "Open_vSwitch", ".", "iface_types"])?;
        let mut all = kinds.split([',', '[', ']', ' ', '\n']);
        ensure!(
            all.any(|one| one == kind),
            "this build of OVS has no {kind} ports"
        );
        Ok(())
    }

    /// Who does the work.
    pub(super) fn task(&self) -> Task {
        Task::Process(self.switch.id())
    }

    /// An error when it has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        self.switch.check()?;
        self.database.check()
    }

    /// Lets it stand still.
    pub(super) fn pause(&mut self) -> Result<()> {
        self.switch.pause()
    }

    /// Lets it go on.
    pub(super) fn resume(&mut self) -> Result<()> {
        self.switch.resume()
    }
}

/// The database's socket, as OVS names it.
fn remote(directory: &Path) -> String {
    format!("unix:{}/db.sock", directory.display())
}

/// Starts a daemon that stays this program's child, and waits until it is ready.
fn daemon(netns: &Netns, command: &mut Command, name: &str, dir: &Path) -> Result<Process> {
    let who = command.get_program().to_string_lossy().into_owned();
    for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"] {
        command.env(variable, dir);
    }
    let file = |kind| format!("--{kind}={}/{name}.{kind}", dir.display());
    command.args([
        "--no-chdir",
        &file("pidfile"),
        &file("unixctl"),
        "-vconsole:info",
    ]);
    let piped = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = Process::start(netns, piped, Stdio::null())?;
    let log = process.pipes().stderr.take();
    await_word(
        log.with_context(|| format!("{who} has no log"))?,
        READY,
        &who,
    )?;
    Ok(process)
}

fn vsctl(netns: &Netns, dir: &Path, args: &[&str]) -> Result<String> {
    let database = format!("--db={}", remote(dir));
    let all = [&[&database, "--timeout=15"], args].concat();
    read(netns, "ovs-vsctl", &all)
}

/// Hugepages of the default size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hugepages {
    /// Those that nobody uses.
    free: u64,
    /// Of each, in KiB.
    size: u64,
}

impl Hugepages {
    /// Those that `/proc/meminfo` tells of.
    fn of(meminfo: &str) -> Self {
        let number = |key| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Self {
            free: number("HugePages_Free:").unwrap_or(0),
            size: number("Hugepagesize:").unwrap_or(2048),
        }
    }

    /// An error unless so many MiB are free.
    fn ensure(self, memory: u64) -> Result<()> {
        let needed = (memory * 1024).div_ceil(self.size);
        ensure!(
            self.free >= needed,
            "DPDK needs {needed} hugepages of {} KiB and {} are free: sysctl vm.nr_hugepages={needed}",
            self.size,
            self.free
        );
        Ok(())
    }
}

/// A bridge with both hosts.
pub(super) fn build(port: Port, setting: &Setting<'_>) -> Result<Candidate> {
    let machine = Arc::new(Netns::create()?);
    let ovs = Ovs::start(&machine, port.build())?;
    ovs.add_bridge(BRIDGE)?;
    let hosts = Host::pair()?;
    for (name, host) in ["pa", "pb"].into_iter().zip(&hosts) {
        port.join(&ovs, name, host, setting.mtu)?;
    }
    let engine = Engine::Ovs(vec![ovs]);
    Ok(Candidate::new(hosts, engine, vec![machine]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hugepages_are_asked_for_by_number() {
        let text = "MemTotal: 1 kB\nHugePages_Free:      127\nHugepagesize:       2048 kB\n";
        let pages = Hugepages::of(text);
        assert!(pages.ensure(254).is_ok());
        let error = pages.ensure(256).unwrap_err().to_string();
        assert!(
            error.ends_with("127 are free: sysctl vm.nr_hugepages=128"),
            "{error}"
        );
        assert!(Hugepages::of("MemTotal: 1 kB\n").ensure(1).is_err());
    }

    #[test]
    fn only_a_build_that_takes_superframes_is_asked_to() {
        assert!(Build::Plain.config().unwrap().is_empty());
        let tso = Build::Tso.config().unwrap();
        assert!(tso.iter().any(|line| line.contains("userspace-tso-enable")));
    }
}
