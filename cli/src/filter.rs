//! `--filter KEY=VALUE` of `network ls` and `network prune`, with Docker's meaning.
//!
//! Several values of one key are alternatives, different keys must all hold. Labels are the exception, with Docker as
//! here: each that is asked for must be there.

use crate::args::values::KeyValue;
use anyhow::anyhow;
use std::time::{Duration, SystemTime};
use vswitch::{api::types::NetworkSummary, control::network::is_predefined};

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Driver(String),
    Id(String),
    /// A label's key and, if it matters, its value.
    Label(String, Option<String>),
    /// A label that must not be there.
    NoLabel(String, Option<String>),
    Name(String),
    Scope(String),
    Predefined(bool),
    Unused(bool),
    Before(SystemTime),
}

/// What is to be shown, or removed.
#[derive(Debug, Default)]
pub(crate) struct Filter(Vec<Condition>);

impl Filter {
    /// Reads the conditions of `network ls`.
    pub(crate) fn of_list(words: &[KeyValue]) -> anyhow::Result<Self> {
        let known = "dangling, driver, id, label, name, scope, type";
        Self::read(words, |key, value| {
            Ok(match key {
                "driver" => Condition::Driver(value.to_owned()),
                "id" => Condition::Id(value.to_owned()),
                "label" => label(value, Condition::Label),
                "name" => Condition::Name(value.to_owned()),
                "scope" => Condition::Scope(value.to_owned()),
                "type" => match value {
                    "builtin" => Condition::Predefined(true),
                    "custom" => Condition::Predefined(false),
                    _ => return Err(anyhow!("filter type={value}: give builtin or custom")),
                },
                "dangling" => match value {
                    "true" | "1" => Condition::Unused(true),
                    "false" | "0" => Condition::Unused(false),
                    _ => return Err(anyhow!("filter dangling={value}: give true or false")),
                },
                _ => return Err(anyhow!("filter {key:?}: unknown; known are {known}")),
            })
        })
    }

    /// Reads the conditions of `network prune`.
    pub(crate) fn of_prune(words: &[KeyValue]) -> anyhow::Result<Self> {
        Self::read(words, |key, value| {
            Ok(match key {
                "label" => label(value, Condition::Label),
                "label!" => label(value, Condition::NoLabel),
                "until" => Condition::Before(moment(value)?),
                _ => {
                    return Err(anyhow!(
                        "filter {key:?}: unknown; known are label, label! and until"
                    ));
                }
            })
        })
    }

    fn read(
        words: &[KeyValue],
        one: impl Fn(&str, &str) -> anyhow::Result<Condition>,
    ) -> anyhow::Result<Self> {
        let conditions = words.iter().map(|word| one(&word.key, &word.value));
        conditions.collect::<anyhow::Result<_>>().map(Self)
    }

    /// Whether there is no condition at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a network is meant.
    pub(crate) fn holds(&self, network: &NetworkSummary) -> bool {
        self.0.iter().all(|condition| {
            condition.holds(network)
                || (condition.has_alternatives()
                    && (self.0.iter())
                        .filter(|other| {
                            std::mem::discriminant(*other) == std::mem::discriminant(condition)
                        })
                        .any(|other| other.holds(network)))
        })
    }
}

impl Condition {
    fn has_alternatives(&self) -> bool {
        match self {
            Self::Driver(_)
            | Self::Id(_)
            | Self::Name(_)
            | Self::Scope(_)
            | Self::Predefined(_)
            | Self::Unused(_) => true,
            Self::Label(..) | Self::NoLabel(..) | Self::Before(_) => false,
        }
    }

    fn holds(&self, network: &NetworkSummary) -> bool {
        let labelled = |key: &str, value: &Option<String>| {
            let found = network.labels.get(key);
            found.is_some_and(|found| value.as_ref().is_none_or(|value| found == value))
        };
        match self {
            Self::Driver(driver) => network.driver == *driver,
            Self::Id(part) => has_part(&network.id, part),
            Self::Name(part) => has_part(&network.name, part),
            Self::Label(key, value) => labelled(key, value),
            Self::NoLabel(key, value) => !labelled(key, value),
            Self::Scope(scope) => network.scope == *scope,
            Self::Predefined(wanted) => is_predefined(&network.name) == *wanted,
            Self::Unused(wanted) => {
                let unused = !is_predefined(&network.name) && network.endpoints == 0;
                unused == *wanted
            }
            // One whose time cannot be read is not known to be older.
            Self::Before(time) => {
                humantime::parse_rfc3339_weak(&network.created).is_ok_and(|created| created < *time)
            }
        }
    }
}

/// Whether a part is in it; `^` and `$` stand for beginning and end, as with Docker, where it is a regular expression.
fn has_part(whole: &str, part: &str) -> bool {
    match (part.strip_prefix('^'), part.strip_suffix('$')) {
        (None, None) => whole.contains(part),
        (Some(start), None) => whole.starts_with(start),
        (None, Some(end)) => whole.ends_with(end),
        (Some(start), Some(_)) => start.strip_suffix('$').is_some_and(|exact| whole == exact),
    }
}

fn label(text: &str, make: fn(String, Option<String>) -> Condition) -> Condition {
    match text.split_once('=') {
        Some((key, value)) => make(key.to_owned(), Some(value.to_owned())),
        None => make(text.to_owned(), None),
    }
}

/// A point in time: so long ago, a date, or seconds since 1970.
fn moment(text: &str) -> anyhow::Result<SystemTime> {
    if let Ok(seconds) = text.parse() {
        return Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    }
    let date = || humantime::parse_rfc3339_weak(text).ok();
    let day = || humantime::parse_rfc3339_weak(&format!("{text}T00:00:00")).ok();
    let ago = || SystemTime::now().checked_sub(humantime::parse_duration(text).ok()?);
    ago().or_else(date).or_else(day).ok_or_else(|| {
        anyhow!("filter until={text}: not a time; give such as 24h, 2026-01-31T12:00:00 or seconds since 1970")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::values::key_value;
    use serde_json::json;

    fn network(name: &str, driver: &str, endpoints: usize) -> NetworkSummary {
        serde_json::from_value(json!({
            "id": format!("{name}0123"), "name": name, "driver": driver, "scope": "local",
            "created": "2026-01-31T12:00:00.5Z", "subnets": [], "internal": false,
            "endpoints": endpoints, "labels": { "team": name, "test": "" }
        }))
        .expect("the shape")
    }

    fn all() -> [NetworkSummary; 4] {
        [
            network("bridge", "bridge", 0),
            network("blue", "overlay", 0),
            network("green", "bridge", 2),
            network("greenish", "macvlan", 0),
        ]
    }

    fn words(words: &[&str]) -> Vec<KeyValue> {
        words
            .iter()
            .map(|word| key_value(word).expect(word))
            .collect()
    }

    #[test]
    fn filters_mean_what_they_mean_to_docker() {
        for (filters, expected) in [
            (&[][..], "bridge blue green greenish"),
            (&["name=green"], "green greenish"),
            (&["name=^green$"], "green"),
            (&["name=^b", "name=ish$"], "bridge blue greenish"),
            (&["id=blue01"], "blue"),
            (&["driver=bridge"], "bridge green"),
            (&["driver=bridge", "driver=overlay"], "bridge blue green"),
            (&["driver=bridge", "name=green"], "green"),
            (&["type=builtin"], "bridge"),
            (&["type=custom"], "blue green greenish"),
            (&["dangling=true"], "blue greenish"),
            (&["dangling=false"], "bridge green"),
            (&["scope=local"], "bridge blue green greenish"),
            (&["scope=swarm"], ""),
            (&["label=test"], "bridge blue green greenish"),
            (&["label=team=blue"], "blue"),
            (&["label=test=", "label=team=green"], "green"),
            (&["label=team=blue", "label=team=green"], ""),
        ] {
            let filter = Filter::of_list(&words(filters)).expect("well formed");
            let networks = all();
            let found: Vec<&str> = (networks.iter())
                .filter(|network| filter.holds(network))
                .map(|network| network.name.as_str())
                .collect();
            assert_eq!(found.join(" "), expected, "{filters:?}");
        }
    }

    #[test]
    fn prune_knows_labels_and_times() {
        for (filters, expected) in [
            (&["until=1h"][..], true),
            (&["until=2026-01-31T12:00:01"], true),
            (&["until=2026-01-31"], false),
            (&["until=2026-01-31T12:00:00Z"], false),
            (&["until=1"], false),
            (&["label=team=blue"], true),
            (&["label!=team=blue"], false),
            (&["label!=other"], true),
            (&["label=team", "until=1"], false),
        ] {
            let filter = Filter::of_prune(&words(filters)).expect("well formed");
            assert_eq!(
                filter.holds(&network("blue", "bridge", 0)),
                expected,
                "{filters:?}"
            );
        }
    }

    #[test]
    fn what_is_unknown_is_answered_with_what_is_known() {
        for (list, expected) in [
            ("nmae=x", "dangling, driver, id, label, name, scope, type"),
            ("until=1h", "known are"),
            ("type=x", "builtin or custom"),
            ("dangling=x", "true or false"),
        ] {
            let error = Filter::of_list(&words(&[list])).expect_err(list);
            assert!(error.to_string().contains(expected), "{error}");
        }
        for (prune, expected) in [("name=x", "label, label! and until"), ("until=x", "24h")] {
            let error = Filter::of_prune(&words(&[prune])).expect_err(prune);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
