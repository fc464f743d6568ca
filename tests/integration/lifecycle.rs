//! Beginnings and ends: sandboxes that vanish, daemons that are stopped or killed.

use std::{net::IpAddr, process::Stdio};
use vswitch_tests::{Lab, Monitor, Must as _, daemon, deadline::SOON, eventually, icmp};

/// Ports and sandboxes now.
fn counts(lab: &Lab) -> (u64, u64) {
    let status = lab.json(&["status"]);
    let count = |key: &str| status[key].as_u64().must(key);
    (count("ports"), count("sandboxes"))
}

#[test]
fn a_device_that_is_deleted_takes_its_endpoint_along() {
    let lab = Lab::start();
    // Room for three, so that a lease that is not given back is missed.
    let words = ["network", "create", "lan", "--subnet", "198.18.0.0/29"];
    lab.cli(&[&words[..], &["-o", "gateway=off"]].concat())
        .done();
    let a = lab.join("lan", "a");
    for round in 0..8 {
        let b = lab.join("lan", &format!("b{round}"));
        icmp::answers(&a, &[b.ip4()]);
        b.exec(&["ip", "link", "del", "eth0"]).done();
        eventually(SOON, "the endpoint goes", || {
            (counts(&lab).0 == 1).then_some(())
        });
        let inspected = lab.json(&["sandbox", "inspect", &b.name]);
        assert_eq!(inspected[0]["interfaces"].as_array().map(Vec::len), Some(0));
        // The sandbox itself is still good.
        let again = lab.connect("lan", &b.name, &[]);
        icmp::answers(&a, &[again.ip4.must("ip4").into()]);
        lab.cli(&["sandbox", "rm", "--force", &b.name]).done();
    }
    lab.finish();
}

#[test]
fn an_address_that_is_used_again_with_another_mac_is_announced() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    let a = lab.join("lan", "a");
    for (name, mac) in [("b", "02:00:5e:10:00:01"), ("c", "02:00:5e:10:00:02")] {
        lab.sandbox(name);
        let more = ["--ip", "198.18.0.77", "--ip6", "2001:2::77"];
        let nic = lab.connect("lan", name, &[&more[..], &["--mac-address", mac]].concat());
        let both: [IpAddr; 2] = [nic.ip4.must("ip4").into(), nic.ip6.must("ip6").into()];
        if name == "c" {
            // No frame of a's own has asked for it.
            for address in both {
                eventually(SOON, "a is told where the address is now", || {
                    let neighbour = a.exec(&["ip", "neigh", "show", &address.to_string()]);
                    neighbour.ok().contains(mac).then_some(())
                });
            }
        }
        for address in both {
            icmp::answers(&a, &[address]);
        }
        lab.cli(&["network", "disconnect", "lan", name]).done();
    }
    lab.finish();
}

#[test]
fn a_namespace_that_ends_is_forgotten() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    let a = lab.join("lan", "a");
    let mut monitor = Monitor::start(&lab);
    let mut process = std::process::Command::new("unshare");
    process.args(["--net", "sh", "-c", "echo; exec sleep 600"]);
    process.stdout(Stdio::piped());
    let mut process = vswitch::sys::spawn_in(lab.host(), &mut process).must("a process");
    let mut line = [0];
    let stdout = process.stdout.as_mut().must("stdout");
    std::io::Read::read_exact(stdout, &mut line).must("its word");
    let nic = lab.connect("lan", &format!("pid:{}", process.id()), &[]);
    icmp::answers(&a, &[nic.ip4.must("ip4").into()]);
    assert_eq!(counts(&lab), (2, 2));
    process.kill().must("kill");
    process.wait().must("wait");
    monitor.expect("port-gone", |event| event["port"] == nic.port);
    monitor.expect("endpoint-disconnect", |event| event["port"] == nic.port);
    eventually(SOON, "it is forgotten", || {
        (counts(&lab) == (1, 1)).then_some(())
    });
    assert_eq!(monitor.count("port-gone"), 1);
    drop(monitor);
    lab.finish();
}

#[test]
fn sigint_ends_the_daemon_as_well_and_monitors_are_told() {
    let mut lab = Lab::start();
    lab.network("lan", &[]);
    lab.join("lan", "a");
    let monitor = Monitor::start(&lab);
    let status = lab.interrupt();
    assert!(status.success(), "{status}");
    assert_eq!(monitor.end().code(), Some(1));
    lab.restart();
    lab.finish();
}

#[test]
fn a_killed_daemon_leaves_a_state_from_which_the_next_carries_on() {
    let mut lab = Lab::start();
    for round in 0..3 {
        lab.network("lan", &[]);
        let all = lab.join_all("lan", 2);
        icmp::all_pairs(&all);
        lab.kill_daemon();
        for sandbox in &all {
            eventually(SOON, "the TAP goes with its daemon", || {
                let links = sandbox.exec(&["ip", "-br", "link"]);
                (!links.ok().contains("eth0")).then_some(())
            });
        }
        lab.restart();
        // It begins empty, and says what it cleared away; the same names are free again.
        assert_eq!(counts(&lab), (0, 0), "round {round}");
    }
    lab.network("lan", &[]);
    icmp::all_pairs(&lab.join_all("lan", 2));
    lab.finish();
}

#[test]
fn one_worker_and_eight_do_the_same() {
    for workers in [1, 8] {
        let lab = Lab::start_with(&vswitch_tests::Setup {
            workers: Some(workers),
            ..Default::default()
        });
        lab.network("lan", &[]);
        let all = lab.join_all("lan", 5);
        icmp::all_pairs(&all);
        let status = lab.json(&["status"]);
        assert_eq!(status["workers"].as_array().map(Vec::len), Some(workers));
        lab.finish();
    }
}

#[test]
fn a_signal_in_the_middle_of_the_work_is_no_crash() {
    // Stopped while sandboxes are still being made: what had begun ends, and nothing is left.
    for after in [0, 3, 9] {
        let lab = Lab::start();
        lab.network("lan", &[]);
        std::thread::scope(|scope| {
            let busy = scope.spawn(|| {
                let made = (0..40).take_while(|number| {
                    let name = format!("s{number}");
                    let create = lab.cli(&["sandbox", "create", &name]);
                    create.status == 0 && lab.cli(&["network", "connect", "lan", &name]).status == 0
                });
                made.count()
            });
            eventually(SOON, "it is at work", || {
                (counts_now(&lab) >= after).then_some(())
            });
            daemon::terminate(lab.daemon().0);
            busy.join().must_join()
        });
        lab.finish_stopped();
    }
}

/// Ports of a daemon that may have ended.
fn counts_now(lab: &Lab) -> u64 {
    let status = lab.cli(&["--json", "status"]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap_or_default();
    status["ports"].as_u64().unwrap_or(u64::MAX)
}

/// The value of a thread.
trait Joined<T> {
    fn must_join(self) -> T;
}

impl<T> Joined<T> for std::thread::Result<T> {
    fn must_join(self) -> T {
        self.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
