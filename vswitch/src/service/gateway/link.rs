//! The gateway's Ethernet: its end of the port, what it lets in, and the MAC addresses of those that it answers.
//!
//! - Frames that ask for the gateway's MAC address are answered here, and go no further.
//! - IP packets are let in that are addressed to the gateway in both headers, whole, without VLAN tags, and from an
//!   address of one of its subnets (or link-local) that is not its own: there is nobody else to answer to.
//! - Whoever sent such a packet is found at that packet's MAC address from then on. [`Whereabouts`] is bounded: two
//!   generations of so many; who speaks is in the younger one.

use std::{
    net::{IpAddr, Ipv6Addr},
    ops::Range,
    sync::Arc,
};

use hashbrown::HashMap;
use ipnet::IpNet;
use smoltcp::{
    phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken},
    time::Instant,
};
use vswitch_wire::{
    EtherType, HEADER_LEN, Head, Ipv4View, Ipv6View, Kind, MacAddr, VNET_LEN, VnetHdr,
    set_addresses,
};
use vxlan::answer_as_owner;

use crate::port::memory::MemoryEnd;

/// Addresses in one generation.
const GENERATION: usize = 1024;

/// Where the IP packet begins.
const PACKET: usize = VNET_LEN + HEADER_LEN;

/// Which MAC address an IP address was seen at last.
#[derive(Debug, Default)]
struct Whereabouts {
    young: HashMap<IpAddr, MacAddr>,
    old: HashMap<IpAddr, MacAddr>,
}

impl Whereabouts {
    fn learn(&mut self, ip: IpAddr, mac: MacAddr) {
        if self.young.get(&ip) == Some(&mac) {
            return;
        }
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(ip, mac);
    }

    fn find(&self, ip: &IpAddr) -> Option<MacAddr> {
        self.young.get(ip).or_else(|| self.old.get(ip)).copied()
    }
}

/// What is done with a frame.
#[derive(PartialEq, Eq, Debug)]
enum Admission {
    /// It is for smoltcp: the IP packet in it.
    Packet(Range<usize>),
    /// This is sent back.
    Answer(Vec<u8>),
    /// Nothing.
    Ignored,
}

/// The gateway's end of its port.
#[derive(Debug)]
pub(super) struct Link {
    end: Arc<MemoryEnd>,
    mac: MacAddr,
    addresses: Vec<IpNet>,
    mtu: usize,
    whereabouts: Whereabouts,
    /// Frames that may still be taken this time.
    budget: usize,
}

impl Link {
    pub(super) fn new(end: Arc<MemoryEnd>, mac: MacAddr, addresses: &[IpNet], mtu: u16) -> Self {
        Self {
            end,
            mac,
            addresses: addresses.to_vec(),
            mtu: mtu.into(),
            whereabouts: Whereabouts::default(),
            budget: 0,
        }
    }

    pub(super) fn end(&self) -> &MemoryEnd {
        &self.end
    }

    /// Longest IP packet.
    pub(super) fn mtu(&self) -> usize {
        self.mtu
    }

    /// Lets so many frames be taken.
    pub(super) fn allow(&mut self, budget: usize) {
        self.budget = budget;
    }

    /// Whether all that was allowed was taken, so that there may be more.
    pub(super) fn is_spent(&self) -> bool {
        self.budget == 0
    }

    fn is_own(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|net| net.addr() == ip)
    }

    /// Whether this is somebody else on the link.
    fn is_neighbour(&self, ip: IpAddr) -> bool {
        let near = |net: &IpNet| {
            // RFC 3021: 31 bits leave no broadcast address.
            let broadcast = ip.is_ipv4() && net.prefix_len() < 31 && net.broadcast() == ip;
            net.contains(&ip) && !broadcast
        };
        let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        !self.is_own(ip) && (link_local || self.addresses.iter().any(near))
    }

    /// Looks at a frame with its virtio-net header.
    fn admit(&mut self, frame: &[u8]) -> Admission {
        let Some((head, ethernet)) = (frame.get(VNET_LEN..))
            .and_then(|ethernet| Some((Head::parse(ethernet).ok()?, ethernet)))
        else {
            return Admission::Ignored;
        };
        if head.src == self.mac || !head.src.is_unicast() || !head.tags.is_empty() {
            return Admission::Ignored;
        }
        if let Some(answer) = answer_as_owner(ethernet, &head, self.mac, |ip| self.is_own(ip)) {
            return Admission::Answer([&VnetHdr::NONE.to_bytes(), answer.as_bytes()].concat());
        }
        let payload = ethernet.get(head.payload..).unwrap_or_default();
        let Some((src, dst)) = addresses(head.kind, payload) else {
            return Admission::Ignored;
        };
        if head.dst != self.mac || !self.is_own(dst) || !self.is_neighbour(src) {
            return Admission::Ignored;
        }
        self.whereabouts.learn(src, head.src);
        Admission::Packet(VNET_LEN + head.payload..frame.len())
    }

    /// Sends a frame whose IP packet is complete. Without a way to its destination, or room in the queue, it is lost
    /// like any other packet.
    fn send(&self, mut frame: Vec<u8>) {
        let packet = &frame[PACKET..];
        let (kind, destination) = match (Ipv4View::parse(packet), Ipv6View::parse(packet)) {
            (Ok(ip), _) => (EtherType::IPV4, IpAddr::V4(ip.dst())),
            (_, Ok(ip)) => (EtherType::IPV6, IpAddr::V6(ip.dst())),
            (Err(_), Err(_)) => return,
        };
        let Some(mac) = self.whereabouts.find(&destination) else {
            return;
        };
        frame[..VNET_LEN].copy_from_slice(&VnetHdr::NONE.to_bytes());
        set_addresses(&mut frame[VNET_LEN..], mac, self.mac);
        frame[PACKET - 2..PACKET].copy_from_slice(&kind.0.to_be_bytes());
        self.end.offer(frame);
    }
}

/// Source and destination of a whole IP packet.
fn addresses(kind: Kind, packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match kind {
        Kind::Ether(EtherType::IPV4) => {
            let ip = Ipv4View::parse(packet).ok()?;
            (!ip.is_fragment()).then_some((ip.src().into(), ip.dst().into()))
        }
        Kind::Ether(EtherType::IPV6) => {
            let ip = Ipv6View::parse(packet).ok()?;
            (ip.src() != Ipv6Addr::UNSPECIFIED).then_some((ip.src().into(), ip.dst().into()))
        }
        Kind::Ether(_) | Kind::Snap(_) | Kind::Llc { .. } => None,
    }
}

/// A received packet: a frame, and where in it the packet is.
pub(super) struct Received(Vec<u8>, Range<usize>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0[self.1])
    }
}

/// Room for a packet to send.
pub(super) struct Sending<'a>(&'a Link);

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; PACKET + len];
        let result = f(&mut frame[PACKET..]);
        self.0.send(frame);
        result
    }
}

impl Device for Link {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sending<'_>)> {
        while self.budget > 0 {
            let frame = self.end.take()?;
            self.budget -= 1;
            match self.admit(&frame) {
                Admission::Packet(range) => return Some((Received(frame, range), Sending(self))),
                // Lost where the queue is full, and asked for again.
                Admission::Answer(answer) => drop(self.end.offer(answer)),
                Admission::Ignored => {}
            }
        }
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        Some(Sending(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        // The data path has completed what was left to do: all are checked, and made.
        let mut checksum = ChecksumCapabilities::default();
        checksum.ipv4 = Checksum::Both;
        capabilities.checksum = checksum;
        capabilities
    }
}
