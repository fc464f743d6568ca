//! What outlives the daemon, over a fake kernel that does too.

use std::path::Path;

use super::*;
use crate::control::testing::{FakeServices, remembering};

/// A daemon that begins with what the one before has kept. That one was killed: its devices are gone.
fn start(kernel: &FakeKernel, at: &Path) -> Fake {
    kernel.crash();
    remembering(kernel.clone(), FakeServices::default(), Some(at))
}

/// A first daemon with the network `lab`, and where it keeps its state.
fn begin() -> (tempfile::TempDir, FakeKernel, Fake) {
    let at = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::default();
    let mut c = start(&kernel, at.path());
    c.apply(lab("lab")).unwrap();
    (at, kernel, c)
}

fn inspect(c: &mut Fake, network: &str) -> Value {
    let network = network.to_owned();
    match c.apply(Command::NetworkInspect { network }).unwrap() {
        Reply::Network(network) => serde_json::to_value(network).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_is_made_again_as_it_was() {
    let (at, kernel, mut c) = begin();
    c.apply(sandbox("a")).unwrap();
    kernel.process(77);
    let wish = Connect {
        aliases: vec!["db".to_owned()],
        gateway_priority: 3,
        ..to("a")
    };
    connect(&mut c, "lab", wish).unwrap();
    connect(&mut c, "lab", to("pid:77")).unwrap();
    c.apply(Command::FdbAdd {
        network: "lab".to_owned(),
        add: FdbAdd {
            mac: "02:00:00:00:00:05".parse().unwrap(),
            port: Some("a/eth0".to_owned()),
            remote: None,
            vlan: None,
            kind: FdbKind::Static,
        },
    })
    .unwrap();
    let (lab, bridge) = (inspect(&mut c, "lab"), inspect(&mut c, "bridge"));
    let state = c.state();
    drop(c);
    let mut c = start(&kernel, at.path());
    assert_eq!(inspect(&mut c, "lab"), lab);
    assert_eq!(inspect(&mut c, "bridge"), bridge);
    assert_eq!(names(&mut c, Command::SandboxList), ["a", "pid:77"]);
    assert_eq!(names(&mut c, Command::PortList), ["a/eth0", "pid:77/eth0"]);
    assert_eq!(c.state(), state, "and it is kept as before");
}

#[test]
fn addresses_are_neither_lost_nor_given_twice() {
    let (at, kernel, mut c) = begin();
    for name in ["a", "b", "c"] {
        c.apply(sandbox(name)).unwrap();
    }
    connect(&mut c, "lab", to("a")).unwrap();
    connect(&mut c, "lab", to("b")).unwrap();
    disconnect(&mut c, "lab", "a").unwrap();
    drop(c);
    let mut c = start(&kernel, at.path());
    let next = connect(&mut c, "lab", to("c")).unwrap();
    assert_eq!(ip(&next), "198.18.0.4", "b has .3, and .2 was freed last");
}

#[test]
fn who_is_gone_is_given_up_and_its_addresses_are_free() {
    let (at, kernel, mut c) = begin();
    kernel.process(77);
    connect(&mut c, "lab", to("pid:77")).unwrap();
    drop(c);
    kernel.kill(77);
    let mut c = start(&kernel, at.path());
    assert!(names(&mut c, Command::SandboxList).is_empty());
    assert!(names(&mut c, Command::PortList).is_empty());
    c.apply(sandbox("a")).unwrap();
    let wish = Connect {
        ip: Some("198.18.0.2".parse().unwrap()),
        ..to("a")
    };
    connect(&mut c, "lab", wish).unwrap();
}

#[test]
fn after_a_reboot_a_sandbox_of_ours_is_made_again() {
    let (at, kernel, mut c) = begin();
    c.apply(sandbox("a")).unwrap();
    let before = connect(&mut c, "lab", to("a")).unwrap();
    drop(c);
    kernel.world(|world| world.pins.clear());
    let mut c = start(&kernel, at.path());
    assert_eq!(names(&mut c, Command::PortList), ["a/eth0"]);
    let lab = inspect(&mut c, "lab");
    let container = lab["Containers"].as_object().unwrap().values().next();
    let address = container.unwrap()["IPv4Address"].clone();
    assert_eq!(address, json!(before.interface.ipv4));
}

#[test]
fn what_cannot_be_made_now_is_kept_for_the_next_start() {
    let (at, kernel, mut c) = begin();
    c.apply(sandbox("a")).unwrap();
    connect(&mut c, "lab", to("a")).unwrap();
    let local = crate::control::testing::loopback();
    let options = [
        ("vni", "7".to_owned()),
        ("local", local.to_string()),
        ("gateway", "off".to_owned()),
    ];
    c.apply(Command::NetworkCreate(NetworkCreate {
        name: "blue".to_owned(),
        driver: "overlay".to_owned(),
        options: options.map(|(key, value)| (key.to_owned(), value)).into(),
        ..NetworkCreate::default()
    }))
    .unwrap();
    connect(&mut c, "blue", to("a")).unwrap();
    let ports = names(&mut c, Command::PortList);
    drop(c);
    kernel.world(|world| world.fail.insert(Step::OpenUnderlay));
    let mut c = start(&kernel, at.path());
    assert_eq!(names(&mut c, Command::PortList), ["a/eth0"]);
    c.apply(lab2()).unwrap();
    drop(c);
    kernel.world(|world| world.fail.clear());
    let mut c = start(&kernel, at.path());
    let mut again = names(&mut c, Command::PortList);
    again.sort();
    let mut ports = ports;
    ports.sort();
    assert_eq!(again, ports);
}

fn lab2() -> Command {
    Command::NetworkCreate(NetworkCreate {
        name: "lab2".to_owned(),
        options: [("gateway".to_owned(), "off".to_owned())].into(),
        ..NetworkCreate::default()
    })
}

#[test]
fn an_end_in_good_order_keeps_what_is_kept() {
    let (at, kernel, mut c) = begin();
    c.apply(sandbox("a")).unwrap();
    connect(&mut c, "lab", to("a")).unwrap();
    c.shut_down();
    assert!(kernel.devices().is_empty());
    assert_eq!(
        kernel.world(|world| world.pins.len()),
        1,
        "what lives in a stays"
    );
    drop(c);
    let mut c = start(&kernel, at.path());
    assert_eq!(names(&mut c, Command::PortList), ["a/eth0"]);
}

#[test]
fn a_pin_that_no_sandbox_has_is_removed() {
    let at = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::default();
    let mut c = start(&kernel, at.path());
    c.apply(sandbox("a")).unwrap();
    drop(c);
    kernel.world(|world| world.pins.insert("/run/test/netns/stray".into(), 99));
    let mut c = start(&kernel, at.path());
    assert_eq!(kernel.world(|world| world.pins.len()), 1);
    assert_eq!(names(&mut c, Command::SandboxList), ["a"]);
}

#[test]
fn the_default_route_is_that_of_the_priority_again() {
    let at = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::default();
    kernel.process(std::process::id());
    let mut c = start(&kernel, at.path());
    for (name, subnet) in [("one", "198.18.1.0/24"), ("two", "198.18.2.0/24")] {
        let create = NetworkCreate {
            name: name.to_owned(),
            subnets: vec![subnet.parse().unwrap()],
            ..NetworkCreate::default()
        };
        c.apply(Command::NetworkCreate(create)).unwrap();
    }
    c.apply(sandbox("a")).unwrap();
    connect(&mut c, "one", to("a")).unwrap();
    let preferred = Connect {
        gateway_priority: 1,
        ..to("a")
    };
    connect(&mut c, "two", preferred).unwrap();
    let settled = kernel.world(|world| std::mem::take(&mut world.defaults));
    drop(c);
    let _c = start(&kernel, at.path());
    assert_eq!(kernel.world(|world| world.defaults.clone()), settled);
    assert_eq!(settled.len(), 1);
}

#[test]
fn a_port_that_is_taken_by_now_costs_only_the_port() {
    let (at, kernel, mut c) = begin();
    c.apply(sandbox("a")).unwrap();
    let wish = Connect {
        publish: crate::control::publish::Binding::parse("8080:80").unwrap(),
        ..to("a")
    };
    connect(&mut c, "lab", wish).unwrap();
    let state = c.state();
    drop(c);
    kernel.crash();
    let services = FakeServices::default();
    services.refuse_to_publish();
    let mut c = remembering(kernel.clone(), services, Some(at.path()));
    assert_eq!(names(&mut c, Command::PortList), ["a/eth0"]);
    assert_eq!(c.state(), state, "and it is tried again at the next start");
}
