//! `vswitch-perf rfc2544` and `rfc2889`: what they count adds up, what they find is what this switch was told to be,
//! and nothing is left of a run, whether it ends or is ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use vswitch_tests::deadline::eventually;
use vswitch_tests::{Must as _, Output, daemon::program, guard::Guard, procfs};

/// How long a run in a debug build on a busy machine may take to be under way.
const START: Duration = Duration::from_secs(60);

/// A run of the program, everything it makes in a directory of its own.
struct Run {
    directory: tempfile::TempDir,
    child: Child,
}

impl Run {
    fn start(words: &str) -> Self {
        let directory = tempfile::tempdir().must("a directory");
        let vswitch = program();
        let perf = vswitch.with_file_name("vswitch-perf");
        assert!(
            perf.exists(),
            "no program {}: cargo build -p vswitch-perf",
            perf.display()
        );
        let child = Command::new(perf)
            .args(words.split_whitespace())
            .arg("--vswitch")
            .arg(vswitch)
            .arg("--json")
            .arg(report(directory.path()))
            .env("TMPDIR", directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .must("vswitch-perf");
        Self { directory, child }
    }

    /// Waits for its end; the report, if there is one, and what it said.
    fn end(self) -> (Option<Value>, Output) {
        let output = self.child.wait_with_output().must("vswitch-perf");
        let output = Output::new("vswitch-perf".to_owned(), &output);
        let path = self.directory.path();
        let text = fs::read(report(path)).ok();
        let json = text.map(|text| serde_json::from_slice(&text).must("JSON"));
        let left = fs::read_dir(path)
            .must("the directory")
            .flatten()
            .map(|entry| entry.path());
        let left: Vec<_> = left.filter(|entry| *entry != report(path)).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        let running = procfs::with_argument(&path.to_string_lossy());
        assert!(running.is_empty(), "still running: {running:?}");
        (json, output)
    }
}

fn report(directory: &Path) -> PathBuf {
    directory.join("report.json")
}

/// The report of a run that succeeds.
#[track_caller]
fn run(words: &str) -> Value {
    let (json, output) = Run::start(words).end();
    let text = output.ok();
    assert!(text.contains("frame check sequence"), "{text}");
    json.must("a report")
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
        "rfc2544 --candidates vswitch --tests throughput --sizes 64 --seconds 0.2 \
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
        "rfc2544 --candidates vswitch --tests latency --sizes 1518 --seconds 0.2 \
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
        "rfc2889 --candidates vswitch:max_entries=300 --tests address-caching \
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
        "rfc2889 --candidates vswitch --tests broadcast --sizes 64 --seconds 0.2 \
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
    let run = Run::start("rfc2544 --candidates vswitch --sizes 64 --seconds 600");
    let directory = run.directory.path().to_string_lossy().into_owned();
    // The daemon has the directory among its arguments.
    eventually(START, "a daemon", || {
        procfs::with_argument(&directory).get(1).cloned()
    });
    let pid = Pid::from_child(&run.child);
    kill_process(pid, Signal::INT).must("interrupt it");
    let (json, output) = run.end();
    assert_eq!((output.status, output.stdout.as_str()), (1, ""));
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    assert!(output.stderr.contains("interrupted"), "{}", output.stderr);
    assert!(json.is_none());
}

#[test]
fn what_cannot_be_run_is_refused_with_the_remedy() {
    let _shared = Guard::shared();
    for (words, remedy) in [
        ("rfc2889 --tests congestion --ports 3", "--ports 4"),
        ("rfc2544 --candidates no-such-switch", "no-such-switch"),
        ("rfc2544 --sizes 63", "64 to 9018"),
    ] {
        let (json, output) = Run::start(words).end();
        assert_ne!(output.status, 0, "{words}");
        assert!(output.stderr.contains(remedy), "{words}: {}", output.stderr);
        assert!(json.is_none(), "{words}");
    }
}
