//! The engine and the switch end and come back, in order or not, while containers live.

use super::{agree, lab};
use std::time::{Duration, Instant};
use vswitch_tests::{Docker, Lab, Sandbox, deadline::SOON, docker::Own, eventually};

const SUBNETS: [&str; 3] = ["--ipv6", "--subnet=198.18.7.0/24", "--subnet=2001:2:7::/64"];

/// What the engine may take to come back: it waits for plugins that are not there.
const PATIENCE: Duration = Duration::from_secs(90);

fn talk(one: &Sandbox, other: &Sandbox) {
    for to in [other.ip4(), other.ip6()] {
        eventually(SOON, "an answer", || {
            let ping = one.exec(&["ping", "-c1", "-W1", &to.to_string()]);
            (ping.status == 0).then_some(())
        });
    }
}

/// Everything still works: a container comes, another goes.
#[track_caller]
fn goes_on(lab: &Lab, docker: &Docker, old: &Sandbox) {
    let new = docker.container("newcomer", "lan", &[]);
    talk(&new, old);
    talk(old, &new);
    agree(lab, docker, "lan", 3);
    docker.done(&["rm", "-f", "newcomer"]);
    agree(lab, docker, "lan", 2);
}

#[test]
fn the_switch_comes_back_after_its_end() {
    let mut lab = lab();
    let docker = Docker::start(&lab);
    docker.create("lan", &SUBNETS);
    let options = ["-p", "8080:80"];
    let anna = docker.container("anna", "lan", &options);
    let bert = docker.container("bert", "lan", &["--network-alias", "bob"]);
    talk(&anna, &bert);
    for killed in [false, true] {
        if killed {
            lab.kill_daemon();
        } else {
            assert!(lab.interrupt().success());
        }
        lab.restart();
        talk(&anna, &bert);
        agree(&lab, &docker, "lan", 2);
        for name in ["bert", "bob"] {
            let found = docker.exec("anna", &["nslookup", name]);
            assert!(found.stdout.contains(&bert.ip4().to_string()), "{found:?}");
        }
        goes_on(&lab, &docker, &anna);
    }
    docker.done(&["stop", "-t", "0", "anna"]);
    docker.done(&["start", "anna"]);
    talk(&docker.sandbox("anna", "lan"), &bert);
    docker.finish();
    lab.finish();
}

#[test]
fn the_engine_comes_back_and_its_containers_ended_with_it() {
    let lab = lab();
    let mut docker = Docker::start(&lab);
    docker.create("lan", &SUBNETS);
    for killed in [false, true] {
        docker.container("anna", "lan", &["--restart", "always"]);
        docker.container("bert", "lan", &[]);
        if killed {
            docker.kill();
        } else {
            assert!(docker.stop().success());
        }
        docker.restart();
        let anna = eventually(SOON, "anna runs again", || {
            let found = docker.inspect("anna");
            (found["State"]["Running"] == true).then(|| docker.sandbox("anna", "lan"))
        });
        assert_eq!(docker.inspect("bert")["State"]["Running"], false);
        agree(&lab, &docker, "lan", 1);
        docker.done(&["start", "bert"]);
        let bert = docker.sandbox("bert", "lan");
        talk(&anna, &bert);
        goes_on(&lab, &docker, &anna);
        docker.done(&["rm", "-f", "anna", "bert"]);
    }
    docker.finish();
    lab.finish();
}

#[test]
fn the_engine_comes_back_to_containers_that_lived_on() {
    let lab = lab();
    let mut docker = Docker::start_with(&lab, Own::Nothing, &["--live-restore"]);
    docker.create("lan", &SUBNETS);
    let anna = docker.container("anna", "lan", &[]);
    let bert = docker.container("bert", "lan", &[]);
    for killed in [false, true] {
        if killed {
            docker.kill();
        } else {
            assert!(docker.stop().success());
        }
        talk(&anna, &bert);
        docker.restart();
        talk(&anna, &bert);
        agree(&lab, &docker, "lan", 2);
        goes_on(&lab, &docker, &anna);
    }
    docker.done(&["network", "disconnect", "lan", "bert"]);
    docker.done(&["network", "connect", "lan", "bert"]);
    talk(&anna, &docker.sandbox("bert", "lan"));
    docker.finish();
    lab.finish();
}

#[test]
fn both_are_killed_and_come_back_to_containers_that_lived_on() {
    let mut lab = lab();
    let mut docker = Docker::start_with(&lab, Own::Nothing, &["--live-restore"]);
    docker.create("lan", &SUBNETS);
    let anna = docker.container("anna", "lan", &[]);
    let bert = docker.container("bert", "lan", &[]);
    docker.kill();
    lab.kill_daemon();
    lab.restart();
    talk(&anna, &bert);
    docker.restart();
    talk(&anna, &bert);
    agree(&lab, &docker, "lan", 2);
    goes_on(&lab, &docker, &anna);
    docker.finish();
    lab.finish();
}

#[test]
fn the_engine_starts_without_the_switch() {
    let mut lab = lab();
    let mut docker = Docker::start(&lab);
    docker.create("lan", &SUBNETS);
    docker.container("anna", "lan", &["--restart", "always"]);
    docker.container("bert", "lan", &[]);
    for killed in [false, true] {
        assert!(docker.stop().success());
        if killed {
            lab.kill_daemon();
        } else {
            assert!(lab.interrupt().success());
        }
        let began = Instant::now();
        docker.restart_within(PATIENCE);
        eprintln!("the engine was there after {:?}", began.elapsed());
        // Networks of others are there at once.
        docker.done(&["run", "--rm", "--network", "none", "bb", "true"]);
        docker.refuses(&["start", "bert"], &["vswitch"]);
        lab.restart();
        docker.done(&["start", "bert"]);
        docker.done(&["start", "anna"]);
        let anna = docker.sandbox("anna", "lan");
        let bert = docker.sandbox("bert", "lan");
        talk(&anna, &bert);
        agree(&lab, &docker, "lan", 2);
    }
    docker.finish();
    lab.finish();
}
