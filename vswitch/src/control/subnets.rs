//! Which subnets a new network gets: those asked for, checked, or automatic ones.
//!
//! Automatic IPv4 pools are Docker's: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 in blocks of /20, the first
//! that overlaps neither another network nor the host's own addresses and routes. An automatic IPv6 subnet is a unique
//! local /64 (RFC 4193) whose random part is taken from the network's random ID, so that it stays the same.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    ControlError,
    command::NetworkCreate,
    ipam::{Pool, PoolSpec},
    name::ObjectId,
};

/// Ranges that are no place for hosts: "this network", loopback, link-local, multicast.
const UNFIT: [(IpAddr, u8, &str); 7] = [
    (
        IpAddr::V4(Ipv4Addr::new(0, 0, 0, 0)),
        8,
        "of \"this network\" (RFC 1122)",
    ),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8, "loopback"),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16, "link-local"),
    (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4, "multicast"),
    (
        IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0)),
        96,
        "loopback and IPv4-compatible",
    ),
    (
        IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)),
        10,
        "link-local",
    ),
    (
        IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)),
        8,
        "multicast",
    ),
];

/// The address pools of a network, at most one for each family.
#[derive(Clone, Debug, Default)]
pub struct Pools {
    /// IPv4.
    pub v4: Option<Pool>,
    /// IPv6.
    pub v6: Option<Pool>,
}

impl Pools {
    /// Both pools, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.v4.iter().chain(&self.v6)
    }
}

/// Chooses and checks the subnets of a new network.
///
/// `others` are the subnets of the other networks with their names, `host` tells what the host itself uses (asked only
/// when something is to be chosen automatically).
///
/// # Errors
/// Invalid (wrong in itself), conflict (overlaps another network, which is named), unavailable (no automatic pool left).
pub fn plan(
    create: &NetworkCreate,
    id: &ObjectId,
    others: &[(&str, IpNet)],
    host: impl FnOnce() -> Result<Vec<IpNet>, ControlError>,
) -> Result<Pools, ControlError> {
    match create.ipam_driver.as_str() {
        "" | "default" => {}
        "null" => return no_addresses(create),
        other => {
            return Err(ControlError::invalid(format!(
                "address driver {other:?}: unknown; known are default and null"
            )));
        }
    }
    let mut subnets = Subnets::default();
    for subnet in &create.subnets {
        check_subnet(*subnet)?;
        if let Some((other, taken)) = others.iter().find(|(_, taken)| overlap(*taken, *subnet)) {
            return Err(ControlError::conflict(format!(
                "subnet {subnet}: overlaps {taken} of network {other}; give another one or none"
            )));
        }
        subnets.add(*subnet)?;
    }
    if subnets.v4.is_none() || (create.ipv6 && subnets.v6.is_none()) {
        let mut taken: Vec<IpNet> = others.iter().map(|(_, subnet)| *subnet).collect();
        taken.extend(host()?.into_iter().filter(|net| net.prefix_len() > 0));
        if subnets.v4.is_none() {
            subnets.v4 = Some(automatic_v4(&taken)?.into());
        }
        if create.ipv6 && subnets.v6.is_none() {
            subnets.v6 = Some(automatic_v6(id, &taken)?.into());
        }
    }
    let mut wishes = Wishes::new(create);
    let mut pool = |subnet: Option<IpNet>| subnet.map(|net| wishes.pool(net)).transpose();
    let pools = Pools {
        v4: pool(subnets.v4)?,
        v6: pool(subnets.v6)?,
    };
    wishes.all_used()?;
    Ok(pools)
}

/// The pools of a network whose addresses come from elsewhere: DHCP, router advertisements, whoever is in the sandbox.
fn no_addresses(create: &NetworkCreate) -> Result<Pools, ControlError> {
    if !create.subnets.is_empty() {
        return Err(ControlError::invalid(
            "address driver null: gives no addresses, so there is no subnet; leave out --subnet, or --ipam-driver",
        ));
    }
    Wishes::new(create).all_used()?;
    Ok(Pools::default())
}

#[derive(Default)]
struct Subnets {
    v4: Option<IpNet>,
    v6: Option<IpNet>,
}

impl Subnets {
    fn add(&mut self, subnet: IpNet) -> Result<(), ControlError> {
        let (slot, family) = match subnet {
            IpNet::V4(_) => (&mut self.v4, "IPv4"),
            IpNet::V6(_) => (&mut self.v6, "IPv6"),
        };
        match slot.replace(subnet) {
            None => Ok(()),
            Some(first) => Err(ControlError::invalid(format!(
                "subnet {subnet}: the network has the {family} subnet {first} already; give one for each family"
            ))),
        }
    }
}

/// Gateways, ranges and auxiliary addresses that still look for their subnet.
struct Wishes {
    gateways: Vec<IpAddr>,
    ranges: Vec<IpNet>,
    auxiliary: BTreeMap<String, IpAddr>,
}

impl Wishes {
    fn new(create: &NetworkCreate) -> Self {
        Self {
            gateways: create.gateways.clone(),
            ranges: create.ip_ranges.clone(),
            auxiliary: create.aux_addresses.clone(),
        }
    }

    /// The pool of a subnet, with the wishes of its family.
    fn pool(&mut self, subnet: IpNet) -> Result<Pool, ControlError> {
        let v4 = subnet.addr().is_ipv4();
        let gateway = self
            .gateways
            .iter()
            .position(|gateway| gateway.is_ipv4() == v4);
        let range = self
            .ranges
            .iter()
            .position(|range| range.addr().is_ipv4() == v4);
        let range = range.map(|index| self.ranges.swap_remove(index));
        if let Some(range) = range {
            check_canonical("ip-range", range)?;
        }
        let mut auxiliary = BTreeMap::new();
        self.auxiliary.retain(|name, address| {
            let ours = address.is_ipv4() == v4;
            if ours {
                auxiliary.insert(name.clone(), *address);
            }
            !ours
        });
        let gateway = gateway.map(|index| self.gateways.swap_remove(index));
        Pool::new(PoolSpec {
            subnet,
            gateway,
            unrouted: false,
            range,
            auxiliary,
        })
    }

    /// What found no subnet is a mistake.
    fn all_used(self) -> Result<(), ControlError> {
        let left = (self
            .gateways
            .first()
            .map(|gateway| format!("gateway {gateway}")))
        .or_else(|| self.ranges.first().map(|range| format!("ip-range {range}")))
        .or_else(|| {
            self.auxiliary
                .values()
                .next()
                .map(|address| format!("aux-address {address}"))
        });
        match left {
            None => Ok(()),
            Some(left) => Err(ControlError::invalid(format!(
                "{left}: no subnet of the network for it; give one --subnet of its family, and one such address for each"
            ))),
        }
    }
}

fn check_subnet(subnet: IpNet) -> Result<(), ControlError> {
    check_canonical("subnet", subnet)?;
    for (address, prefix, what) in UNFIT {
        if IpNet::new(address, prefix).is_ok_and(|unfit| overlap(unfit, subnet)) {
            return Err(ControlError::invalid(format!(
                "subnet {subnet}: contains addresses that hosts cannot have ({what}); give a private range such as 10.1.0.0/16"
            )));
        }
    }
    Ok(())
}

fn check_canonical(what: &str, net: IpNet) -> Result<(), ControlError> {
    if net == net.trunc() {
        return Ok(());
    }
    Err(ControlError::invalid(format!(
        "{what} {net}: has host bits set; write {}",
        net.trunc()
    )))
}

/// Whether two subnets have an address in common.
pub fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// A subnet that nobody has; `id` is what an IPv6 one is taken from.
///
/// # Errors
/// Unavailable: none is left.
pub fn automatic(ipv6: bool, id: &ObjectId, taken: &[IpNet]) -> Result<IpNet, ControlError> {
    if ipv6 {
        automatic_v6(id, taken).map(IpNet::V6)
    } else {
        automatic_v4(taken).map(IpNet::V4)
    }
}

fn automatic_v4(taken: &[IpNet]) -> Result<Ipv4Net, ControlError> {
    let large = (17..=31).map(|second| (Ipv4Addr::new(172, second, 0, 0), 16));
    let small = (0..16).map(|block| (Ipv4Addr::new(192, 168, block * 16, 0), 20));
    large
        .chain(small)
        .filter_map(|(address, prefix)| Ipv4Net::new(address, prefix).ok())
        .find(|pool| !taken.iter().any(|taken| overlap(*taken, (*pool).into())))
        .ok_or_else(|| {
            ControlError::unavailable(
                "no automatic IPv4 subnet left: 172.17.0.0/16 to 172.31.0.0/16 and 192.168.0.0/16 are in use by \
                 networks or by the host; give --subnet or remove networks",
            )
        })
}

fn automatic_v6(id: &ObjectId, taken: &[IpNet]) -> Result<Ipv6Net, ControlError> {
    // fd, then 40 bits of global ID and 16 bits of subnet ID: 14 digits of the network's ID.
    let digits = id.as_str().as_bytes();
    let group = |at: usize| {
        let text = digits
            .get(at..at + 4)
            .and_then(|group| std::str::from_utf8(group).ok());
        text.and_then(|text| u16::from_str_radix(text, 16).ok())
            .unwrap_or_default()
    };
    let address = Ipv6Addr::new(
        0xfd00 | (group(0) & 0xff),
        group(4),
        group(8),
        group(12),
        0,
        0,
        0,
        0,
    );
    let refused = || {
        ControlError::unavailable(
            "no automatic IPv6 subnet: the one chosen at random is in use; try again or give --subnet",
        )
    };
    let subnet = Ipv6Net::new(address, 64).map_err(|_| refused())?;
    if taken.iter().any(|taken| overlap(*taken, subnet.into())) {
        return Err(refused());
    }
    Ok(subnet)
}

#[cfg(test)]
mod tests;
