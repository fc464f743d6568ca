//! What wakes the switch, and what is counted.

use super::*;
use cable::{bare, everything, only};

/// A moment in which a frame would have come.
const MOMENT: Duration = Duration::from_millis(50);

#[test]
fn unicast_to_others_wakes_nobody() {
    let cable = Cable::new();
    let child = station(10);
    let mut end = cable.uplink(None, only(&[child]));
    end.uplink.add_address(child).must("an address");
    let mut raw = Raw::open(&cable.lan);
    for number in 0..1000 {
        raw.send(&frames::unique(station(100 + number), station(LAN)));
        raw.send(&frames::unique(station(HOST), station(LAN)));
    }
    assert!(!end.ready(MOMENT), "woken by what is for others");
    assert_eq!(end.uplink.passed_filter(), 0);
    let wanted = frames::unique(child, station(LAN));
    let marker = frames::marker(MacAddr::BROADCAST, station(LAN));
    raw.send(&wanted);
    raw.send(&marker);
    assert_eq!(bare(&end.until(&marker)), [wanted]);
    assert_eq!(end.uplink.passed_filter(), 2);
    assert_eq!(end.uplink.kernel_drops(), 0);
    assert_eq!(end.uplink.counts().heard, 1);
}

#[test]
fn a_filter_is_replaced_in_one_step_and_a_bad_one_not_at_all() {
    let cable = Cable::new();
    let (old, new) = (station(10), station(11));
    let mut end = cable.uplink(None, only(&[old]));
    let mut raw = Raw::open(&cable.lan);
    let marker = frames::marker(MacAddr::BROADCAST, station(LAN));
    raw.send(&frames::unique(new, station(LAN)));
    raw.send(&marker);
    assert_eq!(end.until(&marker).len(), 0);
    let nonsense = FilterInstruction {
        code: 0xffff,
        ..FilterInstruction::ret(0)
    };
    for bad in [
        vec![],
        vec![nonsense],
        vec![FilterInstruction::ret(0); 5000],
    ] {
        end.uplink.set_filter(&bad).map(drop).unwrap_err();
    }
    end.uplink.set_filter(&only(&[new])).must("a filter");
    let wanted = frames::unique(new, station(LAN));
    raw.send(&frames::unique(old, station(LAN)));
    raw.send(&wanted);
    raw.send(&marker);
    assert_eq!(bare(&end.until(&marker)), [wanted]);
}

#[test]
fn nothing_comes_before_a_filter_is_set() {
    let cable = Cable::new();
    let parent = Parent::Name(IfName::new(cable::IFNAME).must("a name"));
    let open = || packet::open(&UplinkOptions::new(parent));
    let (mut port, uplink) = cable.host.run(open).must("an uplink");
    Raw::open(&cable.lan).send(&frames::unique(MacAddr::BROADCAST, station(LAN)));
    let mut sniffer = cable.uplink(None, everything());
    let marker = frames::marker(MacAddr::BROADCAST, station(LAN));
    Raw::open(&cable.lan).send(&marker);
    sniffer.until(&marker);
    let mut batch = Batch::new();
    assert_eq!(port.rx.recv(&mut batch), Ok(Drained::Yes));
    assert!(batch.is_empty());
    assert_eq!(uplink.passed_filter(), 0);
}

#[test]
fn what_the_host_sends_is_not_received() {
    let cable = Cable::new();
    let child = station(10);
    let mut end = cable.uplink(None, everything());
    end.uplink.set_promiscuous(true).must("promiscuous");
    let mut raw = Raw::open(&cable.host);
    for _ in 0..1000 {
        raw.send(&frames::unique(MacAddr::BROADCAST, station(HOST)));
        raw.send(&frames::unique(child, station(HOST)));
    }
    // Nor is what it sends itself.
    end.send_plain(&[frames::unique(MacAddr::BROADCAST, child)]);
    let marker = frames::marker(child, station(LAN));
    Raw::open(&cable.lan).send(&marker);
    assert_eq!(bare(&end.until(&marker)), [] as [&[u8]; 0]);
    assert_eq!(end.uplink.passed_filter(), 1);
    assert_eq!(end.uplink.counts().outgoing, 0);
}

#[test]
fn frames_of_all_lengths_come_whole_and_in_order() {
    let cable = Cable::new();
    let mut end = cable.uplink(None, everything());
    let peer = cable.peer(None);
    let mut sent = Vec::new();
    for round in 0..60 {
        // Runs of one kind, and mixes.
        for index in 0..(round % 7) {
            let payload = vec![index; 46 + usize::from(round) * 24 + usize::from(index)];
            let ether_type = frames::TEST_TYPE;
            let bytes = frames::frame(MacAddr::BROADCAST, station(LAN), ether_type, &payload);
            sent.push(cable::plain(&bytes));
        }
        for _ in 0..(round % 3) {
            let payload = 20_000 + 500 * usize::from(round);
            sent.push(offload::tcp(payload, 1448));
        }
    }
    for chunk in sent.chunks(40) {
        peer.send(chunk);
    }
    let got = end.expect(sent.len());
    for (got, sent) in got.iter().zip(&sent) {
        assert_eq!(got.len(), sent.len());
        assert_eq!(got[VNET_LEN..], sent[VNET_LEN..]);
    }
}

#[test]
fn what_the_kernel_drops_is_counted_and_the_rest_is_whole() {
    let cable = Cable::new();
    let mut end = cable.uplink(None, everything());
    let peer = cable.peer(None);
    let sent = 2000;
    for _ in 0..sent / 20 {
        peer.send(&vec![offload::tcp(60_000, 1448); 20]);
    }
    // What is sent is received, or dropped, before the call returns or soon after.
    eventually(SOON, "all frames", || {
        (end.uplink.passed_filter() == sent).then_some(())
    });
    let got = end.drain().len();
    let dropped = end.uplink.kernel_drops();
    assert!(dropped > 0 && got > 20, "{got} came, {dropped} dropped");
    assert_eq!(u64::try_from(got).must("a number") + dropped, sent);
}
