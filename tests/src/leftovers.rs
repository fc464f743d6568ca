//! What is there: to compare before and after, and to find what a daemon left behind.

use crate::{Lab, Must, Sandbox, procfs};
use serde_json::{Value, json};
use std::{fs, path::Path};
use vswitch::sys::{Netns, netlink};

/// See [`Lab::fingerprint`].
#[track_caller]
pub(crate) fn fingerprint(lab: &Lab) -> String {
    let networks = lab.json(&["network", "ls"]);
    let names: Vec<String> = (networks.as_array().into_iter().flatten())
        .filter_map(|network| Some(network["name"].as_str()?.to_owned()))
        .collect();
    let inspected: Vec<Value> = (names.iter())
        .map(|name| lab.json(&["network", "inspect", name]))
        .collect();
    let entries: Vec<Value> = (names.iter())
        .map(|name| lab.cli(&["--json", "fdb", "show", name]))
        // The predefined networks without a switch have no table.
        .filter(|output| output.status == 0)
        .map(|output| made_by_hand(&output.json()))
        .collect();
    let all = json!({
        "networks": networks,
        "inspected": inspected,
        "entries": entries,
        "sandboxes": lab.json(&["sandbox", "ls"]),
        "ports": without_counters(lab.json(&["port", "ls"])),
        "links": links(lab.host()),
        "files": files(lab.dir()),
        "descriptors": lab.daemon().held(),
    });
    format!("{all:#}")
}

/// The lines of two fingerprints that are not in the other.
pub(crate) fn difference(before: &str, after: &str) -> String {
    let lines = |text: &'_ str, sign: char, other: &str| {
        (text.lines())
            .filter(|line| !other.lines().any(|one| one == *line))
            .map(|line| format!("{sign} {line}\n"))
            .collect::<String>()
    };
    lines(before, '-', after) + &lines(after, '+', before)
}

fn made_by_hand(entries: &Value) -> Value {
    (entries.as_array().into_iter().flatten())
        .filter(|entry| entry["kind"] != "learned")
        .map(|entry| json!([entry["mac"], entry["port"], entry["kind"]]))
        .collect()
}

fn without_counters(mut ports: Value) -> Value {
    for port in ports.as_array_mut().into_iter().flatten() {
        for counter in ["rx", "tx", "drops"] {
            port[counter] = Value::Null;
        }
    }
    ports
}

/// Interfaces of a namespace other than `lo`.
pub(crate) fn links(netns: &Netns) -> Vec<String> {
    let links = netns.run(netlink::links).must("enter a namespace");
    (links.must("list interfaces").into_iter())
        .filter(|link| link.name != "lo")
        .map(|link| link.name)
        .collect()
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path().display().to_string());
        }
    }
    found.sort();
    found
}

/// What a daemon that has ended left behind, or took away, a line each. `furniture` are the interfaces that
/// were in the host before.
pub(crate) fn find(
    dir: &Path,
    host: &Netns,
    furniture: &[String],
    sandboxes: &[Sandbox],
) -> Vec<String> {
    let mut left = Vec::new();
    let now = links(host);
    let new = now.iter().filter(|link| !furniture.contains(link));
    left.extend(new.map(|link| format!("device {link} in the host")));
    let lost = furniture.iter().filter(|link| !now.contains(link));
    left.extend(lost.map(|link| format!("the host's own {link} is gone")));
    for sandbox in sandboxes {
        let devices = links(&sandbox.netns).into_iter();
        left.extend(devices.map(|link| format!("device {link} in {}", sandbox.name)));
    }
    // The directory itself is one where it is shared with a mount namespace of the lab's.
    let mounts = procfs::mounts_below(dir).into_iter();
    let mounts = mounts.filter(|point| Path::new(point) != dir);
    left.extend(mounts.map(|point| format!("mount {point}")));
    left.extend(
        (procfs::with_argument(&dir.to_string_lossy()).iter())
            .map(|process| format!("process {process}")),
    );
    // Empty directories go with the lab's own.
    // What was to be kept is not left behind.
    let kept = dir.join("state");
    let files = files(dir).into_iter();
    let files = files.filter(|file| !Path::new(file).starts_with(&kept));
    left.extend(files.map(|file| format!("file {file}")));
    left
}

/// Takes the mounts in a lab's directory away; the files go with the directory.
pub(crate) fn remove(dir: &Path) {
    let pins = dir.join("netns");
    for entry in fs::read_dir(&pins).into_iter().flatten().flatten() {
        if let Err(error) = Netns::unpin(&entry.path()) {
            eprintln!("left behind: {error}");
        }
    }
    if let Err(error) = Netns::release_directory(&pins) {
        eprintln!("left behind: {error}");
    }
}
