//! `vswitch peer ...`.

use super::Context;
use crate::{
    args::peer::Peer,
    print::{span, traffic},
    table::Table,
};
use std::time::Duration;
use vswitch::api::types::PeerInfo;

/// Carries out one of the commands.
pub(crate) async fn run(context: &Context, command: Peer) -> anyhow::Result<()> {
    let client = &context.client;
    match command {
        Peer::Add { network, ip } => Ok(client.add_peer(&network, ip).await?),
        Peer::Rm { network, ip } => Ok(client.remove_peer(&network, ip).await?),
        Peer::Ls { network } => {
            let peers = client.peers(&network).await?;
            context.print.show(&peers[..], table)
        }
    }
}

fn table(peers: &[PeerInfo]) -> String {
    let mut table = Table::new(["PEER", "RX", "TX", "LAST HEARD", "PATH MTU"]);
    for peer in peers {
        table.row([
            peer.ip.to_string(),
            traffic(peer.rx),
            traffic(peer.tx),
            match peer.last_heard {
                Some(seconds) => format!("{} ago", span(Duration::from_secs(seconds.into()))),
                None => "never".to_owned(),
            },
            (peer.path_mtu).map_or_else(|| "-".to_owned(), |mtu| mtu.to_string()),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_peer_is_one_line() {
        let peers: Vec<PeerInfo> = serde_json::from_value(json!([
            {"ip": "198.18.100.2", "rx": {"frames": 12, "bytes": 1250},
             "tx": {"frames": 3, "bytes": 180}, "last_heard": 75, "path_mtu": 1500},
            {"ip": "2001:2::3", "rx": {"frames": 0, "bytes": 0}, "tx": {"frames": 0, "bytes": 0},
             "last_heard": null, "path_mtu": null}
        ]))
        .expect("the promised shape");
        assert_eq!(
            table(&peers),
            "PEER           RX           TX         LAST HEARD   PATH MTU\n\
             198.18.100.2   12 (1.3kB)   3 (180B)   1m15s ago    1500\n\
             2001:2::3      0 (0B)       0 (0B)     never        -"
        );
    }
}
