//! What a run found, as data: who measured what where, with every single figure.
//!
//! A [`Report`] is what `--json` writes and what everything that is made of results reads. It round-trips: what is
//! written can be read again by the same types, and nothing in it is computed anew when it is read.
//!
//! Rows are flat: one for each path, MTU, load, candidate and [`Metric`]. A load that has several metrics (three
//! percentiles, two directions, the processor time beside the throughput) has a row for each.

mod machine;
mod offload;
mod rivals;
mod row;
mod statistics;
mod table;

use std::fs::OpenOptions;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

pub(crate) use machine::{Machine, Offload};
pub(crate) use rivals::Standing;
pub(crate) use row::{Better, Goal, Metric, Row};
pub(crate) use statistics::Spread;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Where it ran, with which programs.
    pub(crate) machine: Machine,
    /// The exact command line, the program's name included.
    pub(crate) command: String,
    /// What was compared: `bridge`, `overlay`, `macvlan`, `publish`.
    pub(crate) comparison: String,
    /// The candidate that the ratios are to; absent when it could not run here.
    pub(crate) baseline: Option<String>,
    /// How often each measurement was repeated, all candidates taking turns.
    pub(crate) rounds: usize,
    /// Seconds of each measurement.
    pub(crate) seconds: u64,
    /// Candidates and loads that were asked for and could not be had here.
    pub(crate) absent: Vec<Absence>,
    /// Measurements that were begun and gave no figure.
    pub(crate) failures: Vec<Failure>,
    /// The figures, in the order of the table.
    pub(crate) rows: Vec<Row>,
}

/// A candidate or a load that was left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Absence {
    /// Its name.
    pub(crate) name: String,
    /// The MTU at which it is missing; at all of them when absent.
    pub(crate) mtu: Option<u32>,
    /// Why, in one line.
    pub(crate) why: String,
}

/// A measurement without a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The way that the traffic should have taken.
    pub(crate) path: String,
    /// The MTU of the hosts' interfaces.
    pub(crate) mtu: u32,
    /// What should have been measured.
    pub(crate) load: String,
    /// On whom.
    pub(crate) candidate: String,
    /// In which round, from 1.
    pub(crate) round: usize,
    /// Why there is no figure, in one line.
    pub(crate) why: String,
}

/// Writes something as JSON.
pub(crate) fn write(path: &Path, what: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(what)? + "\n";
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Whether [`write()`] can work: to be asked before an hour of measurements. It changes nothing.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    let is_there = path.exists();
    let check = || {
        OpenOptions::new().append(true).create(true).open(path)?;
        if is_there {
            Ok(())
        } else {
            std::fs::remove_file(path)
        }
    };
    check().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn row() -> Row {
        Row {
            path: "host to host".to_owned(),
            mtu: 1500,
            load: "tcp-1-cubic".to_owned(),
            metric: Metric::Throughput,
            unit: "Gbit/s".to_owned(),
            better: Better::More,
            candidate: "vswitch".to_owned(),
            value: Spread {
                median: 19.0,
                min: 18.5,
                max: 20.0,
            },
            ratio: Some(Spread {
                median: 0.5,
                min: 0.25,
                max: 0.75,
            }),
            goal: Some(Goal {
                ratio: 0.9,
                met: false,
            }),
            figures: vec![Some(19.0), None, Some(18.5), Some(20.0)],
        }
    }

    pub(super) fn report() -> Report {
        Report {
            machine: Machine {
                kernel: "6.18.0".to_owned(),
                versions: [("iperf3".to_owned(), "3.12".to_owned())].into(),
                offload: vec![Offload {
                    candidate: "vswitch".to_owned(),
                    mtu: 1500,
                    host: "a".to_owned(),
                    interface: "eth0".to_owned(),
                    features: [("tcp-segmentation-offload".to_owned(), true)].into(),
                }],
                ..Machine::default()
            },
            command: "vswitch-perf compare bridge".to_owned(),
            comparison: "bridge".to_owned(),
            baseline: Some("kernel-bridge".to_owned()),
            rounds: 4,
            seconds: 3,
            absent: vec![Absence {
                name: "ovs-dpdk".to_owned(),
                mtu: None,
                why: "not installed".to_owned(),
            }],
            failures: vec![Failure {
                path: "host to host".to_owned(),
                mtu: 1500,
                load: "tcp-1-cubic".to_owned(),
                candidate: "vswitch".to_owned(),
                round: 2,
                why: "iperf3: unable to connect".to_owned(),
            }],
            rows: vec![row()],
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let text = serde_json::to_string_pretty(&report()).unwrap();
        let read: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(read, report());
    }

    #[test]
    fn whether_a_file_can_be_written_is_found_out_without_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        check_writable(&path).unwrap();
        assert!(!path.exists());
        write(&path, &report()).unwrap();
        check_writable(&path).unwrap();
        let read: Report = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read, report());
        let nowhere = dir.path().join("no/report.json");
        assert!(check_writable(&nowhere).is_err() && write(&nowhere, &report()).is_err());
    }

    #[test]
    fn the_names_in_json_are_a_promise_to_those_who_read_it() {
        let json = serde_json::to_value(row()).unwrap();
        let expected = serde_json::json!({
            "path": "host to host",
            "mtu": 1500,
            "load": "tcp-1-cubic",
            "metric": "throughput",
            "unit": "Gbit/s",
            "better": "more",
            "candidate": "vswitch",
            "median": 19.0, "min": 18.5, "max": 20.0,
            "ratio": {"median": 0.5, "min": 0.25, "max": 0.75},
            "goal": {"ratio": 0.9, "met": false},
            "figures": [19.0, null, 18.5, 20.0],
        });
        assert_eq!(json, expected);
    }
}
