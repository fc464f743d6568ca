//! Who holds the gateway, and what is served.

use super::*;
use crate::control::testing::{FakeServices, remembering};

fn prepared() -> (Fake, FakeKernel, FakeServices) {
    let (kernel, services) = (FakeKernel::default(), FakeServices::default());
    kernel.process(std::process::id());
    let c = remembering(kernel.clone(), services.clone(), None);
    services.asked();
    (c, kernel, services)
}

fn network(name: &str, internal: bool, options: &[(&str, &str)]) -> Command {
    let options = options
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Command::NetworkCreate(NetworkCreate {
        name: name.to_owned(),
        subnets: vec!["198.18.0.0/24".parse().unwrap()],
        internal,
        options: options.collect(),
        ..NetworkCreate::default()
    })
}

fn routes(kernel: &FakeKernel, netns: u64) -> Vec<String> {
    kernel.world(|world| {
        let routes = world.defaults.get(&netns).cloned().unwrap_or_default();
        routes
            .iter()
            .map(|(ifname, via)| format!("{via} {ifname}"))
            .collect()
    })
}

#[test]
fn the_host_is_the_gateway_of_a_bridge_network() {
    let (mut c, kernel, services) = prepared();
    c.apply(network("lab", false, &[])).unwrap();
    let device = kernel.devices().into_iter().find(|name| !name.is_empty());
    assert!(device.is_some());
    let asked = services.asked().join("\n");
    assert!(asked.contains("names at [198.18.0.1/24]"), "{asked}");
    assert!(
        asked.contains("way out of [198.18.0.0/24] by vs-"),
        "{asked}"
    );
    assert!(
        names(&mut c, Command::SandboxList).is_empty(),
        "the host is no sandbox"
    );
    let Reply::Networks(list) = c.apply(Command::NetworkList).unwrap() else {
        panic!()
    };
    assert!(list.iter().all(|network| network.endpoints == 0));
    c.apply(Command::NetworkRemove {
        network: "lab".to_owned(),
    })
    .unwrap();
    assert!(kernel.devices().is_empty());
}

#[test]
fn the_switch_is_the_gateway_of_an_internal_network() {
    let (mut c, _, services) = prepared();
    c.apply(network("lab", true, &[])).unwrap();
    assert_eq!(services.asked(), ["gateway [198.18.0.1/24]"]);
    assert!(names(&mut c, Command::PortList).contains(&"lab/gateway".to_owned()));
    c.apply(sandbox("a")).unwrap();
    connect(&mut c, "lab", to("a")).unwrap();
    c.apply(Command::NetworkRemove {
        network: "lab".to_owned(),
    })
    .unwrap_err();
    disconnect(&mut c, "lab", "a").unwrap();
    c.apply(Command::NetworkRemove {
        network: "lab".to_owned(),
    })
    .unwrap();
}

#[test]
fn without_nat_the_host_is_asked_for_no_way_out() {
    let (mut c, _, services) = prepared();
    c.apply(network("lab", false, &[("nat", "off")])).unwrap();
    assert_eq!(services.asked(), ["names at [198.18.0.1/24]"]);
}

#[test]
fn a_gateway_goes_with_its_network_only() {
    let (mut c, kernel, _) = prepared();
    c.apply(network("lab", false, &[])).unwrap();
    let error = disconnect(&mut c, "lab", "host").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    c.apply(Command::SandboxRemove {
        sandbox: "host".to_owned(),
        force: true,
    })
    .unwrap();
    assert_eq!(kernel.devices().len(), 1);
}

#[test]
fn the_predefined_network_has_its_gateway_from_its_first_endpoint_on() {
    let (mut c, kernel, services) = prepared();
    c.apply(sandbox("a")).unwrap();
    let refused = Connect {
        ip: Some("198.18.0.9".parse().unwrap()),
        ..to("a")
    };
    connect(&mut c, "bridge", refused).unwrap_err();
    assert!(kernel.devices().is_empty() && services.asked().is_empty());
    connect(&mut c, "bridge", to("a")).unwrap();
    assert_eq!(kernel.devices().len(), 2);
}

#[test]
fn nobody_is_where_nobody_shall_be() {
    let (mut c, _, services) = prepared();
    c.apply(network("lab", false, &[("gateway", "off")]))
        .unwrap();
    assert!(services.asked().is_empty());
}

#[test]
fn the_default_route_follows_the_priority_and_what_is_left() {
    let (mut c, kernel, _) = prepared();
    c.apply(network("one", false, &[])).unwrap();
    let two = NetworkCreate {
        name: "two".to_owned(),
        subnets: vec!["198.18.1.0/24".parse().unwrap()],
        ..NetworkCreate::default()
    };
    c.apply(Command::NetworkCreate(two)).unwrap();
    c.apply(sandbox("a")).unwrap();
    let netns = kernel.world(|world| *world.pins.values().next().unwrap());
    connect(&mut c, "one", to("a")).unwrap();
    let given = kernel.world(|world| world.specs[&(netns, "eth0".to_owned())].gateways.clone());
    assert_eq!(given, ["198.18.0.1".parse::<std::net::IpAddr>().unwrap()]);
    let preferred = Connect {
        gateway_priority: 1,
        ..to("a")
    };
    connect(&mut c, "two", preferred).unwrap();
    assert_eq!(routes(&kernel, netns), ["198.18.1.1 eth1"]);
    disconnect(&mut c, "two", "a").unwrap();
    assert_eq!(routes(&kernel, netns), ["198.18.0.1 eth0"]);
}

#[test]
fn ports_are_published_and_free_ones_are_shown() {
    let (mut c, _, services) = prepared();
    c.apply(network("lab", true, &[])).unwrap();
    c.apply(sandbox("a")).unwrap();
    services.asked();
    let wish = Connect {
        publish: crate::control::publish::Binding::parse("80").unwrap(),
        ..to("a")
    };
    connect(&mut c, "lab", wish).unwrap();
    assert!(
        services
            .asked()
            .contains(&"0:80/tcp to [198.18.0.2]".to_owned())
    );
    assert_eq!(c.state().endpoints[0].connect.publish[0].host_port, 49_153);
}
