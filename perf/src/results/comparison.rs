//! The section of a comparison: which machine, how to repeat it, what was reached, what could not be had.

mod plots;

use std::collections::BTreeMap;

use super::markdown::{Align, Table};
use super::{OWN, Section, programs, reproduce};
use crate::plot::figure;
use crate::report::{Better, Machine, Metric, Report, Row, Spread, Standing};

/// The section of a report.
pub(super) fn section(report: &Report) -> Section {
    let places = places(report);
    let plots: Vec<_> = (places.iter())
        .flat_map(|place| {
            plots::draw(
                report,
                &place.rows,
                &place.title(report),
                &place.slug(report),
            )
        })
        .collect();
    let mut text = format!(
        "## {}: measured {}\n\n",
        report.comparison,
        day(&report.machine)
    );
    text += &provenance(report);
    text += &floors(report);
    text += &rivals(report);
    for place in &places {
        text += &format!("\n### {}\n\n", place.title(report));
        for plot in plots
            .iter()
            .filter(|plot| plot.file.starts_with(&place.slug(report)))
        {
            text += &plot.shown();
        }
        text += &table(report, &place.rows);
    }
    text += &left_out(report);
    text += &offload(&report.machine);
    Section {
        name: report.comparison.clone(),
        markdown: text,
        plots,
    }
}

/// A path at an MTU, with its rows.
struct Place<'a> {
    path: &'a str,
    mtu: u32,
    rows: Vec<&'a Row>,
}

impl Place<'_> {
    fn title(&self, report: &Report) -> String {
        format!("{}, {}, MTU {}", report.comparison, self.path, self.mtu)
    }

    /// The beginning of its pictures' names; no other's begins so.
    fn slug(&self, report: &Report) -> String {
        let name = format!("{} {} {}", report.comparison, self.path, self.mtu);
        super::markdown::slug(&name) + "."
    }
}

/// In the order of the report.
fn places(report: &Report) -> Vec<Place<'_>> {
    let mut places: Vec<Place<'_>> = Vec::new();
    for row in &report.rows {
        let known =
            (places.iter_mut()).find(|place| place.path == row.path && place.mtu == row.mtu);
        match known {
            Some(place) => place.rows.push(row),
            None => places.push(Place {
                path: &row.path,
                mtu: row.mtu,
                rows: vec![row],
            }),
        }
    }
    places
}

/// The candidates: the baseline, then this switch, then the others as they come. Their order decides their colours, so
/// the first place is kept for the baseline where there was none.
fn candidates(report: &Report) -> Vec<String> {
    let baseline = report.baseline.clone().unwrap_or_default();
    let mut own = Vec::new();
    let mut others = Vec::new();
    for row in report.rows.iter().filter(|row| row.candidate != baseline) {
        let list = if row.candidate.starts_with(OWN) {
            &mut own
        } else {
            &mut others
        };
        if !list.contains(&row.candidate) {
            list.push(row.candidate.clone());
        }
    }
    [vec![baseline], own, others].concat()
}

/// The day of a time as RFC 3339 has it.
fn day(machine: &Machine) -> &str {
    machine.date.split('T').next().unwrap_or_default()
}

fn provenance(report: &Report) -> String {
    let Machine {
        date,
        kernel,
        processor,
        cores,
        memory,
        busy,
        versions,
        offload: _,
    } = &report.machine;
    format!(
        "{cores} cores of {processor}, {memory} MiB, Linux {kernel}, {date}; load average before: {busy}. {}. \
         Medians of {} rounds of {} s, in which the candidates take turns; in brackets the least and the most; `×` is \
         the median of the ratios to {} within each round. To repeat it, as root:\n\n\
         {}\n",
        programs(versions),
        report.rounds,
        report.seconds,
        report
            .baseline
            .as_deref()
            .unwrap_or("the baseline, which could not run here,"),
        reproduce(&report.command)
    )
}

/// Whether what was asked for was reached.
fn floors(report: &Report) -> String {
    let with_goal = report.rows.iter().filter(|row| row.goal.is_some());
    let (met, missed): (Vec<&Row>, Vec<&Row>) =
        with_goal.partition(|row| row.goal.is_some_and(|goal| goal.met));
    if met.is_empty() && missed.is_empty() {
        return String::new();
    }
    let mut text = format!("Floors: {} met, {} **MISSED**", met.len(), missed.len());
    let missed: Vec<_> = (missed.into_iter())
        .map(|row| {
            let (path, load) = (&row.path, &row.load);
            let what = format!("{load} ({}, {path}, MTU {})", name(row.metric), row.mtu);
            format!("{what} {}", floor(row).unwrap_or_default())
        })
        .collect();
    if !missed.is_empty() {
        text += &format!(": {}", missed.join("; "));
    }
    text + ".\n"
}

/// The others that need no kernel bridge, the best of each family.
fn rivals(report: &Report) -> String {
    let standings = report.standings(OWN);
    if standings.is_empty() {
        return String::new();
    }
    let mut table = (Table::new()
        .column("beside other switches without a kernel bridge", Align::Left))
    .column("the best of them", Align::Left)
    .column("ratio", Align::Right)
    .column("floor", Align::Left);
    for Standing {
        own,
        rival,
        ratio,
        goal,
    } in standings
    {
        let what = format!(
            "{} ({}, {}, MTU {})",
            own.load,
            name(own.metric),
            own.path,
            own.mtu
        );
        let reached = format!("×{:.2} ({:.2}–{:.2})", ratio.median, ratio.min, ratio.max);
        let outcome = if goal.met { "met" } else { "**MISSED**" };
        table.row([
            what,
            rival.to_owned(),
            reached,
            format!("{:.2} {outcome}", goal.ratio),
        ]);
    }
    format!("\n{}", table.render())
}

/// The bound of a row and how it was kept.
fn floor(row: &Row) -> Option<String> {
    let goal = row.goal?;
    let bound = match row.better {
        Better::More => "≥",
        Better::Less => "≤",
    };
    let reached = row
        .ratio
        .map_or_else(|| "-".to_owned(), |ratio| format!("{:.2}", ratio.median));
    let outcome = if goal.met { "met" } else { "**MISSED**" };
    Some(format!("{bound} {:.2} {outcome} ({reached})", goal.ratio))
}

/// A line for each metric of a load, a column for each candidate.
fn table(report: &Report, rows: &[&Row]) -> String {
    let all = candidates(report);
    let names: Vec<_> = (all.iter())
        .filter(|name| rows.iter().any(|row| row.candidate == **name))
        .collect();
    let mut table = (Table::new().column("load", Align::Left)).column("", Align::Left);
    for name in &names {
        table = table.column(name, Align::Right);
    }
    table = table.column("floor", Align::Left);
    let mut lines: Vec<(&str, Metric)> = Vec::new();
    for row in rows {
        let line = (row.load.as_str(), row.metric);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    for (load, metric) in lines {
        let of_line = || (rows.iter()).filter(|row| row.load == load && row.metric == metric);
        let unit = of_line().next().map_or("", |row| row.unit.as_str());
        let mut cells = vec![load.to_owned(), format!("{}, {unit}", name(metric))];
        for name in &names {
            let row = of_line().find(|row| row.candidate == **name);
            cells.push(row.map_or_else(String::new, |row| cell(report, row)));
        }
        let floors: Vec<_> = of_line().filter_map(|row| floor(row)).collect();
        cells.push(floors.join("; "));
        table.row(cells);
    }
    table.render()
}

/// A figure with all that belongs to it.
fn cell(report: &Report, row: &Row) -> String {
    let Spread { median, min, max } = row.value;
    let mut text = format!("{} ({}–{})", figure(median), figure(min), figure(max));
    if let Some(ratio) = row
        .ratio
        .filter(|_| report.baseline.as_ref() != Some(&row.candidate))
    {
        text += &format!(" **×{:.2}**", ratio.median);
    }
    let rounds = row.figures.iter().flatten().count();
    if rounds < row.figures.len() {
        text += &format!(" in {rounds} of {} rounds", row.figures.len());
    }
    text
}

/// A metric as people say it.
const fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Throughput => "throughput",
        Metric::Forward => "there",
        Metric::Backward => "back",
        Metric::Retransmits => "sent again",
        Metric::Delivered => "delivered",
        Metric::Lost => "lost",
        Metric::LossFree => "without loss",
        Metric::P50 => "median",
        Metric::P99 => "p99",
        Metric::P999 => "p99.9",
        Metric::Connections => "connections",
        Metric::CpuSwitch => "processor, switch",
        Metric::CpuMachine => "processor, machine",
    }
}

/// What was asked for and is not here, and what failed.
fn left_out(report: &Report) -> String {
    let mut text = String::new();
    if !report.absent.is_empty() {
        text += "\nNot measured on this machine:\n\n";
        for absence in &report.absent {
            let mtu = absence
                .mtu
                .map_or_else(String::new, |mtu| format!(" at MTU {mtu}"));
            text += &format!("- {}{mtu}: {}\n", absence.name, absence.why);
        }
    }
    if !report.failures.is_empty() {
        text += "\nMeasurements that gave no figure:\n\n";
        for failure in &report.failures {
            text += &format!(
                "- {} of {}, {}, MTU {}, round {}: {}\n",
                failure.load,
                failure.candidate,
                failure.path,
                failure.mtu,
                failure.round,
                failure.why
            );
        }
    }
    text
}

/// Offload features of the interfaces: those that are the same are said once.
fn offload(machine: &Machine) -> String {
    let mut same: BTreeMap<&BTreeMap<String, bool>, Vec<String>> = BTreeMap::new();
    for interface in &machine.offload {
        let name = format!(
            "{} at {}: {} in {}",
            interface.candidate, interface.mtu, interface.interface, interface.host
        );
        same.entry(&interface.features).or_default().push(name);
    }
    if same.is_empty() {
        return String::new();
    }
    let mut table = (Table::new().column("interfaces", Align::Left))
        .column("on", Align::Left)
        .column("off", Align::Left);
    for (features, interfaces) in same {
        let all = |on: bool| {
            let names: Vec<_> = (features.iter())
                .filter(|(_, is_on)| **is_on == on)
                .map(|(name, _)| name.as_str())
                .collect();
            names.join(", ")
        };
        table.row([interfaces.join("; "), all(true), all(false)]);
    }
    format!(
        "\n<details>\n<summary>Offload of the interfaces</summary>\n\n{}\n</details>\n",
        table.render()
    )
}

#[cfg(test)]
mod tests;
