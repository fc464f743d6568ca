//! What a test found: named figures with units, and the trials behind them.

use std::fmt;

use serde::Serialize;

use crate::generate::{FrameSize, Latency, Summary};

/// The result of one test over one candidate with frames of one size.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) candidate: String,
    pub(crate) test: &'static str,
    pub(crate) frame_size: FrameSize,
    pub(crate) measures: Vec<Measure>,
    pub(crate) trials: Vec<Trial>,
}

/// A trial behind a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Trial {
    /// What it was for.
    pub(crate) purpose: Purpose,
    #[serde(flatten)]
    pub(crate) summary: Summary,
}

/// What a trial is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Purpose {
    /// To find a throughput.
    Search,
    /// To measure at a load that is known.
    Measurement,
    /// To make the test port known.
    Greeting,
    /// To teach addresses.
    Learning,
    /// To ask for them.
    Testing,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Measure {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    #[serde(flatten)]
    pub(crate) figure: Figure,
}

/// How much, and whether that is all that can be said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub(crate) enum Figure {
    /// So much.
    Exactly(f64),
    /// So much or more: the generator, or the test, could not go further.
    AtLeast(f64),
    /// A question that was answered.
    Answer(bool),
    /// Not measured, for this reason.
    Unmeasured(&'static str),
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    #[serde(rename = "frames/s")]
    FramesPerSecond,
    #[serde(rename = "Gbit/s")]
    Gigabits,
    #[serde(rename = "%")]
    Percent,
    #[serde(rename = "frames")]
    Frames,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "µs")]
    Microseconds,
    #[serde(rename = "addresses")]
    Addresses,
    #[serde(rename = "addresses/s")]
    AddressesPerSecond,
    #[serde(rename = "yes/no")]
    Answer,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FramesPerSecond => "frames/s",
            Self::Gigabits => "Gbit/s",
            Self::Percent => "%",
            Self::Frames => "frames",
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::Addresses => "addresses",
            Self::AddressesPerSecond => "addresses/s",
            Self::Answer => "yes/no",
        })
    }
}

impl Measure {
    pub(crate) fn new(name: impl Into<String>, unit: Unit, figure: Figure) -> Self {
        let name = name.into();
        Self { name, unit, figure }
    }

    /// One that is what it is.
    pub(crate) fn exactly(name: impl Into<String>, unit: Unit, value: f64) -> Self {
        Self::new(name, unit, Figure::Exactly(value))
    }

    /// The figures of latencies; the reason in their place without any.
    pub(crate) fn latencies(when: &str, latency: Option<Latency>) -> Vec<Self> {
        let names = ["min", "mean", "median", "99th percentile", "max"];
        let figures = match latency {
            Some(Latency {
                min,
                mean,
                median,
                p99,
                max,
                ..
            }) => [min, mean, median, p99, max].map(Figure::Exactly),
            None => [Figure::Unmeasured("no frame arrived"); 5],
        };
        let measure =
            |(name, figure)| Self::new(format!("{name} {when}"), Unit::Microseconds, figure);
        names.into_iter().zip(figures).map(measure).collect()
    }
}

impl Figure {
    /// `value`, or a bound of it.
    pub(crate) const fn bounded(value: f64, at_least: bool) -> Self {
        if at_least {
            Self::AtLeast(value)
        } else {
            Self::Exactly(value)
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::Exactly(value) => digits(value),
            Self::AtLeast(value) => format!(">= {}", digits(value)),
            Self::Answer(true) => "yes".to_owned(),
            Self::Answer(false) => "no".to_owned(),
            Self::Unmeasured(_) => "-".to_owned(),
        };
        f.pad(&text)
    }
}

/// Three digits or all of the whole ones, in groups.
fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        small if small < 1.0 => 3,
        small if small < 10.0 => 2,
        small if small < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut grouped = String::new();
    for (place, digit) in text.char_indices() {
        let left = whole.saturating_sub(place);
        if place > 0 && left > 0 && left.is_multiple_of(3) && digit.is_ascii_digit() {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_or_all_the_whole_ones() {
        let texts = [0.0, 0.01234, 1.2345, 12.345, 123.45, 1234.5, 1_234_567.0].map(digits);
        assert_eq!(
            texts,
            ["0", "0.012", "1.23", "12.3", "123", "1 234", "1 234 567"]
        );
    }

    #[test]
    fn a_bound_is_marked() {
        assert_eq!(Figure::bounded(5000.0, true).to_string(), ">= 5 000");
        assert_eq!(Figure::bounded(5000.0, false).to_string(), "5 000");
        assert_eq!(Figure::Answer(false).to_string(), "no");
        assert_eq!(Figure::Unmeasured("why").to_string(), "-");
    }

    #[test]
    fn json_names_figure_and_unit() {
        let measure = Measure::new("throughput", Unit::FramesPerSecond, Figure::AtLeast(2.0));
        let json = serde_json::to_value(&measure).unwrap();
        let wanted = serde_json::json!({"name": "throughput", "unit": "frames/s", "kind": "at-least", "value": 2.0});
        assert_eq!(json, wanted);
        for unit in [
            Unit::Percent,
            Unit::Microseconds,
            Unit::AddressesPerSecond,
            Unit::Answer,
        ] {
            assert_eq!(serde_json::to_value(unit).unwrap(), unit.to_string());
        }
    }

    #[test]
    fn latencies_without_frames_say_so() {
        let measures = Measure::latencies("at 100 %", None);
        assert_eq!(measures.len(), 5);
        assert_eq!(measures[0].name, "min at 100 %");
        assert!(
            measures
                .iter()
                .all(|one| matches!(one.figure, Figure::Unmeasured(_)))
        );
    }
}
