//! The options of `network create -d overlay`.
//!
//! | option | meaning | without it |
//! |---|---|---|
//! | `vni` | the network's number in the tunnel, the same on all hosts | must be given |
//! | `peers` | addresses of the other hosts, with commas between; this one's own among them is passed over, so that all hosts can have the same list | none yet |
//! | `local` | this host's address on the underlay | the one from which the first peer is reached |
//! | `dstport` | UDP port of all hosts | 4789 |
//! | `group` | multicast group for frames that go to many | a copy for each peer |
//! | `mtu` | of the interfaces | what the underlay leaves, followed when it changes |
//! | `ttl`, `tos` | of the outer packet: a number, or `inherit` from the inner one | 64, 0 |
//! | `strict` | refuse reserved bits, as Linux does | off, as RFC 7348 says |
//! | `learning` | learn from what arrives behind which peer an address is | on |
//! | `suppress` | answer ARP and neighbour discovery from what is known | off |
//! | `ageing`, `max_entries`, `offload` | as on a bridge network | |
//!
//! `learning=off` is about peers alone, as `nolearning` of a Linux vxlan device: which of its ports leads to a station
//! the network learns all the same, and the tunnel is one of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    num::{NonZeroU8, NonZeroU32},
};

use vswitch_wire::Vni;
use vxlan::{Dscp, Limits, OuterDscp, OuterPolicy, Reserved, SegmentConfig, Ttl};

use super::{
    ControlError, DOCKER_MTU, GatewayWish, MTU, NatWish, RelayOptions, ageing, bad, max_entries,
    said_once, switch, unknown_option, within,
};
use crate::datapath::{Ageing, MaxEntries, NetworkSettings};

/// Docker's name of `vni`: a list, which may have one element here.
const DOCKER_VNI: &str = "com.docker.network.driver.overlay.vxlanid_list";

/// What the overlay driver knows, in the order in which it is listed.
const KNOWN: [&str; 17] = [
    "vni",
    "peers",
    "local",
    "dstport",
    "group",
    "mtu",
    "ttl",
    "tos",
    "strict",
    "learning",
    "suppress",
    "ageing",
    "max_entries",
    "offload",
    "gateway",
    DOCKER_MTU,
    DOCKER_VNI,
];

/// What a VNI may be; zero is left out, as in Linux and Docker.
const VNI: &str = "a number from 1 to 16777215";

/// The options of an overlay network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OverlayOptions {
    /// The network's number in the tunnel; not zero.
    pub vni: Vni,
    /// The other hosts, each once.
    pub peers: Vec<IpAddr>,
    /// This host, if it was said.
    pub local: Option<IpAddr>,
    /// UDP port.
    pub dstport: u16,
    /// Multicast group.
    pub group: Option<IpAddr>,
    /// Bytes, if it was said; else it follows the underlay.
    pub mtu: Option<u16>,
    /// TTL and DSCP of the outer packet.
    pub outer: OuterPolicy,
    /// Whether reserved bits are refused.
    pub strict: bool,
    /// Whether the tunnel learns.
    pub learning: bool,
    /// Whether ARP and neighbour discovery are answered.
    pub suppress: bool,
    /// Whether super-frames pass the endpoints.
    pub offload: bool,
    /// Who has the gateway's addresses: the switch itself or nobody.
    pub gateway: GatewayWish,
    /// Of the network's table and the tunnel's.
    pub ageing: Ageing,
    /// Of the network's table.
    pub max_entries: MaxEntries,
}

impl OverlayOptions {
    /// Reads the options.
    ///
    /// # Errors
    /// Invalid with the known options or the allowed values; unavailable for encryption.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Self, ControlError> {
        said_once(options, "mtu", DOCKER_MTU)?;
        said_once(options, "vni", DOCKER_VNI)?;
        // No network has VNI 0: it has not been said then.
        let mut parsed = Self::new(Vni::from_bytes([0; 3]));
        for (key, value) in options {
            parsed.set(key, value)?;
        }
        if parsed.vni.get() == 0 {
            return Err(ControlError::invalid(format!(
                "option vni: missing, and an overlay network needs one; give -o vni=N, {VNI}, the same on all hosts"
            )));
        }
        parsed.check_families()?;
        Ok(parsed)
    }

    fn new(vni: Vni) -> Self {
        Self {
            vni,
            peers: Vec::new(),
            local: None,
            dstport: vxlan::PORT,
            group: None,
            mtu: None,
            outer: OuterPolicy::default(),
            strict: false,
            learning: true,
            suppress: false,
            offload: true,
            gateway: GatewayWish::Inside,
            ageing: Ageing::DEFAULT,
            max_entries: MaxEntries::DEFAULT,
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), ControlError> {
        match key {
            "vni" | DOCKER_VNI => self.vni = vni(key, value)?,
            "peers" => self.peers = peers(key, value)?,
            "local" => self.local = Some(local(key, value)?),
            "dstport" => self.dstport = within(key, value, 1..=u16::MAX)?,
            "group" => self.group = Some(group(key, value)?),
            "mtu" | DOCKER_MTU => self.mtu = Some(within(key, value, MTU)?),
            "ttl" => self.outer.ttl = ttl(key, value)?,
            "tos" => self.outer.dscp = tos(key, value)?,
            "strict" => self.strict = switch(key, value)?,
            "learning" => self.learning = switch(key, value)?,
            "suppress" => self.suppress = switch(key, value)?,
            "offload" => self.offload = switch(key, value)?,
            "gateway" => self.gateway = gateway(key, value)?,
            "ageing" => self.ageing = ageing(key, value)?,
            "max_entries" => self.max_entries = max_entries(key, value, most_entries())?,
            "encrypted" => {
                return Err(ControlError::unavailable(format!(
                    "option encrypted: the overlay driver does not encrypt; leave it out, and join the hosts by IPsec \
                     or WireGuard where others can listen; known are {}",
                    KNOWN.join(", ")
                )));
            }
            unknown => return Err(unknown_option("overlay", unknown, &KNOWN)),
        }
        Ok(())
    }

    /// One tunnel is of one family.
    fn check_families(&self) -> Result<(), ControlError> {
        let local = self.local.map(|local| ("local", local));
        let group = self.group.map(|group| ("group", group));
        let peers = self.peers.iter().map(|peer| ("peers", *peer));
        let mut all = local.into_iter().chain(group).chain(peers);
        let Some((first_key, first)) = all.next() else {
            return Ok(());
        };
        match all.find(|(_, other)| other.is_ipv4() != first.is_ipv4()) {
            None => Ok(()),
            Some((key, other)) => Err(ControlError::invalid(format!(
                "option {key}: {other} and {first} ({first_key}) must both be IPv4 or both IPv6; give addresses of one family"
            ))),
        }
    }

    /// Passes over the host's own address in a list of all hosts. Alone it is no list, but a mistake, and stays.
    pub fn others_than(&mut self, local: IpAddr) {
        if self.peers.len() > 1 {
            self.peers.retain(|peer| *peer != local);
        }
    }

    /// What the network's relay needs of them, with the MTU that was found.
    #[must_use]
    pub fn relay(&self, mtu: u16) -> RelayOptions {
        RelayOptions {
            mtu,
            offload: self.offload,
            gateway: self.gateway,
            nat: NatWish::Off,
            settings: NetworkSettings {
                ageing: self.ageing,
                max_entries: self.max_entries,
                ..NetworkSettings::default()
            },
        }
    }

    /// What the tunnel needs of them, at this address of the host.
    #[must_use]
    pub fn segment(&self, local: IpAddr) -> SegmentConfig {
        SegmentConfig {
            group: self.group,
            learning: self.learning,
            reserved: if self.strict {
                Reserved::Strict
            } else {
                Reserved::Ignore
            },
            ageing: NonZeroU32::new(self.ageing.secs()),
            outer: self.outer,
            ..SegmentConfig::new(local)
        }
    }
}

/// As many addresses as a tunnel remembers: beyond them, frames would go to every peer.
fn most_entries() -> u32 {
    u32::try_from(Limits::default().remotes).unwrap_or(u32::MAX)
}

fn vni(key: &str, value: &str) -> Result<Vni, ControlError> {
    let vni = value.parse::<Vni>().ok().filter(|vni| vni.get() > 0);
    vni.ok_or_else(|| bad(key, value, VNI))
}

fn address(key: &str, value: &str) -> Result<IpAddr, ControlError> {
    let address: Result<IpAddr, _> = value.trim().parse();
    address
        .map(|address| address.to_canonical())
        .map_err(|_| bad(key, value, "an IP address, such as 198.18.100.1"))
}

fn peers(key: &str, value: &str) -> Result<Vec<IpAddr>, ControlError> {
    let peers: Vec<IpAddr> = (value.split(','))
        .map(|peer| address(key, peer))
        .collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    match peers.iter().find(|peer| !seen.insert(**peer)) {
        Some(peer) => Err(ControlError::invalid(format!(
            "option {key}: {peer} is given twice; give each peer once"
        ))),
        None => Ok(peers),
    }
}

fn local(key: &str, value: &str) -> Result<IpAddr, ControlError> {
    let local = address(key, value)?;
    let one_link = match local {
        IpAddr::V4(local) => local.is_link_local(),
        IpAddr::V6(local) => local.is_unicast_link_local(),
    };
    if local.is_unspecified() || local.is_multicast() || one_link {
        return Err(bad(
            key,
            value,
            "an address of this host that its peers reach, such as 198.18.100.1",
        ));
    }
    Ok(local)
}

fn group(key: &str, value: &str) -> Result<IpAddr, ControlError> {
    let group = address(key, value)?;
    if !group.is_multicast() {
        return Err(bad(key, value, "a multicast address, such as 239.1.1.1"));
    }
    Ok(group)
}

fn ttl(key: &str, value: &str) -> Result<Ttl, ControlError> {
    if value == "inherit" {
        return Ok(Ttl::Inherit);
    }
    let ttl = value.parse().ok().and_then(NonZeroU8::new);
    ttl.map(Ttl::Fixed)
        .ok_or_else(|| bad(key, value, "a number from 1 to 255, or inherit"))
}

/// The whole byte, as in iproute2. Its two low bits are ECN, which is always the inner packet's (RFC 6040).
fn tos(key: &str, value: &str) -> Result<OuterDscp, ControlError> {
    if value == "inherit" {
        return Ok(OuterDscp::Inherit);
    }
    let byte: Option<u8> = match value.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    };
    let dscp = (byte.filter(|byte| byte % 4 == 0)).and_then(|byte| Dscp::new(byte / 4));
    dscp.map(OuterDscp::Fixed).ok_or_else(|| {
        bad(
            key,
            value,
            "a multiple of 4 from 0 to 252 (the DSCP times 4, such as 184 for EF), or inherit",
        )
    })
}

fn gateway(key: &str, value: &str) -> Result<GatewayWish, ControlError> {
    match value {
        "inside" => Ok(GatewayWish::Inside),
        "off" => Ok(GatewayWish::Off),
        _ => Err(bad(key, value, "inside or off")),
    }
}

#[cfg(test)]
mod tests;
