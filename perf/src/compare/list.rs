//! `--list`: who could take part and what could be measured here, and why not where not.
//!
//! There is no second way to find out: every candidate is built and tried as for a run.

use std::io::{IsTerminal as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::net::sockopt::set_tcp_congestion;
use serde::Serialize;

use super::plan::Plan;
use super::stage::Stage;
use crate::candidate::Programs;
use crate::load::{Congestion, Load};

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
        missing: missing(*load),
        about: String::new(),
    });
    let listing = Listing {
        comparison: plan.scenario.name(),
        candidates,
        loads: fit.chain(misfits).collect(),
    };
    listing.print()?;
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&listing)? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What this machine has not got for a load.
fn missing(load: Load) -> Option<String> {
    let (iperf3, congestion) = match load {
        Load::Tcp { congestion, .. } => (true, Some(congestion)),
        Load::Loaded => (true, Some(Congestion::Cubic)),
        Load::Udp { .. } => (true, None),
        Load::RoundTrip(_) | Load::Connect => (false, None),
    };
    if iperf3 && !is_in_path("iperf3") {
        return Some("iperf3 is not installed".to_owned());
    }
    let name = congestion?.name();
    let refused = || {
        let socket = TcpListener::bind(("127.0.0.1", 0)).ok()?;
        set_tcp_congestion(&socket, name).err()
    };
    refused().map(|error| format!("this kernel has no {name} ({error}): modprobe tcp_{name}"))
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
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
