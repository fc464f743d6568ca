//! Names that an engine tells, in time, late, or never.

use serde_json::json;

use super::*;
use crate::{
    api::docker::testing::{Asked, FakeEngine},
    control::{ControlError, guest::GuestReply},
};

const N: &str = "f731a22de4eada58d55b4a539b88ef7ee01eb4d575670f0a34284bb96ed7d3c4";
const E: &str = "f2fdab3bc48b0ca0c1c402917e0603cfa6a0596b5305f3911b6c45aa0925f11b";
const C: &str = "c215dea35190fdf18c1dbf0507fca96c6530fbb03c64a721d295a2d1b1621f57";

fn done(guest: &Guest) -> Result<GuestReply, ControlError> {
    Ok(match guest {
        Guest::Reserved { .. } => GuestReply::Places(vec![
            id("endpoint", E).unwrap(),
            id("endpoint", &"e".repeat(64)).unwrap(),
        ]),
        _ => GuestReply::Done,
    })
}

fn network(container: &str) -> serde_json::Value {
    json!({"Id": N, "Name": "lan", "Driver": "vswitch", "Containers": {
        "ep-1": {"Name": "gone", "EndpointID": "1"},
        container: {"Name": "web", "EndpointID": E, "MacAddress": "02:42:c6:12:00:02"},
    }})
}

fn container(name: &str) -> serde_json::Value {
    json!({
        "Id": C, "Name": format!("/{name}"),
        "State": {"Status": "running", "Running": true, "Pid": 4242},
        "Config": {"Hostname": "host-1"},
        "NetworkSettings": {"Networks": {
            "lan": {"NetworkID": N, "EndpointID": E, "Aliases": ["al", "c215dea35190"], "GwPriority": 7},
            "other": {"EndpointID": "", "Aliases": null},
        }},
    })
}

fn rename() -> Guest {
    Guest::NetworkRename {
        id: id("network", N).unwrap(),
        name: "lan".to_owned(),
    }
}

fn described(name: &str, aliases: &[&str], gateway_priority: i32) -> Guest {
    Guest::Describe {
        endpoint: id("endpoint", E).unwrap(),
        about: About {
            name: name.to_owned(),
            container: C.to_owned(),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            gateway_priority,
        },
    }
}

#[tokio::test]
async fn a_network_gets_its_name_as_soon_as_the_engine_has_made_it() {
    let engine = FakeEngine::start();
    let asked = Asked::with(done, engine.engine());
    asked.plugin.names.network(N.to_owned());
    // The first question is asked in vain.
    engine.answered().await;
    assert!(asked.noted().is_empty());
    engine.knows(&format!("/networks/{N}"), network(C));
    assert_eq!(asked.noted_at_least(1).await, [rename()]);
}

#[tokio::test]
async fn a_container_has_its_name_first_and_its_aliases_when_it_has_started() {
    let engine = FakeEngine::start();
    let asked = Asked::with(done, engine.engine());
    engine.knows(&format!("/networks/{N}"), network("ep-2"));
    engine.knows(&format!("/containers/{C}/json"), container("web"));
    asked.plugin.names.endpoint(N.to_owned(), E.to_owned());
    engine.answered().await;
    assert!(asked.noted().is_empty(), "it is nobody's yet");
    engine.knows(&format!("/networks/{N}"), network(C));
    let all = ["al", "host-1"];
    let expected = [described("web", &[], 0), described("web", &all, 7)];
    assert_eq!(asked.noted_at_least(2).await, expected);
}

#[tokio::test]
async fn an_engine_that_is_found_is_asked_for_everything_and_then_followed() {
    let engine = FakeEngine::start();
    let asked = Asked::with(done, engine.engine());
    engine.knows(
        "/networks",
        json!([{"Id": N, "Name": "lan", "Containers": {}}]),
    );
    engine.knows(
        &format!("/networks/{N}"),
        json!({"Id": N, "Name": "lan", "Containers": {
            C: {"Name": "web", "EndpointID": E}
        }}),
    );
    engine.knows(&format!("/containers/{C}/json"), container("shop"));
    let event = json!({"Type": "container", "Action": "rename", "Actor": {
        "ID": C, "Attributes": {"name": "shop", "oldName": "/web"}
    }});
    engine.knows("/events", format!("{event}\n"));
    let following = tokio::spawn(asked.plugin.names.clone().follow());
    let kept = Guest::Reserved {
        network: id("network", N).unwrap(),
    };
    let shop = described("shop", &["al", "host-1"], 7);
    let expected = [Guest::EngineBegan, rename(), kept, shop.clone(), shop];
    let noted = asked.noted_at_least(6).await;
    assert_eq!(noted[..5], expected);
    // What the engine does not list has gone.
    let endpoint = id("endpoint", &"e".repeat(64)).unwrap();
    assert!(noted.contains(&Guest::Release { endpoint }), "{noted:?}");
    assert_eq!(noted.len(), 6);
    following.abort();
}

#[tokio::test]
async fn without_an_engine_there_are_no_names_and_no_harm() {
    let asked = Asked::new(done);
    asked.plugin.names.network(N.to_owned());
    asked.plugin.names.0.describe(N, E).await;
    assert!(!asked.plugin.names.0.watch().await);
    assert!(asked.noted().is_empty());
}

#[test]
fn what_newer_engines_call_a_container_in_dns_is_taken_once() {
    let mut found = container("web");
    let lan = &mut found["NetworkSettings"]["Networks"]["lan"];
    lan["DNSNames"] = json!(["web", "al", "c215dea35190", "host-1"]);
    let found: Container = serde_json::from_value(found).unwrap();
    let settings = &found.network_settings.networks["lan"];
    assert_eq!(about(&found, settings).aliases, ["al", "host-1"]);
}
