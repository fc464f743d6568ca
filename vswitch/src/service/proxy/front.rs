//! The host's side: sockets that are bound and listen, or the reason why they cannot.
//!
//! TCP has SO_REUSEADDR: connections that a killed daemon left in TIME_WAIT are in nobody's way, while on Linux a
//! socket that really listens still is. UDP has not, there it would let two programs share a port.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsFd,
};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::{
    control::{
        ControlError,
        publish::{Binding, Transport},
    },
    sys::udp::{SocketOption, set_socket_option},
};

/// Connections that wait to be accepted; the kernel takes at most `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Bytes of datagrams that may wait in either direction.
const BUFFER: i32 = 4 << 20;

/// How often a free port of one family may turn out to be taken in the other.
const TRIES: usize = 16;

/// The sockets of a binding, and their port.
pub(super) fn bind(binding: &Binding) -> Result<(u16, Vec<Socket>), ControlError> {
    let free = binding.host_port == 0;
    let mut tries = 0;
    loop {
        tries += 1;
        match try_bind(binding) {
            Err((port, error)) if !(free && is_taken(&error) && tries < TRIES) => {
                return Err(refused(binding, port, &error));
            }
            Err(_) => {}
            Ok(bound) => return Ok(bound),
        }
    }
}

/// Once; an error with the port that was tried last.
fn try_bind(binding: &Binding) -> Result<(u16, Vec<Socket>), (u16, io::Error)> {
    let port = binding.host_port;
    let protocol = binding.protocol;
    let open = |ip, port| open(protocol, SocketAddr::new(ip, port));
    if let Some(ip) = binding.host_ip {
        let (port, socket) = open(ip.to_canonical(), port).map_err(|error| (port, error))?;
        return Ok((port, vec![socket]));
    }
    let first = open(Ipv4Addr::UNSPECIFIED.into(), port);
    let (port, v4) = first.map_err(|error| (port, error))?;
    match open(Ipv6Addr::UNSPECIFIED.into(), port) {
        Ok((_, v6)) => Ok((port, vec![v4, v6])),
        Err(error) if has_no_ipv6(&error) => {
            tracing::debug!(%binding, %error, "published over IPv4 only");
            Ok((port, vec![v4]))
        }
        Err(error) => Err((port, error)),
    }
}

/// A bound socket, and its port.
fn open(protocol: Transport, address: SocketAddr) -> io::Result<(u16, Socket)> {
    let kind = match protocol {
        Transport::Tcp => Type::STREAM,
        Transport::Udp => Type::DGRAM,
    };
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    match protocol {
        Transport::Tcp => {
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
        }
        Transport::Udp => {
            prepare_udp(&socket, address)?;
            socket.bind(&address.into())?;
        }
    }
    let bound = socket.local_addr()?.as_socket();
    let port = bound.ok_or(io::ErrorKind::AddrNotAvailable)?.port();
    Ok((port, socket))
}

/// Has the kernel tell which address was asked, and widens the buffers as far as is allowed.
fn prepare_udp(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    let told = match address {
        SocketAddr::V4(_) => SocketOption::IpPktInfo,
        SocketAddr::V6(_) => SocketOption::Ipv6RecvPktInfo,
    };
    set_socket_option(socket.as_fd(), told, 1)?;
    for option in [SocketOption::RecvBufferForce, SocketOption::SendBufferForce] {
        if let Err(error) = set_socket_option(socket.as_fd(), option, BUFFER) {
            // The host's default does as well, a burst is only shorter.
            tracing::debug!(%error, ?option, "the buffer stays as it is");
        }
    }
    Ok(())
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn has_no_ipv6(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
    )
}

/// Why a binding is refused, and what to do.
pub(super) fn refused(binding: &Binding, port: u16, error: &io::Error) -> ControlError {
    let Binding {
        host_ip,
        container_port,
        protocol,
        ..
    } = binding;
    let ip = host_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    match Errno::from_io_error(error) {
        Some(Errno::ADDRINUSE) => {
            let list = match protocol {
                Transport::Tcp => "-ltnp",
                Transport::Udp => "-lunp",
            };
            ControlError::conflict(format!(
                "publish {binding}: port {port}/{protocol} of the host is taken; `ss {list} 'sport = :{port}'` shows by whom, or give another host port, or none for a free one"
            ))
        }
        Some(Errno::ADDRNOTAVAIL | Errno::INVAL) => ControlError::invalid(format!(
            "publish {binding}: {ip} is no address of this host to bind to; give one that `ip address` shows, or none for all"
        )),
        Some(Errno::AFNOSUPPORT) => ControlError::unavailable(format!(
            "publish {binding}: this host has no {}; give another address",
            if ip.is_ipv6() { "IPv6" } else { "IPv4" }
        )),
        Some(Errno::ACCESS | Errno::PERM) => ControlError::unavailable(format!(
            "publish {binding}: port {port} needs CAP_NET_BIND_SERVICE; run as root, give a host port from 1024 on, or `sysctl net.ipv4.ip_unprivileged_port_start={port}`"
        )),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
            ControlError::unavailable(format!(
                "publish {binding}: {error}; raise the limit on open files (`ulimit -n`), or publish fewer ports"
            ))
        }
        _ => ControlError::internal(format!(
            "publish {binding}: the host's port {port} for container port {container_port} cannot be opened: {error}; try another address or port"
        )),
    }
}
