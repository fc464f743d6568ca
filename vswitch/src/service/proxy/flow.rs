//! What one client of a UDP port has open: a socket towards the container, for as long as one of them speaks.
//!
//! Opening takes a moment (the namespace is entered on another thread). Until then datagrams wait, in order, and few;
//! from then on they go straight to the socket. Refusals by ICMP are told to the next call on it, which then did not
//! send: it is made again.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::{io::Errno, net::SendFlags};
use tokio::net::UdpSocket;

/// Datagrams that may wait for the socket.
const WAITING: usize = 64;

/// Who asks whom. A client that asks two addresses of the host is answered from each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Route {
    pub(super) client: SocketAddr,
    /// The host's address, where it is known.
    pub(super) at: Option<IpAddr>,
}

/// What a client has open.
#[derive(Debug)]
pub(super) struct Flow {
    state: Mutex<State>,
    /// When one of them last spoke, in milliseconds.
    last: AtomicU64,
}

#[derive(Debug)]
enum State {
    Opening(Vec<Box<[u8]>>),
    Open(Arc<UdpSocket>),
    Closed,
}

impl Flow {
    /// One that is to be opened. Times are milliseconds since whenever.
    pub(super) fn new(now: u64) -> Self {
        Self {
            state: Mutex::new(State::Opening(Vec::new())),
            last: AtomicU64::new(now),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a datagram to the container, or keeps it until that can be done. False when the flow is closed.
    pub(super) fn carry(&self, datagram: &[u8], now: u64) -> bool {
        match &mut *self.state() {
            State::Closed => return false,
            State::Opening(waiting) if waiting.len() < WAITING => waiting.push(datagram.into()),
            State::Opening(_) => {}
            State::Open(socket) => send(socket, datagram),
        }
        self.spoken(now);
        true
    }

    /// Somebody spoke.
    pub(super) fn spoken(&self, now: u64) {
        self.last.store(now, Ordering::Relaxed);
    }

    /// When somebody last spoke.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// The socket is there: what has waited leaves first.
    pub(super) fn open(&self, socket: &Arc<UdpSocket>) {
        let mut state = self.state();
        if let State::Opening(waiting) = &*state {
            for datagram in waiting {
                send(socket, datagram);
            }
            *state = State::Open(Arc::clone(socket));
        }
    }

    /// Takes no datagrams any more.
    pub(super) fn close(&self) {
        *self.state() = State::Closed;
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.state(), State::Closed)
    }

    /// Closes it when nobody has spoken for that long; else the time that is left.
    pub(super) fn close_if_silent(&self, now: u64, idle: Duration) -> Option<Duration> {
        // Locked, so that no datagram comes between question and answer.
        let mut state = self.state();
        let silent = Duration::from_millis(now.saturating_sub(self.last()));
        let left = idle.saturating_sub(silent);
        if left.is_zero() {
            *state = State::Closed;
            return None;
        }
        Some(left)
    }
}

/// Sends, or loses it where the container does not keep up, as any network would.
fn send(socket: &UdpSocket, datagram: &[u8]) {
    // Not by the runtime, which takes a new socket for a full one until it has heard of it.
    let once = || rustix::net::send(socket, datagram, SendFlags::DONTWAIT);
    let sent = once().or_else(|error| match error {
        Errno::CONNREFUSED => once(),
        error => Err(error),
    });
    if let Err(error) = sent {
        tracing::trace!(%error, "a datagram to a published port was lost");
    }
}
