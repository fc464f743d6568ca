//! What the interfaces of the hosts can do, in a line for all that can do the same.

use std::collections::BTreeMap;

use super::Offload;

/// Names of features as `ethtool -K` takes them; others have but their long ones.
const SHORT: [(&str, &str); 7] = [
    ("rx-checksumming", "rx"),
    ("tx-checksumming", "tx"),
    ("scatter-gather", "sg"),
    ("tcp-segmentation-offload", "tso"),
    ("generic-segmentation-offload", "gso"),
    ("generic-receive-offload", "gro"),
    ("large-receive-offload", "lro"),
];

/// Who has which features on: lines of candidates (with the host where a candidate's differ) and features.
pub(super) fn lines(all: &[Offload]) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (name, on) in owners(all) {
        match groups.iter_mut().find(|group| group.0 == on) {
            Some(group) => group.1.push(name),
            None => groups.push((on, vec![name])),
        }
    }
    let line = |(on, names): (String, Vec<String>)| format!("{}: {on}", names.join(", "));
    groups.into_iter().map(line).collect()
}

/// Each candidate, or each of its hosts where they differ, and what is on there.
fn owners(all: &[Offload]) -> Vec<(String, String)> {
    let mut owners = Vec::new();
    for one in all {
        let mut same = all.iter().filter(|other| other.candidate == one.candidate);
        let name = if same.all(|other| other.features == one.features) {
            one.candidate.clone()
        } else {
            format!("{} {} MTU {}", one.candidate, one.host, one.mtu)
        };
        let owner = (name, on(&one.features));
        if !owners.contains(&owner) {
            owners.push(owner);
        }
    }
    owners
}

fn on(features: &BTreeMap<String, bool>) -> String {
    let short = |name: &str| {
        SHORT
            .iter()
            .find(|(long, _)| *long == name)
            .map(|(_, short)| *short)
    };
    let on: Vec<&str> = (features.iter().filter(|(_, on)| **on))
        .map(|(name, _)| short(name).unwrap_or(name))
        .collect();
    if on.is_empty() {
        "none".to_owned()
    } else {
        on.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offload(candidate: &str, host: &str, on: &[&str]) -> Offload {
        let names = SHORT
            .iter()
            .map(|(long, short)| ((*long).to_owned(), on.contains(short)));
        Offload {
            candidate: candidate.to_owned(),
            mtu: 1500,
            host: host.to_owned(),
            interface: "eth0".to_owned(),
            features: names.chain([("rx-gro-list".to_owned(), false)]).collect(),
        }
    }

    #[test]
    fn those_that_can_do_the_same_share_a_line() {
        let all = [
            offload("veth", "a", &["tx", "tso"]),
            offload("veth", "b", &["tx", "tso"]),
            offload("vde", "a", &[]),
            offload("vde", "b", &["tx"]),
            offload("bare", "a", &["tx", "tso"]),
            offload("bare", "b", &["tx", "tso"]),
        ];
        let expected = [
            "veth, bare: tso tx",
            "vde a MTU 1500: none",
            "vde b MTU 1500: tx",
        ];
        assert_eq!(lines(&all), expected);
        assert!(lines(&[]).is_empty());
    }
}
