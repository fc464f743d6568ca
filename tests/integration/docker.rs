//! Docker's engine with the switch as its network driver: the real `dockerd`, on a host without a bridge, without veths,
//! without netfilter, and once with all of these.

mod compose;
mod containers;
mod drivers;
mod foreign;
mod hostile;
mod many;
mod networks;
mod normal;
mod ports;
mod readme;
mod restarts;

use serde_json::{Value, json};
use std::net::IpAddr;
use vswitch_tests::{
    Docker, Lab, Sandbox, Setup,
    deadline::{SOON, within},
    lab::Scope,
};

/// A lab whose daemon is a plugin.
fn lab() -> Lab {
    Lab::start_with(&plugin())
}

/// A daemon that is a plugin.
fn plugin() -> Setup {
    Setup {
        docker: Some(Scope::Local),
        keeps: true,
        ..Setup::default()
    }
}

/// Asserts that there is an answer.
#[track_caller]
fn pings(from: &Sandbox, to: IpAddr) {
    from.exec(&["ping", "-c1", "-W5", &to.to_string()]).done();
}

/// Asserts that a network is the same to the engine and to the switch, with so many containers. Names may take a moment.
#[track_caller]
fn agree(lab: &Lab, docker: &Docker, network: &str, containers: usize) {
    let theirs = essence(&docker.network(network));
    let mut ours = Value::Null;
    within(SOON, || {
        let found = lab.cli(&["--json", "network", "inspect", network]);
        let found: Value = serde_json::from_str(&found.stdout).ok()?;
        ours = essence(&found[0]);
        (ours == theirs).then_some(())
    });
    assert_eq!(
        ours, theirs,
        "the switch and the engine differ on {network}"
    );
    let count = theirs["containers"].as_object().map(serde_json::Map::len);
    assert_eq!(count, Some(containers), "{theirs}");
}

/// What has to be the same of a network.
fn essence(network: &Value) -> Value {
    let subnets: Vec<Value> = (network["IPAM"]["Config"].as_array().into_iter().flatten())
        .map(|config| json!(config["Subnet"]))
        .collect();
    let containers: serde_json::Map<String, Value> =
        (network["Containers"].as_object().into_iter().flatten())
            // So an engine shows endpoints of other engines, which are none here.
            .filter(|(id, _)| !id.starts_with("ep-"))
            .map(|(id, one)| {
                let keys = [
                    "Name",
                    "EndpointID",
                    "MacAddress",
                    "IPv4Address",
                    "IPv6Address",
                ];
                (
                    id.clone(),
                    keys.iter().map(|key| (*key, one[*key].clone())).collect(),
                )
            })
            .collect();
    json!({
        "id": network["Id"],
        "name": network["Name"],
        "internal": network["Internal"],
        "ipv6": network["EnableIPv6"],
        "subnets": subnets,
        "containers": containers,
    })
}
