//! The report on a terminal: a line for each main metric, processor time beside it, then what is missing.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;

use super::{Absence, Better, Failure, Goal, Metric, Report, Row, Standing, offload};
use crate::candidate::Kind;

impl Metric {
    /// What the table calls it; nothing for what is only in the JSON or in a column beside another.
    const fn title(self) -> Option<&'static str> {
        match self {
            Self::Throughput => Some("throughput"),
            Self::Delivered => Some("delivered"),
            Self::Lost => Some("lost"),
            Self::LossFree => Some("loss-free"),
            Self::P50 => Some("p50"),
            Self::P99 => Some("p99"),
            Self::P999 => Some("p99.9"),
            Self::Connections => Some("connections"),
            Self::Forward
            | Self::Backward
            | Self::Retransmits
            | Self::CpuSwitch
            | Self::CpuMachine => None,
        }
    }
}

impl Report {
    /// Prints it.
    pub(crate) fn print(&self) -> Result<()> {
        std::io::stdout()
            .lock()
            .write_all(self.table()?.as_bytes())?;
        Ok(())
    }

    fn table(&self) -> Result<String> {
        let mut out = String::new();
        self.head(&mut out)?;
        let shown = |row: &&Row| self.is_shown(row);
        let width = |text: fn(&Row) -> usize| self.rows.iter().filter(shown).map(text).max();
        let load = width(|row| row.load.len()).unwrap_or(0).max(4);
        let candidate = width(|row| row.candidate.len()).unwrap_or(0).max(9);
        let mut section = None;
        for row in self.rows.iter().filter(shown) {
            if section != Some((row.mtu, &row.path)) {
                section = Some((row.mtu, &row.path));
                writeln!(out, "\n-- {}, MTU {}", row.path, row.mtu)?;
                writeln!(
                    out,
                    "{:load$} {:11} {:candidate$} {:>10} {:>19} {:14} {:>6} {:>20}  GOAL",
                    "LOAD",
                    "",
                    "CANDIDATE",
                    "MEDIAN",
                    "MIN..MAX",
                    "",
                    "RATIO",
                    "CPU SWITCH/MACHINE"
                )?;
            }
            let title = row.metric.title().unwrap_or_default();
            let spread = format!("{}..{}", short(row.value.min), short(row.value.max));
            let ratio = row
                .ratio
                .map_or_else(|| "-".to_owned(), |ratio| format!("{:.2}", ratio.median));
            let line = format!(
                "{:load$} {title:11} {:candidate$} {:>10} {spread:>19} {:14} {ratio:>6} {:>20}  {}",
                row.load,
                row.candidate,
                short(row.value.median),
                row.unit,
                self.cpu(row),
                goal(row)
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        self.rivals(&mut out)?;
        self.tail(&mut out)?;
        Ok(out)
    }

    fn head(&self, out: &mut String) -> Result<()> {
        let machine = &self.machine;
        writeln!(
            out,
            "{}: {} cores of {}, {} MiB, Linux {}, load average {}",
            machine.date,
            machine.cores,
            machine.processor,
            machine.memory,
            machine.kernel,
            machine.busy
        )?;
        let versions: Vec<&str> = machine.versions.values().map(String::as_str).collect();
        writeln!(out, "{}", versions.join("; "))?;
        writeln!(out, "{}", self.command)?;
        let baseline = self
            .baseline
            .as_deref()
            .unwrap_or("nothing: the baseline is not here");
        writeln!(
            out,
            "rounds: {}, of {} s each; ratios to {baseline}",
            self.rounds, self.seconds
        )?;
        Ok(())
    }

    fn rivals(&self, out: &mut String) -> Result<()> {
        let standings = self.standings(Kind::OWN);
        if !standings.is_empty() {
            writeln!(out, "\n-- beside other switches that need no kernel bridge")?;
        }
        for Standing {
            own,
            rival,
            ratio,
            goal,
        } in standings
        {
            let title = own.metric.title().unwrap_or_default();
            let (load, path, mtu) = (&own.load, &own.path, own.mtu);
            let reached = ratio.median;
            let bound = bound(own.better, goal);
            writeln!(
                out,
                "{load} {title}, {path}, MTU {mtu}: {reached:.2} of {rival}, {bound}"
            )?;
        }
        Ok(())
    }

    fn tail(&self, out: &mut String) -> Result<()> {
        let offload = offload::lines(&self.machine.offload);
        if !offload.is_empty() {
            writeln!(out, "\n-- offload of the hosts' interfaces")?;
        }
        for line in offload {
            writeln!(out, "{line}")?;
        }
        if !self.absent.is_empty() {
            writeln!(out, "\n-- left out")?;
        }
        for Absence { name, mtu, why } in &self.absent {
            let mtu = mtu.map_or_else(String::new, |mtu| format!(", MTU {mtu}"));
            writeln!(out, "{name}{mtu}: {why}")?;
        }
        if !self.failures.is_empty() {
            writeln!(out, "\n-- failed")?;
        }
        for failure in &self.failures {
            let Failure {
                path,
                mtu,
                load,
                candidate,
                round,
                why,
            } = failure;
            writeln!(
                out,
                "{candidate}, {load}, {path}, MTU {mtu}, round {round}: {why}"
            )?;
        }
        Ok(())
    }

    /// Whether a row is in the table: where nobody has lost anything, that is not worth a line each.
    fn is_shown(&self, row: &Row) -> bool {
        let beside = |other: &&Row| {
            (other.mtu, &other.path, &other.load, other.metric)
                == (row.mtu, &row.path, &row.load, row.metric)
        };
        let mut all = self.rows.iter().filter(beside);
        let idle = row.metric == Metric::Lost && all.all(|row| row.value.max == 0.0);
        row.metric.title().is_some() && !idle
    }

    /// The processor time that belongs to a row: beside the first metric of its load.
    fn cpu(&self, row: &Row) -> String {
        let same = |other: &&Row| {
            (other.mtu, &other.path, &other.load, &other.candidate)
                == (row.mtu, &row.path, &row.load, &row.candidate)
        };
        let first = self
            .rows
            .iter()
            .filter(same)
            .find(|row| row.metric.title().is_some());
        if first.map(|first| first.metric) != Some(row.metric) {
            return String::new();
        }
        let of = |metric| {
            self.rows
                .iter()
                .filter(same)
                .find(|row| row.metric == metric)
        };
        let text =
            |row: Option<&Row>| row.map_or_else(|| "-".to_owned(), |row| short(row.value.median));
        let (switch, machine) = (of(Metric::CpuSwitch), of(Metric::CpuMachine));
        let unit = switch.or(machine).map_or("", |row| row.unit.as_str());
        // What there is to work on is told by the load.
        let unit = unit.replace("/operation", "/op");
        format!("{}/{} {unit}", text(switch), text(machine))
            .trim_end()
            .to_owned()
    }
}

/// About three digits.
fn short(figure: f64) -> String {
    let digits = if figure.abs() >= 100.0 {
        0
    } else if figure.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{figure:.digits$}")
}

fn goal(row: &Row) -> String {
    let Some(goal) = row.goal else {
        return String::new();
    };
    bound(row.better, goal)
}

fn bound(better: Better, goal: Goal) -> String {
    let bound = match better {
        Better::More => "at least",
        Better::Less => "at most",
    };
    let met = if goal.met { "met" } else { "MISSED" };
    format!("{bound} {}: {met}", goal.ratio)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{report, row};
    use super::super::{Goal, Spread};
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_missed_is_said() {
        let table = report().table().unwrap();
        for part in [
            "Linux 6.18.0",
            "vswitch-perf compare bridge",
            "ratios to kernel-bridge",
            "-- host to host, MTU 1500",
            "at least 0.9: MISSED",
            "vswitch: tso",
            "ovs-dpdk: not installed",
            "vswitch, tcp-1-cubic, host to host, MTU 1500, round 2: iperf3: unable to connect",
        ] {
            assert!(table.contains(part), "{part:?} is not in\n{table}");
        }
    }

    #[test]
    fn processor_time_stands_beside_the_first_metric() {
        let mut report = report();
        for (metric, median) in [(Metric::CpuSwitch, 45.0), (Metric::CpuMachine, 98.7)] {
            let spread = Spread {
                median,
                ..row().value
            };
            report.rows.push(Row {
                metric,
                unit: "ms/Gbit".to_owned(),
                value: spread,
                ..row()
            });
        }
        let table = report.table().unwrap();
        assert_eq!(table.matches("45.0/98.7 ms/Gbit").count(), 1, "{table}");
    }

    #[test]
    fn losses_are_shown_for_all_where_somebody_has_some() {
        let lines = |share: [f64; 2]| {
            let mut report = report();
            for (candidate, median) in ["kernel-bridge", "vswitch"].into_iter().zip(share) {
                let (min, max) = (median, median);
                report.rows.push(Row {
                    metric: Metric::Lost,
                    candidate: candidate.to_owned(),
                    value: Spread { median, min, max },
                    ..row()
                });
            }
            report.table().unwrap().matches(" lost ").count()
        };
        assert_eq!((lines([0.0, 0.0]), lines([0.0, 1.5])), (0, 2));
    }

    #[test]
    fn a_time_is_to_be_short() {
        let mut row = row();
        row.better = Better::Less;
        row.goal = Some(Goal::of(4.0, Better::Less, 1.5));
        assert_eq!(goal(&row), "at most 4: met");
    }

    #[test]
    fn figures_have_about_three_digits() {
        assert_eq!(
            [0.123, 1.0, 12.34, 123.4].map(short),
            ["0.12", "1.00", "12.3", "123"]
        );
    }
}
