//! The decisions of a macvlan driver as a pure table: no socket, no clock, no unsafe.
//!
//! So far there are the five modes and one question ([`mode`]): may a frame that one child sends be handed straight to
//! another child of the same parent? What comes from the wire, what goes to it, source lists, multicast filters and
//! access to the host are not here yet.

pub mod mode;

pub use mode::{Cast, Delivery, Mode, ModeError, may_deliver};
