//! The kernel's macvlan devices and our children, side by side: who gets what from whom.

mod accepted;
mod probes;
mod scene;

use accepted::{ACCEPTED, Modes};
use probes::{Matrix, Probe, measure};
use scene::{Family, Group, L1, Scene};
use std::{collections::BTreeSet, fmt};
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

/// Compares; gives the lines of the list of accepted differences that were met.
#[track_caller]
fn compare(family: Family) -> BTreeSet<usize> {
    let [kernel, ours] = [Scene::kernel, Scene::ours].map(|make| {
        let scene = make(family);
        let matrix = measure(&scene);
        let modes = Modes::of_scene(&scene);
        scene.finish();
        (matrix, modes)
    });
    let modes = kernel.1;
    let mut met = BTreeSet::new();
    let mut faults = String::new();
    for one in differences(&kernel.0, &ours.0) {
        let covered = ACCEPTED.iter().position(|line| line.covers(&modes, &one));
        match covered {
            Some(line) => {
                met.insert(line);
            }
            None => faults += &format!("{one}\n"),
        }
    }
    assert!(
        faults.is_empty(),
        "differences that have no reason:\n{faults}"
    );
    met
}

/// Compares, and no more and no less than these differences must have been met, by the beginning of their reasons.
#[track_caller]
fn differ_only_by(family: Family, expected: &[&str]) {
    let met = compare(family);
    let met: Vec<&str> = met.into_iter().map(|line| ACCEPTED[line].reason).collect();
    let same = met.len() == expected.len()
        && met
            .iter()
            .all(|reason| expected.iter().any(|begin| reason.starts_with(begin)));
    assert!(same, "met {met:#?}, expected {expected:#?}");
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
