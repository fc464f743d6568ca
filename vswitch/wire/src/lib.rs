//! Types and header views of a layer 2 switch, on bytes alone: no I/O, no clock, no unsafe, and no allocation but for
//! the lists that [`coalesce`] keeps from batch to batch.
//!
//! Read in this order:
//!
//! 1. [`mac`], [`vlan`], [`vni`], [`ethertype`]: small types that cannot hold a wrong value.
//! 2. [`ethernet`]: [`Head`], the header of a frame, parsed once.
//! 3. [`vnet`]: the virtio-net header that travels with a frame and says what work is left to do on it.
//! 4. [`layers`] over [`ipv4`], [`ipv6`], [`tcp`], [`udp`]: what offload and hashing need to know of the payload.
//! 5. [`checksum`] and [`segment`]: that work, done in software; [`coalesce`]: undone again for a port that takes it.
//!
//! Everything is a pure function over `&[u8]`, for any number of threads. Bytes are hostile until a `parse` or `check`
//! has returned `Ok`; none of them panics on any input. What panics (functions that write into a slice that is too
//! short) says so, and is a bug of the caller.

mod bytes;
pub mod checksum;
pub mod coalesce;
pub mod error;
pub mod ethernet;
pub mod ethertype;
pub mod ipv4;
pub mod ipv6;
pub mod layers;
pub mod mac;
pub mod segment;
pub mod tcp;
pub mod udp;
pub mod vlan;
pub mod vnet;
pub mod vni;

pub use checksum::{Sum, pseudo_v4, pseudo_v6, update_bytes, update_u16, update_u32};
pub use coalesce::{Coalescer, MAX_DATAGRAMS, MAX_PIECES, Output, Placed, Superframe};
pub use error::ParseError;
pub use ethernet::{HEADER_LEN, Head, Kind, Llc, TAG_LEN, TagStack, addresses, set_addresses};
pub use ethertype::EtherType;
pub use ipv4::Ipv4View;
pub use ipv6::Ipv6View;
pub use layers::{
    IpVersion, Layers, PROTO_ICMP, PROTO_ICMPV6, PROTO_SCTP, PROTO_TCP, PROTO_UDP, flow_hash,
};
pub use mac::{MacAddr, MacParseError};
pub use segment::{SegmentPlan, complete_checksum};
pub use tcp::TcpView;
pub use udp::UdpView;
pub use vlan::{Tag, VlanId, VlanIdError};
pub use vnet::{
    FLAG_DATA_VALID, FLAG_NEEDS_CSUM, GsoType, MAX_GSO_HEADER_LEN, MAX_SEGMENTS, MAX_UDP_SEGMENTS,
    MIN_TCP_GSO_SIZE, OffloadSet, VNET_LEN, VnetError, VnetHdr,
};
pub use vni::{Vni, VniError};

#[cfg(test)]
mod testing;
