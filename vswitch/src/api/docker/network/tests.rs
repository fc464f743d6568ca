//! Requests as Docker 20.10 sends them, what they mean, and what it gets back.

use serde_json::json;

use super::*;
use crate::{
    api::docker::testing::Asked,
    control::{
        guest::{Joined as GuestJoined, Reserved},
        publish::Binding,
    },
};

const N: &str = "89feacf990d116cc62ea805c0284046449301a1bf3621560d41b297338909d60";
const E: &str = "93aa295df6a4513a08672b78c1dc7cadb746f8fb7c9f95a2634547ddd46ef07d";

fn id_of(text: &str) -> ObjectId {
    id("test", text).unwrap()
}

fn answers(guest: &Guest) -> Result<GuestReply, ControlError> {
    Ok(match guest {
        Guest::Reserve(_) => GuestReply::Reserved(Reserved {
            mac_address: "02:42:c6:12:05:c8".parse().unwrap(),
            ipv4: Some("198.18.5.200/24".parse().unwrap()),
            ipv6: Some("2001:2:5::77/64".parse().unwrap()),
        }),
        Guest::Join { .. } => GuestReply::Joined(GuestJoined {
            device: "vp-93aa295df6a4".to_owned(),
            gateways: vec![
                "2001:2:5::1".parse().unwrap(),
                "198.18.5.7".parse().unwrap(),
            ],
            internal: false,
        }),
        Guest::Publish { bindings, .. } => GuestReply::Published(bindings.clone()),
        _ => GuestReply::Done,
    })
}

fn with_n_and_e(body: &str) -> String {
    body.replace("$N", N).replace("$E", E)
}

/// Posts a body and gives the one command that it became, and the reply.
async fn ask(method: &str, body: &str) -> (Guest, Value) {
    let asked = Asked::new(answers);
    let path = format!("/NetworkDriver.{method}");
    let reply = asked.done(&path, &with_n_and_e(body)).await;
    let [guest] = <[Guest; 1]>::try_from(asked.noted()).unwrap();
    (guest, reply)
}

async fn created(body: &str) -> NetworkCreate {
    let (guest, reply) = ask("CreateNetwork", body).await;
    assert_eq!(reply, json!({}));
    let Guest::NetworkCreate { id, create } = guest else {
        panic!("{guest:?}");
    };
    assert_eq!(id, id_of(N));
    create
}

#[tokio::test]
async fn a_plain_network() {
    let create = created(r#"{"NetworkID":"$N","Options":{"com.docker.network.enable_ipv6":false,"com.docker.network.generic":{}},"IPv4Data":[{"AddressSpace":"LocalDefault","Gateway":"172.17.0.1/16","Pool":"172.17.0.0/16"}],"IPv6Data":[]}"#).await;
    assert_eq!(
        create,
        NetworkCreate {
            subnets: vec!["172.17.0.0/16".parse().unwrap()],
            gateways: vec!["172.17.0.1".parse().unwrap()],
            ..NetworkCreate::default()
        }
    );
}

#[tokio::test]
async fn a_network_with_everything() {
    let create = created(r#"{"NetworkID":"$N","Options":{"com.docker.network.enable_ipv6":true,"com.docker.network.generic":{"driver":"overlay","vni":"42"},"com.docker.network.internal":true},"IPv4Data":[{"AddressSpace":"LocalDefault","AuxAddresses":{"r":"198.18.5.9/24"},"Gateway":"198.18.5.7/24","Pool":"198.18.5.0/24"}],"IPv6Data":[{"AddressSpace":"LocalDefault","Gateway":"2001:2:5::1/64","Pool":"2001:2:5::/64"}]}"#).await;
    assert_eq!(
        create,
        NetworkCreate {
            driver: "overlay".to_owned(),
            subnets: vec![
                "198.18.5.0/24".parse().unwrap(),
                "2001:2:5::/64".parse().unwrap()
            ],
            gateways: vec![
                "198.18.5.7".parse().unwrap(),
                "2001:2:5::1".parse().unwrap()
            ],
            aux_addresses: [("r".to_owned(), "198.18.5.9".parse().unwrap())].into(),
            ipv6: true,
            internal: true,
            options: [("vni".to_owned(), "42".to_owned())].into(),
            ..NetworkCreate::default()
        }
    );
}

#[tokio::test]
async fn without_a_subnet_there_are_no_addresses_from_us() {
    for body in [
        r#"{"NetworkID":"$N","Options":{"com.docker.network.enable_ipv6":false,"com.docker.network.generic":{}},"IPv4Data":[{"AddressSpace":"null","Pool":"0.0.0.0/0"}],"IPv6Data":[]}"#,
        r#"{"NetworkID":"$N","Options":null,"IPv4Data":null,"IPv6Data":null}"#,
    ] {
        let create = created(body).await;
        assert_eq!(create.ipam_driver, "null");
        assert!(create.subnets.is_empty() && create.gateways.is_empty());
    }
}

#[tokio::test]
async fn plain_addresses_and_unknown_keys_are_understood() {
    let create = created(r#"{"NetworkID":"$N","Later":[1],"Options":{"com.docker.network.enable_ipv4":true,"com.docker.network.generic":null},"IPv4Data":[{"Pool":"198.18.5.0/24","Gateway":"198.18.5.7","AuxAddresses":{"r":"198.18.5.9","none":""}}]}"#).await;
    assert_eq!(create.gateways, ["198.18.5.7".parse::<IpAddr>().unwrap()]);
    assert_eq!(create.aux_addresses.len(), 1);
}

#[tokio::test]
async fn an_endpoint_keeps_what_the_engine_chose_and_gets_the_rest() {
    let (guest, reply) = ask("CreateEndpoint", r#"{"NetworkID":"$N","EndpointID":"$E","Interface":{"Address":"198.18.5.200/24","AddressIPv6":"","MacAddress":""},"Options":{"com.docker.network.endpoint.exposedports":[{"Proto":6,"Port":99}],"com.docker.network.portmap":[],"offload":"off"}}"#).await;
    assert_eq!(
        guest,
        Guest::Reserve(Reserve {
            network: id_of(N),
            endpoint: id_of(E),
            ip: Some("198.18.5.200".parse().unwrap()),
            ip6: None,
            mac_address: None,
            options: [("offload".to_owned(), "off".to_owned())].into(),
        })
    );
    let expected = json!({"Interface": {
        "AddressIPv6": "2001:2:5::77/64", "MacAddress": "02:42:c6:12:05:c8"
    }});
    assert_eq!(reply, expected);

    let (guest, reply) = ask("CreateEndpoint", r#"{"NetworkID":"$N","EndpointID":"$E","Interface":{"Address":"198.18.5.200/24","AddressIPv6":"2001:2:5::77/64","MacAddress":"02:42:aa:bb:cc:dd"},"Options":{"com.docker.network.endpoint.macaddress":"AkKqu8zd"}}"#).await;
    let Guest::Reserve(reserve) = guest else {
        panic!("{guest:?}");
    };
    assert_eq!(
        reserve.mac_address,
        Some("02:42:aa:bb:cc:dd".parse().unwrap())
    );
    assert_eq!(reserve.ip6, Some("2001:2:5::77".parse().unwrap()));
    assert_eq!(reply, json!({"Interface": {}}));
}

#[tokio::test]
async fn joining_gives_a_device_and_both_gateways() {
    let body = r#"{"NetworkID":"$N","EndpointID":"$E","SandboxKey":"/var/run/docker/netns/92e5b2dcc7f8","Options":{"com.docker.network.endpoint.exposedports":[],"com.docker.network.portmap":[]}}"#;
    let (guest, reply) = ask("Join", body).await;
    let sandbox = PathBuf::from("/var/run/docker/netns/92e5b2dcc7f8");
    let endpoint = id_of(E);
    assert_eq!(guest, Guest::Join { endpoint, sandbox });
    let expected = json!({
        "InterfaceName": {"SrcName": "vp-93aa295df6a4", "DstPrefix": "eth"},
        "Gateway": "198.18.5.7",
        "GatewayIPv6": "2001:2:5::1",
    });
    assert_eq!(reply, expected);

    // Without a way out the engine must not make one.
    let asked = Asked::new(|_| {
        Ok(GuestReply::Joined(GuestJoined {
            device: "vp-0".to_owned(),
            gateways: Vec::new(),
            internal: false,
        }))
    });
    let reply = asked.done("/NetworkDriver.Join", &with_n_and_e(body)).await;
    let expected = json!({
        "InterfaceName": {"SrcName": "vp-0", "DstPrefix": "eth"}, "DisableGatewayService": true
    });
    assert_eq!(reply, expected);
}

#[tokio::test]
async fn the_way_back() {
    let body = r#"{"NetworkID":"$N","EndpointID":"$E"}"#;
    let endpoint = || id_of(E);
    for (method, expected) in [
        (
            "Leave",
            Guest::Leave {
                endpoint: endpoint(),
            },
        ),
        (
            "DeleteEndpoint",
            Guest::Release {
                endpoint: endpoint(),
            },
        ),
        (
            "RevokeExternalConnectivity",
            Guest::Publish {
                endpoint: endpoint(),
                bindings: Vec::new(),
            },
        ),
        ("DeleteNetwork", Guest::NetworkRemove { id: id_of(N) }),
    ] {
        let (guest, reply) = ask(method, body).await;
        assert_eq!(guest, expected);
        assert_eq!(reply, json!({}), "{method}");
    }
}

#[tokio::test]
async fn ports_are_published_and_choices_are_made() {
    fn taken_up_to_9001(guest: &Guest) -> Result<GuestReply, ControlError> {
        let Guest::Publish { bindings, .. } = guest else {
            return answers(guest);
        };
        match bindings
            .iter()
            .find(|b| (9000..9002).contains(&b.host_port))
        {
            Some(binding) => Err(ControlError::conflict(format!("{binding}: taken; no"))),
            None => answers(guest),
        }
    }
    let ask = async |ports: &str| {
        let asked = Asked::new(taken_up_to_9001);
        let body = format!(
            r#"{{"NetworkID":"$N","EndpointID":"$E","Options":{{"com.docker.network.portmap":[{ports}]}}}}"#
        );
        let path = "/NetworkDriver.ProgramExternalConnectivity";
        let (_, reply) = asked.post(path, &with_n_and_e(&body)).await;
        let published = asked.noted().pop().map(|last| match last {
            Guest::Publish { bindings, .. } => {
                bindings.iter().map(Binding::to_string).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        });
        (reply, published)
    };
    let done = |published: &[&str]| {
        let published = published.iter().map(|one| (*one).to_owned()).collect();
        (json!({}), Some(published))
    };
    let udp =
        r#"{"Proto":17,"IP":"","Port":90,"HostIP":"127.0.0.1","HostPort":9000,"HostPortEnd":9002}"#;
    let tcp = r#"{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8080,"HostPortEnd":8080}"#;
    let any = r#"{"Proto":6,"IP":"","Port":70,"HostIP":"","HostPort":0,"HostPortEnd":0}"#;
    assert_eq!(ask("").await, done(&[]));
    let all = ["8080:80/tcp", "0:70/tcp", "127.0.0.1:9002:90/udp"];
    assert_eq!(ask(&format!("{udp},{tcp},{any}")).await, done(&all));
    // Of a range that is taken as a whole, nothing stays published.
    let (reply, published) = ask(&udp.replace("9002", "9001")).await;
    assert_eq!(reply, json!({"Err": "127.0.0.1:9001:90/udp: taken; no"}));
    assert_eq!(published, Some(Vec::new()));
    for (wrong, says) in [
        (tcp.replace("\"Proto\":6", "\"Proto\":132"), "sctp"),
        (tcp.replace("\"Port\":80", "\"Port\":0"), "port 0"),
        (
            tcp.replace("\"HostIP\":\"\"", "\"HostIP\":\"here\""),
            "here",
        ),
    ] {
        let (reply, published) = ask(&wrong).await;
        assert!(reply["Err"].as_str().unwrap().contains(says), "{reply}");
        assert_eq!(published, None);
    }
}

#[tokio::test]
async fn swarm_gets_a_number_for_an_overlay_network_once() {
    let asked = Asked::new(answers);
    let allocate = async |network: &str, options: Value| {
        let body =
            json!({"NetworkID": network, "Options": options, "IPv4Data": [], "IPv6Data": null});
        asked
            .done("/NetworkDriver.AllocateNetwork", &body.to_string())
            .await["Options"]
            .clone()
    };
    let overlay = json!({"driver": "overlay"});
    let one = allocate("z1xyq9k5fm8v0jfg4gl6m2a1p", overlay.clone()).await;
    let vni: u32 = one["vni"].as_str().unwrap().parse().unwrap();
    assert!((4096..1 << 24).contains(&vni), "{vni}");
    assert_eq!(
        one,
        allocate("z1xyq9k5fm8v0jfg4gl6m2a1p", overlay.clone()).await
    );
    assert_ne!(one, allocate("z1xyq9k5fm8v0jfg4gl6m2a1q", overlay).await);
    for given in [
        json!({"driver": "overlay", "vni": "7"}),
        json!({"driver": "overlay", "com.docker.network.driver.overlay.vxlanid_list": "7"}),
        json!({"driver": "bridge", "mtu": "1400"}),
        json!({}),
    ] {
        assert_eq!(allocate(N, given.clone()).await, given);
    }
    let free = json!({ "NetworkID": N }).to_string();
    assert_eq!(
        asked.done("/NetworkDriver.FreeNetwork", &free).await,
        json!({})
    );
    assert!(asked.noted().is_empty());
}

#[tokio::test]
async fn what_changes_nothing() {
    let asked = Asked::new(answers);
    let body = with_n_and_e(r#"{"NetworkID":"$N","EndpointID":"$E"}"#);
    let path = "/NetworkDriver.EndpointOperInfo";
    assert_eq!(asked.done(path, &body).await, json!({"Value": {}}));
    for method in ["DiscoverNew", "DiscoverDelete"] {
        let path = format!("/NetworkDriver.{method}");
        for data in [
            r#"{"DiscoveryType":1,"DiscoveryData":{"Address":"198.18.0.1","Self":true}}"#,
            r#"{"DiscoveryType":1,"DiscoveryData":{"address":"198.18.0.1","self":false}}"#,
        ] {
            assert_eq!(asked.done(&path, data).await, json!({}));
        }
    }
    let check = asked
        .done("/NetworkDriver.GwAllocCheck", r#"{"Options":{}}"#)
        .await;
    assert_eq!(check, json!({"SkipIPv4": false, "SkipIPv6": false}));
    assert!(asked.noted().is_empty());
}

#[tokio::test]
async fn wrong_values_are_named() {
    let asked = Asked::new(answers);
    for (method, body, says) in [
        (
            "Join",
            r#"{"NetworkID":"$N","EndpointID":"$E","SandboxKey":"x"}"#,
            "sandbox",
        ),
        (
            "CreateNetwork",
            r#"{"NetworkID":"$N","IPv4Data":[{"Pool":"198.18.5.0"}]}"#,
            "198.18.5.0",
        ),
        (
            "CreateNetwork",
            r#"{"NetworkID":"$N","IPv4Data":[{"Pool":"198.18.5.0/24","Gateway":"x"}]}"#,
            "gateway",
        ),
        (
            "CreateNetwork",
            r#"{"NetworkID":"$N","Options":{"com.docker.network.generic":{"a":1}}}"#,
            "string",
        ),
        (
            "CreateEndpoint",
            r#"{"NetworkID":"$N","EndpointID":"$E","Interface":{"Address":"9"}}"#,
            "\"9\"",
        ),
        (
            "CreateEndpoint",
            r#"{"NetworkID":"$N","EndpointID":"$E","Interface":{"MacAddress":"9"}}"#,
            "MAC",
        ),
        (
            "CreateEndpoint",
            r#"{"NetworkID":"$N","EndpointID":"$E","Options":{"offload":true}}"#,
            "offload",
        ),
    ] {
        let path = format!("/NetworkDriver.{method}");
        let (status, reply) = asked.post(&path, &with_n_and_e(body)).await;
        assert_eq!(status, 200);
        assert!(reply["Err"].as_str().unwrap().contains(says), "{reply}");
    }
    assert!(asked.noted().is_empty());
}
