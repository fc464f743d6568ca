//! From words on the command line to what is to be done: names and globs to candidates and loads. Nothing is started
//! here.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use glob::Pattern;

use super::Args;
use crate::candidate::Kind;
use crate::load::{Congestion, Load};
use crate::report::Absence;
use crate::scenario::Scenario;

/// The word for everything.
const ALL: &str = "all";

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) scenario: Scenario,
    /// The baseline first.
    pub(super) candidates: Vec<Kind>,
    pub(super) loads: Vec<Load>,
    pub(super) mtus: Vec<u32>,
    pub(super) rounds: usize,
    pub(super) time: Duration,
    /// Loads that were named and that this comparison, or this machine, has not.
    pub(super) misfits: Vec<Absence>,
    /// Where raw results go.
    pub(super) out: Option<PathBuf>,
}

impl Plan {
    /// Reads the command line. With `--list` and no names, everything is chosen.
    pub(super) fn new(args: &Args) -> Result<Self> {
        let scenario = args.scenario;
        let everything = |names: &[String]| args.list && names.is_empty();
        let wanted = if everything(&args.candidates) {
            Kind::all(scenario)?
        } else {
            candidates(scenario, &args.candidates)?
        };
        let (loads, misfits) = if everything(&args.loads) {
            fitting(scenario, Load::all())
        } else {
            loads(scenario, &args.loads, &args.congestion)?
        };
        let baseline = match &args.baseline {
            Some(name) => baseline(scenario, name)?,
            None => Kind::reference(scenario),
        };
        if loads.is_empty() {
            bail!("no load is left to measure: see --list and --congestion");
        }
        let mut mtus = Vec::new();
        for mtu in &args.mtu {
            if !mtus.contains(mtu) {
                mtus.push(*mtu);
            }
        }
        Ok(Self {
            scenario,
            candidates: with_first(baseline, wanted),
            loads,
            mtus,
            rounds: usize::try_from(args.rounds)?,
            time: Duration::from_secs(args.seconds),
            misfits,
            out: args.out.clone(),
        })
    }

    /// Leaves out the loads that this machine has not got something for. `missing` says what.
    pub(super) fn keep_possible(&mut self, missing: impl Fn(Load) -> Option<String>) -> Result<()> {
        let misfits = &mut self.misfits;
        self.loads.retain(|load| {
            let why = missing(*load);
            let name = load.to_string();
            misfits.extend(why.clone().map(|why| Absence {
                name,
                mtu: None,
                why,
            }));
            why.is_none()
        });
        match self.misfits.first() {
            Some(first) if self.loads.is_empty() => {
                bail!("no load is left to measure: {}: {}", first.name, first.why)
            }
            _ => Ok(()),
        }
    }

    /// The candidate that ratios are to.
    pub(super) fn baseline(&self) -> Option<&Kind> {
        self.candidates.first()
    }
}

/// One of them in front, once.
fn with_first(first: Kind, mut others: Vec<Kind>) -> Vec<Kind> {
    others.retain(|one| *one != first);
    others.insert(0, first);
    others
}

/// The candidate of this name.
fn baseline(scenario: Scenario, name: &str) -> Result<Kind> {
    let mut found = candidates(scenario, &[name.to_owned()])?;
    match (found.pop(), found.is_empty()) {
        (Some(kind), true) => Ok(kind),
        _ => bail!("--baseline takes one candidate, and {name:?} is several"),
    }
}

/// The candidates of these names, in the order of the list; those by default where there are no names.
fn candidates(scenario: Scenario, words: &[String]) -> Result<Vec<Kind>> {
    let mut known = Kind::all(scenario)?;
    if words.is_empty() {
        known.retain(Kind::is_default);
        return Ok(known);
    }
    for word in words {
        if let Some(kind) = Kind::variant(word) {
            let kind = kind?;
            if !known.contains(&kind) {
                known.push(kind);
            }
        }
    }
    select(known, words, "candidate")
}

/// The loads of these names, and those of them that do not fit.
fn loads(
    scenario: Scenario,
    words: &[String],
    congestion: &[Congestion],
) -> Result<(Vec<Load>, Vec<Absence>)> {
    let mut chosen = Load::all();
    if words.is_empty() {
        chosen.retain(|load| load.is_default(scenario) && load.misfit(scenario).is_none());
    } else {
        chosen = select(chosen, words, "load")?;
    }
    chosen.retain(|load| match load {
        Load::Tcp {
            congestion: own, ..
        } => congestion.contains(own),
        Load::Udp { .. } | Load::RoundTrip(_) | Load::Loaded | Load::Connect => true,
    });
    Ok(fitting(scenario, chosen))
}

/// Those that the comparison has, and why it has not the others.
fn fitting(scenario: Scenario, loads: Vec<Load>) -> (Vec<Load>, Vec<Absence>) {
    let misfits = (loads.iter()).filter_map(|load| {
        Some(Absence {
            name: load.to_string(),
            mtu: None,
            why: load.misfit(scenario)?.to_owned(),
        })
    });
    let misfits = misfits.collect();
    let fit = (loads.into_iter()).filter(|load| load.misfit(scenario).is_none());
    (fit.collect(), misfits)
}

/// Those of the known ones that a word names or a glob matches. A word for nothing is an error.
fn select<T: ToString>(known: Vec<T>, words: &[String], what: &str) -> Result<Vec<T>> {
    let names: Vec<String> = known.iter().map(ToString::to_string).collect();
    let mut chosen = vec![false; known.len()];
    for word in words {
        let pattern = Pattern::new(word).with_context(|| format!("{word:?} is no pattern"))?;
        let mut hit = false;
        for (name, chosen) in names.iter().zip(&mut chosen) {
            if word == ALL || word == name || pattern.matches(name) {
                (hit, *chosen) = (true, true);
            }
        }
        if !hit {
            bail!(
                "no {what} is called {word:?}: there are {}",
                names.join(", ")
            );
        }
    }
    let both = known.into_iter().zip(chosen);
    Ok(both
        .filter(|(_, chosen)| *chosen)
        .map(|(one, _)| one)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn named(kinds: &[Kind]) -> String {
        let names: Vec<_> = kinds.iter().map(ToString::to_string).collect();
        names.join(",")
    }

    #[test]
    fn candidates_are_chosen_by_name_glob_and_variant() {
        let chosen = |text| named(&candidates(Scenario::Bridge, &words(text)).unwrap());
        assert_eq!(chosen("vde,kernel-bridge"), "kernel-bridge,vde");
        assert_eq!(chosen("ovs-*-tso"), "ovs-tap-tso,ovs-packet-tso");
        assert_eq!(chosen("vswitch"), "vswitch");
        assert_eq!(chosen("vswitch:workers=1"), "vswitch:workers=1");
        assert_eq!(
            chosen("veth,vswitch:workers=7:offload=off"),
            "veth,vswitch:workers=7:offload=off"
        );
        assert_eq!(chosen(ALL), named(&Kind::all(Scenario::Bridge).unwrap()));
    }

    #[test]
    fn a_word_for_nothing_is_refused_and_the_names_are_told() {
        let error = candidates(Scenario::Overlay, &words("kernel-bridge")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("kernel-bridge") && text.contains("kernel-vxlan"),
            "{text}"
        );
        assert!(loads(Scenario::Bridge, &words("tcp-3-*"), &[]).is_err());
        assert!(loads(Scenario::Bridge, &words("[a"), &[]).is_err());
    }

    #[test]
    fn the_baseline_is_one_and_comes_first() {
        assert!(baseline(Scenario::Bridge, "ovs-*").is_err());
        let own = baseline(Scenario::Bridge, "vswitch:workers=3").unwrap();
        let all = candidates(Scenario::Bridge, &words("veth,vde")).unwrap();
        assert_eq!(
            named(&with_first(own, all.clone())),
            "vswitch:workers=3,veth,vde"
        );
        let vde = baseline(Scenario::Bridge, "vde").unwrap();
        assert_eq!(named(&with_first(vde, all)), "vde,veth");
    }

    #[test]
    fn congestion_control_narrows_tcp_only() {
        let only = [Congestion::Bbr];
        let (chosen, _) = loads(Scenario::Bridge, &words("tcp-1-*,udp-64-*"), &only).unwrap();
        let names: Vec<_> = chosen.iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "tcp-1-bbr",
                "tcp-1-bbr-reverse",
                "tcp-1-bbr-bidir",
                "udp-64-overload",
                "udp-64-lossfree"
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_named_only_where_it_was_asked_for() {
        let both = [Congestion::Cubic, Congestion::Bbr];
        let (_, misfits) = loads(Scenario::Publish, &[], &both).unwrap();
        assert!(misfits.is_empty());
        let (chosen, misfits) = loads(Scenario::Publish, &words("tcp-1-*,connect"), &both).unwrap();
        assert_eq!((chosen.len(), misfits.len()), (3, 4));
    }
}
