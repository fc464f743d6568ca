//! EtherTypes: what a frame's payload is (IEEE 802.3 clause 3.2.6, the IEEE registration authority's public list).
//!
//! A newtype and not an enum, because the set is open: a switch relays what it does not know. Values below 0x0600
//! are no types but 802.3 lengths; see [`crate::ethernet`].

use core::fmt;

/// An EtherType, as the number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: Self = Self(0x0800);
    /// ARP (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// Reverse ARP (RFC 903), which some hypervisors send to announce a move.
    pub const RARP: Self = Self(0x8035);
    /// Customer VLAN tag, C-TAG (802.1Q).
    pub const VLAN: Self = Self(0x8100);
    /// IPv6 (RFC 2464).
    pub const IPV6: Self = Self(0x86dd);
    /// MAC control, PAUSE among it (802.3 annex 31).
    pub const PAUSE: Self = Self(0x8808);
    /// Slow protocols: LACP, OAM (802.3 annex 57A).
    pub const SLOW: Self = Self(0x8809);
    /// MPLS unicast (RFC 3032).
    pub const MPLS: Self = Self(0x8847);
    /// PPPoE discovery (RFC 2516).
    pub const PPPOE_DISCOVERY: Self = Self(0x8863);
    /// PPPoE session (RFC 2516).
    pub const PPPOE_SESSION: Self = Self(0x8864);
    /// EAP over LAN (802.1X).
    pub const EAPOL: Self = Self(0x888e);
    /// Service VLAN tag, S-TAG (802.1ad).
    pub const QINQ: Self = Self(0x88a8);
    /// LLDP (802.1AB).
    pub const LLDP: Self = Self(0x88cc);
    /// MACsec (802.1AE).
    pub const MACSEC: Self = Self(0x88e5);
    /// Precision time protocol (IEEE 1588).
    pub const PTP: Self = Self(0x88f7);
    /// Ethernet configuration testing, used to detect loops.
    pub const LOOPBACK: Self = Self(0x9000);

    /// Whether this opens a VLAN tag: 802.1Q or 802.1ad.
    #[inline]
    #[must_use]
    pub const fn is_vlan_tag(self) -> bool {
        matches!(self, Self::VLAN | Self::QINQ)
    }

    const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::IPV4 => "IPv4",
            Self::ARP => "ARP",
            Self::RARP => "RARP",
            Self::VLAN => "802.1Q",
            Self::IPV6 => "IPv6",
            Self::PAUSE => "PAUSE",
            Self::SLOW => "slow protocols",
            Self::MPLS => "MPLS",
            Self::PPPOE_DISCOVERY => "PPPoE discovery",
            Self::PPPOE_SESSION => "PPPoE",
            Self::EAPOL => "EAPOL",
            Self::QINQ => "802.1ad",
            Self::LLDP => "LLDP",
            Self::MACSEC => "MACsec",
            Self::PTP => "PTP",
            Self::LOOPBACK => "loopback",
            _ => return None,
        })
    }
}

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(EtherType::IPV6.to_string(), "IPv6");
        assert_eq!(EtherType(0x0801).to_string(), "0x0801");
        assert!(EtherType::VLAN.is_vlan_tag() && EtherType::QINQ.is_vlan_tag());
        assert!(!EtherType(0x9100).is_vlan_tag());
    }
}
