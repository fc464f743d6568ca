//! VXLAN (RFC 7348) as bytes in, actions out: no socket, no clock, no thread, no unsafe.
//!
//! Read in this order:
//!
//! 1. [`header`]: eight bytes between UDP and the inner Ethernet frame.
//! 2. [`vtep`]: the tunnel endpoint. [`Vtep::decapsulate`] is the way in, [`Vtep::route`] and [`Vtep::encapsulate`] the
//!    way out. [`Refusal`] is why a datagram goes nowhere.
//! 3. [`segment`] and [`peer`]: what it knows of one VNI. [`outer`] and [`ecn`]: what the underlay gets to see of the
//!    inner frame, and the other way round.
//! 4. [`neighbours`]: ARP and neighbour discovery answered without asking everybody.
//! 5. [`mod@too_big`]: what a sender is told whose packet does not fit.
//!
//! Every entry point is total: any bytes, any address, any time. What it allocates is bounded by [`Limits`].
//! Encryption and authentication are not here (RFC 7348 section 7 leaves them to IPsec).

pub mod ecn;
pub mod error;
pub mod header;
pub mod neighbours;
pub mod outer;
pub mod peer;
pub mod refusal;
pub mod segment;
mod table;
pub mod too_big;
pub mod vtep;

pub use ecn::{Ecn, Remark};
pub use error::{ConfigError, NotLearned};
pub use header::{Header, HeaderError, LEN, PORT, Reserved};
pub use neighbours::{
    Answer, Binding, Neighbours, Observed, Reply, Source, answer_as_owner, is_question,
};
pub use outer::{DEFAULT_TTL, Dscp, FIRST_SOURCE_PORT, Outer, OuterDscp, OuterPolicy, Ttl};
pub use peer::{Peer, Traffic};
pub use refusal::Refusal;
pub use segment::{InnerVlan, Remote, Segment, SegmentConfig, SegmentCounters};
pub use too_big::{Gateway, Silence, too_big};
pub use vtep::{Encapsulation, Inner, Learned, Lesson, Limits, Origin, Route, Vtep};

#[cfg(test)]
mod rfc7348;
#[cfg(test)]
mod testing;
