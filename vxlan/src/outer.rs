//! What the outer headers of a tunnel packet say that the inner frame decides.
//!
//! - **UDP source port**: a hash of the inner flow, in 49152 to 65535 (RFC 7348 section 5), so that the underlay
//!   spreads flows over its paths and queues and keeps each in order. A sender with a set of bound sockets takes the
//!   one that [`Outer::socket`] says.
//! - **TTL** fixed, or the inner packet's; a frame that has none gets [`DEFAULT_TTL`].
//! - **DSCP** fixed, or the inner packet's. **ECN** is always the inner packet's: RFC 6040's normal mode, for peers
//!   that decapsulate by RFC 6040, as this one and Linux do.

use core::num::{NonZeroU8, NonZeroUsize};

use vswitch_wire::{Head, flow_hash};

use crate::ecn::{Ecn, InnerIp};

/// What Linux sends with.
pub const DEFAULT_TTL: NonZeroU8 = NonZeroU8::MIN.saturating_add(63);

/// The first of the 16,384 source ports.
pub const FIRST_SOURCE_PORT: u16 = 0xc000;

/// The outer TTL or hop limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// This one.
    Fixed(NonZeroU8),
    /// The inner packet's.
    Inherit,
}

/// A differentiated services codepoint, 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dscp(u8);

impl Dscp {
    /// The highest.
    pub const MAX: u8 = 63;

    /// The codepoint of this number, if it is one.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number <= Self::MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// The outer DSCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OuterDscp {
    /// This one.
    Fixed(Dscp),
    /// The inner packet's; 0 for a frame that is not IP.
    Inherit,
}

/// How a segment fills the outer headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OuterPolicy {
    /// TTL or hop limit.
    pub ttl: Ttl,
    /// DSCP.
    pub dscp: OuterDscp,
}

impl Default for OuterPolicy {
    /// TTL 64, DSCP 0.
    fn default() -> Self {
        Self {
            ttl: Ttl::Fixed(DEFAULT_TTL),
            dscp: OuterDscp::Fixed(Dscp(0)),
        }
    }
}

/// What the outer headers of one frame say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outer {
    /// The hash of the inner flow.
    pub flow: u32,
    /// TTL or hop limit, never 0.
    pub ttl: u8,
    /// TOS or traffic class: DSCP and ECN.
    pub tos: u8,
}

impl Outer {
    pub(crate) fn of(frame: &[u8], head: &Head, policy: &OuterPolicy) -> Self {
        let inner = InnerIp::read(frame, head);
        let ttl = match (policy.ttl, inner) {
            (Ttl::Fixed(ttl), _) => ttl.get(),
            (Ttl::Inherit, Some(InnerIp { ttl, .. })) if ttl > 0 => ttl,
            (Ttl::Inherit, _) => DEFAULT_TTL.get(),
        };
        let inner_tos = inner.map_or(0, |ip| ip.tos);
        let dscp = match policy.dscp {
            OuterDscp::Fixed(dscp) => dscp.get() << 2,
            OuterDscp::Inherit => inner_tos & !3,
        };
        Self {
            flow: flow_hash(frame, head),
            ttl,
            tos: dscp | Ecn::of(inner_tos).bits(),
        }
    }

    /// The UDP source port, for a sender that can choose one for each packet.
    #[must_use]
    pub const fn source_port(&self) -> u16 {
        let [high, low, _, _] = self.flow.to_be_bytes();
        FIRST_SOURCE_PORT | u16::from_be_bytes([high, low]) >> 2
    }

    /// Which of so many sockets, each bound to a port of its own, sends this frame.
    #[must_use]
    pub fn socket(&self, sockets: NonZeroUsize) -> usize {
        let count = u64::try_from(sockets.get()).unwrap_or(u64::MAX);
        let scaled = (u128::from(self.flow) * u128::from(count)) >> 32;
        usize::try_from(scaled).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::{DST, SRC, ethernet, ipv4_frame, ipv6_frame};

    fn outer(frame: &[u8], ttl: Ttl, dscp: OuterDscp) -> Outer {
        let policy = OuterPolicy { ttl, dscp };
        Outer::of(frame, &Head::parse(frame).unwrap(), &policy)
    }

    #[test]
    fn fixed_and_inherited() {
        let fixed = OuterDscp::Fixed(Dscp::new(46).unwrap());
        let frames = [
            ipv4_frame(0b0010_1001, 7, 99, &[]),
            ipv6_frame(0b0010_1001, 7, 99, &[]),
        ];
        for frame in frames {
            let a = outer(&frame, Ttl::Inherit, OuterDscp::Inherit);
            assert_eq!((a.ttl, a.tos), (7, 0b0010_1001));
            let b = outer(&frame, Ttl::Fixed(NonZeroU8::MAX), fixed);
            assert_eq!((b.ttl, b.tos), (255, 46 << 2 | 1), "ECN is the inner one's");
        }
        let arp = ethernet(DST, SRC, 0x0806, &[0; 28]);
        let c = outer(&arp, Ttl::Inherit, OuterDscp::Inherit);
        assert_eq!((c.ttl, c.tos), (64, 0));
        let dead = ipv4_frame(0, 0, 99, &[]);
        assert_eq!(outer(&dead, Ttl::Inherit, OuterDscp::Inherit).ttl, 64);
        assert_eq!(Dscp::new(64), None);
    }

    #[test]
    fn rfc6040_sec4_1_normal_mode_copies_the_inner_codepoint() {
        for tos in 0..=u8::MAX {
            for frame in [ipv4_frame(tos, 9, 99, &[]), ipv6_frame(tos, 9, 99, &[])] {
                let fixed = outer(&frame, Ttl::Inherit, OuterDscp::Fixed(Dscp(0)));
                assert_eq!(fixed.tos, tos & 3);
                assert_eq!(outer(&frame, Ttl::Inherit, OuterDscp::Inherit).tos, tos);
            }
        }
    }

    #[test]
    fn rfc7348_sec5_source_port_is_a_hash_of_the_inner_flow_in_the_dynamic_range() {
        let mut ports = BTreeSet::new();
        let mut sockets = BTreeSet::new();
        for flow in 0..10_000u16 {
            let [a, b] = flow.to_be_bytes();
            let frame = ipv4_frame(0, 64, 17, &[a, b, 0x12, 0xb5, 0, 8, 0, 0]);
            let of = |frame: &[u8]| outer(frame, Ttl::Inherit, OuterDscp::Inherit);
            let first = of(&frame);
            let mut other = frame.clone();
            other.extend([1, 2, 3]);
            assert_eq!(
                first.flow,
                of(&other).flow,
                "all frames of a flow take one path"
            );
            assert!(first.source_port() >= 49152);
            ports.insert(first.source_port());
            let sixteen = NonZeroUsize::new(16).unwrap();
            let socket = first.socket(sixteen);
            assert!(socket < 16);
            assert_eq!(first.socket(NonZeroUsize::MIN), 0);
            sockets.insert(socket);
        }
        assert!(ports.len() >= 1000, "{} distinct ports", ports.len());
        assert_eq!(sockets.len(), 16);
    }
}
