//! Gateways that the switch itself holds: hosts of its own, one on each network that wants one.
//!
//! A gateway answers ARP, neighbour discovery, ping, and DNS over UDP and TCP at port 53 of each of its addresses. It
//! forwards nothing, and sends no router advertisements. TCP to other ports is reset, UDP to other ports is told so.
//! What a question means is not known here: each goes to the [`Ask`] of the owner, and comes back by its [`Reply`].
//!
//! - `link`: Ethernet, and who is where; the port to the switch.
//! - `host`: IP, ICMP, UDP: one smoltcp interface.
//! - `stream`: DNS over TCP.
//! - `servant`: the one thread.
//!
//! smoltcp is given IP packets, not frames. Its own neighbour cache is small, asks for one address a second, and a
//! gateway that was started anew would be deaf for its first minute to a network full of hosts that know it already.
//! Here an answer goes to the MAC address that the question came from. ARP and neighbour discovery are answered
//! by [`vxlan::answer_as_owner`], which also answers unicast solicitations and duplicate address detection.
//!
//! **Threads**: one for all gateways, which starts with the first of them and ends with [`Gateways`]. It sleeps until a
//! frame, an answer or a timer of TCP is due. [`Ask`] is called on it and must not wait for anything.
//!
//! **Hostile networks**: everything is bounded, for each gateway and for each who asks; what is too much is dropped, and
//! costs the others on that network at most their place in the line. Packets in fragments are not put together.

mod host;
mod link;
mod servant;
mod stream;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use mio::{Interest, Token, unix::SourceFd};

use crate::{
    control::{
        ControlError,
        services::{InsideGateway, Querier, Service},
    },
    port::{
        Port, PortState,
        memory::{self, MemoryEnd},
    },
};
use host::{Back, Host};
use servant::{Hub, Letter};

/// Frames that wait on either side of a gateway's port; more are refused.
const QUEUE: usize = 256;

/// Addresses of one gateway: what smoltcp is built for.
const MAX_ADDRESSES: usize = 8;

/// Smallest MTU that every link has (RFC 791 section 3.2); IPv6 wants 1280.
const MIN_MTU: u16 = 68;

/// A DNS message that came to a gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The message, as received.
    pub message: Vec<u8>,
    /// The network and the address that it came from.
    pub from: Querier,
    /// How it came, and the answer goes.
    pub transport: Transport,
}

/// How a DNS message travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// In a datagram.
    Udp {
        /// Longest answer that fits the network's MTU, in bytes; a longer one is not sent.
        room: usize,
    },
    /// Over a connection, where an answer has up to 65,535 bytes.
    Tcp,
}

/// Takes every question, on the thread of the gateways: it must not block, nor wait for the control plane.
pub type Ask = Arc<dyn Fn(Question, Reply) + Send + Sync>;

/// Takes the answer back, from any thread. Dropped without one, the question stays unanswered.
pub struct Reply {
    hub: Arc<Hub>,
    gateway: usize,
    back: Option<Back>,
}

impl Reply {
    /// Sends the answer, a complete DNS message.
    pub fn send(mut self, message: Vec<u8>) {
        self.end(Some(message));
    }

    fn end(&mut self, message: Option<Vec<u8>>) {
        if let Some(back) = self.back.take() {
            self.hub.tell(Letter::Answer {
                gateway: self.gateway,
                back,
                message,
            });
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.back).finish()
    }
}

/// All gateways. Dropping it ends them.
pub struct Gateways {
    ask: Ask,
    running: Mutex<Option<Running>>,
    next: AtomicUsize,
}

struct Running {
    hub: Arc<Hub>,
    thread: Option<JoinHandle<()>>,
}

impl Gateways {
    /// None yet; `ask` is told all questions.
    #[must_use]
    pub fn new(ask: Ask) -> Self {
        Self {
            ask,
            running: Mutex::new(None),
            next: AtomicUsize::new(0),
        }
    }

    /// Begins a gateway. Its port goes onto the network; the gateway ends with the service.
    ///
    /// # Errors
    /// Invalid for what cannot be a gateway's MAC address, MTU or addresses; unavailable when there is no thread or
    /// descriptor to be had.
    pub fn open(&self, gateway: &InsideGateway) -> Result<(Port, Service), ControlError> {
        check(gateway)?;
        let hub = self.hub()?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let unavailable = |error| {
            ControlError::unavailable(format!(
                "cannot hold a gateway: no descriptor ({error}); raise the limit on open files (ulimit -n)"
            ))
        };
        let (port, end) = memory::cable(gateway.mtu, QUEUE).map_err(unavailable)?;
        let end = Arc::new(end);
        if let Some(bell) = end.descriptor() {
            (hub.registry)
                .register(&mut SourceFd(&bell), Token(id), Interest::READABLE)
                .map_err(unavailable)?;
        }
        hub.tell(Letter::Open(
            id,
            Box::new(Host::new(gateway, Arc::clone(&end))),
        ));
        Ok((port, Service::new(Held { hub, id, end })))
    }

    /// The thread's letter box; starts the thread.
    fn hub(&self) -> Result<Arc<Hub>, ControlError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running {
            return Ok(Arc::clone(&running.hub));
        }
        let (hub, thread) = servant::start(Arc::clone(&self.ask)).map_err(|error| {
            ControlError::unavailable(format!(
                "cannot hold a gateway: no thread ({error}); check the limits on threads and open files"
            ))
        })?;
        *running = Some(Running {
            hub: Arc::clone(&hub),
            thread: Some(thread),
        });
        Ok(hub)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hub.tell(Letter::Stop);
        // The last owner may be what `Ask` keeps, on that very thread.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the gateways' thread had panicked");
        }
    }
}

impl fmt::Debug for Gateways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gateways")
    }
}

/// A gateway until it is dropped.
struct Held {
    hub: Arc<Hub>,
    id: usize,
    end: Arc<MemoryEnd>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // From now on, whenever the thread gets to it.
        if let Err(error) = self.end.set_state(PortState::Gone) {
            tracing::debug!(%error, "a gateway's port was not told of its end");
        }
        self.hub.tell(Letter::Close(self.id));
    }
}

fn check(gateway: &InsideGateway) -> Result<(), ControlError> {
    let InsideGateway {
        mac,
        addresses,
        mtu,
        ..
    } = gateway;
    if !mac.is_unicast() {
        return Err(ControlError::invalid(format!(
            "a gateway with the MAC address {mac}: not one station's; give a unicast address"
        )));
    }
    if *mtu < MIN_MTU {
        return Err(ControlError::invalid(format!(
            "a gateway with an MTU of {mtu}: too small for IP; give at least {MIN_MTU}"
        )));
    }
    if addresses.is_empty() || addresses.len() > MAX_ADDRESSES {
        return Err(ControlError::invalid(format!(
            "a gateway with {} addresses: it has 1 to {MAX_ADDRESSES}; leave some subnets without a gateway",
            addresses.len()
        )));
    }
    for address in addresses.iter().map(ipnet::IpNet::addr) {
        if address.is_multicast() || address.is_unspecified() {
            return Err(ControlError::invalid(format!(
                "a gateway at {address}: not one station's; give a host's address"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
