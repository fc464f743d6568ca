//! Ping: echo requests by raw sockets, answered by the kernels of the other sandboxes.
//!
//! One socket asks many targets at once, which is what makes all pairs of many sandboxes quick. Each
//! request is sent once: on a wire without loss each is answered.

use crate::{Must, Sandbox, deadline::uninterrupted};
use pnet::util::checksum;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    collections::BTreeMap,
    io::Read,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// Time for all answers to one batch.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pings every target once; those that did not answer.
///
/// # Panics
/// When the targets are of both families or a socket is refused.
#[track_caller]
#[must_use]
pub fn silent(from: &Sandbox, targets: &[IpAddr]) -> Vec<IpAddr> {
    let Some(first) = targets.first() else {
        return Vec::new();
    };
    let socket = open(from, *first);
    let id = own_id();
    let mut waiting = BTreeMap::new();
    for (number, target) in (0u16..).zip(targets) {
        assert_eq!(target.is_ipv4(), first.is_ipv4(), "one family at a time");
        let to = SockAddr::from(SocketAddr::new(*target, 0));
        let sent = socket.send_to(&request(*target, id, number), &to);
        sent.must(&format!("ping {target} from {}", from.name));
        waiting.insert(number, *target);
    }
    collect(&socket, id, first.is_ipv4(), waiting)
}

fn collect(
    mut socket: &Socket,
    id: u16,
    v4: bool,
    mut waiting: BTreeMap<u16, IpAddr>,
) -> Vec<IpAddr> {
    let end = Instant::now() + PATIENCE;
    let mut room = [0; 2048];
    while !waiting.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left)).must("a timeout");
        let Ok(length) = uninterrupted(|| socket.read(&mut room)) else {
            break;
        };
        if let Some(number) = answered(&room[..length], v4, id) {
            waiting.remove(&number);
        }
    }
    waiting.into_values().collect()
}

/// A raw socket for the family of `target`.
#[track_caller]
fn open(from: &Sandbox, target: IpAddr) -> Socket {
    let (domain, protocol) = match target {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = from.run(|| Socket::new(domain, Type::RAW, Some(protocol)));
    let socket = socket.must("a raw socket");
    // Answers may all be there before the first is read.
    socket.set_recv_buffer_size(1 << 20).must("receive buffer");
    socket
}

/// No two sockets that live at the same time have the same port of this test's process.
fn own_id() -> u16 {
    u16::try_from(std::process::id() & 0xffff).unwrap_or(1)
}

/// The number of the request that this is the answer to.
fn answered(received: &[u8], v4: bool, id: u16) -> Option<u16> {
    // A raw IPv4 socket shows the IP header, an IPv6 one does not.
    let (skip, expected) = if v4 {
        (usize::from(received.first()? & 0xf) * 4, 0)
    } else {
        (0, 129)
    };
    match received.get(skip..)? {
        [kind, 0, _, _, a, b, c, d, ..]
            if *kind == expected && u16::from_be_bytes([*a, *b]) == id =>
        {
            Some(u16::from_be_bytes([*c, *d]))
        }
        _ => None,
    }
}

/// Pings a target every few milliseconds, for a time when some requests may be lost: how long it took until
/// one was answered; `None` when none was within `limit`.
///
/// # Panics
/// When a socket is refused.
#[track_caller]
#[must_use]
pub fn first_answer(from: &Sandbox, target: IpAddr, limit: Duration) -> Option<Duration> {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut socket = open(from, target);
    socket.set_read_timeout(Some(PAUSE)).must("a timeout");
    let to = SockAddr::from(SocketAddr::new(target, 0));
    let start = Instant::now();
    let mut room = [0; 2048];
    for number in (0..=u16::MAX).cycle() {
        // No route yet, no neighbour: as good as lost.
        let _sent = socket.send_to(&request(target, own_id(), number), &to);
        if let Ok(length) = socket.read(&mut room)
            && answered(&room[..length], target.is_ipv4(), own_id()).is_some()
        {
            break;
        }
        if start.elapsed() > limit {
            return None;
        }
    }
    Some(start.elapsed())
}

/// An echo request (RFC 792; RFC 4443 4.1, whose checksum the kernel fills in).
fn request(target: IpAddr, id: u16, number: u16) -> Vec<u8> {
    let kind = if target.is_ipv4() { 8 } else { 128 };
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend(id.to_be_bytes());
    packet.extend(number.to_be_bytes());
    packet.extend(b"to be echoed");
    if target.is_ipv4() {
        let sum = checksum(&packet, 1);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// Asserts that `from` gets an answer from each target.
///
/// # Panics
/// With those that do not answer.
#[track_caller]
pub fn answers(from: &Sandbox, targets: &[IpAddr]) {
    let silent = silent(from, targets);
    assert!(
        silent.is_empty(),
        "{}: no answer from {silent:?}\n{}{}",
        from.name,
        from.exec(&["ip", "neigh"]).stdout,
        from.exec(&["ip", "-br", "address"]).stdout
    );
}

/// Asserts that every pair pings both ways, in both families.
#[track_caller]
pub fn all_pairs(sandboxes: &[Sandbox]) {
    for from in sandboxes {
        let others = || sandboxes.iter().filter(|other| other.name != from.name);
        answers(from, &others().map(Sandbox::ip4).collect::<Vec<_>>());
        answers(from, &others().map(Sandbox::ip6).collect::<Vec<_>>());
    }
}
