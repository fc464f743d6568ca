//! `vswitch network ...`.

use super::{Context, each, warn};
use crate::{
    args::network::{Connect, Create, Network},
    args::values::KeyValue,
    print::{self, short_id},
    table::Table,
};
use clap::{CommandFactory, error::ErrorKind};
use serde_json::json;
use std::collections::BTreeMap;
use vswitch::api::types::{self, Connected, NetworkCreate, NetworkSummary};

/// Carries out one of the commands.
pub(crate) async fn run(context: &Context, command: Network) -> anyhow::Result<()> {
    match command {
        Network::Create(args) => create(context, args).await,
        Network::Ls => ls(context).await,
        Network::Inspect { networks } => inspect(context, &networks).await,
        Network::Rm { networks } => rm(context, &networks).await,
        Network::Prune => prune(context).await,
        Network::Connect(args) => connect(context, args).await,
        Network::Disconnect(args) => {
            let reply = context
                .client
                .disconnect_endpoint(&args.network, &args.sandbox)
                .await?;
            warn(&reply.warnings);
            Ok(())
        }
    }
}

/// `network create`: prints the ID.
pub(crate) async fn create(context: &Context, args: Create) -> anyhow::Result<()> {
    let request = request(args)?;
    let created = context.client.create_network(&request).await?;
    context.print.show(&created, |created| created.id.clone())
}

/// The request that the words ask for.
fn request(args: Create) -> Result<NetworkCreate, clap::Error> {
    let mut aux_addresses = BTreeMap::new();
    for aux in args.aux_address {
        if aux_addresses
            .insert(aux.name.clone(), aux.address)
            .is_some()
        {
            return Err(twice("--aux-address", &aux.name));
        }
    }
    Ok(NetworkCreate {
        name: args.name,
        driver: args.driver,
        subnets: args.subnet,
        gateways: args.gateway,
        ip_ranges: args.ip_range,
        aux_addresses,
        ipam_driver: args.ipam_driver,
        ipv6: args.ipv6,
        internal: args.internal,
        labels: map("--label", args.label)?,
        options: map("--opt", args.options)?,
    })
}

fn map(flag: &str, pairs: Vec<KeyValue>) -> Result<BTreeMap<String, String>, clap::Error> {
    let mut map = BTreeMap::new();
    for KeyValue { key, value } in pairs {
        if map.insert(key.clone(), value).is_some() {
            return Err(twice(flag, &key));
        }
    }
    Ok(map)
}

/// One key with two values: the person meant one of them, and we cannot know which.
fn twice(flag: &str, key: &str) -> clap::Error {
    let text = format!("{flag} names '{key}' more than once: give it once");
    crate::args::Cli::command().error(ErrorKind::ArgumentConflict, text)
}

/// `network ls`.
pub(crate) async fn ls(context: &Context) -> anyhow::Result<()> {
    let networks = context.client.networks().await?;
    context.print.show(&networks[..], table)
}

fn table(networks: &[NetworkSummary]) -> String {
    let mut table = Table::new(["NETWORK ID", "NAME", "DRIVER", "SCOPE"]);
    for network in networks {
        table.row([
            short_id(&network.id),
            network.name.clone(),
            network.driver.clone(),
            network.scope.clone(),
        ]);
    }
    table.to_string()
}

/// `network inspect`: an array, as `docker network inspect` prints it.
async fn inspect(context: &Context, networks: &[String]) -> anyhow::Result<()> {
    let (found, all) = each(networks, async |name| {
        Ok(context.client.network(name).await?)
    })
    .await;
    print::json(&found)?;
    all
}

/// `network rm`: prints what was removed, as it was called.
pub(crate) async fn rm(context: &Context, networks: &[String]) -> anyhow::Result<()> {
    let (removed, all) = each(networks, async |name| {
        context.client.remove_network(name).await?;
        Ok(name.to_owned())
    })
    .await;
    context
        .print
        .show(&json!({ "removed": removed }), |_| removed.join("\n"))?;
    all
}

/// `network prune`: prints what was removed.
async fn prune(context: &Context) -> anyhow::Result<()> {
    let pruned = context.client.prune_networks().await?;
    context
        .print
        .show(&pruned, |pruned| pruned.networks.join("\n"))
}

/// `network connect`: prints the interface that the sandbox has got.
pub(crate) async fn connect(context: &Context, args: Connect) -> anyhow::Result<()> {
    let request = types::Connect {
        sandbox: args.sandbox,
        ip: args.ip,
        ip6: args.ip6,
        mac_address: args.mac_address,
        ifname: args.ifname,
        options: map("--opt", args.options)?,
        aliases: args.alias,
        publish: args.publish.into_iter().flat_map(Vec::from).collect(),
        gateway_priority: args.gw_priority,
    };
    let connected = context
        .client
        .connect_endpoint(&args.network, &request)
        .await?;
    context.print.show(&connected, connection)
}

fn connection(connected: &Connected) -> String {
    let interface = &connected.interface;
    let mut words = vec![
        format!("{}: {}", connected.sandbox, interface.ifname),
        interface.mac_address.to_string(),
    ];
    words.extend(interface.ipv4.map(|address| address.to_string()));
    words.extend(interface.ipv6.map(|address| address.to_string()));
    words.push(format!("on {}, port {}", connected.network, interface.port));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn parse(words: &[&str]) -> Result<NetworkCreate, clap::Error> {
        let words = ["vswitch", "network", "create"].iter().chain(words);
        match Cli::try_parse_from(words)?.command {
            Command::Network(Network::Create(args)) => request(args),
            other => panic!("read as {other:?}"),
        }
    }

    #[test]
    fn every_flag_reaches_the_daemon() {
        let request = parse(&[
            "lan",
            "-d",
            "overlay",
            "--subnet",
            "198.18.0.0/24",
            "--subnet",
            "2001:2::/64",
            "--gateway",
            "198.18.0.254",
            "--ip-range",
            "198.18.0.128/25",
            "--aux-address",
            "x=198.18.0.9",
            "--ipv6",
            "--internal",
            "--label",
            "team=net",
            "-o",
            "mtu=9000",
            "-o",
            "encrypted",
        ])
        .expect("well formed");
        let json = serde_json::to_value(&request).expect("serializes");
        assert_eq!(
            json,
            json!({
                "name": "lan", "driver": "overlay",
                "subnets": ["198.18.0.0/24", "2001:2::/64"], "gateways": ["198.18.0.254"],
                "ip_ranges": ["198.18.0.128/25"], "aux_addresses": {"x": "198.18.0.9"},
                "ipam_driver": "default",
                "ipv6": true, "internal": true, "labels": {"team": "net"},
                "options": {"mtu": "9000", "encrypted": ""}
            })
        );
    }

    #[test]
    fn one_key_twice_is_wrong_usage() {
        for words in [
            ["lan", "-o", "mtu=1500", "-o", "mtu=9000"],
            ["lan", "--label", "a=1", "--label", "a=1"],
            [
                "lan",
                "--aux-address",
                "x=198.18.0.1",
                "--aux-address",
                "x=198.18.0.2",
            ],
        ] {
            let error = parse(&words).expect_err("twice");
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("more than once"), "{error}");
        }
    }
}
