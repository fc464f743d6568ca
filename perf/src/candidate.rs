//! The switches that are compared: two hosts each, in namespaces of their own.
//!
//! Every candidate lives in its own namespace that plays the machine, so that nothing of the real
//! one is touched and nothing is left when the program ends. Host `a` is 198.18.0.1, host `b`
//! is 198.18.0.2.

use std::io::BufRead as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use vswitch::sys::{Netns, spawn_in};

use crate::bare::BareLoop;

/// A switch with two hosts on it.
#[derive(Debug)]
pub(crate) struct Candidate {
    name: &'static str,
    /// The machine's namespace; dropped last.
    machine: Netns,
    /// The clients' host.
    pub(crate) a: Netns,
    /// The servers' host.
    pub(crate) b: Netns,
    engine: Engine,
}

/// What moves the frames.
#[derive(Debug)]
enum Engine {
    Kernel,
    Daemon(Daemon),
    Loop(BareLoop),
}

#[derive(Debug)]
struct Daemon {
    process: Child,
    directory: tempfile::TempDir,
}

impl Candidate {
    /// Address of host `a`.
    pub(crate) const A: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
    /// Address of host `b`.
    pub(crate) const B: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

    /// The kernel's bridge with a veth pair to each host.
    pub(crate) fn kernel_bridge() -> Result<Self> {
        let machine = Netns::create()?;
        let (a, b) = (Netns::create()?, Netns::create()?);
        run(&machine, "ip", &["link", "add", "br0", "type", "bridge"])
            .context("the kernel has no bridge to compare with")?;
        run(&machine, "ip", &["link", "set", "br0", "up"])?;
        for (host, port, address) in [(&a, "pa", "198.18.0.1/24"), (&b, "pb", "198.18.0.2/24")] {
            // Moved by way of a process that lives in the host's namespace.
            let mut holder = spawn_in(host, Command::new("sleep").arg("60"))?;
            let pid = holder.id().to_string();
            let peer = [
                "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", &pid,
            ];
            let made = run(&machine, "ip", &peer);
            holder.kill()?;
            holder.wait()?;
            made?;
            run(
                &machine,
                "ip",
                &["link", "set", port, "master", "br0", "up"],
            )?;
            run(host, "ip", &["address", "add", address, "dev", "eth0"])?;
            run(host, "ip", &["link", "set", "eth0", "up"])?;
        }
        Ok(Self {
            name: "kernel bridge",
            machine,
            a,
            b,
            engine: Engine::Kernel,
        })
    }

    /// This switch, started by its own command line.
    pub(crate) fn vswitch(program: &Path, workers: Option<usize>) -> Result<Self> {
        let machine = Netns::create()?;
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("vswitch.sock");
        let mut command = Command::new(program);
        command
            .arg("--socket")
            .arg(&socket)
            .arg("daemon")
            .arg("--state-dir")
            .arg(directory.path());
        if let Some(workers) = workers {
            command.args(["--workers", &workers.to_string()]);
        }
        let mut process = spawn_in(&machine, command.stderr(Stdio::piped()))?;
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
        let cli = |args: &[&str]| {
            let socket = socket.to_string_lossy();
            let mut all = vec!["--socket", &*socket];
            all.extend(args);
            run(&machine, &program.to_string_lossy(), &all)
        };
        cli(&[
            "network",
            "create",
            "perf",
            "--subnet",
            "198.18.0.0/24",
            "--gateway",
            "198.18.0.254",
        ])?;
        for (name, address) in [("a", "198.18.0.1"), ("b", "198.18.0.2")] {
            cli(&["sandbox", "create", name])?;
            cli(&["network", "connect", "perf", name, "--ip", address])?;
        }
        let open = |name: &str| Netns::open(&directory.path().join("netns").join(name));
        let (a, b) = (open("a")?, open("b")?);
        Ok(Self {
            name: "vswitch",
            machine,
            a,
            b,
            engine: Engine::Daemon(Daemon { process, directory }),
        })
    }

    /// Two TAPs and a thread that copies from one to the other: no switch at all.
    pub(crate) fn bare_loop() -> Result<Self> {
        let machine = Netns::create()?;
        let (a, b) = (Netns::create()?, Netns::create()?);
        let bare = BareLoop::start(
            (&a, &format!("{}/24", Self::A)),
            (&b, &format!("{}/24", Self::B)),
        )?;
        Ok(Self {
            name: "bare TAP loop",
            machine,
            a,
            b,
            engine: Engine::Loop(bare),
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
            Engine::Daemon(Daemon {
                mut process,
                directory,
            }) => {
                let pid = process.id().to_string();
                run(&self.machine, "kill", &["-TERM", &pid])?;
                process.wait()?;
                Ok(directory.close()?)
            }
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
