//! `vswitch status`, and the line that shows that no frame got lost.

use super::Context;
use crate::print::span;
use std::time::Duration;
use vswitch::api::types::{Status, Totals, TunnelStatus, UplinkFilter, UplinkStatus};

/// `status`.
pub(crate) async fn status(context: &Context) -> anyhow::Result<()> {
    let status = context.client.status().await?;
    context.print.show(&status, text)
}

fn text(status: &Status) -> String {
    let Status {
        version,
        pid,
        uptime,
        run_dir,
        workers,
        totals,
        tunnels,
        uplinks,
        events_lost,
        ..
    } = status;
    let (frames, wakeups) = workers.iter().fold((0u64, 0u64), |(f, w), one| {
        (f + one.frames, w + one.wakeups)
    });
    let up = span(Duration::from_secs(*uptime));
    let mut lines = vec![
        format!(
            "daemon      vswitch {version}, pid {pid}, up {up}, run directory {}",
            run_dir.display()
        ),
        format!(
            "workers     {} ({frames} frames, {wakeups} wake-ups)",
            workers.len()
        ),
        format!("networks    {}", status.networks),
        format!("sandboxes   {}", status.sandboxes),
        format!("ports       {}", status.ports),
    ];
    lines.extend(tunnels.iter().flat_map(tunnel));
    lines.extend(uplinks.iter().flat_map(uplink));
    for (reason, frames) in &totals.dropped {
        lines.push(format!("dropped     {frames} {reason}"));
    }
    if *events_lost > 0 {
        lines.push(format!(
            "events      {events_lost} lost: the control plane was too slow"
        ));
    }
    lines.push(format!("frames      {}", conservation(totals)));
    lines.join("\n")
}

/// What there is to say about a tunnel: where it is, and what was dropped that belongs to no network.
fn tunnel(tunnel: &TunnelStatus) -> Vec<String> {
    let place = format!("{} port {}", tunnel.local, tunnel.dstport);
    let networks = match tunnel.networks {
        1 => "1 network".to_owned(),
        n => format!("{n} networks"),
    };
    let mut line = format!("tunnel      {place}, {networks}");
    if tunnel.errors > 0 {
        line.push_str(&format!(", {} errors from the underlay", tunnel.errors));
    }
    if !tunnel.segmentation {
        line.push_str(", the kernel does not cut datagrams (UDP_SEGMENT)");
    }
    let drops = (tunnel.drops.iter())
        .map(|(reason, count)| format!("dropped     {count} {reason}, datagrams to {place}"));
    std::iter::once(line).chain(drops).collect()
}

/// What there is to say about a parent of macvlan networks: where it leads, and what goes wrong there.
fn uplink(uplink: &UplinkStatus) -> Vec<String> {
    let name = match uplink.vlan {
        Some(vlan) => format!("{}.{vlan}", uplink.parent),
        None => uplink.parent.clone(),
    };
    let count = |number: usize, one: &str| match number {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    };
    let mut line = format!(
        "uplink      {name} {}, {}, {}",
        uplink.link,
        count(uplink.networks, "network"),
        count(uplink.children, "endpoint")
    );
    if uplink.promiscuous {
        line.push_str(", promiscuous");
    }
    match uplink.filter {
        UplinkFilter::Exact => {}
        UplinkFilter::AllMulticast => line.push_str(", all groups pass its filter"),
        UplinkFilter::Everything => line.push_str(", its filter is full and lets everything pass"),
    }
    let mut lines = vec![line];
    if uplink.kernel_drops > 0 {
        let drops = uplink.kernel_drops;
        lines.push(format!(
            "dropped     {drops} from {name} before the switch took them"
        ));
    }
    if uplink.swallowed {
        lines.push(format!(
            "warning     {name}: {} frames sent and not one came back: the network outside seems to let only the \
             parent's own address through (Wi-Fi, a cloud, a virtual switch without \"forged transmits\" and \
             \"promiscuous\", port security); allow more MAC addresses there, or use a bridge network",
            uplink.sent
        ));
    }
    lines
}

/// `received + replicated = delivered + consumed + dropped`, with the figures.
pub(crate) fn conservation(totals: &Totals) -> String {
    let Totals {
        received,
        replicated,
        delivered,
        consumed,
        dropped,
        residual,
    } = totals;
    let dropped: u64 = dropped.values().sum();
    let sum = format!(
        "{received} received + {replicated} replicated = \
         {delivered} delivered + {consumed} consumed + {dropped} dropped"
    );
    match residual {
        0 => sum,
        n => format!("{sum} + {n} in flight"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use vswitch::api::types::LinkState;

    #[test]
    fn a_tunnel_is_one_line_and_one_for_each_reason() {
        let mut status = TunnelStatus {
            local: [198, 18, 100, 1].into(),
            dstport: 4789,
            networks: 1,
            errors: 0,
            segmentation: true,
            drops: BTreeMap::new(),
        };
        assert_eq!(
            tunnel(&status),
            ["tunnel      198.18.100.1 port 4789, 1 network"]
        );
        status.drops.insert("vxlan_no_vni".to_owned(), 7);
        (status.networks, status.errors, status.segmentation) = (2, 3, false);
        assert_eq!(
            tunnel(&status),
            [
                "tunnel      198.18.100.1 port 4789, 2 networks, 3 errors from the underlay, \
                 the kernel does not cut datagrams (UDP_SEGMENT)",
                "dropped     7 vxlan_no_vni, datagrams to 198.18.100.1 port 4789"
            ]
        );
    }

    #[test]
    fn an_uplink_says_what_is_wrong() {
        let mut status = UplinkStatus {
            parent: "eth0".to_owned(),
            vlan: None,
            networks: 1,
            children: 2,
            link: LinkState::Up,
            mac_address: None,
            mtu: Some(1500),
            promiscuous: false,
            filter: UplinkFilter::Exact,
            passed: 0,
            kernel_drops: 0,
            sent: 30,
            heard: 1,
            swallowed: false,
        };
        assert_eq!(
            uplink(&status),
            ["uplink      eth0 up, 1 network, 2 endpoints"]
        );
        (status.vlan, status.promiscuous) = ("10".parse().ok(), true);
        (status.kernel_drops, status.swallowed) = (3, true);
        let lines = uplink(&status);
        assert_eq!(
            lines[..2],
            [
                "uplink      eth0.10 up, 1 network, 2 endpoints, promiscuous",
                "dropped     3 from eth0.10 before the switch took them"
            ]
        );
        assert!(lines[2].contains("30 frames sent") && lines[2].contains("bridge network"));
    }

    #[test]
    fn the_line_sums_up_and_owns_to_a_residual() {
        let mut totals = Totals {
            received: 10,
            replicated: 3,
            delivered: 9,
            consumed: 1,
            dropped: BTreeMap::from([("too-big".to_owned(), 2), ("no-peer".to_owned(), 1)]),
            residual: 0,
        };
        assert_eq!(
            conservation(&totals),
            "10 received + 3 replicated = 9 delivered + 1 consumed + 3 dropped"
        );
        totals.residual = -2;
        assert!(conservation(&totals).ends_with("3 dropped + -2 in flight"));
    }
}
