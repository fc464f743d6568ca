//! The kernel's macvlan devices and our children, side by side: who gets what from whom.

mod probes;
mod scene;

use probes::{Matrix, Probe, measure};
use scene::{Family, Group, L1, Scene};
use std::fmt;
use vswitch_tests::observer::Copies;

const BRIDGE: Family = &[Group::of("bridge", &["b0", "b1", "b2"])];
const PRIVATE: Family = &[Group::of("private", &["p0", "p1", "p2"])];
const VEPA: Family = &[Group::of("vepa", &["v0", "v1", "v2"])];
const PASSTHRU: Family = &[Group::of("passthru", &["t0"])];
const SOURCE: Family = &[Group {
    sources: &[L1],
    ..Group::of("source", &["s0", "s2"])
}];
const SOURCE_ALONE: Family = &[
    Group {
        sources: &[L1],
        nodst: true,
        ..Group::of("source", &["s0"])
    },
    Group::of("bridge", &["b0"]),
];
const MIXED: Family = &[
    Group::of("bridge", &["b0", "b2"]),
    Group::of("private", &["p0", "p1"]),
    Group::of("vepa", &["v0", "v1"]),
    Group {
        sources: &[L1, "b0", "v1"],
        ..Group::of("source", &["s0"])
    },
    Group {
        sources: &[L1, "z0"],
        ..Group::of("source", &["z0"])
    },
];

/// What came of a probe at one station, differently.
#[derive(Debug, Clone, Copy)]
struct Difference {
    probe: Probe,
    at: &'static str,
    kernel: Copies,
    ours: Copies,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Probe { hairpin, from, to } = self.probe;
        let back = if hairpin { ", sent back" } else { "" };
        let Self {
            at, kernel, ours, ..
        } = self;
        write!(
            f,
            "{from} > {to:?}{back}: at {at} the kernel's {kernel}, ours {ours}"
        )
    }
}

fn differences(kernel: &Matrix, ours: &Matrix) -> Vec<Difference> {
    assert!(kernel.keys().eq(ours.keys()), "the same probes");
    let both = kernel.iter().zip(ours.values());
    both.flat_map(|((probe, kernel), ours)| {
        assert!(kernel.keys().eq(ours.keys()), "the same stations");
        let cells = kernel.iter().zip(ours.values());
        cells.map(|((at, kernel), ours)| Difference {
            probe: *probe,
            at,
            kernel: *kernel,
            ours: *ours,
        })
    })
    .filter(|difference| difference.kernel != difference.ours)
    .collect()
}

fn compare(family: Family) {
    let [kernel, ours] = [Scene::kernel, Scene::ours].map(|make| {
        let scene = make(family);
        let matrix = measure(&scene);
        scene.finish();
        matrix
    });
    let differences = differences(&kernel, &ours);
    let all: String = differences.iter().map(|one| format!("{one}\n")).collect();
    assert!(
        differences.is_empty(),
        "{} differences:\n{all}",
        differences.len()
    );
}

#[test]
fn bridge() {
    compare(BRIDGE);
}

#[test]
fn private() {
    compare(PRIVATE);
}

#[test]
fn vepa() {
    compare(VEPA);
}

#[test]
fn passthru() {
    compare(PASSTHRU);
}

#[test]
fn source() {
    compare(SOURCE);
}

#[test]
fn source_with_nodst() {
    compare(SOURCE_ALONE);
}

#[test]
fn mixed() {
    compare(MIXED);
}
