//! The kernel's facilities, one file each: everything of the project that is `unsafe` lives here.
//!
//! What is offered is owned (`OwnedFd` inside, closed on drop), typed ([`IfName`], [`Netns`],
//! [`Tun`]) and explained ([`SysError`] names cause and remedy in one line). Nothing in this room
//! knows what a port, a network or a frame is.
//!
//! | file | facility |
//! |---|---|
//! | `tun` | TAP devices: `/dev/net/tun` and its ioctls |
//! | `fd` | flags of descriptors that other crates opened |
//! | `fault` | what an errno of a TAP means to a port |
//! | `ifname` | the names the kernel accepts for an interface |
//! | `netns` | network namespaces: make, enter, pin |
//! | `userns` | an own user namespace, for those who are not root |
//! | `netlink` | links, addresses, routes |
//! | `packet` | AF_PACKET sockets: frames of an interface, filters, memberships |
//! | `memory` | advice about memory |
//! | `mmsg`, `option` | messages by the batch; options of sockets: what `udp` and `packet` share |
//! | `caps` | capabilities, and whether the switch can work here at all |
//! | `udp` | datagrams by the batch: UDP_SEGMENT, UDP_GRO, error queue |
//! | `uring` | many writes in one system call |
//! | `proc` | processes that start inside a namespace, and what they find there |
//!
//! # Thread rule
//!
//! A network namespace is a property of a *thread*. Whatever looks something up in "the" namespace
//! ([`Tun::create`], all of [`netlink`]) means that of the calling thread, and the one way to get
//! into another is [`Netns::run`], which borrows a thread for it: the caller's thread, which may
//! belong to a runtime or a pool, never changes its namespace.

#![allow(unsafe_code)]

pub mod caps;
mod error;
mod fault;
mod fd;
mod ifname;
mod memory;
mod mmsg;
pub mod netlink;
mod netns;
mod option;
pub mod packet;
mod proc;
mod tun;
pub mod udp;
mod uring;
mod userns;

pub use error::{SysError, UserNsRefusal};
pub use fault::PortFault;
pub use fd::set_nonblocking;
pub use ifname::{IfName, IfNameError};
pub use memory::{prefer_huge_pages, prefetch};
pub use netns::{Netns, NetnsId};
pub use proc::{Surroundings, spawn_among, spawn_in};
pub use tun::{
    TapFactory, TapLink, Tun, TunOptions, VNET_HDR_LEN, offload, set_tap_carrier, tap_link,
};
pub use uring::{Unavailable, prepare_writes, write_each};
pub use userns::enter_own_namespaces;
