//! Attaching an endpoint, as a transaction.
//!
//! The steps, each of which may fail: look at the sandbox, lease the addresses, choose the MAC, make the device,
//! configure it, tell the tunnel of an overlay network that the MAC is here, plug it into the switch (and, on a macvlan
//! network, into the segment). What a step made is held by a guard, and guards go in the reverse order: the device is
//! deleted by dropping its port, the leases are cancelled as if they had never been given. After the last step nothing
//! can fail any more, so there is no half-made endpoint at any time.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, Weak},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vswitch_wire::MacAddr;

use super::{
    ControlError,
    command::Connect,
    endpoint::{self, End, Endpoint},
    ipam::{Lease, Pool},
    kernel::{DeviceSpec, Kernel},
    macvlan::{self, Member},
    name::ObjectId,
    network::{Gateway, Network, Reach, Relay},
    options,
    overlay::{self, Tunnel, Underlays},
    sandbox::Sandbox,
    subnets::Pools,
};
use crate::{
    datapath::{Fdb, Flush, NetworkId, Switch},
    port::{
        PortId, PortTx,
        vxlan::{Underlay, longest_superframe},
    },
};

/// Addresses that are given back unless they are kept.
struct Leases<'a> {
    pools: &'a mut Pools,
    v4: Option<Lease>,
    v6: Option<Lease>,
}

impl<'a> Leases<'a> {
    fn take(pools: &'a mut Pools, network: &str, connect: &Connect) -> Result<Self, ControlError> {
        let mut leases = Self {
            pools,
            v4: None,
            v6: None,
        };
        leases.v4 = lease(
            leases.pools.v4.as_mut(),
            network,
            connect.ip.map(IpAddr::V4),
        )?;
        leases.v6 = lease(
            leases.pools.v6.as_mut(),
            network,
            connect.ip6.map(IpAddr::V6),
        )?;
        Ok(leases)
    }

    fn ipv4(&self) -> Option<Ipv4Net> {
        match (
            self.v4?.address(),
            self.pools.v4.as_ref()?.subnet().prefix_len(),
        ) {
            (IpAddr::V4(address), prefix) => Ipv4Net::new(address, prefix).ok(),
            (IpAddr::V6(_), _) => None,
        }
    }

    fn ipv6(&self) -> Option<Ipv6Net> {
        match (
            self.v6?.address(),
            self.pools.v6.as_ref()?.subnet().prefix_len(),
        ) {
            (IpAddr::V6(address), prefix) => Ipv6Net::new(address, prefix).ok(),
            (IpAddr::V4(_), _) => None,
        }
    }

    /// With the prefix lengths of the subnets; on the host's own end, each for itself.
    fn addresses(&self, end: End) -> (Option<Ipv4Net>, Option<Ipv6Net>) {
        match end {
            End::Sandbox | End::Gateway | End::Guest => (self.ipv4(), self.ipv6()),
            End::Host => (
                self.ipv4().map(|net| net.addr().into()),
                self.ipv6().map(|net| net.addr().into()),
            ),
        }
    }

    fn keep(mut self) {
        (self.v4, self.v6) = (None, None);
    }
}

impl Drop for Leases<'_> {
    fn drop(&mut self) {
        if let (Some(lease), Some(pool)) = (self.v4.take(), &mut self.pools.v4) {
            pool.cancel(lease);
        }
        if let (Some(lease), Some(pool)) = (self.v6.take(), &mut self.pools.v6) {
            pool.cancel(lease);
        }
    }
}

/// The tunnel's knowledge that a MAC is of this host, which is taken back unless it is kept.
struct Local<'a> {
    underlay: &'a Underlay,
    tunnel: &'a Tunnel,
    mac: MacAddr,
    kept: bool,
}

impl<'a> Local<'a> {
    /// Nothing to say without a tunnel.
    fn tell(
        underlays: &'a Underlays,
        network: &str,
        tunnel: Option<&'a Tunnel>,
        mac: MacAddr,
    ) -> Result<Option<Self>, ControlError> {
        let found = tunnel.and_then(|tunnel| Some((underlays.get(tunnel.underlay)?, tunnel)));
        let Some((underlay, tunnel)) = found else {
            return Ok(None);
        };
        (underlay.add_local(tunnel.vni, mac)).map_err(|error| overlay::refused(network, error))?;
        Ok(Some(Self {
            underlay,
            tunnel,
            mac,
            kept: false,
        }))
    }

    /// The station may have been behind a peer until now: what the network has learned of it is forgotten too.
    fn keep(mut self, fdb: Option<&Fdb>) {
        self.kept = true;
        if let Some(fdb) = fdb {
            fdb.flush(&Flush {
                port: Some(self.tunnel.port),
                mac: Some(self.mac),
                ..Flush::default()
            });
        }
    }
}

impl Drop for Local<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.underlay.remove_local(self.tunnel.vni, self.mac);
        }
    }
}

fn lease(
    pool: Option<&mut Pool>,
    network: &str,
    wish: Option<IpAddr>,
) -> Result<Option<Lease>, ControlError> {
    match (pool, wish) {
        (Some(pool), wish) => pool.lease(wish).map(Some),
        (None, None) => Ok(None),
        (None, Some(wish)) => {
            let (family, flag) = if wish.is_ipv4() {
                ("IPv4", "--subnet")
            } else {
                ("IPv6", "--ipv6")
            };
            Err(ControlError::invalid(format!(
                "address {wish}: network {network} has no {family} subnet; make a network with {flag}, or leave the address out"
            )))
        }
    }
}

/// The MAC address that an endpoint gets: the one asked for, or the one that follows from its own addresses.
fn choose_mac(
    reach: &Reach,
    (network, sandbox): (&ObjectId, &str),
    wish: Option<MacAddr>,
    address: Option<IpAddr>,
    macs: &BTreeSet<MacAddr>,
) -> Result<MacAddr, ControlError> {
    let fixed = reach.member().and_then(Member::fixed_mac);
    let others = reach.member().into_iter().flat_map(Member::taken);
    let taken: BTreeSet<_> = macs.iter().copied().chain(others).collect();
    match (fixed, wish) {
        (Some(fixed), Some(wish)) if wish != fixed => Err(ControlError::invalid(format!(
            "MAC address {wish}: a passthru endpoint has its parent's, {fixed}; leave it out"
        ))),
        (Some(fixed), _) => Ok(fixed),
        (None, Some(wish)) => endpoint::wished_mac(wish, &taken),
        (None, None) => Ok(endpoint::automatic_mac(network, sandbox, address, &taken)),
    }
}

/// The routers that an endpoint's default routes lead to.
pub(super) fn gateways(relay: &Relay, internal: bool, end: End) -> Vec<IpAddr> {
    let wanted = match relay.gateway {
        Gateway::Outside | Gateway::Host => !internal && end == End::Sandbox,
        Gateway::Inside | Gateway::None => false,
    };
    let pools = relay.pools.iter().filter(|_| wanted);
    pools.map(Pool::gateway).collect()
}

/// What an endpoint is made with.
#[derive(Debug)]
pub(super) struct Tools<'a, K: Kernel> {
    pub(super) kernel: &'a K,
    pub(super) switch: &'a Switch,
    pub(super) underlays: &'a Underlays,
}

/// The place on the switch that a device is to have.
pub(super) struct Site<'a> {
    /// Name of the network.
    pub(super) network: &'a str,
    pub(super) relay: NetworkId,
    pub(super) reach: &'a Reach,
    /// Whether the interfaces have IPv6.
    pub(super) ipv6: bool,
}

impl<'a> Site<'a> {
    /// The place on a network.
    ///
    /// # Errors
    /// Invalid for networks without ports.
    pub(super) fn of(network: &'a Network) -> Result<Self, ControlError> {
        let relay = network.relay()?;
        Ok(Self {
            network: &network.name,
            relay: relay.id,
            reach: &relay.reach,
            ipv6: relay.ipv6,
        })
    }
}

/// What is on the switch now, and how it sends.
pub(super) type Plugged = (PortId, Weak<dyn PortTx>);

/// Makes a device and a port of it. Nothing is left on failure.
///
/// # Errors
/// Whatever refuses: the kernel, the tunnel, the segment, the switch.
pub(super) fn plug<K: Kernel>(
    tools: &Tools<'_, K>,
    site: &Site<'_>,
    netns: &K::Netns,
    spec: &DeviceSpec,
) -> Result<Plugged, ControlError> {
    let (switch, reach, mac) = (tools.switch, site.reach, spec.mac);
    let device = tools.kernel.open_device(netns, spec)?;
    tools.kernel.configure(netns, spec)?;
    let tx = Arc::downgrade(&device.tx);
    let local = Local::tell(tools.underlays, site.network, reach.tunnel(), mac)?;
    let port = switch.add_port_with(site.relay, device, |port| match reach.member() {
        Some(member) => (member.macvlan).add(member.child(port, mac, site.ipv6)),
        None => Ok(()),
    });
    let port = port.map_err(|error| macvlan::refused(site.network, error))?;
    if let Some(local) = local {
        local.keep(switch.fdb(site.relay).as_deref());
    }
    Ok((port, tx))
}

/// Makes an endpoint of `network` in `sandbox`, whose namespace is `netns`; `macs` are the MAC addresses in use on the
/// network. On failure everything is as before.
///
/// # Errors
/// Whatever refuses: the wishes, the address pools, or what refuses a port ([`plug`]).
pub(super) fn attach<K: Kernel>(
    tools: &Tools<'_, K>,
    network: &mut Network,
    (sandbox, netns, end): (&Sandbox, &K::Netns, End),
    (id, connect): (ObjectId, &Connect),
    macs: &BTreeSet<MacAddr>,
) -> Result<Endpoint, ControlError> {
    let taken = tools.kernel.interface_names(netns)?;
    let ifname = match &connect.ifname {
        Some(wish) => endpoint::wished_ifname(wish, &taken)?,
        None => endpoint::automatic_ifname(&taken)?,
    };
    let (network_id, name, internal) = (network.id.clone(), network.name.clone(), network.internal);
    let relay = network.relay_mut()?;
    let (relay_id, options, ipv6_on) = (relay.id, relay.options, relay.ipv6);
    let gateways = gateways(relay, internal, end);
    let reach = &relay.reach;
    let offload = options::offload(&connect.options)?.unwrap_or(options.offload);
    let leases = Leases::take(&mut relay.pools, &name, connect)?;
    let (ipv4, ipv6) = leases.addresses(end);
    let addresses: Vec<IpNet> = (ipv4.map(IpNet::V4).into_iter())
        .chain(ipv6.map(IpNet::V6))
        .collect();
    let owner = (&network_id, sandbox.name.as_str());
    let address = addresses.first().map(IpNet::addr);
    let mac = choose_mac(reach, owner, connect.mac_address, address, macs)?;
    let spec = DeviceSpec {
        ifname,
        mac,
        mtu: options.mtu,
        gso_max_size: longest_superframe_on(reach, options.mtu),
        offload,
        addresses,
        gateways,
        disable_ipv6: !ipv6_on,
        // Who remembers an address is an endpoint, here or on another host: its memory goes with its interface. Without
        // any, the announcement would only be a frame that is dropped for want of another port.
        announce: !macs.is_empty() || reach.is_beyond_host(),
        up: true,
    };
    let site = Site {
        network: &name,
        relay: relay_id,
        reach,
        ipv6: ipv6_on,
    };
    let (port, tx) = plug(tools, &site, netns, &spec)?;
    leases.keep();
    Ok(Endpoint {
        id,
        network: network_id,
        sandbox: sandbox.id.clone(),
        ifname: spec.ifname,
        port,
        tx,
        mac,
        ipv4,
        ipv6,
        mtu: options.mtu,
        offload,
        end,
        wish: connect.clone(),
        services: Vec::new(),
    })
}

/// Takes addresses and a MAC address on a network for an endpoint that has no device yet.
///
/// # Errors
/// Invalid or conflict: the wishes; unavailable: no address left.
pub(super) fn reserve(
    network: &mut Network,
    owner: &str,
    connect: &Connect,
    macs: &BTreeSet<MacAddr>,
) -> Result<(MacAddr, Option<Ipv4Net>, Option<Ipv6Net>), ControlError> {
    let (network_id, name) = (network.id.clone(), network.name.clone());
    let relay = network.relay_mut()?;
    let reach = &relay.reach;
    let leases = Leases::take(&mut relay.pools, &name, connect)?;
    let (ipv4, ipv6) = leases.addresses(End::Sandbox);
    let address = ipv4.map(|net| net.addr().into());
    let address = address.or_else(|| ipv6.map(|net| net.addr().into()));
    let owner = (&network_id, owner);
    let mac = choose_mac(reach, owner, connect.mac_address, address, macs)?;
    leases.keep();
    Ok((mac, ipv4, ipv6))
}

/// The bound of super-frames where it is not for the kernel to say: one datagram of the tunnel shall hold them.
pub(super) fn longest_superframe_on(reach: &Reach, mtu: u16) -> Option<u32> {
    reach.tunnel().map(|_| longest_superframe(mtu))
}

/// Removes the port of an endpoint, and with it the device.
pub(super) fn unplug(
    switch: &Switch,
    underlays: &Underlays,
    network: Option<&Network>,
    endpoint: &Endpoint,
) {
    let relay = network.and_then(|network| network.relay.as_ref());
    if let Some(member) = relay.and_then(|relay| relay.reach.member()) {
        member.macvlan.remove(endpoint.port);
    }
    switch.remove_port(endpoint.port);
    if let Some(tunnel) = relay.and_then(|relay| relay.reach.tunnel())
        && let Some(underlay) = underlays.get(tunnel.underlay)
    {
        underlay.remove_local(tunnel.vni, endpoint.mac);
    }
}

/// Gives addresses back; only after [`unplug`], so that no address is given out while an interface still has it.
pub(super) fn release(network: Option<&mut Network>, ipv4: Option<Ipv4Net>, ipv6: Option<Ipv6Net>) {
    let Some(relay) = network.and_then(|network| network.relay.as_mut()) else {
        return;
    };
    if let (Some(net), Some(pool)) = (ipv4, &mut relay.pools.v4) {
        pool.release(net.addr().into());
    }
    if let (Some(net), Some(pool)) = (ipv6, &mut relay.pools.v6) {
        pool.release(net.addr().into());
    }
}
