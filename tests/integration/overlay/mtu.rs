//! Sizes (RFC 7348 section 4.3): what an endpoint may send, what is said to one who sends more, and that the
//! underlay never has to fragment.

use super::CABLE;
use vswitch::sys::netlink;
use vswitch_tests::{
    Capture, Hosts, Lab, Must as _, Overlay, Sandbox, Underlay, deadline::SOON, eventually, icmp,
    transfer, underlay::Wire,
};

/// Two hosts on a cable of an MTU, and a container on each.
fn pair(mtu: u16, overlay: &Overlay) -> (Hosts, [Sandbox; 2]) {
    let hosts = Hosts::start(Underlay::wire_with(2, &Wire { mtu, ..CABLE }), 2);
    hosts.mesh(overlay);
    let containers = [hosts.join(0, overlay, 10), hosts.join(1, overlay, 11)];
    (hosts, containers)
}

/// The MTU of a container's interface.
#[track_caller]
fn mtu_of(container: &Sandbox) -> u32 {
    let links = container.run(netlink::links).must("list interfaces");
    let link = links.iter().find(|link| link.name == "eth0");
    link.must("eth0").mtu
}

/// What `ping` says to one packet with an IP length of `length`, never fragmented.
#[track_caller]
fn ping(from: &Sandbox, to: &Sandbox, length: u16, v6: bool) -> String {
    let (address, headers) = if v6 { (to.ip6(), 48) } else { (to.ip4(), 28) };
    let size = (length - headers).to_string();
    let address = address.to_string();
    let output = from.exec(&[
        "ping", "-c", "1", "-W", "2", "-M", "do", "-s", &size, &address,
    ]);
    output.stdout + &output.stderr
}

#[test]
fn an_endpoint_gets_what_the_underlay_leaves() {
    for (underlay, over_ipv6, options, expected) in [
        (1500, false, [].as_slice(), 1450),
        (1500, true, &[], 1430),
        (9000, false, &[], 8950),
        (9000, true, &[], 8930),
        (1500, false, &["mtu=1400"], 1400),
    ] {
        let mut overlay = Overlay {
            over_ipv6,
            ..Overlay::named("blue")
        };
        overlay
            .options
            .extend(options.iter().map(|option| (*option).to_owned()));
        let (hosts, [a, b]) = pair(underlay, &overlay);
        assert_eq!(mtu_of(&a), expected, "{underlay} {overlay:?}");
        icmp::all_pairs(&[a.clone(), b.clone()]);
        let fits = u16::try_from(expected).must("an MTU");
        for v6 in [false, true] {
            let said = ping(&a, &b, fits, v6);
            assert!(said.contains("1 received"), "{said}");
        }
        hosts.finish();
    }
}

/// Says that a container may send more than the tunnel takes, as its owner may.
fn raise_mtu(container: &Sandbox) {
    container
        .exec(&["ip", "link", "set", "eth0", "mtu", "1500"])
        .done();
}

/// Frames that were too long, on a host.
fn too_long(lab: &Lab) -> u64 {
    lab.total_drops("too_long")
}

#[test]
fn a_packet_that_is_too_big_is_answered_and_counted() {
    for over_ipv6 in [false, true] {
        let overlay = Overlay {
            over_ipv6,
            ..Overlay::named("blue")
        };
        let (hosts, [a, b]) = pair(1500, &overlay);
        let fits: u16 = if over_ipv6 { 1430 } else { 1450 };
        raise_mtu(&a);
        icmp::all_pairs(&[a.clone(), b.clone()]);
        let before = too_long(hosts.lab(0));
        // RFC 1191: destination unreachable, fragmentation needed, from the gateway.
        let said = ping(&a, &b, 1500, false);
        let answer = format!("Frag needed and DF set (mtu = {fits})");
        assert!(
            said.contains(&answer) && said.contains("From 198.18.50.1 "),
            "{said}"
        );
        // RFC 8201.
        let said = ping(&a, &b, 1500, true);
        assert!(
            said.contains(&format!("Packet too big: mtu={fits}")),
            "{said}"
        );
        assert!(too_long(hosts.lab(0)) >= before + 2);
        // What fits still passes.
        assert!(ping(&a, &b, fits, false).contains("1 received"));
        hosts.finish();
    }
}

#[test]
fn a_stream_finds_the_size_that_passes() {
    let (hosts, [a, b]) = pair(1500, &Overlay::named("blue"));
    for container in [&a, &b] {
        raise_mtu(container);
    }
    for (from, to) in [(&a, &b), (&b, &a)] {
        transfer::tcp(from, to, to.ip4(), 1 << 20);
        transfer::tcp(from, to, to.ip6(), 1 << 20);
    }
    // The host that was told says so to the other: the MSS that it announces follows its path MTU.
    assert!(too_long(hosts.lab(0)) > 0);
    hosts.finish();
}

#[test]
fn the_outer_packet_is_never_to_be_fragmented() {
    let (hosts, [a, b]) = pair(1500, &Overlay::named("blue"));
    let capture = Capture::start(hosts.site(0));
    icmp::all_pairs(&[a.clone(), b.clone()]);
    assert!(ping(&a, &b, 1450, false).contains("1 received"));
    transfer::tcp(&a, &b, b.ip4(), 1 << 18);
    let fields = ["ip.flags.df", "ip.flags.mf", "ip.frag_offset", "ip.len"];
    let packets = capture
        .finish()
        .decode(4789, "vxlan && ip.version == 4", &fields);
    assert!(packets.len() > 10);
    let mut longest = 0;
    for packet in &packets {
        assert_eq!(packet.outer("ip.flags.df"), "1", "{packet:?}");
        assert_eq!(packet.outer("ip.flags.mf"), "0", "{packet:?}");
        assert_eq!(packet.outer_number("ip.frag_offset"), 0, "{packet:?}");
        longest = longest.max(packet.outer_number("ip.len"));
    }
    assert_eq!(longest, 1500);
    hosts.finish();
}

#[test]
fn a_change_of_the_underlays_mtu_is_followed() {
    let (hosts, [a, b]) = pair(1500, &Overlay::named("blue"));
    icmp::all_pairs(&[a.clone(), b.clone()]);
    assert!(ping(&a, &b, 1450, false).contains("1 received"));
    hosts.underlay().set_mtu(1400);
    // Whoever says it, the container's own kernel or the gateway.
    eventually(SOON, "1350 is what is left", || {
        let said = ping(&a, &b, 1450, false);
        let told = said.contains("mtu=1350") || said.contains("mtu = 1350");
        told.then_some(())
    });
    assert!(ping(&a, &b, 1350, false).contains("1 received"));
    let far = hosts.site(1).ip4();
    eventually(SOON, "the path's MTU shows", || {
        (hosts.lab(0).peer("blue", far).path_mtu == Some(1400)).then_some(())
    });
    transfer::tcp(&a, &b, b.ip4(), 1 << 20);
    transfer::tcp(&b, &a, a.ip6(), 1 << 20);
    hosts.underlay().set_mtu(1500);
    eventually(SOON, "1450 passes again", || {
        // The container's kernel remembers what it was told.
        a.exec(&["ip", "route", "flush", "cache"]).done();
        (ping(&a, &b, 1450, false).contains("1 received")).then_some(())
    });
    hosts.finish();
}
