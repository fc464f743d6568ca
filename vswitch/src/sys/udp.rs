//! Datagrams by the batch: `recvmmsg` with UDP_GRO, `sendmmsg` with UDP_SEGMENT.
//!
//! One crossing into the kernel moves up to 64 datagrams of one flow (`UDP_MAX_SEGMENTS`), and one
//! system call several of those. [`RecvRing`] owns the memory that the kernel fills; [`send_batch`]
//! gathers a datagram from pieces that stay where they are.
//!
//! - **UDP_SEGMENT**: the pieces of an [`Outgoing`] are cut into datagrams of `segment` bytes, the
//!   last may be shorter. Refused with EIO where the device or a tunnel below cannot (before Linux
//!   6.11 also without transmit checksums), with EMSGSIZE or EINVAL where a datagram exceeds the
//!   path's MTU.
//! - **UDP_GRO**: [`Datagrams`] says by `segment` where one ends and the next begins.
//! - **Soft errors**: with IP_RECVERR, what the network says about an earlier datagram (ICMP) is
//!   returned by a later call on the socket and queued: [`drain_errors`].
//! - **Whom was asked**: on a socket of all addresses [`recv_asked`] tells which one a datagram was sent to,
//!   and [`answer`] sends from that one.
//!
//! `socket2` opens and configures the sockets; the options that it has no name for are set here.

mod asked;
mod raw;

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::mmsg::{self, Control, Name};

pub use asked::{Asked, answer, recv_asked};

pub use super::option::{DISCOVER, SocketOption, set_socket_option, socket_option};

/// Longest payload of an IPv4 datagram; IPv6 would take 20 bytes more.
pub const MAX_DATAGRAM: usize = 65_507;

/// Most datagrams of one UDP_SEGMENT send that every kernel takes.
pub const MAX_SEGMENTS: usize = 64;

/// Bytes of a slot of a ring: whatever one receive can return.
const SLOT: usize = 1 << 16;

/// Most messages of one `sendmmsg` here.
const SEND_BATCH: usize = 16;

/// Memory for received datagrams. The pages of a slot are touched only as far as messages reach.
pub struct RecvRing {
    data: Box<[u8]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    received: Vec<Meta>,
}

impl std::fmt::Debug for RecvRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecvRing")
            .field("slots", &self.names.len())
            .field("received", &self.received.len())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
struct Meta {
    length: usize,
    from: Option<SocketAddr>,
    segment: Option<u16>,
    tos: u8,
}

/// Datagrams of one sender that came together.
#[derive(Clone, Copy, Debug)]
pub struct Datagrams<'a> {
    /// Their payloads, one behind the other.
    pub bytes: &'a [u8],
    /// Who sent them.
    pub from: IpAddr,
    /// Length of each payload but the last, which may be shorter; never 0.
    pub segment: usize,
    /// TOS or traffic class of their IP headers, where IP_RECVTOS is on; else 0.
    pub tos: u8,
}

impl<'a> Datagrams<'a> {
    /// The payloads one by one. One that is empty is there, once.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let empty = self.bytes.is_empty().then_some(&[][..]);
        empty.into_iter().chain(self.bytes.chunks(self.segment))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.bytes.len().div_ceil(self.segment).max(1)
    }
}

impl RecvRing {
    /// A ring of so many slots.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            data: vec![0; slots * SLOT].into_boxed_slice(),
            names: (0..slots).map(|_| Name::default()).collect(),
            controls: (0..slots).map(|_| Control::default()).collect(),
            received: Vec::with_capacity(slots),
        }
    }

    /// Receives what is there, into at most `slots` slots, and says how many it filled. What the
    /// ring held is forgotten.
    ///
    /// # Errors
    /// Those of `recvmmsg`; `WouldBlock` when there is nothing.
    pub fn recv(&mut self, socket: BorrowedFd<'_>, slots: usize) -> io::Result<usize> {
        self.received.clear();
        let slots = slots.min(self.names.len());
        let Self {
            data,
            names,
            controls,
            received,
        } = self;
        let rooms = data.chunks_mut(SLOT).map(|slot| [IoSliceMut::new(slot)]);
        mmsg::recv_many::<{ mmsg::MOST }, 1>(
            socket,
            rooms.take(slots),
            names,
            controls,
            |incoming| {
                let (segment, tos) = raw::received(incoming.control);
                received.push(Meta {
                    length: incoming.length.min(SLOT),
                    from: raw::address(incoming.name),
                    segment,
                    tos,
                });
            },
        )?;
        Ok(received.len())
    }

    /// What the slot at `index` received; nothing beyond the number that [`Self::recv`] said, or
    /// when the sender has no address.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Datagrams<'_>> {
        let meta = self.received.get(index)?;
        let bytes = &self.data[index * SLOT..][..meta.length];
        let segment = meta.segment.map_or(meta.length, usize::from).max(1);
        Some(Datagrams {
            bytes,
            from: meta.from?.ip().to_canonical(),
            segment,
            tos: meta.tos,
        })
    }
}

/// Datagrams to one destination.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// The payloads, one behind the other.
    pub pieces: &'a [IoSlice<'a>],
    /// Length of each payload but the last; `None` for a single one.
    pub segment: Option<u16>,
    /// TOS or traffic class.
    pub tos: u8,
    /// TTL or hop limit.
    pub ttl: u8,
}

/// Sends messages in order. Says how many left before the first that was refused, and why that
/// one was.
///
/// # Errors
/// Those of `sendmmsg`, for the message behind those that left.
pub fn send_batch(socket: BorrowedFd<'_>, messages: &[Outgoing<'_>]) -> (usize, io::Result<()>) {
    let mut sent = 0;
    for chunk in messages.chunks(SEND_BATCH) {
        let mut done = 0;
        while done < chunk.len() {
            match raw::send_many(socket, &chunk[done..]) {
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (sent + done, Err(error)),
            }
        }
        sent += done;
    }
    (sent, Ok(()))
}

/// Takes what the network said about earlier datagrams off the socket; returns how many reports
/// there were, at most `limit`.
pub fn drain_errors(socket: &impl AsFd, limit: usize) -> usize {
    let socket = socket.as_fd();
    (0..limit)
        .take_while(|_| raw::take_error(socket).is_ok())
        .count()
}

/// The path MTU that the kernel has for a connected socket, in bytes.
///
/// # Errors
/// Those of `getsockopt`; not connected.
pub fn path_mtu(socket: &(impl AsFd + AsRawFd), v6: bool) -> io::Result<u16> {
    let option = if v6 {
        SocketOption::Ipv6Mtu
    } else {
        SocketOption::IpMtu
    };
    let mtu = socket_option(socket.as_fd(), option)?;
    Ok(u16::try_from(mtu).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests;
