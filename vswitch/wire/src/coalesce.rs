//! Software GRO: the packets of a flow that came in one batch, as one super-frame; the reverse of [`crate::segment`].
//!
//! What comes out of a tunnel is one frame per packet, and a TAP takes 64 KiB as cheaply as 1500 bytes. [`Coalescer`]
//! is a plan and not a copy: it is shown the frames of a batch one by one, and says at the end which of them leave as
//! they came and which leave together. A [`Superframe`] is a header of its own and ranges of payload that stay where
//! they are, ready for `writev`.
//!
//! The rules are Linux's (`tcp_gro_receive`, `udp_gro_receive_segment`, `inet_gro_flush`), so that cutting a
//! super-frame again gives the packets that came in:
//!
//! - **The checksums of every packet are verified first.** The super-frame's is partial and completed from what it
//!   holds: a damaged packet that was merged would come out with a good checksum.
//! - **All headers are equal** but for lengths, checksums, IPv4 identification, TCP sequence number and PSH: MAC
//!   addresses, tags, TOS, TTL, DF, flow label, acknowledgement, window, options. The identification counts up, or
//!   stands still where DF makes it meaningless (RFC 6864), and what the second packet does, all must do.
//! - **TCP** with flags ACK or ACK and PSH only, sequence numbers without a gap. All but the last have the length of
//!   the first. PSH ends the group; one that begins with PSH is no group.
//! - **UDP** with a checksum, the same rule of lengths, at most [`MAX_DATAGRAMS`].
//! - **Never**: IP options or extension headers, fragments, padding behind the packet, an IP packet above 65,535 bytes.
//!
//! **Order.** Packets of a flow never overtake one another: what cannot join the flow's group closes it. Groups leave
//! at the place of their first packet, so a later packet can pass packets of *other* flows, as in the kernel.
//! A fragment has no ports and may belong to any flow between its addresses; it closes them all.
//!
//! **Bounds.** Groups that are open stand in a direct-mapped table, and a collision closes the older one; that costs
//! some merging, nothing else. Everything ends with the batch, so nothing waits for a timer. The lists keep their
//! memory from batch to batch: no allocation once they have grown.

mod candidate;
mod group;

use core::ops::Range;

use crate::{FLAG_DATA_VALID, Head, Layers, OffloadSet, VnetHdr};
use candidate::{Candidate, Flow};
use group::Group;

/// Most packets of one super-frame: its header and its pieces fit one `writev` (`UIO_MAXIOV` is 1024) with room.
pub const MAX_PIECES: usize = 512;
/// Most datagrams of one UDP super-frame: Linux's `UDP_GRO_CNT_MAX`.
pub const MAX_DATAGRAMS: usize = 64;

/// Where a frame went, seen when it is shown. A group is named by the number of its first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It may be the first of a group.
    Start,
    /// It joined the group that frame `first` started.
    Appended {
        /// The number of that frame.
        first: usize,
    },
    /// It leaves as it came, and nothing joins it.
    Alone,
}

/// What leaves, in order. Frames are named by their number: the order in which they were shown, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<'a> {
    /// A frame as it came.
    Frame {
        /// The frame's number.
        number: usize,
        /// [`VnetHdr::NONE`], or `DATA_VALID` where its checksums were verified on the way.
        vnet: VnetHdr,
    },
    /// Several frames as one.
    Super(Superframe<'a>),
}

/// Two frames or more as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superframe<'a> {
    /// Ethernet to L4, rewritten: lengths, IPv4 checksum, PSH, partial L4 checksum.
    pub header: &'a [u8],
    /// What is to be written before it.
    pub vnet: VnetHdr,
    payload_len: usize,
    first: usize,
    pieces: &'a [Piece],
}

impl<'a> Superframe<'a> {
    /// The payload, in order: a frame's number and where in that frame its piece is.
    pub fn pieces(&self) -> impl Iterator<Item = (usize, Range<usize>)> + use<'a> {
        let pieces = self.pieces;
        core::iter::successors(Some(self.first), move |&number| {
            pieces.get(number).and_then(|piece| piece.next)
        })
        .filter_map(move |number| Some((number, pieces.get(number)?.payload())))
    }

    /// Length of header and payload together.
    #[must_use]
    pub const fn frame_len(&self) -> usize {
        self.header.len() + self.payload_len
    }
}

/// One frame that was shown, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    start: usize,
    end: usize,
    /// The next of the same group.
    next: Option<usize>,
    verified: bool,
}

impl Piece {
    const fn payload(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// What leaves together: at least its first frame.
#[derive(Debug)]
struct Unit {
    first: usize,
    last: usize,
    group: Option<Group>,
}

/// The plan of a batch, and the memory for the next one.
///
/// ```
/// use vswitch_wire::{Coalescer, Head, OffloadSet, Output, Placed};
/// // Two frames of 14 + 20 + 8 bytes of headers and 4 of payload, checksums in place.
/// let mut first = vec![2; 12];
/// first.extend([0x08, 0, 0x45, 0, 0, 32, 0, 7, 0, 0, 64, 17, 0xee, 0x9e, 198, 18, 0, 1, 198, 18, 0, 2]);
/// first.extend([0x9c, 0x40, 0x14, 0x51, 0, 12, 0xc1, 0x1a, 1, 1, 1, 1]);
/// let mut second = first.clone();
/// (second[19], second[25]) = (8, 0x9d); // the identification counts up
/// let mut coalescer = Coalescer::new(16, OffloadSet::ALL);
/// for (frame, placed) in [(&first, Placed::Start), (&second, Placed::Appended { first: 0 })] {
///     assert_eq!(coalescer.push(frame, &Head::parse(frame)?), placed);
/// }
/// let outputs: Vec<_> = coalescer.finish().collect();
/// let [Output::Super(merged)] = outputs[..] else { panic!("{outputs:?}") };
/// assert_eq!(merged.vnet.gso_size, 4);
/// assert_eq!(merged.pieces().collect::<Vec<_>>(), [(0, 42..46), (1, 42..46)]);
/// # Ok::<(), vswitch_wire::ParseError>(())
/// ```
#[derive(Debug)]
pub struct Coalescer {
    accepts: OffloadSet,
    /// The open unit of each place; a power of two of them.
    slots: Vec<Option<usize>>,
    units: Vec<Unit>,
    /// By frame number.
    pieces: Vec<Piece>,
    /// The headers of all groups, one behind the other.
    headers: Vec<u8>,
}

impl Coalescer {
    /// A plan for receivers that take what `accepts` says. `groups` may be open at a time, rounded up to a power of
    /// two from 8 to 64.
    #[must_use]
    pub fn new(groups: usize, accepts: OffloadSet) -> Self {
        Self {
            accepts,
            slots: vec![None; groups.clamp(8, 64).next_power_of_two()],
            units: Vec::new(),
            pieces: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Forgets the batch.
    pub fn clear(&mut self) {
        self.slots.fill(None);
        self.units.clear();
        self.pieces.clear();
        self.headers.clear();
    }

    /// Takes the next frame, whose parsed header is `head`. It must be complete: no checksum to do, nothing to cut.
    pub fn push(&mut self, frame: &[u8], head: &Head) -> Placed {
        let Ok(layers) = Layers::parse(frame, head) else {
            return self.alone(false);
        };
        if layers.fragment {
            let addresses = Flow::addresses(frame, &layers);
            self.close_all(|group| group.flow.is_between(addresses));
            return self.alone(false);
        }
        let Some(flow) = Flow::read(frame, &layers) else {
            return self.alone(false);
        };
        let slot = flow.slot(self.slots.len());
        let open = self.slots[slot].filter(|&unit| {
            let group = self.units[unit].group.as_ref();
            group.is_some_and(|group| group.flow == flow)
        });
        let candidate = Candidate::read(frame, head, &layers, self.accepts);
        match (open, candidate) {
            (open, Some(candidate)) => {
                if let Some(placed) = open.and_then(|unit| self.append(slot, unit, &candidate)) {
                    return placed;
                }
                if candidate.can_start() {
                    return self.start(slot, flow, &candidate);
                }
                if open.is_some() {
                    self.slots[slot] = None;
                }
                self.alone(true)
            }
            (Some(_), None) => {
                self.slots[slot] = None;
                self.alone(false)
            }
            (None, None) => self.alone(false),
        }
    }

    /// What leaves, in order; to be asked when the batch is complete.
    pub fn finish(&mut self) -> impl Iterator<Item = Output<'_>> {
        for unit in &self.units {
            if let Some(group) = &unit.group
                && group.count > 1
            {
                group.write_header(&mut self.headers[group.header.clone()]);
            }
        }
        let (pieces, headers) = (&self.pieces, &self.headers);
        self.units.iter().map(move |unit| match &unit.group {
            Some(group) if group.count > 1 => Output::Super(Superframe {
                header: &headers[group.header.clone()],
                vnet: group.vnet(),
                payload_len: group.payload_len,
                first: unit.first,
                pieces,
            }),
            Some(_) | None => Output::Frame {
                number: unit.first,
                vnet: VnetHdr {
                    flags: if pieces[unit.first].verified {
                        FLAG_DATA_VALID
                    } else {
                        0
                    },
                    ..VnetHdr::NONE
                },
            },
        })
    }

    /// Adds the frame to an open group of its flow, if it fits.
    fn append(&mut self, slot: usize, unit: usize, candidate: &Candidate<'_>) -> Option<Placed> {
        let number = self.pieces.len();
        let Unit { first, last, group } = &mut self.units[unit];
        let group = group.as_mut()?;
        let closed = group.append(&self.headers[group.header.clone()], candidate)?;
        self.pieces[*last].next = Some(number);
        *last = number;
        let first = *first;
        if closed {
            self.slots[slot] = None;
        }
        self.pieces.push(candidate.piece());
        Some(Placed::Appended { first })
    }

    /// Opens a group in `slot`; who stood there is closed.
    fn start(&mut self, slot: usize, flow: Flow, candidate: &Candidate<'_>) -> Placed {
        let number = self.pieces.len();
        let at = self.headers.len();
        self.headers.extend_from_slice(candidate.header);
        self.slots[slot] = Some(self.units.len());
        self.units.push(Unit {
            first: number,
            last: number,
            group: Some(Group::new(flow, candidate, at..self.headers.len())),
        });
        self.pieces.push(candidate.piece());
        Placed::Start
    }

    fn alone(&mut self, verified: bool) -> Placed {
        let number = self.pieces.len();
        self.pieces.push(Piece {
            start: 0,
            end: 0,
            next: None,
            verified,
        });
        self.units.push(Unit {
            first: number,
            last: number,
            group: None,
        });
        Placed::Alone
    }

    #[cold]
    fn close_all(&mut self, of: impl Fn(&Group) -> bool) {
        for slot in &mut self.slots {
            let group = slot.and_then(|unit| self.units[unit].group.as_ref());
            if group.is_some_and(&of) {
                *slot = None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
