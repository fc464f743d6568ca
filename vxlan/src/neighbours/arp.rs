//! ARP for IPv4 over Ethernet (RFC 826, RFC 5227).

use core::net::{IpAddr, Ipv4Addr};

use vswitch_wire::MacAddr;

use super::Binding;

/// Ethernet, IPv4, and the lengths of their addresses.
const KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: u16 = 1;
const REPLY: u16 = 2;
const LEN: usize = 28;
/// Ethernet header and message; padding is the sender's business.
pub(super) const FRAME_LEN: usize = 14 + LEN;

/// A request or a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arp {
    is_request: bool,
    pub(super) sender_mac: MacAddr,
    sender: Ipv4Addr,
    target: Ipv4Addr,
}

impl Arp {
    /// The message at the start of `payload`; padding may follow.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let message: &[u8; LEN] = payload.first_chunk()?;
        if message[..6] != KIND {
            return None;
        }
        let is_request = match u16::from_be_bytes([message[6], message[7]]) {
            REQUEST => true,
            REPLY => false,
            _ => return None,
        };
        let &[a, b, c, d, e, f, s0, s1, s2, s3] = message[8..].first_chunk()?;
        let &[.., t0, t1, t2, t3] = message;
        Some(Self {
            is_request,
            sender_mac: MacAddr::new([a, b, c, d, e, f]),
            sender: Ipv4Addr::new(s0, s1, s2, s3),
            target: Ipv4Addr::new(t0, t1, t2, t3),
        })
    }

    /// What it says about its sender; a probe (RFC 5227 section 2.1.1) says nothing.
    pub(super) fn binding(&self) -> Option<Binding> {
        is_station(self.sender).then_some(Binding {
            ip: IpAddr::V4(self.sender),
            mac: self.sender_mac,
            router: None,
        })
    }

    /// The address that is asked for, if this is an honest question: no probe, no announcement.
    pub(super) fn question(&self, asker: MacAddr) -> Option<Ipv4Addr> {
        let honest = self.is_request
            && self.sender_mac == asker
            && is_station(self.sender)
            && self.sender != self.target;
        honest.then_some(self.target)
    }

    /// The address that is asked for, honestly or not: also by a probe (RFC 5227 section 2.1.1) or an announcement, to
    /// which only who has the address itself may answer.
    pub(super) fn asked(&self) -> Option<Ipv4Addr> {
        (self.is_request && self.sender_mac.is_unicast()).then_some(self.target)
    }

    /// The answer to a question: the target is at `mac`.
    pub(super) fn reply(&self, mac: MacAddr) -> [u8; FRAME_LEN] {
        let (asker, [op_high, op_low]) = (self.sender_mac.octets(), REPLY.to_be_bytes());
        let mut frame = [0; FRAME_LEN];
        let parts: [&[u8]; 9] = [
            &asker,
            &mac.octets(),
            &[0x08, 0x06],
            &KIND,
            &[op_high, op_low],
            &mac.octets(),
            &self.target.octets(),
            &asker,
            &self.sender.octets(),
        ];
        fill(&mut frame, &parts);
        frame
    }
}

fn is_station(ip: Ipv4Addr) -> bool {
    !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_loopback())
}

/// Writes `parts` one behind the other.
pub(super) fn fill(frame: &mut [u8], parts: &[&[u8]]) {
    let mut rest = frame;
    for part in parts {
        let Some((place, behind)) = rest.split_at_mut_checked(part.len()) else {
            debug_assert!(false, "the parts are as long as the frame");
            return;
        };
        place.copy_from_slice(part);
        rest = behind;
    }
}
