//! Datagrams that mean harm, as many as it takes, to a tunnel's port.
//!
//! The kernel's own queue is no part of what is tested: were it to overflow, datagrams would be gone before
//! the switch has seen them. So the sender waits after every burst until the receivers' queues are empty,
//! which it reads in `/proc/net/udp` inside the receiver's namespace.

use crate::{Must, Sandbox, deadline::SOON, pattern::Pattern};
use std::{
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    thread,
    time::Instant,
};

/// Datagrams of a burst. They find room in the default receive buffer, in which one takes more than a KiB,
/// and of which the kernel may hold a quarter back.
const BURST: u64 = 64;

/// A VXLAN header (RFC 7348 section 5) and what stands behind it.
#[must_use]
pub fn vxlan(vni: u32, inner: &[u8]) -> Vec<u8> {
    vxlan_with(0x08, vni, inner)
}

/// The same with these flags.
#[must_use]
pub fn vxlan_with(flags: u8, vni: u32, inner: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = vni.to_be_bytes();
    [&[flags, 0, 0, 0, a, b, c, 0], inner].concat()
}

/// A datagram of up to `longest` bytes without any meaning.
#[must_use]
pub fn noise(dice: &mut Pattern, longest: u64) -> Vec<u8> {
    let length = usize::try_from(dice.below(longest + 1)).unwrap_or(0);
    let mut bytes = vec![0; length];
    dice.fill(&mut bytes);
    bytes
}

/// The queues of a port's sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Queues {
    /// Bytes that wait.
    waiting: u64,
    /// Datagrams that found no room, so far.
    overflowed: u64,
    /// Sockets.
    sockets: usize,
}

/// Reads the queues of the calling thread's namespace.
fn queues(port: u16) -> Queues {
    let mut all = Queues::default();
    for table in ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"] {
        let text = fs::read_to_string(table).must(table);
        for fields in text.lines().skip(1).map(|line| line.split_whitespace()) {
            let fields: Vec<&str> = fields.collect();
            if let [_, local, _, _, queued, .., overflowed] = fields[..]
                && local.ends_with(&format!(":{port:04X}"))
                && let Some((_, waiting)) = queued.split_once(':')
            {
                all.waiting += u64::from_str_radix(waiting, 16).must(queued);
                all.overflowed += overflowed.parse::<u64>().must(overflowed);
                all.sockets += 1;
            }
        }
    }
    all
}

/// Sends `count` datagrams from `address` of one site to the tunnel's port of another, each as `make` gives
/// it by its number; all of them have been received when it returns.
///
/// # Panics
/// When one cannot be sent, or finds no room in the kernel, or is not received.
#[track_caller]
pub fn flood(
    (from, address): (&Sandbox, IpAddr),
    (to, target): (&Sandbox, SocketAddr),
    count: u64,
    mut make: impl FnMut(u64) -> Vec<u8> + Send,
) {
    let socket = from.run(|| UdpSocket::bind(SocketAddr::new(address, 0)));
    let socket = socket.must("a socket");
    socket.connect(target).must("a route");
    to.run(|| {
        let before = queues(target.port());
        assert!(before.sockets > 0, "nobody listens at {target}");
        for number in 0..count {
            socket.send(&make(number)).must("send");
            if (number + 1) % BURST == 0 || number + 1 == count {
                drain(target.port());
            }
        }
        let after = queues(target.port());
        assert_eq!(after.overflowed, before.overflowed, "the kernel's queue");
    });
}

/// Waits until nothing waits. It asks without a pause, because it is asked ten thousand times.
fn drain(port: u16) {
    let end = Instant::now() + SOON;
    while queues(port).waiting > 0 {
        assert!(Instant::now() < end, "datagrams are not received");
        thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_the_rfc_draws() {
        assert_eq!(vxlan(42, b"x"), [8, 0, 0, 0, 0, 0, 42, 0, b'x']);
        assert_eq!(vxlan_with(0, 0x01_0203, &[]), [0, 0, 0, 0, 1, 2, 3, 0]);
    }

    #[test]
    fn what_waits_at_a_port_is_seen() {
        let server = UdpSocket::bind("127.0.0.1:0").must("a socket");
        let address = server.local_addr().must("its address");
        assert_eq!(
            (
                queues(address.port()).waiting,
                queues(address.port()).sockets
            ),
            (0, 1)
        );
        let client = UdpSocket::bind("127.0.0.1:0").must("a socket");
        client.send_to(b"something", address).must("send");
        assert!(queues(address.port()).waiting > 0);
        server.recv(&mut [0; 100]).must("receive");
        drain(address.port());
    }
}
