//! Requests as Docker 20.10 sends them, what they mean, and what it gets back.

use serde_json::json;

use super::*;
use crate::{api::docker::testing::Asked, control::guest::PoolGiven};

fn answers(guest: &Guest) -> Result<GuestReply, ControlError> {
    Ok(match guest {
        Guest::PoolRequest(asked) => GuestReply::Pool(PoolGiven {
            pool: "p1".to_owned(),
            subnet: asked
                .subnet
                .unwrap_or_else(|| "198.18.40.0/24".parse().unwrap()),
        }),
        Guest::AddressRequest { address, .. } => {
            let address = address.unwrap_or_else(|| "198.18.40.1".parse().unwrap());
            GuestReply::Address(ipnet::IpNet::new(address, 24).unwrap())
        }
        _ => GuestReply::Done,
    })
}

#[tokio::test]
async fn pools_and_addresses() {
    let asked = Asked::new(answers);
    let reply = asked
        .done(
            "/IpamDriver.RequestPool",
            r#"{"AddressSpace":"l","Pool":"","SubPool":"","Options":{},"V6":true}"#,
        )
        .await;
    assert_eq!(
        reply,
        json!({"PoolID": "p1", "Pool": "198.18.40.0/24", "Data": {}})
    );
    asked
        .done("/IpamDriver.RequestPool", r#"{"AddressSpace":"l","Pool":"198.18.41.0/24","SubPool":"198.18.41.128/25","Options":null,"V6":false}"#)
        .await;
    let reply = asked
        .done("/IpamDriver.RequestAddress", r#"{"PoolID":"p1","Address":"","Options":{"RequestAddressType":"com.docker.network.gateway"}}"#)
        .await;
    assert_eq!(reply, json!({"Address": "198.18.40.1/24", "Data": {}}));
    let reply = asked
        .done(
            "/IpamDriver.RequestAddress",
            r#"{"PoolID":"p1","Address":"198.18.40.9","Options":null}"#,
        )
        .await;
    assert_eq!(reply["Address"], "198.18.40.9/24");
    let release = r#"{"PoolID":"p1","Address":"198.18.40.9"}"#;
    assert_eq!(
        asked.done("/IpamDriver.ReleaseAddress", release).await,
        json!({})
    );
    let release = r#"{"PoolID":"p1"}"#;
    assert_eq!(
        asked.done("/IpamDriver.ReleasePool", release).await,
        json!({})
    );
    assert_eq!(asked.noted(), expected());
}

fn expected() -> Vec<Guest> {
    let (pool, nine) = ("p1".to_owned(), "198.18.40.9".parse().unwrap());
    vec![
        Guest::PoolRequest(PoolRequest {
            space: "l".to_owned(),
            subnet: None,
            range: None,
            ipv6: true,
        }),
        Guest::PoolRequest(PoolRequest {
            space: "l".to_owned(),
            subnet: Some("198.18.41.0/24".parse().unwrap()),
            range: Some("198.18.41.128/25".parse().unwrap()),
            ipv6: false,
        }),
        Guest::AddressRequest {
            pool: pool.clone(),
            address: None,
        },
        Guest::AddressRequest {
            pool: pool.clone(),
            address: Some(nine),
        },
        Guest::AddressRelease {
            pool: pool.clone(),
            address: nine,
        },
        Guest::PoolRelease { pool },
    ]
}

#[tokio::test]
async fn what_is_wrong_is_said_under_the_key_of_ipam() {
    let asked = Asked::new(answers);
    for (method, body, says) in [
        ("RequestPool", r#"{"Options":{"k":"v"}}"#, "\"k\""),
        (
            "RequestPool",
            r#"{"SubPool":"198.18.41.128/25"}"#,
            "--subnet",
        ),
        ("RequestPool", r#"{"Pool":"198.18.41.0"}"#, "198.18.41.0"),
        ("RequestAddress", r#"{"PoolID":"p","Address":"x"}"#, "\"x\""),
        (
            "ReleaseAddress",
            r#"{"PoolID":"p","Address":""}"#,
            "none is given",
        ),
    ] {
        let (status, reply) = asked.post(&format!("/IpamDriver.{method}"), body).await;
        assert_eq!(status, 200);
        assert!(reply["Error"].as_str().unwrap().contains(says), "{reply}");
    }
    assert!(asked.noted().is_empty());
}
