//! `vswitch status`, and the line that shows that no frame got lost.

use super::Context;
use crate::print::span;
use std::time::Duration;
use vswitch::api::types::{Status, Totals, TunnelStatus};

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
