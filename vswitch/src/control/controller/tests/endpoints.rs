//! Endpoints: what they get, and that a failure leaves nothing.

use super::*;

#[test]
fn an_endpoint_gets_what_was_asked_for() {
    let (mut c, kernel) = prepared();
    let first = connect(&mut c, "lab", to("a")).unwrap();
    assert_eq!(ip(&first), "198.18.0.2");
    assert_eq!(first.interface.ifname, "eth0");
    let wish = Connect {
        ip: Some("198.18.0.77".parse().unwrap()),
        mac_address: Some("02:00:00:00:00:77".parse().unwrap()),
        ifname: Some("wan".to_owned()),
        ..to("b")
    };
    let second = connect(&mut c, "lab", wish).unwrap();
    assert_eq!(ip(&second), "198.18.0.77");
    assert_eq!(kernel.devices(), ["1/eth0", "2/wan"]);
    let spec = kernel.world(|world| world.specs[&(2, "wan".to_owned())].clone());
    assert_eq!(spec.mac.to_string(), "02:00:00:00:00:77");
    assert_eq!(spec.addresses, ["198.18.0.77/24".parse().unwrap()]);
    assert_eq!(
        (spec.mtu, spec.offload, spec.disable_ipv6),
        (1500, true, true)
    );
    assert!(spec.announce);
    // A second network gives the sandbox its next interface, with IPv6 and options.
    let v6 = NetworkCreate {
        name: "six".to_owned(),
        subnets: vec![
            "198.18.1.0/24".parse().unwrap(),
            "2001:2::/64".parse().unwrap(),
        ],
        options: [("mtu", "9000"), ("offload", "off"), ("gateway", "off")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        ..NetworkCreate::default()
    };
    c.apply(Command::NetworkCreate(v6)).unwrap();
    let third = connect(&mut c, "six", to("a")).unwrap();
    assert_eq!(third.interface.ifname, "eth1");
    assert_eq!(third.interface.ipv6.unwrap().to_string(), "2001:2::2/64");
    let spec = kernel.world(|world| world.specs[&(1, "eth1".to_owned())].clone());
    assert_eq!(
        (spec.mtu, spec.offload, spec.disable_ipv6),
        (9000, false, false)
    );
    assert!(!spec.announce, "nobody else is on that network");
}

#[test]
fn a_failure_at_any_step_leaves_nothing() {
    for step in [
        Step::OpenNetns,
        Step::Identify,
        Step::InterfaceNames,
        Step::OpenDevice,
        Step::Configure,
        Step::AddPort,
    ] {
        let (mut c, kernel) = prepared();
        kernel.process(42);
        kernel.world(|world| world.fail.insert(step));
        for who in ["a", "pid:42"] {
            connect(&mut c, "lab", to(who)).unwrap_err();
            assert!(kernel.devices().is_empty(), "{step:?} left a device");
            assert!(
                names(&mut c, Command::PortList).is_empty(),
                "{step:?} left a port"
            );
            assert_eq!(
                names(&mut c, Command::SandboxList),
                ["a", "b"],
                "{step:?} left a sandbox"
            );
        }
        kernel.world(|world| world.fail.clear());
        assert_eq!(
            ip(&connect(&mut c, "lab", to("a")).unwrap()),
            "198.18.0.2",
            "{step:?} left a lease"
        );
    }
}

#[test]
fn a_refused_wish_changes_nothing() {
    let (mut c, kernel) = prepared();
    let a = connect(&mut c, "lab", to("a")).unwrap();
    let used = a.interface.mac_address;
    let wishes = [
        (
            ErrorKind::Conflict,
            json!({"sandbox": "b", "ip": "198.18.0.2"}),
        ),
        (
            ErrorKind::Conflict,
            json!({"sandbox": "b", "ip": "198.18.0.1"}),
        ),
        (
            ErrorKind::Invalid,
            json!({"sandbox": "b", "ip": "198.18.9.9"}),
        ),
        (
            ErrorKind::Invalid,
            json!({"sandbox": "b", "ip6": "2001:2::9"}),
        ),
        (
            ErrorKind::Conflict,
            json!({"sandbox": "b", "mac_address": used}),
        ),
        (
            ErrorKind::Invalid,
            json!({"sandbox": "b", "mac_address": "01:00:5e:00:00:01"}),
        ),
        (ErrorKind::Invalid, json!({"sandbox": "b", "ifname": "a/b"})),
        (ErrorKind::Conflict, json!({"sandbox": "b", "ifname": "lo"})),
        (ErrorKind::Conflict, json!({"sandbox": "a"})),
        (ErrorKind::NotFound, json!({"sandbox": "nobody"})),
        (ErrorKind::NotFound, json!({"sandbox": "pid:99"})),
        (ErrorKind::NotFound, json!({"sandbox": "docker:web"})),
    ];
    for (kind, connect) in wishes {
        let connect = serde_json::from_value(connect).unwrap();
        let command = Command::Connect {
            network: "lab".to_owned(),
            connect,
        };
        assert_eq!(refusal(&mut c, command.clone()).kind, kind, "{command:?}");
        assert_eq!(kernel.devices(), ["1/eth0"]);
    }
    assert_eq!(ip(&connect(&mut c, "lab", to("b")).unwrap()), "198.18.0.3");
}

#[test]
fn a_disconnected_endpoint_is_gone_and_its_address_comes_last() {
    let (mut c, kernel) = prepared();
    connect(&mut c, "lab", to("a")).unwrap();
    disconnect(&mut c, "lab", "a").unwrap();
    assert!(kernel.devices().is_empty());
    assert_eq!(
        disconnect(&mut c, "lab", "a").unwrap_err().kind,
        ErrorKind::NotFound
    );
    assert_eq!(ip(&connect(&mut c, "lab", to("a")).unwrap()), "198.18.0.3");
    // The MAC follows the address, whoever has it.
    disconnect(&mut c, "lab", "a").unwrap();
    for who in ["a", "b"] {
        let wish = Connect {
            ip: Some("198.18.0.9".parse().unwrap()),
            ..to(who)
        };
        let endpoint = connect(&mut c, "lab", wish).unwrap().interface;
        assert_eq!(endpoint.mac_address.to_string(), "02:42:c6:12:00:09");
        disconnect(&mut c, "lab", who).unwrap();
    }
}

#[test]
fn an_idle_port_shows_the_state_of_its_link() {
    let (mut c, kernel) = prepared();
    connect(&mut c, "lab", to("a")).unwrap();
    for state in [PortState::Down, PortState::Up] {
        kernel.device(1, "eth0", |end| end.set_state(state).unwrap());
        let inspect = Command::PortInspect {
            port: "a/eth0".to_owned(),
        };
        let Reply::Port(port) = c.apply(inspect).unwrap() else {
            panic!()
        };
        assert_eq!(port.state, LinkState::from(state));
        assert_eq!((port.rx.frames, port.tx.frames), (0, 0), "idle");
    }
    // Asking has not kept the device.
    disconnect(&mut c, "lab", "a").unwrap();
    kernel.device(1, "eth0", |end| assert!(end.is_closed()));
}

#[test]
fn a_foreign_namespace_is_known_while_it_has_endpoints() {
    let (mut c, kernel) = prepared();
    kernel.process(42);
    assert_eq!(
        connect(&mut c, "lab", to("pid:42")).unwrap().sandbox,
        "pid:42"
    );
    connect(&mut c, "bridge", to("pid:42")).unwrap();
    assert_eq!(names(&mut c, Command::SandboxList), ["a", "b", "pid:42"]);
    assert_eq!(
        names(&mut c, Command::PortList),
        ["pid:42/eth0", "pid:42/eth1"]
    );
    disconnect(&mut c, "lab", "pid:42").unwrap();
    // The process ends before the second one is disconnected: its name still works.
    kernel.world(|world| world.processes.clear());
    disconnect(&mut c, "bridge", "pid:42").unwrap();
    assert_eq!(names(&mut c, Command::SandboxList), ["a", "b"]);
    assert_eq!(
        disconnect(&mut c, "lab", "pid:42").unwrap_err().kind,
        ErrorKind::NotFound
    );
}

#[test]
fn all_references_to_a_namespace_mean_the_same_sandbox() {
    let (mut c, kernel) = prepared();
    kernel.world(|world| world.processes.insert(7, 1));
    assert_eq!(connect(&mut c, "lab", to("pid:7")).unwrap().sandbox, "a");
    assert_eq!(
        connect(&mut c, "lab", to("netns:/run/test/netns/a"))
            .unwrap_err()
            .kind,
        ErrorKind::Conflict
    );
    disconnect(&mut c, "lab", "netns:/run/test/netns/a").unwrap();
    // A process ID that was used again is another sandbox.
    kernel.process(8);
    connect(&mut c, "lab", to("pid:8")).unwrap();
    kernel.process(8);
    assert_eq!(
        connect(&mut c, "lab", to("pid:8")).unwrap().sandbox,
        "pid:8#2"
    );
}
