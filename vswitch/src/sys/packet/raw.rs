//! The calls and structures of packet(7), each as a safe function.

use std::ffi::{c_int, c_ushort};
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::{SockAddr, Socket};

use super::super::mmsg::{Control, Name};

/// What the kernel made of a frame's destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// To the interface's own address.
    Host,
    /// To all.
    Broadcast,
    /// To a group.
    Multicast,
    /// To some other address.
    OtherHost,
    /// Sent by this host.
    Outgoing,
    /// A copy of what was sent to a group, or of a kind that is not known.
    Loopback,
}

impl PacketKind {
    const fn of(number: u8) -> Self {
        match number {
            libc::PACKET_HOST => Self::Host,
            libc::PACKET_BROADCAST => Self::Broadcast,
            libc::PACKET_MULTICAST => Self::Multicast,
            libc::PACKET_OTHERHOST => Self::OtherHost,
            libc::PACKET_OUTGOING => Self::Outgoing,
            _ => Self::Loopback,
        }
    }

    /// Whether the frame came in from outside.
    #[must_use]
    pub const fn is_from_outside(self) -> bool {
        match self {
            Self::Host | Self::Broadcast | Self::Multicast | Self::OtherHost => true,
            Self::Outgoing | Self::Loopback => false,
        }
    }
}

/// The VLAN tag that the kernel took off a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrippedTag {
    /// Its TPID.
    pub tpid: u16,
    /// Priority, drop eligibility and VID.
    pub tci: u16,
}

/// A frame that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Bytes of the virtio-net header (12) and of the frame.
    pub length: usize,
    /// Whether the end of the frame is missing: it did not fit, or the filter cut it off.
    pub truncated: bool,
    /// Whom it was for.
    pub kind: PacketKind,
    /// The tag that was in front of its type.
    pub tag: Option<StrippedTag>,
}

/// Where `sockaddr_ll` has what is needed here.
const KIND: usize = std::mem::offset_of!(libc::sockaddr_ll, sll_pkttype);

/// `struct tpacket_auxdata` as read: status, tp_len, tp_snaplen, tp_vlan_tci, tp_vlan_tpid.
fn auxdata(value: &[u8]) -> Option<(u32, u32, u32, u16, u16)> {
    let word = |at: usize| {
        let bytes = value.get(at..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    let half = |at: usize| {
        let bytes = value.get(at..)?.first_chunk()?;
        Some(u16::from_ne_bytes(*bytes))
    };
    Some((word(0)?, word(4)?, word(8)?, half(16)?, half(18)?))
}
const _: () = assert!(
    std::mem::offset_of!(libc::tpacket_auxdata, tp_len) == 4
        && std::mem::offset_of!(libc::tpacket_auxdata, tp_snaplen) == 8
        && std::mem::offset_of!(libc::tpacket_auxdata, tp_vlan_tci) == 16
        && std::mem::offset_of!(libc::tpacket_auxdata, tp_vlan_tpid) == 18
);

/// What a kernel of before 3.14 strips without saying the TPID.
const TPID_8021Q: u16 = 0x8100;

/// Reads what came with a message of `length` bytes, `header` of which are the virtio-net header's.
pub(super) fn arrival(
    header: usize,
    length: usize,
    truncated: bool,
    name: &Name,
    control: &Control,
) -> Arrival {
    let mut arrival = Arrival {
        length: (super::HEADER + length).saturating_sub(header),
        // Not even a header: nothing to be used.
        truncated: truncated || length < header,
        kind: PacketKind::of(name.bytes()[KIND]),
        tag: None,
    };
    let told = (control.messages())
        .find(|(level, kind, _)| (*level, *kind) == (libc::SOL_PACKET, libc::PACKET_AUXDATA));
    if let Some((status, whole, kept, tci, tpid)) = told.and_then(|(_, _, value)| auxdata(value)) {
        arrival.truncated |= kept < whole;
        if status & libc::TP_STATUS_VLAN_VALID != 0 {
            let told = status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
            let tpid = if told { tpid } else { TPID_8021Q };
            arrival.tag = Some(StrippedTag { tpid, tci });
        }
    }
    arrival
}

/// All protocols, in the byte order of the field.
const EVERYTHING: c_ushort = 3u16.to_be();
const FAMILY: c_ushort = 17;
const NAME_LEN: libc::socklen_t = 20;
const _: () = assert!(
    libc::ETH_P_ALL == 3
        && libc::AF_PACKET == FAMILY as c_int
        && size_of::<libc::sockaddr_ll>() == NAME_LEN as usize
);

/// Binds to all that comes in on an interface.
pub(super) fn bind(socket: &Socket, index: u32) -> io::Result<()> {
    // No interface has such a number.
    let index = c_int::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: `sockaddr_ll` is plain integers, shorter than the storage and no more aligned
    // (`sockaddr_storage` is there to hold any address); the length is its own. Needed because socket2
    // has no constructor for this family.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let address: *mut libc::sockaddr_ll = storage.cast();
            (*address).sll_family = FAMILY;
            (*address).sll_protocol = EVERYTHING;
            (*address).sll_ifindex = index;
            *length = NAME_LEN;
            Ok(())
        })
    }?;
    socket.bind(&address)
}

/// The interface that the socket is bound to; nothing once that is gone (`packet_getname` says -1).
pub(super) fn bound_index(socket: &Socket) -> io::Result<Option<u32>> {
    let address = socket.local_addr()?;
    if address.len() < 8 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: the kernel filled in at least the family, protocol and number of a `sockaddr_ll`, for
    // which the storage behind the pointer has room and alignment. Needed because socket2 gives no view
    // of this family.
    let index = unsafe { (*address.as_ptr().cast::<libc::sockaddr_ll>()).sll_ifindex };
    Ok(u32::try_from(index).ok())
}

/// What an interface can be asked to receive for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Membership {
    /// Frames to this unicast address. An interface that cannot filter by more than one becomes
    /// promiscuous by itself.
    Unicast([u8; 6]),
    /// Frames to this group.
    Group([u8; 6]),
    /// Frames to all groups.
    AllGroups,
    /// Every frame.
    Promiscuous,
}

/// PACKET_ADD_MEMBERSHIP or PACKET_DROP_MEMBERSHIP.
pub(super) fn membership(
    socket: BorrowedFd<'_>,
    index: u32,
    membership: Membership,
    join: bool,
) -> io::Result<()> {
    // The constants are `int`, the field is `unsigned short`.
    const TYPES: [(c_int, c_ushort); 4] = [
        (libc::PACKET_MR_MULTICAST, 0),
        (libc::PACKET_MR_PROMISC, 1),
        (libc::PACKET_MR_ALLMULTI, 2),
        (libc::PACKET_MR_UNICAST, 3),
    ];
    const { assert!(TYPES[0].0 == 0 && TYPES[1].0 == 1 && TYPES[2].0 == 2 && TYPES[3].0 == 3) };
    let (kind, address) = match membership {
        Membership::Group(address) => (TYPES[0].1, Some(address)),
        Membership::Promiscuous => (TYPES[1].1, None),
        Membership::AllGroups => (TYPES[2].1, None),
        Membership::Unicast(address) => (TYPES[3].1, Some(address)),
    };
    let mut request = libc::packet_mreq {
        // It is bound to that number, so it is one.
        mr_ifindex: c_int::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?,
        mr_type: kind,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    if let Some(address) = address {
        request.mr_alen = 6;
        request.mr_address[..6].copy_from_slice(&address);
    }
    let option = if join {
        libc::PACKET_ADD_MEMBERSHIP
    } else {
        libc::PACKET_DROP_MEMBERSHIP
    };
    const LEN: libc::socklen_t = 16;
    const { assert!(size_of::<libc::packet_mreq>() == LEN as usize) };
    // SAFETY: both options read one `packet_mreq`, which is what the pointer is to, with its size.
    // Needed because socket2 has no name for them.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            option,
            (&raw const request).cast(),
            LEN,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// What the kernel counted for a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames that passed the filter, those that were dropped included.
    pub passed: u32,
    /// Frames dropped because the socket's buffer was full.
    pub dropped: u32,
}

/// PACKET_STATISTICS, which starts the counters anew.
pub(super) fn statistics(socket: BorrowedFd<'_>) -> io::Result<Statistics> {
    const LEN: libc::socklen_t = 8;
    const { assert!(size_of::<libc::tpacket_stats>() == LEN as usize) };
    // SAFETY: all-zero bytes are a valid `tpacket_stats`: two integers. Needed because libc gives it
    // no constructor.
    let mut counted: libc::tpacket_stats = unsafe { zeroed() };
    let mut length = LEN;
    // SAFETY: the kernel writes at most `length` bytes, the size of the local structure (a socket
    // without a ring of version 3 has no longer one). Needed because socket2 has no name for it.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut counted).cast(),
            &raw mut length,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Statistics {
        passed: counted.tp_packets,
        dropped: counted.tp_drops,
    })
}
