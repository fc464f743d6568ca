//! `vswitch port ...`.

use super::{Context, each};
use crate::{
    args::port::Port,
    print::{self, traffic},
    table::Table,
};
use vswitch::api::types::PortInfo;

/// Carries out one of the commands.
pub(crate) async fn run(context: &Context, command: Port) -> anyhow::Result<()> {
    match command {
        Port::Ls => ls(context).await,
        Port::Inspect { ports } => {
            let (found, all) =
                each(&ports, async |port| Ok(context.client.port(port).await?)).await;
            print::json(&found)?;
            all
        }
    }
}

/// `port ls`.
pub(crate) async fn ls(context: &Context) -> anyhow::Result<()> {
    let ports = context.client.ports().await?;
    context.print.show(&ports[..], table)
}

fn table(ports: &[PortInfo]) -> String {
    let mut table = Table::new([
        "ID", "NAME", "NETWORK", "SANDBOX", "KIND", "STATE", "MTU", "OFFLOAD", "RX", "TX", "DROPS",
    ]);
    for port in ports {
        table.row([
            port.id.to_string(),
            port.name.clone(),
            port.network.clone(),
            port.sandbox.clone().unwrap_or_else(|| "-".to_owned()),
            port.kind.clone(),
            port.state.to_string(),
            port.mtu.to_string(),
            port.offload.clone(),
            traffic(port.rx),
            traffic(port.tx),
            port.drops.values().sum::<u64>().to_string(),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_port_is_one_line() {
        let ports: Vec<PortInfo> = serde_json::from_value(json!([{
            "id": 3, "name": "web/eth0", "network": "lan", "sandbox": "web", "kind": "tap",
            "state": "up", "mtu": 1500, "offload": "csum,tso4", "rx": {"frames": 12, "bytes": 1250},
            "tx": {"frames": 0, "bytes": 0}, "drops": {"no-peer": 2, "too-big": 1}
        }]))
        .expect("the promised shape");
        let text = table(&ports);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(lines[0].len(), 11);
        assert_eq!(
            lines[1],
            [
                "3",
                "web/eth0",
                "lan",
                "web",
                "tap",
                "up",
                "1500",
                "csum,tso4",
                "12",
                "(1.3kB)",
                "0",
                "(0B)",
                "3"
            ]
        );
    }
}
