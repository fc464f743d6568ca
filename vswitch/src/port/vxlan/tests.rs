//! Two underlays on loopback, each with one network: what goes into one tunnel port comes out of
//! the other.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, Ordering};

use vswitch_wire::{Head, SegmentPlan, VNET_LEN, VnetHdr, complete_checksum};
use vxlan::{InnerVlan, Reserved};

use super::*;
use crate::port::{Batch, Drained, SendReport};
use crate::sys::udp::{self, Outgoing, SocketOption};
use crate::testing::{Shape, frame, mac, tagged};

const PORT: u16 = 4789;
const HERE: PortId = PortId::new(5);

fn vni() -> Vni {
    "42".parse().unwrap()
}

fn options(local: IpAddr) -> TunnelOptions {
    TunnelOptions {
        segment: SegmentConfig {
            inner_vlan: InnerVlan::Keep,
            ..SegmentConfig::new(local)
        },
        suppress: false,
        gateway: Gateway {
            mac: mac(99),
            v4: Some([198, 18, 0, 254].into()),
            v6: None,
        },
    }
}

/// A host with one network.
struct Host {
    underlay: Underlay,
    halves: Vec<Box<dyn PortRx>>,
    port: Port,
}

impl Host {
    fn open(options: TunnelOptions) -> Self {
        let (underlay, halves) = Underlay::open(options.segment.local, PORT, 2).unwrap();
        let port = underlay.connect(vni(), options).unwrap();
        underlay.deliver(vni(), HERE);
        Self {
            underlay,
            halves,
            port,
        }
    }

    fn send(&self, frames: &[Vec<u8>]) -> SendReport {
        let mut report = SendReport::default();
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        self.port.tx.send(&frames, &mut report);
        assert_eq!(report.accounted(), frames.len() as u64);
        report
    }

    /// All that has come, and what was refused for the port.
    fn receive_all(&mut self) -> (Vec<Vec<u8>>, Vec<(Refusal, u64)>) {
        let (mut frames, mut refused) = (Vec::new(), Vec::new());
        for half in &mut self.halves {
            let mut batch = Batch::new();
            loop {
                batch.clear();
                let drained = half.recv(&mut batch).unwrap();
                for index in 0..batch.len() {
                    assert_eq!(batch.port(index), HERE);
                    frames.push(batch.get(index).to_vec());
                }
                refused.extend(batch.refused().iter().map(|r| (r.reason, r.frames)));
                if drained == Drained::Yes {
                    break;
                }
            }
        }
        (frames, refused)
    }

    fn receive(&mut self) -> Vec<Vec<u8>> {
        let (frames, refused) = self.receive_all();
        assert_eq!(refused, []);
        frames
    }

    /// What the tunnel itself said.
    fn hear(&mut self) -> Vec<Vec<u8>> {
        let mut batch = Batch::new();
        self.port.rx.recv(&mut batch).unwrap();
        (0..batch.len())
            .map(|index| batch.get(index).to_vec())
            .collect()
    }
}

/// Loopback addresses that no other test has.
fn addresses() -> (IpAddr, IpAddr) {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    ([127, 7, number, 1].into(), [127, 7, number, 2].into())
}

/// Two hosts that are each other's peers.
fn pair_with(change: impl Fn(&mut TunnelOptions)) -> (Host, Host) {
    let (here, there) = addresses();
    let open = |local, peer| {
        let mut options = options(local);
        change(&mut options);
        let host = Host::open(options);
        host.underlay.add_peer(vni(), peer).unwrap();
        host
    };
    (open(here, there), open(there, here))
}

fn pair() -> (Host, Host) {
    pair_with(|_| {})
}

/// The ordinary frames that a frame stands for, with nothing left to do.
fn cut(bytes: &[u8]) -> Vec<Vec<u8>> {
    let vnet = VnetHdr::parse(bytes.first_chunk().unwrap());
    let ethernet = &bytes[VNET_LEN..];
    let head = Head::parse(ethernet).unwrap();
    let plain = |frame: Vec<u8>| [&[0; VNET_LEN][..], &frame].concat();
    if let Ok(plan) = SegmentPlan::new(ethernet, &vnet, &head) {
        let segment = |index| {
            let mut out = vec![0; plan.segment_len(index)];
            plan.write(index, &mut out);
            plain(out)
        };
        return (0..plan.count()).map(segment).collect();
    }
    let mut frame = ethernet.to_vec();
    if vnet.needs_csum() {
        complete_checksum(&mut frame, &vnet).unwrap();
    }
    vec![plain(frame)]
}

fn every_shape_arrives(host: &Host, peer: &mut Host, together: bool) {
    for (gso_size, payload) in [(Some(1400), 60_000), (Some(1000), 9_000), (None, 1_001)] {
        for shape in Shape::all(gso_size, payload) {
            let sent = shape.build(mac(9), mac(1));
            assert_eq!(host.send(std::slice::from_ref(&sent)).frames, 1);
            let got = peer.receive();
            let pieces: Vec<_> = got.iter().flat_map(|frame| cut(frame)).collect();
            let mut whole = Vec::new();
            for (index, piece) in pieces.iter().enumerate() {
                whole.extend(shape.verify(piece, index, index + 1 == pieces.len()));
            }
            assert!(whole == shape.bytes_of_payload(), "{shape:?}");
            if together && gso_size.is_some() && shape.tcp && !shape.cwr && !shape.options {
                assert!(got.len() <= 4, "{} frames of {shape:?}", got.len());
            }
        }
    }
}

#[test]
fn frames_and_superframes_of_every_shape_arrive_whole() {
    let (here, mut there) = pair();
    every_shape_arrives(&here, &mut there, true);
    assert!(here.underlay.stats().segmentation);
}

#[test]
fn without_udp_segment_they_arrive_one_by_one() {
    let (here, mut there) = pair();
    here.underlay
        .shared
        .segmentation
        .store(false, Ordering::Relaxed);
    every_shape_arrives(&here, &mut there, false);
}

#[test]
fn a_kernel_that_does_not_cut_is_found_out_and_nothing_is_lost() {
    let (here, mut there) = pair();
    for source in &here.underlay.shared.sources {
        udp::set_socket_option(source.as_fd(), SocketOption::NoCheck, 1).unwrap();
    }
    assert!(here.underlay.stats().segmentation);
    every_shape_arrives(&here, &mut there, false);
    assert!(!here.underlay.stats().segmentation);
}

#[test]
fn over_ipv6() {
    let (local, stranger) = ("::1".parse().unwrap(), "2001:2::1".parse().unwrap());
    let mut host = Host::open(options(local));
    host.underlay.add_peer(vni(), stranger).unwrap();
    assert_eq!(overhead(local), 70);
    // There is one IPv6 address on loopback, so the peer is played by a socket of the same host.
    let message = datagram(&frame(mac(9), mac(1))[VNET_LEN..], 42);
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.send_to(&message, (local, PORT)).unwrap();
    let (frames, refused) = host.receive_all();
    assert!(frames.is_empty());
    assert_eq!(refused, [(Refusal::UnlistedPeer, 1)]);
}

/// A VXLAN datagram around a frame.
fn datagram(frame: &[u8], vni: u8) -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 0, vni, 0], frame].concat()
}

#[test]
fn frames_of_a_flow_keep_their_order_and_leave_together() {
    let (here, mut there) = pair();
    for length in [46, 1000] {
        let frames: Vec<_> = (0..64u8)
            .map(|number| {
                let mut bytes = tagged(mac(9), mac(1), &[], length);
                bytes.push(number);
                bytes
            })
            .collect();
        assert_eq!(here.send(&frames).frames, 64);
        assert_eq!(there.receive(), frames);
    }
    let peer = here.underlay.peers(vni())[0];
    assert_eq!(peer.tx.frames, 128);
    assert_eq!(peer.tx.bytes, 64 * (61 + 1015));
    let peer = there.underlay.peers(vni())[0];
    assert_eq!((peer.rx.frames, peer.heard), (128, Some(0)));
    assert_eq!(peer.rx.bytes, 64 * (61 + 1015));
    assert!(peer.path_mtu >= Some(16_384));
}

#[test]
fn more_datagrams_in_one_message_than_a_batch_holds() {
    let (here, mut there) = pair();
    let frame = frame(mac(9), mac(1));
    let bytes = datagram(&frame[VNET_LEN..], 42);
    // Linux 6.9 and later send 128 together.
    let pieces: Vec<_> = (0..128).map(|_| IoSlice::new(&bytes)).collect();
    let message = Outgoing {
        to: SocketAddr::new(there.underlay.local(), PORT),
        pieces: &pieces,
        segment: u16::try_from(bytes.len()).ok(),
        tos: 0,
        ttl: 64,
    };
    let (sent, outcome) = udp::send_batch(here.underlay.shared.sources[0].as_fd(), &[message]);
    if outcome.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL)) {
        // An older kernel: nothing can come that does not fit.
        assert_eq!(sent, 0);
        return;
    }
    assert_eq!(there.receive().len(), 128);
}

#[test]
fn a_station_behind_a_peer_gets_its_frames_alone() {
    let (a, b) = addresses();
    let c: IpAddr = match a {
        IpAddr::V4(ip) => [127, 7, ip.octets()[2], 3].into(),
        IpAddr::V6(_) => unreachable!(),
    };
    let mut hosts: Vec<_> = [a, b, c].map(|ip| Host::open(options(ip))).into();
    for (host, ip) in hosts.iter().zip([a, b, c]) {
        for peer in [a, b, c].into_iter().filter(|peer| *peer != ip) {
            host.underlay.add_peer(vni(), peer).unwrap();
        }
    }
    let to_all = frame(mac(9), mac(1));
    hosts[0].send(std::slice::from_ref(&to_all));
    assert_eq!(
        hosts[1].receive(),
        std::slice::from_ref(&to_all),
        "unknown: to all peers"
    );
    assert_eq!(hosts[2].receive(), [to_all]);
    assert_eq!(hosts[1].underlay.remote(vni(), mac(1)), Some(a));
    let answer = frame(mac(1), mac(9));
    hosts[1].send(std::slice::from_ref(&answer));
    assert_eq!(hosts[0].receive(), [answer]);
    assert_eq!(hosts[2].receive(), [] as [Vec<u8>; 0]);
    // It moves to the third host.
    let moved = frame(mac(9), mac(1));
    hosts[2].send(&[moved]);
    hosts[1].receive();
    assert_eq!(hosts[1].underlay.remote(vni(), mac(1)), Some(c));
    // A peer that is removed is forgotten, with all that was behind it.
    assert_eq!(hosts[1].underlay.remove_peer(vni(), c), Ok(1));
    assert_eq!(hosts[1].underlay.remotes(vni()), []);
    hosts[2].send(&[frame(mac(9), mac(1))]);
    let (frames, refused) = hosts[1].receive_all();
    assert!(frames.is_empty());
    assert_eq!(refused, [(Refusal::UnlistedPeer, 1)]);
}

#[test]
fn without_peers_there_is_nobody_and_without_a_network_no_vni() {
    let (here, _) = addresses();
    let mut host = Host::open(options(here));
    assert_eq!(host.send(&[frame(mac(9), mac(1))]).nobody, 1);
    let stranger = UdpSocket::bind((here, 0)).unwrap();
    let inner = frame(mac(9), mac(1)).split_off(VNET_LEN);
    for (message, expected) in [
        (datagram(&inner, 43), Refusal::UnknownVni),
        (vec![8; 7], Refusal::ShortHeader),
        (Vec::new(), Refusal::ShortHeader),
        (vec![0; 60], Refusal::NoVni),
    ] {
        stranger.send_to(&message, (here, PORT)).unwrap();
        assert_eq!(host.receive(), [] as [Vec<u8>; 0]);
        let counted = host.underlay.stats().refused;
        assert!(counted.iter().any(|(reason, _)| *reason == expected));
    }
    let counted = host.underlay.stats().refused;
    assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 4);
    host.underlay.disconnect(vni());
    assert!(host.underlay.is_idle());
    assert_eq!(host.send(&[frame(mac(9), mac(1))]).nobody, 1);
}

#[test]
fn a_strict_network_refuses_what_another_ignores() {
    for (reserved, expected) in [(Reserved::Ignore, 1), (Reserved::Strict, 0)] {
        let (here, mut there) = pair_with(|options| options.segment.reserved = reserved);
        let mut message = datagram(&frame(mac(9), mac(1))[VNET_LEN..], 42);
        message[1] = 1;
        let socket = &here.underlay.shared.sources[0];
        let to = SocketAddr::new(there.underlay.local(), PORT);
        socket.send_to(&message, to).unwrap();
        let (frames, refused) = there.receive_all();
        assert_eq!(frames.len(), expected);
        let strict = (expected == 0).then_some((Refusal::ReservedBits, 1));
        assert_eq!(refused, Vec::from_iter(strict));
    }
}

#[test]
fn congestion_on_the_way_is_told_to_the_inner_packet() {
    let (here, mut there) = pair();
    let shape = Shape {
        gso_size: None,
        payload: 100,
        ..Shape::TCP4
    };
    let inner = cut(&shape.build(mac(9), mac(1)))[0].split_off(VNET_LEN);
    let message = datagram(&inner, 42);
    let outgoing = Outgoing {
        to: SocketAddr::new(there.underlay.local(), PORT),
        pieces: &[IoSlice::new(&message)],
        segment: None,
        tos: 3,
        ttl: 64,
    };
    let (_, outcome) = udp::send_batch(here.underlay.shared.sources[0].as_fd(), &[outgoing]);
    outcome.unwrap();
    let got = there.receive();
    // The shape's packets are ECT(0).
    assert_eq!((inner[15] & 3, got[0][VNET_LEN + 15] & 3), (2, 3));
    shape.verify(&cut(&got[0])[0], 0, true);
}

/// A broadcast question for 198.18.0.`target` from station and address `asker`.
fn question(asker: u8, target: u8) -> Vec<u8> {
    let mut bytes = vec![0; VNET_LEN];
    bytes.extend([0xff; 6]);
    bytes.extend(mac(asker).octets());
    bytes.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    bytes.extend(mac(asker).octets());
    bytes.extend([198, 18, 0, asker, 0, 0, 0, 0, 0, 0, 198, 18, 0, target]);
    bytes
}

#[test]
fn a_question_whose_answer_is_known_goes_no_further() {
    let (mut here, mut there) = pair_with(|options| options.suppress = true);
    // What the far station asks tells the near host who it is.
    assert_eq!(there.send(&[question(9, 1)]).frames, 1);
    assert_eq!(here.receive().len(), 1);
    let report = here.send(&[question(1, 9), question(1, 8)]);
    assert_eq!((report.answered, report.frames), (1, 1));
    assert_eq!(there.receive(), [question(1, 8)], "what is not known");
    let said = here.hear();
    let [answer] = &said[..] else {
        panic!("{} answers", said.len())
    };
    let answer = &answer[VNET_LEN..];
    assert_eq!(answer[..6], mac(1).octets());
    assert_eq!(
        answer[6..12],
        mac(9).octets(),
        "in the name of the one asked"
    );
    assert_eq!(answer[20..22], [0, 2], "a reply");
    // A station of this host is known as well, and answers itself.
    assert_eq!(here.send(&[question(2, 7)]).frames, 1);
    assert_eq!(here.send(&[question(1, 2)]).frames, 1);
    assert!(here.hear().is_empty());
    // With its peer the answer goes.
    let peer = there.underlay.local();
    here.underlay.remove_peer(vni(), peer).unwrap();
    here.underlay.add_peer(vni(), peer).unwrap();
    assert_eq!(here.send(&[question(1, 9)]).frames, 1);
}

#[test]
fn an_underlay_wants_its_port_for_itself_and_an_address_of_this_host() {
    let (here, _) = addresses();
    let (first, _halves) = Underlay::open(here, PORT, 2).unwrap();
    let error = Underlay::open(here, PORT, 2).unwrap_err().to_string();
    assert!(
        error.contains("in use") && error.contains("-o dstport="),
        "{error}"
    );
    assert_eq!((first.local(), first.port()), (here, PORT));
    let error = Underlay::open([198, 19, 255, 1].into(), PORT, 1).unwrap_err();
    assert!(
        error.to_string().contains("no address of this host"),
        "{error}"
    );
    drop((first, _halves));
    Underlay::open(here, PORT, 1).unwrap();
}

#[test]
fn sources_are_many_and_in_the_dynamic_range() {
    let (here, _) = addresses();
    let (underlay, _halves) = Underlay::open(here, PORT, 1).unwrap();
    let ports: std::collections::BTreeSet<_> = (underlay.shared.sources.iter())
        .map(|socket| socket.local_addr().unwrap().port())
        .collect();
    assert_eq!(ports.len(), SOURCES);
    assert!(ports.first() >= Some(&49152));
}

#[test]
fn the_kernel_says_where_datagrams_leave_from_and_how_long_they_may_be() {
    let (here, there) = addresses();
    assert_eq!(
        Underlay::source_for(there).unwrap(),
        IpAddr::from([127, 0, 0, 1])
    );
    assert!(Underlay::path_mtu(here, there, PORT).unwrap() >= 16_384);
}

#[test]
fn a_superframe_of_the_longest_kind_fits_one_datagram() {
    for mtu in [1280u16, 1430, 1450, 8950] {
        // tcp_tso_autosize: whole segments of what the device takes but for MAX_TCP_HEADER.
        for headers in [52, 72] {
            let payload = u32::from(mtu) - headers;
            let segments = (longest_superframe(mtu) - 321) / payload;
            let datagrams = segments as usize * (usize::from(mtu) + 22);
            assert!(segments <= 64 && datagrams <= udp::MAX_DATAGRAM, "{mtu}");
            let one_more = (segments + 2) as usize * (usize::from(mtu) + 22);
            assert!(
                segments >= 63 || one_more > udp::MAX_DATAGRAM,
                "{mtu}: {segments}"
            );
        }
    }
}
