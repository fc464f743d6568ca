//! The options of an overlay network, each seen in what it does.

use super::{CABLE, label, send_and_settle, times};
use vswitch_tests::{
    Capture, Hosts, Lab, Overlay, Sandbox, Sniffer, Underlay,
    capture::{Packet, Trace},
    deadline::SOON,
    eventually,
    frames::{self, Raw, station},
    icmp,
};
use vswitch_wire::MacAddr;

/// Hosts on a cable with a network across them and a container on each.
fn hosts(count: u8, overlay: &Overlay) -> (Hosts, Vec<Sandbox>) {
    let hosts = Hosts::start(Underlay::wire_with(count, &CABLE), count.into());
    hosts.mesh(overlay);
    let containers = hosts.populate(overlay, 1).concat();
    (hosts, containers)
}

/// What the first host sent in a tunnel.
#[track_caller]
fn sent(trace: &Trace, hosts: &Hosts, kind: &str, fields: &[&str]) -> Vec<Packet> {
    let mac = hosts.site(0).mac();
    trace.decode(
        4789,
        &format!("vxlan && eth.src == {mac} && {kind}"),
        fields,
    )
}

#[test]
fn the_outer_ttl_and_tos_are_fixed_or_those_of_the_inner_packet() {
    // An echo request leaves a container with a TTL of 64 and, by `ping -Q`, this TOS.
    const INNER_TOS: &str = "0x28";
    for (options, ttl, dscp) in [
        (["ttl=7", "tos=0x48"], "7", "18"),
        (["ttl=inherit", "tos=inherit"], "64", "10"),
    ] {
        let overlay = Overlay::named("blue").with(options[0]).with(options[1]);
        let (hosts, containers) = hosts(2, &overlay);
        icmp::all_pairs(&containers);
        let capture = Capture::start(hosts.site(0));
        let target = containers[1].ip4().to_string();
        let words = ["ping", "-c", "1", "-W", "5", "-Q", INNER_TOS, &target];
        containers[0].exec(&words).done();
        let fields = ["ip.ttl", "ip.dsfield.dscp"];
        let packets = sent(&capture.finish(), &hosts, "icmp", &fields);
        assert!(!packets.is_empty());
        for packet in &packets {
            assert_eq!(packet.all("ip.ttl"), [ttl, "64"], "{options:?}");
            assert_eq!(packet.all("ip.dsfield.dscp"), [dscp, "10"], "{options:?}");
        }
        hosts.finish();
    }
}

#[test]
fn a_group_takes_the_place_of_the_copies() {
    let overlay = Overlay::named("blue").with("group=239.1.1.1");
    let (hosts, containers) = hosts(3, &overlay);
    icmp::all_pairs(&containers);
    let sniffers: Vec<Sniffer> = containers.iter().map(Sniffer::start).collect();
    let capture = Capture::start(hosts.site(0));
    let heard = [&sniffers[1], &sniffers[2]];
    let a = &containers[0];
    let frame = send_and_settle(a, a.mac(), MacAddr::BROADCAST, &heard);
    for sniffer in heard {
        assert_eq!(times(sniffer, &frame), 1);
    }
    let trace = capture.finish();
    // RFC 1112 section 6.4.
    let group = MacAddr::new([0x01, 0x00, 0x5e, 1, 1, 1]);
    assert_eq!(trace.count(None, Some(group), label(&frame)), 1);
    assert_eq!(trace.count(None, None, label(&frame)), 1);
    drop(sniffers);
    hosts.finish();
}

#[test]
fn without_learning_only_what_was_entered_by_hand_is_known() {
    let overlay = Overlay::named("blue").with("learning=off");
    let (hosts, containers) = hosts(3, &overlay);
    icmp::all_pairs(&containers);
    let lab = hosts.lab(0);
    assert_eq!(lab.remotes("blue"), []);
    let [a, b, c] = &containers[..] else {
        unreachable!()
    };
    let far = hosts.site(1).ip4();
    let words = [
        "fdb",
        "add",
        "blue",
        &b.mac().to_string(),
        "--remote",
        &far.to_string(),
    ];
    lab.cli(&words).done();
    assert_eq!(lab.remote("blue", b.mac()), Some(far));
    let capture = Capture::start(hosts.site(0));
    let (at_b, at_c) = (Sniffer::start(b), Sniffer::start(c));
    let known = send_and_settle(a, a.mac(), b.mac(), &[&at_b]);
    // A copy to each peer; the other one's switch knows that the container is behind the tunnel.
    let unknown = send_and_settle(a, a.mac(), c.mac(), &[&at_c]);
    let trace = capture.finish();
    assert_eq!(trace.count(None, None, label(&known)), 1);
    assert_eq!(trace.count(None, None, label(&unknown)), 2);
    drop((at_b, at_c));
    hosts.finish();
}

#[test]
fn without_a_peer_or_a_way_to_it_frames_are_dropped_for_that_reason() {
    let overlay = Overlay::named("blue");
    let hosts = Hosts::start(Underlay::wire_with(2, &CABLE), 1);
    hosts.create(0, &overlay, &[]);
    let (a, lab) = (hosts.join(0, &overlay, 10), hosts.lab(0));
    let counted = |reason: &str| {
        Raw::open(&a).send(&frames::unique(MacAddr::BROADCAST, a.mac()));
        eventually(SOON, reason, || (lab.total_drops(reason) > 0).then_some(()));
    };
    counted("no_peer");
    // No route leads there.
    lab.cli(&["peer", "add", "blue", "198.19.7.7"]).done();
    counted("unreachable");
    hosts.finish();
}

#[test]
fn entries_by_hand_need_a_peer_and_go_with_it() {
    let (hosts, _) = hosts(2, &Overlay::named("blue"));
    let lab = hosts.lab(0);
    let mac = station(5).to_string();
    let stranger = ["fdb", "add", "blue", &mac, "--remote", "198.18.100.77"];
    lab.refuses(&stranger, &["198.18.100.77", "peer"]);
    let far = hosts.site(1).ip4();
    let words = ["fdb", "add", "blue", &mac, "--remote", &far.to_string()];
    lab.cli(&words).done();
    assert_eq!(lab.remote("blue", station(5)), Some(far));
    lab.cli(&["fdb", "del", "blue", &mac]).done();
    assert_eq!(lab.remote("blue", station(5)), None);
    lab.cli(&words).done();
    lab.cli(&["peer", "rm", "blue", &far.to_string()]).done();
    assert_eq!(lab.remote("blue", station(5)), None);
    hosts.finish();
}

/// Requests for the second container's address that leave the first host when its neighbour asks for it.
#[track_caller]
fn requests_for_a_known_address(option: &str) -> usize {
    let overlay = Overlay::named("blue").with(option);
    let hosts = Hosts::start(Underlay::wire_with(2, &CABLE), 2);
    hosts.mesh(&overlay);
    let [a, neighbour] = [10, 11].map(|number| hosts.join(0, &overlay, number));
    let b = hosts.join(1, &overlay, 20);
    // The switch has heard b's address.
    icmp::answers(&a, &[b.ip4()]);
    icmp::answers(&a, &[b.ip6()]);
    let capture = Capture::start(hosts.site(0));
    icmp::answers(&neighbour, &[b.ip4()]);
    icmp::answers(&neighbour, &[b.ip6()]);
    let (ip4, ip6) = (b.ip4(), b.ip6());
    let arp = format!("arp.opcode == 1 && arp.dst.proto_ipv4 == {ip4}");
    let nd = format!("icmpv6.type == 135 && icmpv6.nd.ns.target_address == {ip6}");
    let asked = sent(
        &capture.finish(),
        &hosts,
        &format!("({arp} || {nd})"),
        &["frame.number"],
    );
    hosts.finish();
    asked.len()
}

#[test]
fn what_is_known_is_answered_and_not_asked_for_again() {
    assert_eq!(requests_for_a_known_address("suppress=on"), 0);
    assert!(requests_for_a_known_address("suppress=off") >= 2);
}

#[test]
fn options_that_make_no_sense_are_refused_and_change_nothing() {
    let hosts = Hosts::start(Underlay::wire(2), 1);
    let lab = hosts.lab(0);
    let create = |options: &[&str]| {
        let mut words = vec![
            "network",
            "create",
            "-d",
            "overlay",
            "--subnet",
            "198.18.50.0/24",
        ];
        for option in options {
            words.extend(["-o", option]);
        }
        words.push("blue");
        words.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let local = "local=198.18.100.1";
    for (options, say) in [
        (vec![local], "vni"),
        (vec!["vni=16777216", local], "vni"),
        (vec!["vni=x", local], "vni"),
        (
            vec!["vni=42", "local=2001:2:0:100::1", "peers=198.18.100.2"],
            "198.18.100.2",
        ),
        (vec!["vni=42", local, "peers=198.18.100.1"], "198.18.100.1"),
        (vec!["vni=42", local, "peers=239.1.1.1"], "239.1.1.1"),
        (vec!["vni=42", local, "group=198.18.100.9"], "group"),
        (vec!["vni=42", "local=198.18.100.77"], "198.18.100.77"),
        (vec!["vni=42", local, "dstport=0"], "dstport"),
        (vec!["vni=42", local, "ttl=256"], "ttl"),
        (vec!["vni=42", local, "tos=256"], "tos"),
        (vec!["vni=42", local, "strict=perhaps"], "strict"),
        (vec!["vni=42", local, "colour=red"], "colour"),
    ] {
        let words = create(&options);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        lab.refuses(&words, &[say]);
    }
    // A number is one network's.
    let good = create(&["vni=42", local]);
    lab.cli(&good.iter().map(String::as_str).collect::<Vec<_>>())
        .done();
    let mut again = good.clone();
    again.pop();
    again.push("red".to_owned());
    let again: Vec<String> = (again.into_iter())
        .map(|word| word.replace("198.18.50.0", "198.18.51.0"))
        .collect();
    lab.refuses(
        &again.iter().map(String::as_str).collect::<Vec<_>>(),
        &["42"],
    );
    hosts.finish();
}

#[test]
fn peers_are_added_listed_and_removed_or_refused() {
    let (hosts, containers) = hosts(2, &Overlay::named("blue"));
    let lab = hosts.lab(0);
    let far = hosts.site(1).ip4().to_string();
    lab.refuses(&["peer", "add", "blue", &far], &[&far]);
    lab.refuses(&["peer", "rm", "blue", "198.18.100.77"], &["198.18.100.77"]);
    lab.refuses(
        &["peer", "add", "blue", "2001:2:0:100::2"],
        &["2001:2:0:100::2"],
    );
    lab.refuses(&["peer", "ls", "red"], &["red"]);
    lab.network("lan", &[]);
    lab.refuses(&["peer", "add", "lan", "198.18.100.3"], &["lan", "overlay"]);
    lab.cli(&["peer", "add", "blue", "198.18.100.3"]).done();
    let ips = |lab: &Lab| -> Vec<String> {
        lab.peers("blue")
            .iter()
            .map(|peer| peer.ip.to_string())
            .collect()
    };
    assert_eq!(ips(lab), [far.as_str(), "198.18.100.3"]);
    let table = lab.cli(&["peer", "ls", "blue"]);
    assert!(table.ok().contains(&far) && table.ok().contains("198.18.100.3"));
    lab.cli(&["peer", "rm", "blue", "198.18.100.3"]).done();
    assert_eq!(ips(lab), [far]);
    icmp::all_pairs(&containers);
    hosts.finish();
}
