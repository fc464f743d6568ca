use super::*;
use crate::report::{Absence, Failure, Goal, Offload};

fn row(load: &str, metric: Metric, candidate: &str, median: f64, ratio: f64) -> Row {
    let spread = |median: f64| Spread {
        median,
        min: median * 0.9,
        max: median * 1.1,
    };
    Row {
        path: "host to host".to_owned(),
        mtu: 1500,
        load: load.to_owned(),
        metric,
        unit: match metric {
            Metric::Throughput => "Gbit/s",
            _ => "µs",
        }
        .to_owned(),
        better: metric.better(),
        candidate: candidate.to_owned(),
        value: spread(median),
        ratio: Some(spread(ratio)),
        goal: None,
        figures: vec![Some(median); 5],
    }
}

fn report() -> Report {
    let (one, rr) = ("tcp-1-cubic", "udp-rr");
    let mut rows = vec![
        row(one, Metric::Throughput, "ovs", 3.0, 0.1),
        row(one, Metric::Throughput, "kernel-bridge", 30.0, 1.0),
        row(one, Metric::Throughput, "vswitch", 19.0, 0.63),
        row(rr, Metric::P50, "kernel-bridge", 20.0, 1.0),
        row(rr, Metric::P50, "vswitch", 30.0, 1.5),
        row(rr, Metric::P99, "vswitch", 90.0, 1.8),
    ];
    rows[2].goal = Some(Goal::of(0.9, Better::More, 0.63));
    rows[4].goal = Some(Goal::of(4.0, Better::Less, 1.5));
    rows[0].figures[1] = None;
    let offload = |candidate: &str, on| Offload {
        candidate: candidate.to_owned(),
        mtu: 1500,
        host: "a".to_owned(),
        interface: "eth0".to_owned(),
        features: [("tso".to_owned(), on), ("lro".to_owned(), false)].into(),
    };
    Report {
        machine: Machine {
            date: "2026-11-30T18:00:00Z".to_owned(),
            kernel: "6.18.5".to_owned(),
            processor: "a processor".to_owned(),
            cores: 2,
            versions: [("iperf3".to_owned(), "3.12".to_owned())].into(),
            offload: vec![
                offload("vswitch", true),
                offload("kernel-bridge", true),
                offload("ovs", false),
            ],
            ..Machine::default()
        },
        command: "vswitch-perf compare bridge --rounds 5".to_owned(),
        comparison: "bridge".to_owned(),
        baseline: Some("kernel-bridge".to_owned()),
        rounds: 5,
        seconds: 3,
        absent: vec![Absence {
            name: "vde".to_owned(),
            mtu: Some(9000),
            why: "not installed".to_owned(),
        }],
        failures: vec![Failure {
            path: "host to host".to_owned(),
            mtu: 1500,
            load: one.to_owned(),
            candidate: "ovs".to_owned(),
            round: 2,
            why: "iperf3: unable to connect".to_owned(),
        }],
        rows,
    }
}

#[test]
fn a_section_says_where_how_and_what() {
    let section = section(&report());
    assert_eq!(section.name, "bridge");
    for wanted in [
        "## bridge: measured 2026-11-30\n",
        "2 cores of a processor",
        "Linux 6.18.5",
        "iperf3 3.12",
        "```sh\ncargo build --release --workspace\ntarget/release/vswitch-perf compare bridge --rounds 5\n```",
        "Floors: 1 met, 1 **MISSED**: tcp-1-cubic (throughput, host to host, MTU 1500) ≥ 0.90 **MISSED** (0.63).",
        "| load |  | kernel-bridge | vswitch | ovs | floor |",
        "| tcp-1-cubic | throughput, Gbit/s | 30.0 (27.0–33.0) | 19.0 (17.1–20.9) **×0.63** | \
         3.00 (2.70–3.30) **×0.10** in 4 of 5 rounds | ≥ 0.90 **MISSED** (0.63) |",
        "| udp-rr | p99, µs |  | 90.0 (81.0–99.0) **×1.80** |  |  |",
        "≤ 4.00 met (1.50)",
        "- vde at MTU 9000: not installed",
        "- tcp-1-cubic of ovs, host to host, MTU 1500, round 2: iperf3: unable to connect",
        "| vswitch at 1500: eth0 in a; kernel-bridge at 1500: eth0 in a | tso | lro |",
    ] {
        assert!(
            section.markdown.contains(wanted),
            "{wanted}:\n{}",
            section.markdown
        );
    }
}

#[test]
fn every_picture_is_shown_and_every_picture_shown_is_there() {
    let section = section(&report());
    let files: Vec<_> = section
        .plots
        .iter()
        .map(|plot| plot.file.as_str())
        .collect();
    assert_eq!(
        files,
        [
            "bridge-host-to-host-1500.throughput.svg",
            "bridge-host-to-host-1500.times.svg"
        ]
    );
    assert_eq!(section.markdown.matches("![").count(), files.len());
    for plot in &section.plots {
        assert!(section.markdown.contains(&format!("(plots/{})", plot.file)));
    }
    let bars = &section.plots[0].svg;
    for wanted in ["19.0  ×0.63", "≥ 0.90 MISSED", "ovs"] {
        assert!(bars.contains(wanted), "{wanted}");
    }
    assert!(section.plots[1].svg.contains("30.0 / 90.0"));
}

#[test]
fn places_are_kept_apart() {
    let mut report = report();
    let mut far = report.rows[2].clone();
    far.mtu = 150;
    report.rows.push(far);
    let section = section(&report);
    assert!(
        section
            .markdown
            .contains("### bridge, host to host, MTU 1500\n")
    );
    let short = section
        .markdown
        .split("### bridge, host to host, MTU 150\n")
        .nth(1)
        .unwrap();
    // One is the beginning of the other; its pictures are not.
    assert_eq!(short.matches("![").count(), 1, "{short}");
}

#[test]
fn this_switch_comes_after_the_baseline_and_keeps_its_colour_without_one() {
    let mut report = report();
    assert_eq!(candidates(&report), ["kernel-bridge", "vswitch", "ovs"]);
    report.baseline = None;
    report.rows.retain(|row| row.candidate != "kernel-bridge");
    assert_eq!(candidates(&report), ["", "vswitch", "ovs"]);
    assert!(
        section(&report)
            .markdown
            .contains("| load |  | vswitch | ovs | floor |")
    );
}
