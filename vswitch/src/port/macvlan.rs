//! The macvlan children of one parent interface, or of one VLAN on it, and their way to the wire.
//!
//! Who gets a frame is the engine's decision ([`macvlan_emu::Segment`]). What is here keeps three things in step when
//! children come and go, or join and leave groups: the segment that the workers ask, the filter of the uplink's
//! socket, and the addresses that the parent is asked to receive.
//!
//! - **Threads.** Workers load an immutable [`View`] once per batch. Changes are made to a copy under a lock and
//!   swapped in. A worker takes that lock too, for what a child says about groups that was not known: seldom, and it is
//!   held for the time of a copy and one system call.
//! - **Order.** The segment changes first, then the filter: what passes for a child finds it there. What still passes
//!   for one that has gone is for nobody.
//! - **Groups.** The parent receives all of them while there are children: which ones a neighbour asks for before a
//!   child has said so cannot be known. The filter lets through what is wanted.
//! - **Without a parent** the children reach one another, and there is no wire: an internal network.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};
use macvlan_emu::{
    AddError, Child, Delivery, MAX_INSTRUCTIONS, Precision, Program, Refusal, Reports, Segment,
    VlanRule,
};
use vswitch_wire::{Head, MacAddr, VlanId};

use super::PortId;
use super::packet::{FilterInstruction, Uplink, UplinkError};

/// The children and the uplink at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// Who gets what. A child's key is its port.
    pub segment: Segment<PortId>,
    /// The port that leads to the wire; none while the parent is away, or for good where there is no parent.
    pub uplink: Option<PortId>,
}

impl View {
    /// Whom a frame that came in through `from` goes to.
    ///
    /// # Errors
    /// Why nobody gets it.
    #[inline]
    pub fn deliver(&self, from: PortId, head: &Head) -> Result<Delivery<'_, PortId>, Refusal> {
        if self.uplink == Some(from) {
            self.segment.from_wire(head)
        } else {
            self.segment.from_child(from, head)
        }
    }
}

/// A child could not be added.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The segment refuses it.
    #[error(transparent)]
    Refused(#[from] AddError),
    /// The parent does.
    #[error(transparent)]
    Uplink(#[from] UplinkError),
}

/// The handle of the uplink, and what its filter is made from.
#[derive(Debug)]
struct Wire {
    uplink: Option<Arc<Uplink>>,
    vlan: Option<VlanId>,
    claimed: Vec<VlanId>,
    precision: Precision,
}

/// A segment on the switch.
#[derive(Debug)]
pub struct Macvlan {
    view: ArcSwap<View>,
    wire: Mutex<Wire>,
}

impl Macvlan {
    /// A segment without children on the parent with this address, or on none; not plugged in yet. `vlan` is its VLAN
    /// on the parent, none for what is untagged.
    #[must_use]
    pub fn new(parent: Option<MacAddr>, vlan: Option<VlanId>) -> Self {
        Self {
            view: ArcSwap::from_pointee(View {
                segment: Segment::new(parent),
                uplink: None,
            }),
            wire: Mutex::new(Wire {
                uplink: None,
                vlan,
                claimed: Vec::new(),
                precision: Precision::Exact,
            }),
        }
    }

    /// A segment with children and the number of an uplink that there is no handle of.
    #[cfg(test)]
    pub(crate) fn of(children: &[Child<PortId>], uplink: Option<PortId>) -> Self {
        let macvlan = Self::new(Some(MacAddr::new([2, 0, 0, 0, 0, 0xee])), None);
        for child in children {
            macvlan.add(child.clone()).expect("a child of a test");
        }
        let view = View {
            uplink,
            ..macvlan.copy()
        };
        macvlan.view.store(Arc::new(view));
        macvlan
    }

    /// The children and the uplink now.
    #[must_use]
    #[inline]
    pub fn view(&self) -> Guard<Arc<View>> {
        self.view.load()
    }

    /// How exact the uplink's filter is.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.lock().precision
    }

    /// Connects the segment to the wire: `port` of the switch is the uplink, `mac` the parent's address. Children that
    /// are there already are reached from now on.
    ///
    /// # Errors
    /// A child has the parent's address, or the parent refuses; nothing is connected then.
    pub fn plug(&self, port: PortId, uplink: Arc<Uplink>, mac: MacAddr) -> Result<(), ChildError> {
        let mut wire = self.lock();
        let mut view = self.copy();
        view.segment.set_parent(mac)?;
        view.uplink = Some(port);
        for child in view.segment.children() {
            receive(&uplink, &view.segment, child.mac)?;
        }
        wire.uplink = Some(uplink);
        self.publish(&mut wire, view);
        Ok(())
    }

    /// Takes the segment off the wire. Its children stay.
    pub fn unplug(&self) {
        let mut wire = self.lock();
        wire.uplink = None;
        let view = View {
            uplink: None,
            ..self.copy()
        };
        self.publish(&mut wire, view);
    }

    /// Adds a child. Its frames pass when this returns.
    ///
    /// # Errors
    /// See [`ChildError`]; nothing has changed then.
    pub fn add(&self, child: Child<PortId>) -> Result<(), ChildError> {
        let mut wire = self.lock();
        let mut view = self.copy();
        let mac = child.mac;
        view.segment.add(child)?;
        if let Some(uplink) = &wire.uplink {
            receive(uplink, &view.segment, mac)?;
        }
        self.publish(&mut wire, view);
        Ok(())
    }

    /// Removes a child; none of that key is fine.
    pub fn remove(&self, key: PortId) {
        let mut wire = self.lock();
        let mut view = self.copy();
        let mac = view.segment.child(key).map(|child| child.mac);
        if !view.segment.remove(key) {
            return;
        }
        if let (Some(uplink), Some(mac)) = (&wire.uplink, mac) {
            uplink.remove_address(mac);
            if view.segment.children().next().is_none() {
                settle(uplink.set_all_groups(false));
                settle(uplink.set_promiscuous(false));
            }
        }
        self.publish(&mut wire, view);
    }

    /// Does what a child said about the groups that it wants.
    pub fn note(&self, from: PortId, reports: &Reports) {
        // What hosts repeat when a router asks is no news, and takes no lock.
        if !self.view.load().segment.is_news(from, reports) {
            return;
        }
        let mut wire = self.lock();
        let mut view = self.copy();
        if view.segment.note(from, reports) {
            self.publish(&mut wire, view);
        }
    }

    /// The parent has another address now; a passthru child's changes with it.
    ///
    /// # Errors
    /// A child has that address.
    pub fn set_parent(&self, mac: MacAddr) -> Result<(), ChildError> {
        let mut wire = self.lock();
        let mut view = self.copy();
        view.segment.set_parent(mac)?;
        self.publish(&mut wire, view);
        Ok(())
    }

    /// On an untagged segment: the VLANs of the parent that are segments of their own.
    pub fn claim(&self, vlans: &[VlanId]) {
        let mut wire = self.lock();
        vlans.clone_into(&mut wire.claimed);
        let view = self.copy();
        self.publish(&mut wire, view);
    }

    /// A panic under the lock leaves a view that is whole: it is swapped in at once.
    fn lock(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn copy(&self) -> View {
        View::clone(&self.view.load())
    }

    /// Swaps the view in, and has the kernel let through what is for it.
    fn publish(&self, wire: &mut Wire, view: View) {
        let view = Arc::new(view);
        self.view.store(Arc::clone(&view));
        if let Some(uplink) = &wire.uplink {
            uplink.set_claimed(&wire.claimed);
            let rule = match wire.vlan {
                Some(vlan) => VlanRule::Only(vlan),
                None => VlanRule::AllBut(&wire.claimed),
            };
            wire.precision = set_filter(uplink, &view.segment, rule);
        }
    }
}

/// Has the parent take in what is for the child with this address.
fn receive(uplink: &Uplink, segment: &Segment<PortId>, mac: MacAddr) -> Result<(), UplinkError> {
    uplink.set_all_groups(true)?;
    if segment.is_promiscuous() {
        uplink.set_promiscuous(true)
    } else {
        uplink.add_address(mac)
    }
}

/// Attaches the most exact filter that the kernel has memory for (`net.core.optmem_max`).
fn set_filter(uplink: &Uplink, segment: &Segment<PortId>, rule: VlanRule<'_>) -> Precision {
    let mut limit = MAX_INSTRUCTIONS;
    loop {
        let program = segment.filter_within(rule, limit);
        match uplink.set_filter(&plain(&program)) {
            Ok(()) => return program.precision(),
            Err(error) if limit <= 64 => {
                tracing::warn!(%error, "the uplink's filter could not be replaced");
                return program.precision();
            }
            Err(_) => limit /= 2,
        }
    }
}

fn plain(program: &Program) -> Vec<FilterInstruction> {
    (program.instructions().iter())
        .map(|instruction| FilterInstruction {
            code: instruction.code,
            jt: instruction.jt,
            jf: instruction.jf,
            k: instruction.k,
        })
        .collect()
}

/// What cannot be given back goes with the socket.
fn settle(outcome: Result<(), UplinkError>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "a membership of the uplink stays until it is closed");
    }
}
