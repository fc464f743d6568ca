//! The macvlan driver: networks whose sandboxes are stations on the host's own physical network.
//!
//! - **Sharing.** Networks on the same parent, and the same VLAN of it, are one *segment*, as the kernel's macvlan
//!   devices on one interface are: their children in bridge mode reach one another, whatever network they are of. A
//!   segment is one network of the switch, opened with the first and closed with the last of ours.
//! - **VLANs.** `eth0.10` is VLAN 10 of `eth0` unless an interface of that very name exists; then it is that. The
//!   untagged segment of a parent leaves alone the VLANs that are segments of their own.
//! - **The parent's life** ([`Segments::follow`]). Down, up, gone, back, another MTU or address: noticed by whoever
//!   watches the host's links, and told to the children's interfaces.
//! - **Without a parent** a network has a segment of its own, which leads nowhere.

mod follow;

pub use follow::Change;

use std::{collections::BTreeMap, fmt, sync::Arc};

use macvlan_emu::{Child, Mode, Precision};
use vswitch_wire::{MacAddr, VlanId};

use super::{
    ControlError,
    kernel::Kernel,
    options::{MTU, MacvlanOptions},
    view::{LinkState, UplinkFilter, UplinkStatus},
};
use crate::{
    datapath::{AddPortError, NetworkId, NetworkSettings, Relay, Switch},
    port::{
        PortId, PortState,
        macvlan::{ChildError, Macvlan},
        packet::{Parent, ParentFacts, Uplink, UplinkOptions},
    },
    sys::IfName,
};

/// Frames without a single answer after which the network outside is suspected not to let them pass.
const SUSPICIOUS: u64 = 20;

/// A parent, or a VLAN of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SegmentId {
    /// The interface.
    pub parent: IfName,
    /// None for what is untagged.
    pub vlan: Option<VlanId>,
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vlan {
            Some(vlan) => write!(f, "{}.{vlan}", self.parent),
            None => self.parent.fmt(f),
        }
    }
}

impl SegmentId {
    /// What `-o parent=TEXT` means.
    ///
    /// # Errors
    /// Invalid: no interface name, or no VLAN.
    pub fn parse<K: Kernel>(kernel: &K, text: &str) -> Result<Self, ControlError> {
        let name = |text: &str| {
            IfName::new(text)
                .map_err(|error| ControlError::invalid(format!("option parent: {error}")))
        };
        if let Ok(parent) = name(text)
            && kernel.has_interface(&parent)
        {
            return Ok(Self { parent, vlan: None });
        }
        match text.rsplit_once('.') {
            Some((parent, number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => {
                let vlan = number.parse::<VlanId>().map_err(|_| {
                    ControlError::invalid(format!(
                        "option parent: {text:?}: {number} is no VLAN; give a number from 1 to 4094, such as {parent}.10"
                    ))
                })?;
                let parent = name(parent)?;
                let vlan = Some(vlan);
                Ok(Self { parent, vlan })
            }
            Some(_) | None => Ok(Self {
                parent: name(text)?,
                vlan: None,
            }),
        }
    }
}

/// What a macvlan network is on its segment.
#[derive(Debug)]
pub struct Member {
    /// Which segment; none of an internal network.
    pub segment: Option<SegmentId>,
    /// The segment on the switch.
    pub macvlan: Arc<Macvlan>,
    /// How its children behave.
    pub mode: Mode,
    /// Source mode: who may send to them.
    pub sources: Vec<MacAddr>,
    /// Source mode: whether nobody else gets that.
    pub nodst: bool,
    /// The MTU that was asked for; else it is the parent's.
    pub mtu: Option<u16>,
    /// Whether the host shall have an end on it.
    pub host_access: bool,
}

impl Member {
    /// The address that a child must have: the parent's, where it has the parent for itself.
    #[must_use]
    pub fn fixed_mac(&self) -> Option<MacAddr> {
        let parent = self.macvlan.view().segment.parent();
        parent.filter(|_| self.mode.is_alone())
    }

    /// Addresses that a new child cannot have.
    #[must_use]
    pub fn taken(&self) -> Vec<MacAddr> {
        let view = self.macvlan.view();
        let children = view.segment.children().map(|child| child.mac);
        let all: Vec<_> = children.chain(view.segment.parent()).collect();
        let fixed = self.fixed_mac();
        (all.into_iter().filter(|mac| Some(*mac) != fixed)).collect()
    }

    /// The child at a port.
    #[must_use]
    pub fn child(&self, key: PortId, mac: MacAddr, ipv6: bool) -> Child<PortId> {
        Child {
            key,
            mac,
            mode: self.mode,
            sources: self.sources.clone(),
            nodst: self.nodst,
            ipv6,
        }
    }
}

/// A segment with a parent.
#[derive(Debug)]
pub struct Segment {
    relay: NetworkId,
    macvlan: Arc<Macvlan>,
    /// None while the parent is away.
    wire: Option<Wire>,
    networks: usize,
}

#[derive(Debug)]
struct Wire {
    port: PortId,
    uplink: Arc<Uplink>,
    /// As they were when they were last looked at.
    facts: ParentFacts,
}

/// All segments with a parent.
#[derive(Debug, Default)]
pub struct Segments(BTreeMap<SegmentId, Segment>);

impl Segments {
    /// Makes a network one of a segment, opening that if it is the first: its number on the switch, and what is needed
    /// of the options.
    ///
    /// # Errors
    /// The parent is missing, cannot be one, or has a smaller MTU than the network wants; nothing was changed then.
    pub fn join<K: Kernel>(
        &mut self,
        kernel: &K,
        switch: &Switch,
        options: &MacvlanOptions,
    ) -> Result<(NetworkId, u16, Member), ControlError> {
        let Some(parent) = &options.parent else {
            return Ok(internal(switch, options));
        };
        let id = SegmentId::parse(kernel, parent)?;
        let fresh = !self.0.contains_key(&id);
        if fresh {
            let segment = Segment::open(kernel, switch, &id)?;
            self.0.insert(id.clone(), segment);
            self.claim(&id.parent);
        }
        let joined = self.enter(&id, options);
        if joined.is_err() {
            self.close_if_idle(switch, &id);
        }
        joined
    }

    fn enter(
        &mut self,
        id: &SegmentId,
        options: &MacvlanOptions,
    ) -> Result<(NetworkId, u16, Member), ControlError> {
        let segment = (self.0.get_mut(id)).ok_or_else(|| missing(id))?;
        let room = segment.wire.as_ref().ok_or_else(|| missing(id))?.facts.mtu;
        if let Some(mtu) = options.mtu.filter(|mtu| *mtu > room) {
            return Err(ControlError::invalid(format!(
                "option mtu: {mtu} is more than the {room} of parent {}; give {room} or less, or raise the parent's",
                id.parent
            )));
        }
        let alone = |macvlan: &Macvlan| {
            let view = macvlan.view();
            view.segment.children().any(|child| child.mode.is_alone())
        };
        if segment.networks > 0 && (options.mode.is_alone() || alone(&segment.macvlan)) {
            return Err(ControlError::conflict(format!(
                "parent {id}: another network is on it, and passthru takes the whole parent; remove one of them, or \
                 choose another parent"
            )));
        }
        segment.networks += 1;
        let member = Member::new(Some(id.clone()), Arc::clone(&segment.macvlan), options);
        let mtu = options.mtu.unwrap_or(room).clamp(*MTU.start(), *MTU.end());
        Ok((segment.relay, mtu, member))
    }

    /// Takes a network off its segment; the last closes it.
    pub fn leave(&mut self, switch: &Switch, relay: NetworkId, member: &Member) {
        let Some(id) = &member.segment else {
            switch.remove_network(relay);
            return;
        };
        if let Some(segment) = self.0.get_mut(id) {
            segment.networks = segment.networks.saturating_sub(1);
        }
        self.close_if_idle(switch, id);
    }

    fn close_if_idle(&mut self, switch: &Switch, id: &SegmentId) {
        if (self.0.get(id)).is_some_and(|segment| segment.networks == 0)
            && let Some(segment) = self.0.remove(id)
        {
            segment.macvlan.unplug();
            switch.remove_network(segment.relay);
            self.claim(&id.parent);
            tracing::info!(parent = %id, "parent released");
        }
    }

    /// Tells the untagged segment of a parent which VLANs are not its own.
    fn claim(&self, parent: &IfName) {
        let ours = |id: &&SegmentId| id.parent == *parent;
        let vlans: Vec<VlanId> = self
            .0
            .keys()
            .filter(ours)
            .filter_map(|id| id.vlan)
            .collect();
        let untagged = SegmentId {
            parent: parent.clone(),
            vlan: None,
        };
        if let Some(segment) = self.0.get(&untagged) {
            segment.macvlan.claim(&vlans);
        }
    }

    /// The uplinks that are there: port, segment, facts about the parent.
    pub fn uplinks(&self) -> impl Iterator<Item = (PortId, &SegmentId, &ParentFacts)> {
        self.0.iter().filter_map(|(id, segment)| {
            let wire = segment.wire.as_ref()?;
            Some((wire.port, id, &wire.facts))
        })
    }

    /// As people are shown them.
    pub fn status(&self) -> Vec<UplinkStatus> {
        let status = |(id, segment): (&SegmentId, &Segment)| segment.status(id);
        self.0.iter().map(status).collect()
    }
}

impl Member {
    fn new(segment: Option<SegmentId>, macvlan: Arc<Macvlan>, options: &MacvlanOptions) -> Self {
        Self {
            segment,
            macvlan,
            mode: options.mode,
            sources: options.sources.clone(),
            nodst: options.nodst,
            mtu: options.mtu,
            host_access: options.host_access,
        }
    }
}

/// A network without a parent.
fn internal(switch: &Switch, options: &MacvlanOptions) -> (NetworkId, u16, Member) {
    const ETHERNET: u16 = 1500;
    let macvlan = Arc::new(Macvlan::new(None, None));
    let relay = Relay::Macvlan(Arc::clone(&macvlan));
    let id = switch.add_relay(NetworkSettings::default(), relay);
    let member = Member::new(None, macvlan, options);
    (id, options.mtu.unwrap_or(ETHERNET), member)
}

impl Segment {
    fn open<K: Kernel>(kernel: &K, switch: &Switch, id: &SegmentId) -> Result<Self, ControlError> {
        let macvlan = Arc::new(Macvlan::new(None, id.vlan));
        let relay = Relay::Macvlan(Arc::clone(&macvlan));
        let relay = switch.add_relay(NetworkSettings::default(), relay);
        let mut segment = Self {
            relay,
            macvlan,
            wire: None,
            networks: 0,
        };
        let plugged = segment.plug(kernel, switch, id);
        plugged.inspect_err(|_| switch.remove_network(relay))?;
        Ok(segment)
    }

    /// Opens the uplink.
    fn plug<K: Kernel>(
        &mut self,
        kernel: &K,
        switch: &Switch,
        id: &SegmentId,
    ) -> Result<(), ControlError> {
        let (port, uplink) = kernel.open_uplink(&UplinkOptions {
            vlan: id.vlan,
            ..UplinkOptions::new(Parent::Name(id.parent.clone()))
        })?;
        let facts = uplink.parent()?;
        let handle = Arc::clone(&uplink);
        let plugged = switch.add_port_with(self.relay, port, |port| {
            self.macvlan.plug(port, handle, facts.mac)
        });
        let port = plugged.map_err(|error| refused(&id.to_string(), error))?;
        tracing::info!(parent = %id, mac = %facts.mac, mtu = facts.mtu, "parent taken");
        self.wire = Some(Wire {
            port,
            uplink,
            facts,
        });
        Ok(())
    }

    fn status(&self, id: &SegmentId) -> UplinkStatus {
        let mut status = UplinkStatus {
            parent: id.parent.to_string(),
            vlan: id.vlan,
            networks: self.networks,
            children: self.macvlan.view().segment.children().count(),
            link: LinkState::Gone,
            mac_address: None,
            mtu: None,
            promiscuous: false,
            filter: match self.macvlan.precision() {
                Precision::Exact => UplinkFilter::Exact,
                Precision::AllMulticast => UplinkFilter::AllMulticast,
                Precision::Everything => UplinkFilter::Everything,
            },
            passed: 0,
            kernel_drops: 0,
            sent: 0,
            heard: 0,
            swallowed: false,
        };
        let Some(wire) = &self.wire else {
            return status;
        };
        let (counts, facts) = (wire.uplink.counts(), &wire.facts);
        status.link = facts.link.into();
        (status.mac_address, status.mtu) = (Some(facts.mac), Some(facts.mtu));
        status.promiscuous = wire.uplink.is_promiscuous();
        status.passed = wire.uplink.passed_filter();
        status.kernel_drops = wire.uplink.kernel_drops();
        (status.sent, status.heard) = (counts.sent, counts.heard);
        let up = facts.link == PortState::Up;
        status.swallowed = up && counts.sent >= SUSPICIOUS && counts.heard == 0;
        status
    }
}

fn missing(id: &SegmentId) -> ControlError {
    ControlError::unavailable(format!(
        "parent {id}: the interface is away; wait until it is back, or choose another"
    ))
}

/// What the switch or the segment says against a port, with the remedy.
pub fn refused(what: &str, error: AddPortError) -> ControlError {
    match error {
        AddPortError::Child(ChildError::Refused(error)) => {
            ControlError::conflict(format!("{what}: {error}"))
        }
        AddPortError::Child(ChildError::Uplink(error)) => ControlError::unavailable(format!(
            "{what}: {error}; look at the parent with `ip link`"
        )),
        error @ (AddPortError::TooMany
        | AddPortError::NoSuchNetwork(_)
        | AddPortError::Watch(_)) => ControlError::internal(error.to_string()),
    }
}
