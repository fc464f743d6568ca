//! Default routes of a sandbox.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use crate::{
    control::ControlError,
    sys::{IfName, Netns, SysError, netlink},
};

/// Default routes by these routers, of the families that have none in the namespace.
pub(super) fn missing_defaults(
    netns: &Netns,
    gateways: &[IpAddr],
) -> Result<Vec<netlink::RouteConfig>, ControlError> {
    if gateways.is_empty() {
        return Ok(Vec::new());
    }
    let known = netns.run(netlink::routes)??;
    let has = |gateway: &&IpAddr| {
        let of_family =
            |net: &IpNet| net.prefix_len() == 0 && net.addr().is_ipv4() == gateway.is_ipv4();
        !known.iter().any(|route| of_family(&route.dst))
    };
    let missing = gateways.iter().filter(has);
    Ok(missing
        .map(|gateway| netlink::RouteConfig::default_via(*gateway))
        .collect())
}

/// In the namespace of the calling thread.
pub(super) fn settle_default(
    ours: &BTreeSet<String>,
    wanted: &[(IfName, IpAddr)],
) -> Result<(), SysError> {
    let names: BTreeMap<u32, String> = netlink::links()?
        .into_iter()
        .map(|link| (link.index, link.name))
        .collect();
    let defaults = netlink::routes()?.into_iter();
    let defaults: Vec<_> = defaults
        .filter(|route| route.dst.prefix_len() == 0)
        .collect();
    for v4 in [true, false] {
        let wish = wanted.iter().find(|(_, via)| via.is_ipv4() == v4);
        let mut there = false;
        let mut foreign = false;
        for route in defaults
            .iter()
            .filter(|route| route.dst.addr().is_ipv4() == v4)
        {
            let name = route.index.and_then(|index| names.get(&index));
            let Some(name) = name.filter(|name| ours.contains(*name)) else {
                foreign = true;
                continue;
            };
            if wish.is_some_and(|(ifname, via)| ifname.as_str() == name && route.via == Some(*via))
            {
                there = true;
            } else if let (Ok(ifname), Some(via)) = (IfName::new(name), route.via) {
                netlink::delete_route(&ifname, &netlink::RouteConfig::default_via(via))?;
            }
        }
        if let (Some((ifname, via)), false, false) = (wish, there, foreign) {
            netlink::configure_link(&netlink::LinkConfig {
                routes: vec![netlink::RouteConfig::default_via(*via)],
                ..netlink::LinkConfig::new(ifname.clone())
            })?;
        }
    }
    Ok(())
}
