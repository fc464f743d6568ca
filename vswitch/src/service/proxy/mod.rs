//! Published ports of one host, carried by the switch itself.
//!
//! In front are ordinary sockets in the switch's own namespace (`front`), bound at once, so that a port that cannot
//! be had is refused before anything else is changed. At the back each connection, and each client of a UDP port, gets
//! a socket that is made *inside* the sandbox's namespace (`back`) and speaks to the container's own address. Its
//! traffic never crosses the switch: this is the shortest way for every driver, and the only one where the host has no
//! address on the network (internal, macvlan). The container sees its own address as the client's, where with Docker's
//! userland proxy it sees the gateway's.
//!
//! Complications:
//! - A namespace lives as long as anything in it is open. So it is entered anew for each connection, and only the
//!   connection's socket stays; a flow of UDP that is idle holds it for at most [`Limits::idle`].
//! - A place is a path, and somebody else's namespace may be there by now: it is compared with [`Home::netns`] each
//!   time.
//! - Without a host address there are two sockets, 0.0.0.0 and `[::]`, on one port: also where any free one will do.
//!   A host without IPv6 has the first only.
//! - What ends otherwise than both sides wished ends with RST (`tcp`); a stream that was cut must not look like one
//!   that ended.
//!
//! Threads: everything runs on the given tokio runtime, which has to have I/O and time; namespaces are entered on its
//! threads that may block. Nothing is polled: an idle port is a registered descriptor, an idle connection two.
//! Dropping the [`Service`] closes the listening sockets before it returns, and ends what was carried.

mod back;
mod copy;
mod flow;
mod front;
mod pool;
mod seldom;
mod slot;
mod tcp;
mod udp;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use rustix::io::Errno;
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    task::{AbortHandle, JoinHandle},
};

use crate::control::{
    ControlError,
    publish::{Binding, Transport},
    services::{Home, Service},
};
use back::Backend;
use copy::Carriers;
use pool::Pool;
use seldom::Seldom;

/// Entries into namespaces at once: a storm of clients must not take all threads that may block.
const ENTRIES: usize = 32;

/// Room of one UDP datagram, in bytes.
const DATAGRAM: usize = 1 << 16;

/// Rooms for datagrams that are kept for the next one.
const SPARE_ROOMS: usize = 8;

/// How much is carried, and how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// TCP connections at once, of all ports together; more are reset.
    pub connections: usize,
    /// Clients of one UDP port at once; one more takes the place of the one that has been silent longest.
    pub flows: usize,
    /// How long a client of a UDP port, and the container towards it, may be silent before its answers are no longer
    /// awaited.
    pub idle: Duration,
    /// Time for the container to accept a connection.
    pub connect: Duration,
}

impl Default for Limits {
    /// `idle` is that of Docker's userland proxy.
    fn default() -> Self {
        Self {
            connections: 8192,
            flows: 4096,
            idle: Duration::from_secs(90),
            connect: Duration::from_secs(10),
        }
    }
}

/// The published ports of a host. Clones share the limits.
#[derive(Clone, Debug)]
pub struct Proxies(Arc<Shared>);

/// What all ports have in common.
#[derive(Debug)]
struct Shared {
    runtime: Handle,
    limits: Limits,
    /// Places for TCP connections.
    connections: Arc<Semaphore>,
    /// Places for those that enter a namespace.
    entries: Arc<Semaphore>,
    carriers: Carriers,
    rooms: Pool<Box<[u8]>>,
    full: Seldom,
    exhausted: Seldom,
}

/// A published port. Dropping it closes it.
struct Running {
    /// Closes a socket in front at once.
    close: Vec<Box<dyn Fn() + Send + Sync>>,
    tasks: Vec<AbortHandle>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("sockets", &self.close.len())
            .finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for close in &self.close {
            close();
        }
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Running {
    fn add(&mut self, task: &JoinHandle<()>, close: impl Fn() + Send + Sync + 'static) {
        self.tasks.push(task.abort_handle());
        self.close.push(Box::new(close));
    }
}

impl Proxies {
    /// No ports yet. The runtime has to have I/O and time.
    pub fn new(runtime: Handle) -> Self {
        Self::with_limits(runtime, Limits::default())
    }

    /// The same with other limits.
    pub fn with_limits(runtime: Handle, limits: Limits) -> Self {
        Self(Arc::new(Shared {
            runtime,
            limits,
            connections: Arc::new(Semaphore::new(limits.connections)),
            entries: Arc::new(Semaphore::new(ENTRIES)),
            carriers: Carriers::default(),
            rooms: Pool::new(SPARE_ROOMS),
            full: Seldom::default(),
            exhausted: Seldom::default(),
        }))
    }

    /// Publishes a port of the sandbox at a port of the calling thread's namespace, and tells which: that asked for, or
    /// a free one where the binding leaves it open. `addresses` are the endpoint's: a client is led to the first of its
    /// own family, a TCP client also to the first of the other where that refuses or is missing.
    ///
    /// # Errors
    /// Conflict: the port is taken. Invalid: the address is not the host's, the endpoint has none. Unavailable: no
    /// right to the port, no descriptor.
    pub fn publish(
        &self,
        binding: &Binding,
        home: &Home,
        addresses: &[IpAddr],
    ) -> Result<(u16, Service), ControlError> {
        let entries = Arc::clone(&self.0.entries);
        let backend = Arc::new(Backend::new(binding, home, addresses, entries)?);
        let (port, sockets) = front::bind(binding)?;
        let _runtime = self.0.runtime.enter();
        let mut running = Running {
            close: Vec::new(),
            tasks: Vec::new(),
        };
        for socket in sockets {
            let served = match binding.protocol {
                Transport::Tcp => tcp::serve(&self.0, socket, &backend, &mut running),
                Transport::Udp => udp::serve(&self.0, socket, &backend, &mut running),
            };
            served.map_err(|error| front::refused(binding, port, &error))?;
        }
        Ok((port, Service::new(running)))
    }

    /// Publishes all of them or none: the ports of a range.
    ///
    /// # Errors
    /// As [`Self::publish`], for the first that is refused.
    pub fn publish_all(
        &self,
        bindings: &[Binding],
        home: &Home,
        addresses: &[IpAddr],
    ) -> Result<Vec<(u16, Service)>, ControlError> {
        let publish = |binding| self.publish(binding, home, addresses);
        bindings.iter().map(publish).collect()
    }
}

/// Whether more descriptors or memory are needed than there are.
fn is_exhaustion(error: &std::io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

#[cfg(test)]
mod tests;
