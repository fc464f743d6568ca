//! `vswitch monitor`: events as they happen, a line each.

use super::Context;
use crate::{print, table::printable};
use anyhow::anyhow;
use std::{fmt::Display, net::IpAddr};
use vswitch::{
    api::types::{Event, EventKind},
    port::PortId,
};
use vswitch_wire::MacAddr;

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
    let (kind, about) = (kind(&event.what), about(&event.what));
    printable(&format!("{} {kind:<19} {about}", event.time))
}

/// The type, as in JSON.
fn kind(what: &EventKind) -> &'static str {
    match what {
        EventKind::NetworkCreate { .. } => "network-create",
        EventKind::NetworkRemove { .. } => "network-remove",
        EventKind::SandboxCreate { .. } => "sandbox-create",
        EventKind::SandboxRemove { .. } => "sandbox-remove",
        EventKind::EndpointConnect { .. } => "endpoint-connect",
        EventKind::EndpointDisconnect { .. } => "endpoint-disconnect",
        EventKind::PortUp { .. } => "port-up",
        EventKind::PortDown { .. } => "port-down",
        EventKind::PortGone { .. } => "port-gone",
        EventKind::FdbLearned { .. } => "fdb-learned",
        EventKind::FdbMoved { .. } => "fdb-moved",
        EventKind::FdbAged { .. } => "fdb-aged",
        EventKind::PeerAdd { .. } => "peer-add",
        EventKind::PeerRemove { .. } => "peer-remove",
        EventKind::PeerHeard { .. } => "peer-heard",
        EventKind::PeerLost { .. } => "peer-lost",
        EventKind::NetworkMtu { .. } => "network-mtu",
        EventKind::ParentUp { .. } => "parent-up",
        EventKind::ParentDown { .. } => "parent-down",
        EventKind::ParentGone { .. } => "parent-gone",
        EventKind::Lagged { .. } => "lagged",
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "a pattern for each event, and nothing else"
)]
fn about(what: &EventKind) -> String {
    use EventKind as E;
    match what {
        E::NetworkCreate { network: name, id }
        | E::NetworkRemove { network: name, id }
        | E::SandboxCreate { sandbox: name, id }
        | E::SandboxRemove { sandbox: name, id } => format!("{name} {}", print::short_id(id)),
        E::EndpointConnect {
            network,
            sandbox,
            port,
            ifname,
            mac,
            ipv4,
            ipv6,
        } => {
            let link = link(network, &format!("{sandbox}/{ifname}"), *port);
            format!("{link} {mac}{}{}", address(*ipv4), address(*ipv6))
        }
        E::EndpointDisconnect {
            network,
            sandbox,
            port,
            ifname,
        } => link(network, &format!("{sandbox}/{ifname}"), *port),
        E::PortUp {
            port,
            name,
            network,
        }
        | E::PortDown {
            port,
            name,
            network,
        }
        | E::PortGone {
            port,
            name,
            network,
        } => link(network, name, *port),
        E::FdbLearned {
            network,
            mac,
            port,
            remote,
        } => learned(network, mac, &port.to_string(), *remote),
        E::FdbMoved {
            network,
            mac,
            from,
            to,
            remote,
        } => learned(network, mac, &format!("{from} -> {to}"), *remote),
        E::FdbAged { network, entries } => format!("{network} {entries} entries"),
        E::PeerAdd { network, peer }
        | E::PeerRemove { network, peer }
        | E::PeerHeard { network, peer } => format!("{network} {peer}"),
        E::PeerLost {
            network,
            peer,
            silent,
        } => format!("{network} {peer} silent for {silent} s"),
        E::NetworkMtu {
            network,
            mtu,
            former,
        } => format!("{network} {former} -> {mtu}"),
        E::ParentUp { parent } | E::ParentDown { parent } | E::ParentGone { parent } => {
            parent.clone()
        }
        E::Lagged { lost } => {
            format!("{lost} events are missing here: this monitor was too slow")
        }
    }
}

fn learned(network: &str, mac: &MacAddr, port: &str, remote: Option<IpAddr>) -> String {
    format!("{network} {mac} port {port}{}", address(remote))
}

fn address(address: Option<impl Display>) -> String {
    address.map_or_else(String::new, |address| format!(" {address}"))
}

fn link(network: &str, name: &str, port: PortId) -> String {
    format!("{network} {name} port {port}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_line_with_its_type_as_in_json() {
        let base = json!({"time": "2026-01-02T03:04:05.000006Z", "network": "lan"});
        for (kind, more, about) in [
            (
                "network-create",
                json!({"id": "0123456789abcdef"}),
                "lan 0123456789ab",
            ),
            (
                "fdb-moved",
                json!({"mac": "02:00:5e:10:00:01", "from": 1, "to": 2}),
                "lan 02:00:5e:10:00:01 port 1 -> 2",
            ),
            (
                "port-gone",
                json!({"port": 3, "name": "a/eth0"}),
                "lan a/eth0 port 3",
            ),
            (
                "endpoint-connect",
                json!({"sandbox": "a", "port": 3, "ifname": "eth0", "mac": "02:00:5e:10:00:01",
                    "ipv4": "198.18.0.2/24"}),
                "lan a/eth0 port 3 02:00:5e:10:00:01 198.18.0.2/24",
            ),
            (
                "fdb-learned",
                json!({"mac": "02:00:5e:10:00:01", "port": 2, "remote": "198.18.100.2"}),
                "lan 02:00:5e:10:00:01 port 2 198.18.100.2",
            ),
            (
                "peer-lost",
                json!({"peer": "198.18.100.2", "silent": 300}),
                "lan 198.18.100.2 silent for 300 s",
            ),
            (
                "network-mtu",
                json!({"mtu": 1350, "former": 1450}),
                "lan 1450 -> 1350",
            ),
            ("lagged", json!({"lost": 5}), "5 events"),
        ] {
            let mut event = base.clone();
            let object = event.as_object_mut().expect("an object");
            object.insert("type".to_owned(), json!(kind));
            object.extend(more.as_object().expect("an object").clone());
            let event: Event = serde_json::from_value(event).expect(kind);
            let text = text(&event);
            let words: Vec<&str> = text.split_whitespace().collect();
            assert_eq!(words[1], kind);
            assert!(words[2..].join(" ").starts_with(about), "{text}");
        }
    }
}
