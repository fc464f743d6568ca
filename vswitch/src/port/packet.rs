//! An uplink: a port onto the physical network that an interface of the host is on.
//!
//! The interface, the *parent*, stays the host's: its addresses, its traffic, its state. The uplink
//! receives beside it what is for other MAC addresses (those of containers: macvlan), and sends with these as
//! source. One uplink serves one *segment* of the parent: what is untagged, or one VLAN of it.
//!
//! - **Receiving** is exact from the first frame: a filter in the kernel ([`Uplink::set_filter`]) lets through
//!   what is for the segment, so that nothing else wakes the switch. What waits in the socket when a
//!   filter is replaced passed the old one; so the VLAN is checked here once more. Frames that are
//!   turned away were never the port's, as with the filter of a network card: they are counted in
//!   [`UplinkCounts`] and not as received.
//! - **Tags.** The kernel takes the outer tag off. On an untagged segment it is put back, into the
//!   headroom in front of the frame: a container may have VLANs of its own on the wire. On the segment
//!   of a VLAN it stays off, and is put in front of what leaves. `csum_start` and `hdr_len` move with it.
//!   A priority tag (VID 0) that a container wrote becomes the VLAN's with its priority (802.1Q 6.9).
//! - **Offload** is that of a TAP, both ways: superframes and open checksums pass untouched. What the kernel
//!   refuses is cut or completed here, and that is remembered and logged once: `send`.
//!   A superframe that hardware has merged says so in another way, which is translated: `mend`.
//! - **MTU.** The kernel checks ordinary frames against the parent's MTU, and no superframe: neither
//!   packet sockets nor the kernel's macvlan do, which rely on the sender's stack to have cut by an
//!   MTU of its own. That holds until the parent's MTU shrinks. Here the segments of a superframe are
//!   held to it as frames are.
//! - **The parent's life.** Down: nothing comes, and frames to send are booked as such. Up again: it goes
//!   on by itself. Gone (deleted, or moved to another namespace): the port is lost for good. Facts are
//!   asked from the kernel, at most a tenth of a second old: `state`.
//! - When both halves and the handle are dropped, or the process is killed, the parent is as before.

mod members;
mod mend;
mod receive;
mod send;
mod state;
mod tag;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use vswitch_wire::{MacAddr, VlanId};

use super::{Port, PortState};
use crate::sys::packet::{self, HeaderLength, Interface, PacketSocket};
use crate::sys::{IfName, SysError};

use receive::UplinkRx;
use send::UplinkTx;
use state::Shared;

pub use crate::sys::packet::FilterInstruction;
pub use state::UplinkCounts;

/// Which interface of the calling thread's namespace is the parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// The one of this name now.
    Name(IfName),
    /// The one of this number.
    Index(u32),
}

impl std::fmt::Display for Parent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Index(index) => write!(f, "number {index}"),
        }
    }
}

/// How an uplink is opened.
#[derive(Clone, Debug)]
pub struct UplinkOptions {
    /// The interface.
    pub parent: Parent,
    /// The VLAN on it; nothing for what is untagged.
    pub vlan: Option<VlanId>,
    /// The filter, a classic BPF program that sees the frame without its outer tag. It is in place
    /// before the first frame. An accepting `ret` must give at least the longest frame, or it cuts.
    pub filter: Vec<FilterInstruction>,
    /// Whether the virtio-net header is that of kernels before 6.6; for tests.
    pub short_header: bool,
}

impl UplinkOptions {
    /// For the untagged frames of a parent, of which nothing is received before
    /// [`Uplink::set_filter`].
    #[must_use]
    pub fn new(parent: Parent) -> Self {
        Self {
            parent,
            vlan: None,
            filter: vec![FilterInstruction::ret(0)],
            short_header: false,
        }
    }
}

/// An uplink could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// There is no such interface, or no more.
    #[error(
        "there is no interface {parent} (any more): `ip link` lists those that can be a parent"
    )]
    NoSuchParent {
        /// What was asked for.
        parent: String,
    },
    /// An interface without MAC addresses.
    #[error(
        "{name} is no Ethernet interface, so no MAC address can be behind it: choose another parent"
    )]
    NotEthernet {
        /// Its name.
        name: String,
    },
    /// The packet socket.
    #[error(transparent)]
    Sys(#[from] SysError),
    /// The parent refuses.
    #[error("cannot {what}: {cause}")]
    Io {
        /// What was tried.
        what: String,
        /// The refusal.
        cause: io::Error,
    },
}

/// The handle of an uplink for those who govern it. All methods may be called from any thread; none
/// is for the data path.
#[derive(Debug)]
pub struct Uplink {
    shared: Arc<Shared>,
}

/// The parent as it was a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentFacts {
    /// Its number, which stays.
    pub index: u32,
    /// Its name, which may change.
    pub name: String,
    /// Its own address.
    pub mac: MacAddr,
    /// Its MTU, in bytes.
    pub mtu: u16,
    /// Whether frames pass: never [`PortState::Gone`].
    pub link: PortState,
}

/// Opens an uplink on a parent in the calling thread's namespace.
///
/// # Errors
/// See [`UplinkError`]. The parent is as before.
pub fn open(options: &UplinkOptions) -> Result<(Port, Arc<Uplink>), UplinkError> {
    let missing = || UplinkError::NoSuchParent {
        parent: options.parent.to_string(),
    };
    let index = match &options.parent {
        Parent::Name(name) => match packet::index_of(name) {
            Err(SysError::NoSuchLink { .. }) => return Err(missing()),
            other => other?,
        },
        Parent::Index(index) => *index,
    };
    let header = if options.short_header {
        HeaderLength::Short
    } else {
        HeaderLength::Preferred
    };
    let socket = match PacketSocket::open(index, &options.filter, header) {
        Err(SysError::Io { cause, .. }) if state::is_missing(&cause) => return Err(missing()),
        other => other?,
    };
    let interface = socket.interface().map_err(|cause| {
        if state::is_missing(&cause) {
            return missing();
        }
        let what = format!("look at {}", options.parent);
        UplinkError::Io { what, cause }
    })?;
    let facts = facts(&interface)?;
    let shared = Arc::new(Shared::new(socket, options.vlan, &interface));
    let port = Port {
        rx: Box::new(UplinkRx::new(Arc::clone(&shared))),
        tx: Arc::new(UplinkTx::new(Arc::clone(&shared))),
        mtu: facts.mtu,
    };
    Ok((port, Arc::new(Uplink { shared })))
}

fn facts(interface: &Interface) -> Result<ParentFacts, UplinkError> {
    let mac = interface.mac.ok_or_else(|| UplinkError::NotEthernet {
        name: interface.name.clone(),
    })?;
    Ok(ParentFacts {
        index: interface.index,
        name: interface.name.clone(),
        mac: MacAddr::new(mac),
        mtu: u16::try_from(interface.mtu).unwrap_or(u16::MAX),
        link: state::link_of(interface),
    })
}

impl Uplink {
    /// Replaces the filter in one step; see [`UplinkOptions::filter`].
    ///
    /// # Errors
    /// A program that the kernel refuses; the old one stays.
    pub fn set_filter(&self, filter: &[FilterInstruction]) -> Result<(), UplinkError> {
        Ok(self.shared.socket.set_filter(filter)?)
    }

    /// Has the parent receive frames to this address, unicast or a group. A parent that refuses a further
    /// unicast address becomes promiscuous, with a warning. Again is fine.
    ///
    /// # Errors
    /// When the parent is gone, or refuses that as well.
    pub fn add_address(&self, address: MacAddr) -> Result<(), UplinkError> {
        let mut members = self.shared.members();
        (members.add(&self.shared.socket, address))
            .map_err(|cause| self.failed("add", address, cause))
    }

    /// Undoes [`Self::add_address`]. What was not added is fine.
    pub fn remove_address(&self, address: MacAddr) {
        self.shared.members().remove(&self.shared.socket, address);
    }

    /// Has the parent receive every frame (passthru), or no longer.
    ///
    /// # Errors
    /// When the parent is gone, or refuses.
    pub fn set_promiscuous(&self, on: bool) -> Result<(), UplinkError> {
        let mut members = self.shared.members();
        (members.want_all(&self.shared.socket, on))
            .map_err(|cause| self.failed("receive every frame on", self.name(), cause))
    }

    /// Has the parent receive frames to all groups, or no longer.
    ///
    /// # Errors
    /// When the parent is gone, or refuses.
    pub fn set_all_groups(&self, on: bool) -> Result<(), UplinkError> {
        let mut members = self.shared.members();
        (members.want_groups(&self.shared.socket, on))
            .map_err(|cause| self.failed("receive all groups on", self.name(), cause))
    }

    /// Whether this uplink made its parent promiscuous: as it was told, or for want of a filter.
    #[must_use]
    pub fn is_promiscuous(&self) -> bool {
        self.shared.members().is_promiscuous()
    }

    /// On an untagged segment: the VLANs that are segments of their own, whose frames are not this
    /// one's. The filter keeps them out; this is for what waits in the socket when it changes.
    pub fn set_claimed(&self, vlans: &[VlanId]) {
        self.shared.claimed.set(vlans);
    }

    /// Frames that the kernel dropped because the switch did not take them in time.
    #[must_use]
    pub fn kernel_drops(&self) -> u64 {
        self.shared.kernel_counts().1
    }

    /// Frames that passed the filter, those that the kernel dropped behind it included.
    #[must_use]
    pub fn passed_filter(&self) -> u64 {
        self.shared.kernel_counts().0
    }

    /// What passed, and what was turned away.
    #[must_use]
    pub fn counts(&self) -> UplinkCounts {
        self.shared.counts.read()
    }

    /// The parent now.
    ///
    /// # Errors
    /// [`UplinkError::NoSuchParent`] when it is gone.
    pub fn parent(&self) -> Result<ParentFacts, UplinkError> {
        match self.shared.refresh() {
            Ok(interface) => facts(&interface),
            Err(cause) if state::is_missing(&cause) => Err(UplinkError::NoSuchParent {
                parent: self.name(),
            }),
            Err(cause) => Err(self.failed("look at", self.name(), cause)),
        }
    }

    fn name(&self) -> String {
        (self.shared.socket.interface()).map_or_else(
            |_| format!("number {}", self.shared.socket.index()),
            |interface| interface.name,
        )
    }

    fn failed(&self, what: &str, object: impl std::fmt::Display, cause: io::Error) -> UplinkError {
        if state::is_missing(&cause) {
            return UplinkError::NoSuchParent {
                parent: self.name(),
            };
        }
        UplinkError::Io {
            what: format!("{what} {object}"),
            cause,
        }
    }
}
