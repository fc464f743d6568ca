//! The shapes that are promised to scripts.

use super::*;

#[test]
fn status_counts_and_the_books_close() {
    let (mut c, kernel) = prepared();
    connect(&mut c, "lab", to("a")).unwrap();
    connect(&mut c, "lab", to("b")).unwrap();
    speak(&c, &kernel, 1, [2, 0, 0, 0, 0, 1]);
    let Reply::Status(status) = c.apply(Command::Status).unwrap() else {
        panic!()
    };
    assert_eq!((status.networks, status.ports, status.sandboxes), (4, 2, 2));
    assert_eq!(status.totals.received, 1);
    assert_eq!(status.workers.len(), 1);
    assert_eq!(status.workers[0].ports, 2);
    disconnect(&mut c, "lab", "a").unwrap();
    disconnect(&mut c, "lab", "b").unwrap();
    let Reply::Status(status) = c.apply(Command::Status).unwrap() else {
        panic!()
    };
    assert_eq!(
        (
            status.totals.received,
            status.totals.delivered,
            status.totals.residual
        ),
        (1, 1, 0)
    );
}

/// Replaces what differs from run to run.
fn fixed(mut value: Value, replace: &[(&str, &str)]) -> Value {
    let mut text = value.to_string();
    for (from, to) in replace {
        text = text.replace(from, to);
    }
    value = serde_json::from_str(&text).unwrap();
    if let Some(created) = value.get_mut("Created") {
        *created = json!("now");
    }
    value
}

#[test]
fn network_inspect_has_dockers_shape() {
    let (mut c, _) = controller();
    let create = json!({
        "name": "lab",
        "subnets": ["198.18.0.0/24", "2001:2::/64"],
        "ip_ranges": ["198.18.0.128/25"],
        "aux_addresses": {"dns": "198.18.0.53"},
        "internal": true,
        "labels": {"course": "l2"},
        "options": {"com.docker.network.driver.mtu": "1400"},
    });
    let create = Command::NetworkCreate(serde_json::from_value(create).unwrap());
    let (network, a) = (created(&mut c, create), created(&mut c, sandbox("a")));
    let connected = connect(&mut c, "lab", to("a")).unwrap();
    let mac = connected.interface.mac_address.to_string();
    let replace = [
        (network.as_str(), "NET"),
        (&a, "BOX"),
        (&connected.endpoint_id, "END"),
        (&mac, "MAC"),
    ];
    assert_eq!(
        fixed(inspected(&mut c, &network[..9]), &replace),
        json!({
            "Name": "lab",
            "Id": "NET",
            "Created": "now",
            "Scope": "local",
            "Driver": "bridge",
            "EnableIPv6": true,
            "IPAM": {
                "Driver": "default",
                "Options": {},
                "Config": [
                    {
                        "Subnet": "198.18.0.0/24",
                        "Gateway": "198.18.0.1",
                        "IPRange": "198.18.0.128/25",
                        "AuxiliaryAddresses": {"dns": "198.18.0.53"},
                    },
                    {"Subnet": "2001:2::/64", "Gateway": "2001:2::1"},
                ],
            },
            "Internal": true,
            "Containers": {
                "BOX": {
                    "Name": "a",
                    "EndpointID": "END",
                    "MacAddress": "MAC",
                    "IPv4Address": "198.18.0.128/24",
                    "IPv6Address": "2001:2::2/64",
                },
            },
            "Options": {"com.docker.network.driver.mtu": "1400"},
            "Labels": {"course": "l2"},
        })
    );
}

#[test]
fn a_network_without_addresses_shows_none() {
    let (mut c, _) = controller();
    let none = inspected(&mut c, "none");
    assert_eq!(none["Driver"], "null");
    assert_eq!(
        none["IPAM"],
        json!({"Driver": "null", "Options": {}, "Config": []})
    );
}

fn created(c: &mut Fake, command: Command) -> String {
    match c.apply(command).unwrap() {
        Reply::Created(created) => created.id,
        other => panic!("{other:?}"),
    }
}

fn inspected(c: &mut Fake, network: &str) -> Value {
    match c
        .apply(Command::NetworkInspect {
            network: network.to_owned(),
        })
        .unwrap()
    {
        Reply::Network(network) => serde_json::to_value(network).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ports_and_sandboxes_have_the_promised_shape() {
    let (mut c, _) = prepared();
    let connected = connect(&mut c, "lab", to("a")).unwrap();
    let Reply::Ports(ports) = c.apply(Command::PortList).unwrap() else {
        panic!()
    };
    assert_eq!(
        serde_json::to_value(ports).unwrap(),
        json!([{
            "id": 0,
            "name": "a/eth0",
            "network": "lab",
            "sandbox": "a",
            "kind": "tap",
            "state": "up",
            "mtu": 1500,
            "offload": vswitch_wire::OffloadSet::ALL.to_string(),
            "rx": {"frames": 0, "bytes": 0},
            "tx": {"frames": 0, "bytes": 0},
            "drops": {},
        }])
    );
    for reference in ["0", "a/eth0"] {
        c.apply(Command::PortInspect {
            port: reference.to_owned(),
        })
        .unwrap();
    }
    assert_eq!(
        refusal(
            &mut c,
            Command::PortInspect {
                port: "a/eth9".to_owned()
            }
        )
        .kind,
        ErrorKind::NotFound
    );
    let Reply::Sandbox(inspect) = c
        .apply(Command::SandboxInspect {
            sandbox: "a".to_owned(),
        })
        .unwrap()
    else {
        panic!()
    };
    let value = serde_json::to_value(inspect).unwrap();
    assert_eq!(value["path"], "/run/test/netns/a");
    assert_eq!(value["kind"], "named");
    let interface = &value["interfaces"][0];
    assert_eq!(interface["ifname"], "eth0");
    assert_eq!(interface["ipv4"], "198.18.0.2/24");
    assert_eq!(interface["ipv6"], Value::Null);
    assert_eq!(interface["gateway"], "198.18.0.1");
    assert_eq!(interface["endpoint_id"], connected.endpoint_id.as_str());
}
