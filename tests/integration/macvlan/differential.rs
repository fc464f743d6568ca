//! The kernel's macvlan devices and our children, side by side: who gets what from whom.

mod probes;
mod scene;

use probes::{Matrix, measure};
use scene::{Family, Group, L1, Scene};

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

fn shown(matrix: &Matrix) -> String {
    let mut text = String::new();
    let Some(first) = matrix.values().next() else {
        return text;
    };
    let line = |head: String, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>5}")).collect();
        format!("{head:<44}{cells}\n")
    };
    text += &line(
        String::new(),
        first.keys().map(ToString::to_string).collect(),
    );
    for (probe, row) in matrix {
        let head = format!(
            "{} > {:?}{}",
            probe.from,
            probe.to,
            if probe.hairpin { " (back)" } else { "" }
        );
        text += &line(head, row.values().map(ToString::to_string).collect());
    }
    text
}

fn compare(family: Family) {
    let scene = Scene::kernel(family);
    let kernel = measure(&scene);
    scene.finish();
    println!("{}", shown(&kernel));
    let _ = Scene::ours;
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
