//! `vswitch monitor`: events as they happen, a line each.

use super::Context;
use crate::{print, table::printable};
use anyhow::anyhow;
use vswitch::{
    api::types::{Event, EventKind},
    port::PortId,
};

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
        EventKind::EndpointConnect {
            network,
            sandbox,
            port,
            ifname,
            mac,
            ipv4,
            ipv6,
        } => {
            let mut words = vec![format!("{network} {sandbox}/{ifname} port {port} {mac}")];
            words.extend(ipv4.map(|address| address.to_string()));
            words.extend(ipv6.map(|address| address.to_string()));
            ("endpoint-connect", words.join(" "))
        }
        EventKind::EndpointDisconnect {
            network,
            sandbox,
            port,
            ifname,
        } => {
            let name = format!("{sandbox}/{ifname}");
            ("endpoint-disconnect", link(network, &name, *port))
        }
        EventKind::PortUp {
            port,
            name,
            network,
        } => ("port-up", link(network, name, *port)),
        EventKind::PortDown {
            port,
            name,
            network,
        } => ("port-down", link(network, name, *port)),
        EventKind::PortGone {
            port,
            name,
            network,
        } => ("port-gone", link(network, name, *port)),
        EventKind::FdbLearned { network, mac, port } => {
            ("fdb-learned", format!("{network} {mac} port {port}"))
        }
        EventKind::FdbMoved {
            network,
            mac,
            from,
            to,
        } => ("fdb-moved", format!("{network} {mac} port {from} -> {to}")),
        EventKind::FdbAged { network, entries } => {
            ("fdb-aged", format!("{network} {entries} entries"))
        }
        EventKind::Lagged { lost } => (
            "lagged",
            format!("{lost} events are missing here: this monitor was too slow"),
        ),
    };
    printable(&format!("{} {kind:<19} {about}", event.time))
}

fn named(name: &str, id: &str) -> String {
    format!("{name} {}", print::short_id(id))
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
