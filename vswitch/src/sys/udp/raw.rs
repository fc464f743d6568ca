//! The calls themselves, each as a safe function: all that is unsafe about datagrams.
//!
//! Rustix has no `recvmmsg` and no UDP control messages, so the headers of both calls are built here
//! from `libc`'s types. Every pointer in them is to a buffer that is borrowed for longer than the
//! call.

use std::ffi::{c_int, c_uint, c_void};
use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::{Outgoing, SEND_BATCH};

/// Bytes for control messages: UDP_SEGMENT or UDP_GRO, TOS and TTL need 24 each.
const CONTROL: usize = 96;

/// A control buffer, aligned as `cmsghdr` wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control {
    bytes: [u8; CONTROL],
    used: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            bytes: [0; CONTROL],
            used: 0,
        }
    }
}

/// The header of a control message is `len: usize, level: c_int, type: c_int` (cmsg(3)).
const HEADER: usize = size_of::<libc::cmsghdr>();
const _: () = assert!(HEADER == 16 && size_of::<usize>() == 8);

impl Control {
    /// Appends a message. There is room for all that this module sends.
    fn push(&mut self, level: c_int, kind: c_int, value: &[u8]) {
        let (start, length) = (self.used, HEADER + value.len());
        let Some(room) = self
            .bytes
            .get_mut(start..start + length.next_multiple_of(8))
        else {
            return;
        };
        room[..8].copy_from_slice(&length.to_ne_bytes());
        room[8..12].copy_from_slice(&level.to_ne_bytes());
        room[12..16].copy_from_slice(&kind.to_ne_bytes());
        room[HEADER..length].copy_from_slice(value);
        self.used += length.next_multiple_of(8);
    }

    fn of(message: &Outgoing<'_>) -> Self {
        let mut control = Self::default();
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
    pub(super) fn received(&self) -> (Option<u16>, u8) {
        let (mut segment, mut tos) = (None, 0);
        let mut rest = &self.bytes[..self.used.min(CONTROL)];
        while let Some((header, _)) = rest.split_at_checked(HEADER) {
            let word = |at: usize| {
                c_int::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
            };
            let length = usize::from_ne_bytes(*header.first_chunk().unwrap_or(&[0; 8]));
            let Some(value) = rest.get(HEADER..length) else {
                break;
            };
            match (word(8), word(12)) {
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
            rest = rest.get(length.next_multiple_of(8)..).unwrap_or(&[]);
        }
        (segment, tos)
    }
}

/// Room for the address of a sender or of a destination.
#[derive(Clone, Copy)]
pub(super) struct Name {
    storage: libc::sockaddr_in6,
    length: libc::socklen_t,
}

// The numbers that libc has as other integers than the fields for them.
const NAME_LEN: libc::socklen_t = 28;
const NAME_LEN_V4: libc::socklen_t = 16;
const FAMILY_V4: libc::sa_family_t = 2;
const FAMILY_V6: libc::sa_family_t = 10;
const _: () = assert!(
    size_of::<libc::sockaddr_in6>() == NAME_LEN as usize
        && size_of::<libc::sockaddr_in>() == NAME_LEN_V4 as usize
        && libc::AF_INET == FAMILY_V4 as c_int
        && libc::AF_INET6 == FAMILY_V6 as c_int
);

impl Default for Name {
    fn default() -> Self {
        // SAFETY: all-zero bytes are a valid sockaddr_in6: it is integers only. Needed because libc
        // gives it no constructor.
        let storage = unsafe { zeroed() };
        Self { storage, length: 0 }
    }
}

impl Name {
    fn of(addr: SocketAddr) -> Self {
        let mut name = Self::default();
        match addr {
            SocketAddr::V4(v4) => {
                let [a, b, c, d] = v4.ip().octets();
                name.storage.sin6_family = FAMILY_V4;
                name.storage.sin6_port = v4.port().to_be();
                // sin_addr is where sin6_flowinfo is.
                name.storage.sin6_flowinfo = u32::from_ne_bytes([a, b, c, d]);
                name.length = NAME_LEN_V4;
            }
            SocketAddr::V6(v6) => {
                name.storage.sin6_family = FAMILY_V6;
                name.storage.sin6_port = v6.port().to_be();
                name.storage.sin6_addr.s6_addr = v6.ip().octets();
                name.storage.sin6_scope_id = v6.scope_id();
                name.length = NAME_LEN;
            }
        }
        name
    }

    pub(super) fn get(&self) -> Option<SocketAddr> {
        let port = u16::from_be(self.storage.sin6_port);
        match self.storage.sin6_family {
            FAMILY_V4 => {
                let ip = Ipv4Addr::from(self.storage.sin6_flowinfo.to_ne_bytes());
                Some(SocketAddrV4::new(ip, port).into())
            }
            FAMILY_V6 => {
                let ip = Ipv6Addr::from(self.storage.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(ip, port, 0, self.storage.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

// `Name` keeps an IPv4 address in the fields of an IPv6 one.
const _: () = assert!(
    std::mem::offset_of!(libc::sockaddr_in, sin_port)
        == std::mem::offset_of!(libc::sockaddr_in6, sin6_port)
        && std::mem::offset_of!(libc::sockaddr_in, sin_addr)
            == std::mem::offset_of!(libc::sockaddr_in6, sin6_flowinfo)
);

/// `recvmmsg`, once and without waiting: a message into each buffer, at most as many as there are
/// names and controls. Tells of each its length, sender and control messages.
pub(super) fn recv_many<'a>(
    socket: BorrowedFd<'_>,
    buffers: impl Iterator<Item = &'a mut [u8]>,
    names: &mut [Name],
    controls: &mut [Control],
    mut each: impl FnMut(usize, &Name, &Control),
) -> io::Result<()> {
    const MOST: usize = 64;
    // SAFETY: all-zero bytes are valid for both types: integers, null pointers. Needed because libc
    // gives them no constructor.
    let (mut headers, mut slices): ([libc::mmsghdr; MOST], [libc::iovec; MOST]) =
        unsafe { (zeroed(), zeroed()) };
    let mut count = 0;
    let rooms = names.iter_mut().zip(controls.iter_mut());
    for ((index, buffer), (name, control)) in buffers.enumerate().take(MOST).zip(rooms) {
        slices[index] = libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        let header = &mut headers[index].msg_hdr;
        header.msg_name = ptr::from_mut(&mut name.storage).cast();
        header.msg_namelen = NAME_LEN;
        header.msg_iov = &raw mut slices[index];
        header.msg_iovlen = 1;
        header.msg_control = control.bytes.as_mut_ptr().cast();
        header.msg_controllen = CONTROL;
        count += 1;
    }
    // SAFETY: the first `count` headers point to a name, an iovec, a data and a control buffer each,
    // with their true lengths; all are borrowed mutably, or local, until after the call, and no two
    // headers share one. No timeout.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            c_uint::try_from(count).unwrap_or(0),
            libc::MSG_DONTWAIT,
            ptr::null_mut(),
        )
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for ((header, name), control) in headers.iter().zip(names).zip(controls).take(received) {
        name.length = header.msg_hdr.msg_namelen;
        if name.length == 0 {
            name.storage.sin6_family = 0;
        }
        control.used = header.msg_hdr.msg_controllen;
        each(header.msg_len as usize, name, control);
    }
    Ok(())
}

/// `sendmmsg`, once and without waiting, of at most [`SEND_BATCH`] messages; how many left, at
/// least 1.
pub(super) fn send_many(socket: BorrowedFd<'_>, messages: &[Outgoing<'_>]) -> io::Result<usize> {
    let mut names = [Name::default(); SEND_BATCH];
    let mut controls = [const { MaybeUninit::<Control>::uninit() }; SEND_BATCH];
    // SAFETY: all-zero bytes are a valid mmsghdr: integers, null pointers. Needed because libc gives
    // it no constructor.
    let mut headers: [libc::mmsghdr; SEND_BATCH] = unsafe { zeroed() };
    let mut count = 0;
    for (index, message) in messages.iter().enumerate().take(SEND_BATCH) {
        names[index] = Name::of(message.to);
        let control = controls[index].write(Control::of(message));
        let header = &mut headers[index].msg_hdr;
        header.msg_name = ptr::from_mut(&mut names[index].storage).cast();
        header.msg_namelen = names[index].length;
        // `IoSlice` is ABI-compatible with `iovec`; the kernel only reads through it.
        header.msg_iov = message.pieces.as_ptr().cast::<libc::iovec>().cast_mut();
        header.msg_iovlen = message.pieces.len();
        header.msg_control = control.bytes.as_mut_ptr().cast();
        header.msg_controllen = control.used;
        count += 1;
    }
    // SAFETY: the first `count` headers point to a name, a list of slices and a control buffer each,
    // with their true lengths, all alive until after the call, which only reads through them.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            c_uint::try_from(count).unwrap_or(0),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
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
