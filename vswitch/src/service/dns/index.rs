//! The directory, arranged for lookups: by name, by address, by sandbox.
//!
//! Control tells a [`Directory`] after every change; it is arranged once, so that a question costs a few hash lookups
//! however many stations there are. Pure.
//!
//! The order of a sandbox's networks is Docker's (libnetwork, `Endpoint.Less`): highest gateway priority, those with a
//! way out, more address families, the name in byte order.

use std::{cmp::Reverse, net::IpAddr};

use hashbrown::HashMap;

use crate::control::{
    name::ObjectId,
    services::{Directory, Querier, Station, Zone},
};

/// A [`Directory`] that can be asked.
#[derive(Debug, Default)]
pub struct Index {
    networks: Vec<Network>,
    by_id: HashMap<ObjectId, usize>,
    /// The networks of a sandbox, in the order in which they are asked.
    homes: HashMap<ObjectId, Vec<usize>>,
}

/// One network of the [`Index`].
#[derive(Debug)]
pub struct Network {
    name: String,
    internal: bool,
    /// By lower-case name: the addresses of all that are called so.
    names: HashMap<String, Vec<IpAddr>>,
    /// By address: the sandbox, and the name that a reverse lookup gives; none where names are not answered.
    stations: HashMap<IpAddr, (ObjectId, Option<String>)>,
}

/// What comes first is asked first.
type Rank<'a> = (Reverse<i32>, bool, Reverse<usize>, &'a str);

impl Index {
    /// Arranges a directory.
    pub fn new(directory: &Directory) -> Self {
        let mut index = Self::default();
        let mut ranks: HashMap<&ObjectId, Vec<(Rank<'_>, usize)>> = HashMap::new();
        for (number, (id, zone)) in directory.zones.iter().enumerate() {
            index.by_id.insert(id.clone(), number);
            index.networks.push(Network::new(zone));
            for station in &zone.stations {
                let ranked = ranks.entry(&station.sandbox).or_default();
                ranked.push((rank(zone, station), number));
            }
        }
        for (sandbox, mut ranked) in ranks {
            ranked.sort();
            let mut order: Vec<usize> = Vec::with_capacity(ranked.len());
            for (_, number) in ranked {
                if !order.contains(&number) {
                    order.push(number);
                }
            }
            index.homes.insert(sandbox.clone(), order);
        }
        index
    }

    /// The networks that somebody is on, in the order in which they are asked. Who is unknown on a network sees that
    /// network only; nobody sees a network that is gone.
    pub fn networks_of(&self, querier: &Querier) -> impl Iterator<Item = &Network> + Clone {
        let (one, several): (_, &[usize]) = match querier {
            Querier::Sandbox(sandbox) => (None, self.homes.get(sandbox).map_or(&[], Vec::as_slice)),
            Querier::Address(network, address) => {
                let number = self.by_id.get(network);
                let station = number.and_then(|n| self.networks[*n].stations.get(address));
                match station.and_then(|(sandbox, _)| self.homes.get(sandbox)) {
                    Some(home) => (None, home.as_slice()),
                    None => (number, &[]),
                }
            }
        };
        let numbers = one.into_iter().chain(several);
        numbers.map(|number| &self.networks[*number])
    }

    /// The addresses of a name, of all families, from the first network that knows it: the whole name on any of them,
    /// else `<name>.<network>`, where both parts may have dots. None where the name is not known.
    pub fn addresses(&self, querier: &Querier, name: &str) -> Option<&[IpAddr]> {
        let networks = self.networks_of(querier);
        let lower = name.to_ascii_lowercase();
        let mut whole = networks.clone().filter_map(|n| n.names.get(&lower));
        if let Some(addresses) = whole.next() {
            return Some(addresses);
        }
        name.rmatch_indices('.').find_map(|(dot, _)| {
            let (station, network) = (&lower[..dot], &name[dot + 1..]);
            let mut called = networks.clone().filter(|n| n.name == network);
            called.find_map(|n| n.names.get(station).map(Vec::as_slice))
        })
    }

    /// `<name>.<network>` of whoever has an address on one of the querier's networks.
    pub fn name_of(&self, querier: &Querier, address: &IpAddr) -> Option<String> {
        self.networks_of(querier).find_map(|network| {
            let (_, name) = network.stations.get(address)?;
            Some(format!("{}.{}", name.as_ref()?, network.name))
        })
    }

    /// Whether the querier's questions may be asked outside: it is on a network that is not internal.
    pub fn may_leave(&self, querier: &Querier) -> bool {
        self.networks_of(querier).any(|network| !network.internal)
    }
}

impl Network {
    fn new(zone: &Zone) -> Self {
        let mut names: HashMap<String, Vec<IpAddr>> = HashMap::new();
        let mut stations = HashMap::new();
        for station in &zone.stations {
            for address in &station.addresses {
                let name = zone.named.then(|| station.name.clone());
                stations.insert(*address, (station.sandbox.clone(), name));
            }
            let called = [&station.name].into_iter().chain(&station.aliases);
            for name in called.filter(|name| zone.named && !name.is_empty()) {
                let addresses = names.entry(name.to_ascii_lowercase()).or_default();
                for address in &station.addresses {
                    // An alias may be the station's own name.
                    if !addresses.contains(address) {
                        addresses.push(*address);
                    }
                }
            }
        }
        Self {
            name: zone.name.clone(),
            internal: zone.internal,
            names,
            stations,
        }
    }
}

fn rank<'a>(zone: &'a Zone, station: &Station) -> Rank<'a> {
    let families = [true, false]
        .into_iter()
        .filter(|v4| station.addresses.iter().any(|a| a.is_ipv4() == *v4));
    (
        Reverse(station.gateway_priority),
        zone.internal,
        Reverse(families.count()),
        &zone.name,
    )
}
