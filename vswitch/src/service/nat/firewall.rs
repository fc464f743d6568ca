//! Docker's firewall, and any other that drops what is forwarded.
//!
//! Docker sets the policy of FORWARD to drop and calls the chain DOCKER-USER first, for the rules of others. What comes
//! from an interface of ours is accepted there, and what answers. An accept overrules all that Docker drops later, so
//! before it stands what Docker has for its own networks: they are isolated from one another by the chain
//! DOCKER-ISOLATION-STAGE-2, which drops what goes to a bridge of Docker's, and the same chain is called for us. Ports that
//! Docker publishes are for everybody, though, and their addresses are translated by then.
//!
//! The programs `iptables` and `ip6tables` put the rules there, whichever kind Docker itself uses. They bear the interface's
//! name in a comment, by which they are found again. Nothing is asked of iptables where the kernel has no table `filter`
//! yet: asking would make one.

use std::fs;

use super::{HOST_PREFIX, REMEDY, program};
use crate::{control::ControlError, sys::IfName};

const CHAIN: &str = "DOCKER-USER";
/// Drops what goes to a bridge of Docker's. Not every version has it.
const ISOLATION: &str = "DOCKER-ISOLATION-STAGE-2";
/// What a comment begins with; the interface follows.
const MARK: &str = "vswitch:";
/// Most copies of a rule that are removed.
const MOST: usize = 16;

/// One family.
struct Family {
    program: &'static str,
    /// The table as nft lists it.
    table: &'static str,
    /// Where the tables of legacy iptables are listed.
    legacy: &'static str,
}

const FAMILIES: [Family; 2] = [
    Family {
        program: "iptables",
        table: "ip filter",
        legacy: "/proc/thread-self/net/ip_tables_names",
    },
    Family {
        program: "ip6tables",
        table: "ip6 filter",
        legacy: "/proc/thread-self/net/ip6_tables_names",
    },
];

impl Family {
    /// Whether it has a firewall at all; `tables` are those of nft.
    fn is_used(&self, tables: &[String]) -> bool {
        let legacy = fs::read_to_string(self.legacy).unwrap_or_default();
        tables.iter().any(|table| table == self.table)
            || legacy.lines().any(|line| line == "filter")
    }

    /// Whether iptables did as it was told.
    fn iptables(&self, arguments: &[&str]) -> Result<String, String> {
        let arguments = [&["-w"], arguments].concat();
        match program::run(self.program, &arguments, "") {
            Ok(output) if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The families that have a firewall.
fn used() -> impl Iterator<Item = Family> {
    let tables = program::tables().unwrap_or_default();
    FAMILIES
        .into_iter()
        .filter(move |family| family.is_used(&tables))
}

/// The rules of an interface, without what is to be done with them, in the order in which they apply.
fn rules(interface: &IfName) -> [Vec<String>; 4] {
    let comment = format!("{MARK}{interface}");
    let rule = |which: &[&str], target: &str| -> Vec<String> {
        let tail = ["-m", "comment", "--comment", &comment, "-j", target];
        let words = which.iter().chain(&tail);
        words.map(|word| (*word).to_owned()).collect()
    };
    let name = interface.as_str();
    let state = ["-m", "conntrack", "--ctstate"];
    let published = [&["-i", name][..], &state, &["DNAT"]].concat();
    let answers = [&["-o", name][..], &state, &["RELATED,ESTABLISHED"]].concat();
    [
        rule(&published, "ACCEPT"),
        rule(&["-i", name], ISOLATION),
        rule(&["-i", name], "ACCEPT"),
        rule(&answers, "ACCEPT"),
    ]
}

/// Does `action` (-I, -D) with a rule.
fn apply(family: &Family, action: &str, rule: &[String]) -> Result<String, String> {
    let words: Vec<&str> = rule.iter().map(String::as_str).collect();
    family.iptables(&[&[action, CHAIN], &words[..]].concat())
}

/// Lets an interface through Docker's firewall, where that is; tells the log of another that drops.
///
/// # Errors
/// Unavailable when the chain is there and takes no rule.
pub(super) fn admit(interface: &IfName) -> Result<(), ControlError> {
    for family in used() {
        let Ok(listed) = family.iptables(&["-S", CHAIN]) else {
            warn_of_policy(&family, interface);
            continue;
        };
        let isolates = family.iptables(&["-S", ISOLATION]).is_ok();
        let mut wanted = rules(interface).to_vec();
        wanted.retain(|rule| isolates || !rule.iter().any(|word| word == ISOLATION));
        // Taking rules away for a moment would tear what goes on.
        let there = marked(&listed)
            .iter()
            .filter(|one| *one == interface)
            .count();
        if there == wanted.len() {
            continue;
        }
        remove_from(&family, interface);
        // Each goes before those that are there.
        for rule in wanted.iter().rev() {
            apply(&family, "-I", rule).map_err(|said| {
                remove_from(&family, interface);
                ControlError::unavailable(format!(
                    "no way out: {} puts no rule into {CHAIN} ({said}); see that it works, {REMEDY}",
                    family.program
                ))
            })?;
        }
    }
    Ok(())
}

fn warn_of_policy(family: &Family, interface: &IfName) {
    let drops = (family.iptables(&["-S", "FORWARD"]))
        .is_ok_and(|rules| rules.lines().any(|line| line == "-P FORWARD DROP"));
    if drops {
        tracing::warn!(
            "the host's firewall drops what is forwarded: allow it with `{} -I FORWARD -i {interface} -j ACCEPT`",
            family.program
        );
    }
}

/// Takes an interface's rules away; there may be none.
pub(super) fn remove(interface: &IfName) {
    for family in used() {
        remove_from(&family, interface);
    }
}

fn remove_from(family: &Family, interface: &IfName) {
    for rule in rules(interface) {
        for _ in 0..MOST {
            if apply(family, "-D", &rule).is_err() {
                break;
            }
        }
    }
}

/// The interfaces that have rules.
pub(super) fn admitted() -> Vec<IfName> {
    used()
        .filter_map(|family| family.iptables(&["-S", CHAIN]).ok())
        .flat_map(|rules| marked(&rules))
        .collect()
}

/// The interfaces that the comments of rules name.
fn marked(rules: &str) -> Vec<IfName> {
    (rules.split_whitespace())
        .filter_map(|word| word.trim_matches('"').strip_prefix(MARK))
        .filter(|name| name.starts_with(HOST_PREFIX))
        .filter_map(|name| IfName::new(name).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_again_by_their_comments() {
        let interface = IfName::new("vs-a1").unwrap();
        let rules = rules(&interface).map(|rule| rule.join(" "));
        let of = "-m comment --comment vswitch:vs-a1";
        assert_eq!(
            rules,
            [
                format!("-i vs-a1 -m conntrack --ctstate DNAT {of} -j ACCEPT"),
                format!("-i vs-a1 {of} -j DOCKER-ISOLATION-STAGE-2"),
                format!("-i vs-a1 {of} -j ACCEPT"),
                format!("-o vs-a1 -m conntrack --ctstate RELATED,ESTABLISHED {of} -j ACCEPT"),
            ]
        );
        let listed = rules.map(|rule| format!("-A {CHAIN} {rule}\n")).concat();
        let listed = format!("-N {CHAIN}\n{listed}-A {CHAIN} -j RETURN\n");
        assert_eq!(marked(&listed), vec![interface.clone(); 4]);
        let quoted = "-A DOCKER-USER -m comment --comment \"vswitch:vs-a1\" -j ACCEPT";
        assert_eq!(marked(quoted), [interface]);
        assert!(marked("-A DOCKER-USER -m comment --comment vswitch:eth0 -j ACCEPT").is_empty());
    }
}
