//! A kernel with limits of its own in place of the socket.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use vswitch_wire::{MacAddr, VlanId};

use super::*;
use crate::sys::packet::Interface;
use crate::testing::{Shape, frame, mac, tagged};

/// Takes what a rule does not refuse.
#[derive(Debug)]
struct Kernel {
    header_len: usize,
    /// What it answers to a frame, by its kind and length.
    rule: fn(Kind, usize) -> Option<i32>,
    /// The same once, whatever comes.
    once: Mutex<Option<i32>>,
    up: AtomicBool,
    gone: AtomicBool,
    mtu: u32,
    taken: Mutex<Vec<Vec<u8>>>,
    calls: AtomicUsize,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            header_len: VNET_LEN,
            rule: |_, _| None,
            once: Mutex::default(),
            up: AtomicBool::new(true),
            gone: AtomicBool::new(false),
            mtu: 1500,
            taken: Mutex::default(),
            calls: AtomicUsize::new(0),
        }
    }
}

impl Line for Kernel {
    fn header_len(&self) -> usize {
        self.header_len
    }

    fn interface(&self) -> io::Result<Interface> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        let up = self.up.load(Ordering::Relaxed);
        Ok(Interface {
            index: 2,
            name: "eth0".to_owned(),
            mac: Some([2; 6]),
            mtu: self.mtu,
            up,
            running: up,
            loopback: false,
        })
    }

    fn send(&self, frames: &[Gathered<'_>]) -> (usize, io::Result<()>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        for (index, frame) in frames.iter().enumerate() {
            let mut bytes = frame.concat();
            let mut header = bytes[..self.header_len].to_vec();
            header.resize(VNET_LEN, 0);
            bytes.splice(..self.header_len, header);
            let kind = Kind::of(&VnetHdr::parse(bytes.first_chunk().unwrap())).unwrap();
            let refusal = (self.once.lock().unwrap().take())
                .or_else(|| (self.rule)(kind, bytes.len() - VNET_LEN));
            if let Some(errno) = refusal {
                return (index, Err(io::Error::from_raw_os_error(errno)));
            }
            self.taken.lock().unwrap().push(bytes);
        }
        (frames.len(), Ok(()))
    }
}

fn uplink(kernel: Kernel, vlan: Option<u16>) -> UplinkTx<Kernel> {
    let interface = kernel.interface().unwrap();
    let vlan = vlan.map(|vid| VlanId::new(vid).unwrap());
    UplinkTx::new(Arc::new(Shared::new(kernel, vlan, &interface)))
}

/// Sends, and checks that every frame is accounted for.
fn send(uplink: &UplinkTx<Kernel>, frames: &[Vec<u8>]) -> SendReport {
    let slices: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let mut report = SendReport::default();
    uplink.send(&slices, &mut report);
    assert_eq!(report.accounted(), frames.len() as u64);
    report
}

fn taken(uplink: &UplinkTx<Kernel>) -> Vec<Vec<u8>> {
    std::mem::take(&mut *uplink.shared.socket.taken.lock().unwrap())
}

/// Frames of different lengths, each within the MTU.
fn many(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|index| tagged(mac(1), mac(2), &[], 46 + index))
        .collect()
}

#[test]
fn frames_leave_as_they_are_and_in_order() {
    for (count, calls) in [(1, 1), (4, 1), (5, 1), (32, 1), (33, 2), (128, 4)] {
        for header_len in [10, 12] {
            let kernel = Kernel {
                header_len,
                ..Kernel::default()
            };
            let uplink = uplink(kernel, None);
            let mut frames = many(count);
            frames[0] = Shape::TCP4.build(mac(1), mac(2));
            let report = send(&uplink, &frames);
            let bytes: usize = frames.iter().map(|frame| frame.len() - VNET_LEN).sum();
            assert_eq!(report.frames, count as u64);
            assert_eq!(report.bytes, bytes as u64);
            assert_eq!(taken(&uplink), frames);
            assert_eq!(uplink.shared.socket.calls.load(Ordering::Relaxed), calls);
            assert_eq!(uplink.shared.counts.read().sent, count as u64);
        }
    }
}

/// Refuses a frame in five.
fn fifth(length: usize, errno: i32) -> Option<i32> {
    length.is_multiple_of(5).then_some(errno)
}

#[test]
fn an_error_is_about_one_frame_and_the_others_leave() {
    for (errno, field) in [
        (libc::EMSGSIZE, 0),
        (libc::ENOBUFS, 1),
        (libc::EPERM, 2),
        (libc::EINVAL, 2),
    ] {
        let rule: fn(Kind, usize) -> Option<i32> = match errno {
            libc::EMSGSIZE => |_, length| fifth(length, libc::EMSGSIZE),
            libc::ENOBUFS => |_, length| fifth(length, libc::ENOBUFS),
            libc::EPERM => |_, length| fifth(length, libc::EPERM),
            _ => |_, length| fifth(length, libc::EINVAL),
        };
        let kernel = Kernel {
            rule,
            ..Kernel::default()
        };
        let uplink = uplink(kernel, None);
        let frames = many(100);
        let report = send(&uplink, &frames);
        let fields = [report.too_long, report.full, report.refused];
        assert_eq!(report.frames, 80, "errno {errno}");
        assert_eq!(fields[field], 20, "errno {errno}");
        assert_eq!(uplink.shared.counts.read().sent, 80);
        let wanted =
            (frames.into_iter()).filter(|frame| fifth(frame.len() - VNET_LEN, 0).is_none());
        assert_eq!(taken(&uplink), wanted.collect::<Vec<_>>());
    }
}

#[test]
fn a_full_buffer_ends_the_call() {
    let kernel = Kernel {
        rule: |_, length| (length > 60 + 20).then_some(libc::EAGAIN),
        ..Kernel::default()
    };
    let uplink = uplink(kernel, None);
    let report = send(&uplink, &many(32));
    assert_eq!((report.frames, report.full), (21, 11));
    assert_eq!(uplink.shared.socket.calls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_report_of_a_moment_that_has_passed_costs_nothing() {
    let uplink = uplink(Kernel::default(), None);
    *uplink.shared.socket.once.lock().unwrap() = Some(libc::ENETDOWN);
    assert_eq!(send(&uplink, &many(10)).frames, 10);
    let stubborn = self::uplink(
        Kernel {
            rule: |_, _| Some(libc::ENETDOWN),
            ..Kernel::default()
        },
        None,
    );
    assert_eq!(send(&stubborn, &many(10)).down, 10);
}

#[test]
fn a_link_that_is_down_takes_nothing_until_it_is_up_again() {
    let uplink = uplink(Kernel::default(), None);
    let up = &uplink.shared.socket.up;
    up.store(false, Ordering::Relaxed);
    assert_eq!(uplink.link(), Some(PortState::Down));
    assert_eq!(send(&uplink, &many(3)).down, 3);
    assert_eq!(taken(&uplink), [] as [Vec<u8>; 0]);
    up.store(true, Ordering::Relaxed);
    // At once: nobody has to ask first.
    assert_eq!(send(&uplink, &many(3)).frames, 3);
    assert_eq!(uplink.link(), Some(PortState::Up));
}

#[test]
fn a_parent_that_goes_away_under_a_batch() {
    let uplink = uplink(
        Kernel {
            rule: |_, length| (length > 64).then_some(libc::ENXIO),
            ..Kernel::default()
        },
        None,
    );
    uplink.shared.socket.gone.store(true, Ordering::Relaxed);
    let report = send(&uplink, &many(10));
    assert_eq!((report.frames, report.gone), (5, 5));
    assert_eq!(send(&uplink, &many(2)).gone, 2);
    assert_eq!(uplink.link(), Some(PortState::Gone));
}

/// What must be done by hand for a kernel with such a rule is done, and right.
fn by_hand(rule: fn(Kind, usize) -> Option<i32>, shapes: &[Shape], vlan: Option<u16>) {
    for shape in shapes {
        let kernel = Kernel {
            rule,
            ..Kernel::default()
        };
        let uplink = uplink(kernel, vlan);
        let sent = shape.build(mac(1), mac(2));
        let plain = frame(mac(1), mac(3));
        let report = send(&uplink, &[plain.clone(), sent.clone(), plain.clone()]);
        assert_eq!(report.frames, 3, "{shape:?}");
        let bytes = sent.len() + 2 * plain.len() - 3 * VNET_LEN;
        assert_eq!(report.bytes, bytes as u64);
        let mut parts = taken(&uplink);
        for part in &mut parts {
            if let Some(vid) = vlan {
                let tag: Vec<u8> = part.drain(VNET_LEN + 12..VNET_LEN + 16).collect();
                assert_eq!(tag, [&[0x81, 0][..], &vid.to_be_bytes()].concat());
            }
        }
        assert_eq!(parts.remove(0), plain);
        assert_eq!(parts.pop(), Some(plain));
        let mut payload = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            payload.extend(shape.verify(part, index, index + 1 == parts.len()));
        }
        assert_eq!(payload, shape.bytes_of_payload());
    }
}

#[test]
fn superframes_that_the_kernel_does_not_know_are_cut() {
    let rule = |kind: Kind, _| kind.is_super().then_some(libc::EINVAL);
    by_hand(rule, &Shape::all(Some(1000), 40_000), None);
    let untagged: Vec<Shape> = Shape::all(Some(1400), 5_000)
        .into_iter()
        .filter(|shape| shape.tags == 0)
        .collect();
    by_hand(rule, &untagged, Some(42));
}

#[test]
fn checksums_that_the_kernel_does_not_complete_are_completed() {
    let rule = |kind: Kind, _| (kind != Kind::Plain).then_some(libc::EINVAL);
    by_hand(rule, &Shape::all(None, 1_001), None);
    by_hand(rule, &Shape::all(Some(500), 1_001), None);
}

#[test]
fn a_kind_that_is_refused_is_not_tried_again_and_others_are() {
    let kernel = Kernel {
        rule: |kind, _| (kind == Kind::Udp).then_some(libc::EINVAL),
        ..Kernel::default()
    };
    let uplink = uplink(kernel, None);
    let udp = Shape {
        tcp: false,
        ..Shape::TCP4
    };
    let (udp, tcp) = (udp.build(mac(1), mac(2)), Shape::TCP4.build(mac(1), mac(2)));
    for _ in 0..2 {
        let report = send(&uplink, &[udp.clone(), tcp.clone()]);
        assert_eq!(report.frames, 2);
        let taken = taken(&uplink);
        assert_eq!(taken.len(), 10 + 1);
        assert_eq!(taken[10], tcp);
    }
    assert_eq!(
        uplink.shared.refused.load(Ordering::Relaxed),
        Kind::Udp.bit()
    );
    assert_eq!(
        uplink.shared.proven.load(Ordering::Relaxed),
        Kind::TcpV4.bit()
    );
    // First: refused, cut, the other. Then: cut, the other.
    assert_eq!(uplink.shared.socket.calls.load(Ordering::Relaxed), 5);
}

#[test]
fn one_bad_frame_does_not_condemn_its_kind() {
    let uplink = uplink(Kernel::default(), None);
    let tcp = Shape::TCP4.build(mac(1), mac(2));
    assert_eq!(send(&uplink, std::slice::from_ref(&tcp)).frames, 1);
    *uplink.shared.socket.once.lock().unwrap() = Some(libc::EINVAL);
    assert_eq!(send(&uplink, std::slice::from_ref(&tcp)).frames, 1);
    assert_eq!(uplink.shared.refused.load(Ordering::Relaxed), 0);
    taken(&uplink);
    // Nor does one that is bad in itself.
    let fresh = self::uplink(Kernel::default(), None);
    let mut bad = tcp.clone();
    bad.truncate(200);
    *fresh.shared.socket.once.lock().unwrap() = Some(libc::EINVAL);
    assert_eq!(send(&fresh, &[bad]).refused, 1);
    assert_eq!(fresh.shared.refused.load(Ordering::Relaxed), 0);
}

#[test]
fn segments_are_held_to_the_mtu_with_all_their_headers() {
    for shape in Shape::all(Some(1000), 9_500) {
        let exact = u32::try_from(shape.headers() - shape.l3() + 1000).unwrap();
        for (mtu, frames) in [(exact, 1), (exact - 1, 0)] {
            let kernel = Kernel {
                mtu,
                ..Kernel::default()
            };
            let uplink = uplink(kernel, None);
            let report = send(&uplink, &[shape.build(mac(1), mac(2))]);
            assert_eq!(report.frames, frames, "{shape:?} with an MTU of {mtu}");
            assert_eq!(report.too_long, 1 - frames);
        }
        // One that is no longer than a segment may be.
        let short = Shape {
            payload: 10,
            ..shape
        };
        let kernel = Kernel {
            mtu: 600,
            ..Kernel::default()
        };
        let report = send(&uplink(kernel, None), &[short.build(mac(1), mac(2))]);
        assert_eq!(report.frames, 1, "{short:?}");
    }
}

#[test]
fn frames_that_are_none_are_refused() {
    let uplink = uplink(Kernel::default(), None);
    let mut unknown = frame(mac(1), mac(2));
    unknown[1] = 7;
    let report = send(
        &uplink,
        &[vec![0; 5], vec![0; 25], unknown, frame(mac(1), mac(2))],
    );
    assert_eq!((report.refused, report.frames), (3, 1));
    let tagged = self::uplink(Kernel::default(), Some(5));
    assert_eq!(send(&tagged, &[vec![0; 25], vec![0; 26]]).frames, 1);
}

#[test]
fn what_should_have_an_answer_is_counted_until_something_is_heard() {
    let uplink = uplink(Kernel::default(), None);
    let asked = |frames: &[Vec<u8>]| {
        send(&uplink, frames);
        uplink.shared.counts.read().asked
    };
    let question = |sender: [u8; 4], target: [u8; 4]| {
        let mut bytes = frame(MacAddr::BROADCAST, mac(1));
        bytes[VNET_LEN + 12..][..10].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        let message = [&mac(1).octets()[..], &sender, &[0; 6], &target].concat();
        bytes[VNET_LEN + 22..][..20].copy_from_slice(&message);
        bytes
    };
    let (own, other) = ([198, 18, 0, 1], [198, 18, 0, 2]);
    let to_all = [frame(MacAddr::BROADCAST, mac(1)), question(own, own)];
    assert_eq!(asked(&to_all), 0);
    assert_eq!(asked(&[frame(mac(2), mac(1)), question(own, other)]), 2);
    uplink.shared.counts.heard.store(1, Ordering::Relaxed);
    assert_eq!(asked(&[frame(mac(2), mac(1))]), 2);
}
