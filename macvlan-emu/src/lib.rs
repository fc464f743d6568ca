//! The decisions of Linux' macvlan driver as pure functions: no socket, no clock, no thread, no unsafe.
//!
//! Several stations, the *children*, live behind one interface, the *parent*, each with a MAC address of its own. All
//! children of one parent, or of one VLAN on it, share a [`Segment`] (the driver's `macvlan_port`). There is no
//! learning and nothing is ever flooded for want of an address: who has which address is known.
//!
//! Read in this order:
//!
//! 1. [`mode`]: the five modes, and the one table of who may talk to whom.
//! 2. [`segment`]: the children. [`Segment::from_child`] is the way out, [`Segment::from_wire`] the way in.
//! 3. [`delivery`]: what they answer: a [`Delivery`], or a [`Refusal`] when nobody gets the frame.
//! 4. [`reports`] and [`membership`]: which groups a child wants, learned from what it says to the routers.
//! 5. [`bpf`]: the same decision once more, as the program that keeps all other frames away from the socket.
//!
//! Every entry point is total: any frame, any address. A [`Segment`] has no interior mutability: many threads may ask
//! the same one, and whoever changes it changes a copy.
//!
//! # Where this differs from the driver
//!
//! - **Groups are overheard.** The driver asks the child's own list of groups, which cannot be seen from here; IGMP and
//!   MLD say nearly the same. What is not IP (and says nothing) cannot be joined; 224.0.0.0/24 and the solicited-node
//!   groups come to whom has not joined them, too; see [`membership`].
//! - **A passthru child takes every group.** The driver's still has the filter of the child's list.
//! - **Nobody gets a frame twice, or its own.** The driver gives a frame that a bridge child sends to its own address
//!   back to it; and a source child that lists itself gets its own reflected frames twice.
//! - **PAUSE reaches no child at all.** The driver holds it back where it floods, not where it delivers by source.
//! - **IPv6 can be off** ([`Child::ipv6`]), for networks that have IPv4 only.
//!
//! Two more come from the packet socket and the TAP around this crate:
//!
//! - **The host keeps what it gets.** The driver takes frames away from the parent's stack: all unicast to a passthru
//!   child, what a NODST list claims, and reflected group frames of private, passthru and source children. A packet
//!   socket gets a copy.
//! - **A child's stack goes by the address.** The driver tells the stack of a passthru child that every unicast frame
//!   is for it, and that of a source child that frames for the parent are. Behind a TAP such frames come, and are for
//!   another host.
//!
//! The differential test of the integration tests has this list as data, and fails for a difference that is not on it.

pub mod bpf;
pub mod delivery;
pub mod error;
pub mod membership;
pub mod mode;
pub mod reports;
pub mod segment;

pub use bpf::{Instruction, MAX_FILTER_GROUPS, MAX_INSTRUCTIONS, Precision, Program, VlanRule};
pub use delivery::{Delivery, Refusal};
pub use error::AddError;
pub use membership::MAX_GROUPS;
pub use mode::{Cast, Mode, ModeError, Origin};
pub use reports::{Change, Reports};
pub use segment::{Child, Segment};

#[cfg(test)]
mod testing;
