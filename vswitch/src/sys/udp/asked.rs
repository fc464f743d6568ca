//! Single datagrams of a socket that is bound to all addresses: which one was asked, and answers from it
//! (IP_PKTINFO in ip(7), IPV6_PKTINFO in RFC 3542, section 6).
//!
//! Left to itself the kernel answers from the address that the route back prefers, and a client that asked
//! another one does not know the answer for its own.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;

use super::super::mmsg::{self, Control, Letter, Name};
use super::raw;

/// Of `in_pktinfo`: index of the interface, own address, address in the header.
const INFO_V4: usize = 12;
/// Of `in6_pktinfo`: address, index of the interface.
const INFO_V6: usize = 20;
const _: () = assert!(
    size_of::<libc::in_pktinfo>() == INFO_V4
        && std::mem::offset_of!(libc::in_pktinfo, ipi_spec_dst) == 4
        && size_of::<libc::in6_pktinfo>() == INFO_V6
        && std::mem::offset_of!(libc::in6_pktinfo, ipi6_addr) == 0
);

/// A datagram that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Its length in bytes.
    pub length: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// The own address from which to answer: that which was asked, for a broadcast an own one of the interface.
    /// Nothing where the socket does not tell (see `SocketOption::IpPktInfo`), or for an IPv6 multicast.
    pub at: Option<IpAddr>,
}

/// Receives a datagram, without waiting. Nothing when it had no sender with an IP address.
///
/// # Errors
/// Those of `recvmsg`; `WouldBlock` when there is nothing.
pub fn recv_asked(socket: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<Option<Asked>> {
    let (mut name, mut control) = (Name::default(), Control::default());
    let pieces = [IoSliceMut::new(room)];
    let (length, _) = mmsg::recv_one(socket, pieces, &mut name, &mut control)?;
    Ok(raw::address(&name).map(|from| Asked {
        length,
        from,
        at: control.messages().find_map(own_address),
    }))
}

/// Sends a datagram, without waiting; `from` an own address, or one that the kernel chooses.
///
/// # Errors
/// Those of `sendmmsg`.
pub fn answer(
    socket: BorrowedFd<'_>,
    datagram: &[u8],
    to: SocketAddr,
    from: Option<IpAddr>,
) -> io::Result<()> {
    let name = raw::name_of(to);
    let mut control = Control::default();
    match from {
        None => {}
        Some(IpAddr::V4(from)) => {
            let mut info = [0; INFO_V4];
            info[4..8].copy_from_slice(&from.octets());
            control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
        }
        Some(IpAddr::V6(from)) => {
            let mut info = [0; INFO_V6];
            info[..16].copy_from_slice(&from.octets());
            control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
        }
    }
    let letter = Letter {
        pieces: &[IoSlice::new(datagram)],
        name: Some(&name),
        control: Some(&control),
    };
    mmsg::send_many::<1>(socket, std::iter::once(letter)).map(drop)
}

fn own_address((level, kind, value): (i32, i32, &[u8])) -> Option<IpAddr> {
    match (level, kind) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            let own = value.get(4..)?.first_chunk::<4>()?;
            Some(Ipv4Addr::from(*own).into())
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let own = Ipv6Addr::from(*value.first_chunk::<16>()?);
            (!own.is_multicast()).then_some(own.into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::udp::{SocketOption, set_socket_option};
    use std::{net::UdpSocket, os::fd::AsFd, time::Duration};

    fn there_and_back(all: &str, option: SocketOption, asked: IpAddr) {
        let server = UdpSocket::bind(all).unwrap();
        set_socket_option(server.as_fd(), option, 1).unwrap();
        let port = server.local_addr().unwrap().port();
        let client = UdpSocket::bind((asked, 0)).unwrap();
        // Takes answers from nobody else.
        client.connect((asked, port)).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        client.send(b"question").unwrap();
        // Whoever sends over loopback has delivered when it returns.
        let mut room = [0; 64];
        let question = recv_asked(server.as_fd(), &mut room).unwrap().unwrap();
        assert_eq!(&room[..question.length], b"question");
        assert_eq!(question.from, client.local_addr().unwrap());
        assert_eq!(question.at, Some(asked));
        answer(server.as_fd(), b"answer", question.from, question.at).unwrap();
        let length = client.recv(&mut room).unwrap();
        assert_eq!(&room[..length], b"answer");
        let nothing = recv_asked(server.as_fd(), &mut room).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn the_answer_comes_from_the_address_that_was_asked() {
        // Not the one that the kernel would choose, 127.0.0.1.
        let asked = Ipv4Addr::new(127, 0, 0, 77).into();
        there_and_back("0.0.0.0:0", SocketOption::IpPktInfo, asked);
        let asked = Ipv6Addr::LOCALHOST.into();
        there_and_back("[::]:0", SocketOption::Ipv6RecvPktInfo, asked);
    }

    #[test]
    fn without_the_option_nothing_is_told() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"", server.local_addr().unwrap()).unwrap();
        let question = recv_asked(server.as_fd(), &mut []).unwrap().unwrap();
        assert_eq!((question.length, question.at), (0, None));
    }
}
