//! What changes a segment. A change that is refused changes nothing; one that is made rebuilds the indices, which is
//! simple and costs a moment for a thousand children.

use core::fmt::Debug;
use core::hash::Hash;

use vswitch_wire::MacAddr;

use super::{Child, Entry, Segment};
use crate::error::AddError;
use crate::membership::Membership;
use crate::reports::Reports;

impl<K: Copy + Eq + Hash + Debug> Segment<K> {
    /// Says that the parent's address is another now. A passthru child, which has its parent's address, changes
    /// with it.
    ///
    /// # Errors
    /// No station's address, or a child's.
    pub fn set_parent(&mut self, mac: MacAddr) -> Result<(), AddError> {
        station(mac)?;
        let in_the_way = self.children().find(|child| child.mac == mac);
        if in_the_way.is_some_and(|child| !child.mode.is_alone()) {
            return Err(AddError::AddressInUse(mac));
        }
        self.parent = Some(mac);
        for entry in &mut self.entries {
            if entry.child.mode.is_alone() {
                entry.child.mac = mac;
            }
        }
        self.rebuild();
        Ok(())
    }

    /// Adds a child.
    ///
    /// # Errors
    /// Its address is no station's or is taken, its key is taken, passthru is not alone or has not its parent's
    /// address, or there are sources in another mode than source.
    pub fn add(&mut self, child: Child<K>) -> Result<(), AddError> {
        self.check(&child)?;
        self.entries.push(Entry {
            child,
            membership: Membership::default(),
        });
        self.rebuild();
        Ok(())
    }

    /// Removes a child and all that it said and listed; false when there is none of this key.
    pub fn remove(&mut self, key: K) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.child.key != key);
        self.rebuild();
        self.entries.len() < before
    }

    /// Does what a child told the routers ([`Self::hears`]); whether anything is different now.
    pub fn note(&mut self, from: K, reports: &Reports) -> bool {
        let slot = self.by_key.get(&from).copied();
        let entry = slot.and_then(|slot| self.entries.get_mut(slot));
        entry.is_some_and(|entry| entry.membership.note(reports))
    }

    /// Whether [`Self::note`] would change anything: most reports say again what is known.
    #[must_use]
    pub fn is_news(&self, from: K, reports: &Reports) -> bool {
        let entry = (self.by_key.get(&from)).and_then(|&slot| self.entries.get(slot));
        entry.is_some_and(|entry| entry.membership.clone().note(reports))
    }

    fn check(&self, child: &Child<K>) -> Result<(), AddError> {
        let Child { mac, mode, .. } = *child;
        station(mac)?;
        child.sources.iter().try_for_each(|&mac| station(mac))?;
        if !mode.takes_by_source() && (child.nodst || !child.sources.is_empty()) {
            return Err(AddError::SourcesOutsideSourceMode);
        }
        if self.by_key.contains_key(&child.key) {
            return Err(AddError::KeyInUse);
        }
        if self.children().any(|child| child.mode.is_alone()) {
            return Err(AddError::BesidePassthru);
        }
        if mode.is_alone() {
            if !self.entries.is_empty() {
                return Err(AddError::NotAlone);
            }
            let parent = self.parent.ok_or(AddError::NoParent)?;
            if parent != mac {
                return Err(AddError::PassthruAddress { mac, parent });
            }
            return Ok(());
        }
        if self.parent == Some(mac) || self.by_mac.contains_key(&mac) {
            return Err(AddError::AddressInUse(mac));
        }
        Ok(())
    }

    fn rebuild(&mut self) {
        self.by_key.clear();
        self.by_mac.clear();
        self.by_source.clear();
        for (slot, Entry { child, .. }) in self.entries.iter().enumerate() {
            self.by_key.insert(child.key, slot);
            self.by_mac.insert(child.mac, slot);
            for &source in &child.sources {
                let listed = self.by_source.entry(source).or_default();
                listed.consumed |= child.nodst;
                if listed.slots.last() != Some(&slot) {
                    listed.slots.push(slot);
                }
            }
        }
    }
}

const fn station(mac: MacAddr) -> Result<(), AddError> {
    if mac.is_unicast() {
        Ok(())
    } else {
        Err(AddError::NotAStation(mac))
    }
}
