//! A sandbox of a lab, as a test uses it: run commands and closures in it, know its addresses.

use crate::{Must, Output};
use serde_json::Value;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, AsRawFd},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};
use vswitch::sys::{Netns, spawn_in};
use vswitch_wire::MacAddr;

/// An interface of a sandbox on a network of the switch.
#[derive(Debug, Clone)]
pub struct Nic {
    /// Name of the network.
    pub network: String,
    /// Name inside the sandbox.
    pub ifname: String,
    /// The switch's port behind it.
    pub port: u64,
    /// MAC address.
    pub mac: MacAddr,
    /// IPv4 address.
    pub ip4: Option<Ipv4Addr>,
    /// IPv6 address.
    pub ip6: Option<Ipv6Addr>,
}

impl Nic {
    /// Reads the reply to `network connect --json`.
    ///
    /// # Panics
    /// When a promised field is missing.
    #[must_use]
    pub fn from_json(reply: &Value) -> Self {
        let text = |key: &str| reply[key].as_str().map(str::to_owned);
        let host = |key: &str| text(key).map(|cidr| cidr.split('/').next().must(key).to_owned());
        Self {
            network: text("network").must("network"),
            ifname: text("ifname").must("ifname"),
            port: reply["port"].as_u64().must("port"),
            mac: text("mac_address").must("mac_address").parse().must("MAC"),
            ip4: host("ipv4").map(|ip| ip.parse().must("ipv4")),
            ip6: host("ipv6").map(|ip| ip.parse().must("ipv6")),
        }
    }
}

/// A sandbox and its first interface. Clones are the same sandbox.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub netns: Arc<Netns>,
    /// Its first interface.
    nic: Option<Nic>,
}

impl Sandbox {
    /// A sandbox by its pinned namespace.
    ///
    /// # Panics
    /// When there is no namespace at `path`.
    #[must_use]
    pub fn open(name: &str, path: &Path, nic: Option<Nic>) -> Self {
        Self::of(name, Netns::open(path).must("sandbox's namespace"), nic)
    }

    /// A namespace that is known to the test, as a sandbox.
    #[must_use]
    pub fn of(name: &str, netns: Netns, nic: Option<Nic>) -> Self {
        Self {
            name: name.to_owned(),
            netns: Arc::new(netns),
            nic,
        }
    }

    /// The same sandbox with this interface as its first.
    #[must_use]
    pub fn with(self, nic: Nic) -> Self {
        Self {
            nic: Some(nic),
            ..self
        }
    }

    /// Its first interface.
    ///
    /// # Panics
    /// When it is on no network.
    #[track_caller]
    #[must_use]
    pub fn nic(&self) -> &Nic {
        self.nic.as_ref().must(&self.name)
    }

    /// MAC address of its first interface.
    #[track_caller]
    #[must_use]
    pub fn mac(&self) -> MacAddr {
        self.nic().mac
    }

    /// IPv4 address of its first interface.
    #[track_caller]
    #[must_use]
    pub fn ip4(&self) -> IpAddr {
        self.nic().ip4.must("IPv4 address").into()
    }

    /// IPv6 address of its first interface.
    #[track_caller]
    #[must_use]
    pub fn ip6(&self) -> IpAddr {
        self.nic().ip6.must("IPv6 address").into()
    }

    /// The switch's port behind its first interface.
    #[track_caller]
    #[must_use]
    pub fn port(&self) -> u64 {
        self.nic().port
    }

    /// A path of its namespace, for programs that the test starts; as long as the test has it.
    #[must_use]
    pub fn netns_path(&self) -> String {
        let descriptor = self.netns.as_fd().as_raw_fd();
        format!("/proc/{}/fd/{descriptor}", std::process::id())
    }

    /// Runs `f` on a thread inside the namespace. Sockets that it makes stay there when they leave it.
    ///
    /// # Panics
    /// When the namespace cannot be entered.
    #[track_caller]
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        self.netns.run(f).must(&self.name)
    }

    /// Starts a process inside the namespace.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn spawn(&self, command: &mut Command) -> Child {
        spawn_in(&self.netns, command).must(&format!("{command:?} in {}", self.name))
    }

    /// Runs a command inside the namespace to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn exec(&self, words: &[&str]) -> Output {
        let mut command = command_of(words);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = self.spawn(&mut command).wait_with_output().must("wait");
        Output::new(format!("{}: {}", self.name, words.join(" ")), &output)
    }
}

/// A command of its words.
///
/// # Panics
/// When there are none.
#[track_caller]
#[must_use]
pub fn command_of(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().must("a program");
    let mut command = Command::new(program);
    command.args(arguments);
    command
}
