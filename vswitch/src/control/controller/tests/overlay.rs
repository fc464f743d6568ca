//! Overlay networks over real sockets on loopback addresses.

mod mtu;
mod tables;

use std::net::{IpAddr, UdpSocket};

use super::*;
use crate::control::{command::PeerRef, testing::loopback, view::PeerInfo};

/// A request for network `name` at an address of this host.
fn overlay(name: &str, local: IpAddr, options: &[(&str, &str)]) -> NetworkCreate {
    let local = ("local".to_owned(), local.to_string());
    let options = options
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    NetworkCreate {
        name: name.to_owned(),
        driver: "overlay".to_owned(),
        subnets: vec![],
        options: [local, ("gateway".to_owned(), "off".to_owned())]
            .into_iter()
            .chain(options)
            .collect(),
        ..NetworkCreate::default()
    }
}

fn create(c: &mut Fake, request: NetworkCreate) -> Result<Reply, ControlError> {
    c.apply(Command::NetworkCreate(request))
}

fn remove(c: &mut Fake, network: &str) {
    let network = network.to_owned();
    c.apply(Command::NetworkRemove { network }).unwrap();
}

fn peers(c: &mut Fake, network: &str) -> Vec<PeerInfo> {
    let network = network.to_owned();
    match c.apply(Command::PeerList { network }).unwrap() {
        Reply::Peers(peers) => peers,
        other => panic!("{other:?}"),
    }
}

fn peer_add(network: &str, ip: IpAddr) -> Command {
    Command::PeerAdd {
        network: network.to_owned(),
        peer: PeerRef { ip },
    }
}

fn peer_remove(network: &str, ip: IpAddr) -> Command {
    Command::PeerRemove {
        network: network.to_owned(),
        peer: PeerRef { ip },
    }
}

fn status(c: &mut Fake) -> Value {
    match c.apply(Command::Status).unwrap() {
        Reply::Status(status) => serde_json::to_value(status).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Whether nobody has the UDP port.
fn is_free(local: IpAddr, port: u16) -> bool {
    UdpSocket::bind((local, port)).is_ok()
}

#[test]
fn an_overlay_network_has_a_tunnel_port_and_gives_it_back() {
    let (mut c, _) = prepared();
    let local = loopback();
    let options = [("vni", "42"), ("peers", "127.0.0.9")];
    create(&mut c, overlay("blue", local, &options)).unwrap();
    assert!(!is_free(local, 4789));
    connect(&mut c, "blue", to("a")).unwrap();
    let Reply::Ports(ports) = c.apply(Command::PortList).unwrap() else {
        panic!()
    };
    assert_eq!(
        serde_json::to_value(&ports[0]).unwrap(),
        json!({
            "id": 0,
            "name": "blue/vxlan42",
            "network": "blue",
            "sandbox": null,
            "kind": "vxlan",
            "state": "up",
            "mtu": 1450,
            "offload": vswitch_wire::OffloadSet::ALL.to_string(),
            "rx": {"frames": 0, "bytes": 0},
            "tx": {"frames": 0, "bytes": 0},
            "drops": {},
        })
    );
    assert_eq!((ports.len(), ports[1].name.as_str()), (2, "a/eth0"));
    for port in ["0", "blue/vxlan42"] {
        let port = port.to_owned();
        c.apply(Command::PortInspect { port }).unwrap();
    }
    disconnect(&mut c, "blue", "a").unwrap();
    remove(&mut c, "blue");
    assert!(is_free(local, 4789));
    assert!(names(&mut c, Command::PortList).is_empty());
}

#[test]
fn status_and_inspect_show_an_overlay_network() {
    let (mut c, _) = prepared();
    let local = loopback();
    let options = [("vni", "42"), ("peers", "127.0.0.9")];
    create(&mut c, overlay("blue", local, &options)).unwrap();
    assert_eq!(status(&mut c)["ports"], 1);
    assert_eq!(
        status(&mut c)["tunnels"],
        json!([{
            "local": local, "dstport": 4789, "networks": 1, "errors": 0, "segmentation": true, "drops": {}
        }])
    );
    let Reply::Networks(list) = c.apply(Command::NetworkList).unwrap() else {
        panic!()
    };
    assert_eq!(
        (list[0].driver.as_str(), list[0].scope.as_str()),
        ("overlay", "local")
    );
    let network = "blue".to_owned();
    let Reply::Network(shown) = c.apply(Command::NetworkInspect { network }).unwrap() else {
        panic!()
    };
    assert_eq!(
        (
            shown.options["vni"].as_str(),
            shown.options["peers"].as_str()
        ),
        ("42", "127.0.0.9")
    );
    remove(&mut c, "blue");
    assert_eq!(status(&mut c)["tunnels"], json!([]));
}

#[test]
fn networks_share_an_underlay_and_the_last_closes_it() {
    let (mut c, _) = prepared();
    let local = loopback();
    for (name, vni, port) in [
        ("one", "1", "4789"),
        ("two", "2", "4789"),
        ("far", "1", "8472"),
    ] {
        create(
            &mut c,
            overlay(name, local, &[("vni", vni), ("dstport", port)]),
        )
        .unwrap();
    }
    let error = create(&mut c, overlay("x", local, &[("vni", "2")])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains("network two has it"), "{error}");
    let networks: Vec<_> = (status(&mut c)["tunnels"].as_array().unwrap().iter())
        .map(|tunnel| (tunnel["dstport"].clone(), tunnel["networks"].clone()))
        .collect();
    assert_eq!(networks, [(json!(4789), json!(2)), (json!(8472), json!(1))]);
    remove(&mut c, "one");
    assert!(!is_free(local, 4789));
    c.apply(Command::NetworkPrune).unwrap();
    assert!(is_free(local, 4789) && is_free(local, 8472));
    assert_eq!(
        names(&mut c, Command::NetworkList),
        ["bridge", "host", "none"]
    );
}

#[test]
fn a_failure_at_any_step_leaves_no_tunnel() {
    let (mut c, kernel) = prepared();
    let local = loopback();
    let own = local.to_string();
    let good: &[(&str, &str)] = &[("vni", "42"), ("peers", "127.0.0.9")];
    let mut fails = |options: &[(&str, &str)]| {
        let mut request = overlay("blue", local, options);
        request.ipv6 = true;
        let kind = create(&mut c, request).unwrap_err().kind;
        assert!(is_free(local, 4789), "{options:?}");
        assert_eq!(names(&mut c, Command::NetworkList).len(), 4);
        assert!(names(&mut c, Command::PortList).is_empty());
        assert_eq!(status(&mut c)["tunnels"], json!([]));
        kind
    };
    for wrong in [
        &[("vni", "42"), ("peers", own.as_str())][..],
        &[("vni", "42"), ("peers", "127.0.0.9,224.0.0.1")],
        &[("vni", "42"), ("mtu", "1279")],
        &[("peers", "127.0.0.9")],
    ] {
        assert_eq!(fails(wrong), ErrorKind::Invalid);
    }
    for step in [Step::OpenUnderlay, Step::AddTrunk] {
        kernel.world(|world| world.fail = [step].into());
        assert_eq!(fails(good), ErrorKind::Internal);
    }
    kernel.world(|world| world.fail.clear());
    create(&mut c, overlay("blue", local, good)).unwrap();
    // One that fails leaves the others on the same underlay alone.
    let request = overlay("red", local, &[("vni", "43"), ("peers", &own)]);
    create(&mut c, request).unwrap_err();
    assert_eq!(status(&mut c)["tunnels"][0]["networks"], 1);
    assert_eq!(names(&mut c, Command::PortList), ["blue/vxlan42"]);
}

#[test]
fn the_local_address_is_found_or_asked_for() {
    let (mut c, kernel) = prepared();
    let without = |options| {
        let mut request = overlay("blue", loopback(), options);
        request.options.remove("local");
        request
    };
    let error = create(&mut c, without(&[("vni", "42")])).unwrap_err();
    assert!(error.message.contains("-o local="), "{error}");
    kernel.world(|world| world.fail.insert(Step::SourceFor));
    create(&mut c, without(&[("vni", "42"), ("peers", "127.0.0.9")])).unwrap_err();
    kernel.world(|world| world.fail.clear());
    // An address that no host has here, so that all tests may use the one from which it is reached.
    let free = loopback().to_string().replace("127.", "10.");
    let other = overlay("blue", free.parse().unwrap(), &[("vni", "42")]);
    let error = create(&mut c, other).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("no address of this host"), "{error}");
}

#[test]
fn a_udp_port_that_somebody_has_is_a_conflict() {
    let (mut c, _) = prepared();
    let local = loopback();
    let _stranger = UdpSocket::bind((local, 4789)).unwrap();
    let error = create(&mut c, overlay("blue", local, &[("vni", "42")])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains("in use"), "{error}");
}

#[test]
fn a_group_is_joined_once_and_left_with_the_last() {
    let (mut c, _) = prepared();
    let local = loopback();
    // One that no other test has.
    let IpAddr::V4(ip) = local else { panic!() };
    let [_, second, third, last] = ip.octets();
    let group = IpAddr::from([239, second, third, last]);
    let request = |name: &str, vni: &str| {
        overlay(name, local, &[("vni", vni), ("group", &group.to_string())])
    };
    let served = |c: &Fake| c.switch.workers().iter().map(|w| w.ports).sum::<u64>();
    create(&mut c, request("one", "1")).unwrap();
    assert_eq!(joined(group), 1);
    create(&mut c, request("two", "2")).unwrap();
    assert_eq!(joined(group), 1);
    assert_eq!(served(&c), 2, "trunks are not ports");
    remove(&mut c, "one");
    assert_eq!(joined(group), 1);
    remove(&mut c, "two");
    assert_eq!(joined(group), 0);
}

/// How often a group is joined.
fn joined(group: IpAddr) -> usize {
    let IpAddr::V4(group) = group else { panic!() };
    let [a, b, c, d] = group.octets();
    let wanted = format!("{:08X}", u32::from_ne_bytes([a, b, c, d]));
    let table = std::fs::read_to_string("/proc/self/net/igmp").unwrap();
    let line = table
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with(&wanted));
    line.map_or(0, |line| {
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    })
}

#[test]
fn peers_come_and_go_and_wrong_ones_are_refused() {
    let (mut c, _) = prepared();
    let (local, peer) = (loopback(), loopback());
    create(&mut c, overlay("blue", local, &[("vni", "42")])).unwrap();
    let mut monitor = c.events().subscribe();
    assert!(peers(&mut c, "blue").is_empty());
    c.apply(peer_add("blue", peer)).unwrap();
    let shown = serde_json::to_value(peers(&mut c, "blue")).unwrap();
    let nothing = json!({"frames": 0, "bytes": 0});
    assert_eq!(shown[0]["ip"], json!(peer));
    assert_eq!((&shown[0]["rx"], &shown[0]["tx"]), (&nothing, &nothing));
    assert_eq!(shown[0]["last_heard"], Value::Null);
    assert!(shown[0]["path_mtu"].as_u64().unwrap() > 1500, "loopback");
    for (command, kind) in [
        (peer_add("blue", peer), ErrorKind::Conflict),
        (peer_add("blue", local), ErrorKind::Invalid),
        (
            peer_add("blue", "2001:2::2".parse().unwrap()),
            ErrorKind::Invalid,
        ),
        (
            peer_add("blue", "239.1.1.1".parse().unwrap()),
            ErrorKind::Invalid,
        ),
        (
            peer_remove("blue", "127.0.0.9".parse().unwrap()),
            ErrorKind::NotFound,
        ),
        (peer_add("lab", peer), ErrorKind::Invalid),
        (peer_remove("host", peer), ErrorKind::Invalid),
        (peer_add("nobody", peer), ErrorKind::NotFound),
    ] {
        assert_eq!(refusal(&mut c, command.clone()).kind, kind, "{command:?}");
    }
    c.apply(peer_remove("blue", peer)).unwrap();
    assert!(peers(&mut c, "blue").is_empty());
    let network = || "blue".to_owned();
    let told: Vec<_> = std::iter::from_fn(|| monitor.try_next())
        .map(|event| event.what)
        .collect();
    assert_eq!(
        told,
        [
            EventKind::PeerAdd {
                network: network(),
                peer
            },
            EventKind::PeerRemove {
                network: network(),
                peer
            }
        ]
    );
}
