//! Docker's own engine in a lab: a real `dockerd` with the real `docker` as its client, and the lab's daemon as its plugin
//! `vswitch`. It has no networks of its own, as on a host without what those need, or [has them](Own).
//!
//! Everything of it is the lab's: network namespace, `/run/docker` ([`mounts`](crate::mounts)), socket, data, cgroups.
//! Containers are made of [`IMAGE`], which is busybox and nothing else; their processes are seen from the test, so that one
//! is at once a [`Sandbox`].
//!
//! [`Docker::finish`] ends it in order and tests that it leaves nothing; a drop without it, after a failure, takes all away
//! without questions.

mod engine;
mod etcd;
mod image;

pub use engine::Own;
pub use etcd::Etcd;

use crate::{
    Lab, Must, Nic, Output, Sandbox,
    daemon::{Log, start_daemon, terminate},
    deadline::{SOON, within},
    mounts::Mounts,
};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};
use tempfile::TempDir;
use vswitch::sys::Netns;

/// What containers are made of.
pub const IMAGE: &str = "bb";

/// Debian's client: another one may be first in the path.
const CLIENT: &str = "/usr/bin/docker";

/// For the engine's end, in which it waits for its containers'.
const END: Duration = Duration::from_secs(40);

/// A running engine.
#[derive(Debug)]
pub struct Docker {
    host: Arc<Netns>,
    mounts: Arc<Mounts>,
    socket: PathBuf,
    dir: TempDir,
    engine: Child,
    log: Log,
    own: Own,
    /// Further options of the engine.
    options: Vec<String>,
}

impl Docker {
    /// An engine without networks of its own in a lab that was [set up](crate::Setup) for it.
    #[must_use]
    pub fn start(lab: &Lab) -> Self {
        Self::start_with(lab, Own::Nothing, &[])
    }

    /// An engine with further options.
    #[must_use]
    pub fn start_with(lab: &Lab, own: Own, options: &[&str]) -> Self {
        let mut dir = tempfile::Builder::new();
        let dir = dir.prefix("vswitch-docker-").tempdir().must("directory");
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let (mounts, socket) = (lab.mounts(), lab.docker_socket());
        let log = Log::default();
        let mut command = engine::command(&mounts, &socket, dir.path(), own, &options);
        let docker = Self {
            engine: start_daemon(lab.host(), &mut command, &log),
            host: lab.host_shared(),
            mounts,
            socket,
            dir,
            log,
            own,
            options,
        };
        docker.wait_ready(SOON);
        docker.import(&image::archive());
        docker
    }

    fn wait_ready(&self, patience: Duration) {
        // What it says as long as it is not there is of no interest.
        let ready = within(patience, || {
            (self.run(&["version"]).status == 0).then_some(())
        });
        assert!(ready.is_some(), "no engine:\n{}", self.log.text());
    }

    fn import(&self, archive: &[u8]) {
        let command = [
            "import",
            "--change",
            "CMD [\"sleep\",\"100000\"]",
            "-",
            IMAGE,
        ];
        let mut client = self.client(&command);
        let mut client = client.stdin(Stdio::piped()).spawn().must("docker import");
        let mut stdin = client.stdin.take().must("its input");
        thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(archive));
        });
        let output = client.wait_with_output().must("docker import");
        Output::new("docker import".to_owned(), &output).done();
    }

    /// Where clients find it, as `DOCKER_HOST`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    fn client(&self, words: &[&str]) -> Command {
        let mut command = Command::new(CLIENT);
        command
            .arg("--host")
            .arg(self.url())
            .args(words)
            .env("DOCKER_CONFIG", self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts `docker` with these words.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn spawn(&self, words: &[&str]) -> Child {
        self.client(words).spawn().must(CLIENT)
    }

    /// Runs `docker` with these words.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Output {
        let output = self.spawn(words).wait_with_output().must(CLIENT);
        Output::new(format!("docker {}", words.join(" ")), &output)
    }

    /// Runs `docker` with these words, which has to succeed.
    #[track_caller]
    pub fn done(&self, words: &[&str]) {
        self.run(words).done();
    }

    /// Asserts that the engine refuses what `docker` asks with these words, and that what it says has all of `say` in it.
    /// Gives what it says.
    ///
    /// # Panics
    /// When it is not so.
    #[track_caller]
    pub fn refuses(&self, words: &[&str], say: &[&str]) -> String {
        let Output {
            command,
            status,
            stderr,
            ..
        } = self.run(words);
        assert_ne!(status, 0, "`{command}` should be refused");
        for word in say {
            assert!(
                stderr.contains(word),
                "`{command}` does not say {word:?}: {stderr}"
            );
        }
        stderr
    }

    /// What `docker inspect` prints of one object.
    #[track_caller]
    #[must_use]
    pub fn inspect(&self, object: &str) -> Value {
        self.run(&["inspect", object]).json()[0].take()
    }

    /// What `docker network inspect` prints of one network.
    #[track_caller]
    #[must_use]
    pub fn network(&self, network: &str) -> Value {
        self.run(&["network", "inspect", network]).json()[0].take()
    }

    /// Makes a network of our driver.
    #[track_caller]
    pub fn create(&self, network: &str, options: &[&str]) {
        let words = ["network", "create", "-d", "vswitch"];
        self.done(&[&words, options, &[network]].concat());
    }

    /// Starts a container that does nothing, on a network.
    #[track_caller]
    pub fn container(&self, name: &str, network: &str, options: &[&str]) -> Sandbox {
        let words = ["run", "-d", "--name", name, "--network", network];
        self.done(&[&words, options, &[IMAGE]].concat());
        self.sandbox(name, network)
    }

    /// A container that runs, with its interface on a network.
    ///
    /// # Panics
    /// When there is no such container.
    #[track_caller]
    #[must_use]
    pub fn sandbox(&self, name: &str, network: &str) -> Sandbox {
        let found = self.inspect(name);
        let pid = found["State"]["Pid"]
            .as_u64()
            .and_then(|pid| u32::try_from(pid).ok());
        let netns = Netns::of_pid(pid.must(name)).must(name);
        let sandbox = Sandbox::of(name, netns, None);
        let settings = &found["NetworkSettings"]["Networks"][network];
        match nic(&sandbox, network, settings) {
            Some(nic) => sandbox.with(nic),
            None => sandbox,
        }
    }

    /// Runs a command in a container.
    #[track_caller]
    #[must_use]
    pub fn exec(&self, container: &str, words: &[&str]) -> Output {
        self.run(&[&["exec", container], words].concat())
    }

    /// The engine's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Ends the engine with SIGTERM: how it ended. Without `--live-restore` its containers end with it.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        terminate(self.engine.id());
        within(END, || self.engine.try_wait().ok().flatten()).must("the engine's end on SIGTERM")
    }

    /// Kills the engine, which can do nothing about it, and its containerd, which would be a service of its own on a real
    /// host. Their containers live.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.engine.kill().must("kill the engine");
        self.engine.wait().must("wait for the engine");
        let containerd = self.dir.path().join("exec/containerd/containerd.pid");
        let pid = fs::read_to_string(&containerd).must("containerd");
        engine::kill(pid.trim());
        // A zombie has no program, if nobody waits for it.
        let program = Path::new("/proc").join(pid.trim()).join("exe");
        let gone = || fs::read_link(&program).is_err().then_some(());
        within(SOON, gone).must("the end of containerd");
        // The engine would take either for one that lives.
        for left in [containerd, self.dir.path().join("pid")] {
            fs::remove_file(left).must("a file with the ID of a process");
        }
    }

    /// Starts the engine again after it has ended.
    pub fn restart(&mut self) {
        self.restart_within(SOON);
    }

    /// Starts the engine again, which may take so long.
    pub fn restart_within(&mut self, patience: Duration) {
        let dir = self.dir.path();
        let mut command = engine::command(&self.mounts, &self.socket, dir, self.own, &self.options);
        self.engine = start_daemon(&self.host, &mut command, &self.log);
        self.wait_ready(patience);
    }

    /// Removes all containers and networks, ends the engine, and tests that nothing is left.
    ///
    /// # Panics
    /// When something is.
    #[track_caller]
    pub fn finish(mut self) {
        let containers = self.run(&["ps", "-aq"]);
        let containers: Vec<&str> = containers.ok().split_whitespace().collect();
        if !containers.is_empty() {
            self.done(&[&["rm", "-f"], &*containers].concat());
        }
        self.done(&["network", "prune", "-f"]);
        let status = self.stop();
        assert!(status.success(), "the engine ended with {status}");
        let dir = self.dir.path().to_owned();
        let mut left = Vec::new();
        let clean = within(SOON, || {
            left = self.mounts.below(&dir);
            // An engine that is killed leaves this one to the next, which leaves it, too.
            left.retain(|mount| Path::new(mount) != dir.join("data"));
            left.extend(engine::processes(&dir));
            left.is_empty().then_some(())
        });
        assert!(
            clean.is_some(),
            "left behind by the engine:\n{}",
            left.join("\n")
        );
        self.own.take_away(&self.host);
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if let Ok(None) = self.engine.try_wait() {
            eprintln!("---- the engine's log ----\n{}\n----", self.log.text());
            // With it go its containers, where it is still able to.
            terminate(self.engine.id());
            if within(END, || self.engine.try_wait().ok().flatten()).is_none() {
                let _killed = self.engine.kill();
                let _status = self.engine.wait();
            }
        }
        let _removed = fs::remove_file(&self.socket);
        engine::take_away(self.dir.path());
    }
}

/// A container's interface as the engine shows it and as it is called inside.
fn nic(sandbox: &Sandbox, network: &str, settings: &Value) -> Option<Nic> {
    let text = |key: &str| settings[key].as_str().filter(|text| !text.is_empty());
    let mac = text("MacAddress")?.to_owned();
    let links = sandbox.exec(&["ip", "-o", "link"]);
    let line = links.ok().lines().find(|line| line.contains(&mac))?;
    let ifname = line.split(": ").nth(1)?.split('@').next()?;
    Some(Nic {
        network: network.to_owned(),
        ifname: ifname.to_owned(),
        // Not known to the engine.
        port: 0,
        mac: mac.parse().must("MAC address"),
        ip4: text("IPAddress").map(|ip| ip.parse().must("IPv4 address")),
        ip6: text("GlobalIPv6Address").map(|ip| ip.parse().must("IPv6 address")),
    })
}
