//! `vswitch network ...`.

use super::{Context, each, warn};
use crate::{
    args::list::List,
    args::network::{Connect, Create, Network},
    args::values::KeyValue,
    filter::Filter,
    list::{self, Column},
    print::{self, id},
    template::Format,
};
use anyhow::Context as _;
use clap::CommandFactory;
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
};
use vswitch::{
    api::{
        Client,
        types::{self, Connected, ErrorKind, NetworkCreate, NetworkSummary, Pruned},
    },
    control::network::is_predefined,
};

/// Carries out one of the commands.
pub(crate) async fn run(context: &Context, command: Network) -> anyhow::Result<()> {
    match command {
        Network::Create(args) => create(context, args).await,
        Network::Ls { filter, list } => ls(context, &filter, &list).await,
        Network::Inspect { format, networks } => {
            inspect(context, format.as_deref(), &networks).await
        }
        Network::Rm { force, networks } => rm(context, &networks, force).await,
        Network::Prune { filter, force } => prune(context, &filter, force).await,
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
    crate::args::Cli::command().error(clap::error::ErrorKind::ArgumentConflict, text)
}

const COLUMNS: &[Column<NetworkSummary>] = &[
    Column {
        field: "ID",
        header: "NETWORK ID",
        shown: true,
        text: |network, whole| id(&network.id, whole),
    },
    Column {
        field: "Name",
        header: "NAME",
        shown: true,
        text: |network, _| network.name.clone(),
    },
    Column {
        field: "Driver",
        header: "DRIVER",
        shown: true,
        text: |network, _| network.driver.clone(),
    },
    Column {
        field: "Scope",
        header: "SCOPE",
        shown: true,
        text: |network, _| network.scope.clone(),
    },
    Column {
        field: "Internal",
        header: "INTERNAL",
        shown: false,
        text: |network, _| network.internal.to_string(),
    },
    Column {
        field: "Labels",
        header: "LABELS",
        shown: false,
        text: |network, _| {
            let pairs = network.labels.iter();
            let pairs: Vec<_> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
            pairs.join(",")
        },
    },
    Column {
        field: "CreatedAt",
        header: "CREATED AT",
        shown: false,
        text: |network, _| network.created.clone(),
    },
    Column {
        field: "Subnets",
        header: "SUBNETS",
        shown: false,
        text: |network, _| {
            let subnets: Vec<_> = network.subnets.iter().map(ToString::to_string).collect();
            subnets.join(",")
        },
    },
    Column {
        field: "Endpoints",
        header: "ENDPOINTS",
        shown: false,
        text: |network, _| network.endpoints.to_string(),
    },
];

/// `network ls`.
pub(crate) async fn ls(context: &Context, filter: &[KeyValue], wish: &List) -> anyhow::Result<()> {
    let filter = Filter::of_list(filter)?;
    let mut networks = context.client.networks().await?;
    networks.retain(|network| filter.holds(network));
    list::show(context.print, wish, COLUMNS, &networks)
}

/// `network inspect`: an array, as `docker network inspect` prints it, or what the template makes of each.
async fn inspect(
    context: &Context,
    format: Option<&str>,
    networks: &[String],
) -> anyhow::Result<()> {
    let format = format.map(Format::parse).transpose()?;
    let (found, all) = each(networks, async |name| {
        Ok(context.client.network(name).await?)
    })
    .await;
    match format {
        None => print::json(&found)?,
        Some(format) => {
            for network in &found {
                print::line(&format.apply(network)?)?;
            }
        }
    }
    all
}

/// `network rm`: prints what was removed, as it was called.
pub(crate) async fn rm(context: &Context, networks: &[String], force: bool) -> anyhow::Result<()> {
    let (removed, all) = each(networks, async |name| {
        match context.client.remove_network(name).await {
            Err(error) if force && error.kind() == Some(ErrorKind::NotFound) => Ok(None),
            other => Ok(other.map(|()| Some(name.to_owned()))?),
        }
    })
    .await;
    let removed: Vec<String> = removed.into_iter().flatten().collect();
    context
        .print
        .show(&json!({ "removed": removed }), |_| removed.join("\n"))?;
    all
}

/// `network prune`: prints what was removed.
async fn prune(context: &Context, filter: &[KeyValue], force: bool) -> anyhow::Result<()> {
    let filter = Filter::of_prune(filter)?;
    if !force && io::stdin().is_terminal() && !agreed()? {
        return Ok(());
    }
    let pruned = if filter.is_empty() {
        context.client.prune_networks().await?
    } else {
        prune_some(&context.client, &filter).await?
    };
    context
        .print
        .show(&pruned, |pruned| pruned.networks.join("\n"))
}

/// Removes those of the unused networks that are meant.
async fn prune_some(client: &Client, filter: &Filter) -> anyhow::Result<Pruned> {
    let mut networks = client.networks().await?;
    networks.retain(|network| {
        network.endpoints == 0 && !is_predefined(&network.name) && filter.holds(network)
    });
    let mut pruned = Pruned::default();
    for network in networks {
        match client.remove_network(&network.id).await {
            Ok(()) => pruned.networks.push(network.name),
            // Used or removed by somebody in the meantime, or not ours to remove.
            Err(error)
                if matches!(
                    error.kind(),
                    Some(ErrorKind::Conflict | ErrorKind::NotFound)
                ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(pruned)
}

/// Asks the person at the terminal.
fn agreed() -> anyhow::Result<bool> {
    print::to_stderr("This removes all networks that no sandbox is connected to. Continue? [y/N]");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("no answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
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
