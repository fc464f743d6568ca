//! What a host tells the routers about its groups: IGMP for IPv4 (RFC 1112, 2236, 3376), MLD for IPv6 (RFC 2710,
//! 3810).
//!
//! The old versions have one message for one group: report, leave (MLD: done). The new ones have a report of many
//! records, each a group with a list of sources. The complications:
//!
//! - **Sources do not count here**, only the group does, because a MAC address has no sources. "Include" with no
//!   sources is how a host says that it leaves; any other "include" or "exclude" is interest. "Allow" some sources is
//!   interest too. "Block" says that fewer are wanted, never that somebody now wants the group, and not that nobody
//!   does: it changes nothing. So a host that wants the group from some sources only, and leaves with a "block", goes
//!   on getting it.
//! - **The sender lies to itself alone**: a child hears what it says it wants to hear. So neither the checksum, nor the
//!   hop limit, nor the source address is checked, which the routers do (RFC 3376 section 4, RFC 3810 section 5).
//! - **A report can have thousands of records**: [`MAX_CHANGES`] are kept, and if there are more, it is as if the
//!   child had joined everything.
//! - **Cut short**, with a length that does not fit, or of an unknown kind: what is whole counts, as far as it goes.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vswitch_wire::{EtherType, Head, IpVersion, Layers, PROTO_ICMPV6};

/// How many changes of one report are kept.
pub const MAX_CHANGES: usize = 512;

/// Protocol number of IGMP.
const PROTO_IGMP: u8 = 2;

mod igmp {
    pub(super) const V1_REPORT: u8 = 0x12;
    pub(super) const V2_REPORT: u8 = 0x16;
    pub(super) const LEAVE: u8 = 0x17;
    pub(super) const V3_REPORT: u8 = 0x22;
    /// Where the group stands in the old messages.
    pub(super) const GROUP: usize = 4;
}

mod mld {
    pub(super) const V1_REPORT: u8 = 131;
    pub(super) const DONE: u8 = 132;
    pub(super) const V2_REPORT: u8 = 143;
    /// Where the group stands in the old messages.
    pub(super) const GROUP: usize = 8;
}

/// The report of many records, the same in both protocols but for the size of an address (RFC 3376 section 4.2,
/// RFC 3810 section 5.2).
mod record {
    /// In the message: how many records there are.
    pub(super) const COUNT: usize = 6;
    /// In the message: where they start.
    pub(super) const FIRST: usize = 8;

    pub(super) const KIND: usize = 0;
    /// Length of auxiliary data behind the sources, in words of four bytes.
    pub(super) const AUX_LEN: usize = 1;
    pub(super) const SOURCES: usize = 2;
    pub(super) const GROUP: usize = 4;

    pub(super) const MODE_IS_INCLUDE: u8 = 1;
    pub(super) const MODE_IS_EXCLUDE: u8 = 2;
    pub(super) const CHANGE_TO_INCLUDE: u8 = 3;
    pub(super) const CHANGE_TO_EXCLUDE: u8 = 4;
    pub(super) const ALLOW_NEW_SOURCES: u8 = 5;
}

/// One thing that a child said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It wants this group, or still does.
    Join(IpAddr),
    /// It no longer does.
    Leave(IpAddr),
}

/// What one frame said, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reports {
    changes: Vec<Change>,
    cut_short: bool,
}

impl Reports {
    /// What the frame, whose parsed header is `head`, says about the groups of its sender; `None` for nothing.
    #[must_use]
    pub fn parse(head: &Head, ethernet: &[u8]) -> Option<Self> {
        match head.ethertype()? {
            EtherType::IPV4 | EtherType::IPV6 => {}
            _ => return None,
        }
        let layers = Layers::parse(ethernet, head).ok()?;
        if layers.fragment {
            return None;
        }
        let message = ethernet.get(layers.l4..layers.l4_end)?;
        let mut reports = Self {
            changes: Vec::new(),
            cut_short: false,
        };
        match (layers.ip, layers.proto) {
            (IpVersion::V4, PROTO_IGMP) => reports.igmp(message)?,
            (IpVersion::V6, PROTO_ICMPV6) => reports.mld(message)?,
            (IpVersion::V4 | IpVersion::V6, _) => return None,
        }
        (!reports.changes.is_empty()).then_some(reports)
    }

    /// The changes, in the order in which they were said.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether there were more than [`MAX_CHANGES`].
    #[must_use]
    pub const fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    fn igmp(&mut self, message: &[u8]) -> Option<()> {
        match *message.first()? {
            igmp::V1_REPORT | igmp::V2_REPORT => self.push(Change::Join, v4(message, igmp::GROUP)?),
            igmp::LEAVE => self.push(Change::Leave, v4(message, igmp::GROUP)?),
            igmp::V3_REPORT => self.records(message, 4, v4)?,
            _ => return None,
        }
        Some(())
    }

    fn mld(&mut self, message: &[u8]) -> Option<()> {
        match *message.first()? {
            mld::V1_REPORT => self.push(Change::Join, v6(message, mld::GROUP)?),
            mld::DONE => self.push(Change::Leave, v6(message, mld::GROUP)?),
            mld::V2_REPORT => self.records(message, 16, v6)?,
            _ => return None,
        }
        Some(())
    }

    /// The records of a report, with addresses of `address_len` bytes that `group_at` reads.
    fn records(
        &mut self,
        message: &[u8],
        address_len: usize,
        group_at: fn(&[u8], usize) -> Option<IpAddr>,
    ) -> Option<()> {
        let count = get16(message, record::COUNT)?;
        let mut rest = message.get(record::FIRST..)?;
        for _ in 0..count {
            let Some(sources) = get16(rest, record::SOURCES) else {
                break;
            };
            let aux = rest.get(record::AUX_LEN).copied().map_or(0, usize::from) * 4;
            let len = record::GROUP + address_len * (1 + usize::from(sources)) + aux;
            let Some((whole, behind)) = rest.split_at_checked(len) else {
                break;
            };
            if let Some(said) = meaning(whole.get(record::KIND).copied()?, sources) {
                self.push(said, group_at(whole, record::GROUP)?);
            }
            rest = behind;
        }
        Some(())
    }

    fn push(&mut self, said: fn(IpAddr) -> Change, group: IpAddr) {
        if !group.is_multicast() {
            return;
        }
        if self.changes.len() < MAX_CHANGES {
            self.changes.push(said(group));
        } else {
            self.cut_short = true;
        }
    }
}

/// What a record says, by its kind and the number of its sources. Unknown kinds are ignored (RFC 3376 section 4.2.12).
fn meaning(kind: u8, sources: u16) -> Option<fn(IpAddr) -> Change> {
    match kind {
        record::MODE_IS_INCLUDE | record::CHANGE_TO_INCLUDE if sources == 0 => Some(Change::Leave),
        record::MODE_IS_INCLUDE
        | record::CHANGE_TO_INCLUDE
        | record::MODE_IS_EXCLUDE
        | record::CHANGE_TO_EXCLUDE => Some(Change::Join),
        record::ALLOW_NEW_SOURCES if sources > 0 => Some(Change::Join),
        _ => None,
    }
}

fn get16(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*field))
}

fn v4(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let octets = bytes.get(at..)?.first_chunk::<4>()?;
    Some(Ipv4Addr::from(*octets).into())
}

fn v6(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let octets = bytes.get(at..)?.first_chunk::<16>()?;
    Some(Ipv6Addr::from(*octets).into())
}

#[cfg(test)]
mod tests;
