//! Two hosts, and what each knows of the other's stations.

use super::*;

const FAR: &str = "02:00:00:00:00:09";

/// Two controllers whose networks "blue" are each other's peers, with a sandbox `a` connected on each.
struct Hosts {
    here: Fake,
    kernel: FakeKernel,
    there: Fake,
    other: FakeKernel,
    peer: IpAddr,
}

impl Hosts {
    fn start() -> Self {
        let (local, peer) = (loopback(), loopback());
        let host = |local: IpAddr, peer: IpAddr| {
            let (mut c, kernel) = prepared();
            let options = [("vni", "42"), ("peers", &*peer.to_string())];
            let mut request = overlay("blue", local, &options);
            request.subnets = vec!["198.18.50.0/24".parse().unwrap()];
            create(&mut c, request).unwrap();
            connect(&mut c, "blue", to("a")).unwrap();
            (c, kernel)
        };
        let (here, kernel) = host(local, peer);
        let (there, other) = host(peer, local);
        Self {
            here,
            kernel,
            there,
            other,
            peer,
        }
    }

    /// The station behind the far sandbox broadcasts, until this host has learned where it is.
    fn far_speaks(&self) -> SwitchEvent {
        let mut frame = vec![0; 12];
        frame.extend([0xff; 6]);
        frame.extend(FAR.parse::<vswitch_wire::MacAddr>().unwrap().octets());
        frame.extend([0x88, 0xb5]);
        frame.resize(12 + 60, 0);
        (self.other).device(1, "eth0", |end| end.put(frame.clone()).unwrap());
        let learned = event(&self.here, |event| {
            matches!(
                event,
                SwitchEvent::Learned { .. } | SwitchEvent::Moved { .. }
            )
        });
        let seen = (self.kernel).device(1, "eth0", |end| end.take_within(Duration::from_secs(10)));
        assert_eq!(seen, Some(frame));
        learned
    }

    fn table(&mut self) -> Value {
        let network = "blue".to_owned();
        match self.here.apply(Command::FdbShow { network }).unwrap() {
            Reply::Fdb(entries) => serde_json::to_value(entries).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn add(&mut self, add: FdbAdd) -> Result<Reply, ControlError> {
        let network = "blue".to_owned();
        self.here.apply(Command::FdbAdd { network, add })
    }

    fn flush(&mut self, flush: FdbFlush) -> usize {
        let network = "blue".to_owned();
        match self
            .here
            .apply(Command::FdbFlush { network, flush })
            .unwrap()
        {
            Reply::Flushed(flushed) => flushed.flushed,
            other => panic!("{other:?}"),
        }
    }

    /// What the tunnel's own table knows.
    fn remotes(&self) -> usize {
        let network = self.here.network("blue").unwrap();
        self.here.remotes(network).unwrap().1.len()
    }
}

fn by_hand(mac: &str, peer: IpAddr) -> FdbAdd {
    FdbAdd {
        port: None,
        remote: Some(peer),
        ..added(mac, "")
    }
}

fn entry(mac: &str, remote: Option<IpAddr>, kind: &str) -> Value {
    json!({"mac": mac, "vlan": null, "port": 0, "remote": remote, "kind": kind, "age": 0})
}

#[test]
fn a_station_behind_a_peer_is_shown_with_it_and_forgotten_with_it() {
    let mut hosts = Hosts::start();
    let peer = hosts.peer;
    let mut monitor = hosts.here.events().subscribe();
    let learned = hosts.far_speaks();
    hosts.here.on_switch_event(learned);
    let told: Vec<_> = std::iter::from_fn(|| monitor.try_next())
        .map(|event| serde_json::to_value(event).unwrap())
        .collect();
    assert_eq!(
        (&told[0]["type"], &told[0]["peer"]),
        (&json!("peer-heard"), &json!(peer))
    );
    assert_eq!(
        (&told[1]["type"], &told[1]["remote"]),
        (&json!("fdb-learned"), &json!(peer))
    );
    assert_eq!(hosts.table(), json!([entry(FAR, Some(peer), "learned")]));
    let heard = peers(&mut hosts.here, "blue")[0];
    assert_eq!((heard.rx.frames, heard.rx.bytes), (1, 60));
    assert!(heard.last_heard.unwrap() < 10);
    assert!(monitor.try_next().is_none(), "it was heard already");
    assert_eq!(
        hosts.here.sweep(),
        Some(Duration::from_secs(5)),
        "it may fall silent"
    );
    hosts.here.apply(peer_remove("blue", peer)).unwrap();
    assert_eq!((hosts.table(), hosts.remotes()), (json!([]), 0));
    assert_eq!(hosts.here.sweep(), None);
    // Again a peer, it is heard again.
    hosts.here.apply(peer_add("blue", peer)).unwrap();
    let learned = hosts.far_speaks();
    hosts.here.on_switch_event(learned);
    let told: Vec<_> = std::iter::from_fn(|| monitor.try_next())
        .map(|event| event.what)
        .collect();
    let network = "blue".to_owned();
    assert!(
        told.contains(&EventKind::PeerHeard { network, peer }),
        "{told:?}"
    );
    // Who sends has counted when its port is gone.
    disconnect(&mut hosts.there, "blue", "a").unwrap();
    assert_eq!(peers(&mut hosts.there, "blue")[0].tx.frames, 2);
}

#[test]
fn a_remote_by_hand_is_in_both_tables_or_in_none() {
    let mut hosts = Hosts::start();
    let peer = hosts.peer;
    hosts.add(by_hand(FAR, peer)).unwrap();
    assert_eq!(hosts.table(), json!([entry(FAR, Some(peer), "static")]));
    let own = hosts
        .here
        .endpoints
        .values()
        .next()
        .unwrap()
        .mac
        .to_string();
    for (wrong, kind) in [
        (
            by_hand(FAR, "127.0.0.9".parse().unwrap()),
            ErrorKind::NotFound,
        ),
        (by_hand("01:00:5e:00:00:01", peer), ErrorKind::Invalid),
        (by_hand(&own, peer), ErrorKind::Conflict),
        (
            FdbAdd {
                port: Some("a/eth0".to_owned()),
                ..by_hand(FAR, peer)
            },
            ErrorKind::Invalid,
        ),
        (
            FdbAdd {
                kind: FdbKind::Sticky,
                ..by_hand(FAR, peer)
            },
            ErrorKind::Invalid,
        ),
        (
            FdbAdd {
                remote: None,
                ..by_hand(FAR, peer)
            },
            ErrorKind::Invalid,
        ),
        (added(FAR, "blue/vxlan42"), ErrorKind::Invalid),
    ] {
        assert_eq!(
            hosts.add(wrong.clone()).unwrap_err().kind,
            kind,
            "{wrong:?}"
        );
        assert_eq!(hosts.table(), json!([entry(FAR, Some(peer), "static")]));
        assert_eq!(hosts.remotes(), 1);
    }
    // A bridge has no peers.
    let (network, add) = ("lab".to_owned(), by_hand(FAR, peer));
    assert_eq!(
        refusal(&mut hosts.here, Command::FdbAdd { network, add }).kind,
        ErrorKind::Invalid
    );
}

#[test]
fn a_remote_by_hand_goes_by_hand_with_a_port_and_with_its_peer() {
    let mut hosts = Hosts::start();
    let peer = hosts.peer;
    hosts.add(by_hand(FAR, peer)).unwrap();
    // Somebody wants its address.
    let wish = Connect {
        mac_address: Some(FAR.parse().unwrap()),
        ..to("b")
    };
    assert_eq!(
        connect(&mut hosts.here, "blue", wish).unwrap_err().kind,
        ErrorKind::Conflict
    );
    assert_eq!(hosts.kernel.devices(), ["1/eth0"]);
    let delete = || Command::FdbRemove {
        network: "blue".to_owned(),
        remove: FdbRemove {
            mac: FAR.parse().unwrap(),
            vlan: None,
        },
    };
    hosts.here.apply(delete()).unwrap();
    assert_eq!((hosts.table(), hosts.remotes()), (json!([]), 0));
    assert_eq!(refusal(&mut hosts.here, delete()).kind, ErrorKind::NotFound);
    // Another port by hand takes it from the peer, and a peer that goes takes it along.
    hosts.add(by_hand(FAR, peer)).unwrap();
    hosts.add(added(FAR, "a/eth0")).unwrap();
    assert_eq!(hosts.remotes(), 0);
    hosts.add(by_hand(FAR, peer)).unwrap();
    hosts.here.apply(peer_remove("blue", peer)).unwrap();
    assert_eq!((hosts.table(), hosts.remotes()), (json!([]), 0));
}

#[test]
fn a_full_table_takes_the_remote_back() {
    let (mut c, _) = prepared();
    let (local, peer) = (loopback(), loopback());
    let options = [
        ("vni", "42"),
        ("peers", &*peer.to_string()),
        ("max_entries", "1"),
    ];
    create(&mut c, overlay("blue", local, &options)).unwrap();
    let mut add = |mac| {
        let (network, add) = ("blue".to_owned(), by_hand(mac, peer));
        c.apply(Command::FdbAdd { network, add })
    };
    add(FAR).unwrap();
    let error = add("02:00:00:00:00:0a").unwrap_err();
    assert!(error.message.contains("max_entries"), "{error}");
    let remotes = c.remotes(c.network("blue").unwrap()).unwrap().1;
    assert_eq!(
        remotes
            .into_keys()
            .map(|mac| mac.to_string())
            .collect::<Vec<_>>(),
        [FAR]
    );
}

#[test]
fn a_flush_is_of_both_tables() {
    let mut hosts = Hosts::start();
    let peer = hosts.peer;
    let static_mac = "02:00:00:00:00:0a";
    hosts.add(by_hand(static_mac, peer)).unwrap();
    hosts.far_speaks();
    let port = |port: &str| FdbFlush {
        port: Some(port.to_owned()),
        ..FdbFlush::default()
    };
    assert_eq!((hosts.flush(port("a/eth0")), hosts.remotes()), (0, 2));
    let mac = FdbFlush {
        mac: Some(static_mac.parse().unwrap()),
        ..FdbFlush::default()
    };
    assert_eq!(
        (hosts.flush(mac), hosts.remotes()),
        (0, 2),
        "it is not learned"
    );
    assert_eq!((hosts.flush(port("blue/vxlan42")), hosts.remotes()), (1, 1));
    hosts.far_speaks();
    assert_eq!((hosts.flush(FdbFlush::default()), hosts.remotes()), (1, 1));
    let kind = FdbFlush {
        kind: Some(FdbKind::Static),
        ..FdbFlush::default()
    };
    assert_eq!((hosts.flush(kind), hosts.remotes()), (1, 0));
    assert_eq!(hosts.table(), json!([]));
}

#[test]
fn a_station_that_moves_here_is_behind_no_peer_any_more() {
    let mut hosts = Hosts::start();
    hosts.far_speaks();
    assert_eq!(hosts.remotes(), 1);
    let wish = || Connect {
        mac_address: Some(FAR.parse().unwrap()),
        ..to("b")
    };
    // A failed attempt is not believed.
    hosts.kernel.world(|world| world.fail.insert(Step::AddPort));
    connect(&mut hosts.here, "blue", wish()).unwrap_err();
    hosts.kernel.world(|world| world.fail.clear());
    let (network, add) = ("blue".to_owned(), by_hand(FAR, hosts.peer));
    hosts.here.apply(Command::FdbAdd { network, add }).unwrap();
    let network = "blue".to_owned();
    let mac = FAR.parse().unwrap();
    let remove = FdbRemove { mac, vlan: None };
    hosts
        .here
        .apply(Command::FdbRemove { network, remove })
        .unwrap();
    hosts.far_speaks();
    connect(&mut hosts.here, "blue", wish()).unwrap();
    assert_eq!((hosts.table(), hosts.remotes()), (json!([]), 0));
    let spec = hosts
        .kernel
        .world(|world| world.specs[&(2, "eth0".to_owned())].clone());
    assert!(spec.announce, "to the other host");
    // Gone from here, it may be there again.
    disconnect(&mut hosts.here, "blue", "b").unwrap();
    hosts.far_speaks();
    assert_eq!(hosts.remotes(), 1);
}
