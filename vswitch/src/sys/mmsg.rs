//! Messages by the batch: `recvmmsg` and `sendmmsg`, each as a safe function.
//!
//! Rustix has neither, so the headers of both calls are built here from `libc`'s types. What they point
//! to is borrowed: pieces are `IoSlice` and `IoSliceMut`, which are `iovec` with a lifetime; addresses
//! ([`Name`]) and control messages ([`Control`]) are plain bytes, written and read without `unsafe` by
//! those who know the family.
//!
//! Neither function waits.

use std::ffi::{c_int, c_uint};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Most messages of one call.
pub(super) const MOST: usize = 64;

/// Bytes for control messages: what a UDP socket sends needs 24 for each of three, what a packet
/// socket receives 40.
const CONTROL: usize = 96;

/// A control buffer, aligned as `cmsghdr` wants it.
#[derive(Clone, Copy, Debug)]
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
    /// Appends a message. There is room for all that is sent here.
    pub(super) fn push(&mut self, level: c_int, kind: c_int, value: &[u8]) {
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

    /// The messages: level, type and value of each.
    #[inline]
    pub(super) fn messages(&self) -> impl Iterator<Item = (c_int, c_int, &[u8])> {
        let mut rest = &self.bytes[..self.used.min(CONTROL)];
        std::iter::from_fn(move || {
            let header = rest.first_chunk::<HEADER>()?;
            let [l0, l1, l2, l3, l4, l5, l6, l7, a, b, c, d, e, f, g, h] = *header;
            let length = usize::from_ne_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
            let value = rest.get(HEADER..length)?;
            rest = rest.get(length.next_multiple_of(8)..).unwrap_or(&[]);
            let (level, kind) = ([a, b, c, d], [e, f, g, h]);
            Some((
                c_int::from_ne_bytes(level),
                c_int::from_ne_bytes(kind),
                value,
            ))
        })
    }
}

/// Bytes of the longest address here, `sockaddr_in6` (28), rounded up.
const NAME: usize = 32;
/// The same as the kernel's `socklen_t`.
const NAME_LEN: libc::socklen_t = 32;
const _: () = assert!(
    NAME == NAME_LEN as usize
        && NAME >= size_of::<libc::sockaddr_in6>()
        && NAME >= size_of::<libc::sockaddr_ll>()
);

/// Room for the address of a sender or of a destination.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub(super) struct Name {
    bytes: [u8; NAME],
    length: libc::socklen_t,
}

impl Name {
    /// An address of so many bytes, which `write` fills in.
    pub(super) fn with(length: libc::socklen_t, write: impl FnOnce(&mut [u8; NAME])) -> Self {
        let mut name = Self {
            bytes: [0; NAME],
            length: length.min(NAME_LEN),
        };
        write(&mut name.bytes);
        name
    }

    /// The bytes, all zero where the kernel gave no address.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8; NAME] {
        const NOBODY: &[u8; NAME] = &[0; NAME];
        if self.length == 0 {
            NOBODY
        } else {
            &self.bytes
        }
    }
}

/// A message that came.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    /// Bytes that were put into its pieces.
    pub(super) length: usize,
    /// Whether it was longer than they are (MSG_TRUNC).
    pub(super) truncated: bool,
    /// Where it came from.
    pub(super) name: &'a Name,
    /// What the kernel said about it.
    pub(super) control: &'a Control,
}

/// `recvmmsg`, once: a message into each of `rooms`, at most `N` (itself at most [`MOST`]), and at most as
/// many as there are names and controls.
pub(super) fn recv_many<'a, const N: usize, const PIECES: usize>(
    socket: BorrowedFd<'_>,
    rooms: impl Iterator<Item = [IoSliceMut<'a>; PIECES]>,
    names: &mut [Name],
    controls: &mut [Control],
    mut each: impl FnMut(Incoming<'_>),
) -> io::Result<()> {
    const { assert!(N <= MOST) };
    // SAFETY: all-zero bytes are a valid mmsghdr: integers, null pointers. Needed because libc gives
    // it no constructor.
    let mut headers: [libc::mmsghdr; N] = unsafe { zeroed() };
    let mut pieces: [[IoSliceMut<'a>; PIECES]; N] =
        std::array::from_fn(|_| std::array::from_fn(|_| IoSliceMut::new(&mut [])));
    let mut count = 0;
    let places = pieces.iter_mut().zip(&mut headers);
    let buffers = names.iter_mut().zip(controls.iter_mut());
    for ((room, (pieces, header)), (name, control)) in rooms.zip(places).zip(buffers) {
        *pieces = room;
        let header = &mut header.msg_hdr;
        header.msg_name = name.bytes.as_mut_ptr().cast();
        header.msg_namelen = NAME_LEN;
        // `IoSliceMut` is ABI-compatible with `iovec`.
        header.msg_iov = pieces.as_mut_ptr().cast::<libc::iovec>();
        header.msg_iovlen = PIECES;
        header.msg_control = control.bytes.as_mut_ptr().cast();
        header.msg_controllen = CONTROL;
        count += 1;
    }
    // SAFETY: the first `count` headers point to a name, a list of pieces and a control buffer each,
    // with their true lengths; these and what the pieces point to are borrowed mutably, or local,
    // until after the call, and no two headers share one. No timeout. Needed because rustix has no
    // `recvmmsg`.
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
        control.used = header.msg_hdr.msg_controllen;
        each(Incoming {
            length: header.msg_len as usize,
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            name,
            control,
        });
    }
    Ok(())
}

/// A message to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter<'a> {
    /// Its bytes, gathered from where they lie.
    pub(super) pieces: &'a [IoSlice<'a>],
    /// Where to; nothing for a socket that knows.
    pub(super) name: Option<&'a Name>,
    /// What the kernel is to do with it.
    pub(super) control: Option<&'a Control>,
}

/// `sendmmsg`, once, of at most `N` (itself at most [`MOST`]) messages; how many left, at least 1.
pub(super) fn send_many<'a, const N: usize>(
    socket: BorrowedFd<'_>,
    letters: impl Iterator<Item = Letter<'a>>,
) -> io::Result<usize> {
    const { assert!(N <= MOST) };
    // SAFETY: all-zero bytes are a valid mmsghdr: integers, null pointers. Needed because libc gives
    // it no constructor.
    let mut headers: [libc::mmsghdr; N] = unsafe { zeroed() };
    let mut count = 0;
    for (letter, header) in letters.zip(&mut headers) {
        let header = &mut header.msg_hdr;
        // The kernel only reads through these; the fields are `*mut` for the other direction.
        if let Some(name) = letter.name {
            header.msg_name = name.bytes.as_ptr().cast_mut().cast();
            header.msg_namelen = name.length;
        }
        // `IoSlice` is ABI-compatible with `iovec`.
        header.msg_iov = letter.pieces.as_ptr().cast::<libc::iovec>().cast_mut();
        header.msg_iovlen = letter.pieces.len();
        if let Some(control) = letter.control {
            header.msg_control = control.bytes.as_ptr().cast_mut().cast();
            header.msg_controllen = control.used;
        }
        count += 1;
    }
    // SAFETY: the first `count` headers point to a list of pieces, and to a name and a control buffer
    // or to none, with their true lengths; all are borrowed for `'a`, which outlives the call, and it
    // only reads through them. Needed because rustix has no `sendmmsg`.
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

/// `recvmsg`, once: a message into `pieces`. Its length, and whether it was longer than they are.
#[inline]
pub(super) fn recv_one<const PIECES: usize>(
    socket: BorrowedFd<'_>,
    mut pieces: [IoSliceMut<'_>; PIECES],
    name: &mut Name,
    control: &mut Control,
) -> io::Result<(usize, bool)> {
    // SAFETY: all-zero bytes are a valid msghdr. Needed because libc gives it no constructor.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_name = name.bytes.as_mut_ptr().cast();
    header.msg_namelen = NAME_LEN;
    header.msg_iov = pieces.as_mut_ptr().cast::<libc::iovec>();
    header.msg_iovlen = PIECES;
    header.msg_control = control.bytes.as_mut_ptr().cast();
    header.msg_controllen = CONTROL;
    // SAFETY: the header points to a name, a list of pieces and a control buffer with their true
    // lengths; these and what the pieces point to are borrowed mutably, or local, until after the call.
    // Needed because rustix's `recvmsg` takes no buffer for an address of this family.
    let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    name.length = header.msg_namelen;
    control.used = header.msg_controllen;
    Ok((got, header.msg_flags & libc::MSG_TRUNC != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_come_out_as_they_went_in() {
        let mut control = Control::default();
        let messages: [(c_int, c_int, &[u8]); 3] =
            [(1, 2, &[9; 4]), (3, -4, &[]), (5, 6, &[7; 20])];
        for (level, kind, value) in messages {
            control.push(level, kind, value);
        }
        assert_eq!(control.messages().collect::<Vec<_>>(), messages);
        // One for which there is no room is left out.
        control.push(7, 8, &[0; 40]);
        assert_eq!(control.messages().count(), 3);
    }

    #[test]
    fn a_control_buffer_that_lies_about_its_lengths_ends_there() {
        for length in [0, 15, 17, 97, usize::MAX] {
            let mut control = Control::default();
            control.push(1, 2, &[]);
            control.bytes[..8].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(control.messages().count(), 0, "a message of {length}");
        }
    }

    #[test]
    fn nobody_has_no_address() {
        let mut name = Name::with(16, |bytes| bytes[0] = 2);
        assert_eq!(name.bytes()[0], 2);
        name.length = 0;
        assert_eq!(name.bytes(), &[0; NAME]);
    }
}
