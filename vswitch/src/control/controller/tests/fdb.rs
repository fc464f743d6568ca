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
    for kind in [FdbKind::Local, FdbKind::Learned] {
        let wrong = FdbAdd {
            kind,
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
