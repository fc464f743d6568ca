//! A container on an overlay network, with ports, and what else the engine knows of it.

use serde_json::{Value, json};

use super::super::testing::{Asked, FakeEngine};
use crate::control::{
    ControlError,
    guest::{Guest, GuestReply, Joined},
};

const N: &str = "89feacf990d116cc62ea805c0284046449301a1bf3621560d41b297338909d60";
const E: &str = "93aa295df6a4513a08672b78c1dc7cadb746f8fb7c9f95a2634547ddd46ef07d";
const OTHER: &str = "11feacf990d116cc62ea805c0284046449301a1bf3621560d41b297338909d11";

/// Has networks without a way out.
fn no_way_out(guest: &Guest) -> Result<GuestReply, ControlError> {
    joined(guest, false)
}

fn sealed(guest: &Guest) -> Result<GuestReply, ControlError> {
    joined(guest, true)
}

fn joined(guest: &Guest, internal: bool) -> Result<GuestReply, ControlError> {
    Ok(match guest {
        Guest::Join { .. } => GuestReply::Joined(Joined {
            device: "vp-0".to_owned(),
            gateways: Vec::new(),
            internal,
        }),
        Guest::Publish { bindings, .. } if bindings.iter().any(|one| one.host_port == 99) => {
            return Err(ControlError::conflict("99:80/tcp: taken; give another"));
        }
        Guest::Publish { bindings, .. } => GuestReply::Published(bindings.clone()),
        _ => GuestReply::Done,
    })
}

fn join(ports: &Value) -> String {
    json!({
        "NetworkID": N, "EndpointID": E, "SandboxKey": "/var/run/docker/netns/1",
        "Options": {"com.docker.network.portmap": ports},
    })
    .to_string()
}

fn port(host: u16) -> Value {
    json!([{"Proto": 6, "Port": 80, "HostPort": host, "HostPortEnd": host}])
}

/// An engine whose container has a second network like this.
fn engine(second: &Value) -> FakeEngine {
    let engine = FakeEngine::start();
    let wide = json!({
        "Name": "wide", "Id": N, "Driver": "vswitch", "Options": {"driver": "overlay"},
        "Containers": {format!("ep-{E}"): {"Name": "web", "EndpointID": E}},
    });
    engine.knows(&format!("/networks/{N}"), &wide);
    engine.knows("/networks", json!([wide, second]));
    let networks = json!({"wide": {"EndpointID": ""}, "second": {"EndpointID": ""}});
    let container = json!({"Names": ["/web"], "NetworkSettings": {"Networks": networks}});
    let another = json!({"Names": ["/web2"], "NetworkSettings": {"Networks": {}}});
    engine.knows("/containers/json", json!([another, container]));
    engine
}

/// What was published when the container joined.
async fn published(asked: &Asked) -> Vec<String> {
    asked.done("/NetworkDriver.Join", &join(&port(8080))).await;
    let noted = asked.noted().into_iter();
    let bindings = noted.filter_map(|guest| match guest {
        Guest::Publish { bindings, .. } => Some(bindings),
        _ => None,
    });
    bindings.flatten().map(|one| one.to_string()).collect()
}

#[tokio::test]
async fn a_container_with_no_other_way_out_has_its_ports_where_it_joins() {
    let ours = |options: Value| json!({"Name": "second", "Id": OTHER, "Driver": "vswitch", "Options": options});
    for (second, here) in [
        (
            json!({"Name": "other", "Id": OTHER, "Driver": "bridge"}),
            true,
        ),
        (
            json!({"Name": "second", "Id": OTHER, "Driver": "bridge"}),
            false,
        ),
        (
            json!({"Name": "second", "Id": OTHER, "Driver": "bridge", "Internal": true}),
            true,
        ),
        (
            json!({"Name": "second", "Id": OTHER, "Driver": "null"}),
            true,
        ),
        (ours(json!({})), false),
        (ours(json!({"driver": "macvlan"})), false),
        (ours(json!({"driver": "overlay"})), true),
        (ours(json!({"gateway": "inside"})), true),
        (ours(json!({"gateway": "host"})), false),
    ] {
        let engine = engine(&second);
        let asked = Asked::with(no_way_out, engine.engine());
        let expected: &[&str] = if here { &["8080:80/tcp"] } else { &[] };
        assert_eq!(published(&asked).await, expected, "{second}");
    }
}

#[tokio::test]
async fn an_engine_that_does_not_answer_leaves_them_to_us() {
    let asked = Asked::new(no_way_out);
    assert_eq!(published(&asked).await, ["8080:80/tcp"]);
}

#[tokio::test]
async fn an_internal_network_publishes_nothing() {
    let asked = Asked::new(sealed);
    assert_eq!(published(&asked).await, [""; 0]);
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_when_it_joins() {
    let asked = Asked::new(no_way_out);
    let (_, reply) = asked.post("/NetworkDriver.Join", &join(&port(99))).await;
    assert_eq!(reply, json!({"Err": "99:80/tcp: taken; give another"}));
}
