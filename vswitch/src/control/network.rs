//! Networks: what they are to people, and how a request becomes one.
//!
//! `bridge`, `host` and `none` are always there, as with Docker: `bridge` is a network like any other that nobody made
//! and nobody can remove; `host` and `none` stand for the host's own namespace and for no network at all, and have no
//! ports.

use std::{collections::BTreeMap, fmt};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    ControlError,
    command::NetworkCreate,
    ipam::Pool,
    macvlan::Member,
    name::{self, ObjectId},
    options::{self, MacvlanOptions, OverlayOptions, RelayOptions},
    overlay::{Tunnel, mtu::MIN_V6},
    services::Service,
    subnets::{self, Pools},
    view::{IpamConfigView, IpamView, NetworkSummary},
};
use crate::{datapath::NetworkId, port::PortId};

/// Names that exist before anybody makes a network.
pub const PREDEFINED: [(&str, Driver); 3] = [
    ("bridge", Driver::Bridge),
    ("host", Driver::Host),
    ("none", Driver::Null),
];

/// How a network carries frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Driver {
    /// A learning switch on this host.
    Bridge,
    /// One on several hosts, joined by tunnels.
    Overlay,
    /// The host's own physical network, with more stations on it.
    Macvlan,
    /// The host's own namespace.
    Host,
    /// Nothing.
    Null,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bridge => "bridge",
            Self::Overlay => "overlay",
            Self::Macvlan => "macvlan",
            Self::Host => "host",
            Self::Null => "null",
        })
    }
}

impl Driver {
    /// The driver that `network create -d TEXT` means; empty is `bridge`.
    ///
    /// # Errors
    /// Invalid.
    fn for_create(text: &str) -> Result<Self, ControlError> {
        match text {
            "" | "bridge" => Ok(Self::Bridge),
            "overlay" => Ok(Self::Overlay),
            "macvlan" => Ok(Self::Macvlan),
            "host" | "none" | "null" => Err(ControlError::invalid(format!(
                "driver {text}: only the predefined network has it; use -d bridge"
            ))),
            _ => Err(ControlError::invalid(format!(
                "driver {text:?}: unknown; known are bridge, overlay and macvlan"
            ))),
        }
    }
}

/// What a network with ports has beyond its name.
#[derive(Debug)]
pub struct Relay {
    /// Its number on the switch.
    pub id: NetworkId,
    /// Its options.
    pub options: RelayOptions,
    /// Its addresses.
    pub pools: Pools,
    /// Whether its interfaces have IPv6.
    pub ipv6: bool,
    /// How far it reaches.
    pub reach: Reach,
    /// Who has the gateway's addresses.
    pub gateway: Gateway,
    /// The port of a gateway inside the switch.
    pub inside: Option<PortId>,
    /// What is served on it, and ends with it.
    pub services: Vec<Service>,
}

/// Who has the gateway's addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gateway {
    /// Nobody.
    None,
    /// A router on the physical network.
    Outside,
    /// The host, by an interface of its own on the network: the way to everywhere that the host has ways to.
    Host,
    /// The switch itself, which forwards nothing.
    Inside,
}

/// How far a network reaches.
#[derive(Debug)]
pub enum Reach {
    /// Not beyond this host: a bridge network.
    Host,
    /// To other hosts, through a tunnel: an overlay network.
    Tunnel(Tunnel),
    /// To the network that the parent is on: a macvlan network.
    Segment(Member),
}

impl Reach {
    /// The tunnel of an overlay network.
    pub fn tunnel(&self) -> Option<&Tunnel> {
        match self {
            Self::Tunnel(tunnel) => Some(tunnel),
            Self::Host | Self::Segment(_) => None,
        }
    }

    /// The tunnel of an overlay network, to note what was heard.
    pub fn tunnel_mut(&mut self) -> Option<&mut Tunnel> {
        match self {
            Self::Tunnel(tunnel) => Some(tunnel),
            Self::Host | Self::Segment(_) => None,
        }
    }

    /// What a macvlan network is on its segment.
    pub fn member(&self) -> Option<&Member> {
        match self {
            Self::Segment(member) => Some(member),
            Self::Host | Self::Tunnel(_) => None,
        }
    }

    /// Whether there may be stations that are no endpoints of this switch.
    pub fn is_beyond_host(&self) -> bool {
        match self {
            Self::Host => false,
            Self::Tunnel(_) => true,
            Self::Segment(member) => member.segment.is_some(),
        }
    }
}

/// Who made a network, and may remove it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// A user of the control socket.
    #[default]
    User,
    /// A front-end that brings objects of its own.
    Guest,
}

/// A network.
#[derive(Debug)]
pub struct Network {
    /// ID.
    pub id: ObjectId,
    /// Name, unique.
    pub name: String,
    /// Driver.
    pub driver: Driver,
    /// RFC 3339.
    pub created: String,
    /// Whose it is.
    pub owner: Owner,
    /// No way out.
    pub internal: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Options as given.
    pub options: BTreeMap<String, String>,
    /// None for `host` and `none`.
    pub relay: Option<Relay>,
}

/// The options of a network to be made, by its driver.
#[derive(Debug)]
pub enum DriverOptions {
    /// All that there is to say.
    Bridge(RelayOptions),
    /// What the tunnel is to be; what the underlay has to say is still missing.
    Overlay(OverlayOptions),
    /// What the children are to be; the parent is still to be looked at.
    Macvlan(MacvlanOptions),
}

impl DriverOptions {
    fn parse(driver: Driver, given: &BTreeMap<String, String>) -> Result<Self, ControlError> {
        match driver {
            Driver::Bridge => options::bridge::parse(given).map(Self::Bridge),
            Driver::Overlay => OverlayOptions::parse(given).map(Self::Overlay),
            Driver::Macvlan => MacvlanOptions::parse(given).map(Self::Macvlan),
            Driver::Host | Driver::Null => Err(ControlError::internal(format!(
                "driver {driver}: has no options; make a network of another driver"
            ))),
        }
    }

    /// The MTU, if it was said.
    fn mtu(&self) -> Option<u16> {
        match self {
            Self::Bridge(options) => Some(options.mtu),
            Self::Overlay(options) => options.mtu,
            Self::Macvlan(options) => options.mtu,
        }
    }
}

/// A request that was checked and can become a network.
#[derive(Debug)]
pub struct Plan {
    /// Options.
    pub options: DriverOptions,
    /// Addresses.
    pub pools: Pools,
    /// Whether the interfaces have IPv6.
    pub ipv6: bool,
}

/// Checks the name and driver of a network to be made by a user.
///
/// # Errors
/// Invalid or conflict; `taken` tells whether a network has the name.
pub fn check_new(
    create: &NetworkCreate,
    taken: impl Fn(&str) -> bool,
) -> Result<Driver, ControlError> {
    if is_predefined(&create.name) {
        return Err(ControlError::conflict(format!(
            "network {}: predefined, it exists already and cannot be created; choose another name",
            create.name
        )));
    }
    if create.name == "default" {
        return Err(ControlError::invalid(
            "network default: reserved, as with Docker; choose another name",
        ));
    }
    name::check("network", &create.name)?;
    if taken(&create.name) {
        return Err(ControlError::conflict(format!(
            "network {}: the name is taken; choose another or remove that network first",
            create.name
        )));
    }
    Driver::for_create(&create.driver)
}

/// Checks everything else, and chooses subnets.
///
/// # Errors
/// See [`options`] and [`subnets::plan`].
pub fn plan(
    driver: Driver,
    create: &NetworkCreate,
    id: &ObjectId,
    others: &[(&str, IpNet)],
    host: impl FnOnce() -> Result<Vec<IpNet>, ControlError>,
) -> Result<Plan, ControlError> {
    if let Some(label) = create.labels.keys().find(|label| label.is_empty()) {
        return Err(ControlError::invalid(format!(
            "label {label:?}: empty; write --label KEY=VALUE"
        )));
    }
    let options = DriverOptions::parse(driver, &create.options)?;
    let pools = subnets::plan(create, id, others, host)?;
    if let (Some(_), Some(mtu)) = (&pools.v6, options.mtu().filter(|mtu| *mtu < MIN_V6)) {
        return Err(ControlError::invalid(format!(
            "option mtu: {mtu} is too small for the network's IPv6 subnet; give at least {MIN_V6} or no IPv6 subnet"
        )));
    }
    let ipv6 = create.ipv6 || pools.v6.is_some();
    Ok(Plan {
        options,
        pools,
        ipv6,
    })
}

/// Whether the name is one of the predefined networks.
pub fn is_predefined(name: &str) -> bool {
    PREDEFINED.iter().any(|(predefined, _)| *predefined == name)
}

impl Network {
    /// Its pools; nothing for `host` and `none`.
    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.relay.iter().flat_map(|relay| relay.pools.iter())
    }

    /// The relay, for an operation on ports or addresses.
    ///
    /// # Errors
    /// Invalid for `host` and `none`.
    pub fn relay(&self) -> Result<&Relay, ControlError> {
        self.relay.as_ref().ok_or_else(|| no_ports(&self.name))
    }

    /// The relay, to change its leases.
    ///
    /// # Errors
    /// Invalid for `host` and `none`.
    pub fn relay_mut(&mut self) -> Result<&mut Relay, ControlError> {
        self.relay.as_mut().ok_or_else(|| no_ports(&self.name))
    }

    /// A line of `network ls`.
    pub fn summary(&self, endpoints: usize) -> NetworkSummary {
        NetworkSummary {
            id: self.id.to_string(),
            name: self.name.clone(),
            driver: self.driver.to_string(),
            scope: "local".to_owned(),
            created: self.created.clone(),
            subnets: self.pools().map(Pool::subnet).collect(),
            internal: self.internal,
            endpoints,
            labels: self.labels.clone(),
        }
    }

    /// The `IPAM` object of `network inspect`.
    pub fn ipam_view(&self) -> IpamView {
        let config = self.pools().map(|pool| IpamConfigView {
            subnet: pool.subnet(),
            gateway: Some(pool.gateway()),
            ip_range: pool.spec().range,
            auxiliary_addresses: pool.spec().auxiliary.clone(),
        });
        let driver = if self.pools().next().is_some() {
            "default"
        } else {
            "null"
        };
        IpamView {
            driver: driver.to_owned(),
            options: BTreeMap::new(),
            config: config.collect(),
        }
    }
}

fn no_ports(name: &str) -> ControlError {
    let what = if name == "host" {
        "it is the host's own namespace"
    } else {
        "it is the absence of a network"
    };
    ControlError::invalid(format!(
        "network {name}: {what}, nothing can be connected to it; use bridge or a network made by `vswitch network create`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ErrorKind;

    fn create(name: &str, driver: &str) -> NetworkCreate {
        NetworkCreate {
            name: name.to_owned(),
            driver: driver.to_owned(),
            ..NetworkCreate::default()
        }
    }

    #[test]
    fn drivers_are_known_by_name() {
        let kind = |driver| check_new(&create("n", driver), |_| false).unwrap_err().kind;
        assert_eq!(
            check_new(&create("n", ""), |_| false).unwrap(),
            Driver::Bridge
        );
        assert_eq!(
            check_new(&create("n", "overlay"), |_| false).unwrap(),
            Driver::Overlay
        );
        assert_eq!(
            check_new(&create("n", "macvlan"), |_| false).unwrap(),
            Driver::Macvlan
        );
        assert_eq!(kind("host"), ErrorKind::Invalid);
        assert_eq!(kind("vlan9"), ErrorKind::Invalid);
    }

    #[test]
    fn predefined_and_taken_names_are_refused() {
        for (name, _) in PREDEFINED {
            let error = check_new(&create(name, ""), |_| false).unwrap_err();
            assert!(error.message.contains("predefined"), "{error}");
        }
        assert_eq!(
            check_new(&create("lab", ""), |n| n == "lab")
                .unwrap_err()
                .kind,
            ErrorKind::Conflict
        );
        assert_eq!(
            check_new(&create("default", ""), |_| false)
                .unwrap_err()
                .kind,
            ErrorKind::Invalid
        );
    }

    #[test]
    fn ipv6_needs_its_minimum_mtu() {
        let id = ObjectId::from_bytes([1; 32]);
        let mut create = create("n", "");
        create.options.insert("mtu".to_owned(), "1279".to_owned());
        plan(Driver::Bridge, &create, &id, &[], || Ok(vec![])).unwrap();
        create.ipv6 = true;
        let error = plan(Driver::Bridge, &create, &id, &[], || Ok(vec![])).unwrap_err();
        assert!(error.message.contains("1280"), "{error}");
    }
}
