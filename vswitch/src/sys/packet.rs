//! Packet sockets (packet(7)): the frames of an interface of the host, past its own network stack.
//!
//! A [`PacketSocket`] receives what comes in on one interface and passes the filter, and sends frames out
//! of it. The host's stack sees all that comes in as well, and nothing of what is sent here.
//!
//! - **Nothing comes before the filter is in place**: the socket has no protocol until it is bound, and
//!   is bound when all is set. [`PacketSocket::set_filter`] later replaces the program in one step.
//! - **`[virtio-net header 12][frame]`** is what goes in and out, as with a TAP (PACKET_VNET_HDR): checksums
//!   may be open and frames may be superframes, both ways. Before Linux 6.6 (PACKET_VNET_HDR_SZ)
//!   the header has 10 bytes on the socket; the pieces are arranged around the missing two. Its byte order
//!   is the host's, and cannot be chosen as a TAP's can.
//! - **The outer VLAN tag is never in a received frame.** The kernel takes it off and tells it beside the
//!   frame (PACKET_AUXDATA): [`Arrival::tag`]. In a frame that is sent, a tag is where it belongs.
//! - **The socket follows its interface**, not a name: renamed it goes on, deleted or moved to another
//!   namespace it is lost for good ([`PacketSocket::is_gone`]), down it is silent until the interface is up
//!   again. Each of these is reported once, as ENETDOWN, by whichever call comes next: who sends may take
//!   the report from who receives. So an errno is a hint, and the facts are asked for.
//! - **Memberships end with the socket** (`packet_flush_mclist`): kill -9 leaves no promiscuous interface.
//! - Questions about the interface go through the socket, which is in the interface's namespace, whatever
//!   thread asks ([`PacketSocket::interface`]).

mod facts;
mod raw;
mod ring;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use socket2::{Domain, SockFilter, Socket, Type};

use super::caps::Cap;
use super::mmsg::{self, Control, Letter, Name};
use super::option::{SocketOption, set_socket_option};
use super::{IfName, SysError};

pub use facts::Interface;
pub use raw::{Arrival, Membership, PacketKind, Statistics, StrippedTag};
pub use ring::{PacketRing, Received};

/// Bytes of the virtio-net header in front of every frame here.
const HEADER: usize = super::VNET_HDR_LEN;

/// Bytes of the header where the kernel has no other.
const SHORT_HEADER: usize = 10;

/// Bytes that may wait in the socket, in each direction.
const BUFFER: i32 = 8 << 20;

/// Most messages of one call into the kernel.
pub const SEND_BATCH: usize = 32;

/// Most pieces of a frame to send: header, addresses, tag, rest.
const PIECES: usize = 4;

/// Messages of a call that is made for few.
const FEW: usize = 4;

/// One instruction of a classic BPF program (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterInstruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a condition holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

impl FilterInstruction {
    /// `ret #k`: so many bytes of the frame are received, none of it for 0.
    #[must_use]
    pub const fn ret(k: u32) -> Self {
        let code = 0x06;
        let (jt, jf) = (0, 0);
        Self { code, jt, jf, k }
    }
}

/// Length of the virtio-net header on the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderLength {
    /// 12 bytes, as everywhere in the switch; 10 where the kernel has nothing else.
    Preferred,
    /// 10 bytes, as before Linux 6.6.
    Short,
}

/// An open socket on an interface. All calls take `&self` and are safe from any number of threads.
#[derive(Debug)]
pub struct PacketSocket {
    socket: Socket,
    index: u32,
    header: usize,
    ignores_outgoing: bool,
}

impl PacketSocket {
    /// Opens a socket on the interface `index` of the calling thread's namespace. It receives what
    /// `filter` lets through.
    ///
    /// # Errors
    /// [`SysError::NeedsCapability`] (CAP_NET_RAW), [`SysError::Unsupported`] without PACKET_VNET_HDR,
    /// or [`SysError::Io`]: ENODEV without such an interface, EINVAL for a filter that the kernel refuses.
    pub fn open(
        index: u32,
        filter: &[FilterInstruction],
        header: HeaderLength,
    ) -> Result<Self, SysError> {
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)
            .map_err(|e| SysError::needs(Cap::NetRaw, "open a packet socket", e))?;
        let set_up = |e| SysError::io("set up a packet socket", e);
        socket.set_nonblocking(true).map_err(set_up)?;
        let header = set_header(&socket, header)?;
        set_socket_option(socket.as_fd(), SocketOption::PacketAuxdata, 1).map_err(set_up)?;
        let ignores_outgoing =
            set_socket_option(socket.as_fd(), SocketOption::PacketIgnoreOutgoing, 1).is_ok();
        set_buffers(&socket).map_err(set_up)?;
        let this = Self {
            socket,
            index,
            header,
            ignores_outgoing,
        };
        this.set_filter(filter)?;
        raw::bind(&this.socket, index)
            .map_err(|e| SysError::io(format!("bind a packet socket to interface {index}"), e))?;
        // An interface that is down reports so at once.
        this.socket.take_error().map_err(set_up)?;
        Ok(this)
    }

    /// Replaces the filter in one step. Frames that wait in the socket passed the old one.
    ///
    /// # Errors
    /// [`SysError::Io`]: a program that is empty, too long (4096 instructions) or wrong.
    pub fn set_filter(&self, filter: &[FilterInstruction]) -> Result<(), SysError> {
        let program: Vec<_> = (filter.iter())
            .map(|one| SockFilter::new(one.code, one.jt, one.jf, one.k))
            .collect();
        (self.socket.attach_filter(&program))
            .map_err(|e| SysError::io("attach the filter of a packet socket", e))
    }

    /// Joins: the interface receives more than its own address has it receive.
    ///
    /// # Errors
    /// What the driver says.
    pub fn join(&self, membership: Membership) -> io::Result<()> {
        raw::membership(self.as_fd(), self.index, membership, true)
    }

    /// Leaves what was joined.
    ///
    /// # Errors
    /// EADDRNOTAVAIL when it was not joined, or is no more: the interface is gone.
    pub fn leave(&self, membership: Membership) -> io::Result<()> {
        raw::membership(self.as_fd(), self.index, membership, false)
    }

    /// What the kernel has counted since the last call.
    ///
    /// # Errors
    /// Those of `getsockopt`.
    pub fn statistics(&self) -> io::Result<Statistics> {
        raw::statistics(self.as_fd())
    }

    /// From now on what is sent goes straight to the driver, past the interface's queueing discipline, and a
    /// driver that refuses a frame (the ring of a TAP is full) is heard: ENOBUFS, where the discipline
    /// would have said nothing. Superframes that the interface cannot take are lost then.
    ///
    /// # Errors
    /// ENOPROTOOPT before Linux 3.14.
    pub fn bypass_queue(&self) -> io::Result<()> {
        set_socket_option(self.as_fd(), SocketOption::PacketQdiscBypass, 1)
    }

    /// The interface's number.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Bytes of the virtio-net header between socket and kernel.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        self.header
    }

    /// Whether the kernel keeps from the socket what this host sends; else it is told by
    /// [`Arrival::kind`].
    #[must_use]
    pub const fn ignores_outgoing(&self) -> bool {
        self.ignores_outgoing
    }

    /// Whether the interface was deleted or moved to another namespace: the socket is of no more use.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        raw::bound_index(&self.socket).is_ok_and(|index| index != Some(self.index))
    }

    /// How the interface is now.
    ///
    /// # Errors
    /// ENODEV when it is gone; `Interrupted` when it was renamed again and again meanwhile.
    pub fn interface(&self) -> io::Result<Interface> {
        let answer = facts::interface(self.as_fd(), self.index);
        match answer {
            _ if self.is_gone() => Err(io::Error::from_raw_os_error(libc::ENODEV)),
            // Not found under the name that it had a moment ago.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
                Err(io::ErrorKind::Interrupted.into())
            }
            other => other,
        }
    }

    /// Receives one frame into `room`, the virtio-net header of 12 bytes first.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing. EINVAL: the kernel lost a frame that the header cannot
    /// describe. ENETDOWN: the interface went down, or is gone.
    #[inline]
    pub fn recv(&self, room: &mut [u8]) -> io::Result<Arrival> {
        let Some((header, frame)) = room.split_at_mut_checked(HEADER) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let (mut name, mut control) = (Name::default(), Control::default());
        header[self.header..].fill(0);
        let pieces = [
            IoSliceMut::new(&mut header[..self.header]),
            IoSliceMut::new(frame),
        ];
        let (message, truncated) = mmsg::recv_one(self.as_fd(), pieces, &mut name, &mut control)?;
        Ok(raw::arrival(
            self.header,
            message,
            truncated,
            &name,
            &control,
        ))
    }

    /// Sends frames in order, with virtio-net headers of [`Self::header_len`] bytes. Says how many left
    /// before the first that was refused, and why that one was.
    ///
    /// # Errors
    /// For the frame behind those that left. ENETDOWN and ENXIO: see [`Self::is_gone`]. EMSGSIZE: longer
    /// than the MTU. EAGAIN and ENOBUFS: a queue is full. EINVAL: a header that the kernel refuses.
    pub fn send(&self, frames: &[Gathered<'_>]) -> (usize, io::Result<()>) {
        let mut sent = 0;
        while sent < frames.len() {
            let letters = (frames[sent..].iter()).map(|frame| Letter {
                pieces: &frame.pieces[..frame.used],
                name: None,
                control: None,
            });
            // The headers of a call are cleared for as many messages as it can have.
            let outcome = if frames.len() - sent <= FEW {
                mmsg::send_many::<FEW>(self.as_fd(), letters)
            } else {
                mmsg::send_many::<SEND_BATCH>(self.as_fd(), letters)
            };
            match outcome {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (sent, Err(error)),
            }
        }
        (sent, Ok(()))
    }
}

/// A frame to send, in pieces that are together `[virtio-net header][frame]`.
#[derive(Clone, Copy, Debug)]
pub struct Gathered<'a> {
    pieces: [IoSlice<'a>; PIECES],
    used: usize,
}

impl Default for Gathered<'_> {
    fn default() -> Self {
        Self {
            pieces: [IoSlice::new(&[]); PIECES],
            used: 0,
        }
    }
}

impl<'a> Gathered<'a> {
    /// Of at most four pieces.
    #[must_use]
    #[inline]
    pub fn new<const N: usize>(pieces: [&'a [u8]; N]) -> Self {
        const { assert!(N <= PIECES) };
        let mut gathered = Self::default();
        for (place, piece) in gathered.pieces.iter_mut().zip(pieces) {
            *place = IoSlice::new(piece);
        }
        gathered.used = N;
        gathered
    }

    /// The bytes in one.
    #[must_use]
    pub fn concat(&self) -> Vec<u8> {
        let pieces = self.pieces.iter().take(self.used);
        pieces.flat_map(|piece| piece.iter().copied()).collect()
    }
}

/// Switches the virtio-net header on; its length.
fn set_header(socket: &Socket, wanted: HeaderLength) -> Result<usize, SysError> {
    if cfg!(target_endian = "big") {
        return Err(SysError::Unsupported {
            what: "little-endian virtio-net headers on packet sockets".to_owned(),
            remedy: "macvlan networks with a parent need a little-endian host",
            cause: io::ErrorKind::Unsupported.into(),
        });
    }
    let fd = socket.as_fd();
    let twelve = match wanted {
        HeaderLength::Preferred => set_socket_option(fd, SocketOption::PacketVnetHdrSize, 12),
        HeaderLength::Short => Err(io::ErrorKind::Unsupported.into()),
    };
    if twelve.is_ok() {
        return Ok(HEADER);
    }
    set_socket_option(fd, SocketOption::PacketVnetHdr, 1)
        .map(|()| SHORT_HEADER)
        .map_err(|cause| SysError::Unsupported {
            what: "virtio-net headers on packet sockets (PACKET_VNET_HDR)".to_owned(),
            remedy: "macvlan networks with a parent need Linux 2.6.34 or newer",
            cause,
        })
}

fn set_buffers(socket: &Socket) -> io::Result<()> {
    let fd = socket.as_fd();
    // Not privileged: up to net.core.rmem_max and wmem_max.
    if set_socket_option(fd, SocketOption::RecvBufferForce, BUFFER).is_err() {
        socket.set_recv_buffer_size(BUFFER.unsigned_abs() as usize)?;
    }
    if set_socket_option(fd, SocketOption::SendBufferForce, BUFFER).is_err() {
        socket.set_send_buffer_size(BUFFER.unsigned_abs() as usize)?;
    }
    Ok(())
}

/// The interface of that name in the calling thread's namespace.
///
/// # Errors
/// [`SysError::NoSuchLink`], [`SysError::Io`].
pub fn index_of(name: &IfName) -> Result<u32, SysError> {
    facts::index_of(name)
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
