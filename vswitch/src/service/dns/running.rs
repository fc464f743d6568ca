//! A server as a [`Service`]: tasks that end when it is dropped.
//!
//! The tasks of a runtime end a moment after they are told to. Whoever ends a service may at once begin another at the
//! same address, so the end waits for the sockets to be closed: each of them is dropped together with an [`Open`], and
//! when the last is gone the channel says so.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use tokio::task::AbortHandle;

use super::{Dns, Who, tcp, udp};
use crate::control::{ControlError, services::Service};

/// How long the end waits. It takes microseconds, except on the one thread of a runtime, which ends the tasks only when
/// it is left alone.
const END: Duration = Duration::from_millis(250);

/// In which namespace sockets are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// In ours: nothing must be forwarded to their addresses.
    Here,
    /// In another one, where the same addresses are others.
    Elsewhere,
}

/// Kept by a task beside its socket; dropped after it.
pub(super) type Open = Sender<Infallible>;

/// A running server.
#[derive(Debug)]
struct Running {
    dns: Dns,
    ours: Vec<SocketAddr>,
    tasks: Vec<AbortHandle>,
    closed: Receiver<Infallible>,
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        for address in &self.ours {
            self.dns.0.forwarder.not_ours(*address);
        }
        if self.closed.recv_timeout(END) == Err(RecvTimeoutError::Timeout) {
            tracing::debug!("sockets of a DNS server are still to be closed");
        }
    }
}

/// Starts a task for each socket.
pub(super) fn start(
    dns: &Dns,
    udp: Vec<UdpSocket>,
    tcp: Vec<TcpListener>,
    who: &Who,
    scope: Scope,
) -> Result<Service, ControlError> {
    let (open, closed) = crossbeam_channel::bounded(0);
    let mut running = Running {
        dns: dns.clone(),
        ours: Vec::new(),
        tasks: Vec::new(),
        closed,
    };
    let started = running.start_all(udp, tcp, who, scope, &open);
    // Else the end of a service that could not start would wait for this one.
    drop(open);
    started.map_err(|error| {
        ControlError::unavailable(format!(
            "DNS: cannot serve at a socket: {error}; check the limit on open files"
        ))
    })?;
    Ok(Service::new(running))
}

impl Running {
    fn start_all(
        &mut self,
        udp: Vec<UdpSocket>,
        tcp: Vec<TcpListener>,
        who: &Who,
        scope: Scope,
        open: &Open,
    ) -> io::Result<()> {
        let runtime = self.dns.0.runtime.clone();
        let _context = runtime.enter();
        for socket in udp {
            socket.set_nonblocking(true)?;
            self.list(scope, socket.local_addr()?);
            let socket = tokio::net::UdpSocket::from_std(socket)?;
            let task = udp::serve(self.dns.clone(), socket, who.clone(), open.clone());
            self.tasks.push(runtime.spawn(task).abort_handle());
        }
        for listener in tcp {
            listener.set_nonblocking(true)?;
            self.list(scope, listener.local_addr()?);
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let task = tcp::serve(self.dns.clone(), listener, who.clone(), open.clone());
            self.tasks.push(runtime.spawn(task).abort_handle());
        }
        Ok(())
    }

    fn list(&mut self, scope: Scope, address: SocketAddr) {
        if scope == Scope::Here {
            self.dns.0.forwarder.ours(address);
            self.ours.push(address);
        }
    }
}
