//! What a report says of the machine: asked of `/proc`, `ethtool` and the programs themselves.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context as _, Result};

use crate::candidate::{Host, Kind, Programs};
use crate::process::read;
use crate::report::Machine;

/// The features of an interface that decide how large a packet travels and who sums it up.
const FEATURES: [&str; 9] = [
    "rx-checksumming",
    "tx-checksumming",
    "scatter-gather",
    "tcp-segmentation-offload",
    "generic-segmentation-offload",
    "generic-receive-offload",
    "large-receive-offload",
    "tx-udp-segmentation",
    "rx-gro-list",
];

/// This machine, and the programs that these candidates are made of. What interfaces can do is not in it yet.
pub(super) fn machine(programs: &Programs, candidates: &[Kind]) -> Result<Machine> {
    let text = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    Ok(Machine {
        date: now.to_string(),
        kernel: text("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        processor: processor(&text("/proc/cpuinfo")?),
        cores: std::thread::available_parallelism()?.get(),
        memory: memory(&text("/proc/meminfo")?),
        busy: (text("/proc/loadavg")?.split(' ').next())
            .unwrap_or_default()
            .to_owned(),
        versions: versions(programs, candidates),
        offload: Vec::new(),
    })
}

fn processor(cpuinfo: &str) -> String {
    let line = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    line.unwrap_or_default()
        .trim_start_matches([' ', '\t', ':'])
        .to_owned()
}

/// In MiB.
fn memory(meminfo: &str) -> u64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or_default() / 1024
}

/// What the programs say of themselves; those that are not there are missing.
fn versions(programs: &Programs, candidates: &[Kind]) -> BTreeMap<String, String> {
    let vswitch = programs.vswitch.to_string_lossy();
    let mut asked = vec![
        ("vswitch", &*vswitch, "--version"),
        ("iperf3", "iperf3", "--version"),
        ("iproute2", "ip", "-V"),
        ("ethtool", "ethtool", "--version"),
    ];
    let has = |part: &str| {
        candidates
            .iter()
            .any(|kind| kind.to_string().starts_with(part))
    };
    if has("ovs") {
        asked.push(("openvswitch", "ovs-vswitchd", "--version"));
    }
    if has("vde") {
        asked.push(("vde", "vde_switch", "--version"));
    }
    if has("docker") {
        asked.push(("docker", "dockerd", "--version"));
    }
    let own = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    let each = asked
        .into_iter()
        .filter_map(|(name, program, option)| Some((name.to_owned(), version(program, option)?)));
    each.chain([("vswitch-perf".to_owned(), own.to_owned())])
        .collect()
}

/// The first line that a program says.
fn version(program: &str, option: &str) -> Option<String> {
    let output = (Command::new(program).arg(option).stdin(Stdio::null()))
        .output()
        .ok()?;
    let line = String::from_utf8_lossy(&output.stdout);
    line.lines().next().map(|line| line.trim().to_owned())
}

/// Which of [`FEATURES`] a host's interface has; nothing where `ethtool` is not installed.
pub(super) fn offload(host: &Host) -> Result<Option<BTreeMap<String, bool>>> {
    match read(&host.netns, "ethtool", &["-k", host.interface]) {
        Ok(text) => Ok(Some(features(&text))),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn features(ethtool: &str) -> BTreeMap<String, bool> {
    let each = ethtool.lines().filter_map(|line| {
        let (name, state) = line.trim().split_once(": ")?;
        let known = FEATURES.contains(&name);
        known.then(|| (name.to_owned(), state.starts_with("on")))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_on_or_off_whether_fixed_or_not() {
        let text = "Features for eth0:\nrx-checksumming: off [fixed]\ntx-checksumming: on\n\
                    \ttx-checksum-ipv4: on\n\ttx-udp-segmentation: on [fixed]\n\
                    tcp-segmentation-offload: off [requested on]\n";
        let expected = [
            ("rx-checksumming", false),
            ("tx-checksumming", true),
            ("tx-udp-segmentation", true),
            ("tcp-segmentation-offload", false),
        ];
        let expected = expected.map(|(name, on)| (name.to_owned(), on));
        assert_eq!(features(text), BTreeMap::from(expected));
    }

    #[test]
    fn the_machine_is_described_from_proc() {
        assert_eq!(
            processor("a: b\nmodel name\t: Some CPU @ 2 GHz\n"),
            "Some CPU @ 2 GHz"
        );
        assert_eq!(memory("MemTotal:       2097152 kB\n"), 2048);
        assert_eq!((processor(""), memory("")), (String::new(), 0));
    }
}
