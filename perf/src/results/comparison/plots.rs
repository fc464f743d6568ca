//! Which pictures are made of the rows of a place: bars of what there should be much of, lines of times.

use super::super::Plot;
use super::super::markdown::slug;
use super::{candidates, name};
use crate::plot::{Bar, Bars, Floor, Group, Latency, Percentiles};
use crate::report::{Metric, Report, Row};

/// Metrics that have a picture of bars each.
const BARS: [Metric; 4] = [
    Metric::Throughput,
    Metric::Delivered,
    Metric::LossFree,
    Metric::Connections,
];

/// The pictures of the rows of one place. Names of files begin with `prefix`.
pub(super) fn draw(report: &Report, rows: &[&Row], title: &str, prefix: &str) -> Vec<Plot> {
    let all = candidates(report);
    let subtitle = |what: &str| {
        let (rounds, seconds) = (report.rounds, report.seconds);
        format!("{what}; medians of {rounds} rounds of {seconds} s")
    };
    let mut plots = Vec::new();
    for metric in BARS {
        let of_metric: Vec<_> = rows
            .iter()
            .copied()
            .filter(|row| row.metric == metric)
            .collect();
        let Some(first) = of_metric.first() else {
            continue;
        };
        let bars = Bars {
            title: title.to_owned(),
            subtitle: subtitle(name(metric)) + ", whiskers from the least to the most",
            unit: first.unit.clone(),
            better: first.better,
            groups: groups(report, &all, &of_metric),
            candidates: all.clone(),
        };
        plots.push(Plot {
            file: format!("{prefix}{}.svg", slug(name(metric))),
            what: format!("{title}: {}", name(metric)),
            svg: bars.draw(),
        });
    }
    if let Some(first) = rows.iter().find(|row| row.metric == Metric::P50) {
        let latency = Latency {
            title: title.to_owned(),
            subtitle: subtitle("times"),
            unit: first.unit.clone(),
            groups: times(&all, rows),
            candidates: all.clone(),
        };
        plots.push(Plot {
            file: format!("{prefix}times.svg"),
            what: format!("{title}: times"),
            svg: latency.draw(),
        });
    }
    plots
}

/// Loads, in the order of the rows, each with its rows in the order of the candidates.
fn by_load<'a>(all: &[String], rows: &[&'a Row]) -> Vec<(&'a str, Vec<(usize, &'a Row)>)> {
    let mut loads: Vec<(&str, Vec<(usize, &Row)>)> = Vec::new();
    for row in rows {
        let Some(candidate) = all.iter().position(|name| *name == row.candidate) else {
            continue;
        };
        match loads.iter_mut().find(|(load, _)| *load == row.load) {
            Some((_, rows)) => rows.push((candidate, row)),
            None => loads.push((&row.load, vec![(candidate, row)])),
        }
    }
    for (_, rows) in &mut loads {
        rows.sort_by_key(|(candidate, _)| *candidate);
    }
    loads
}

fn groups(report: &Report, all: &[String], rows: &[&Row]) -> Vec<Group> {
    let is_baseline = |row: &Row| report.baseline.as_ref() == Some(&row.candidate);
    by_load(all, rows)
        .into_iter()
        .map(|(load, rows)| {
            let base = rows.iter().find(|(_, row)| is_baseline(row));
            let base = base.map(|(_, row)| row.value.median);
            let bar = |(candidate, row): &(usize, &Row)| Bar {
                candidate: *candidate,
                value: row.value,
                at_least: false,
                ratio: (row.ratio.filter(|_| !is_baseline(row))).map(|ratio| ratio.median),
                floor: row.goal.map(|goal| Floor {
                    ratio: goal.ratio,
                    at: base.map(|base| base * goal.ratio),
                    met: goal.met,
                }),
            };
            Group {
                label: load.to_owned(),
                bars: rows.iter().map(bar).collect(),
            }
        })
        .collect()
}

fn times(all: &[String], rows: &[&Row]) -> Vec<(String, Vec<Percentiles>)> {
    let of_metric = |metric: Metric| -> Vec<&Row> {
        rows.iter()
            .copied()
            .filter(|row| row.metric == metric)
            .collect()
    };
    let (p99, p999) = (of_metric(Metric::P99), of_metric(Metric::P999));
    let same = |rows: &[&Row], row: &Row| {
        let same = rows
            .iter()
            .find(|one| one.load == row.load && one.candidate == row.candidate);
        same.map(|row| row.value)
    };
    by_load(all, &of_metric(Metric::P50))
        .into_iter()
        .map(|(load, rows)| {
            let line = |(candidate, row): (usize, &Row)| Percentiles {
                candidate,
                p50: row.value,
                p99: same(&p99, row),
                p999: same(&p999, row),
            };
            (load.to_owned(), rows.into_iter().map(line).collect())
        })
        .collect()
}
