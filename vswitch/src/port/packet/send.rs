//! Frames to the parent.
//!
//! A frame goes out as it lies, in one piece; on the segment of a VLAN the tag is put between its pieces. What
//! the kernel will not do is done here:
//!
//! - **It does not know a kind of superframe** (UDP's before Linux 6.2, or an odd one), or takes no open
//!   checksums: EINVAL. The frame is cut, or its checksum completed, and sent again; when that works, the kind
//!   is done here from then on, which is logged once. A kind that the kernel has taken before is not to
//!   blame: then it is that frame, and nothing is concluded. This is the twin of the data path's `offload`,
//!   which knows beforehand what a port takes.
//! - **It holds no superframe to the MTU**: see the parent module.
//! - **It takes frames for a parent without carrier** and drops them: the link is looked at before.
//!
//! An error of the kernel is about one frame, unless it is about the parent or the socket's full buffer: then
//! all that are left share its fate.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vswitch_wire::{
    GsoType, HEADER_LEN, Head, OffloadSet, SegmentPlan, VNET_LEN, VnetHdr, complete_checksum,
};

use super::state::{Line, Shared};
use super::tag::{Stamp, TYPE};
use crate::port::{PortState, PortTx, SendReport};
use crate::sys::packet::{Gathered, PacketSocket, SEND_BATCH};

/// Frames of a batch that is small: what is prepared for each costs as much as sending it.
const FEW: usize = 4;

/// What a frame leaves to the kernel, as bits of [`Shared::refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Checksum,
    TcpV4,
    TcpV6,
    Udp,
}

impl Kind {
    const fn bit(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Checksum => 1,
            Self::TcpV4 => 2,
            Self::TcpV6 => 4,
            Self::Udp => 8,
        }
    }

    /// Nothing for a superframe of a kind that does not get past the data path's check.
    fn of(header: &VnetHdr) -> Option<Self> {
        match header.gso() {
            Ok((GsoType::None, _)) if header.needs_csum() => Some(Self::Checksum),
            Ok((GsoType::None, _)) => Some(Self::Plain),
            Ok((GsoType::TcpV4, _)) => Some(Self::TcpV4),
            Ok((GsoType::TcpV6, _)) => Some(Self::TcpV6),
            Ok((GsoType::UdpL4, _)) => Some(Self::Udp),
            Ok((GsoType::Udp, _)) | Err(_) => None,
        }
    }

    const fn is_super(self) -> bool {
        match self {
            Self::TcpV4 | Self::TcpV6 | Self::Udp => true,
            Self::Plain | Self::Checksum => false,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "frames",
            Self::Checksum => "open checksums",
            Self::TcpV4 => "superframes of TCP over IPv4",
            Self::TcpV6 => "superframes of TCP over IPv6",
            Self::Udp => "superframes of UDP",
        })
    }
}

#[derive(Debug)]
pub(super) struct UplinkTx<L = PacketSocket> {
    shared: Arc<Shared<L>>,
}

impl<L: Line + Send + Sync> PortTx for UplinkTx<L> {
    fn send(&self, frames: &[&[u8]], report: &mut SendReport) {
        let all = frames.len() as u64;
        match self.shared.link_for_sending() {
            PortState::Up => {}
            PortState::Down => {
                report.down += all;
                return;
            }
            PortState::Gone => {
                report.gone += all;
                return;
            }
        }
        // Until something is heard; then nobody asks any more.
        if self.shared.counts.heard.load(Ordering::Relaxed) == 0 {
            let asked = frames.iter().filter(|frame| wants_answer(frame)).count();
            (self.shared.counts.asked).fetch_add(asked as u64, Ordering::Relaxed);
        }
        let before = report.frames;
        self.send_all(frames, report);
        let sent = report.frames - before;
        self.shared.counts.sent.fetch_add(sent, Ordering::Relaxed);
    }

    fn offload(&self) -> OffloadSet {
        OffloadSet::ALL
    }

    fn link(&self) -> Option<PortState> {
        Some(self.shared.link_now())
    }
}

/// Whether a station that gets this frame sends one back as a rule: it is for one station, or asks which one has an
/// address.
fn wants_answer(frame: &[u8]) -> bool {
    let ethernet = frame.get(VNET_LEN..).unwrap_or_default();
    Head::parse(ethernet)
        .is_ok_and(|head| !head.dst.is_multicast() || vxlan::is_question(ethernet, &head))
}

/// How a frame gets out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As it is.
    Direct(Kind),
    /// Cut or completed here.
    ByHand,
    TooLong,
    Refused,
}

impl<L: Line> UplinkTx<L> {
    pub(super) fn new(shared: Arc<Shared<L>>) -> Self {
        Self { shared }
    }

    /// Sends runs of frames that go as they are, and between them those that do not.
    fn send_all(&self, frames: &[&[u8]], report: &mut SendReport) {
        let (mut first, mut kinds) = (0, 0);
        for (index, frame) in frames.iter().enumerate() {
            let way = self.way(frame);
            if let Way::Direct(kind) = way {
                kinds |= kind.bit();
                continue;
            }
            self.post(&frames[first..index], kinds, report);
            (first, kinds) = (index + 1, 0);
            match way {
                Way::ByHand => self.by_hand(frame, report),
                Way::TooLong => report.too_long += 1,
                Way::Refused | Way::Direct(_) => report.refused += 1,
            }
        }
        self.post(&frames[first..], kinds, report);
    }

    #[inline]
    fn way(&self, frame: &[u8]) -> Way {
        let Some((header, ethernet)) = frame.split_first_chunk::<VNET_LEN>() else {
            return Way::Refused;
        };
        let header = VnetHdr::parse(header);
        if ethernet.len() < HEADER_LEN {
            return Way::Refused;
        }
        let Some(kind) = Kind::of(&header) else {
            return Way::Refused;
        };
        if kind == Kind::Plain {
            return Way::Direct(kind);
        }
        if kind.is_super() && !segments_fit(&header, kind, ethernet, self.shared.mtu()) {
            return Way::TooLong;
        }
        if self.shared.refused.load(Ordering::Relaxed) & kind.bit() != 0 {
            return Way::ByHand;
        }
        Way::Direct(kind)
    }

    /// Sends frames as they are, each at least an Ethernet header long. `kinds` are the bits of what they
    /// leave to the kernel.
    fn post(&self, frames: &[&[u8]], kinds: u8, report: &mut SendReport) {
        let lost = report.lost();
        self.post_all(frames, report);
        // One of which nothing is lost may have been refused and done by hand.
        let kinds = kinds & !self.shared.refused.load(Ordering::Relaxed);
        let proven = &self.shared.proven;
        if report.lost() == lost && kinds & !proven.load(Ordering::Relaxed) != 0 {
            proven.fetch_or(kinds, Ordering::Relaxed);
        }
    }

    fn post_all(&self, frames: &[&[u8]], report: &mut SendReport) {
        if frames.len() <= FEW {
            return self.post_chunk::<FEW>(frames, report);
        }
        for chunk in frames.chunks(SEND_BATCH) {
            self.post_chunk::<SEND_BATCH>(chunk, report);
        }
    }

    /// Sends at most `N` frames.
    fn post_chunk<const N: usize>(&self, frames: &[&[u8]], report: &mut SendReport) {
        let mut stamps = [Stamp::default(); N];
        if let Some(vlan) = self.shared.vlan {
            for (stamp, frame) in stamps.iter_mut().zip(frames) {
                *stamp = Stamp::new(frame, vlan);
            }
        }
        let mut gathered = [Gathered::default(); N];
        for ((gathered, frame), stamp) in gathered.iter_mut().zip(frames).zip(&stamps) {
            *gathered = self.gather(frame, stamp);
        }
        let mut again = false;
        let mut next = 0;
        while next < frames.len() {
            let (sent, outcome) = self.shared.socket.send(&gathered[next..frames.len()]);
            again &= sent == 0;
            for frame in &frames[next..next + sent] {
                report.frames += 1;
                report.bytes += (frame.len() - VNET_LEN) as u64;
            }
            next += sent;
            let Err(error) = outcome else { break };
            let rest = &frames[next..];
            match self.refused(&error, rest, again, report) {
                Next::Again => again = true,
                Next::Skip(count) => (next, again) = (next + count, false),
            }
        }
    }

    #[inline]
    fn gather<'a>(&self, frame: &'a [u8], stamp: &'a Stamp) -> Gathered<'a> {
        let header = self.shared.socket.header_len();
        if self.shared.vlan.is_some() {
            Gathered::new([
                &stamp.vnet[..header],
                &frame[VNET_LEN..TYPE],
                &stamp.tag,
                &frame[stamp.rest..],
            ])
        } else if header == VNET_LEN {
            Gathered::new([frame])
        } else {
            Gathered::new([&frame[..header], &frame[VNET_LEN..]])
        }
    }

    /// Books the first of `frames`, which the kernel did not take, or all of them.
    #[cold]
    fn refused(
        &self,
        error: &io::Error,
        frames: &[&[u8]],
        again: bool,
        report: &mut SendReport,
    ) -> Next {
        let all = frames.len();
        match error.raw_os_error() {
            // The socket's buffer is full, whatever comes next.
            Some(libc::EAGAIN) => {
                report.full += all as u64;
                return Next::Skip(all);
            }
            Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV) => match self.shared.link_now() {
                PortState::Gone => {
                    report.gone += all as u64;
                    return Next::Skip(all);
                }
                PortState::Down => {
                    report.down += all as u64;
                    return Next::Skip(all);
                }
                // It was about a moment that has passed.
                PortState::Up if !again => return Next::Again,
                PortState::Up => report.down += 1,
            },
            Some(libc::ENOBUFS | libc::ENOMEM) => match self.shared.link_now() {
                PortState::Gone => report.gone += 1,
                PortState::Down => report.down += 1,
                PortState::Up => report.full += 1,
            },
            Some(libc::EMSGSIZE) => report.too_long += 1,
            Some(libc::EINVAL) => match frames.first() {
                Some(frame) => self.doubt(error, frame, report),
                None => return Next::Skip(all),
            },
            _ => report.refused += 1,
        }
        Next::Skip(1)
    }

    /// A frame that the kernel takes for malformed: it may be of a kind that it does not know.
    fn doubt(&self, error: &io::Error, frame: &[u8], report: &mut SendReport) {
        let header = (frame.first_chunk()).map_or(VnetHdr::NONE, VnetHdr::parse);
        let kind = Kind::of(&header).unwrap_or(Kind::Plain);
        if kind == Kind::Plain {
            report.refused += 1;
            return;
        }
        let before = report.frames;
        self.by_hand(frame, report);
        let proven = self.shared.proven.load(Ordering::Relaxed) & kind.bit() != 0;
        if report.frames == before || proven {
            return;
        }
        let known = (self.shared.refused).fetch_or(kind.bit(), Ordering::Relaxed);
        if known & kind.bit() == 0 {
            let parent = (self.shared.socket.interface())
                .map_or_else(|_| "the parent".to_owned(), |interface| interface.name);
            tracing::warn!(
                %error,
                "the kernel takes no {kind} for {parent}: done by the switch from now on"
            );
        }
    }

    /// Sends a frame with nothing left to do for the kernel.
    #[cold]
    fn by_hand(&self, frame: &[u8], report: &mut SendReport) {
        let Some((header, ethernet)) = frame.split_first_chunk::<VNET_LEN>() else {
            report.refused += 1;
            return;
        };
        let header = VnetHdr::parse(header);
        let mut parts = SendReport::default();
        let whole = if Kind::of(&header).is_some_and(Kind::is_super) {
            self.cut(&header, ethernet, &mut parts)
        } else {
            self.complete(&header, ethernet, &mut parts)
        };
        if whole.is_none() {
            report.refused += 1;
            return;
        }
        report.book_parts(ethernet.len() as u64, parts);
    }

    /// Sends the segments of a superframe; nothing when it is none.
    fn cut(&self, header: &VnetHdr, ethernet: &[u8], parts: &mut SendReport) -> Option<()> {
        let head = Head::parse(ethernet).ok()?;
        let plan = SegmentPlan::new(ethernet, header, &head).ok()?;
        let room = VNET_LEN + plan.segment_len(0);
        let mut memory = vec![0; room * SEND_BATCH.min(plan.count())];
        let mut next = 0;
        while next < plan.count() {
            let mut lengths = [0; SEND_BATCH];
            let mut count = 0;
            for (slot, length) in memory.chunks_exact_mut(room).zip(&mut lengths) {
                if next == plan.count() {
                    break;
                }
                slot[..VNET_LEN].copy_from_slice(&VnetHdr::NONE.to_bytes());
                *length = VNET_LEN + plan.write(next, &mut slot[VNET_LEN..]);
                (next, count) = (next + 1, count + 1);
            }
            let slots = memory.chunks_exact(room).zip(lengths);
            let segments: Vec<&[u8]> = slots
                .take(count)
                .map(|(slot, length)| &slot[..length])
                .collect();
            self.post_all(&segments, parts);
        }
        Some(())
    }

    /// Sends a frame with its checksum completed; nothing when that cannot be.
    fn complete(&self, header: &VnetHdr, ethernet: &[u8], parts: &mut SendReport) -> Option<()> {
        let mut whole = VnetHdr::NONE.to_bytes().to_vec();
        whole.extend_from_slice(ethernet);
        complete_checksum(&mut whole[VNET_LEN..], header).ok()?;
        self.post_all(&[&whole], parts);
        Some(())
    }
}

/// What comes after a refusal.
enum Next {
    /// The same frame.
    Again,
    /// The frame so many further on.
    Skip(usize),
}

/// Whether the segments of a superframe are no longer than an MTU allows.
#[inline]
fn segments_fit(header: &VnetHdr, kind: Kind, ethernet: &[u8], mtu: usize) -> bool {
    let transport = usize::from(header.csum_start);
    let headers = transport
        + match kind {
            Kind::TcpV4 | Kind::TcpV6 => {
                // The data offset, in words.
                let words = ethernet.get(transport + 12).map_or(0, |byte| byte >> 4);
                4 * usize::from(words)
            }
            Kind::Udp => 8,
            Kind::Plain | Kind::Checksum => 0,
        };
    let longest = (headers + usize::from(header.gso_size)).min(ethernet.len());
    // Cheap for nearly all; only one that is over without its tags is parsed.
    longest <= mtu + HEADER_LEN
        || Head::parse(ethernet).is_ok_and(|head| longest <= mtu + head.payload)
}

#[cfg(test)]
mod tests;
