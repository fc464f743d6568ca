//! `vswitch fdb ...`.

use super::Context;
use crate::{
    args::fdb::{Fdb, Kind},
    print::span,
    table::Table,
};
use std::{collections::HashMap, time::Duration};
use vswitch::{
    api::types::{FdbAdd, FdbEntry, FdbFlush, FdbKind, FdbRemove, PortInfo},
    port::PortId,
};

/// Carries out one of the commands.
pub(crate) async fn run(context: &Context, command: Fdb) -> anyhow::Result<()> {
    let client = &context.client;
    match command {
        Fdb::Show { network } => show(context, &network).await,
        Fdb::Add(args) => {
            // The two exclude each other.
            let kind = match (args.sticky, args.local) {
                (true, _) => FdbKind::Sticky,
                (false, true) => FdbKind::Local,
                (false, false) => FdbKind::Static,
            };
            let add = FdbAdd {
                mac: args.mac,
                port: args.port,
                remote: args.remote,
                vlan: args.vlan,
                kind,
            };
            Ok(client.fdb_add(&args.network, &add).await?)
        }
        Fdb::Del(args) => {
            let remove = FdbRemove {
                mac: args.mac,
                vlan: args.vlan,
            };
            Ok(client.fdb_remove(&args.network, &remove).await?)
        }
        Fdb::Flush(args) => {
            let flush = FdbFlush {
                port: args.port,
                mac: args.mac,
                vlan: args.vlan,
                kind: Some(match args.kind {
                    Kind::Learned => FdbKind::Learned,
                    Kind::Static => FdbKind::Static,
                    Kind::Sticky => FdbKind::Sticky,
                }),
            };
            let flushed = client.fdb_flush(&args.network, &flush).await?;
            context
                .print
                .show(&flushed, |flushed| match flushed.flushed {
                    1 => "1 entry flushed".to_owned(),
                    n => format!("{n} entries flushed"),
                })
        }
    }
}

/// `fdb show`.
pub(crate) async fn show(context: &Context, network: &str) -> anyhow::Result<()> {
    let entries = context.client.fdb(network).await?;
    // Names are for people; a script has `port ls --json`.
    let ports = if context.print.json {
        Vec::new()
    } else {
        context.client.ports().await?
    };
    context
        .print
        .show(&entries[..], |entries| table(entries, &ports))
}

fn table(entries: &[FdbEntry], ports: &[PortInfo]) -> String {
    let names: HashMap<PortId, &str> = ports
        .iter()
        .map(|port| (port.id, port.name.as_str()))
        .collect();
    let none = || "-".to_owned();
    let mut table = Table::new(["MAC", "VLAN", "PORT", "REMOTE", "KIND", "AGE"]);
    for entry in entries {
        table.row([
            entry.mac.to_string(),
            entry.vlan.map_or_else(none, |vlan| vlan.to_string()),
            entry.port.map_or_else(none, |id| match names.get(&id) {
                Some(name) => format!("{id} {name}"),
                // Removed between the two requests.
                None => id.to_string(),
            }),
            (entry.remote).map_or_else(none, |remote| remote.to_string()),
            entry.kind.to_string(),
            match entry.kind {
                FdbKind::Learned => span(Duration::from_secs(entry.age)),
                // These do not age.
                FdbKind::Static | FdbKind::Sticky | FdbKind::Local => none(),
            },
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_port_is_shown_with_its_name_while_it_has_one() {
        let entries: Vec<FdbEntry> = serde_json::from_value(json!([
            {"mac": "02:00:5e:10:00:01", "vlan": null, "port": 1, "remote": null,
             "kind": "learned", "age": 75},
            {"mac": "02:00:5e:10:00:02", "vlan": 7, "port": 9, "remote": "198.18.100.2",
             "kind": "static", "age": 75},
            {"mac": "02:00:5e:10:00:03", "vlan": null, "port": null, "remote": null,
             "kind": "local", "age": 0}
        ]))
        .expect("the promised shape");
        let ports: Vec<PortInfo> = serde_json::from_value(json!([{
            "id": 1, "name": "a/eth0", "network": "lan", "sandbox": "a", "kind": "tap",
            "state": "up", "mtu": 1500, "offload": "off", "rx": {"frames": 0, "bytes": 0},
            "tx": {"frames": 0, "bytes": 0}, "drops": {}
        }]))
        .expect("the promised shape");
        assert_eq!(
            table(&entries, &ports),
            "MAC                 VLAN   PORT       REMOTE         KIND      AGE\n\
             02:00:5e:10:00:01   -      1 a/eth0   -              learned   1m15s\n\
             02:00:5e:10:00:02   7      9          198.18.100.2   static    -\n\
             02:00:5e:10:00:03   -      -          -              local     -"
        );
    }
}
