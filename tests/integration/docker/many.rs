//! Many containers at once.
//!
//! Ten rounds are the long form, `VSWITCH_ROUNDS=10`; what everybody runs has fewer.

use super::{agree, lab};
use std::{env, thread, time::Instant};
use vswitch_tests::{Docker, Lab, Must as _, deadline::SOON, eventually, neighbours::Neighbours};

const CONTAINERS: usize = 50;
/// Rounds, where nobody asks for more.
const ROUNDS: usize = 2;
/// Clients of the engine that do the same at once.
const CLIENTS: usize = 10;
/// How often a container asks for another, which may still be on its way.
const PATIENCE: usize = 60;

fn rounds() -> usize {
    match env::var("VSWITCH_ROUNDS") {
        Ok(rounds) => rounds.parse().must("VSWITCH_ROUNDS: a number"),
        Err(_) => ROUNDS,
    }
}

fn name(number: usize) -> String {
    format!("c{number}")
}

/// Does something with every container, many at a time.
fn all(work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let work = &work;
            scope.spawn(move || (client..CONTAINERS).step_by(CLIENTS).for_each(work));
        }
    });
}

/// What a container does: asks for every one by its name until it has answered, and says so.
fn program() -> String {
    let names: Vec<String> = (0..CONTAINERS).map(name).collect();
    format!(
        "for one in {}; do n=0; until ping -c1 -W1 $one >/dev/null 2>&1; do \
         n=$((n+1)); if [ $n = {PATIENCE} ]; then echo $one is silent; exit 1; fi; sleep 1; done; done; echo all answer",
        names.join(" ")
    )
}

/// Starts all, lets every one reach every other by name, and ends all.
fn round(lab: &Lab, docker: &Docker, number: usize) {
    let began = Instant::now();
    all(|number| {
        let name = name(number);
        docker.done(&["run", "-d", "--name", &name, "--network", "many", "bb"]);
    });
    let started = began.elapsed();
    agree(lab, docker, "many", CONTAINERS);
    let program = program();
    all(|number| {
        let said = docker.exec(&name(number), &["sh", "-c", &program]);
        assert_eq!(said.ok(), "all answer", "{}", name(number));
    });
    let met = began.elapsed();
    all(|number| docker.done(&["rm", "-f", &name(number)]));
    println!(
        "round {number}: started {started:?}, met {met:?}, ended {:?}",
        began.elapsed()
    );
    agree(lab, docker, "many", 0);
}

/// Removes the network, on which the engine lists nothing any more.
///
/// Where many endpoints come and go at once the engine's own count of them may stay behind (moby/moby#42119), with any
/// driver. It counts anew when it starts, and says so: that, and nothing else, is what may be in the way here.
fn remove(docker: &mut Docker) {
    let removed = docker.run(&["network", "rm", "many"]);
    if removed.status == 0 {
        return;
    }
    assert!(
        removed.stderr.contains("has active endpoints"),
        "{removed:?}"
    );
    println!("the engine has miscounted, and starts again");
    assert!(docker.stop().success());
    docker.restart();
    assert!(docker.log().contains("Fixing inconsistent endpoint_cnt"));
    docker.done(&["network", "rm", "many"]);
}

#[test]
fn fifty_containers_come_meet_and_go() {
    let _room = Neighbours::room_for(8192);
    let lab = lab();
    let mut docker = Docker::start(&lab);
    docker.create("many", &["--subnet=198.18.7.0/24"]);
    // The gateway stays with its network.
    let before = {
        round(&lab, &docker, 0);
        lab.fingerprint()
    };
    for number in 1..rounds() {
        round(&lab, &docker, number);
        lab.unchanged(&before, "a round");
    }
    remove(&mut docker);
    eventually(SOON, "the network's end", || {
        (!lab.cli(&["network", "ls"]).ok().contains("many")).then_some(())
    });
    docker.finish();
    lab.finish();
}
