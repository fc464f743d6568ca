//! Where the servers listen: inside a sandbox, and at a gateway's addresses of the host.
//!
//! A socket belongs to the namespace of the thread that made it, for ever, and keeps that namespace alive. So a server
//! in a sandbox needs no thread there, and whoever holds its sockets decides how long the sandbox's namespace lives at
//! least: for a namespace that is not ours that is for them to know who serve it, not for this file.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    control::{ControlError, sandbox::Place, services::Home},
    sys::{IfName, Netns, SysError, netlink},
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A UDP socket and a TCP listener at an address inside a sandbox. The sandbox's loopback interface is set up if it is
/// not, without which no loopback address is there.
///
/// Blocks for some milliseconds.
///
/// # Errors
/// Not-found: the namespace is gone, or another one is in its place. Conflict: the address is taken. Unavailable: no
/// right to enter, or to set the interface up.
pub fn sockets_in(
    home: &Home,
    address: IpAddr,
    port: u16,
) -> Result<(UdpSocket, TcpListener), ControlError> {
    let netns = match &home.place {
        Place::Pid(pid) => Netns::of_pid(*pid)?,
        Place::Path(path) => Netns::open(path)?,
    };
    if !home.is(netns.id()?) {
        return Err(ControlError::not_found(format!(
            "DNS in a sandbox: another network namespace is at {} now; connect the sandbox again",
            home.place.path().display()
        )));
    }
    let at = SocketAddr::new(address, port);
    netns.run(|| {
        raise_loopback()?;
        pair(at)
    })?
}

/// UDP sockets and TCP listeners at addresses of the calling thread's namespace, which may still be tentative
/// (IPv6, RFC 4862 §5.4) or about to be configured.
///
/// # Errors
/// Conflict: one of the addresses is taken. Unavailable: no right to use the port.
pub fn gateway_sockets(
    addresses: &[IpAddr],
    port: u16,
) -> Result<(Vec<UdpSocket>, Vec<TcpListener>), ControlError> {
    addresses
        .iter()
        .map(|address| pair(SocketAddr::new(*address, port)))
        .collect()
}

fn raise_loopback() -> Result<(), SysError> {
    let loopback = IfName::loopback();
    let links = netlink::links()?;
    let up = |link: &netlink::LinkInfo| link.name == loopback.to_string() && link.up;
    if links.iter().any(up) {
        return Ok(());
    }
    netlink::set_link_up(&loopback)
}

fn pair(at: SocketAddr) -> Result<(UdpSocket, TcpListener), ControlError> {
    let explained = |error| refused(at, &error);
    let udp = bound(at, Type::DGRAM, Protocol::UDP).map_err(explained)?;
    // Port 0 is for tests: both get the same one.
    let at = udp
        .local_addr()
        .map_err(explained)?
        .as_socket()
        .unwrap_or(at);
    let tcp = bound(at, Type::STREAM, Protocol::TCP).map_err(explained)?;
    tcp.listen(BACKLOG).map_err(explained)?;
    Ok((udp.into(), tcp.into()))
}

fn bound(at: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), kind, Some(protocol))?;
    match at {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => {
            socket.set_freebind_v6(true)?;
            socket.set_only_v6(true)?;
        }
    }
    if kind == Type::STREAM {
        // Connections of an earlier listener may still be about to end. For UDP it would allow two servers.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&at.into())?;
    Ok(socket)
}

fn refused(at: SocketAddr, error: &io::Error) -> ControlError {
    let port = at.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => ControlError::conflict(format!(
            "DNS at {at}: another server has the address; find it with `ss -lntup sport = :{port}` and stop it, \
             or make it listen elsewhere"
        )),
        io::ErrorKind::PermissionDenied => ControlError::unavailable(format!(
            "DNS at {at}: no right to use port {port}; run as root or with CAP_NET_BIND_SERVICE"
        )),
        _ => ControlError::unavailable(format!(
            "DNS at {at}: {error}; check the address and the limit on open files"
        )),
    }
}
