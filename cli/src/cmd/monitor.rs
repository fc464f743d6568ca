//! `vswitch monitor`: events as they happen, a line each.

use super::Context;
use crate::{print, table::printable};
use anyhow::anyhow;
use vswitch::api::types::{Event, EventKind};

/// Prints events until Ctrl-C (then all is well) or until the daemon goes (then it is not).
pub(crate) async fn run(context: &Context) -> anyhow::Result<()> {
    let mut events = context.client.events().await?;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let Some(event) = event else {
            return Err(anyhow!(
                "monitor: the daemon has ended; start it again with `vswitch daemon`"
            ));
        };
        let event = event?;
        if context.print.json {
            print::line(&serde_json::to_string(&event)?)?;
        } else {
            print::line(&text(&event))?;
        }
    }
}

/// Time, type, then what it is about.
fn text(event: &Event) -> String {
    let (kind, about) = match &event.what {
        EventKind::NetworkCreate { network, id } => ("network-create", named(network, id)),
        EventKind::NetworkRemove { network, id } => ("network-remove", named(network, id)),
        EventKind::SandboxCreate { sandbox, id } => ("sandbox-create", named(sandbox, id)),
        EventKind::SandboxRemove { sandbox, id } => ("sandbox-remove", named(sandbox, id)),
        EventKind::EndpointConnect { network, sandbox, port, ifname, mac, ipv4, ipv6 } => {
            let mut about = format!("{network} {sandbox}/{ifname} port {port} {mac}");
            for address in [ipv4.map(|a| a.to_string()), ipv6.map(|a| a.to_string())] {
                if let Some(address) = address {
                    about.push(' ');
                    about.push_str(&address);
                }
            }
            ("endpoint-connect", about)
        }
        EventKind::EndpointDisconnect { network, sandbox, port, ifname } => {
            ("endpoint-disconnect", format!("{network} {sandbox}/{ifname} port {port}"))
        }
        EventKind::PortUp { port, name, network } => {
            ("port-up", format!("{network} {name} port {port}"))
        }
        EventKind::PortDown { port, name, network } => {
            ("port-down", format!("{network} {name} port {port}"))
        }
        EventKind::PortGone { port, name, network } => {
            ("port-gone", format!("{network} {name} port {port}"))
        }
        EventKind::FdbLearned { network, mac, port } => {
            ("fdb-learned", format!("{network} {mac} port {port}"))
        }
        EventKind::FdbMoved { network, mac, from, to } => {
            ("fdb-moved", format!("{network} {mac} port {from} -> {to}"))
        }
        EventKind::FdbAged { network, entries } => {
            ("fdb-aged", format!("{network} {entries} entries"))
        }
        EventKind::Lagged { lost } => {
            ("lagged", format!("{lost} events are missing here: this monitor was too slow"))
        }
    };
    printable(&format!("{} {kind:<19} {about}", event.time))
}

fn named(name: &str, id: &str) -> String {
    format!("{name} {}", print::short_id(id))
}
