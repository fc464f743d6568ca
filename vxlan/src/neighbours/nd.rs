//! Neighbour solicitation and advertisement (RFC 4861 sections 4.3, 4.4, 7.1).

use core::net::{IpAddr, Ipv6Addr};

use vswitch_wire::{Ipv6View, MacAddr, PROTO_ICMPV6, ipv6, pseudo_v6};

use super::arp::fill;
use super::{Binding, is_one_interface};

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Type to target address.
const FIXED_LEN: usize = 24;
/// Options are multiples of this, and a MAC address takes one.
const OPTION_UNIT: usize = 8;
const SOURCE_OPTION: u8 = 1;
const TARGET_OPTION: u8 = 2;
/// A packet that a router forwarded has less (section 7.1.1).
const HOP_LIMIT: u8 = 255;

const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// The fixed part and one option.
const MESSAGE_LEN: u16 = 32;
/// Ethernet header and packet.
pub(super) const ADVERTISEMENT_LEN: usize = 14 + ipv6::HEADER_LEN + MESSAGE_LEN as usize;

/// A message that passed the checks of section 7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Discovery {
    kind: Kind,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    target: Ipv6Addr,
    /// The link-layer address of the option that belongs to this kind.
    mac: Option<MacAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Solicitation,
    Advertisement { router: bool, overrides: bool },
}

impl Discovery {
    /// The packet at the start of `payload`, without extension headers.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let ip = Ipv6View::parse(payload).ok()?;
        let end = ipv6::HEADER_LEN + usize::from(ip.payload_len());
        let message = payload.get(ipv6::HEADER_LEN..end)?;
        if ip.next_header() != PROTO_ICMPV6 || ip.hop_limit() != HOP_LIMIT {
            return None;
        }
        let (fixed, options) = message.split_first_chunk::<FIXED_LEN>()?;
        let &[kind, code, _, _, flags, _, _, _, ref target @ ..] = fixed;
        let kind = match kind {
            SOLICITATION => Kind::Solicitation,
            ADVERTISEMENT => Kind::Advertisement {
                router: flags & ROUTER != 0,
                overrides: flags & OVERRIDE != 0,
            },
            _ => return None,
        };
        let target = Ipv6Addr::from(*target);
        let len = u32::from(ip.payload_len());
        let sum = pseudo_v6(ip.src(), ip.dst(), PROTO_ICMPV6, len).add_bytes(message);
        if code != 0 || target.is_multicast() || sum.finish() != 0 {
            return None;
        }
        let wanted = match kind {
            Kind::Solicitation => SOURCE_OPTION,
            Kind::Advertisement { .. } => TARGET_OPTION,
        };
        Some(Self {
            kind,
            src: ip.src(),
            dst: ip.dst(),
            target,
            mac: find_mac(options, wanted)?,
        })
    }

    /// The MAC address that it names, and what it says about it.
    pub(super) fn binding(&self) -> Option<(MacAddr, Binding)> {
        let mac = self.mac?;
        let (ip, router) = match self.kind {
            Kind::Solicitation => (self.src, None),
            // Without Override it is one of several, or a stand-in.
            Kind::Advertisement {
                overrides: false, ..
            } => return None,
            Kind::Advertisement { router, .. } => (self.target, Some(router)),
        };
        is_one_interface(ip).then_some((
            mac,
            Binding {
                ip: IpAddr::V6(ip),
                mac,
                router,
            },
        ))
    }

    /// The address that is asked for and who asks, if this is an honest question: not duplicate address detection,
    /// and to the target's solicited-node group, not to the target itself.
    pub(super) fn question(&self, asker: MacAddr) -> Option<(Ipv6Addr, Ipv6Addr)> {
        let honest = self.kind == Kind::Solicitation
            && is_one_interface(self.src)
            && self.src != self.target
            && self.mac == Some(asker)
            && self.dst == solicited_node(self.target);
        honest.then_some((self.target, self.src))
    }
}

/// Who asks for an address in a way that its owner answers.
pub(super) struct Asked {
    pub(super) target: Ipv6Addr,
    /// Unspecified for duplicate address detection.
    pub(super) src: Ipv6Addr,
    /// What the option says, else the frame's.
    pub(super) mac: MacAddr,
}

impl Discovery {
    /// What a solicitation asks for, also to the target itself (section 7.3.3) or as duplicate address detection
    /// (RFC 4862 section 5.4.3), by the station at `asker`.
    pub(super) fn asked(&self, asker: MacAddr) -> Option<Asked> {
        let to_group = self.dst == solicited_node(self.target);
        let sound = if self.src.is_unspecified() {
            to_group && self.mac.is_none()
        } else {
            is_one_interface(self.src) && (to_group || self.dst == self.target)
        };
        let mac = self.mac.unwrap_or(asker);
        (self.kind == Kind::Solicitation && sound && mac.is_unicast()).then_some(Asked {
            target: self.target,
            src: self.src,
            mac,
        })
    }
}

/// The MAC address of the first option of this type. `None` at all for options that make the message invalid: a length
/// of zero, or behind the end (section 4.6).
fn find_mac(mut options: &[u8], wanted: u8) -> Option<Option<MacAddr>> {
    let mut found = None;
    while let [kind, units, ..] = *options {
        let (option, rest) = options.split_at_checked(OPTION_UNIT * usize::from(units))?;
        if let [_, _, mac @ ..] = option
            && kind == wanted
            && found.is_none()
            && let Ok(octets) = <[u8; 6]>::try_from(mac)
        {
            found = Some(MacAddr::new(octets));
        }
        if units == 0 {
            return None;
        }
        options = rest;
    }
    options.is_empty().then_some(found)
}

/// RFC 4291 section 2.7.1.
fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    let mut octets = [0; 16];
    octets[..2].copy_from_slice(&[0xff, 0x02]);
    octets[11..].copy_from_slice(&[1, 0xff, a, b, c]);
    Ipv6Addr::from(octets)
}

/// The advertisement that `target` at `mac` would send to `asker`, in its own name, so with Override: solicited, unless
/// it goes to all nodes.
pub(super) fn advertisement(
    mac: MacAddr,
    asker: MacAddr,
    target: Ipv6Addr,
    asker_ip: Ipv6Addr,
    router: bool,
) -> [u8; ADVERTISEMENT_LEN] {
    let solicited = if asker_ip.is_multicast() {
        0
    } else {
        SOLICITED
    };
    let flags = solicited | OVERRIDE | if router { ROUTER } else { 0 };
    let mut frame = [0; ADVERTISEMENT_LEN];
    let (asker, mac) = (asker.octets(), mac.octets());
    let parts: [&[u8]; 12] = [
        &asker,
        &mac,
        &[0x86, 0xdd, 0x60, 0, 0, 0],
        &MESSAGE_LEN.to_be_bytes(),
        &[PROTO_ICMPV6, HOP_LIMIT],
        &target.octets(),
        &asker_ip.octets(),
        &[ADVERTISEMENT, 0, 0, 0],
        &[flags, 0, 0, 0],
        &target.octets(),
        &[TARGET_OPTION, 1],
        &mac,
    ];
    fill(&mut frame, &parts);
    let message = &mut frame[14 + ipv6::HEADER_LEN..];
    let sum = pseudo_v6(target, asker_ip, PROTO_ICMPV6, MESSAGE_LEN.into()).add_bytes(message);
    message[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    frame
}
