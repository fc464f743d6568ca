//! The section of a series of RFC 2544 or RFC 2889: a table for each test, and a picture of the rates.
//!
//! The types here are what a section needs of a series' report; there is more in it (every trial).

use serde::Deserialize;

use super::markdown::{Align, Table, slug};
use super::{OWN, Plot, Section, programs, reproduce};
use crate::plot::{Bar, Bars, Group, figure};
use crate::report::{Better, Spread};
use crate::rfc::Conditions;

/// A series of tests.
#[derive(Debug, Deserialize)]
pub(super) struct Series {
    /// Such as `RFC 2544`.
    standard: String,
    conditions: Conditions,
    findings: Vec<Finding>,
}

/// What one test found of one candidate with frames of one size.
#[derive(Debug, Deserialize)]
struct Finding {
    candidate: String,
    test: String,
    /// Bytes, with the frame check sequence.
    frame_size: u32,
    measures: Vec<Measure>,
}

#[derive(Debug, Deserialize)]
struct Measure {
    name: String,
    unit: String,
    #[serde(flatten)]
    figure: Figure,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
enum Figure {
    Exactly(f64),
    AtLeast(f64),
    Answer(bool),
    Unmeasured(String),
}

/// The unit of which a test has a picture.
const PLOTTED: &str = "frames/s";

impl Figure {
    fn text(&self) -> String {
        match self {
            Self::Exactly(value) => figure(*value),
            Self::AtLeast(value) => format!("≥ {}", figure(*value)),
            Self::Answer(true) => "yes".to_owned(),
            Self::Answer(false) => "no".to_owned(),
            Self::Unmeasured(_) => "-".to_owned(),
        }
    }
}

impl Series {
    /// Names in the order in which they come, each once.
    fn names<'a>(&'a self, of: impl Fn(&'a Finding) -> &'a str) -> Vec<&'a str> {
        let mut names = Vec::new();
        for finding in &self.findings {
            if !names.contains(&of(finding)) {
                names.push(of(finding));
            }
        }
        names
    }

    /// The kernel's own first, then this switch, then the others: their order decides their colours.
    fn candidates(&self) -> Vec<&str> {
        let mut names = self.names(|finding| &finding.candidate);
        names.sort_by_key(|name| match name {
            kernel if kernel.starts_with("kernel") => 0,
            own if own.starts_with(OWN) => 1,
            _ => 2,
        });
        names
    }

    fn of_test<'a>(&'a self, test: &str) -> Vec<&'a Finding> {
        (self.findings.iter())
            .filter(|finding| finding.test == test)
            .collect()
    }
}

/// The section of a series.
pub(super) fn section(series: &Series) -> Section {
    let Conditions {
        machine,
        date,
        versions,
        ports,
        seconds_of_a_trial: seconds,
        tolerated_loss_percent: tolerance,
        resolution_percent: resolution,
        repetitions,
        command,
    } = &series.conditions;
    let standard = &series.standard;
    let programs = programs(versions);
    let mut text = format!(
        "## {standard}\n\n{machine}, {date}. {programs}. {ports} ports; trials of {seconds} s, of which {tolerance} % of the frames may be \
         lost; rates to {resolution} % of the maximum; {repetitions} repetitions of bursts. Frame sizes in bytes, with \
         the frame check sequence; `≥`: the generator or the test could go no further. To repeat it, as root:\n\n{}",
        reproduce(command)
    );
    let mut plots = Vec::new();
    for test in series.names(|finding| &finding.test) {
        text += &format!("\n### {standard}, {test}\n\n");
        let findings = series.of_test(test);
        if let Some(plot) = plot(series, test, &findings) {
            text += &plot.shown();
            plots.push(plot);
        }
        text += &table(&series.candidates(), &findings);
    }
    Section {
        name: slug(standard),
        markdown: text,
        plots,
    }
}

/// A line for each size and measure, a column for each candidate; below it why figures are missing.
fn table(candidates: &[&str], findings: &[&Finding]) -> String {
    let mut table = (Table::new().column("bytes", Align::Right)).column("measure", Align::Left);
    for name in candidates {
        table = table.column(name, Align::Right);
    }
    let mut lines: Vec<(u32, &Measure)> = Vec::new();
    for finding in findings {
        for measure in &finding.measures {
            let line = (finding.frame_size, measure);
            if !(lines.iter()).any(|(size, one)| *size == line.0 && one.name == measure.name) {
                lines.push(line);
            }
        }
    }
    let mut reasons: Vec<&str> = Vec::new();
    for (size, line) in lines {
        let mut cells = vec![size.to_string(), format!("{}, {}", line.name, line.unit)];
        for name in candidates {
            let finding = (findings.iter())
                .find(|finding| finding.candidate == *name && finding.frame_size == size);
            let measure = finding.and_then(|finding| find(finding, &line.name));
            if let Some(Figure::Unmeasured(reason)) = measure.map(|measure| &measure.figure)
                && !reasons.contains(&reason.as_str())
            {
                reasons.push(reason);
            }
            cells.push(measure.map_or_else(String::new, |measure| measure.figure.text()));
        }
        table.row(cells);
    }
    let reasons = reasons
        .into_iter()
        .map(|reason| format!("\n`-`: {reason}\n"));
    table.render() + &reasons.collect::<String>()
}

fn find<'a>(finding: &'a Finding, name: &str) -> Option<&'a Measure> {
    finding.measures.iter().find(|measure| measure.name == name)
}

/// Bars of the first rate of a test, if it has one.
fn plot(series: &Series, test: &str, findings: &[&Finding]) -> Option<Plot> {
    let measures = findings.iter().flat_map(|finding| &finding.measures);
    let name = &measures
        .into_iter()
        .find(|measure| measure.unit == PLOTTED)?
        .name;
    let candidates = series.candidates();
    let mut groups: Vec<Group> = Vec::new();
    for finding in findings {
        let (value, at_least) = match find(finding, name).map(|measure| &measure.figure) {
            Some(Figure::Exactly(value)) => (*value, false),
            Some(Figure::AtLeast(value)) => (*value, true),
            Some(Figure::Answer(_) | Figure::Unmeasured(_)) | None => continue,
        };
        let candidate = candidates.iter().position(|one| *one == finding.candidate);
        // Thousands, as the numbers of an axis are short.
        let thousands = value / 1e3;
        let bar = Bar {
            candidate: candidate.unwrap_or_default(),
            value: Spread {
                median: thousands,
                min: thousands,
                max: thousands,
            },
            at_least,
            ratio: None,
            floor: None,
        };
        let label = format!("{} bytes", finding.frame_size);
        match groups.iter_mut().find(|group| group.label == label) {
            Some(group) => group.bars.push(bar),
            None => groups.push(Group {
                label,
                bars: vec![bar],
            }),
        }
    }
    let what = format!("{}, {test}: {name}", series.standard);
    let bars = Bars {
        title: what.clone(),
        subtitle: format!(
            "{} ports, trials of {} s",
            series.conditions.ports, series.conditions.seconds_of_a_trial
        ),
        unit: "thousand frames/s".to_owned(),
        better: Better::More,
        candidates: candidates.into_iter().map(str::to_owned).collect(),
        groups,
    };
    Some(Plot {
        file: format!("{}.svg", slug(&format!("{} {test}", series.standard))),
        what,
        svg: bars.draw(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        let finding = |candidate: &str, size: u32, kind: &str, rate: f64| {
            serde_json::json!({
                "candidate": candidate, "test": "26.1 Throughput", "frame_size": size, "trials": [],
                "measures": [
                    {"name": "throughput", "unit": "frames/s", "kind": kind, "value": rate},
                    {"name": "blocked", "unit": "yes/no", "kind": "answer", "value": true},
                    {"name": "other", "unit": "%", "kind": "unmeasured", "value": "no reason"},
                ],
            })
        };
        let json = serde_json::json!({
            "standard": "RFC 2544",
            "conditions": {
                "machine": "a machine", "date": "2026-11-30T18:00:00Z",
                "versions": {"vswitch": "0.1.0"}, "ports": 2, "seconds_of_a_trial": 2.0, "tolerated_loss_percent": 0.0,
                "resolution_percent": 1.0, "repetitions": 5, "command": "rfc2544 --seconds 2",
            },
            "findings": [
                finding("vswitch", 64, "exactly", 98_765.4),
                finding("kernel bridge", 64, "at-least", 512_345.0),
                finding("vswitch", 1518, "exactly", 50_000.0),
            ],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_series_becomes_a_table_and_a_picture_for_each_test() {
        let section = section(&series());
        assert_eq!(section.name, "rfc-2544");
        for wanted in [
            "## RFC 2544\n\na machine, 2026-11-30T18:00:00Z. vswitch 0.1.0. 2 ports; trials of 2 s,",
            "target/release/vswitch-perf rfc2544 --seconds 2\n",
            "### RFC 2544, 26.1 Throughput\n\n![RFC 2544, 26.1 Throughput: throughput](plots/rfc-2544-26-1-throughput.svg)",
            "| bytes | measure | kernel bridge | vswitch |\n",
            "| 64 | throughput, frames/s | ≥ 512\u{202f}345 | 98\u{202f}765 |\n",
            "| 64 | blocked, yes/no | yes | yes |\n",
            "| 1518 | throughput, frames/s |  | 50\u{202f}000 |\n",
            "\n`-`: no reason\n",
        ] {
            assert!(
                section.markdown.contains(wanted),
                "{wanted}:\n{}",
                section.markdown
            );
        }
        let [plot] = &section.plots[..] else {
            panic!("{} pictures", section.plots.len());
        };
        for wanted in [
            ">≥ 512<",
            ">98.8<",
            ">1518 bytes<",
            "thousand frames/s, more is better",
        ] {
            assert!(plot.svg.contains(wanted), "{wanted}: {}", plot.svg);
        }
    }

    #[test]
    fn a_test_without_a_rate_has_no_picture() {
        let mut series = series();
        for finding in &mut series.findings {
            finding.measures.remove(0);
        }
        let section = section(&series);
        assert!(section.plots.is_empty() && !section.markdown.contains("!["));
    }
}
