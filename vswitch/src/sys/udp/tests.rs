use std::net::UdpSocket;

use super::*;

fn pair(host: &str) -> (UdpSocket, UdpSocket) {
    let open = || UdpSocket::bind((host, 0)).unwrap();
    let (here, there) = (open(), open());
    set_socket_option(there.as_fd(), SocketOption::UdpGro, 1).unwrap();
    (here, there)
}

/// Single datagrams for a socket, of these pieces each.
fn singles<'a>(to: &UdpSocket, pieces: &'a [[IoSlice<'a>; 1]]) -> Vec<Outgoing<'a>> {
    let to = to.local_addr().unwrap();
    let single = |pieces| Outgoing {
        to,
        pieces,
        segment: None,
        tos: 0,
        ttl: 64,
    };
    pieces.iter().map(|pieces| single(&pieces[..])).collect()
}

fn send(socket: &UdpSocket, message: Outgoing<'_>) {
    let (sent, outcome) = send_batch(socket.as_fd(), &[message]);
    outcome.unwrap();
    assert_eq!(sent, 1);
}

#[test]
fn a_segmented_send_arrives_as_datagrams_of_that_length() {
    for (host, tos_option) in [
        ("127.0.0.1", SocketOption::IpRecvTos),
        ("::1", SocketOption::Ipv6RecvTclass),
    ] {
        let (here, there) = pair(host);
        set_socket_option(there.as_fd(), tos_option, 1).unwrap();
        let bytes: Vec<u8> = (0..2500u32).map(|i| i.to_le_bytes()[0]).collect();
        let pieces: Vec<_> = bytes.chunks(7).map(IoSlice::new).collect();
        send(
            &here,
            Outgoing {
                to: there.local_addr().unwrap(),
                pieces: &pieces,
                segment: Some(1000),
                tos: 0xb9,
                ttl: 7,
            },
        );
        let mut ring = RecvRing::new(4);
        let mut datagrams = Vec::new();
        while datagrams.len() < 3 {
            for index in 0..ring.recv(there.as_fd(), 4).unwrap() {
                let got = ring.get(index).unwrap();
                assert_eq!(got.from, here.local_addr().unwrap().ip());
                assert_eq!(got.tos, 0xb9);
                assert_eq!(got.iter().count(), got.count());
                datagrams.extend(got.iter().map(<[u8]>::to_vec));
            }
        }
        let lengths: Vec<_> = datagrams.iter().map(Vec::len).collect();
        assert_eq!(lengths, [1000, 1000, 500]);
        assert_eq!(datagrams.concat(), bytes);
        assert_eq!(
            ring.recv(there.as_fd(), 4).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        assert!(ring.get(0).is_none(), "what the ring held is forgotten");
    }
}

#[test]
fn many_messages_leave_and_arrive_in_order() {
    let (here, there) = pair("127.0.0.1");
    let payloads: Vec<Vec<u8>> = (0..40u8).map(|i| vec![i; usize::from(i)]).collect();
    let pieces: Vec<_> = payloads.iter().map(|bytes| [IoSlice::new(bytes)]).collect();
    let (sent, outcome) = send_batch(here.as_fd(), &singles(&there, &pieces));
    outcome.unwrap();
    assert_eq!(sent, 40);
    let mut ring = RecvRing::new(16);
    let mut got = Vec::new();
    while got.len() < 40 {
        for index in 0..ring.recv(there.as_fd(), 16).unwrap() {
            got.extend(ring.get(index).unwrap().iter().map(<[u8]>::to_vec));
        }
    }
    assert_eq!(got, payloads, "the empty one too");
}

#[test]
fn a_refused_message_is_told_with_those_before_it() {
    let (here, there) = pair("127.0.0.1");
    let long = vec![0; MAX_DATAGRAM + 1];
    let pieces = [[IoSlice::new(&long[..10])], [IoSlice::new(&long)]];
    let (sent, outcome) = send_batch(here.as_fd(), &singles(&there, &pieces));
    assert_eq!(sent, 1);
    assert_eq!(outcome.unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
}

#[test]
fn an_error_of_the_network_is_told_once_and_drained() {
    let (here, there) = pair("127.0.0.1");
    set_socket_option(here.as_fd(), SocketOption::IpRecvErr, 1).unwrap();
    let to = there.local_addr().unwrap();
    drop(there);
    let message = || Outgoing {
        to,
        pieces: &[],
        segment: None,
        tos: 0,
        ttl: 64,
    };
    send(&here, message());
    // On loopback the answer to the first is there before its call returns.
    let (sent, outcome) = send_batch(here.as_fd(), &[message()]);
    assert_eq!(sent, 0);
    assert_eq!(
        outcome.unwrap_err().raw_os_error(),
        Some(libc::ECONNREFUSED)
    );
    assert!(drain_errors(&here, 10) >= 1);
    send(&here, message());
    assert_eq!(drain_errors(&here, 10), 1);
    assert_eq!(drain_errors(&here, 10), 0);
}

#[test]
fn the_path_mtu_of_loopback() {
    let (here, there) = pair("127.0.0.1");
    assert!(path_mtu(&here, false).is_err(), "not connected");
    here.connect(there.local_addr().unwrap()).unwrap();
    assert!(path_mtu(&here, false).unwrap() >= 16_384);
}
