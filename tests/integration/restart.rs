//! What outlives the daemon: everything that was asked for, however it ends.

use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};
use vswitch::{control::store::Store, sys::netlink};
use vswitch_tests::{
    Lab, Must as _, Sandbox, Setup, daemon, deadline::measure_for, icmp, pattern::Pattern, transfer,
};

fn keeping() -> Lab {
    Lab::start_with(&Setup {
        keeps: true,
        ..Setup::default()
    })
}

/// All that people are shown, but for what counts or is numbered anew.
fn shown(lab: &Lab) -> Vec<Value> {
    let networks = lab.json(&["network", "ls"]);
    let names = networks.as_array().must("networks").iter();
    let names = names.map(|network| network["name"].as_str().must("a name").to_owned());
    let mut all: Vec<Value> = names
        .map(|name| lab.json(&["network", "inspect", &name]))
        .collect();
    all.push(lab.json(&["sandbox", "ls"]));
    all
}

#[test]
fn everything_is_there_again_and_a_connection_goes_on() {
    let mut lab = keeping();
    lab.network("lan", &["gateway=host"]);
    let all = lab.join_all("lan", 3);
    let [a, b] = [&all[0], &all[1]];
    lab.cli(&["fdb", "add", "lan", "02:00:00:00:00:05", "a/eth0"])
        .done();
    let before = shown(&lab);
    let listener = b.run(|| TcpListener::bind(SocketAddr::new(b.ip4(), 0)));
    let listener = listener.must("a listener");
    let target = listener.local_addr().must("its address");
    let writer = a.run(|| TcpStream::connect(target)).must("a connection");
    let (reader, _) = listener.accept().must("a connection");
    thread::scope(|scope| {
        scope.spawn(|| transfer::stream(writer, reader, 4 << 30, "through three restarts"));
        for _ in 0..3 {
            measure_for(Duration::from_millis(300));
            lab.kill_daemon();
            lab.restart();
            // Ready is when the control socket answers: then everything is there.
            let first = icmp::first_answer(a, b.ip4(), Duration::from_secs(1));
            assert!(first.is_some(), "no answer within a second of the restart");
        }
    });
    assert_eq!(shown(&lab), before);
    icmp::all_pairs(&all);
    let entries = lab.fdb("lan");
    assert!(
        entries.iter().any(|(mac, ..)| mac == "02:00:00:00:00:05"),
        "{entries:?}"
    );
    lab.finish();
}

#[test]
fn an_end_in_good_order_leaves_the_sandboxes_with_who_is_in_them() {
    let mut lab = keeping();
    lab.network("lan", &[]);
    let all = lab.join_all("lan", 2);
    let before = shown(&lab);
    assert!(lab.interrupt().success());
    let links = all[0].run(netlink::links).must("the links");
    assert!(links.iter().all(|link| link.name == "lo"), "{links:?}");
    lab.restart();
    assert_eq!(shown(&lab), before);
    icmp::all_pairs(&all);
    lab.finish();
}

#[test]
fn a_second_daemon_does_not_take_the_state() {
    let lab = keeping();
    let beside = Lab::beside(&lab);
    let state = lab.dir().join("state");
    let socket = beside.dir().join("other").join("s.sock");
    let mut command = std::process::Command::new(daemon::program());
    command
        .arg("--socket")
        .arg(&socket)
        .arg("daemon")
        .arg("--state-dir")
        .arg(state);
    let output = command.output().must("run the daemon");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another daemon uses it"), "{said}");
    fs::remove_dir_all(beside.dir().join("other")).must("tidy up");
    beside.finish();
    lab.finish();
}

/// Every address that the switch says somebody has is on exactly that interface, and there is no other interface.
fn agrees(lab: &Lab, sandboxes: &[Sandbox]) {
    let mut addresses = BTreeSet::new();
    for sandbox in sandboxes {
        let shown = lab.json(&["sandbox", "inspect", &sandbox.name]);
        let interfaces = shown[0]["interfaces"].as_array().must("interfaces").clone();
        let mut said: Vec<(String, String)> = (interfaces.iter())
            .map(|interface| {
                let text = |key: &str| interface[key].as_str().must(key).to_owned();
                (text("ifname"), text("ipv4"))
            })
            .collect();
        said.sort();
        for (_, address) in &said {
            assert!(addresses.insert(address.clone()), "{address} twice");
        }
        let (links, there) = sandbox.run(|| (netlink::links(), netlink::addresses()));
        let links = links.must("links");
        let mut found: Vec<(String, String)> = (there.must("addresses").into_iter())
            .filter(|address| address.address.addr().is_ipv4())
            .filter_map(|address| {
                let link = links.iter().find(|link| link.index == address.index)?;
                Some((link.name.clone(), address.address.to_string()))
            })
            .filter(|(name, _)| name != "lo")
            .collect();
        found.sort();
        assert_eq!(found, said, "{}", sandbox.name);
        let stale = links.iter().filter(|link| link.name != "lo").count();
        assert_eq!(stale, said.len(), "{}: {links:?}", sandbox.name);
    }
}

/// Somebody who changes something all the time, until the daemon is killed under their hands.
fn work(lab: &Lab, chance: &mut Pattern, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let name = format!("w{}", chance.below(3));
        // Each may be refused, as what it needs is not there, or because nobody answers any more.
        let words: &[&str] = match chance.below(6) {
            0 => &["sandbox", "create", &name],
            1 => &["network", "connect", "lan", &name],
            2 => &["network", "disconnect", "lan", &name],
            3 => &["sandbox", "rm", "--force", &name],
            4 => &["network", "create", "extra", "--subnet", "198.18.77.0/29"],
            _ => &["network", "rm", "extra"],
        };
        let _refused_or_not = lab.cli(words);
    }
}

#[test]
fn killed_a_hundred_times_at_any_moment_it_carries_on() {
    let mut lab = keeping();
    // Six addresses, one of them the gateway's: one that is lost is missed soon.
    let words = ["network", "create", "lan", "--subnet", "198.18.99.0/29"];
    lab.cli(&words).done();
    let talkers = [lab.join("lan", "a"), lab.join("lan", "b")];
    let [a, b] = &talkers;
    let listener = b.run(|| TcpListener::bind(SocketAddr::new(b.ip4(), 0)));
    let listener = listener.must("a listener");
    let target = listener.local_addr().must("its address");
    let mut chance = Pattern::new(2889);
    let mut received = 0;
    for round in 0..100 {
        let done = AtomicBool::new(false);
        let moment = Duration::from_millis(chance.below(120));
        let mut worker = Pattern::new(round);
        let writer = a.run(|| TcpStream::connect(target)).must("a connection");
        let (reader, _) = listener.accept().must("a connection");
        received += thread::scope(|scope| {
            scope.spawn(|| work(&lab, &mut worker, &done));
            let traffic = scope.spawn(|| transfer::until(&done, writer, reader));
            measure_for(moment);
            daemon::signal(lab.daemon().0, Signal::KILL);
            done.store(true, Ordering::Relaxed);
            traffic
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        lab.kill_daemon();
        lab.restart();
        let first = icmp::first_answer(a, b.ip4(), Duration::from_secs(1));
        assert!(first.is_some(), "round {round}: no answer within a second");
        let listed = lab.json(&["sandbox", "ls"]);
        let others = listed.as_array().must("sandboxes").iter();
        let others = others.map(|sandbox| {
            let name = sandbox["name"].as_str().must("a name");
            Sandbox::open(name, lab.netns_path(name).as_ref(), None)
        });
        agrees(&lab, &others.collect::<Vec<_>>());
    }
    no_address_is_lost(&lab);
    assert!(received > 0, "no traffic at all");
    lab.finish();
}

/// After the workers have gone there is room for three more, and for no fourth.
fn no_address_is_lost(lab: &Lab) {
    let listed = lab.json(&["sandbox", "ls"]);
    for sandbox in listed.as_array().must("sandboxes") {
        let name = sandbox["name"].as_str().must("a name");
        if name.starts_with('w') {
            lab.cli(&["sandbox", "rm", "--force", name]).done();
        }
    }
    for number in 0..4 {
        lab.cli(&["sandbox", "create", &format!("n{number}")])
            .done();
    }
    for number in 0..3 {
        lab.cli(&["network", "connect", "lan", &format!("n{number}")])
            .done();
    }
    lab.refuses(&["network", "connect", "lan", "n3"], &["no address left"]);
}

#[test]
fn a_state_file_damaged_at_any_byte_gives_the_old_state_or_the_new_one() {
    let mut lab = keeping();
    lab.network("lan", &["gateway=host"]);
    let all = lab.join_all("lan", 2);
    lab.cli(&["network", "create", "last", "-o", "gateway=off"])
        .done();
    lab.kill_daemon();
    let directory = lab.dir().join("state");
    let read = |name: &str| fs::read(directory.join(name)).must(name);
    let (newest, previous) = (read("state"), read("state.previous"));
    let body = |file: &[u8]| {
        let line = file
            .iter()
            .position(|byte| *byte == b'\n')
            .must("a first line");
        file[line + 1..].to_vec()
    };
    let whole = [body(&newest), body(&previous)];
    for byte in 0..newest.len() {
        let mut flipped = newest.clone();
        flipped[byte] ^= 1 << (byte % 8);
        for damaged in [&flipped[..], &newest[..byte]] {
            fs::write(directory.join("state"), damaged).must("write");
            fs::write(directory.join("state.previous"), &previous).must("write");
            let (store, found) = Store::open(&directory).must("the start succeeds");
            drop(store);
            let state = found.state.must("a state");
            assert!(whole.contains(&state), "byte {byte}: {:?}", found.damage);
            assert!(!found.damage.is_empty(), "byte {byte}: said nothing");
        }
    }
    // The same through the whole daemon, here and there.
    for byte in (0..newest.len()).step_by(newest.len() / 8) {
        fs::write(directory.join("state"), &newest[..byte]).must("write");
        fs::write(directory.join("state.previous"), &previous).must("write");
        lab.restart();
        icmp::all_pairs(&all);
        assert_eq!(lab.cli(&["network", "inspect", "last"]).status, 1);
        lab.kill_daemon();
    }
    fs::write(directory.join("state"), &newest).must("write");
    lab.forgive("state file");
    lab.restart();
    lab.cli(&["network", "inspect", "last"]).done();
    lab.finish();
}
