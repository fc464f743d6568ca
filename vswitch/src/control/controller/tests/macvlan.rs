//! Macvlan networks without a parent: what needs no interface of a host.

use super::*;

fn macvlan(name: &str, options: &[(&str, &str)]) -> Command {
    Command::NetworkCreate(NetworkCreate {
        name: name.to_owned(),
        driver: "macvlan".to_owned(),
        subnets: vec!["198.18.7.0/24".parse().unwrap()],
        options: (options.iter())
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..NetworkCreate::default()
    })
}

/// A controller whose own namespace, which is the host's, is number 1.
fn on_a_host() -> (Fake, FakeKernel) {
    let (c, kernel) = controller();
    kernel.process(std::process::id());
    (c, kernel)
}

#[test]
fn without_a_parent_the_network_is_internal_and_its_children_are_its_table() {
    let (mut c, kernel) = on_a_host();
    c.apply(macvlan("lan", &[])).unwrap();
    for name in ["a", "b"] {
        c.apply(sandbox(name)).unwrap();
        connect(&mut c, "lan", to(name)).unwrap();
    }
    let Reply::Fdb(entries) = c
        .apply(Command::FdbShow {
            network: "lan".to_owned(),
        })
        .unwrap()
    else {
        panic!("a table");
    };
    let macs: Vec<String> = entries.iter().map(|entry| entry.mac.to_string()).collect();
    assert_eq!(macs, ["02:42:c6:12:07:02", "02:42:c6:12:07:03"]);
    assert!(entries.iter().all(|entry| entry.kind == FdbKind::Static));
    let spec = kernel.world(|world| world.specs[&(2, "eth0".to_owned())].clone());
    assert!(spec.gateways.is_empty(), "no way out, no default route");
    assert!(spec.disable_ipv6);
    disconnect(&mut c, "lan", "a").unwrap();
    let summary = match c.apply(Command::Status).unwrap() {
        Reply::Status(status) => *status,
        other => panic!("{other:?}"),
    };
    assert_eq!((summary.ports, summary.uplinks.len()), (1, 0));
}

#[test]
fn one_address_is_one_childs() {
    let (mut c, _) = on_a_host();
    c.apply(macvlan("lan", &[])).unwrap();
    for name in ["a", "b"] {
        c.apply(sandbox(name)).unwrap();
    }
    let mac = Some("02:00:00:00:00:01".parse().unwrap());
    let with_mac = |sandbox: &str| Command::Connect {
        network: "lan".to_owned(),
        connect: Connect {
            sandbox: sandbox.to_owned(),
            mac_address: mac,
            ..Connect::default()
        },
    };
    c.apply(with_mac("a")).unwrap();
    assert_eq!(refusal(&mut c, with_mac("b")).kind, ErrorKind::Conflict);
}

#[test]
fn the_hosts_end_has_a_route_to_each_child_and_goes_with_the_network() {
    let (mut c, kernel) = on_a_host();
    c.apply(macvlan("lan", &[("host_access", "on")])).unwrap();
    c.apply(sandbox("a")).unwrap();
    let connected = connect(&mut c, "lan", to("a")).unwrap();
    let routes = || kernel.world(|world| world.routes.clone());
    let [(netns, ifname, address)] = &routes().into_iter().collect::<Vec<_>>()[..] else {
        panic!("one route: {:?}", routes());
    };
    assert!(*netns == 1 && ifname.starts_with("mv-"));
    assert_eq!(address.to_string(), ip(&connected));
    let host = kernel.world(|world| world.specs[&(1, ifname.clone())].clone());
    assert_eq!(host.addresses[0].prefix_len(), 32);
    disconnect(&mut c, "lan", "a").unwrap();
    assert!(routes().is_empty());
    // It is in nobody's way.
    c.apply(Command::NetworkRemove {
        network: "lan".to_owned(),
    })
    .unwrap();
    assert!(kernel.devices().is_empty());
    assert_eq!(names(&mut c, Command::SandboxList), ["a"]);
}

#[test]
fn a_network_whose_host_cannot_join_is_not_made() {
    let (mut c, kernel) = on_a_host();
    kernel.world(|world| world.fail.insert(Step::Configure));
    c.apply(macvlan("lan", &[("host_access", "on")]))
        .unwrap_err();
    assert!(!names(&mut c, Command::NetworkList).contains(&"lan".to_owned()));
    assert!(kernel.devices().is_empty());
}

#[test]
fn a_parent_that_is_not_there_is_refused_and_nothing_is_left() {
    let (mut c, _) = on_a_host();
    let error = refusal(&mut c, macvlan("lan", &[("parent", "eth9.10")]));
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(!names(&mut c, Command::NetworkList).contains(&"lan".to_owned()));
    c.apply(macvlan("lan", &[])).unwrap();
}

#[test]
fn addresses_from_elsewhere() {
    let (mut c, kernel) = on_a_host();
    let create = |name: &str, ipv6| {
        Command::NetworkCreate(NetworkCreate {
            name: name.to_owned(),
            driver: "macvlan".to_owned(),
            ipam_driver: "null".to_owned(),
            ipv6,
            ..NetworkCreate::default()
        })
    };
    c.apply(create("four", false)).unwrap();
    c.apply(create("six", true)).unwrap();
    c.apply(sandbox("a")).unwrap();
    for network in ["four", "six"] {
        let connected = connect(&mut c, network, to("a")).unwrap();
        assert_eq!(
            (connected.interface.ipv4, connected.interface.ipv6),
            (None, None)
        );
    }
    let off =
        |ifname: &str| kernel.world(|world| world.specs[&(2, ifname.to_owned())].disable_ipv6);
    assert!(off("eth0") && !off("eth1"));
}
