//! ARP and neighbour discovery of a host that has the addresses itself.
//!
//! It may say more than a stand-in: it answers whoever asks whether it is still there (a unicast solicitation, RFC 4861
//! section 7.3.3), and defends its addresses against those that are about to take one (RFC 5227 section 2.4, RFC 4862
//! section 5.4.3).

use core::net::{IpAddr, Ipv6Addr};

use vswitch_wire::{Head, MacAddr};

use super::{Message, Reply, nd};

/// ff02::1 and where its frames go (RFC 4291 section 2.7.1, RFC 2464 section 7).
const ALL_NODES: (Ipv6Addr, MacAddr) = (
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
    MacAddr::new([0x33, 0x33, 0, 0, 0, 1]),
);

/// The answer to a frame, whose parsed header is `head`, of a host at `mac` that is no router; `is_own` says which
/// addresses it has. `None` where the frame does not ask for one of them.
#[must_use]
pub fn answer_as_owner(
    frame: &[u8],
    head: &Head,
    mac: MacAddr,
    is_own: impl Fn(IpAddr) -> bool,
) -> Option<Reply> {
    if head.dst != mac && !head.dst.is_multicast() {
        return None;
    }
    match Message::read(frame, head)? {
        Message::Arp(arp) => {
            let target = arp.asked()?;
            is_own(target.into()).then(|| Reply::new(arp.reply(mac)))
        }
        Message::Nd(discovery) => {
            let asked = discovery.asked(head.src)?;
            let (ip, to) = if asked.src.is_unspecified() {
                ALL_NODES
            } else {
                (asked.src, asked.mac)
            };
            let reply = || Reply::new(nd::advertisement(mac, to, asked.target, ip, false));
            is_own(asked.target.into()).then(reply)
        }
    }
}
