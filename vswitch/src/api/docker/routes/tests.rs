//! What the engine sends, what reaches the control plane, what the engine gets; without a bad word in it.

use std::fmt::Write as _;

use axum::body::Body;
use hyper::Request;
use serde_json::{Value, json};

use crate::{
    api::docker::testing::Asked,
    control::{
        ControlError,
        guest::{Guest, GuestReply},
    },
};

fn done(_: &Guest) -> Result<GuestReply, ControlError> {
    Ok(GuestReply::Done)
}

fn refused(_: &Guest) -> Result<GuestReply, ControlError> {
    Err(ControlError::conflict("a: taken; give another"))
}

const N: &str = "f731a22de4eada58d55b4a539b88ef7ee01eb4d575670f0a34284bb96ed7d3c4";
const E: &str = "f2fdab3bc48b0ca0c1c402917e0603cfa6a0596b5305f3911b6c45aa0925f11b";

#[tokio::test]
async fn the_handshake_needs_no_body() {
    let asked = Asked::new(done);
    assert_eq!(
        asked.done("/Plugin.Activate", "").await,
        json!({"Implements": ["NetworkDriver", "IpamDriver"]})
    );
    assert_eq!(
        asked.done("/NetworkDriver.GetCapabilities", "").await,
        json!({"Scope": "local", "ConnectivityScope": "local", "GwAllocChecker": false})
    );
    assert_eq!(
        asked.done("/IpamDriver.GetCapabilities", "").await,
        json!({"RequiresMACAddress": false, "RequiresRequestReplay": false})
    );
    assert_eq!(
        asked.done("/IpamDriver.GetDefaultAddressSpaces", "").await,
        json!({"LocalDefaultAddressSpace": "vswitch-local", "GlobalDefaultAddressSpace": "vswitch-global"})
    );
    assert!(asked.noted().is_empty());
}

/// Every method that has a body, and a good body for it.
fn methods() -> Vec<(&'static str, String)> {
    let endpoint = format!(r#"{{"NetworkID":"{N}","EndpointID":"{E}"}}"#);
    let network = format!(r#"{{"NetworkID":"{N}"}}"#);
    let mut all = vec![
        (
            "/IpamDriver.RequestPool",
            r#"{"AddressSpace":"vswitch-local","Pool":"","SubPool":"","Options":null,"V6":false}"#
                .to_owned(),
        ),
        ("/IpamDriver.ReleasePool", r#"{"PoolID":"p"}"#.to_owned()),
        (
            "/IpamDriver.RequestAddress",
            r#"{"PoolID":"p","Address":"","Options":null}"#.to_owned(),
        ),
        (
            "/IpamDriver.ReleaseAddress",
            r#"{"PoolID":"p","Address":"198.18.0.2"}"#.to_owned(),
        ),
    ];
    for method in ["CreateNetwork", "DeleteNetwork"] {
        all.push((method, network.clone()));
    }
    for method in [
        "CreateEndpoint",
        "DeleteEndpoint",
        "Leave",
        "ProgramExternalConnectivity",
        "RevokeExternalConnectivity",
    ] {
        all.push((method, endpoint.clone()));
    }
    let join = endpoint.replace('}', r#","SandboxKey":"/run/docker/netns/c1"}"#);
    all.push(("Join", join));
    all
}

fn path(method: &str) -> String {
    if method.starts_with('/') {
        method.to_owned()
    } else {
        format!("/NetworkDriver.{method}")
    }
}

#[tokio::test]
async fn a_refusal_is_a_text_under_the_drivers_own_key() {
    let asked = Asked::new(refused);
    for (method, body) in methods() {
        let key = if method.starts_with("/Ipam") {
            "Error"
        } else {
            "Err"
        };
        let (status, reply) = asked.post(&path(method), &body).await;
        assert_eq!(status, 200, "{method}");
        assert_eq!(reply, json!({ key: "a: taken; give another" }), "{method}");
        assert_eq!(asked.noted().len(), 1, "{method}");
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_before_anybody_is_asked() {
    let asked = Asked::new(done);
    for (method, good) in methods() {
        let mut bad = vec![
            String::new(),
            "null".to_owned(),
            "[]".to_owned(),
            "{".to_owned(),
            "{}".to_owned(),
            good.replace(N, "x y").replace("\"p\"", "7"),
            good.replace(E, "../../etc").replace("\"p\"", "{}"),
            format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
        ];
        // All that a pool needs is optional, and an endpoint's ID stands in some requests only.
        bad.retain(|bad| *bad != good && !(method.ends_with("RequestPool") && bad == "{}"));
        for body in bad {
            let (status, reply) = asked.post(&path(method), &body).await;
            let text = reply.get("Err").or_else(|| reply.get("Error"));
            let text = text.and_then(Value::as_str).unwrap_or_default();
            assert_eq!(status, 200, "{method} {body:.200}");
            assert!(
                text.contains(": ") && !text.contains('\n'),
                "{method} {body:.200}: {reply}"
            );
        }
        assert!(asked.noted().is_empty(), "{method}");
    }
}

#[tokio::test]
async fn a_body_may_have_a_mebibyte_and_no_more() {
    let asked = Asked::new(done);
    let mut body = format!(r#"{{"NetworkID":"{N}","Options":{{"com.docker.network.generic":{{"#);
    for number in 0..60_000 {
        write!(body, r#""k{number:07}":"value","#).unwrap();
    }
    body.push_str(r#""k":"v"}}}"#);
    assert!(body.len() > 1024 * 1024);
    let (status, reply) = asked.post("/NetworkDriver.CreateNetwork", &body).await;
    assert_eq!(status, 200);
    assert!(
        reply["Err"]
            .as_str()
            .unwrap()
            .contains("over 1048576 bytes"),
        "{reply}"
    );
    assert!(asked.noted().is_empty());
}

#[tokio::test]
async fn an_unknown_method_is_not_found_and_only_post_is_understood() {
    let asked = Asked::new(done);
    for path in [
        "/NetworkDriver.Warp",
        "/",
        "/VolumeDriver.Create",
        "/Plugin.Activate/x",
    ] {
        let (status, reply) = asked.post(path, "{}").await;
        assert_eq!(status, 404, "{path}");
        assert!(reply["Err"].as_str().unwrap().contains(path), "{reply}");
    }
    let request = Request::get("/Plugin.Activate")
        .body(Body::empty())
        .unwrap();
    let (status, reply) = asked.send(request).await;
    assert_eq!(status, 405);
    assert!(reply["Err"].as_str().unwrap().contains("POST"), "{reply}");
}
