//! What is there: links, addresses, routes.

use super::{refused, session};
use crate::sys::SysError;
use futures_util::{Stream, TryStreamExt};
use ipnet::IpNet;
use rtnetlink::{
    RouteMessageBuilder,
    packet_route::{
        address::{AddressAttribute, AddressFlags, AddressMessage},
        link::{LinkAttribute, LinkFlags, LinkInfo as LinkInfoNla, LinkMessage},
        route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType},
    },
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::pin,
};

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInfo {
    /// The kernel's number for it, unique in its namespace.
    pub index: u32,
    /// Its name. Text, because others may have given it one that an `IfName` refuses.
    pub name: String,
    /// Its MAC address, if it is an Ethernet interface.
    pub mac: Option<[u8; 6]>,
    /// Its MTU in bytes, without Ethernet header.
    pub mtu: u32,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Has a carrier (`IFF_LOWER_UP`): for a TAP, somebody holds the descriptor.
    pub carrier: bool,
    /// The kind as `ip -d link` prints it: `tun` for a TAP, `None` for hardware and `lo`.
    pub kind: Option<String>,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressInfo {
    /// The interface's number.
    pub index: u32,
    /// The address with its prefix length.
    pub address: IpNet,
    /// Not usable yet: duplicate address detection is running.
    pub tentative: bool,
}

/// A unicast route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// The destination.
    pub dst: IpNet,
    /// The gateway, if there is one.
    pub via: Option<IpAddr>,
    /// The number of the interface that it goes out by; a route with several has none.
    pub index: Option<u32>,
}

/// All interfaces of the calling thread's namespace.
///
/// # Errors
///
/// [`SysError::Netlink`].
pub fn links() -> Result<Vec<LinkInfo>, SysError> {
    session(async |handle| {
        collect(handle.link().get().execute(), "list the interfaces", link).await
    })
}

/// All IPv4 and IPv6 addresses of the calling thread's namespace.
///
/// # Errors
///
/// [`SysError::Netlink`].
pub fn addresses() -> Result<Vec<AddressInfo>, SysError> {
    session(async |handle| {
        collect(
            handle.address().get().execute(),
            "list the addresses",
            address,
        )
        .await
    })
}

/// All unicast routes of the main table in the calling thread's namespace, IPv4 first.
///
/// # Errors
///
/// [`SysError::Netlink`].
pub fn routes() -> Result<Vec<RouteInfo>, SysError> {
    session(async |handle| {
        let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
        let what = "list the routes";
        let mut all = collect(handle.route().get(v4).execute(), what, route).await?;
        all.extend(collect(handle.route().get(v6).execute(), what, route).await?);
        Ok(all)
    })
}

async fn collect<M, T>(
    dump: impl Stream<Item = Result<M, rtnetlink::Error>>,
    what: &str,
    read: impl Fn(&M) -> Option<T>,
) -> Result<Vec<T>, SysError> {
    let mut dump = pin!(dump);
    let mut out = Vec::new();
    while let Some(message) = dump
        .try_next()
        .await
        .map_err(|e| refused(what.to_owned(), e))?
    {
        out.extend(read(&message));
    }
    Ok(out)
}

fn link(message: &LinkMessage) -> Option<LinkInfo> {
    let attributes = &message.attributes;
    let name = attributes.iter().find_map(|a| match a {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })?;
    let mac = attributes.iter().find_map(|a| match a {
        LinkAttribute::Address(bytes) => bytes.as_slice().try_into().ok(),
        _ => None,
    });
    let mtu = attributes.iter().find_map(|a| match a {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    });
    let kind = attributes.iter().find_map(|a| match a {
        LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|i| match i {
            LinkInfoNla::Kind(kind) => Some(kind.to_string()),
            _ => None,
        }),
        _ => None,
    });
    let flags = message.header.flags;
    Some(LinkInfo {
        index: message.header.index,
        name,
        mac,
        mtu: mtu.unwrap_or_default(),
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        kind,
    })
}

fn address(message: &AddressMessage) -> Option<AddressInfo> {
    // IFA_LOCAL is the own address; IFA_ADDRESS is the peer's on point-to-point links, and the only
    // one for IPv6 (linux/if_addr.h).
    let find = |local: bool| {
        message.attributes.iter().find_map(|a| match a {
            AddressAttribute::Local(ip) if local => Some(*ip),
            AddressAttribute::Address(ip) if !local => Some(*ip),
            _ => None,
        })
    };
    let ip = find(true).or_else(|| find(false))?;
    let tentative = message.attributes.iter().any(
        |a| matches!(a, AddressAttribute::Flags(flags) if flags.contains(AddressFlags::Tentative)),
    );
    Some(AddressInfo {
        index: message.header.index,
        address: IpNet::new(ip, message.header.prefix_len).ok()?,
        tentative,
    })
}

fn route(message: &RouteMessage) -> Option<RouteInfo> {
    let header = &message.header;
    // The dump has all tables, unless the socket is strict.
    if header.table != RouteHeader::RT_TABLE_MAIN || header.kind != RouteType::Unicast {
        return None;
    }
    let (mut dst, mut via, mut index) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(to) => dst = ip(to),
            RouteAttribute::Gateway(gateway) => via = ip(gateway),
            RouteAttribute::Oif(oif) => index = Some(*oif),
            _ => {}
        }
    }
    // The default route has no destination.
    let unspecified = match header.address_family {
        rtnetlink::packet_route::AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let dst = IpNet::new(dst.unwrap_or(unspecified), header.destination_prefix_length).ok()?;
    Some(RouteInfo { dst, via, index })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}
