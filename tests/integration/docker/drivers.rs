//! Networks of the other drivers: overlay across two hosts that each have an engine, macvlan on a physical LAN.

use super::{
    agree, pings, plugin,
    ports::{SERVER, fetch},
};
use vswitch_tests::{
    Docker, Hosts, Lab, Lan, Setup, Underlay,
    deadline::SOON,
    docker::{Etcd, Own},
    eventually,
    lab::Scope,
};

#[test]
fn containers_of_two_engines_share_an_overlay_network() {
    let hosts = Hosts::start_with(Underlay::wire(2), 2, &plugin());
    let engines: Vec<Docker> = hosts.labs().iter().map(Docker::start).collect();
    for (here, there) in [(0, 1), (1, 0)] {
        let local = format!("local={}", hosts.site(here).ip4());
        let peers = format!("peers={}", hosts.site(there).ip4());
        let range = format!("--ip-range=198.18.50.{}/25", 128 * here);
        engines[here].create(
            "wide",
            &[
                "-o=driver=overlay",
                "-o=vni=42",
                "-o",
                &local,
                "-o",
                &peers,
                "--subnet=198.18.50.0/24",
                "--gateway=198.18.50.254",
                &range,
            ],
        );
    }
    let anna = engines[0].container("anna", "wide", &[]);
    let bert = engines[1].container("bert", "wide", &[]);
    let carl = engines[1].container("carl", "wide", &[]);
    for (from, to) in [
        (&anna, &bert),
        (&bert, &anna),
        (&carl, &bert),
        (&carl, &anna),
    ] {
        pings(from, to.ip4());
    }
    assert!(anna.exec(&["ip", "link"]).ok().contains("mtu 1450"));
    agree(hosts.lab(0), &engines[0], "wide", 1);
    agree(hosts.lab(1), &engines[1], "wide", 2);
    for engine in engines {
        engine.finish();
    }
}

/// What a container may wish for whatever the driver is, on a network of 198.18.50.0/24 and 2001:2:50::/64.
fn all_wishes(lab: &Lab, docker: &Docker, network: &str) {
    let options = [
        "--ip=198.18.50.77",
        "--ip6=2001:2:50::77",
        "--mac-address=02:42:aa:bb:cc:dd",
        "--network-alias=al",
    ];
    let anna = docker.container("anna", network, &options);
    assert_eq!(anna.ip4().to_string(), "198.18.50.77");
    assert_eq!(anna.ip6().to_string(), "2001:2:50::77");
    assert_eq!(anna.mac().to_string(), "02:42:aa:bb:cc:dd");
    let bert = docker.container("bert", network, &[]);
    pings(&bert, anna.ip4());
    pings(&bert, anna.ip6());
    for name in ["anna", "al"] {
        docker.exec("bert", &["ping", "-c1", "-W5", name]).done();
    }
    docker.create("other", &["--subnet=198.18.51.0/24"]);
    docker.container("carl", "other", &[]);
    docker.done(&["network", "connect", "--alias=second", network, "carl"]);
    let second = docker.sandbox("carl", network);
    assert_eq!(second.nic().ifname, "eth1");
    pings(&second, anna.ip4());
    docker
        .exec("bert", &["ping", "-c1", "-W5", "second"])
        .done();
    agree(lab, docker, network, 3);
    docker.done(&["network", "disconnect", network, "carl"]);
    agree(lab, docker, network, 2);
}

/// Starts a server in a container on a network, with port 8080 of the host in front of it.
fn serve(docker: &Docker, name: &str, network: &str) {
    let run = ["run", "-d", "-p=8080:80", "--network", network, "--name"];
    docker.done(&[&run[..], &[name, "bb", "sh", "-c", SERVER]].concat());
}

/// Asserts that the host's port leads to a container as long as that runs.
fn published(lab: &Lab, docker: &Docker, network: &str) {
    let port = "127.0.0.1:8080";
    serve(docker, "web", network);
    let said = eventually(SOON, "the published port", || fetch(lab.host(), port));
    assert_eq!(said, "hello\n");
    docker.done(&["stop", "-t", "0", "web"]);
    assert_eq!(fetch(lab.host(), port), None);
    docker.done(&["start", "web"]);
    eventually(SOON, "the same again", || fetch(lab.host(), port));
    docker.done(&["rm", "-f", "web"]);
    assert_eq!(fetch(lab.host(), port), None);
}

/// Asserts that a taken port is refused on a network without a way out, and that ports are where the way out is.
fn taken(lab: &Lab, docker: &Docker, network: &str) {
    let port = "127.0.0.1:8080";
    serve(docker, "web", network);
    let second = ["run", "-d", "-p=8080:80", "--network", network, "bb"];
    docker.refuses(&second, &["8080", "taken"]);
    // A network with a way out takes the ports over, and has them from the start the next time.
    docker.done(&["network", "connect", "other", "web"]);
    eventually(SOON, "the port at the second network", || {
        fetch(lab.host(), port)
    });
    docker.done(&["restart", "-t", "0", "web"]);
    eventually(SOON, "the port after a restart", || fetch(lab.host(), port));
    docker.done(&["network", "disconnect", network, "web"]);
    eventually(SOON, "the port without the first network", || {
        fetch(lab.host(), port)
    });
    docker.done(&["rm", "-f", "web"]);
    assert_eq!(fetch(lab.host(), port), None);
}

/// Asserts that containers of an internal network reach one another and have no way out.
fn internal(docker: &Docker, network: &str) {
    let dora = docker.container("dora", network, &[]);
    let emil = docker.container("emil", network, &[]);
    pings(&dora, emil.ip4());
    assert!(!dora.exec(&["ip", "route"]).ok().contains("default"));
}

const BOTH: [&str; 3] = [
    "--ipv6",
    "--subnet=198.18.50.0/24",
    "--subnet=2001:2:50::/64",
];

#[test]
fn an_overlay_network_grants_all_wishes() {
    let hosts = Hosts::start_with(Underlay::wire(2), 1, &plugin());
    let docker = Docker::start(hosts.lab(0));
    let local = format!("-o=local={}", hosts.site(0).ip4());
    let overlay = ["-o=driver=overlay", &local];
    docker.create("wide", &[&overlay[..], &["-o=vni=42"], &BOTH].concat());
    all_wishes(hosts.lab(0), &docker, "wide");
    published(hosts.lab(0), &docker, "wide");
    taken(hosts.lab(0), &docker, "wide");
    let sealed = ["-o=vni=43", "--internal", "--subnet=198.18.52.0/24"];
    docker.create("sealed", &[&overlay[..], &sealed].concat());
    internal(&docker, "sealed");
    docker.finish();
}

#[test]
fn a_macvlan_network_grants_all_wishes() {
    let lan = Lan::start();
    let lab = Lab::start_with(&Setup {
        site: lan.setup().site,
        ..plugin()
    });
    let docker = Docker::start(&lab);
    let macvlan = ["-o=driver=macvlan", "-o=parent=eth0"];
    docker.create("street", &[&macvlan[..], &BOTH].concat());
    all_wishes(&lab, &docker, "street");
    published(&lab, &docker, "street");
    // Without a parent it has no wire.
    let sealed = ["-o=driver=macvlan", "--internal", "--subnet=198.18.52.0/24"];
    docker.create("sealed", &sealed);
    internal(&docker, "sealed");
    docker.finish();
    lab.finish();
}

#[test]
fn engines_with_a_common_store_have_the_same_overlay_network() {
    let hosts = Hosts::start_with(
        Underlay::wire(2),
        2,
        &Setup {
            docker: Some(Scope::Global),
            ..plugin()
        },
    );
    let etcd = Etcd::start(hosts.site(0));
    let engines = [0, 1].map(|host| {
        let options = etcd.options(hosts.site(host));
        let options = options.each_ref().map(String::as_str);
        Docker::start_with(hosts.lab(host), Own::Nothing, &options)
    });
    let peers = [0, 1].map(|host| hosts.site(host).ip4().to_string());
    let peers = format!("peers={}", peers.join(","));
    let options = ["-o=driver=overlay", "-o=vni=42", "-o", &peers];
    engines[0].create(
        "wide",
        &[&options[..], &["--subnet=198.18.50.0/24"]].concat(),
    );
    let scope = engines[0].network("wide")["Scope"].clone();
    assert_eq!(scope, "global");
    let anna = engines[0].container("anna", "wide", &[]);
    let bert = engines[1].container("bert", "wide", &[]);
    let carl = engines[1].container("carl", "wide", &[]);
    // The engines gave different addresses; the switches find them.
    for (from, to) in [(&anna, &bert), (&bert, &anna), (&carl, &anna)] {
        pings(from, to.ip4());
    }
    agree(hosts.lab(1), &engines[1], "wide", 2);
    engines[1].done(&["rm", "-f", "bert", "carl"]);
    // With its last endpoint here it goes from this switch, and stays where it has one.
    let has = |host: usize| {
        let all = hosts.lab(host).cli(&["network", "ls"]);
        all.ok().contains("wide")
    };
    eventually(SOON, "it goes from the second host", || {
        (!has(1)).then_some(())
    });
    assert!(has(0));
    engines[0].done(&["rm", "-f", "anna"]);
    engines[1].done(&["network", "rm", "wide"]);
    for engine in engines {
        engine.finish();
    }
}

#[test]
fn containers_are_stations_of_a_physical_lan() {
    let lan = Lan::start();
    let lab = Lab::start_with(&Setup {
        site: lan.setup().site,
        ..plugin()
    });
    let docker = Docker::start(&lab);
    let router = format!("--gateway={}", lan.station(0).ip4());
    docker.create(
        "street",
        &[
            "-o=driver=macvlan",
            "-o=parent=eth0",
            "--subnet=198.18.7.0/24",
            "--ip-range=198.18.7.128/25",
            &router,
        ],
    );
    let anna = docker.container("anna", "street", &[]);
    let bert = docker.container("bert", "street", &[]);
    pings(&anna, bert.ip4());
    for station in lan.stations() {
        pings(&anna, station.ip4());
        pings(station, anna.ip4());
    }
    let routes = anna.exec(&["ip", "route"]);
    assert!(
        routes.ok().contains("default via 198.18.7.11"),
        "{routes:?}"
    );
    agree(&lab, &docker, "street", 2);
    docker.finish();
    lab.finish();
}
