//! What is measured in memory: one catalogue of cases for two instruments.
//!
//! `cargo bench` times every [`Case`] with criterion, and `vswitch-perf instructions` counts the instructions of a few
//! of them under callgrind. Both run the same [`Work`] on the same frames, so that a figure of the one can be looked
//! into with the other.
//!
//! - **No device, no thread, no clock**: a [`vswitch::datapath::Lane`] and ports that are memory.
//! - **A run is a batch** ([`vswitch::port::MAX_BATCH`] frames) or a superframe, as a worker has it; figures are per
//!   frame.
//! - **Caches**: a case says in its name whether its stations are few and hot or asked for at random, and how many
//!   there are. A case of one size stays in the L2 cache, and its limit is `memcpy` of that size, which does as well.
//! - **The same every time**: addresses and orders come from one sequence, which has a fixed start.

mod case;
mod ends;
mod fdb;
mod forward;
mod frames;
mod offload;
mod origin;
mod parse;
pub mod probe;
mod random;
mod stations;
mod tunnel;

pub use case::{Bound, Case, Work, catalogue};
pub use origin::{Build, Origin};
