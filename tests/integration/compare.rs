//! `vswitch-perf compare`: it measures what it is asked to, says what it has not got, and leaves nothing behind, whether
//! it comes to its end or not. What it measures is nobody's business here.

use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};
use vswitch_tests::{
    Must as _, daemon::signal, deadline::SOON, eventually, guard::Guard, perf::Perf,
};

fn json(path: &str) -> Value {
    let text = fs::read_to_string(path).must("the report");
    serde_json::from_str(&text).must("JSON")
}

#[test]
fn a_short_run_has_figures_ratios_and_the_machine_and_leaves_no_trace() {
    let _alone = Guard::alone();
    let perf = Perf::of("compare");
    let (report, raw) = (perf.path("report.json"), perf.path("raw"));
    let run = perf.run(&[
        "bridge",
        "--candidates=vswitch,bare-tap",
        "--baseline=bare-tap",
        "--loads=tcp-1-cubic,rr-udp",
        "--rounds=1",
        "--seconds=1",
        "--json",
        &report,
        "--out",
        &raw,
    ]);
    let table = run.ok();
    assert_eq!(run.stderr, "");
    for words in ["tcp-1-cubic", "p99.9", "vswitch", "bare-tap", "RATIO"] {
        assert!(table.contains(words), "no {words:?} in\n{table}");
    }
    let document = Perf::of("results").run(&[&report]);
    assert!(document.ok().starts_with("## bridge"), "{document:?}");
    let report = json(&report);
    for key in ["kernel", "processor", "cores", "versions"] {
        assert!(!report["machine"][key].is_null(), "no {key}: {report}");
    }
    assert_eq!(report["machine"]["offload"][0]["interface"], "eth0");
    let command = report["command"].as_str().must("the command");
    assert!(command.contains("--baseline=bare-tap"), "{command}");
    let rows = report["rows"].as_array().must("rows");
    let row = |metric: &str, candidate: &str| {
        let mut all = rows.iter();
        let found = all.find(|row| row["metric"] == metric && row["candidate"] == candidate);
        found.must(&format!("{metric} of {candidate}"))
    };
    for metric in [
        "throughput",
        "p50",
        "p99",
        "p999",
        "cpu-switch",
        "cpu-machine",
    ] {
        for candidate in ["bare-tap", "vswitch"] {
            let row = row(metric, candidate);
            let median = row["median"].as_f64().must("a median");
            assert!(median > 0.0, "{row}");
        }
        let own = row(metric, "bare-tap")["ratio"]["median"].as_f64();
        assert_eq!(own, Some(1.0), "{metric}");
    }
    // A file for each measurement with iperf3.
    assert_eq!(fs::read_dir(raw).must("raw").count(), 2);
    perf.left_nothing();
}

#[test]
fn wrong_words_and_what_is_missing_are_said_in_a_line() {
    let _alone = Guard::alone();
    let perf = Perf::of("compare");
    for (args, reason) in [
        (
            &["bridge", "--candidates=cisco"][..],
            "no candidate is called \"cisco\"",
        ),
        (
            &["bridge", "--loads=tcp-3"][..],
            "no load is called \"tcp-3\"",
        ),
        (&["bridge", "--baseline=ovs-*"][..], "is several"),
        (
            &["bridge", "--candidates=vswitch:workers=0"][..],
            "1 or more",
        ),
        (&["publish", "--loads=rr-udp"][..], "no load is left"),
    ] {
        let refused = perf.run(args);
        assert_eq!((refused.status, &*refused.stdout), (1, ""), "{refused:?}");
        assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
        assert!(refused.stderr.contains(reason), "{refused:?}");
    }
    // A candidate that cannot be had is named and left out; a list says the same.
    let list = perf.run(&[
        "bridge",
        "--list",
        "--candidates=vswitch",
        "--baseline=vswitch:program=/no/such/vswitch",
    ]);
    let missing = "vswitch:program=/no/such/vswitch  no   MTU 1500: /no/such/vswitch is missing";
    assert!(list.ok().contains(missing), "{}", list.stdout);
    perf.left_nothing();
}

#[test]
fn interrupted_it_ends_what_it_has_started() {
    let _alone = Guard::alone();
    let perf = Perf::of("compare");
    let mut command = perf.command(&["bridge", "--candidates=vswitch", "--baseline=vswitch"]);
    command.args(["--loads=tcp-1-cubic", "--seconds=60", "--rounds=1"]);
    let mut run = (command.stdout(Stdio::piped()).stderr(Stdio::piped()))
        .spawn()
        .must("run it");
    // The daemon's socket is an argument of its.
    eventually(SOON, "the daemon runs", || {
        (!perf.processes().is_empty()).then_some(())
    });
    signal(run.id(), Signal::INT);
    let errors = BufReader::new(run.stderr.take().must("stderr"));
    let errors: Vec<_> = errors.lines().map_while(Result::ok).collect();
    let status = run.wait().must("its end");
    assert_eq!(status.code(), Some(130), "{errors:?}");
    assert!(
        errors.iter().any(|line| line.contains("interrupted")),
        "{errors:?}"
    );
    perf.left_nothing();
}
