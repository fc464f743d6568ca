//! Containers on a network of ours: addresses, reachability, names, connecting and disconnecting while they run.

use super::{agree, lab, pings};
use vswitch_tests::{Docker, Must as _, deadline::SOON, eventually};

#[test]
fn two_containers_reach_each_other_and_both_sides_show_the_same() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create(
        "lan",
        &[
            "--ipv6",
            "--subnet",
            "198.18.7.0/24",
            "--subnet",
            "2001:2:7::/64",
        ],
    );
    let a = docker.container("anna", "lan", &[]);
    let b = docker.container("bert", "lan", &[]);
    assert_eq!(b.nic().ifname, "eth0");
    pings(&a, b.ip4());
    pings(&b, a.ip4());
    pings(&a, b.ip6());
    agree(&lab, &docker, "lan", 2);
    docker.done(&["rm", "-f", "bert"]);
    agree(&lab, &docker, "lan", 1);
    docker.finish();
    lab.finish();
}

#[test]
fn wishes_are_granted() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create(
        "lan",
        &[
            "--ipv6",
            "--subnet",
            "198.18.7.0/24",
            "--subnet",
            "2001:2:7::/64",
        ],
    );
    let options = [
        "--ip",
        "198.18.7.77",
        "--ip6",
        "2001:2:7::77",
        "--mac-address",
        "02:42:aa:bb:cc:dd",
    ];
    let a = docker.container("anna", "lan", &options);
    assert_eq!(a.ip4().to_string(), "198.18.7.77");
    assert_eq!(a.ip6().to_string(), "2001:2:7::77");
    assert_eq!(a.mac().to_string(), "02:42:aa:bb:cc:dd");
    let b = docker.container("bert", "lan", &[]);
    pings(&b, a.ip4());
    pings(&b, a.ip6());
    // The address is the engine's to give, the MAC address is ours.
    let run = ["run", "-d", "--name", "carl", "--network", "lan"];
    docker.refuses(
        &[&run[..], &["--ip", "198.18.7.77", "bb"]].concat(),
        &["in use"],
    );
    docker.done(&["rm", "-f", "carl"]);
    let mac = ["--mac-address", "02:42:aa:bb:cc:dd", "bb"];
    docker.refuses(&[&run[..], &mac].concat(), &["02:42:aa:bb:cc:dd", "in use"]);
    docker.done(&["rm", "-f", "carl"]);
    agree(&lab, &docker, "lan", 2);
    docker.finish();
    lab.finish();
}

#[test]
fn a_running_container_is_connected_and_disconnected() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create("one", &["--subnet", "198.18.7.0/24"]);
    docker.create("two", &["--subnet", "198.18.8.0/24"]);
    let a = docker.container("anna", "one", &[]);
    let b = docker.container("bert", "two", &[]);
    docker.done(&[
        "network",
        "connect",
        "--alias",
        "first",
        "--ip",
        "198.18.8.9",
        "two",
        "anna",
    ]);
    let second = docker.sandbox("anna", "two");
    assert_eq!(second.nic().ifname, "eth1");
    assert_eq!(second.ip4().to_string(), "198.18.8.9");
    pings(&b, second.ip4());
    agree(&lab, &docker, "two", 2);
    docker.refuses(&["network", "connect", "two", "anna"], &["already exists"]);
    docker.done(&["network", "disconnect", "two", "anna"]);
    agree(&lab, &docker, "two", 1);
    let links = a.exec(&["ip", "-o", "link"]);
    assert!(!links.ok().contains("eth1"), "{}", links.stdout);
    pings(&a, "198.18.7.1".parse().must("the gateway"));
    // As often as one likes.
    for _ in 0..5 {
        docker.done(&["network", "connect", "two", "anna"]);
        pings(&b, docker.sandbox("anna", "two").ip4());
        docker.done(&["network", "disconnect", "two", "anna"]);
    }
    docker.finish();
    lab.finish();
}

#[test]
fn containers_find_one_another_by_name() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create("lan", &["--subnet", "198.18.7.0/24"]);
    let a = docker.container(
        "anna",
        "lan",
        &["--network-alias", "db", "--hostname", "amy"],
    );
    docker.container("bert", "lan", &[]);
    let address = a.ip4().to_string();
    let id = docker.inspect("anna")["Id"].as_str().must("ID")[..12].to_owned();
    for name in ["anna", "db", "amy", "anna.lan", &id] {
        eventually(SOON, name, || {
            let found = docker.exec("bert", &["nslookup", name]);
            found.stdout.contains(&address).then_some(())
        });
    }
    assert_eq!(docker.exec("bert", &["ping", "-c1", "db"]).status, 0);
    docker.done(&["rename", "anna", "zora"]);
    eventually(SOON, "the new name", || {
        let found = docker.exec("bert", &["nslookup", "zora"]);
        found.stdout.contains(&address).then_some(())
    });
    let old = docker.exec("bert", &["nslookup", "anna"]);
    assert!(!old.stdout.contains(&address), "{}", old.stdout);
    docker.finish();
    lab.finish();
}

#[test]
fn an_internal_network_has_no_way_out() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create("inner", &["--internal", "--subnet", "198.18.7.0/24"]);
    docker.create("outer", &["--subnet", "198.18.8.0/24"]);
    let a = docker.container("anna", "inner", &[]);
    let b = docker.container("bert", "inner", &[]);
    let c = docker.container("carl", "outer", &[]);
    pings(&a, b.ip4());
    assert!(!a.exec(&["ip", "route"]).ok().contains("default"));
    assert!(
        c.exec(&["ip", "route"])
            .ok()
            .contains("default via 198.18.8.1")
    );
    docker.finish();
    lab.finish();
}
