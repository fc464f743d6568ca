//! The addresses of one subnet: who has which, and which comes next.
//!
//! - The lowest address that was never used comes first. An address that was freed is used again last, the one freed
//!   longest ago first, so that stale ARP and neighbour entries elsewhere have time to go. Once [`REUSE_AFTER`] freed
//!   addresses wait, the oldest of them is used before a new one: memory stays bounded however long the daemon runs.
//! - Never given: the network address and the IPv4 broadcast address, the IPv6 subnet-router anycast address
//!   (RFC 4291 2.6.1), the gateway, auxiliary addresses. In an IPv4 /31 (RFC 3021) and an IPv6 /127 (RFC 6164) both
//!   addresses belong to hosts.
//! - Everything is computed on the address as a number, so that IPv4 and IPv6 share the code.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::ControlError;

/// Freed addresses that wait before the oldest of them is preferred over an address that was never used.
pub const REUSE_AFTER: usize = 4096;

/// What a subnet shall be like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolSpec {
    /// The subnet; its address part is the network address.
    pub subnet: IpNet,
    /// Reserved for the gateway; the first host address when absent.
    pub gateway: Option<IpAddr>,
    /// No address is reserved for a gateway: it is given out like others.
    pub unrouted: bool,
    /// Where automatic addresses come from; the whole subnet when absent.
    pub range: Option<IpNet>,
    /// Addresses that are never given out, by name.
    pub auxiliary: BTreeMap<String, IpAddr>,
}

/// The addresses of one subnet.
#[derive(Clone, Debug)]
pub struct Pool {
    spec: PoolSpec,
    gateway: IpAddr,
    hosts: RangeInclusive<u128>,
    automatic: RangeInclusive<u128>,
    reserved: BTreeSet<u128>,
    leased: BTreeSet<u128>,
    /// Freed automatic addresses, the one freed longest ago in front; at most [`REUSE_AFTER`].
    freed: VecDeque<u128>,
    /// Every automatic address below is leased, freed or reserved.
    next: u128,
}

/// How far the addresses of a subnet were given out, so that after a restart too an address that was freed is used
/// again last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cursor {
    /// The subnet.
    pub subnet: IpNet,
    /// The lowest automatic address that may never have been used.
    pub next: IpAddr,
    /// Freed automatic addresses, the one freed longest ago in front.
    pub freed: Vec<IpAddr>,
}

/// How a lease came about, so that it can be taken back as if it had never been.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    Fresh,
    Reused,
}

/// An address that was given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    address: IpAddr,
    origin: Origin,
}

impl Lease {
    /// The address.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl Pool {
    /// A pool of which nothing is given out yet.
    ///
    /// # Errors
    /// Invalid, when the subnet has no room or gateway, range or auxiliary addresses do not fit it.
    pub fn new(spec: PoolSpec) -> Result<Self, ControlError> {
        let subnet = spec.subnet;
        let hosts = host_range(subnet).ok_or_else(|| {
            ControlError::invalid(format!(
                "subnet {subnet}: no room for an endpoint; give a shorter prefix"
            ))
        })?;
        let gateway = spec
            .gateway
            .unwrap_or_else(|| address(subnet, *hosts.start()));
        let mut reserved = BTreeSet::new();
        let routed = Some(("gateway", &gateway)).filter(|_| !spec.unrouted);
        for (what, address) in routed.into_iter().chain(
            spec.auxiliary
                .iter()
                .map(|(name, address)| (name.as_str(), address)),
        ) {
            if !subnet.contains(address) || !hosts.contains(&number(*address)) {
                return Err(ControlError::invalid(format!(
                    "address {address} ({what}): not a host address of {subnet}; give one from {} to {}",
                    self::address(subnet, *hosts.start()),
                    self::address(subnet, *hosts.end()),
                )));
            }
            if !reserved.insert(number(*address)) {
                return Err(ControlError::invalid(format!(
                    "address {address} ({what}): reserved twice; give each reserved address once"
                )));
            }
        }
        let automatic = match spec.range {
            None => hosts.clone(),
            Some(range) if subnet.contains(&range) => {
                let (first, last) = (number(range.network()), number(range.broadcast()));
                first.max(*hosts.start())..=last.min(*hosts.end())
            }
            Some(range) => {
                return Err(ControlError::invalid(format!(
                    "ip-range {range}: not inside the subnet {subnet}; give a part of it"
                )));
            }
        };
        let next = *automatic.start();
        let (leased, freed) = (BTreeSet::new(), VecDeque::new());
        Ok(Self {
            spec,
            gateway,
            hosts,
            automatic,
            reserved,
            leased,
            freed,
            next,
        })
    }

    /// What the pool was made from.
    pub fn spec(&self) -> &PoolSpec {
        &self.spec
    }

    /// The subnet.
    pub fn subnet(&self) -> IpNet {
        self.spec.subnet
    }

    /// The reserved gateway address.
    pub fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// Addresses given out.
    pub fn leased(&self) -> usize {
        self.leased.len()
    }

    /// Addresses that were given out.
    pub fn leases(&self) -> impl Iterator<Item = IpAddr> {
        let subnet = self.spec.subnet;
        self.leased
            .iter()
            .map(move |number| address(subnet, *number))
    }

    /// How far the addresses were given out.
    pub fn cursor(&self) -> Cursor {
        let subnet = self.spec.subnet;
        Cursor {
            subnet,
            next: address(subnet, self.next),
            freed: (self.freed.iter())
                .map(|number| address(subnet, *number))
                .collect(),
        }
    }

    /// Goes on where an earlier pool of the same subnet has ended; what does not fit is left out.
    pub fn resume(&mut self, cursor: &Cursor) {
        if cursor.subnet != self.spec.subnet {
            return;
        }
        self.next = number(cursor.next).max(*self.automatic.start());
        let freed = cursor.freed.iter().map(|address| number(*address));
        let fit = freed.filter(|n| self.automatic.contains(n) && !self.leased.contains(n));
        self.freed = fit.take(REUSE_AFTER).collect();
    }

    /// Gives out `wanted`, or the next automatic address.
    ///
    /// # Errors
    /// Invalid (not in the subnet, reserved), conflict (in use), unavailable (exhausted).
    pub fn lease(&mut self, wanted: Option<IpAddr>) -> Result<Lease, ControlError> {
        let lease = match wanted {
            Some(wanted) => self.check_wanted(wanted)?,
            None => self.pick()?,
        };
        let number = number(lease.address);
        self.freed.retain(|freed| *freed != number);
        self.leased.insert(number);
        Ok(lease)
    }

    /// Takes an address back; it is used again last.
    pub fn release(&mut self, address: IpAddr) {
        let number = number(address);
        if self.leased.remove(&number) && self.automatic.contains(&number) {
            self.freed.push_back(number);
            if self.freed.len() > REUSE_AFTER
                && let Some(oldest) = self.freed.pop_front()
            {
                // Forgotten: as good as never used.
                self.next = self.next.min(oldest);
            }
        }
    }

    /// Takes a lease back as if it had never been given: nobody has used the address.
    pub fn cancel(&mut self, lease: Lease) {
        let number = number(lease.address);
        if self.leased.remove(&number) {
            match lease.origin {
                Origin::Fresh => self.next = self.next.min(number).max(*self.automatic.start()),
                Origin::Reused => self.freed.push_front(number),
            }
        }
    }

    fn check_wanted(&self, wanted: IpAddr) -> Result<Lease, ControlError> {
        let (subnet, wish) = (self.spec.subnet, number(wanted));
        if !subnet.contains(&wanted) {
            return Err(ControlError::invalid(format!(
                "address {wanted}: not in the network's subnet {subnet}; give one of it"
            )));
        }
        if !self.hosts.contains(&wish) {
            return Err(ControlError::invalid(format!(
                "address {wanted}: the network or broadcast address of {subnet}; give a host address"
            )));
        }
        if wanted == self.gateway && !self.spec.unrouted {
            return Err(ControlError::conflict(format!(
                "address {wanted}: reserved for the network's gateway; give another"
            )));
        }
        if self.reserved.contains(&wish) {
            return Err(ControlError::conflict(format!(
                "address {wanted}: reserved as an auxiliary address; give another"
            )));
        }
        if self.leased.contains(&wish) {
            return Err(ControlError::conflict(format!(
                "address {wanted}: in use by another endpoint; give another or none"
            )));
        }
        Ok(self.lease_of(wish))
    }

    fn pick(&mut self) -> Result<Lease, ControlError> {
        let oldest = self.freed.front().copied();
        let picked = match oldest {
            Some(oldest) if self.freed.len() >= REUSE_AFTER => Some(oldest),
            Some(_) | None => self.lowest_unused().or(oldest),
        };
        picked.map(|number| self.lease_of(number)).ok_or_else(|| {
            let of = self.spec.range.unwrap_or(self.spec.subnet);
            ControlError::unavailable(format!(
                "no address left in {of}: {} in use, {} reserved; disconnect an endpoint or make a larger network",
                self.leased.len(),
                self.reserved.len()
            ))
        })
    }

    /// The lowest automatic address that was never used; moves `next` up to it.
    fn lowest_unused(&mut self) -> Option<u128> {
        while self.automatic.contains(&self.next) {
            let number = self.next;
            let used = self.leased.contains(&number)
                || self.reserved.contains(&number)
                || self.freed.contains(&number);
            if !used {
                return Some(number);
            }
            self.next = number.checked_add(1)?;
        }
        None
    }

    fn lease_of(&self, number: u128) -> Lease {
        let origin = if self.freed.contains(&number) {
            Origin::Reused
        } else {
            Origin::Fresh
        };
        Lease {
            address: address(self.spec.subnet, number),
            origin,
        }
    }
}

/// The addresses of a subnet that a host may have; none when there is no room beside the gateway.
fn host_range(subnet: IpNet) -> Option<RangeInclusive<u128>> {
    let (first, last) = (number(subnet.network()), number(subnet.broadcast()));
    match subnet.max_prefix_len() - subnet.prefix_len() {
        0 => None,
        1 => Some(first..=last),
        _ => Some(
            first + 1..=if subnet.addr().is_ipv4() {
                last - 1
            } else {
                last
            },
        ),
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The inverse of [`number`] within `subnet`.
fn address(subnet: IpNet, number: u128) -> IpAddr {
    match subnet {
        // Only numbers of IPv4 addresses come here; a larger one would stay outside every subnet.
        IpNet::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpNet::V6(_) => Ipv6Addr::from(number).into(),
    }
}

#[cfg(test)]
mod tests;
