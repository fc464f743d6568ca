//! The steps of a front-end with objects of its own.

use super::*;
use crate::control::{
    guest::{About, Guest, GuestReply, Joined, PoolRequest, Reserve, Reserved},
    name::ObjectId,
    publish::Binding,
    testing::{FakeServices, remembering},
};

fn id(byte: u8) -> ObjectId {
    ObjectId::from_bytes([byte; 32])
}

/// The switch's own namespace is there, as is the network `id(1)`.
fn prepared(at: Option<&std::path::Path>) -> (Fake, FakeKernel, FakeServices) {
    let (kernel, services) = (FakeKernel::default(), FakeServices::default());
    kernel.process(std::process::id());
    let mut c = remembering(kernel.clone(), services.clone(), at);
    let create = NetworkCreate {
        subnets: vec!["198.18.0.0/24".parse().unwrap()],
        ..NetworkCreate::default()
    };
    let make = Guest::NetworkCreate { id: id(1), create };
    c.guest(make.clone()).unwrap();
    c.guest(make).unwrap();
    (c, kernel, services)
}

fn reserve(c: &mut Fake, endpoint: u8) -> Result<Reserved, ControlError> {
    match c.guest(Guest::Reserve(Reserve {
        network: id(1),
        endpoint: id(endpoint),
        ip: None,
        ip6: None,
        mac_address: None,
        options: [].into(),
    }))? {
        GuestReply::Reserved(reserved) => Ok(reserved),
        other => panic!("{other:?}"),
    }
}

fn join(c: &mut Fake, endpoint: u8) -> Result<Joined, ControlError> {
    let join = Guest::Join {
        endpoint: id(endpoint),
        sandbox: "/run/docker/netns/c1".into(),
    };
    match c.guest(join)? {
        GuestReply::Joined(joined) => Ok(joined),
        other => panic!("{other:?}"),
    }
}

/// As Docker does: the sandbox is there, and the device in it under another name.
fn moved(kernel: &FakeKernel, device: &str, ifname: &str) {
    let container = kernel.pin("/run/docker/netns/c1");
    kernel.rename(std::process::id(), device, (container, ifname));
}

#[test]
fn each_step_may_be_repeated() {
    let (mut c, ..) = prepared(None);
    let first = reserve(&mut c, 7).unwrap();
    assert_eq!(first.ipv4.unwrap().to_string(), "198.18.0.2/24");
    assert_eq!(reserve(&mut c, 7).unwrap(), first);
    let joined = join(&mut c, 7).unwrap();
    assert_eq!(joined.device, "vp-070707070707");
    assert_eq!(
        joined.gateways,
        ["198.18.0.1".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(join(&mut c, 7).unwrap(), joined);
    let elsewhere = Guest::Join {
        endpoint: id(7),
        sandbox: "/run/docker/netns/c2".into(),
    };
    assert_eq!(c.guest(elsewhere).unwrap_err().kind, ErrorKind::Conflict);
    for _ in 0..2 {
        c.guest(Guest::Leave { endpoint: id(7) }).unwrap();
    }
    assert_eq!(
        reserve(&mut c, 8).unwrap().ipv4.unwrap().to_string(),
        "198.18.0.3/24"
    );
    for _ in 0..2 {
        c.guest(Guest::Release { endpoint: id(7) }).unwrap();
    }
    c.guest(Guest::NetworkRemove { id: id(1) }).unwrap_err();
    c.guest(Guest::Release { endpoint: id(8) }).unwrap();
    for _ in 0..2 {
        c.guest(Guest::NetworkRemove { id: id(1) }).unwrap();
    }
    assert_eq!(
        names(&mut c, Command::NetworkList),
        ["bridge", "host", "none"]
    );
}

#[test]
fn what_does_not_exist_is_refused() {
    let (mut c, ..) = prepared(None);
    assert_eq!(join(&mut c, 7).unwrap_err().kind, ErrorKind::NotFound);
    let reserve = Reserve {
        network: id(2),
        endpoint: id(7),
        ip: None,
        ip6: None,
        mac_address: None,
        options: [].into(),
    };
    let error = c.guest(Guest::Reserve(reserve)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let publish = Guest::Publish {
        endpoint: id(7),
        bindings: Binding::parse("8080:80").unwrap(),
    };
    assert_eq!(c.guest(publish).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn a_user_does_not_remove_what_is_dockers() {
    let (mut c, ..) = prepared(None);
    let network = id(1).to_string();
    let error = c.apply(Command::NetworkRemove { network }).unwrap_err();
    assert!(error.message.contains("docker network rm"), "{error}");
    c.apply(Command::NetworkPrune).unwrap();
    assert_eq!(names(&mut c, Command::NetworkList).len(), 4);
}

#[test]
fn a_container_is_found_where_docker_put_it_and_shown_by_its_name() {
    let (mut c, kernel, services) = prepared(None);
    reserve(&mut c, 7).unwrap();
    let joined = join(&mut c, 7).unwrap();
    moved(&kernel, &joined.device, "eth0");
    services.asked();
    let about = About {
        name: "web".to_owned(),
        container: id(9).to_string(),
        aliases: vec!["www".to_owned()],
        gateway_priority: 0,
    };
    c.guest(Guest::Describe {
        endpoint: id(7),
        about,
    })
    .unwrap();
    assert!(
        services
            .asked()
            .contains(&"resolver in /run/docker/netns/c1".to_owned())
    );
    assert!(names(&mut c, Command::PortList).contains(&"web/eth0".to_owned()));
    let network = id(1).to_string();
    let Reply::Network(shown) = c.apply(Command::NetworkInspect { network }).unwrap() else {
        panic!()
    };
    assert_eq!(shown.containers[&id(9).to_string()].name, "web");
    let bindings = Binding::parse("8080:80").unwrap();
    c.guest(Guest::Publish {
        endpoint: id(7),
        bindings,
    })
    .unwrap();
    assert_eq!(services.asked(), ["8080:80/tcp to [198.18.0.2]"]);
}

#[test]
fn a_place_outlives_the_daemon_with_and_without_its_container() {
    let at = tempfile::tempdir().unwrap();
    let (mut c, kernel, _) = prepared(Some(at.path()));
    let before = reserve(&mut c, 7).unwrap();
    let joined = join(&mut c, 7).unwrap();
    moved(&kernel, &joined.device, "eth1");
    c.guest(Guest::Publish {
        endpoint: id(7),
        bindings: Binding::parse("8080:80").unwrap(),
    })
    .unwrap();
    let state = c.state();
    drop(c);
    kernel.crash();
    let services = FakeServices::default();
    let c = remembering(kernel.clone(), services.clone(), Some(at.path()));
    assert_eq!(c.state(), state);
    assert!(
        services
            .asked()
            .contains(&"8080:80/tcp to [198.18.0.2]".to_owned())
    );
    assert!(
        kernel.devices().iter().any(|name| name.ends_with("eth1")),
        "{:?}",
        kernel.devices()
    );
    drop(c);
    kernel.crash();
    kernel.world(|world| world.pins.clear());
    let mut c = remembering(kernel.clone(), FakeServices::default(), Some(at.path()));
    assert_eq!(reserve(&mut c, 7).unwrap(), before, "the place is kept");
    assert_eq!(join(&mut c, 7).unwrap(), joined, "and can join again");
}

#[test]
fn an_automatic_pool_overlaps_nothing() {
    let (mut c, kernel, _) = prepared(None);
    kernel.world(|world| world.host = vec!["172.18.0.0/16".parse().unwrap()]);
    let mut ask = || match c.guest(Guest::PoolRequest(PoolRequest::default())).unwrap() {
        GuestReply::Pool(pool) => pool.subnet.to_string(),
        other => panic!("{other:?}"),
    };
    // 172.17.0.0/16 is the network bridge's.
    assert_eq!(
        (ask(), ask()),
        ("172.19.0.0/16".to_owned(), "172.20.0.0/16".to_owned())
    );
}
