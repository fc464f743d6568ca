//! An end: an interface in a host's namespace, where frames are put in and counted.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use vswitch::sys::packet::{self, FilterInstruction, HeaderLength, PacketSocket};
use vswitch::sys::{IfName, Netns, SysError};
use vswitch_wire::MacAddr;

/// An interface of a host that is up.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    netns: Arc<Netns>,
    index: u32,
    /// Its own address.
    pub(crate) mac: MacAddr,
    /// In bytes, without Ethernet header.
    pub(crate) mtu: u32,
}

impl Port {
    /// The interface of this name in a namespace.
    pub(crate) fn open(netns: &Arc<Netns>, name: &str) -> Result<Self> {
        let link = IfName::new(name).map_err(SysError::from)?;
        let index = netns.run(|| packet::index_of(&link))??;
        let interface = socket(netns, index, &[FilterInstruction::ret(0)])?.interface()?;
        anyhow::ensure!(
            interface.up,
            "{name} of a host is down: a frame cannot leave it; set it up"
        );
        let mac = (interface.mac).with_context(|| format!("{name} of a host is no Ethernet"))?;
        Ok(Self {
            netns: Arc::clone(netns),
            index,
            mac: mac.into(),
            mtu: interface.mtu,
        })
    }

    /// A socket to send from. It receives nothing, and hears when a frame is refused.
    pub(super) fn transmitter(&self) -> Result<PacketSocket> {
        let socket = socket(&self.netns, self.index, &[FilterInstruction::ret(0)])?;
        (socket.bypass_queue()).context("cannot send past the queueing discipline")?;
        Ok(socket)
    }

    /// A socket that receives what the filter lets through.
    pub(super) fn counter(&self, filter: &[FilterInstruction]) -> Result<PacketSocket> {
        socket(&self.netns, self.index, filter)
    }
}

fn socket(netns: &Netns, index: u32, filter: &[FilterInstruction]) -> Result<PacketSocket> {
    Ok(netns.run(|| PacketSocket::open(index, filter, HeaderLength::Preferred))??)
}
