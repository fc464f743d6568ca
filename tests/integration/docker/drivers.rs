//! Networks of the other drivers: overlay across two hosts that each have an engine, macvlan on a physical LAN.

use super::{agree, pings, plugin};
use vswitch_tests::{
    Docker, Hosts, Lab, Lan, Setup, Underlay,
    docker::{Etcd, Own},
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
