//! Superframes and open checksums, both ways.

use super::*;
use cable::{End, bare, everything};
use vswitch_tests::Capture;
use vswitch_wire::{FLAG_NEEDS_CSUM, GsoType, complete_checksum, pseudo_v4, pseudo_v6};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// `[virtio-net header][frame]` of a station of the LAN: its payload is to be cut into pieces of
/// `gso_size` bytes, or is one piece when there is none; the checksum is open.
fn superframe(v6: bool, proto: u8, payload: usize, gso_size: Option<u16>) -> Vec<u8> {
    let l4_header = if proto == TCP { 20 } else { 8 };
    let l3_header = if v6 { 40 } else { 20 };
    let l4_len = u16::try_from(l4_header + payload).must("a length");
    let kind = match (gso_size, proto, v6) {
        (None, ..) => GsoType::None,
        (Some(_), UDP, _) => GsoType::UdpL4,
        (Some(_), _, false) => GsoType::TcpV4,
        (Some(_), _, true) => GsoType::TcpV6,
    };
    let header = VnetHdr {
        flags: FLAG_NEEDS_CSUM,
        gso_type: kind.raw(),
        hdr_len: u16::try_from(14 + l3_header + l4_header).must("a length"),
        gso_size: gso_size.unwrap_or(0),
        csum_start: u16::try_from(14 + l3_header).must("a length"),
        csum_offset: if proto == TCP { 16 } else { 6 },
        num_buffers: 0,
    };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend(MacAddr::BROADCAST.octets());
    bytes.extend(station(LAN).octets());
    let partial = if v6 {
        let [src, dst] = [1, 2].map(|last| [0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        bytes.extend(l4_len.to_be_bytes());
        bytes.extend([proto, 64]);
        bytes.extend(src);
        bytes.extend(dst);
        pseudo_v6(src.into(), dst.into(), proto, l4_len.into()).fold()
    } else {
        let (src, dst) = ([198, 18, 60, 2], [198, 18, 60, 10]);
        let start = bytes.len() + 2;
        bytes.extend([8, 0, 0x45, 0]);
        bytes.extend((20 + l4_len).to_be_bytes());
        bytes.extend([0, 7, 0x40, 0, 64, proto, 0, 0]);
        bytes.extend(src);
        bytes.extend(dst);
        let checksum = vswitch_wire::Sum::new().add_bytes(&bytes[start..]).finish();
        bytes[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
        pseudo_v4(src.into(), dst.into(), proto, l4_len).fold()
    };
    bytes.extend([0x9c, 0x40, 0x27, 0x0f]);
    if proto == TCP {
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff]);
        bytes.extend(partial.to_be_bytes());
        bytes.extend([0, 0]);
    } else {
        bytes.extend(l4_len.to_be_bytes());
        bytes.extend(partial.to_be_bytes());
    }
    bytes.extend((0..=250).cycle().take(payload));
    bytes
}

/// A superframe of TCP over IPv4.
pub(super) fn tcp(payload: usize, gso_size: u16) -> Vec<u8> {
    superframe(false, TCP, payload, Some(gso_size))
}

/// All kinds of them, and frames with open checksums.
pub(super) fn all() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for v6 in [false, true] {
        for proto in [TCP, UDP] {
            all.push(superframe(v6, proto, 40_000, Some(1400)));
            all.push(superframe(v6, proto, 1000, None));
        }
    }
    all
}

/// That the header says the right things about the frame, and its checksum can be completed: what
/// the switch does before it uses it, and more.
#[track_caller]
pub(super) fn check(bytes: &[u8]) -> VnetHdr {
    let header = VnetHdr::parse(bytes.first_chunk().must("a header"));
    let ethernet = &bytes[VNET_LEN..];
    let head = Head::parse(ethernet).must("an Ethernet header");
    header.check(ethernet, &head).must("a header that fits");
    if header.gso_type != 0 {
        let plan = SegmentPlan::new(ethernet, &header, &head).must("a superframe");
        assert!(plan.count() > 1);
    } else if header.needs_csum() {
        complete_checksum(&mut ethernet.to_vec(), &header).must("a checksum");
    }
    header
}

/// What a receiver must find as the sender wrote it; `hdr_len` is a hint that the kernel makes anew.
fn essence(bytes: &[u8]) -> (VnetHdr, &[u8]) {
    let header = VnetHdr::parse(bytes.first_chunk().must("a header"));
    let header = VnetHdr {
        hdr_len: 0,
        ..header
    };
    (header, &bytes[VNET_LEN..])
}

#[test]
fn superframes_pass_untouched_with_headers_of_either_length() {
    let cable = Cable::new();
    for (here, there) in [(false, false), (true, true), (false, true), (true, false)] {
        let mut end = End::open(&cable.host, None, everything(), here);
        let peer = End::open(&cable.lan, None, everything(), there);
        let sent = all();
        peer.send(&sent);
        // One by one as well.
        for frame in &sent {
            peer.send(std::slice::from_ref(frame));
        }
        let got = end.expect(2 * sent.len());
        for (got, sent) in got.iter().zip(sent.iter().chain(&sent)) {
            check(got);
            assert_eq!(essence(got), essence(sent));
        }
    }
}

#[test]
fn superframes_are_cut_for_a_parent_that_cannot_and_their_checksums_are_right() {
    for short in [false, true] {
        let cable = Cable::without_offload();
        let capture = Capture::start(&cable.host);
        let end = End::open(&cable.lan, None, everything(), short);
        let sent = all();
        end.send(&sent);
        let trace = capture.finish();
        // Two segments of a 1400 byte piece are not sent as one.
        let segments = 40_000_usize.div_ceil(1400);
        assert_eq!(trace.frames().count(), 4 * segments + 4);
        assert_eq!(trace.flaws(0), [] as [String; 0]);
    }
}

#[test]
fn what_is_too_long_for_the_parent_is_refused_and_counted() {
    let cable = Cable::new();
    let end = cable.peer(None);
    let mut other = cable.uplink(None, everything());
    let of = |payload| {
        let payload = vec![1; payload];
        let (dst, src) = (MacAddr::BROADCAST, station(LAN));
        cable::plain(&frames::bare(dst, src, frames::TEST_TYPE, &payload))
    };
    let tagged = |payload| {
        let frame: Vec<u8> = of(payload);
        cable::plain(&cable::with_tag(&frame[VNET_LEN..], cable::tag(0x8100, 7)))
    };
    // 40 bytes of headers within the MTU.
    let fits = [
        of(1500),
        tagged(1500),
        tcp(20_000, 1460),
        tcp(1500 - 40, 9000),
    ];
    let too_long = [of(1501), tagged(1501), tcp(20_000, 1461)];
    for frame in &fits {
        end.send(std::slice::from_ref(frame));
    }
    for frame in &too_long {
        let report = end.try_send(std::slice::from_ref(frame));
        assert_eq!(report.too_long, 1, "{report:?}");
    }
    let mixed: Vec<_> = (too_long.iter())
        .chain(&fits)
        .chain(&too_long)
        .cloned()
        .collect();
    let report = end.try_send(&mixed);
    assert_eq!((report.frames, report.too_long), (4, 6));
    assert_eq!(end.uplink.counts().sent, 8);
    other.expect(8);
    // The parent's MTU is followed both ways.
    for (mtu, passes) in [(1400, false), (1500, true)] {
        for side in [&cable.lan, &cable.host] {
            side.exec(&["ip", "link", "set", cable::IFNAME, "mtu", &format!("{mtu}")])
                .done();
        }
        assert_eq!(end.uplink.parent().must("facts").mtu, mtu);
        let report = end.try_send(&fits[..3]);
        assert_eq!(report.too_long == 0, passes, "{report:?}");
        assert_eq!(report.frames, if passes { 3 } else { 0 });
    }
}

#[test]
fn a_changed_mtu_is_noticed_without_being_asked_for() {
    let cable = Cable::new();
    let end = cable.peer(None);
    let frame = [tcp(20_000, 1460)];
    end.send(&frame);
    let mtu = |mtu| {
        let words = ["ip", "link", "set", cable::IFNAME, "mtu", mtu];
        cable.lan.exec(&words).done();
    };
    mtu("1400");
    eventually(SOON, "too long", || {
        (end.try_send(&frame).too_long == 1).then_some(())
    });
    mtu("1500");
    eventually(SOON, "sent", || {
        (end.try_send(&frame).frames == 1).then_some(())
    });
}

#[test]
fn a_frame_longer_than_any_is_not_delivered_cut() {
    let cable = Cable::new();
    let mut end = cable.uplink(None, vec![FilterInstruction::ret(100)]);
    let peer = cable.peer(None);
    let short = frames::unique(MacAddr::BROADCAST, station(LAN));
    let long = frames::frame(
        MacAddr::BROADCAST,
        station(LAN),
        frames::TEST_TYPE,
        &[1; 500],
    );
    peer.send_plain(&[long, short.clone()]);
    assert_eq!(bare(&end.expect(1)), [short]);
    assert_eq!(end.uplink.counts().truncated, 1);
}
