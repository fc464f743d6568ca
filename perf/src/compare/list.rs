//! `--list`: who could take part and what could be measured here, and why not where not.
//!
//! There is no second way to find out: every candidate is built and tried as for a run.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::needs;
use super::plan::Plan;
use super::stage::Stage;
use crate::candidate::Programs;
use crate::report::write;

/// A line of the list.
#[derive(Debug, Serialize)]
struct Item {
    name: String,
    /// Whether it takes part when nothing is named.
    default: bool,
    /// Why it cannot be had here; nothing when it can.
    missing: Option<String>,
    about: String,
}

/// The list.
#[derive(Debug, Serialize)]
struct Listing {
    comparison: &'static str,
    candidates: Vec<Item>,
    loads: Vec<Item>,
}

/// Tries everything, and prints it.
pub(super) fn run(plan: &Plan, programs: &Programs, json: Option<&Path>) -> Result<()> {
    if std::io::stderr().is_terminal() {
        eprintln!("trying every candidate ...");
    }
    let mut candidates: Vec<Item> = (plan.candidates.iter())
        .map(|kind| Item {
            name: kind.to_string(),
            default: kind.is_default(),
            missing: None,
            about: kind.about().to_owned(),
        })
        .collect();
    for mtu in &plan.mtus {
        for absence in Stage::build(plan, programs, *mtu)?.absent {
            let mut all = candidates.iter_mut();
            let item = all.find(|item| item.name == absence.name && item.missing.is_none());
            if let Some(item) = item {
                item.missing = Some(format!("MTU {mtu}: {}", absence.why));
            }
        }
    }
    let misfits = plan.misfits.iter().map(|misfit| Item {
        name: misfit.name.clone(),
        default: false,
        missing: Some(misfit.why.clone()),
        about: String::new(),
    });
    let fit = plan.loads.iter().map(|load| Item {
        name: load.to_string(),
        default: load.is_default(plan.scenario),
        missing: needs::missing(*load),
        about: String::new(),
    });
    let listing = Listing {
        comparison: plan.scenario.name(),
        candidates,
        loads: fit.chain(misfits).collect(),
    };
    listing.print()?;
    json.map_or(Ok(()), |path| write(path, &listing))
}

impl Listing {
    fn print(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "* takes part when nothing is named\n")?;
        for (title, items) in [("CANDIDATE", &self.candidates), ("LOAD", &self.loads)] {
            let width = items.iter().map(|item| item.name.len()).max().unwrap_or(0);
            writeln!(out, "  {title:width$}  HERE")?;
            for item in items {
                let mark = if item.default { '*' } else { ' ' };
                let (here, text) = match &item.missing {
                    Some(why) => ("no ", why),
                    None => ("yes", &item.about),
                };
                let line = format!("{mark} {:width$}  {here}  {text}", item.name);
                writeln!(out, "{}", line.trim_end())?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
