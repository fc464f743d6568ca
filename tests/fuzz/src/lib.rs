//! What must hold for any input, as functions over bytes: one for each target of the fuzzer.
//!
//! - [`decapsulate`]: a tunnel endpoint beside a model of it, in the plainest code possible.
//! - [`coalesce`]: what goes into a batch comes out of it, byte for byte and in order.
//! - [`vnet`]: virtio-net headers, right ones and wrong ones, and the cuts that they ask for.
//!
//! The bytes are read as choices ([`arbitrary::Unstructured`]): what is built by them is sound as far as the fuzzer
//! wants it to be, so that it gets past the checksums. Bytes that run out read as zeros.
//! A target panics where something does not hold; that is what the fuzzer looks for.

#![forbid(unsafe_code)]

pub mod coalesce;
pub mod decapsulate;
mod flow;
mod packet;
pub mod vnet;
