//! `vswitch-perf rfc2544` and `rfc2889`: what they count adds up, what they find is what this switch was told to be,
//! and nothing is left of a run, whether it ends or is ended.

use rustix::process::Signal;
use serde_json::Value;
use std::{fs, process::Stdio, time::Duration};
use vswitch_tests::{
    Must as _, Output,
    daemon::{program, signal},
    eventually,
    guard::Guard,
    perf::Perf,
};

/// How long a run in a debug build on a busy machine may take to be under way.
const START: Duration = Duration::from_secs(60);

/// The report of a run that succeeds. Options are words with blanks between them.
#[track_caller]
fn run(command: &'static str, options: &str) -> Value {
    let perf = Perf::of(command);
    let (report, vswitch) = (perf.path("report.json"), program());
    let files = ["--json", &report, "--vswitch", &vswitch.to_string_lossy()];
    let words: Vec<_> = options.split_whitespace().chain(files).collect();
    let output = perf.run(&words);
    let text = output.ok();
    assert!(text.contains("frame check sequence"), "{text}");
    perf.left_nothing();
    // What one command writes another one reads.
    let document = Perf::of("results").run(&[&report]);
    assert!(document.ok().starts_with("## RFC"), "{document:?}");
    serde_json::from_slice(&fs::read(report).must("a report")).must("JSON")
}

/// A figure of the first finding.
#[track_caller]
fn figure(report: &Value, name: &str) -> f64 {
    let measures = report["findings"][0]["measures"]
        .as_array()
        .must("measures");
    let measure = measures.iter().find(|one| one["name"] == name);
    let value = measure.and_then(|one| one["value"].as_f64());
    value.unwrap_or_else(|| panic!("no {name} in {measures:#?}"))
}

#[test]
fn every_frame_that_was_offered_is_accounted_for() {
    let _alone = Guard::alone();
    let report = run(
        "rfc2544",
        "--candidates vswitch --tests throughput --sizes 64 --seconds 0.2 \
                      --tolerance 1 --resolution 10",
    );
    assert!(figure(&report, "throughput") > 0.0);
    let finding = &report["findings"][0];
    assert_eq!(finding["candidate"], "vswitch");
    let trials = finding["trials"].as_array().must("trials");
    for trial in trials {
        let count = |name: &str| trial[name].as_u64().must(name);
        assert!(count("frames_offered") > 0, "{trial}");
        assert_eq!(count("frames_offered"), count("frames_wanted"), "{trial}");
        assert!(
            count("frames_received") <= count("frames_wanted"),
            "{trial}"
        );
        // The switch was taught both addresses before, and keeps the order of a stream.
        assert_eq!(count("frames_flooded"), 0, "{trial}");
        assert_eq!(count("frames_out_of_order"), 0, "{trial}");
        let lost = count("frames_wanted") - count("frames_received");
        assert!(count("frames_refused_by_interface") <= lost, "{trial}");
    }
}

#[test]
fn a_frame_takes_some_time_from_host_to_host() {
    let _alone = Guard::alone();
    let report = run(
        "rfc2544",
        "--candidates vswitch --tests latency --sizes 1518 --seconds 0.2 \
                      --tolerance 1 --resolution 10",
    );
    let times = ["min", "median", "99th percentile", "max"];
    let times = times.map(|name| figure(&report, &format!("{name} at 10 % of it")));
    assert!(times[0] > 1.0 && times.is_sorted(), "{times:?}");
}

#[test]
fn the_table_is_found_to_hold_what_it_is_bounded_to() {
    let _alone = Guard::alone();
    let report = run(
        "rfc2889",
        "--candidates vswitch:max_entries=300 --tests address-caching \
                      --most-addresses 1000 --address-rate 5000 --ports 3",
    );
    // The hosts' own addresses have places of it, too.
    let found = figure(&report, "capacity");
    assert!((295.0..=300.0).contains(&found), "{found}");
    assert_eq!(report["findings"][0]["measures"][0]["kind"], "exactly");
}

#[test]
fn a_broadcast_reaches_all_ports_but_the_first() {
    let _alone = Guard::alone();
    let report = run(
        "rfc2889",
        "--candidates vswitch --tests broadcast --sizes 64 --seconds 0.2 \
                      --tolerance 1 --resolution 10 --ports 3",
    );
    let trials = report["findings"][0]["trials"].as_array().must("trials");
    for trial in trials {
        let count = |name: &str| trial[name].as_u64().must(name);
        assert_eq!(
            count("frames_wanted"),
            2 * count("frames_offered"),
            "{trial}"
        );
    }
    assert!(figure(&report, "throughput") > 0.0);
}

#[test]
fn a_run_that_is_interrupted_ends_soon_and_leaves_nothing() {
    let _alone = Guard::alone();
    let perf = Perf::of("rfc2544");
    let mut command = perf.command(&["--candidates=vswitch", "--sizes=64", "--seconds=600"]);
    let child = (command.stdout(Stdio::piped()).stderr(Stdio::piped()))
        .spawn()
        .must("run it");
    // The daemon's socket is an argument of its.
    eventually(START, "the daemon runs", || {
        (!perf.processes().is_empty()).then_some(())
    });
    signal(child.id(), Signal::INT);
    let output = Output::new(
        "rfc2544".to_owned(),
        &child.wait_with_output().must("its end"),
    );
    assert_eq!((output.status, output.stdout.as_str()), (130, ""));
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    assert!(output.stderr.contains("interrupted"), "{}", output.stderr);
    perf.left_nothing();
}

#[test]
fn what_cannot_be_run_is_refused_with_the_remedy() {
    let _alone = Guard::alone();
    for (command, option, remedy) in [
        (
            "rfc2889",
            &["--tests=congestion", "--ports=3"][..],
            "--ports 4",
        ),
        ("rfc2889", &["--setup=overlay"], "two hosts"),
        ("rfc2544", &["--candidates=cisco"], "\"cisco\""),
        ("rfc2544", &["--sizes=63"], "64 to 9018"),
        (
            "rfc2544",
            &["--candidates=vswitch:program=/no/such/vswitch"],
            "is missing",
        ),
    ] {
        let perf = Perf::of(command);
        let output = perf.run(option);
        assert_ne!(output.status, 0, "{option:?}");
        assert!(
            output.stderr.contains(remedy),
            "{option:?}: {}",
            output.stderr
        );
        assert_eq!(output.stdout, "", "{option:?}");
        perf.left_nothing();
    }
}
