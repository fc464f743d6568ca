//! Endpoints of front-ends that bring objects of their own, and their address pools.
//!
//! Such an endpoint has its addresses and its MAC from the first step to the last ([`super::guest`]). While it has a
//! device it is also an [`Endpoint`](super::endpoint::Endpoint) of the switch, with the same ID, whose end
//! ([`End::Guest`](super::endpoint::End)) says that the addresses are not its own to give back.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vswitch_wire::MacAddr;

use super::{
    ControlError,
    guest::{About, PoolGiven, PoolRequest, Reserved},
    ipam::{Pool, PoolSpec},
    name::ObjectId,
    publish::Binding,
    services::Service,
    state::{SavedGuest, SavedJoin, SavedPool},
};

/// A place on a network.
#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) id: ObjectId,
    pub(super) network: ObjectId,
    pub(super) mac: MacAddr,
    pub(super) ipv4: Option<Ipv4Net>,
    pub(super) ipv6: Option<Ipv6Net>,
    /// Of the endpoint, where it does not leave that to the network.
    pub(super) offload: Option<bool>,
    pub(super) joined: Option<SavedJoin>,
    pub(super) about: About,
    pub(super) bindings: Vec<Binding>,
    /// What is published.
    pub(super) services: Vec<Service>,
}

impl Reservation {
    pub(super) fn view(&self) -> Reserved {
        Reserved {
            mac_address: self.mac,
            ipv4: self.ipv4,
            ipv6: self.ipv6,
        }
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.ipv4.map(|net| IpAddr::V4(net.addr()));
        let v6 = self.ipv6.map(|net| IpAddr::V6(net.addr()));
        v4.into_iter().chain(v6)
    }

    pub(super) fn saved(&self) -> SavedGuest {
        SavedGuest {
            id: self.id.clone(),
            network: self.network.clone(),
            mac: self.mac,
            ipv4: self.ipv4,
            ipv6: self.ipv6,
            offload: self.offload,
            joined: self.joined.clone(),
            about: self.about.clone(),
            bindings: self.bindings.clone(),
        }
    }

    /// As it was kept, but for what has to be made again.
    pub(super) fn resume(saved: &SavedGuest) -> Self {
        Self {
            id: saved.id.clone(),
            network: saved.network.clone(),
            mac: saved.mac,
            ipv4: saved.ipv4,
            ipv6: saved.ipv6,
            offload: saved.offload,
            joined: None,
            about: saved.about.clone(),
            bindings: Vec::new(),
            services: Vec::new(),
        }
    }
}

/// A pool that is asked for by name and counted.
#[derive(Debug)]
struct GuestPool {
    space: String,
    range: Option<IpNet>,
    count: usize,
    pool: Pool,
}

/// The address pools of front-ends.
#[derive(Debug, Default)]
pub(super) struct GuestPools(BTreeMap<String, GuestPool>);

impl GuestPools {
    /// The subnets in use.
    pub(super) fn subnets(&self) -> impl Iterator<Item = IpNet> {
        self.0.values().map(|pool| pool.pool.subnet())
    }

    /// Takes a pool of this subnet, which was chosen where the request leaves it open.
    ///
    /// # Errors
    /// Conflict: it overlaps another pool of the space; invalid: no room in it.
    pub(super) fn request(
        &mut self,
        request: &PoolRequest,
        subnet: IpNet,
    ) -> Result<PoolGiven, ControlError> {
        let range = request.range.filter(|range| *range != subnet);
        let name = match range {
            None => format!("{}/{subnet}", request.space),
            Some(range) => format!("{}/{subnet}/{range}", request.space),
        };
        let given = PoolGiven {
            pool: name.clone(),
            subnet,
        };
        if let Some(known) = self.0.get_mut(&name) {
            known.count += 1;
            return Ok(given);
        }
        let overlaps = |other: &&GuestPool| {
            let other_net = other.pool.subnet();
            other.space == request.space
                && (other_net.contains(&subnet) || subnet.contains(&other_net))
        };
        if let Some(other) = self.0.values().find(overlaps) {
            return Err(ControlError::conflict(format!(
                "subnet {subnet}: overlaps the pool {}; give another one or none",
                other.pool.subnet()
            )));
        }
        let pool = Pool::new(PoolSpec {
            subnet,
            gateway: None,
            unrouted: true,
            range,
            auxiliary: BTreeMap::new(),
        })?;
        let space = request.space.clone();
        let made = GuestPool {
            space,
            range,
            count: 1,
            pool,
        };
        self.0.insert(name, made);
        Ok(given)
    }

    /// Gives a pool back; absent is fine.
    pub(super) fn release(&mut self, name: &str) {
        let Some(pool) = self.0.get_mut(name) else {
            return;
        };
        pool.count = pool.count.saturating_sub(1);
        if pool.count == 0 {
            self.0.remove(name);
        }
    }

    /// Takes an address, with the prefix length of its subnet.
    ///
    /// # Errors
    /// Not-found: no such pool; what [`Pool::lease`] refuses.
    pub(super) fn take(
        &mut self,
        name: &str,
        address: Option<IpAddr>,
    ) -> Result<IpNet, ControlError> {
        let pool = self.0.get_mut(name).ok_or_else(|| no_pool(name))?;
        let lease = pool.pool.lease(address)?;
        let prefix = pool.pool.subnet().prefix_len();
        IpNet::new(lease.address(), prefix)
            .map_err(|error| ControlError::internal(format!("pool {name}: {error}; try again")))
    }

    /// Gives an address back; absent is fine.
    pub(super) fn give_back(&mut self, name: &str, address: IpAddr) {
        if let Some(pool) = self.0.get_mut(name) {
            pool.pool.release(address);
        }
    }

    pub(super) fn saved(&self) -> Vec<SavedPool> {
        let saved = self.0.iter().map(|(name, pool)| SavedPool {
            pool: name.clone(),
            space: pool.space.clone(),
            subnet: pool.pool.subnet(),
            range: pool.range,
            count: pool.count,
            leased: pool.pool.leases().collect(),
            cursor: pool.pool.cursor(),
        });
        saved.collect()
    }

    /// As it was kept.
    ///
    /// # Errors
    /// What a whole state does not have: wrong subnets or addresses.
    pub(super) fn resume(&mut self, saved: &SavedPool) -> Result<(), ControlError> {
        let mut pool = Pool::new(PoolSpec {
            subnet: saved.subnet,
            gateway: None,
            unrouted: true,
            range: saved.range,
            auxiliary: BTreeMap::new(),
        })?;
        for address in &saved.leased {
            pool.lease(Some(*address))?;
        }
        pool.resume(&saved.cursor);
        let resumed = GuestPool {
            space: saved.space.clone(),
            range: saved.range,
            count: saved.count,
            pool,
        };
        self.0.insert(saved.pool.clone(), resumed);
        Ok(())
    }
}

fn no_pool(name: &str) -> ControlError {
    ControlError::not_found(format!("pool {name:?}: no such pool; ask for a pool first"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ErrorKind;

    fn request(subnet: &str) -> (PoolRequest, IpNet) {
        let subnet = subnet.parse().unwrap();
        let request = PoolRequest {
            space: "local".to_owned(),
            subnet: Some(subnet),
            ..PoolRequest::default()
        };
        (request, subnet)
    }

    #[test]
    fn the_same_pool_is_counted_and_an_overlapping_one_refused() {
        let mut pools = GuestPools::default();
        let (wish, subnet) = request("198.18.0.0/24");
        let first = pools.request(&wish, subnet).unwrap();
        assert_eq!(pools.request(&wish, subnet).unwrap(), first);
        let (other, within) = request("198.18.0.0/25");
        assert_eq!(
            pools.request(&other, within).unwrap_err().kind,
            ErrorKind::Conflict
        );
        pools.release(&first.pool);
        pools.request(&other, within).unwrap_err();
        pools.release(&first.pool);
        pools.request(&other, within).unwrap();
        pools.release("unknown");
    }

    #[test]
    fn the_gateway_is_an_address_like_others_and_nothing_is_given_twice() {
        let mut pools = GuestPools::default();
        let (wish, subnet) = request("198.18.0.0/29");
        let pool = pools.request(&wish, subnet).unwrap().pool;
        let first = pools.take(&pool, None).unwrap();
        assert_eq!(first.to_string(), "198.18.0.1/29");
        let kind = |pools: &mut GuestPools, ip| pools.take(&pool, ip).unwrap_err().kind;
        assert_eq!(kind(&mut pools, Some(first.addr())), ErrorKind::Conflict);
        for _ in 0..5 {
            pools.take(&pool, None).unwrap();
        }
        assert_eq!(kind(&mut pools, None), ErrorKind::Unavailable);
        pools.give_back(&pool, first.addr());
        assert_eq!(pools.take(&pool, None).unwrap(), first);
        assert_eq!(pools.take("x", None).unwrap_err().kind, ErrorKind::NotFound);
    }

    #[test]
    fn kept_and_resumed_it_is_the_same() {
        let mut pools = GuestPools::default();
        let (wish, subnet) = request("198.18.0.0/24");
        let pool = pools.request(&wish, subnet).unwrap().pool;
        let first = pools.take(&pool, None).unwrap();
        pools.take(&pool, None).unwrap();
        pools.give_back(&pool, first.addr());
        let mut again = GuestPools::default();
        for saved in pools.saved() {
            again.resume(&saved).unwrap();
        }
        assert_eq!(again.saved(), pools.saved());
        assert_eq!(
            again.take(&pool, None).unwrap().to_string(),
            "198.18.0.3/24"
        );
    }
}
