//! Another tunnel endpoint of a segment, and what went there and came from there.
//!
//! The counters are atomics, added to by every thread: once for a batch of frames where it can be, not for each.

use core::net::IpAddr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Frames and bytes of one direction; bytes are those of the inner frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Frames.
    pub frames: u64,
    /// Bytes, without the tunnel's headers.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Counter {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    fn add(&self, frames: u64, bytes: u64) {
        self.frames.fetch_add(frames, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn read(&self) -> Traffic {
        Traffic {
            frames: self.frames.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// A peer of one segment. The same host in two segments is two peers.
#[derive(Debug)]
pub struct Peer {
    addr: IpAddr,
    received: Counter,
    sent: Counter,
    /// The second after the one in which a frame was last accepted; 0 is never.
    heard: AtomicU32,
}

impl Peer {
    pub(crate) fn new(addr: IpAddr) -> Self {
        Self {
            addr,
            received: Counter::default(),
            sent: Counter::default(),
            heard: AtomicU32::new(0),
        }
    }

    /// Where datagrams go to and come from.
    #[must_use]
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// Counts frames that were decapsulated.
    pub fn count_received(&self, frames: u64, bytes: u64) {
        self.received.add(frames, bytes);
    }

    /// Counts frames that were sent.
    pub fn count_sent(&self, frames: u64, bytes: u64) {
        self.sent.add(frames, bytes);
    }

    /// What was counted by [`Self::count_received`].
    #[must_use]
    pub fn received(&self) -> Traffic {
        self.received.read()
    }

    /// What was counted by [`Self::count_sent`].
    #[must_use]
    pub fn sent(&self) -> Traffic {
        self.sent.read()
    }

    /// The second in which a frame was last accepted from it.
    #[must_use]
    pub fn last_heard(&self) -> Option<u32> {
        self.heard.load(Ordering::Relaxed).checked_sub(1)
    }

    /// A write at most once a second.
    pub(crate) fn hear(&self, now: u32) {
        let next = now.saturating_add(1);
        if self.heard.load(Ordering::Relaxed) < next {
            self.heard.store(next, Ordering::Relaxed);
        }
    }
}
