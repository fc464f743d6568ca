//! The filter of the parent's socket: a classic BPF program, as data.
//!
//! A raw socket on the parent gets every frame that the host gets. The program (`SO_ATTACH_FILTER`, the kernel's
//! `Documentation/networking/filter.rst`) drops in the kernel what [`Segment::from_wire`] has no receiver for, so that
//! other hosts' traffic and the host's own never wakes the process. It is an economy and no guard: between the opening
//! of a socket and the attaching of its program anything comes in, so whoever reads the socket asks
//! [`VlanRule::admits`] and [`Segment::from_wire`] all the same.
//!
//! It lets through, in this order of tests:
//!
//! 1. only what the VLAN rule admits. The kernel takes the outermost tag off before the filter sees the frame; the tag
//!    is read from beside it, and offsets are as in an untagged frame;
//! 2. everything, for a passthru child;
//! 3. frames from an address on a source list, but no PAUSE;
//! 4. unicast: frames to a child's own address, source mode excepted;
//! 5. group frames: those that come back to a child which is given its own; broadcast, the groups of
//!    [`crate::membership::is_always_wanted`], and those that a child has joined; all, when a child gets all.
//!
//! No receiver is overlooked. The other way round, these pass and are then for nobody: IPv6 where it is off (so that it
//! is counted by its own reason), reflected group frames that no other child may have, and PAUSE to a passthru child or
//! behind a second tag. What does not fit into [`MAX_INSTRUCTIONS`] passes as well: [`Precision`].
//!
//! The shape, made in `build`, is a binary search over the low 32 bits of an address, then a look at the high 16, so
//! that a frame for somebody else costs thirty instructions behind a thousand children. Jumps in classic BPF go
//! forward, conditional ones at most 255 instructions far.
//!
//! **Memory**: the kernel charges the program to the socket's option memory (`net.core.optmem_max`), after it has
//! turned it into one or two of its own instructions, of eight bytes, for each. 128 KiB, the default since Linux 6.7, is
//! enough for any; the 20 KiB of before take a thousand children whose addresses begin alike, or five hundred that
//! have nothing in common. Attaching answers `ENOMEM` beyond, and [`Segment::filter_within`] makes a smaller program.

mod build;
mod layout;

use core::fmt::Debug;
use core::hash::Hash;

use vswitch_wire::{EtherType, Tag, VlanId};

use crate::Segment;

/// The kernel's limit (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;
/// More groups than this are not told apart: all multicast passes.
pub const MAX_FILTER_GROUPS: usize = 512;

/// One instruction, `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip when the test holds.
    pub jt: u8,
    /// How many to skip when it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// How much of the segment the program knows, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// All of it.
    Exact,
    /// Groups were too many: all group frames pass.
    AllMulticast,
    /// Addresses, or VLANs, were too many: whatever their addresses, frames pass; and of whatever VLAN, if it is the
    /// VLANs that were too many.
    Everything,
}

/// Which frames of the parent belong to a segment, by their tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VlanRule<'a> {
    /// Those of one VLAN (802.1Q).
    Only(VlanId),
    /// Those of the parent itself: untagged, with a priority tag, or of a VLAN that is not in this list of those which
    /// have a segment of their own.
    AllBut(&'a [VlanId]),
}

impl VlanRule<'_> {
    /// Whether a frame with this outermost tag belongs to the segment.
    #[must_use]
    pub fn admits(&self, outer: Option<Tag>) -> bool {
        let customer = outer.filter(|tag| tag.tpid == EtherType::VLAN);
        let vid = customer.and_then(Tag::vid);
        match self {
            Self::Only(only) => vid == Some(*only),
            Self::AllBut(others) => !vid.is_some_and(|vid| others.contains(&vid)),
        }
    }
}

/// A program that the kernel accepts (if it has the memory): at most [`MAX_INSTRUCTIONS`], every path ends in "drop" or "take all of it".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
    precision: Precision,
}

impl Program {
    pub(crate) fn new<K: Copy + Eq + Hash + Debug>(
        segment: &Segment<K>,
        vlan: VlanRule<'_>,
        limit: usize,
    ) -> Self {
        layout::program(segment, vlan, limit.min(MAX_INSTRUCTIONS))
    }

    /// The instructions, in order.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Whether all of the segment is in it.
    #[must_use]
    pub const fn precision(&self) -> Precision {
        self.precision
    }
}

#[cfg(test)]
mod tests;
