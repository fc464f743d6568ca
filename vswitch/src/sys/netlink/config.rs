//! An interface with all that belongs to it, set in one go.

use super::{change, errno, first, link_index, refused, session};
use crate::sys::{IfName, SysError};
use ipnet::IpNet;
use rtnetlink::{
    Handle, LinkUnspec, RouteMessageBuilder,
    packet_route::{
        address::{AddressAttribute, AddressFlags, AddressHeaderFlags},
        link::LinkAttribute,
        route::{RouteMessage, RouteScope, RouteType},
    },
};
use rustix::io::Errno;
use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    thread,
    time::{Duration, Instant},
};

/// What an existing interface shall be. `None` and empty leave a thing as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// Which interface.
    pub name: IfName,
    /// Its MAC address.
    pub mac: Option<[u8; 6]>,
    /// Its MTU in bytes, without Ethernet header.
    pub mtu: Option<u32>,
    /// Longest superframe that the kernel makes for it, in bytes of the IP packet and some.
    pub gso_max_size: Option<u32>,
    /// The length of its queue in frames; for a TAP also the size of the ring that the switch reads.
    pub txqueuelen: Option<u32>,
    /// Host addresses with their prefix length. One that is there already is fine.
    pub addresses: Vec<IpNet>,
    /// Routes through this interface. One that is there already is replaced. They need `up`.
    pub routes: Vec<RouteConfig>,
    /// Whether to set it up. `false` leaves it as it is.
    pub up: bool,
    /// Whether to switch IPv6 off, which also keeps the kernel from giving it a link-local address, or on, where the
    /// namespace has it off for new interfaces, as Docker's containers have. None leaves it as it is.
    pub disable_ipv6: Option<bool>,
    /// Whether the kernel announces the addresses to the neighbours each time that the interface goes
    /// up. Where it cannot be told to, that is logged and no error.
    pub announce: bool,
}

/// A route through an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteConfig {
    /// The destination; `0.0.0.0/0` or `::/0` is the default route.
    pub dst: IpNet,
    /// The gateway, or `None` for what is on the link itself. Of the same family as `dst`.
    pub via: Option<IpAddr>,
}

impl LinkConfig {
    /// A configuration that changes nothing yet.
    #[must_use]
    pub fn new(name: IfName) -> Self {
        Self {
            name,
            mac: None,
            mtu: None,
            gso_max_size: None,
            txqueuelen: None,
            addresses: Vec::new(),
            routes: Vec::new(),
            up: false,
            disable_ipv6: None,
            announce: false,
        }
    }
}

impl RouteConfig {
    /// The default route of the gateway's family.
    #[must_use]
    pub fn default_via(gateway: IpAddr) -> Self {
        let dst = match gateway {
            IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
            IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
        };
        Self {
            dst,
            via: Some(gateway),
        }
    }

    fn message(&self, index: u32) -> Result<RouteMessage, SysError> {
        // The host part of the destination must be zero.
        match (self.dst.trunc(), self.via) {
            (IpNet::V4(dst), None) => Ok(RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(dst.addr(), dst.prefix_len())
                .scope(RouteScope::Link)
                .output_interface(index)
                .build()),
            (IpNet::V4(dst), Some(IpAddr::V4(via))) => Ok(RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(dst.addr(), dst.prefix_len())
                .gateway(via)
                .output_interface(index)
                .build()),
            (IpNet::V6(dst), None) => Ok(RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(dst.addr(), dst.prefix_len())
                .output_interface(index)
                .build()),
            (IpNet::V6(dst), Some(IpAddr::V6(via))) => Ok(RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(dst.addr(), dst.prefix_len())
                .gateway(via)
                .output_interface(index)
                .build()),
            (dst, Some(via)) => Err(SysError::MixedRoute { dst, via }),
        }
    }
}

/// Makes an interface of the calling thread's namespace what `config` says, in the order that the
/// kernel wants: IPv6 off, announcing on, MAC, MTU and queue, addresses, up, routes.
///
/// # Errors
///
/// [`SysError::NoSuchLink`], [`SysError::MixedRoute`] (before anything is changed),
/// [`SysError::NeedsCapability`], [`SysError::Netlink`]. What was set before a failure stays set; who
/// made the interface removes it.
pub fn configure_link(config: &LinkConfig) -> Result<(), SysError> {
    session(async |handle| {
        let name = &config.name;
        let index = link_index(&handle, name).await?;
        let routes = config
            .routes
            .iter()
            .map(|route| Ok((route, route.message(index)?)))
            .collect::<Result<Vec<_>, SysError>>()?;
        if let Some(off) = config.disable_ipv6 {
            disable_ipv6(name, off)?;
        }
        if config.announce {
            announce(name);
        }
        set_properties(&handle, index, config).await?;
        for address in &config.addresses {
            add_address(&handle, index, name, *address).await?;
        }
        if config.up {
            let message = LinkUnspec::new_with_index(index).up().build();
            change(&handle, message, || format!("set {name} up")).await?;
            until_local(&handle, config).await;
        }
        for (route, message) in routes {
            let what = || match route.via {
                Some(via) => format!("add the route to {} via {via} on {name}", route.dst),
                None => format!("add the route to {} on {name}", route.dst),
            };
            let request = handle.route().add(message).replace();
            request.execute().await.map_err(|e| refused(what(), e))?;
        }
        Ok(())
    })
}

/// Removes a route through an interface. Absent is fine.
///
/// # Errors
///
/// As [`configure_link`].
pub fn delete_route(name: &IfName, route: &RouteConfig) -> Result<(), SysError> {
    session(async |handle| {
        let index = link_index(&handle, name).await?;
        let message = route.message(index)?;
        match handle.route().del(message).execute().await {
            Err(e) if errno(&e) == Some(Errno::SRCH) => Ok(()),
            other => other.map_err(|e| refused(format!("remove the route to {}", route.dst), e)),
        }
    })
}

async fn set_properties(handle: &Handle, index: u32, config: &LinkConfig) -> Result<(), SysError> {
    let mut message = LinkUnspec::new_with_index(index);
    let mut what = Vec::new();
    if let Some(mac) = config.mac {
        message = message.address(mac.to_vec());
        let [a, b, c, d, e, f] = mac;
        what.push(format!(
            "MAC {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"
        ));
    }
    if let Some(mtu) = config.mtu {
        message = message.mtu(mtu);
        what.push(format!("MTU {mtu}"));
    }
    if let Some(size) = config.gso_max_size {
        message = message.append_extra_attribute(LinkAttribute::GsoMaxSize(size));
        what.push(format!("longest superframe {size}"));
    }
    if let Some(len) = config.txqueuelen {
        message = message.txqueuelen(len);
        what.push(format!("queue length {len}"));
    }
    if what.is_empty() {
        return Ok(());
    }
    let what = || format!("set {} on {}", what.join(", "), config.name);
    change(handle, message.build(), what).await
}

/// Waits until the kernel takes the IPv6 addresses for its own. It shows them at once, and without
/// duplicate address detection they are never tentative; but the route that makes an address local is
/// added by a work queue, some time after the interface went up, and what comes for the address before
/// is dropped as another host's (`Ip6InAddrErrors`). On a busy machine that may be long; after a second
/// we go on.
async fn until_local(handle: &Handle, config: &LinkConfig) {
    const PATIENCE: Duration = Duration::from_secs(1);
    const PAUSE: Duration = Duration::from_millis(1);
    let end = Instant::now() + PATIENCE;
    for net in &config.addresses {
        let IpAddr::V6(address) = net.addr() else {
            continue;
        };
        while !is_local(handle, address).await {
            if Instant::now() > end {
                let name = &config.name;
                tracing::warn!(%name, %address, "the kernel has not taken the address into use yet");
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Whether what comes for the address stays on this host; not so while there is no route at all.
async fn is_local(handle: &Handle, address: Ipv6Addr) -> bool {
    let message = RouteMessageBuilder::<Ipv6Addr>::new()
        .destination_prefix(address, 128)
        .build();
    let found = first(handle.route().get(message).execute()).await;
    found.is_ok_and(|route| route.is_some_and(|route| route.header.kind == RouteType::Local))
}

async fn add_address(
    handle: &Handle,
    index: u32,
    name: &IfName,
    net: IpNet,
) -> Result<(), SysError> {
    let mut request = handle
        .address()
        .add(index, net.addr(), net.prefix_len())
        .replace();
    if net.addr().is_ipv6() {
        // Without IFA_F_NODAD the address is "tentative" for a second or two: duplicate address
        // detection (RFC 4862, 5.4) waits whether somebody else claims it, and until then nothing can
        // bind to it or answer. Our addresses come from an allocator that gives each only once, and
        // a container expects to use its network as soon as it runs.
        let message = request.message_mut();
        message.header.flags |= AddressHeaderFlags::Nodad;
        message
            .attributes
            .push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    request
        .execute()
        .await
        .map_err(|e| refused(format!("add the address {net} to {name}"), e))
}

/// `net.ipv6.conf.NAME.disable_ipv6`. `/proc/sys/net` shows the namespace of the *thread* that looks.
fn disable_ipv6(name: &IfName, off: bool) -> Result<(), SysError> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    let wanted = if off { "1" } else { "0" };
    match fs::read_to_string(&path) {
        // A kernel without IPv6 has it off already.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        // As a rule; `/proc/sys` may be read-only.
        Ok(now) if now.trim() == wanted => return Ok(()),
        Ok(_) | Err(_) => {}
    }
    fs::write(&path, wanted).map_err(|e| {
        let verb = if off { "off" } else { "on" };
        SysError::io(format!("switch IPv6 {verb} on {name} ({path})"), e)
    })
}

/// Lets the kernel send a gratuitous ARP (RFC 5227, 3) and an unsolicited neighbour advertisement
/// (RFC 4861, 7.2.6) for each address when the interface goes up, so that whoever remembers another
/// MAC address for one of them is put right. Without it the neighbours find out by themselves, in
/// half a minute or so: not worth a failure where `/proc/sys` is read-only, as in many containers.
fn announce(name: &IfName) {
    for (family, setting) in [("ipv4", "arp_notify"), ("ipv6", "ndisc_notify")] {
        let path = format!("/proc/sys/net/{family}/conf/{name}/{setting}");
        if let Err(error) = fs::write(&path, "1") {
            tracing::debug!(path, %error, "addresses will not be announced");
        }
    }
}
