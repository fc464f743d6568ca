//! The way out by the kernel's NAT, without a daemon: a host with two networks and an uplink, all of them made by the
//! test, and the rules that `vswitch` makes in it.
//!
//! The outside knows no way to the networks, so an answer proves that it saw the host's own address.

use std::{
    fs, mem,
    net::{IpAddr, UdpSocket},
    time::Duration,
};
use vswitch::{
    control::{ControlError, services::Service},
    service::nat,
    sys::Netns,
};
use vswitch_tests::{Must as _, Sandbox, deadline::SOON, guard::Guard, icmp, ip, lan};

/// A while in which an answer would have come.
const QUIET: Duration = Duration::from_millis(500);

/// The third parts of the addresses of both networks, and of the outside.
const NETWORKS: [u8; 2] = [1, 2];
const OUTSIDE: u8 = 200;

const NONE: [&str; 0] = [];

/// A host between two networks, with a container on each, and the outside.
struct Site {
    host: Sandbox,
    outside: Sandbox,
    containers: [Sandbox; 2],
    ways_out: nat::WaysOut,
    _guard: Guard,
}

fn member(name: &str, subnet: u8, number: u8) -> Sandbox {
    let netns = Netns::create().must("a namespace");
    Sandbox::of(name, netns, Some(lan::nic(subnet, number)))
}

/// Joins a member to the host, which has the address with 1 there, and sends all that it does not know to the host.
fn join(host: &Sandbox, ifname: &str, member: &Sandbox, routed: bool) {
    let nic = member.nic();
    let (v4, v6) = (member.ip4(), member.ip6());
    let [gateway4, gateway6] = gateways(member);
    let path = member.netns_path();
    ip::batch(
        host,
        &format!(
            "link add name {ifname} type veth peer name {peer} netns {path}\n\
             address add {gateway4}/24 dev {ifname}\n\
             address add {gateway6}/64 dev {ifname} nodad\n\
             link set dev {ifname} up\n",
            peer = nic.ifname
        ),
    );
    let mut lines = format!(
        "address add {v4}/24 dev {ifname}\naddress add {v6}/64 dev {ifname} nodad\nlink set dev {ifname} up\n",
        ifname = nic.ifname
    );
    if routed {
        lines += &format!("route add default via {gateway4}\nroute add default via {gateway6}\n");
    }
    ip::batch(member, &lines);
}

/// The host's addresses on a member's network.
fn gateways(member: &Sandbox) -> [IpAddr; 2] {
    let (IpAddr::V4(v4), IpAddr::V6(v6)) = (member.ip4(), member.ip6()) else {
        unreachable!("one of each family")
    };
    let ([a, b, c, _], mut words) = (v4.octets(), v6.segments());
    words[7] = 1;
    [[a, b, c, 1].into(), words.into()]
}

fn forwarding(host: &Sandbox) -> [String; 2] {
    ["ipv4/ip_forward", "ipv6/conf/all/forwarding"].map(|name| {
        let path = format!("/proc/sys/net/{name}");
        let value = host.run(|| fs::read_to_string(&path)).must(&path);
        value.trim().to_owned()
    })
}

impl Site {
    fn new() -> Self {
        let guard = Guard::shared();
        let host = Sandbox::of("the host", Netns::create().must("a namespace"), None);
        // Whatever the machine has.
        let off = || fs::write("/proc/sys/net/ipv4/ip_forward", "0");
        host.run(off).must("forwarding off");
        let site = Self {
            host,
            outside: member("the outside", OUTSIDE, 2),
            containers: NETWORKS.map(|number| member("a container", number, 2)),
            ways_out: nat::WaysOut::default(),
            _guard: guard,
        };
        for (number, container) in NETWORKS.iter().zip(&site.containers) {
            join(&site.host, &format!("vs-{number}"), container, true);
        }
        join(&site.host, "up0", &site.outside, false);
        for member in site.containers.iter().chain([&site.outside]) {
            for gateway in gateways(member) {
                icmp::answers(member, &[gateway]);
            }
        }
        site
    }

    fn begin(&self, number: u8) -> Result<Service, ControlError> {
        let subnets = [
            format!("198.18.{number}.0/24"),
            format!("2001:2:0:{number:x}::/64"),
        ];
        let subnets = subnets.map(|subnet| subnet.parse().must("a subnet"));
        (self.host).run(|| self.ways_out.open(&format!("vs-{number}"), &subnets))
    }

    fn end(&self, service: Service) {
        self.host.run(|| drop(service));
    }

    /// The tables in order; the kernel lists them in any.
    fn tables(&self) -> Vec<String> {
        let output = self.host.exec(&["nft", "list", "tables"]);
        let mut tables: Vec<_> = output.ok().lines().map(str::to_owned).collect();
        tables.sort();
        tables
    }

    /// Whether the outside answers a container, for each family.
    fn reached(&self, container: &Sandbox) -> [bool; 2] {
        [self.outside.ip4(), self.outside.ip6()]
            .map(|target| icmp::first_answer(container, target, QUIET).is_some())
    }
}

/// Which address the outside sees of a container that sends to it; the answer comes back too.
fn seen_from(site: &Site, container: &Sandbox, target: IpAddr) -> IpAddr {
    let server = (site.outside).run(|| UdpSocket::bind((target, 7)).must("a server"));
    let client = container.run(|| {
        let any: IpAddr = if target.is_ipv4() {
            [0; 4].into()
        } else {
            [0; 16].into()
        };
        UdpSocket::bind((any, 0)).must("a client")
    });
    let mut room = [0; 64];
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(SOON)).must("a timeout");
    }
    client.send_to(b"hello", (target, 7)).must("send");
    let (length, from) = server.recv_from(&mut room).must("what was sent");
    server.send_to(&room[..length], from).must("answer");
    let (length, by) = client.recv_from(&mut room).must("the answer");
    assert_eq!((&room[..length], by.ip()), (&b"hello"[..], target));
    from.ip()
}

#[test]
fn what_leaves_has_the_hosts_address_and_nothing_stays_behind() {
    let site = Site::new();
    let container = &site.containers[0];
    assert_eq!(site.tables(), NONE);
    assert_eq!(site.reached(container), [false; 2]);
    let service = site.begin(1).must("a way out");
    assert_eq!(forwarding(&site.host), ["1", "1"]);
    let own = gateways(&site.outside);
    for (target, own) in [site.outside.ip4(), site.outside.ip6()]
        .into_iter()
        .zip(own)
    {
        assert_eq!(seen_from(&site, container, target), own);
        icmp::answers(container, &[target]);
    }
    site.end(service);
    assert_eq!(site.tables(), NONE);
    assert_eq!(site.reached(container), [false; 2]);
}

#[test]
fn networks_are_isolated_from_one_another_in_both_directions() {
    let site = Site::new();
    let [a, b] = &site.containers;
    let across = |from: &Sandbox, to: &Sandbox| {
        [to.ip4(), to.ip6()].map(|target| icmp::first_answer(from, target, QUIET).is_some())
    };
    // Each by the rules of the first network alone, and then by those of both.
    let first = site.begin(1).must("a way out");
    for both in [false, true] {
        let second = both.then(|| site.begin(2).must("a way out"));
        assert_eq!([across(a, b), across(b, a)], [[false; 2]; 2]);
        assert_eq!(site.reached(a), [true; 2]);
        if both {
            // Not before: the kernel would go on with that flow as it began, without NAT.
            assert_eq!(site.reached(b), [true; 2]);
        }
        // The host itself is on all of them.
        for container in [a, b] {
            for gateway in gateways(a) {
                icmp::answers(container, &[gateway]);
            }
        }
        if let Some(second) = second {
            site.end(second);
        }
    }
    site.end(first);
    // It was not for want of a way.
    assert_eq!([across(a, b), across(b, a)], [[true; 2]; 2]);
}

#[test]
fn what_a_killed_daemon_left_is_replaced_or_removed() {
    let site = Site::new();
    let [first, second] = NETWORKS.map(|number| site.begin(number).must("a way out"));
    let before = site.tables();
    assert_eq!(before.len(), 2);
    // A killed daemon drops nothing.
    mem::forget(first);
    mem::forget(second);
    let again = site.begin(1).must("the same once more");
    assert_eq!(site.tables(), before);
    assert_eq!(site.reached(&site.containers[0]), [true; 2]);
    let leftovers = || site.host.run(nat::remove_leftovers).must("leftovers");
    leftovers();
    assert_eq!(site.tables(), before, "both interfaces are there");
    ip::batch(&site.host, "link del dev vs-2\n");
    let foreign = site
        .host
        .exec(&["nft", "add", "table", "inet", "vswitch-x"]);
    foreign.done();
    leftovers();
    assert_eq!(
        site.tables(),
        ["table inet vswitch-vs-1", "table inet vswitch-x"]
    );
    site.end(again);
}

#[test]
fn dockers_firewall_lets_it_through_for_as_long() {
    let site = Site::new();
    let iptables = |words: &str| {
        for program in ["iptables", "ip6tables"] {
            let words: Vec<&str> = std::iter::once(program).chain(words.split(' ')).collect();
            site.host.exec(&words).done();
        }
    };
    iptables("-N DOCKER-USER");
    iptables("-A DOCKER-USER -j RETURN");
    iptables("-A FORWARD -j DOCKER-USER");
    iptables("-P FORWARD DROP");
    let chains = || {
        ["iptables", "ip6tables"].map(|program| {
            let listed = site.host.exec(&[program, "-S", "DOCKER-USER"]);
            listed.ok().to_owned()
        })
    };
    let before = chains();
    let service = site.begin(1).must("a way out");
    let [a, b] = &site.containers;
    assert_eq!(site.reached(a), [true; 2]);
    assert_eq!(icmp::first_answer(a, b.ip4(), QUIET), None);
    // What a killed daemon left is not there twice.
    mem::forget(service);
    let service = site.begin(1).must("the same once more");
    let counts = || chains().map(|rules| rules.matches("vswitch:vs-1").count());
    assert_eq!(counts(), [3; 2]);
    // Docker isolates its networks, as if the outside were one; perhaps only later.
    iptables("-N DOCKER-ISOLATION-STAGE-2");
    iptables("-A DOCKER-ISOLATION-STAGE-2 -o up0 -j DROP");
    site.host.run(|| site.ways_out.admit_again());
    assert_eq!(counts(), [4; 2]);
    assert_eq!(site.reached(a), [false; 2]);
    iptables("-F DOCKER-ISOLATION-STAGE-2");
    assert_eq!(site.reached(a), [true; 2]);
    site.end(service);
    assert_eq!(chains(), before);
    assert_eq!(site.reached(a), [false; 2]);
    mem::forget(site.begin(2).must("another"));
    ip::batch(&site.host, "link del dev vs-2\n");
    site.host.run(nat::remove_leftovers).must("leftovers");
    assert_eq!(chains(), before);
}
