//! Networks: made, shown, removed, refused.

use super::{agree, lab};
use serde_json::json;
use vswitch_tests::{Docker, deadline::SOON, eventually};

#[test]
fn what_is_refused_reaches_the_user_in_one_line() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create("taken", &["--subnet", "198.18.7.0/24"]);
    // Its name comes a moment after it, and would be a change.
    agree(&lab, &docker, "taken", 0);
    let before = lab.fingerprint();
    let create = ["network", "create", "-d", "vswitch"];
    for (options, says) in [
        (
            &["-o", "colour=red"][..],
            "remote: option \"colour\": unknown to the bridge driver; known are mtu",
        ),
        (&["-o", "driver=warp"], "remote: driver \"warp\": unknown"),
        (
            &["-o", "driver=overlay", "-o", "vni=x"],
            "remote: option vni",
        ),
        (&["-o", "driver=macvlan", "-o", "parent=nic9"], "remote: "),
        (&["-o", "mtu=9"], "remote: option mtu"),
        (
            &["--ipam-driver", "vswitch", "--ipam-opt", "k=v"],
            "IPAM option \"k\"",
        ),
    ] {
        let words = [&create[..], options, &["x"]].concat();
        let said = docker.refuses(&words, &[says]);
        assert_eq!(said.lines().count(), 1, "{said}");
        lab.unchanged(&before, &words.join(" "));
    }
    docker.finish();
    lab.finish();
}

#[test]
fn networks_have_the_engines_names_and_ids() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create("plain", &[]);
    docker.create(
        "full",
        &[
            "--internal",
            "--ipv6",
            "--subnet=198.18.7.0/24",
            "--subnet=2001:2:7::/64",
            "--gateway=198.18.7.9",
            "--aux-address=printer=198.18.7.10",
            "-o=com.docker.network.driver.mtu=1400",
        ],
    );
    for name in ["plain", "full"] {
        agree(&lab, &docker, name, 0);
    }
    let full = lab.json(&["network", "inspect", "full"])[0].take();
    assert_eq!(full["Internal"], true);
    assert_eq!(full["EnableIPv6"], true);
    assert_eq!(full["IPAM"]["Config"][0]["Gateway"], "198.18.7.9");
    assert_eq!(
        full["IPAM"]["Config"][0]["AuxiliaryAddresses"],
        json!({"printer": "198.18.7.10"})
    );
    let a = docker.container("anna", "full", &[]);
    assert!(a.exec(&["ip", "link"]).ok().contains("mtu 1400"));
    docker.refuses(&["network", "rm", "full"], &["active endpoints"]);
    docker.done(&["rm", "-f", "anna"]);
    docker.done(&["network", "rm", "full", "plain"]);
    eventually(SOON, "the end of both", || {
        let left = lab.cli(&["network", "ls"]);
        let gone = !left.ok().contains("full") && !left.ok().contains("plain");
        gone.then_some(())
    });
    docker.finish();
    lab.finish();
}

#[test]
fn a_name_that_the_switch_has_given_already_costs_only_the_name() {
    let lab = lab();
    let docker = Docker::start(&lab);
    lab.network("lan", &[]);
    docker.create("lan", &["--subnet", "198.18.7.0/24"]);
    let id = docker.network("lan")["Id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let name = format!("docker-{}", &id[..12]);
    let ours = lab.json(&["network", "inspect", &name]);
    assert_eq!(ours[0]["Id"].as_str(), Some(id.as_str()));
    docker.done(&["network", "rm", "lan"]);
    docker.finish();
    lab.finish();
}

#[test]
fn the_switchs_own_ipam_serves_the_engine() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create("auto", &["--ipam-driver", "vswitch"]);
    docker.create(
        "given",
        &[
            "--ipam-driver=vswitch",
            "--subnet=198.18.7.0/24",
            "--ip-range=198.18.7.128/25",
            "--gateway=198.18.7.1",
            "--aux-address=r=198.18.7.128",
        ],
    );
    let auto = docker.container("anna", "auto", &[]);
    let given = docker.container("bert", "given", &[]);
    assert!(auto.nic().ip4.is_some());
    assert_eq!(given.ip4().to_string(), "198.18.7.129");
    for name in ["auto", "given"] {
        agree(&lab, &docker, name, 1);
    }
    docker.done(&["rm", "-f", "anna", "bert"]);
    docker.done(&["network", "rm", "auto", "given"]);
    // All of it was given back.
    docker.create(
        "given",
        &["--ipam-driver=vswitch", "--subnet=198.18.7.0/24"],
    );
    docker.finish();
    lab.finish();
}

#[test]
fn without_addresses_of_the_engines_there_are_none() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create("bare", &["--ipam-driver", "null"]);
    let a = docker.container("anna", "bare", &[]);
    let b = docker.container("bert", "bare", &[]);
    for (sandbox, number) in [(&a, 1), (&b, 2)] {
        let address = format!("198.18.7.{number}/24");
        sandbox
            .exec(&["ip", "addr", "add", &address, "dev", "eth0"])
            .done();
    }
    assert!(!a.exec(&["ip", "route"]).ok().contains("default"));
    a.exec(&["ping", "-c1", "-W5", "198.18.7.2"]).done();
    docker.finish();
    lab.finish();
}
