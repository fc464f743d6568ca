//! The uplink port on a real interface: what it lets through, what becomes of tags and superframes, and how
//! it lives with its parent. Without a daemon: the test is the one that receives and sends.
//!
//! Two namespaces on one cable, a veth pair: the host, whose end is the parent, and the LAN. This kernel
//! may have no 8021q module, so tags are made and read by hand, or by an uplink at the other end.

mod cable;
mod filter;
mod offload;
mod parent;
mod stream;
mod tags;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use vswitch::port::{
    Batch, Drained, Port, PortState, PortTx, SendReport,
    packet::{self, FilterInstruction, Parent, Uplink, UplinkError, UplinkOptions},
};
use vswitch::sys::{IfName, netlink};
use vswitch_tests::{
    Must as _, Sandbox,
    deadline::SOON,
    eventually,
    frames::{self, Raw, station},
    guard::Guard,
};
use vswitch_wire::{Head, MacAddr, SegmentPlan, VNET_LEN, VlanId, VnetHdr};

use cable::{Cable, HOST, LAN};
