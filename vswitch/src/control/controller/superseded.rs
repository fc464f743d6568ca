//! Places on a network that a front-end has forgotten.
//!
//! An engine that was killed starts with what it had written down, and drops what is stale of it before it has found its
//! plugins: the switch is never told. It goes on with the same addresses, though, and gives each of them once only.

use std::collections::BTreeSet;

use super::Controller;
use crate::control::{endpoint::wished_mac, guest::Reserve, kernel::Kernel, name::ObjectId};

impl<K: Kernel> Controller<K> {
    /// The places on a network that are kept for front-ends.
    pub(super) fn places_on(&self, network: &ObjectId) -> Vec<ObjectId> {
        let guests = self.guests.values();
        (guests.filter(|guest| guest.network == *network))
            .map(|guest| guest.id.clone())
            .collect()
    }

    /// Gives up other places that have an address which is wished for now; whether there were any. A wish that is wrong in
    /// itself takes nobody's place.
    pub(super) fn supersede(&mut self, reserve: &Reserve) -> bool {
        let mac = reserve.mac_address;
        if mac.is_some_and(|mac| wished_mac(mac, &BTreeSet::new()).is_err()) {
            return false;
        }
        let stale: Vec<ObjectId> = (self.guests.values())
            .filter(|guest| guest.network == reserve.network)
            .filter(|guest| {
                let ip = guest.ipv4.map(|net| net.addr());
                let ip6 = guest.ipv6.map(|net| net.addr());
                (ip.is_some() && ip == reserve.ip) || (ip6.is_some() && ip6 == reserve.ip6)
            })
            .map(|guest| guest.id.clone())
            .collect();
        for id in &stale {
            tracing::info!(
                endpoint = id.short(),
                by = reserve.endpoint.short(),
                "superseded: its address was given again"
            );
            self.give_up(id);
        }
        !stale.is_empty()
    }
}
