//! What datagrams have that other messages have not: addresses of IP, control messages of UDP.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::super::mmsg::{self, Control, Letter, Name};
use super::{Outgoing, SEND_BATCH};

/// The control messages of a datagram to send.
fn control_of(message: &Outgoing<'_>) -> Control {
    let mut control = Control::default();
    if let Some(segment) = message.segment {
        control.push(libc::SOL_UDP, libc::UDP_SEGMENT, &segment.to_ne_bytes());
    }
    let (tos, ttl) = (c_int::from(message.tos), c_int::from(message.ttl));
    let (level, tos_kind, ttl_kind) = match message.to {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TOS, libc::IP_TTL),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS, libc::IPV6_HOPLIMIT),
    };
    control.push(level, tos_kind, &tos.to_ne_bytes());
    control.push(level, ttl_kind, &ttl.to_ne_bytes());
    control
}

/// Segment length of UDP_GRO, and TOS or traffic class.
pub(super) fn received(control: &Control) -> (Option<u16>, u8) {
    let (mut segment, mut tos) = (None, 0);
    for (level, kind, value) in control.messages() {
        match (level, kind) {
            (libc::SOL_UDP, libc::UDP_GRO) => {
                segment = value
                    .first_chunk()
                    .and_then(|value| u16::try_from(c_int::from_ne_bytes(*value)).ok())
                    .filter(|segment| *segment > 0);
            }
            // One byte.
            (libc::IPPROTO_IP, libc::IP_TOS) => tos = value.first().copied().unwrap_or(0),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                tos = value
                    .first_chunk()
                    .map_or(0, |value| c_int::from_ne_bytes(*value).to_le_bytes()[0]);
            }
            _ => {}
        }
    }
    (segment, tos)
}

// Lengths and families, which libc has as other integers than the fields for them; and where the
// fields are: the port of both families at 2, an IPv4 address at 4, an IPv6 address at 8.
const LEN_V4: libc::socklen_t = 16;
const LEN_V6: libc::socklen_t = 28;
const FAMILY_V4: libc::sa_family_t = 2;
const FAMILY_V6: libc::sa_family_t = 10;
const _: () = assert!(
    size_of::<libc::sockaddr_in6>() == LEN_V6 as usize
        && size_of::<libc::sockaddr_in>() == LEN_V4 as usize
        && libc::AF_INET == FAMILY_V4 as c_int
        && libc::AF_INET6 == FAMILY_V6 as c_int
        && std::mem::offset_of!(libc::sockaddr_in, sin_port) == 2
        && std::mem::offset_of!(libc::sockaddr_in6, sin6_port) == 2
        && std::mem::offset_of!(libc::sockaddr_in, sin_addr) == 4
        && std::mem::offset_of!(libc::sockaddr_in6, sin6_addr) == 8
        && std::mem::offset_of!(libc::sockaddr_in6, sin6_scope_id) == 24
);

pub(super) fn name_of(addr: SocketAddr) -> Name {
    match addr {
        SocketAddr::V4(v4) => Name::with(LEN_V4, |bytes| {
            bytes[..2].copy_from_slice(&FAMILY_V4.to_ne_bytes());
            bytes[2..4].copy_from_slice(&v4.port().to_be_bytes());
            bytes[4..8].copy_from_slice(&v4.ip().octets());
        }),
        SocketAddr::V6(v6) => Name::with(LEN_V6, |bytes| {
            bytes[..2].copy_from_slice(&FAMILY_V6.to_ne_bytes());
            bytes[2..4].copy_from_slice(&v6.port().to_be_bytes());
            bytes[8..24].copy_from_slice(&v6.ip().octets());
            bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
        }),
    }
}

/// The address in a name, if it is one of IP.
pub(super) fn address(name: &Name) -> Option<SocketAddr> {
    let bytes = name.bytes();
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    match u16::from_ne_bytes([bytes[0], bytes[1]]) {
        FAMILY_V4 => {
            let ip = Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]);
            Some(SocketAddrV4::new(ip, port).into())
        }
        FAMILY_V6 => {
            let ip = Ipv6Addr::from(*bytes[8..].first_chunk::<16>()?);
            let scope = u32::from_ne_bytes(*bytes[24..].first_chunk()?);
            Some(SocketAddrV6::new(ip, port, 0, scope).into())
        }
        _ => None,
    }
}

/// `sendmmsg`, once and without waiting, of at most [`SEND_BATCH`] messages; how many left, at
/// least 1.
pub(super) fn send_many(socket: BorrowedFd<'_>, messages: &[Outgoing<'_>]) -> io::Result<usize> {
    let mut names = [Name::default(); SEND_BATCH];
    let mut controls = [const { MaybeUninit::<Control>::uninit() }; SEND_BATCH];
    let rooms = names.iter_mut().zip(&mut controls);
    let letters = messages
        .iter()
        .zip(rooms)
        .map(|(message, (name, control))| {
            *name = name_of(message.to);
            Letter {
                pieces: message.pieces,
                name: Some(name),
                control: Some(control.write(control_of(message))),
            }
        });
    mmsg::send_many::<SEND_BATCH>(socket, letters)
}

/// Takes one report off the socket's error queue; what it says is not looked at.
pub(super) fn take_error(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut byte = [0u8; 1];
    let mut slice = libc::iovec {
        iov_base: byte.as_mut_ptr().cast::<c_void>(),
        iov_len: 1,
    };
    // SAFETY: all-zero bytes are a valid msghdr. Needed because libc gives it no constructor.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    // SAFETY: the header points to one local buffer with its true length, and to no name and no
    // control buffer.
    let got = unsafe {
        libc::recvmsg(
            socket.as_raw_fd(),
            &raw mut header,
            libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT,
        )
    };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
