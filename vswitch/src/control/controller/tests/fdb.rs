//! Forwarding databases by hand.

use super::*;

fn add(add: FdbAdd) -> Command {
    let network = "lab".to_owned();
    Command::FdbAdd { network, add }
}

fn show(network: &str) -> Command {
    Command::FdbShow {
        network: network.to_owned(),
    }
}

fn flush(kind: Option<FdbKind>) -> Command {
    let network = "lab".to_owned();
    Command::FdbFlush {
        network,
        flush: FdbFlush {
            kind,
            ..FdbFlush::default()
        },
    }
}

#[test]
fn wrong_entries_are_refused() {
    let (mut c, _) = prepared();
    connect(&mut c, "lab", to("a")).unwrap();
    connect(&mut c, "bridge", to("b")).unwrap();
    assert_eq!(
        refusal(&mut c, add(added("02:00:00:00:00:07", "b/eth0"))).kind,
        ErrorKind::Invalid
    );
    assert_eq!(
        refusal(&mut c, add(added("02:00:00:00:00:07", "9"))).kind,
        ErrorKind::NotFound
    );
    for (kind, port) in [
        (FdbKind::Local, Some("0")),
        (FdbKind::Learned, Some("0")),
        (FdbKind::Learned, None),
        (FdbKind::Static, None),
        (FdbKind::Sticky, None),
    ] {
        let wrong = FdbAdd {
            kind,
            port: port.map(str::to_owned),
            ..added("02:00:00:00:00:07", "0")
        };
        assert_eq!(refusal(&mut c, add(wrong)).kind, ErrorKind::Invalid);
    }
    assert_eq!(refusal(&mut c, show("host")).kind, ErrorKind::Invalid);
    assert_eq!(
        refusal(&mut c, flush(Some(FdbKind::Local))).kind,
        ErrorKind::Invalid
    );
}

#[test]
fn entries_by_hand_are_shown_removed_and_flushed() {
    let (mut c, kernel) = prepared();
    connect(&mut c, "lab", to("a")).unwrap();
    c.apply(add(added("02:00:00:00:00:05", "a/eth0"))).unwrap();
    c.apply(add(added("02:00:00:00:00:06", "0"))).unwrap();
    speak(&c, &kernel, 1, [2, 0, 0, 0, 0, 1]);
    let Reply::Fdb(entries) = c.apply(show("lab")).unwrap() else {
        panic!()
    };
    assert_eq!(
        serde_json::to_value(entries).unwrap(),
        json!([
            {"mac": "02:00:00:00:00:01", "vlan": null, "port": 0, "remote": null, "kind": "learned", "age": 0},
            {"mac": "02:00:00:00:00:05", "vlan": null, "port": 0, "remote": null, "kind": "static", "age": 0},
            {"mac": "02:00:00:00:00:06", "vlan": null, "port": 0, "remote": null, "kind": "static", "age": 0},
        ])
    );
    let remove = || Command::FdbRemove {
        network: "lab".to_owned(),
        remove: FdbRemove {
            mac: "02:00:00:00:00:05".parse().unwrap(),
            vlan: None,
        },
    };
    c.apply(remove()).unwrap();
    assert_eq!(refusal(&mut c, remove()).kind, ErrorKind::NotFound);
    for (kind, flushed) in [(None, 1), (Some(FdbKind::Static), 1), (None, 0)] {
        let Reply::Flushed(reply) = c.apply(flush(kind)).unwrap() else {
            panic!()
        };
        assert_eq!(reply.flushed, flushed, "{kind:?}");
    }
}

#[test]
fn a_local_entry_is_at_no_port_and_the_switch_consumes_what_is_for_it() {
    let (mut c, kernel) = prepared();
    connect(&mut c, "lab", to("a")).unwrap();
    connect(&mut c, "lab", to("b")).unwrap();
    let local: FdbAdd =
        serde_json::from_value(json!({"mac": "02:00:00:00:00:05", "kind": "local"})).unwrap();
    c.apply(add(local)).unwrap();
    let Reply::Fdb(entries) = c.apply(show("lab")).unwrap() else {
        panic!()
    };
    assert_eq!((entries[0].kind, entries[0].port), (FdbKind::Local, None));
    let mut frame = vec![0; 12 + 60];
    frame[12..24].copy_from_slice(&[2, 0, 0, 0, 0, 5, 2, 0, 0, 0, 0, 9]);
    kernel.device(1, "eth0", |end| end.put(frame).unwrap());
    // What follows on the same port comes after it.
    speak(&c, &kernel, 1, [2, 0, 0, 0, 0, 8]);
    assert_eq!(c.switch.totals().consumed, 1);
    // It goes as it came: by hand, not with a port.
    disconnect(&mut c, "lab", "a").unwrap();
    let remove = FdbRemove {
        mac: "02:00:00:00:00:05".parse().unwrap(),
        vlan: None,
    };
    c.apply(Command::FdbRemove {
        network: "lab".to_owned(),
        remove,
    })
    .unwrap();
}
