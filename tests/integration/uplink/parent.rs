//! The parent's life, and what an uplink does to it.

use super::*;
use cable::{IFNAME, bare, everything, only};
use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use vswitch::port::PortLost;
use vswitch::sys::Netns;

/// What `ip -d link` says of the parent's promiscuity.
#[track_caller]
fn promiscuity(cable: &Cable) -> u64 {
    let shown = cable.host.exec(&["ip", "-d", "-j", "link", "show", IFNAME]);
    shown.json()[0]["promiscuity"].as_u64().must("promiscuity")
}

/// Addresses that the parent receives besides its own.
#[track_caller]
fn addresses(cable: &Cable) -> Vec<String> {
    let shown = cable.host.exec(&["bridge", "fdb", "show", "dev", IFNAME]);
    let mut all: Vec<String> = (shown.ok().lines())
        .filter(|line| line.contains("self"))
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect();
    all.sort();
    all
}

/// The groups of the parent, as `/proc/net/dev_mcast` has them.
#[track_caller]
fn groups(cable: &Cable) -> String {
    let read = || fs::read_to_string("/proc/thread-self/net/dev_mcast");
    cable.host.run(read).must("/proc/net/dev_mcast")
}

#[test]
fn memberships_end_with_the_uplink() {
    let cable = Cable::new();
    let before = (promiscuity(&cable), addresses(&cable), groups(&cable));
    let mdns = MacAddr::new([0x01, 0, 0x5e, 0, 0, 0xfb]);
    let end = cable.uplink(None, everything());
    for address in [station(10), station(11), mdns, station(10)] {
        end.uplink.add_address(address).must("an address");
    }
    assert!(!end.uplink.is_promiscuous());
    for number in [10, 11] {
        assert!(addresses(&cable).contains(&station(number).to_string()));
    }
    assert!(groups(&cable).contains("01005e0000fb"));
    end.uplink.remove_address(station(11));
    end.uplink.remove_address(mdns);
    assert!(!addresses(&cable).contains(&station(11).to_string()));
    assert!(addresses(&cable).contains(&station(10).to_string()));
    assert_eq!(groups(&cable), before.2);
    let member = promiscuity(&cable);
    end.uplink.set_promiscuous(true).must("promiscuous");
    end.uplink.set_all_groups(true).must("all groups");
    assert!(end.uplink.is_promiscuous());
    assert_eq!(promiscuity(&cable), member + 1);
    let second = cable.uplink(None, everything());
    second.uplink.set_promiscuous(true).must("promiscuous");
    assert_eq!(promiscuity(&cable), member + 2);
    drop(end);
    assert_eq!(promiscuity(&cable), before.0 + 1);
    second.uplink.set_promiscuous(false).must("as before");
    assert!(!second.uplink.is_promiscuous());
    drop(second);
    let after = (promiscuity(&cable), addresses(&cable), groups(&cable));
    assert_eq!(after, before);
}

#[test]
fn facts_about_the_parent_are_its_own() {
    let cable = Cable::new();
    let end = cable.uplink(None, everything());
    let facts = end.uplink.parent().must("facts");
    let link = cable::link(&cable.host);
    assert_eq!((facts.index, facts.mac), (link.index, station(HOST)));
    assert_eq!((facts.mtu, facts.link), (1500, PortState::Up));
    assert_eq!((facts.name.as_str(), end.port.mtu), (IFNAME, 1500));
    let ip = |words: &[&str]| cable.host.exec(&[&["ip", "link", "set"], words].concat());
    ip(&["dev", IFNAME, "down"]).done();
    ip(&["dev", IFNAME, "name", "wan7", "mtu", "1300"]).done();
    let facts = end.uplink.parent().must("facts");
    assert_eq!((facts.name.as_str(), facts.mtu), ("wan7", 1300));
    assert_eq!(facts.link, PortState::Down);
    let by_number = UplinkOptions::new(Parent::Index(link.index));
    let (_port, uplink) = (cable.host.run(|| packet::open(&by_number))).must("an uplink");
    assert_eq!(uplink.parent().must("facts"), facts);
}

#[test]
fn what_can_be_no_parent_is_refused() {
    let cable = Cable::new();
    let open = |parent| {
        let options = UplinkOptions::new(parent);
        (cable.host.run(|| packet::open(&options))).map(drop)
    };
    let name = |name| Parent::Name(IfName::new(name).must("a name"));
    assert!(matches!(
        open(name("lo")),
        Err(UplinkError::NotEthernet { .. })
    ));
    for missing in [
        name("wan7"),
        Parent::Index(123_456),
        Parent::Index(u32::MAX),
    ] {
        let refusal = open(missing.clone());
        assert!(
            matches!(refusal, Err(UplinkError::NoSuchParent { .. })),
            "{missing}: {refusal:?}"
        );
    }
}

/// Frames go from the LAN to the uplink and back.
#[track_caller]
fn assert_works(cable: &Cable, end: &mut cable::End) {
    let child = station(10);
    let mut peer = cable.peer(None);
    let there = frames::unique(station(LAN), child);
    end.send_plain(std::slice::from_ref(&there));
    assert_eq!(bare(&peer.expect(1)), [there]);
    let back = frames::unique(child, station(LAN));
    peer.send_plain(std::slice::from_ref(&back));
    assert_eq!(bare(&end.expect(1)), [back]);
}

#[test]
fn a_parent_that_goes_down_and_up_again_is_followed() {
    let cable = Cable::new();
    let child = station(10);
    let mut end = cable.uplink(None, only(&[child]));
    end.uplink.add_address(child).must("an address");
    assert_works(&cable, &mut end);
    let frame = [cable::plain(&frames::unique(station(LAN), child))];
    // Who meets the report first: the half that sends, or the one that receives.
    for sends_first in [true, false] {
        let set = |to| (cable.host.exec(&["ip", "link", "set", IFNAME, to])).done();
        set("down");
        assert!(end.ready(SOON), "nothing is reported");
        if !sends_first {
            assert_eq!(end.once(), (Vec::new(), Drained::Yes));
        }
        assert_eq!(end.try_send(&frame).down, 1);
        assert_eq!(end.once(), (Vec::new(), Drained::Yes));
        assert_eq!(end.port.tx.link(), Some(PortState::Down));
        assert_eq!(end.try_send(&frame).down, 1);
        set("up");
        cable.up();
        assert_works(&cable, &mut end);
        assert_eq!(end.port.tx.link(), Some(PortState::Up));
    }
    assert!(addresses(&cable).contains(&child.to_string()));
}

#[test]
fn a_cable_that_is_pulled_and_plugged_in_again_is_followed() {
    let cable = Cable::new();
    let mut end = cable.uplink(None, only(&[station(10)]));
    let frame = [cable::plain(&frames::unique(station(LAN), station(10)))];
    end.send(&frame);
    let lan = |to| (cable.lan.exec(&["ip", "link", "set", IFNAME, to])).done();
    lan("down");
    // Not told by the kernel to who sends: noticed a moment later.
    eventually(SOON, "no carrier", || {
        (end.try_send(&frame).down == 1).then_some(())
    });
    assert_eq!(end.port.tx.link(), Some(PortState::Down));
    assert_eq!(end.once(), (Vec::new(), Drained::Yes));
    lan("up");
    cable.up();
    assert_works(&cable, &mut end);
}

/// That nothing works any more, and all say so.
#[track_caller]
fn assert_gone(end: &mut cable::End, sends_first: bool) {
    let frame = [cable::plain(&frames::unique(station(LAN), station(10)))];
    assert!(end.ready(SOON), "nothing is reported");
    if sends_first {
        let report = end.try_send(&frame);
        assert_eq!(report.gone, 1, "{report:?}");
    }
    assert_eq!(end.port.rx.recv(&mut end.batch), Err(PortLost));
    assert_eq!(end.port.rx.recv(&mut end.batch), Err(PortLost));
    assert_eq!(end.try_send(&frame).gone, 1);
    assert_eq!(end.port.tx.link(), Some(PortState::Gone));
    assert!(matches!(
        end.uplink.parent(),
        Err(UplinkError::NoSuchParent { .. })
    ));
    for refusal in [
        end.uplink.add_address(station(11)),
        end.uplink.set_promiscuous(true),
        end.uplink.set_all_groups(true),
    ] {
        assert!(matches!(refusal, Err(UplinkError::NoSuchParent { .. })));
    }
    end.uplink.remove_address(station(10));
    end.uplink.set_filter(&everything()).must("harmless");
}

#[test]
fn a_parent_that_is_deleted_is_gone() {
    for sends_first in [true, false] {
        let cable = Cable::new();
        let mut end = cable.uplink(None, everything());
        end.uplink.add_address(station(10)).must("an address");
        cable.host.exec(&["ip", "link", "del", IFNAME]).done();
        assert_gone(&mut end, sends_first);
    }
}

#[test]
fn a_parent_that_moves_to_another_namespace_is_gone() {
    let cable = Cable::new();
    let mut end = cable.uplink(None, everything());
    end.uplink.add_address(station(10)).must("an address");
    let elsewhere = Netns::create().must("a namespace");
    let name = IfName::new(IFNAME).must("a name");
    (cable
        .host
        .run(|| netlink::move_link(&name, &elsewhere, &name)))
    .must("a move");
    assert_gone(&mut end, false);
}

#[test]
fn an_uplink_opened_on_a_parent_that_is_down_works_once_it_is_up() {
    let cable = Cable::new();
    (cable.host.exec(&["ip", "link", "set", IFNAME, "down"])).done();
    let mut end = cable.uplink(None, only(&[station(10)]));
    assert_eq!(end.once(), (Vec::new(), Drained::Yes));
    assert_eq!(end.port.tx.link(), Some(PortState::Down));
    (cable.host.exec(&["ip", "link", "set", IFNAME, "up"])).done();
    cable.up();
    end.uplink.add_address(station(10)).must("an address");
    assert_works(&cable, &mut end);
}

/// Sends until told to stop, and once more after that; how many frames left, and how many were lost and why.
fn send_on(tx: &dyn PortTx, stop: &AtomicBool) -> SendReport {
    let frame = cable::plain(&frames::unique(station(LAN), station(10)));
    let superframe = offload::tcp(20_000, 1448);
    let (mut report, mut sent) = (SendReport::default(), 0);
    let mut stopped = false;
    while !stopped {
        stopped = stop.load(Ordering::Relaxed);
        tx.send(&[&frame, &superframe, &frame], &mut report);
        sent += 3;
    }
    assert_eq!(report.accounted(), sent);
    report
}

#[test]
fn the_half_that_receives_learns_of_the_end_also_while_others_send() {
    for _ in 0..5 {
        let cable = Cable::new();
        let mut end = cable.uplink(None, everything());
        let stop = AtomicBool::new(false);
        let tx = Arc::clone(&end.port.tx);
        let reports = thread::scope(|scope| {
            let senders = [(); 2].map(|()| scope.spawn(|| send_on(&*tx, &stop)));
            let set = |words: &[&str]| cable.host.exec(&[&["ip", "link"], words].concat()).done();
            for _ in 0..5 {
                set(&["set", IFNAME, "down"]);
                set(&["set", IFNAME, "up"]);
            }
            set(&["del", IFNAME]);
            // As a worker does: sleep until something is reported, then receive until it is empty.
            let mut outcome = Ok(Drained::Yes);
            eventually(SOON, "the loss of the port", || {
                end.batch.clear();
                if outcome == Ok(Drained::No) || end.ready(Duration::from_millis(100)) {
                    outcome = end.port.rx.recv(&mut end.batch);
                }
                (outcome == Err(PortLost)).then_some(())
            });
            stop.store(true, Ordering::Relaxed);
            senders.map(|sender| sender.join().ok().must("a sender's report"))
        });
        for report in reports {
            assert!(report.frames > 0 && report.gone > 0, "{report:?}");
            assert_eq!((report.refused, report.too_long), (0, 0), "{report:?}");
        }
    }
}
