//! Echo requests, and what is refused.

use smoltcp::{
    phy::ChecksumCapabilities,
    socket::{icmp, tcp},
    wire::{Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr},
};

use super::client::Client;
use super::*;

const IDENT: u16 = 0x1234;

/// Sends an echo request and gives back the payload of the answer.
fn ping(
    client: &mut Client,
    socket: smoltcp::iface::SocketHandle,
    to: IpAddr,
    data: &[u8],
) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let (ident, seq_no) = (IDENT, 1);
    let (own, other) = (CLIENT6, to);
    let sender = client.sockets.get_mut::<icmp::Socket<'_>>(socket);
    let room = sender.send(8 + data.len(), to.into()).unwrap();
    match other {
        IpAddr::V4(_) => Icmpv4Repr::EchoRequest {
            ident,
            seq_no,
            data,
        }
        .emit(&mut Icmpv4Packet::new_unchecked(room), &checksums),
        IpAddr::V6(to) => Icmpv6Repr::EchoRequest {
            ident,
            seq_no,
            data,
        }
        .emit(
            &own,
            &to,
            &mut Icmpv6Packet::new_unchecked(room),
            &checksums,
        ),
    }
    client.until(|client| {
        let socket = client.sockets.get_mut::<icmp::Socket<'_>>(socket);
        let (answer, from) = socket.recv().ok()?;
        assert_eq!(IpAddr::from(from), to);
        Some(answer[8..].to_vec())
    })
}

#[test]
fn echo_requests_of_every_size_are_answered() {
    for mtu in [1500, 9000] {
        let site = Site::new(Oracle::default().ask(), mtu);
        let mtu = usize::from(mtu);
        let mut client = Client::on(&site, mtu);
        let socket = client.icmp(icmp::Endpoint::Ident(IDENT));
        for (to, header) in [(IpAddr::from(GATEWAY4), 28), (GATEWAY6.into(), 48)] {
            for size in [0, 56, 1000, mtu - header] {
                let data: Vec<u8> = (0..=250).cycle().take(size).collect();
                assert_eq!(
                    ping(&mut client, socket, to, &data),
                    data,
                    "{size} bytes to {to}"
                );
            }
        }
    }
}

#[test]
fn other_ports_of_tcp_are_reset_and_of_udp_unreachable() {
    let site = Site::silent();
    let mut client = Client::on(&site, 1500);
    let own = client.udp(5000);
    let errors = client.icmp(icmp::Endpoint::Udp(5000.into()));
    for (to, kind) in [(IpAddr::from(GATEWAY4), [3, 3]), (GATEWAY6.into(), [1, 4])] {
        let refused = client.connect(to, 54, 40_000);
        let state = |client: &mut Client| client.tcp(refused).state();
        client.until(|client| (state(client) == tcp::State::Closed).then_some(()));
        client.sockets.remove(refused);
        client.send(own, to, 54, b"anybody?");
        let error = client.until(|client| {
            let socket = client.sockets.get_mut::<icmp::Socket<'_>>(errors);
            socket.recv().ok().map(|(error, _)| error.to_vec())
        });
        assert_eq!(error[..2], kind);
    }
}
