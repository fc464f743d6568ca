//! Endpoints: a TAP inside a sandbox that is a port of a network.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    sync::Weak,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use vswitch_wire::MacAddr;

use super::{
    ControlError, command::Connect, name::ObjectId, services::Service, view::InterfaceView,
};
use crate::{
    port::{PortId, PortState, PortTx},
    sys::IfName,
};

/// Whose end of the network an endpoint is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// A container's, or whoever's.
    Sandbox,
    /// The host's own, on a macvlan network. It has its addresses each for itself and no default route, so that nothing
    /// changes in how the host reaches others.
    Host,
    /// The host's own, on a network whose gateway it is: it has the gateway's addresses.
    Gateway,
    /// A container's of a front-end that configures the interface itself.
    Guest,
}

/// An endpoint that exists.
#[derive(Debug)]
pub struct Endpoint {
    /// ID.
    pub id: ObjectId,
    /// Its network.
    pub network: ObjectId,
    /// Its sandbox.
    pub sandbox: ObjectId,
    /// The interface inside the sandbox.
    pub ifname: IfName,
    /// The switch's port.
    pub port: PortId,
    /// Its sending half, to ask for the link; the switch's own, so that the device goes with the port.
    pub tx: Weak<dyn PortTx>,
    /// MAC address.
    pub mac: MacAddr,
    /// IPv4 address and prefix length.
    pub ipv4: Option<Ipv4Net>,
    /// IPv6 address and prefix length.
    pub ipv6: Option<Ipv6Net>,
    /// Bytes.
    pub mtu: u16,
    /// Whether super-frames pass.
    pub offload: bool,
    /// Whose it is.
    pub end: End,
    /// As it was asked for.
    pub wish: Connect,
    /// What is served for it, and ends with it.
    pub services: Vec<Service>,
}

impl Endpoint {
    /// As people are shown it.
    pub fn view(&self) -> InterfaceView {
        InterfaceView {
            ifname: self.ifname.to_string(),
            port: self.port,
            mac_address: self.mac,
            ipv4: self.ipv4,
            ipv6: self.ipv6,
            mtu: self.mtu.into(),
        }
    }

    /// The state of its port, of which the data path knows `noticed`: what frames met is old news where the device
    /// can be asked, but that it is gone is final.
    pub fn state(&self, noticed: PortState) -> PortState {
        match noticed {
            PortState::Gone => PortState::Gone,
            PortState::Up | PortState::Down => (self.tx.upgrade())
                .and_then(|tx| tx.link())
                .unwrap_or(noticed),
        }
    }

    /// Its addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpNet> {
        self.ipv4
            .map(IpNet::V4)
            .into_iter()
            .chain(self.ipv6.map(IpNet::V6))
    }
}

/// The lowest `ethN` that no interface of the sandbox has.
///
/// # Errors
/// Unavailable when there is none (a sandbox with that many interfaces).
pub fn automatic_ifname(taken: &BTreeSet<String>) -> Result<IfName, ControlError> {
    (0..=u16::MAX)
        .map(|number| format!("eth{number}"))
        .find(|name| !taken.contains(name))
        .and_then(|name| IfName::new(name).ok())
        .ok_or_else(|| {
            ControlError::unavailable("no interface name eth0 to eth65535 is free; give --ifname")
        })
}

/// Checks an interface name that was asked for.
///
/// # Errors
/// Invalid with the kernel's rule, or conflict.
pub fn wished_ifname(name: &str, taken: &BTreeSet<String>) -> Result<IfName, ControlError> {
    let name = IfName::new(name).map_err(|error| ControlError::invalid(error.to_string()))?;
    if taken.contains(name.as_str()) {
        return Err(ControlError::conflict(format!(
            "interface {name}: the sandbox has it already; give another name or none"
        )));
    }
    Ok(name)
}

/// Checks a MAC address that was asked for; `taken` are those of the network.
///
/// # Errors
/// Invalid for group and zero addresses, conflict for one in use.
pub fn wished_mac(mac: MacAddr, taken: &BTreeSet<MacAddr>) -> Result<MacAddr, ControlError> {
    if !mac.is_unicast() {
        return Err(ControlError::invalid(format!(
            "MAC address {mac}: not a unicast address; the first octet must be even and the address not zero, such as 02:00:00:00:00:01"
        )));
    }
    if taken.contains(&mac) {
        return Err(ControlError::conflict(format!(
            "MAC address {mac}: in use on this network; give another or none"
        )));
    }
    Ok(mac)
}

/// The MAC address that an endpoint has when none is asked for; locally administered, unicast, not in `taken`.
///
/// `address` is the endpoint's first one, IPv4 before IPv6. The MAC follows from the address alone, so that neighbours
/// who remember the one also have the other right when the address is given to another sandbox: for IPv4 as in Docker's
/// bridges, `02:42:` and the four octets. An IPv6 address gives a hash of network and address; no address, one of network
/// and sandbox name. A hash is also what remains where somebody asked for the very MAC of an IPv4 address.
pub fn automatic_mac(
    network: &ObjectId,
    sandbox: &str,
    address: Option<IpAddr>,
    taken: &BTreeSet<MacAddr>,
) -> MacAddr {
    if let Some(IpAddr::V4(address)) = address {
        let mac = of_ipv4(address);
        if !taken.contains(&mac) {
            return mac;
        }
    }
    let owner = address.map_or_else(|| sandbox.to_owned(), |address| address.to_string());
    let mut salt = 0u64;
    loop {
        let hash = [network.as_str(), &owner, &salt.to_string()]
            .iter()
            .fold(FNV_START, |hash, part| {
                fnv(fnv(hash, part.as_bytes()), &[0])
            });
        let [a, b, c, d, e, f, ..] = scramble(hash).to_be_bytes();
        let mac = MacAddr::new([(a & 0xfc) | 0x02, b, c, d, e, f]);
        if !taken.contains(&mac) {
            return mac;
        }
        salt += 1;
    }
}

/// The MAC address of a network's gateway: as an endpoint with its address would have it.
pub fn gateway_mac(address: Option<Ipv4Addr>) -> MacAddr {
    of_ipv4(address.unwrap_or(Ipv4Addr::UNSPECIFIED))
}

fn of_ipv4(address: Ipv4Addr) -> MacAddr {
    let [a, b, c, d] = address.octets();
    MacAddr::new([0x02, 0x42, a, b, c, d])
}

/// The hash of nothing, which [`fnv`] begins with.
pub(crate) const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: a hash that is the same in every version of this program, which std's is not.
pub(crate) fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Spreads the low bits over the high ones, which the address is taken from.
fn scramble(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ErrorKind;

    fn id(byte: u8) -> ObjectId {
        ObjectId::from_bytes([byte; 32])
    }

    #[test]
    fn the_lowest_free_interface_name() {
        let taken = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        assert_eq!(automatic_ifname(&taken(&["lo"])).unwrap().as_str(), "eth0");
        assert_eq!(
            automatic_ifname(&taken(&["eth0", "eth2"]))
                .unwrap()
                .as_str(),
            "eth1"
        );
        assert_eq!(
            wished_ifname("wan", &taken(&["eth0"])).unwrap().as_str(),
            "wan"
        );
        assert_eq!(
            wished_ifname("eth0", &taken(&["eth0"])).unwrap_err().kind,
            ErrorKind::Conflict
        );
        for bad in ["", "a/b", "a b", "sixteen-and-more"] {
            assert_eq!(
                wished_ifname(bad, &taken(&[])).unwrap_err().kind,
                ErrorKind::Invalid
            );
        }
    }

    #[test]
    fn macs_are_checked() {
        let used: MacAddr = "02:00:00:00:00:01".parse().unwrap();
        let taken = BTreeSet::from([used]);
        assert_eq!(
            wished_mac(used, &taken).unwrap_err().kind,
            ErrorKind::Conflict
        );
        for bad in [
            "00:00:00:00:00:00",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
        ] {
            assert_eq!(
                wished_mac(bad.parse().unwrap(), &taken).unwrap_err().kind,
                ErrorKind::Invalid
            );
        }
        wished_mac("00:16:3e:00:00:01".parse().unwrap(), &taken).unwrap();
    }

    #[test]
    fn an_ipv4_address_has_one_mac_whoever_has_it() {
        let address = Some("198.18.0.2".parse().unwrap());
        let mac = automatic_mac(&id(1), "web", address, &BTreeSet::new());
        assert_eq!(mac.to_string(), "02:42:c6:12:00:02");
        assert_eq!(
            mac,
            automatic_mac(&id(1), "db", address, &BTreeSet::new()),
            "another sandbox"
        );
        // Somebody asked for just that one.
        let taken = BTreeSet::from([mac]);
        let other = automatic_mac(&id(1), "web", address, &taken);
        assert!(other.is_unicast() && other.is_locally_administered() && other != mac);
        assert_eq!(other, automatic_mac(&id(1), "db", address, &taken));
    }

    #[test]
    fn automatic_macs_are_stable_local_unicast_and_distinct() {
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let mut taken = BTreeSet::new();
        let mac = automatic_mac(&id(1), "web", address("2001:2::2"), &taken);
        assert_eq!(
            mac,
            automatic_mac(&id(1), "db", address("2001:2::2"), &taken),
            "another sandbox"
        );
        let nameless = automatic_mac(&id(1), "web", None, &taken);
        for (one, other) in [
            (
                mac,
                automatic_mac(&id(2), "web", address("2001:2::2"), &taken),
            ),
            (
                mac,
                automatic_mac(&id(1), "web", address("2001:2::3"), &taken),
            ),
            (mac, nameless),
            (nameless, automatic_mac(&id(1), "web2", None, &taken)),
        ] {
            assert_ne!(one, other);
        }
        for _ in 0..100 {
            let mac = automatic_mac(&id(1), "web", None, &taken);
            assert!(mac.is_unicast() && mac.is_locally_administered());
            assert!(taken.insert(mac));
        }
    }
}
