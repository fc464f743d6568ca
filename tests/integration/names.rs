//! Names, through the daemon: what a sandbox is told at the gateway and at 127.0.0.11, by the clients that people have.
//!
//! The host has an uplink, and the server outside notes what it is asked: so it is seen what leaves, and what must not.

mod clients;
mod flood;
mod forwarded;

use std::{collections::BTreeSet, net::IpAddr};
use vswitch_tests::{
    Lab, Outside, Sandbox, Upstream,
    dig::{self, Reply},
};

/// Where a sandbox finds its resolver.
const RESOLVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 11));

/// A host with an uplink, and a server outside.
struct Stage {
    lab: Lab,
    upstream: Upstream,
    outside: Outside,
}

impl Stage {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(alone: bool) -> Self {
        let outside = Outside::start();
        let upstream = Upstream::start(outside.station(), outside.ip4());
        let lab = outside.lab(alone);
        Self {
            lab,
            upstream,
            outside,
        }
    }

    /// A new sandbox on a network, with options of `network connect`.
    #[track_caller]
    fn join(&self, network: &str, name: &str, options: &[&str]) -> Sandbox {
        let sandbox = self.lab.sandbox(name);
        let nic = self.lab.connect(network, name, options);
        sandbox.with(nic)
    }

    /// Asserts that all servers of a sandbox say the same, without asking outside.
    #[track_caller]
    fn told(&self, from: &Sandbox, question: &[&str], expected: &[&str]) {
        for server in servers(from) {
            let reply = self.asked_here(from, server, question);
            assert_eq!(reply.status, "NOERROR", "{server} {question:?}");
            assert_eq!(reply.sorted(), expected, "{server} {question:?}");
            assert!(reply.has("ra"), "{server} {question:?}: {reply:?}");
            let kept = reply.answers.iter().all(|record| record[1] == "600");
            assert!(kept, "{server} {question:?}: {reply:?}");
        }
    }

    #[track_caller]
    fn asked_here(&self, from: &Sandbox, server: IpAddr, question: &[&str]) -> Reply {
        let reply = dig::dig(from, server, question);
        assert_eq!(self.upstream.asked(), [], "{server} {question:?}");
        reply
    }

    /// Asserts that all servers of a sandbox ask outside, which says that there is no such name.
    #[track_caller]
    fn asked_outside(&self, from: &Sandbox, question: &[&str], kind: u16) {
        for server in servers(from) {
            let reply = dig::dig(from, server, question);
            let asked = [(format!("{}.", question[0].to_lowercase()), kind)];
            assert_eq!(self.upstream.asked(), asked, "{server} {question:?}");
            assert_eq!(reply.status, "NXDOMAIN", "{server} {question:?}");
        }
    }

    fn finish(self) {
        self.lab.finish();
        drop(self.upstream);
        drop(self.outside);
    }
}

/// All the addresses at which a sandbox may ask: its own resolver, and the gateways of its first network.
fn servers(from: &Sandbox) -> Vec<IpAddr> {
    let first = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            IpAddr::from([a, b, c, 1])
        }
        IpAddr::V6(ip) => {
            let mut words = ip.segments();
            words[4..].copy_from_slice(&[0, 0, 0, 1]);
            IpAddr::from(words)
        }
    };
    let nic = from.nic();
    let own = [nic.ip4.map(IpAddr::from), nic.ip6.map(IpAddr::from)];
    let gateways = own.into_iter().flatten().map(first);
    std::iter::once(RESOLVER).chain(gateways).collect()
}

/// The first twelve digits of a sandbox's ID.
#[track_caller]
fn short_id(lab: &Lab, name: &str) -> String {
    let sandbox = lab.json(&["sandbox", "inspect", name]);
    let id = sandbox[0]["id"].as_str().unwrap_or_default();
    id.chars().take(12).collect()
}

#[test]
fn names_aliases_ids_and_addresses_of_a_network_are_known_on_it() {
    let stage = Stage::new();
    stage.lab.subnet("lan", 1, &["gateway=host"]);
    let asker = stage.join("lan", "asker", &[]);
    let web = stage.join("lan", "web", &["--alias", "www"]);
    let (v4, v6) = (web.ip4().to_string(), web.ip6().to_string());
    let id = short_id(&stage.lab, "web");
    for name in ["web", "WEB", "www", &id, "web.lan", "Www.lan", "web."] {
        stage.told(&asker, &[name, "A"], &[&v4]);
        stage.told(&asker, &[name, "AAAA"], &[&v6]);
    }
    // The name of a network is as it was written.
    stage.asked_outside(&asker, &["web.LAN", "A"], 1);
    for address in [&v4, &v6] {
        stage.told(&asker, &["-x", address], &["web.lan."]);
    }
    // Of itself, too.
    stage.told(&web, &["web", "A"], &[&v4]);
    stage.told(&asker, &["web", "MX"], &[]);
    stage.asked_outside(&asker, &["web", "TXT"], 16);
    stage.lab.cli(&["sandbox", "rm", "-f", "web"]).done();
    stage.asked_outside(&asker, &["web", "A"], 1);
    stage.finish();
}

#[test]
fn a_family_that_a_station_has_not_is_an_empty_answer() {
    let stage = Stage::new();
    stage.lab.quiet("lan", &["gateway=host"]);
    let asker = stage.join("lan", "asker", &[]);
    let web = stage.join("lan", "web", &[]);
    stage.told(&asker, &["web", "A"], &[&web.ip4().to_string()]);
    stage.told(&asker, &["web", "AAAA"], &[]);
    stage.finish();
}

#[test]
fn only_what_is_on_a_shared_network_is_known() {
    let stage = Stage::new();
    for (number, name) in (1..).zip(["front", "back", "other"]) {
        stage.lab.subnet(name, number, &["gateway=host"]);
    }
    let asker = stage.join("front", "asker", &[]);
    stage.lab.connect("back", "asker", &[]);
    let web = stage.join("front", "web", &[]);
    let base = stage.join("back", "base", &[]);
    // On a shared network and on another one: its addresses there never leak.
    stage.lab.connect("other", "base", &[]);
    let hidden = stage.join("other", "hidden", &[]);
    stage.told(&asker, &["web", "A"], &[&web.ip4().to_string()]);
    stage.told(&asker, &["base", "A"], &[&base.ip4().to_string()]);
    stage.told(&asker, &["base", "AAAA"], &[&base.ip6().to_string()]);
    stage.asked_outside(&asker, &["hidden", "A"], 1);
    stage.asked_outside(&asker, &["base.other", "A"], 1);
    let reply = dig::dig(&asker, RESOLVER, &["-x", &hidden.ip4().to_string()]);
    assert_eq!(reply.status, "NXDOMAIN", "{reply:?}");
    assert_eq!(stage.upstream.asked().len(), 1);
    stage.asked_outside(&web, &["base", "A"], 1);
    stage
        .lab
        .cli(&["network", "disconnect", "back", "asker"])
        .done();
    stage.asked_outside(&asker, &["base", "A"], 1);
    stage.finish();
}

#[test]
fn the_first_network_that_knows_a_name_answers_alone() {
    let stage = Stage::new();
    for (number, name) in (1..).zip(["one", "two"]) {
        stage.lab.subnet(name, number, &["gateway=host"]);
    }
    let service = |network: &str, name: &str| stage.join(network, name, &["--alias", "svc"]);
    let (one, two) = (service("one", "a"), service("two", "b"));
    // By name: `one` comes before `two`, unless a priority says otherwise.
    let plain = stage.join("two", "plain", &[]);
    stage.lab.connect("one", "plain", &[]);
    stage.told(&plain, &["svc", "A"], &[&one.ip4().to_string()]);
    stage.told(&plain, &["svc.two", "A"], &[&two.ip4().to_string()]);
    let prefers = stage.join("two", "prefers", &["--gw-priority", "1"]);
    stage.lab.connect("one", "prefers", &[]);
    stage.told(&prefers, &["svc", "A"], &[&two.ip4().to_string()]);
    stage.told(&prefers, &["svc", "AAAA"], &[&two.ip6().to_string()]);
    stage.finish();
}

#[test]
fn the_addresses_of_an_alias_are_all_told_and_shuffled() {
    let stage = Stage::new();
    stage.lab.subnet("lan", 1, &["gateway=host"]);
    let asker = stage.join("lan", "asker", &[]);
    let pool: Vec<String> = ["a", "b", "c"]
        .map(|name| stage.join("lan", name, &["--alias", "pool"]))
        .map(|member| member.ip4().to_string())
        .into();
    let pool: Vec<&str> = pool.iter().map(String::as_str).collect();
    stage.told(&asker, &["pool", "A"], &pool);
    // Forty questions: that one of six orders is the only one is not to be believed.
    let questions = vec!["pool"; 40];
    let replies = dig::dig_all(&asker, RESOLVER, &questions);
    let orders: BTreeSet<_> = replies.iter().map(Reply::data).collect();
    assert!(orders.len() > 1, "{orders:?}");
    stage.finish();
}

#[test]
fn the_default_network_has_no_names_and_reaches_those_outside() {
    let stage = Stage::new();
    let asker = stage.join("bridge", "asker", &[]);
    stage.join("bridge", "web", &[]);
    stage.asked_outside(&asker, &["web", "A"], 1);
    let reply = dig::dig(&asker, RESOLVER, &["www.example"]);
    assert_eq!(reply.data(), [vswitch_tests::upstream::ADDRESS.to_string()]);
    stage.lab.refuses(
        &["network", "connect", "bridge", "web", "--alias", "www"],
        &["www", "bridge", "no names"],
    );
    stage.finish();
}
