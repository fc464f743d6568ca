//! VLAN tags: put back, put on, kept apart.

use super::*;
use cable::{End, bare, everything, tag, with_tag};
use vswitch_tests::Capture;

/// A frame of the LAN for all, with this tag.
fn tagged(tpid: u16, tci: u16) -> Vec<u8> {
    let frame = frames::unique(MacAddr::BROADCAST, station(LAN));
    with_tag(&frame, tag(tpid, tci))
}

#[test]
fn a_tag_that_the_kernel_took_off_is_put_back() {
    let cable = Cable::new();
    for short in [false, true] {
        let mut end = End::open(&cable.host, None, everything(), short);
        let untagged = frames::unique(MacAddr::BROADCAST, station(LAN));
        let twice = with_tag(&tagged(0x8100, 7), tag(0x88a8, 0x3009));
        let sent = [
            tagged(0x8100, 10),
            untagged,
            tagged(0x8100, 0xb00a),
            tagged(0x8100, 0xe000),
            tagged(0x88a8, 10),
            twice,
        ];
        let peer = cable.peer(None);
        peer.send_plain(&sent);
        for frame in &sent {
            peer.send_plain(std::slice::from_ref(frame));
        }
        let twofold: Vec<_> = sent.iter().chain(&sent).cloned().collect();
        assert_eq!(bare(&end.expect(twofold.len())), twofold);
    }
}

#[test]
fn a_tag_that_is_put_back_moves_the_checksum() {
    let cable = Cable::new();
    for short in [false, true] {
        let mut end = End::open(&cable.host, None, everything(), short);
        let peer = cable.peer(Some(10));
        let sent = offload::all();
        peer.send(&sent);
        for (got, sent) in end.expect(sent.len()).iter().zip(&sent) {
            let header = offload::check(got);
            assert_eq!(
                got[VNET_LEN..],
                with_tag(&sent[VNET_LEN..], tag(0x8100, 10))
            );
            let untouched = VnetHdr::parse(sent.first_chunk().must("a header"));
            assert_eq!(header.csum_start, untouched.csum_start + 4);
            assert_eq!(header.gso_size, untouched.gso_size);
            assert_eq!(header.gso_type, untouched.gso_type);
        }
    }
}

#[test]
fn the_segment_of_a_vlan_receives_its_own_frames_without_their_tag() {
    let cable = Cable::new();
    let mut end = cable.uplink(Some(10), everything());
    let peer = cable.peer(None);
    let inner = frames::unique(MacAddr::BROADCAST, station(LAN));
    let others = [
        inner.clone(),
        tagged(0x8100, 0),
        tagged(0x8100, 0xe000),
        tagged(0x8100, 9),
        tagged(0x8100, 11),
        tagged(0x8100, 4095),
        tagged(0x88a8, 10),
        with_tag(&tagged(0x8100, 10), tag(0x8100, 11)),
    ];
    peer.send_plain(&others);
    let priority = frames::unique(MacAddr::BROADCAST, station(LAN));
    let double = tagged(0x8100, 5);
    peer.send_plain(&[
        with_tag(&inner, tag(0x8100, 10)),
        with_tag(&priority, tag(0x8100, 0xf00a)),
        with_tag(&double, tag(0x8100, 10)),
    ]);
    assert_eq!(bare(&end.expect(3)), [inner, priority, double]);
    assert_eq!(end.uplink.counts().foreign, 8);
    // Superframes as well.
    let peer = cable.peer(Some(10));
    let sent = offload::all();
    peer.send(&sent);
    for (got, sent) in end.expect(sent.len()).iter().zip(&sent) {
        let header = offload::check(got);
        assert_eq!(got[VNET_LEN..], sent[VNET_LEN..]);
        let untouched = VnetHdr::parse(sent.first_chunk().must("a header"));
        assert_eq!(header.csum_start, untouched.csum_start);
        assert_eq!(header.gso_size, untouched.gso_size);
    }
}

#[test]
fn an_untagged_segment_leaves_the_vlans_of_others_alone() {
    let cable = Cable::new();
    let mut end = cable.uplink(None, everything());
    let vlan = |vid| VlanId::new(vid).must("a VLAN");
    end.uplink.set_claimed(&[vlan(10), vlan(20)]);
    let peer = cable.peer(None);
    let (mine, service) = (tagged(0x8100, 30), tagged(0x88a8, 10));
    peer.send_plain(&[
        tagged(0x8100, 10),
        mine.clone(),
        tagged(0x8100, 0x6014),
        service.clone(),
    ]);
    assert_eq!(bare(&end.expect(2)), [mine, service]);
    assert_eq!(end.uplink.counts().foreign, 2);
}

#[test]
fn a_flood_of_other_segments_does_not_hold_the_worker() {
    let cable = Cable::new();
    let mut end = cable.uplink(Some(10), everything());
    let peer = cable.peer(None);
    let flood: Vec<_> = (0..100).map(|_| tagged(0x8100, 11)).collect();
    for _ in 0..30 {
        peer.send_plain(&flood);
    }
    eventually(SOON, "all frames", || {
        (end.uplink.passed_filter() == 3000).then_some(())
    });
    let mut turns = 0;
    loop {
        let (frames, drained) = end.once();
        assert_eq!(frames, [] as [Vec<u8>; 0]);
        turns += 1;
        if drained == Drained::Yes {
            break;
        }
    }
    assert!(turns > 4, "{turns} turns");
    assert_eq!(end.uplink.counts().foreign, 3000);
    assert_eq!(end.uplink.counts().heard, 0);
}

#[test]
fn frames_on_a_vlan_are_tagged_on_the_wire_and_their_checksums_are_right() {
    for short in [false, true] {
        let cable = Cable::without_offload();
        let capture = Capture::start(&cable.host);
        let end = End::open(&cable.lan, Some(10), everything(), short);
        let sent = offload::all();
        end.send(&sent);
        let priority = tagged(0x8100, 0xa000);
        end.send_plain(std::slice::from_ref(&priority));
        let trace = capture.finish();
        assert_eq!(trace.flaws(0), [] as [String; 0]);
        let segments = 40_000_usize.div_ceil(1400);
        assert_eq!(trace.frames().count(), 4 * segments + 4 + 1);
        for frame in trace.frames() {
            assert_eq!(frame[12..14], [0x81, 0]);
            assert_eq!(frame[15], 10, "the VLAN");
        }
        let last = trace.frames().last().must("a frame");
        let wanted = with_tag(
            &[&priority[..12], &priority[16..]].concat(),
            tag(0x8100, 0xa00a),
        );
        assert_eq!(last, wanted);
    }
}

#[test]
fn frames_with_their_own_tag_have_right_checksums_too() {
    let cable = Cable::without_offload();
    let capture = Capture::start(&cable.host);
    let end = cable.peer(None);
    let sent: Vec<_> = (offload::all().iter())
        .map(|bytes| {
            let header = VnetHdr::parse(bytes.first_chunk().must("a header"));
            let header = VnetHdr {
                csum_start: header.csum_start + 4,
                hdr_len: header.hdr_len + 4,
                ..header
            };
            let frame = with_tag(&bytes[VNET_LEN..], tag(0x8100, 10));
            [&header.to_bytes()[..], &frame].concat()
        })
        .collect();
    end.send(&sent);
    let trace = capture.finish();
    assert_eq!(trace.flaws(0), [] as [String; 0]);
    assert!(trace.frames().all(|frame| frame[12..16] == tag(0x8100, 10)));
}
