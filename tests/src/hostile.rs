//! Datagrams that mean harm, as many as it takes, to a tunnel's port.
//!
//! The kernel's own queue is no part of what is tested: were it to overflow, datagrams would be gone before
//! the switch has seen them. So the sender waits after every burst until all have been read, as the counters
//! of UDP in the receiver's namespace say. Nothing else may speak UDP there. (That a socket's queue is empty
//! would say too little: what has been sent may still wait for the receiver's network stack.)

use crate::{Must, Sandbox, deadline::SOON, pattern::Pattern};
use std::{
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    thread,
    time::Instant,
};

/// Datagrams of a burst: they find room in any receive buffer.
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

/// What a namespace's UDP has done with datagrams so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Handled {
    /// Read by a process.
    read: u64,
    /// Dropped, for want of room or because nobody listens.
    dropped: u64,
}

/// Reads the counters of the calling thread's namespace, both families together.
fn handled() -> Handled {
    let v4 = fs::read_to_string("/proc/thread-self/net/snmp").must("snmp");
    // Without IPv6 there is none.
    let v6 = fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
    counted(&v4, &v6)
}

fn counted(v4: &str, v6: &str) -> Handled {
    // A line of names, a line of figures.
    let mut udp = v4.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let names = udp.next().unwrap_or_default().split_whitespace();
    let figures = udp.next().unwrap_or_default().split_whitespace();
    let v4 = names.zip(figures);
    // Name and figure in a line.
    let v6 = v6.lines().filter_map(|line| line.strip_prefix("Udp6"));
    let v6 = v6.filter_map(|line| line.split_once(char::is_whitespace));
    let mut all = Handled::default();
    for (name, figure) in v4.chain(v6) {
        let figure = || figure.trim().parse::<u64>().must(figure);
        match name {
            "InDatagrams" => all.read += figure(),
            "InErrors" | "NoPorts" => all.dropped += figure(),
            _ => {}
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
        let before = handled();
        for number in 0..count {
            socket.send(&make(number)).must("send");
            if (number + 1) % BURST == 0 || number + 1 == count {
                wait_read(before, number + 1);
            }
        }
    });
}

/// Waits until so many have been read. It asks without a pause, because it is asked ten thousand times.
#[track_caller]
fn wait_read(before: Handled, count: u64) {
    let end = Instant::now() + SOON;
    loop {
        let now = handled();
        assert_eq!(
            now.dropped, before.dropped,
            "dropped before anybody read it"
        );
        if now.read - before.read >= count {
            return;
        }
        let all = now.read - before.read;
        assert!(Instant::now() < end, "{all} of {count} are read");
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
    fn both_families_are_counted() {
        let v4 = "Tcp: InSegs\nTcp: 99\nUdp: InDatagrams NoPorts InErrors OutDatagrams\nUdp: 7 1 2 9\n\
                  UdpLite: InDatagrams NoPorts\nUdpLite: 50 60\n";
        let v6 = "Ip6InReceives 3\nUdp6InDatagrams  \t4\nUdp6NoPorts 10\nUdpLite6InDatagrams 70\n";
        let of = |read, dropped| Handled { read, dropped };
        assert_eq!(counted(v4, v6), of(11, 13));
        assert_eq!(counted(v4, ""), of(7, 3));
    }
}
