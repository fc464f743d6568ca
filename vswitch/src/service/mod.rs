//! What the switch serves itself: names, gateways, published ports, the way out.
//!
//! The control plane decides what is served and until when ([`crate::control::services`]); here it is done. Every
//! running service ends when its handle is dropped, and takes its sockets, threads and rules with it.

pub mod proxy;
