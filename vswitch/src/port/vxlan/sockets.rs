//! The sockets of an underlay.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::SOURCES;
use crate::sys::SysError;
use crate::sys::netlink;
use crate::sys::udp::{DISCOVER, SocketOption, set_socket_option};

/// Bytes that may wait in a socket: a burst of a hundred superframes.
const BUFFER: i32 = 8 << 20;

/// What a socket that nobody sends to needs, at least in the kernel's eyes.
const NO_BUFFER: usize = 4096;

/// Attempts to find free source ports, for each one wanted.
const ATTEMPTS: usize = 64;

/// An underlay could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum UnderlayError {
    /// Somebody has the port.
    #[error(
        "UDP port {port} of {local} is in use: end the other switch or the kernel's vxlan device, or choose another with -o dstport="
    )]
    InUse {
        /// The address.
        local: IpAddr,
        /// The port.
        port: u16,
    },
    /// The address is not on this host.
    #[error("{local} is no address of this host: give one of `ip address` with -o local=")]
    NotLocal {
        /// The address.
        local: IpAddr,
    },
    /// No source port is free.
    #[error("no UDP port from 49152 to 65535 is free at {local}: end what holds them")]
    NoSourcePort {
        /// The address.
        local: IpAddr,
    },
    /// Interfaces could not be listed.
    #[error(transparent)]
    Interfaces(#[from] SysError),
    /// The kernel refuses something else.
    #[error("cannot {what}: {cause}")]
    Io {
        /// What was tried.
        what: String,
        /// The refusal.
        cause: io::Error,
    },
}

fn failed(what: &str) -> impl Fn(io::Error) -> UnderlayError + '_ {
    move |cause| UnderlayError::Io {
        what: what.to_owned(),
        cause,
    }
}

fn open(ip: IpAddr) -> io::Result<Socket> {
    let domain = match ip {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if ip.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn option(socket: &Socket, option: SocketOption, value: i32) -> io::Result<()> {
    set_socket_option(socket.as_fd(), option, value)
}

/// A socket for each worker on the port.
pub(super) fn receivers(
    local: IpAddr,
    port: u16,
    workers: usize,
) -> Result<Vec<UdpSocket>, UnderlayError> {
    let address = SocketAddr::new(local, port);
    let refused = |cause: io::Error| match cause.kind() {
        io::ErrorKind::AddrInUse => UnderlayError::InUse { local, port },
        io::ErrorKind::AddrNotAvailable => UnderlayError::NotLocal { local },
        _ => failed("bind the tunnel's UDP port")(cause),
    };
    // Sockets that share a port share what comes to it; with a stranger that must not be.
    let alone = open(local).map_err(failed("open a UDP socket"))?;
    alone.bind(&address.into()).map_err(refused)?;
    drop(alone);
    (0..workers.max(1))
        .map(|_| {
            let socket = open(local).map_err(failed("open a UDP socket"))?;
            socket
                .set_reuse_port(true)
                .map_err(failed("share the tunnel's UDP port among workers"))?;
            receive_options(&socket, local).map_err(failed("set up the tunnel's UDP socket"))?;
            socket.bind(&address.into()).map_err(refused)?;
            Ok(socket.into())
        })
        .collect()
}

fn receive_options(socket: &Socket, local: IpAddr) -> io::Result<()> {
    if option(socket, SocketOption::RecvBufferForce, BUFFER).is_err() {
        // Not privileged: up to net.core.rmem_max.
        socket.set_recv_buffer_size(BUFFER.unsigned_abs() as usize)?;
    }
    match local {
        IpAddr::V4(_) => option(socket, SocketOption::IpRecvTos, 1)?,
        IpAddr::V6(_) => {
            option(socket, SocketOption::Ipv6RecvTclass, 1)?;
            // RFC 7348 section 5: a checksum of zero is accepted.
            option(socket, SocketOption::UdpNoCheck6Rx, 1)?;
        }
    }
    if let Err(error) = option(socket, SocketOption::UdpGro, 1) {
        tracing::info!(%error, "no UDP_GRO: datagrams are received one by one");
    }
    Ok(())
}

/// Sockets to send from, with source ports of their own in 49152 to 65535 (RFC 7348 section 5).
pub(super) fn sources(local: IpAddr, count: usize) -> Result<Vec<UdpSocket>, UnderlayError> {
    debug_assert!(count <= SOURCES);
    let mut sources = Vec::with_capacity(count);
    for _ in 0..ATTEMPTS * count {
        let socket = open(local).map_err(failed("open a UDP socket"))?;
        let port = random_port();
        match socket.bind(&SocketAddr::new(local, port).into()) {
            Ok(()) => {
                send_options(&socket, local).map_err(failed("set up a tunnel's UDP socket"))?;
                sources.push(socket.into());
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                return Err(UnderlayError::NotLocal { local });
            }
            Err(error) => return Err(failed("bind a tunnel's source port")(error)),
        }
        if sources.len() == count {
            return Ok(sources);
        }
    }
    Err(UnderlayError::NoSourcePort { local })
}

/// A port that nobody can foresee: who sends to it is not our peer.
fn random_port() -> u16 {
    use std::hash::{BuildHasher, RandomState};
    let [a, b, ..] = RandomState::new().hash_one(0).to_le_bytes();
    vxlan::FIRST_SOURCE_PORT | u16::from_le_bytes([a, b]) >> 2
}

fn send_options(socket: &Socket, local: IpAddr) -> io::Result<()> {
    if option(socket, SocketOption::SendBufferForce, BUFFER).is_err() {
        socket.set_send_buffer_size(BUFFER.unsigned_abs() as usize)?;
    }
    socket.set_recv_buffer_size(NO_BUFFER)?;
    match local {
        IpAddr::V4(_) => {
            option(socket, SocketOption::IpMtuDiscover, DISCOVER)?;
            option(socket, SocketOption::IpRecvErr, 1)
        }
        IpAddr::V6(_) => {
            option(socket, SocketOption::Ipv6MtuDiscover, DISCOVER)?;
            option(socket, SocketOption::Ipv6DontFrag, 1)?;
            option(socket, SocketOption::Ipv6RecvErr, 1)
        }
    }
}

/// A socket that receives what is sent to a group.
pub(super) fn member(local: IpAddr, port: u16, group: IpAddr) -> Result<UdpSocket, UnderlayError> {
    let join = || -> io::Result<Socket> {
        let socket = open(local)?;
        // Every host of the group has the port.
        socket.set_reuse_address(true)?;
        receive_options(&socket, local)?;
        socket.bind(&SocketAddr::new(group, port).into())?;
        Ok(socket)
    };
    let socket = join().map_err(failed("bind the multicast group's UDP port"))?;
    match (local, group) {
        (IpAddr::V4(local), IpAddr::V4(group)) => socket.join_multicast_v4(&group, &local),
        (IpAddr::V6(_), IpAddr::V6(group)) => {
            socket.join_multicast_v6(&group, interface_of(local)?)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }
    .map_err(failed("join the multicast group"))?;
    Ok(socket.into())
}

/// Lets a socket send to groups through the interface that has `local`, without an echo.
pub(super) fn send_to_groups_from(socket: &UdpSocket, local: IpAddr) -> Result<(), UnderlayError> {
    let socket = socket2::SockRef::from(socket);
    match local {
        IpAddr::V4(local) => send_v4(&socket, local),
        IpAddr::V6(_) => send_v6(&socket, interface_of(local)?),
    }
    .map_err(failed("send to the multicast group"))
}

fn send_v4(socket: &socket2::SockRef<'_>, local: Ipv4Addr) -> io::Result<()> {
    socket.set_multicast_if_v4(&local)?;
    socket.set_multicast_loop_v4(false)
}

fn send_v6(socket: &socket2::SockRef<'_>, interface: u32) -> io::Result<()> {
    socket.set_multicast_if_v6(interface)?;
    socket.set_multicast_loop_v6(false)
}

/// The index of the interface that has an address.
fn interface_of(local: IpAddr) -> Result<u32, UnderlayError> {
    if local == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        return Ok(0);
    }
    (netlink::addresses()?.into_iter())
        .find(|known| known.address.addr() == local)
        .map(|known| known.index)
        .ok_or(UnderlayError::NotLocal { local })
}
