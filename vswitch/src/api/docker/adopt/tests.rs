//! A control plane without networks, and an engine that has one.

use serde_json::json;

use super::super::testing::{Asked, FakeEngine};
use super::*;

const NET: &str = "23e1af9c34f7d069a5534f39389116948ebcdbd76818ed470d5467a113b4a073";
const ENDPOINT: &str = "ad4de4c3b16aed29ec888c5c69d6da6f8ccf7971d12e52f306701d8491be2801";

/// Knows no network: the first reservation is refused, all else is done.
fn ignorant(guest: &Guest) -> Result<GuestReply, ControlError> {
    match guest {
        Guest::Reserve(_) => Err(ControlError::not_found("network: no such network")),
        Guest::Reserved { .. } => Ok(GuestReply::Places(Vec::new())),
        _ => Ok(GuestReply::Done),
    }
}

/// The body of CreateEndpoint.
fn endpoint() -> String {
    json!({"NetworkID": NET, "EndpointID": ENDPOINT, "Interface": {}, "Options": {}}).to_string()
}

#[tokio::test]
async fn a_network_that_only_the_engine_knows_is_made_for_its_first_endpoint() {
    let engine = FakeEngine::start();
    engine.knows(
        &format!("/networks/{NET}"),
        json!({
            "Name": "wide", "Id": NET, "EnableIPv6": true, "Internal": true,
            "IPAM": {"Driver": "default", "Options": null, "Config": [
                {"Subnet": "198.18.50.0/24", "IPRange": "198.18.50.128/25", "AuxiliaryAddresses": {"r": "198.18.50.9"}},
                {"Subnet": "2001:2:50::/64", "Gateway": "2001:2:50::9"},
            ]},
            "Options": {"driver": "overlay", "vni": "42"},
        }),
    );
    let asked = Asked::with(ignorant, engine.engine());
    let (_, reply) = asked
        .post("/NetworkDriver.CreateEndpoint", &endpoint())
        .await;
    // Still refused: this control plane stays ignorant.
    assert!(reply.to_string().contains("no such network"), "{reply}");
    let noted = asked.noted();
    let [
        Guest::Reserve(first),
        Guest::NetworkCreate { id, create },
        Guest::Reserve(second),
        ..,
    ] = noted.as_slice()
    else {
        panic!("{noted:?}");
    };
    assert_eq!(first, second);
    assert_eq!(id.as_str(), NET);
    assert_eq!(create.driver, "overlay");
    assert_eq!(create.options, [("vni".to_owned(), "42".to_owned())].into());
    assert!(create.internal && create.ipv6);
    let text = |all: &[IpNet]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(text(&create.subnets), ["198.18.50.0/24", "2001:2:50::/64"]);
    let gateways: Vec<_> = create.gateways.iter().map(ToString::to_string).collect();
    assert_eq!(gateways, ["198.18.50.128", "2001:2:50::9"]);
    assert_eq!(create.aux_addresses["r"].to_string(), "198.18.50.9");
}

#[tokio::test]
async fn what_the_engine_does_not_know_either_stays_unknown() {
    let engine = FakeEngine::start();
    let asked = Asked::with(ignorant, engine.engine());
    let (_, reply) = asked
        .post("/NetworkDriver.CreateEndpoint", &endpoint())
        .await;
    assert!(reply.to_string().contains("no such network"), "{reply}");
    assert!(matches!(asked.noted().as_slice(), [Guest::Reserve(_)]));
}

#[tokio::test]
async fn a_network_of_all_engines_goes_with_its_last_endpoint() {
    let body = json!({"NetworkID": NET, "EndpointID": ENDPOINT}).to_string();
    for (scope, goes) in [(Scope::Local, false), (Scope::Global, true)] {
        let mut asked = Asked::new(ignorant);
        asked.plugin.scope = scope;
        asked.done("/NetworkDriver.DeleteEndpoint", &body).await;
        let noted = asked.noted();
        let removed = noted
            .iter()
            .any(|guest| matches!(guest, Guest::NetworkRemove { .. }));
        assert_eq!(removed, goes, "{noted:?}");
    }
}

#[test]
fn the_gateway_that_the_engine_does_not_show_is_its_first_address() {
    for (subnet, range, gateway) in [
        ("198.18.50.0/24", "", "198.18.50.1"),
        ("198.18.50.0/24", "198.18.50.0/25", "198.18.50.1"),
        ("198.18.50.0/24", "198.18.50.128/25", "198.18.50.128"),
        ("2001:2:50::/64", "", "2001:2:50::1"),
    ] {
        let config = IpamConfig {
            subnet: subnet.to_owned(),
            ip_range: range.to_owned(),
            ..IpamConfig::default()
        };
        let found = data(&config).unwrap();
        assert_eq!(found.gateway, gateway, "{subnet} {range}");
    }
    assert_eq!(data(&IpamConfig::default()).unwrap().gateway, "");
}
