//! A batch on its way into the tunnel: what to send, worked out before anything is sent.
//!
//! A [`Plan`] turns frames into *datagrams* and those into *messages*. A datagram is a list of
//! pieces: headers that were built in the plan's own memory, and slices of frames that stay where
//! they are, so that the payload of a superframe is never copied. A message is datagrams that leave
//! together by UDP_SEGMENT: one behind the other, of one length but for the last, to one
//! destination, from one socket. A superframe becomes one message or two; small frames of one flow
//! that follow each other become one as well.
//!
//! - **Order**: a datagram joins the last message or begins the next, so nothing overtakes. A
//!   superframe joins as a whole, or the receiver would get it in two parts.
//! - **Fate**: each frame has one. A superframe that became several datagrams shares the fate of
//!   the first that did not leave.
//!
//! The inner checksum is completed on the way: VXLAN has nothing to say that it is not.

use std::io::IoSlice;
use std::net::IpAddr;
use std::ops::Range;

use vswitch_wire::{GsoType, Head, SegmentPlan, VNET_LEN, VnetHdr, complete_checksum};
use vxlan::{Encapsulation, LEN};

use crate::sys::udp::{MAX_DATAGRAM, MAX_SEGMENTS};

/// Frames up to this length are copied: cheaper than a piece of their own.
const SHORT: usize = 256;

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To this address.
    To(IpAddr),
    /// A copy to every peer of [`Plan::peers`].
    Everyone,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It leaves, until something else turns out.
    Leaves(Way),
    /// Somebody was asked for, and was answered for.
    Answered,
    /// There is no peer.
    Nobody,
    /// It does not fit the way to its peer.
    TooLong,
    /// It is not sound.
    Refused,
    /// No memory, no room.
    Full,
    /// No way to the peer.
    Unreachable,
}

/// What all datagrams of a message have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) way: Way,
    /// Which socket.
    pub(super) source: usize,
    pub(super) tos: u8,
    pub(super) ttl: u8,
}

/// Datagrams that leave together.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) envelope: Envelope,
    /// Length of all datagrams but the last.
    pub(super) segment: usize,
    /// Which datagrams.
    pub(super) datagrams: Range<usize>,
    /// Which frames they are of.
    pub(super) frames: Range<usize>,
    bytes: usize,
    open: bool,
}

#[derive(Debug)]
struct Datagram {
    pieces: Range<usize>,
}

/// A part of a datagram.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// In the plan's own memory.
    Built { start: usize, length: usize },
    /// In a frame of the batch.
    Taken {
        frame: usize,
        start: usize,
        length: usize,
    },
}

/// See the module's essay. Keeps its memory from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) fates: Vec<Fate>,
    pub(super) messages: Vec<Message>,
    /// For [`Way::Everyone`].
    pub(super) peers: Vec<IpAddr>,
    datagrams: Vec<Datagram>,
    pieces: Vec<Piece>,
    built: Vec<u8>,
}

/// How a frame is to be sent.
#[derive(Debug)]
pub(super) struct Sending<'a> {
    /// The frame.
    pub(super) ethernet: &'a [u8],
    /// Its offload header.
    pub(super) vnet: VnetHdr,
    /// Its parsed header.
    pub(super) head: Head,
    /// Its tunnel header.
    pub(super) encapsulation: Encapsulation,
    /// Where to and how.
    pub(super) envelope: Envelope,
    /// Longest inner frame that the way takes, in bytes, as it is sent.
    pub(super) limit: usize,
    /// Whether datagrams may leave together.
    pub(super) together: bool,
}

impl Plan {
    pub(super) fn clear(&mut self) {
        self.fates.clear();
        self.messages.clear();
        self.peers.clear();
        self.datagrams.clear();
        self.pieces.clear();
        self.built.clear();
    }

    /// The batch's next frame ends here.
    pub(super) fn end(&mut self, fate: Fate) {
        self.fates.push(fate);
    }

    /// The batch's next frame leaves, or it turns out that it cannot; which is its fate.
    pub(super) fn add(&mut self, sending: &Sending<'_>) -> Fate {
        let fate = match self.try_add(sending) {
            Ok(()) => Fate::Leaves(sending.envelope.way),
            Err(fate) => fate,
        };
        self.fates.push(fate);
        fate
    }

    fn try_add(&mut self, sending: &Sending<'_>) -> Result<(), Fate> {
        let cut = sending.encapsulation.cut.len();
        if is_super(&sending.vnet) {
            let plan = SegmentPlan::new(sending.ethernet, &sending.vnet, &sending.head)
                .map_err(|_| Fate::Refused)?;
            // The first is the longest.
            if plan.segment_len(0) - cut > sending.limit {
                return Err(Fate::TooLong);
            }
            self.segments(sending, &plan);
            Ok(())
        } else if sending.ethernet.len() - cut > sending.limit {
            Err(Fate::TooLong)
        } else {
            self.single(sending)
        }
    }

    fn segments(&mut self, sending: &Sending<'_>, plan: &SegmentPlan<'_>) {
        let cut = &sending.encapsulation.cut;
        let headers = LEN + plan.header_len() - cut.len();
        let longest = LEN + plan.segment_len(0) - cut.len();
        if let Some(last) = self.messages.last_mut()
            && !last.has_room(plan.count(), plan.count() * longest)
        {
            // Torn in two it would come out of the tunnel as two.
            last.open = false;
        }
        let mut payload_at = plan.header_len();
        for index in 0..plan.count() {
            let start = self.built.len();
            let first = self.pieces.len();
            self.built.resize(start + LEN + plan.header_len(), 0);
            self.built[start..start + LEN].copy_from_slice(&sending.encapsulation.header);
            plan.header(index, &mut self.built[start + LEN..]);
            self.close_gap(start + LEN, cut);
            let payload = plan.payload(index).len();
            self.pieces.push(Piece::Built {
                start,
                length: headers,
            });
            self.take(payload_at..payload_at + payload);
            payload_at += payload;
            self.datagram(sending, first, headers + payload);
        }
    }

    fn single(&mut self, sending: &Sending<'_>) -> Result<(), Fate> {
        let (frame, cut) = (sending.ethernet, &sending.encapsulation.cut);
        let (start, first) = (self.built.len(), self.pieces.len());
        self.built.extend(sending.encapsulation.header);
        if sending.vnet.needs_csum() || frame.len() <= SHORT {
            self.built.extend(frame);
            if sending.vnet.needs_csum()
                && complete_checksum(&mut self.built[start + LEN..], &sending.vnet).is_err()
            {
                self.built.truncate(start);
                return Err(Fate::Refused);
            }
            self.close_gap(start + LEN, cut);
            self.pieces.push(Piece::Built {
                start,
                length: self.built.len() - start,
            });
        } else {
            self.pieces.push(Piece::Built { start, length: LEN });
            if cut.is_empty() {
                self.take(0..frame.len());
            } else {
                self.take(0..cut.start);
                self.take(cut.end..frame.len());
            }
        }
        self.datagram(sending, first, LEN + frame.len() - cut.len());
        Ok(())
    }

    /// A part of the frame at hand is the next piece.
    fn take(&mut self, part: Range<usize>) {
        self.pieces.push(Piece::Taken {
            frame: self.fates.len(),
            start: VNET_LEN + part.start,
            length: part.len(),
        });
    }

    /// Takes the tags out of the frame that was built last and begins at `start`.
    fn close_gap(&mut self, start: usize, cut: &Range<usize>) {
        if !cut.is_empty() {
            self.built.drain(start + cut.start..start + cut.end);
        }
    }

    /// The pieces from `first` on are a datagram of this length.
    fn datagram(&mut self, sending: &Sending<'_>, first: usize, length: usize) {
        let (number, frame) = (self.datagrams.len(), self.fates.len());
        self.datagrams.push(Datagram {
            pieces: first..self.pieces.len(),
        });
        if let Some(last) = self.messages.last_mut()
            && last.takes(&sending.envelope, length)
        {
            last.datagrams.end = number + 1;
            last.frames.end = frame + 1;
            last.bytes += length;
            last.open = length == last.segment;
            return;
        }
        self.messages.push(Message {
            envelope: sending.envelope,
            segment: length,
            datagrams: number..number + 1,
            frames: frame..frame + 1,
            bytes: length,
            open: sending.together,
        });
    }

    /// Appends the pieces of these datagrams to `slices`, adjacent ones as one.
    pub(super) fn slices<'a>(
        &'a self,
        datagrams: Range<usize>,
        frames: &[&'a [u8]],
        slices: &mut Vec<IoSlice<'a>>,
    ) {
        let pieces = match (
            self.datagrams.get(datagrams.start),
            datagrams.end.checked_sub(1),
        ) {
            (Some(first), Some(last)) => first.pieces.start..self.datagrams[last].pieces.end,
            _ => return,
        };
        let mut run: Option<Range<usize>> = None;
        for piece in &self.pieces[pieces] {
            match *piece {
                Piece::Built { start, length } => match &mut run {
                    Some(open) if open.end == start => open.end += length,
                    _ => {
                        slices.extend(
                            run.replace(start..start + length)
                                .map(|run| self.slice(run)),
                        );
                    }
                },
                Piece::Taken {
                    frame,
                    start,
                    length,
                } => {
                    slices.extend(run.take().map(|run| self.slice(run)));
                    slices.push(IoSlice::new(&frames[frame][start..start + length]));
                }
            }
        }
        slices.extend(run.map(|run| self.slice(run)));
    }

    fn slice(&self, range: Range<usize>) -> IoSlice<'_> {
        IoSlice::new(&self.built[range])
    }
}

/// Whether the frame stands for many. A header of a type that nobody knows got no further than the
/// port that it came in through.
fn is_super(header: &VnetHdr) -> bool {
    header.gso().is_ok_and(|(kind, _)| kind != GsoType::None)
}

impl Message {
    fn takes(&self, envelope: &Envelope, length: usize) -> bool {
        self.open
            && self.envelope == *envelope
            && length <= self.segment
            && self.has_room(1, length)
    }

    fn has_room(&self, datagrams: usize, bytes: usize) -> bool {
        self.datagrams.len() + datagrams <= MAX_SEGMENTS && self.bytes + bytes <= MAX_DATAGRAM
    }

    /// For [`crate::sys::udp::Outgoing`].
    pub(super) fn segmented(&self) -> Option<u16> {
        (self.datagrams.len() > 1)
            .then(|| u16::try_from(self.segment).ok())
            .flatten()
    }
}

#[cfg(test)]
mod tests;
