//! ARP and neighbour discovery, answered from what is known instead of asking every peer.
//!
//! Nearly every frame for all that a quiet network sends is somebody who looks for a MAC address. [`Neighbours`] keeps,
//! for one segment, which IP address has which MAC address, from the ARP and ND that passes by; [`Neighbours::answer`]
//! gives the frame that the one asked for would send itself. RFC 7348 section 4.2 leaves this to the implementation;
//! the rules are those that RFC 9161 gathered for the same purpose.
//!
//! - **Never answered**: probes and duplicate address detection (no sender address: RFC 5227, RFC 4862 section 5.4), as
//!   an answer would take the address away from a host that moves; gratuitous ARP, which is an announcement; unicast
//!   questions, which ask whether *that* host is there (RFC 4861 section 7.3); what is not known.
//! - **Only what is said about oneself is believed**: the MAC address in the message must be the one in the Ethernet
//!   header. That stops no liar who lies in both; [`Neighbours::pin`] does, for the addresses that were given out.
//! - **The Router flag** of an advertisement must be right, or hosts drop their default router (RFC 4861 section
//!   7.2.5). It is known from an advertisement, not from a solicitation; until then the question is flooded.
//! - **Anycast**: an advertisement without Override is one of several, so it teaches nothing.
//! - **Tagged frames** pass by: one table is one broadcast domain.
//!
//! **Threads**: as [`crate::Vtep`]: [`Neighbours::observe`] and [`Neighbours::answer`] share it, the rest changes it.
//! Only questions from this host's ports are to be answered; one that comes out of the tunnel goes to its owner.

mod arp;
mod nd;
mod own;

use core::net::{IpAddr, Ipv6Addr};
use core::num::NonZeroU32;

use vswitch_wire::{EtherType, Head, Kind, MacAddr};

use crate::table::FairTable;
use arp::Arp;
use nd::Discovery;

pub use own::answer_as_owner;

/// Where a message was seen; when the table is full, whoever has the most entries in it loses one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A port of this host, by a number that the caller chooses.
    Port(u32),
    /// A peer.
    Peer(IpAddr),
}

/// An IP address and who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The address.
    pub ip: IpAddr,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Whether it is a router, where that is known; IPv6 only.
    pub router: Option<bool>,
}

/// What a frame says about neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// Nothing.
    Nothing,
    /// What is known.
    Known,
    /// Something new: call [`Neighbours::learn`].
    MustLearn(Binding),
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Forward it like any other: it is no question, or one that only others can answer.
    Flood,
    /// Send this back to where it came from, and forward nothing.
    Reply(Reply),
}

/// A frame, complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl Reply {
    /// A neighbour advertisement; an ARP reply is shorter.
    const MAX: usize = nd::ADVERTISEMENT_LEN;

    /// The frame's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }

    fn new<const LEN: usize>(frame: [u8; LEN]) -> Self {
        const { assert!(LEN <= Self::MAX) };
        let mut bytes = [0; Self::MAX];
        bytes[..LEN].copy_from_slice(&frame);
        Self { bytes, len: LEN }
    }
}

/// What is known of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Neighbour {
    mac: MacAddr,
    router: Option<bool>,
}

/// A sound message of either protocol, from a frame without tags.
enum Message {
    Arp(Arp),
    Nd(Discovery),
}

impl Message {
    fn read(frame: &[u8], head: &Head) -> Option<Self> {
        if !head.tags.is_empty() || !head.src.is_unicast() {
            return None;
        }
        let payload = frame.get(head.payload..)?;
        match head.kind {
            Kind::Ether(EtherType::ARP) => Arp::parse(payload).map(Self::Arp),
            Kind::Ether(EtherType::IPV6) => Discovery::parse(payload).map(Self::Nd),
            Kind::Ether(_) | Kind::Snap(_) | Kind::Llc { .. } => None,
        }
    }

    /// What it says about its sender.
    fn binding(&self, src: MacAddr) -> Option<Binding> {
        let (mac, binding) = match self {
            Self::Arp(arp) => (arp.sender_mac, arp.binding()?),
            Self::Nd(discovery) => discovery.binding()?,
        };
        (mac == src).then_some(binding)
    }
}

/// The neighbours of one segment.
#[derive(Debug)]
pub struct Neighbours {
    table: FairTable<IpAddr, Source, Neighbour>,
}

impl Neighbours {
    /// At most `max` addresses; a learned one lives `ageing` seconds after it was last seen, or for ever.
    #[must_use]
    pub fn new(max: usize, ageing: Option<NonZeroU32>) -> Self {
        Self {
            table: FairTable::new(max, ageing),
        }
    }

    /// How many addresses there are, those past their time included until they are swept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that is known, in no order.
    pub fn iter(&self, now: u32) -> impl Iterator<Item = (Binding, Source)> {
        self.table.iter(now).map(|(&ip, entry)| {
            let Neighbour { mac, router } = entry.value;
            (Binding { ip, mac, router }, entry.owner)
        })
    }

    /// Looks at a frame, whose parsed header is `head`, from `source`.
    pub fn observe(&self, frame: &[u8], head: &Head, source: Source, now: u32) -> Observed {
        let message = Message::read(frame, head);
        let Some(seen) = message.and_then(|message| message.binding(head.src)) else {
            return Observed::Nothing;
        };
        let Some(entry) = self.table.get(&seen.ip, now) else {
            return Observed::MustLearn(seen);
        };
        let same = entry.value.mac == seen.mac && entry.owner == source;
        if entry.is_pinned() {
            return if entry.value.mac == seen.mac {
                Observed::Known
            } else {
                Observed::Nothing
            };
        }
        if same && (seen.router.is_none() || seen.router == entry.value.router) {
            entry.refresh(now);
            return Observed::Known;
        }
        Observed::MustLearn(seen)
    }

    /// Learns what [`Self::observe`] found; false when it may not: the address is pinned, or there is no room.
    pub fn learn(&mut self, binding: Binding, source: Source, now: u32) -> bool {
        let Binding {
            ip,
            mac,
            mut router,
        } = binding;
        if let Some(entry) = self.table.get(&ip, now)
            && entry.value.mac == mac
        {
            router = router.or(entry.value.router);
        }
        let neighbour = Neighbour { mac, router };
        self.table.insert(ip, source, neighbour, now).is_ok()
    }

    /// Says by hand who has an address: no message changes it, until it is removed or all of `source` is forgotten.
    /// False when there is no room.
    pub fn pin(&mut self, ip: IpAddr, mac: MacAddr, router: bool, source: Source) -> bool {
        let router = Some(router);
        self.table
            .pin(ip, source, Neighbour { mac, router })
            .is_ok()
    }

    /// Forgets an address, pinned or not; false when it was not known.
    pub fn remove(&mut self, ip: IpAddr) -> bool {
        self.table.remove(&ip)
    }

    /// Forgets all that came from a port or peer, at once. How many addresses that were.
    pub fn forget(&mut self, source: Source) -> usize {
        self.table.forget_owner(source)
    }

    /// Forgets what is past its time. How many addresses that were.
    pub fn sweep(&mut self, now: u32) -> usize {
        self.table.sweep(now)
    }

    /// Answers a frame from one of this host's ports, if it is a question whose answer is known.
    #[must_use]
    pub fn answer(&self, frame: &[u8], head: &Head, now: u32) -> Answer {
        if !head.dst.is_multicast() {
            return Answer::Flood;
        }
        let reply = match Message::read(frame, head) {
            Some(Message::Arp(arp)) => self.answer_arp(&arp, head.src, now),
            Some(Message::Nd(discovery)) => self.answer_nd(&discovery, head.src, now),
            None => None,
        };
        reply.map_or(Answer::Flood, Answer::Reply)
    }

    fn answer_arp(&self, arp: &Arp, asker: MacAddr, now: u32) -> Option<Reply> {
        let target = arp.question(asker)?;
        let known = self.known(target.into(), asker, now)?;
        Some(Reply::new(arp.reply(known.mac)))
    }

    fn answer_nd(&self, discovery: &Discovery, asker: MacAddr, now: u32) -> Option<Reply> {
        let (target, asker_ip) = discovery.question(asker)?;
        let known = self.known(target.into(), asker, now)?;
        let reply = nd::advertisement(known.mac, asker, target, asker_ip, known.router?);
        Some(Reply::new(reply))
    }

    /// Who has `ip`; nobody, when it is the one that asks.
    fn known(&self, ip: IpAddr, asker: MacAddr, now: u32) -> Option<Neighbour> {
        let known = self.table.get(&ip, now)?.value;
        (known.mac != asker).then_some(known)
    }
}

/// Whether a frame asks honestly which station has an address: an ARP request that is no announcement and no probe, a
/// solicitation that is no duplicate address detection. There is one who answers, unless the address is nobody's.
#[must_use]
pub fn is_question(frame: &[u8], head: &Head) -> bool {
    match Message::read(frame, head) {
        Some(Message::Arp(arp)) => arp.question(head.src).is_some(),
        Some(Message::Nd(discovery)) => discovery.question(head.src).is_some(),
        None => false,
    }
}

/// Whether an address is one interface's, and not everybody's or nobody's.
fn is_one_interface(ip: Ipv6Addr) -> bool {
    !ip.is_multicast() && !ip.is_unspecified() && !ip.is_loopback()
}

#[cfg(test)]
mod tests;
