//! What a test builds in a lab, and what it asks about it.

use crate::{Lab, Must, Nic, Sandbox};
use serde_json::Value;
use std::path::Path;
use vswitch_wire::MacAddr;

impl Lab {
    /// Makes a network for both families and all that `options` say.
    #[track_caller]
    pub fn network(&self, name: &str, options: &[&str]) {
        self.subnet(name, 0, options);
    }

    /// Makes the network number `number`: 198.18.NUMBER.0/24 and 2001:2:0:NUMBER::/64.
    #[track_caller]
    pub fn subnet(&self, name: &str, number: u8, options: &[&str]) {
        let v4 = format!("198.18.{number}.0/24");
        let v6 = format!("2001:2:0:{number:x}::/64");
        let mut words = vec!["network", "create", name, "--subnet", &v4, "--subnet", &v6];
        // What a switch does is not to be mixed with what the host says on its own interface.
        if !options.iter().any(|option| option.starts_with("gateway=")) {
            words.extend(["-o", "gateway=off"]);
        }
        for option in options {
            words.extend(["-o", option]);
        }
        self.cli(&words).done();
    }

    /// Makes a network for IPv4 only, on which hosts say nothing of their own accord: what comes, a test
    /// has sent, or it is ARP.
    #[track_caller]
    pub fn quiet(&self, name: &str, options: &[&str]) {
        let mut words = vec!["network", "create", name, "--subnet", "198.18.99.0/24"];
        if !options.iter().any(|option| option.starts_with("gateway=")) {
            words.extend(["-o", "gateway=off"]);
        }
        for option in options {
            words.extend(["-o", option]);
        }
        self.cli(&words).done();
    }

    /// Makes a sandbox that is on no network yet.
    #[track_caller]
    pub fn sandbox(&self, name: &str) -> Sandbox {
        self.cli(&["sandbox", "create", name]).done();
        let path = self.netns_path(name);
        let sandbox = Sandbox::open(name, Path::new(&path), None);
        self.watch(&sandbox);
        sandbox
    }

    /// The path of a sandbox's namespace.
    ///
    /// # Panics
    /// When there is no such sandbox.
    #[track_caller]
    #[must_use]
    pub fn netns_path(&self, name: &str) -> String {
        let all = self.json(&["sandbox", "ls"]);
        (all.as_array().into_iter().flatten())
            .find(|sandbox| sandbox["name"] == name)
            .and_then(|sandbox| sandbox["path"].as_str())
            .must(name)
            .to_owned()
    }

    /// Connects a sandbox, with further options of `network connect`.
    #[track_caller]
    pub fn connect(&self, network: &str, sandbox: &str, options: &[&str]) -> Nic {
        let words = [&["network", "connect", network, sandbox], options].concat();
        Nic::from_json(&self.json(&words))
    }

    /// A new sandbox on a network.
    #[track_caller]
    pub fn join(&self, network: &str, name: &str) -> Sandbox {
        let sandbox = self.sandbox(name);
        let nic = self.connect(network, name, &[]);
        sandbox.with(nic)
    }

    /// New sandboxes on a network: a, b, c, ... or, for more than 26, s1, s2, ...
    #[track_caller]
    pub fn join_all(&self, network: &str, count: u8) -> Vec<Sandbox> {
        let name = |index: u8| match count {
            0..=26 => char::from(b'a' + index).to_string(),
            27.. => format!("s{}", index + 1),
        };
        (0..count)
            .map(|index| self.join(network, &name(index)))
            .collect()
    }

    /// A port as `port ls` shows it.
    ///
    /// # Panics
    /// When there is no such port.
    #[track_caller]
    #[must_use]
    pub fn port(&self, id: u64) -> Value {
        let all = self.json(&["port", "ls"]);
        (all.as_array().into_iter().flatten())
            .find(|port| port["id"] == id)
            .cloned()
            .must("port")
    }

    /// Frames from a port that were dropped for a reason.
    #[track_caller]
    #[must_use]
    pub fn drops(&self, sandbox: &Sandbox, reason: &str) -> u64 {
        self.port(sandbox.port())["drops"][reason]
            .as_u64()
            .unwrap_or(0)
    }

    /// Frames dropped for a reason on the whole switch, removed ports included.
    #[track_caller]
    #[must_use]
    pub fn total_drops(&self, reason: &str) -> u64 {
        self.json(&["status"])["totals"]["dropped"][reason]
            .as_u64()
            .unwrap_or(0)
    }

    /// Counters of a network's MAC table.
    ///
    /// # Panics
    /// When there is no such counter.
    #[track_caller]
    #[must_use]
    pub fn fdb_count(&self, network: &str, counter: &str) -> u64 {
        let (status, body) = self.http("GET", &format!("/v1/networks/{network}/fdb/stats"), "");
        assert_eq!(status, 200, "{body}");
        let stats: Value = serde_json::from_str(&body).must(&body);
        stats[counter].as_u64().must(counter)
    }

    /// Where an address is in a network's MAC table: port and kind.
    #[track_caller]
    #[must_use]
    pub fn whereabouts(&self, network: &str, mac: MacAddr) -> Option<(Option<u64>, String)> {
        let mac = mac.to_string();
        (self.fdb(network).into_iter())
            .find(|entry| entry.0 == mac)
            .map(|(_, port, kind)| (port, kind))
    }

    /// The MAC table of a network: address, port, kind.
    #[track_caller]
    #[must_use]
    pub fn fdb(&self, network: &str) -> Vec<(String, Option<u64>, String)> {
        let entries = self.json(&["fdb", "show", network]);
        (entries.as_array().into_iter().flatten())
            .map(|entry| {
                (
                    entry["mac"].as_str().must("mac").to_owned(),
                    entry["port"].as_u64(),
                    entry["kind"].as_str().must("kind").to_owned(),
                )
            })
            .collect()
    }
}
