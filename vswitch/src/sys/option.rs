//! Options of sockets that `socket2` has no name for.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

const INT_LEN: libc::socklen_t = 4;
const _: () = assert!(size_of::<c_int>() == INT_LEN as usize);

/// An option of a socket whose value is an `int` and that `socket2` has no name for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOption {
    /// UDP_GRO: datagrams of one flow are received together.
    UdpGro,
    /// IP_RECVERR: what the network says about a datagram is reported.
    IpRecvErr,
    /// The same for IPv6.
    Ipv6RecvErr,
    /// IP_RECVTOS: the TOS of a received datagram is told.
    IpRecvTos,
    /// IPV6_RECVTCLASS: the same for IPv6.
    Ipv6RecvTclass,
    /// IP_MTU_DISCOVER: whether DF is set, see [`DISCOVER`].
    IpMtuDiscover,
    /// The same for IPv6.
    Ipv6MtuDiscover,
    /// IP_PKTINFO: which address a datagram was sent to is told.
    IpPktInfo,
    /// IPV6_RECVPKTINFO: the same for IPv6.
    Ipv6RecvPktInfo,
    /// IPV6_DONTFRAG: too long a datagram is an error, not fragments.
    Ipv6DontFrag,
    /// UDP_NO_CHECK6_RX: datagrams over IPv6 without checksum are accepted (RFC 6935).
    UdpNoCheck6Rx,
    /// SO_NO_CHECK: no checksum, which UDP_SEGMENT refuses (EINVAL).
    #[cfg(test)]
    NoCheck,
    /// SO_RCVBUFFORCE: bytes that may wait, above the limit for others.
    RecvBufferForce,
    /// SO_SNDBUFFORCE.
    SendBufferForce,
    /// IP_MTU, to be read: the path MTU of a connected socket.
    IpMtu,
    /// The same for IPv6.
    Ipv6Mtu,
    /// PACKET_VNET_HDR: a virtio-net header of 10 bytes in front of every frame.
    PacketVnetHdr,
    /// PACKET_VNET_HDR_SZ: one of so many bytes, 10 or 12 (Linux 6.6).
    PacketVnetHdrSize,
    /// PACKET_AUXDATA: the kernel tells what it took off a frame.
    PacketAuxdata,
    /// PACKET_IGNORE_OUTGOING: what this host sends is not received (Linux 4.20).
    PacketIgnoreOutgoing,
    /// PACKET_QDISC_BYPASS: what is sent goes straight to the driver (Linux 3.14).
    PacketQdiscBypass,
}

/// Value of the MTU_DISCOVER options: DF set, and what does not fit the path is refused.
pub const DISCOVER: c_int = libc::IP_PMTUDISC_DO;

impl SocketOption {
    const fn number(self) -> (c_int, c_int) {
        match self {
            Self::UdpGro => (libc::SOL_UDP, libc::UDP_GRO),
            Self::IpRecvErr => (libc::IPPROTO_IP, libc::IP_RECVERR),
            Self::Ipv6RecvErr => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
            Self::IpRecvTos => (libc::IPPROTO_IP, libc::IP_RECVTOS),
            Self::Ipv6RecvTclass => (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS),
            Self::IpMtuDiscover => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
            Self::Ipv6MtuDiscover => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
            Self::IpPktInfo => (libc::IPPROTO_IP, libc::IP_PKTINFO),
            Self::Ipv6RecvPktInfo => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
            Self::Ipv6DontFrag => (libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG),
            // linux/udp.h; libc has no name for it.
            Self::UdpNoCheck6Rx => (libc::SOL_UDP, 102),
            #[cfg(test)]
            Self::NoCheck => (libc::SOL_SOCKET, libc::SO_NO_CHECK),
            Self::RecvBufferForce => (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE),
            Self::SendBufferForce => (libc::SOL_SOCKET, libc::SO_SNDBUFFORCE),
            Self::IpMtu => (libc::IPPROTO_IP, libc::IP_MTU),
            Self::Ipv6Mtu => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
            Self::PacketVnetHdr => (libc::SOL_PACKET, libc::PACKET_VNET_HDR),
            Self::PacketVnetHdrSize => (libc::SOL_PACKET, libc::PACKET_VNET_HDR_SZ),
            Self::PacketAuxdata => (libc::SOL_PACKET, libc::PACKET_AUXDATA),
            Self::PacketIgnoreOutgoing => (libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING),
            Self::PacketQdiscBypass => (libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS),
        }
    }
}

/// Sets an option.
///
/// # Errors
/// Those of `setsockopt`.
pub fn set_socket_option(
    socket: BorrowedFd<'_>,
    option: SocketOption,
    value: c_int,
) -> io::Result<()> {
    let (level, name) = option.number();
    // SAFETY: the value is a local `int` of the length that is told; every option of the enum takes
    // one, and the kernel only reads it.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            INT_LEN,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Reads an option.
///
/// # Errors
/// Those of `getsockopt`.
pub fn socket_option(socket: BorrowedFd<'_>, option: SocketOption) -> io::Result<c_int> {
    let (level, name) = option.number();
    let mut value: c_int = 0;
    let mut length = INT_LEN;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of the local `int`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(value)
}
