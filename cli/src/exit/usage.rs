//! A wrong command line, told in one line: what is wrong, what was expected, where to read on.
//!
//! `clap` says it in several paragraphs: the message, tips, the usage, a pointer to the help. A script's
//! log and a person's eye want one line, so that the usage is left to `--help`, whose command is named.

use crate::{args::Cli, print::one_line};
use clap::{CommandFactory, error::ErrorKind};
use std::ffi::{OsStr, OsString};

/// Where `clap`'s own pointers begin.
const POINTERS: [&str; 2] = ["\n\nUsage:", "\n\nFor more information"];

/// The line for `error`, which `words` (without the program's name) were answered with. None for help and
/// the version, be it on stderr: that is a text that was asked for, or, where no command was given, the
/// list of those that there are.
pub(super) fn line(
    error: &clap::Error,
    words: impl IntoIterator<Item = OsString>,
) -> Option<String> {
    let help = [
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayVersion,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
        ErrorKind::MissingSubcommand,
    ];
    if help.contains(&error.kind()) {
        return None;
    }
    let text = error.to_string();
    let end = POINTERS.iter().filter_map(|pointer| text.find(pointer));
    let said = &text[..end.min().unwrap_or(text.len())];
    let paragraphs: Vec<_> = said.split("\n\n").map(one_line).collect();
    Some(format!(
        "{}; see '{} --help'",
        paragraphs.join("; "),
        command_of(words)
    ))
}

/// The command that `words` get as far as, such as `vswitch network create`.
fn command_of(words: impl IntoIterator<Item = OsString>) -> String {
    let root = Cli::command();
    let mut command = &root;
    let mut path = root.get_name().to_owned();
    let mut after_option = false;
    for word in words {
        if word == OsStr::new("--") {
            break;
        }
        if word.as_encoded_bytes().starts_with(b"-") {
            after_option = true;
            continue;
        }
        match command.find_subcommand(&word) {
            Some(found) => {
                path = format!("{path} {}", found.get_name());
                command = found;
            }
            // It may be that option's value.
            None if after_option => {}
            None => break,
        }
        after_option = false;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn told(words: &[&str]) -> Option<String> {
        match Cli::try_parse_from(["vswitch"].iter().chain(words)) {
            Ok(read) => panic!("{words:?} was read as {read:?}"),
            Err(error) => line(&error, words.iter().map(OsString::from)),
        }
    }

    #[test]
    fn a_wrong_word_is_told_in_one_line() {
        for (words, expected) in [
            (
                &["fdb", "add", "lan", "02:00", "1"][..],
                "error: invalid value '02:00' for '<MAC>': a MAC address has 17 characters, this \
                 has 5; write it as 02:00:5e:10:00:01; see 'vswitch fdb add --help'",
            ),
            (
                &["run", "--network", "n", "--ip", "198.18.0.300", "--", "ls"],
                "error: invalid value '198.18.0.300' for '--ip <IP>': expected an IPv4 address without \
                 a prefix, such as 198.18.0.10; see 'vswitch run --help'",
            ),
            (
                &["--socket", "/x", "network", "create", "n", "--subnet", "1"],
                "error: invalid value '1' for '--subnet <CIDR>': expected ADDRESS/PREFIX, such as \
                 198.18.0.0/24 or 2001:2:0:1::/64; see 'vswitch network create --help'",
            ),
            (
                &["fdb", "flush", "lan", "--kind", "local"],
                "error: invalid value 'local' for '--kind <KIND>' [possible values: learned, static, \
                 sticky]; see 'vswitch fdb flush --help'",
            ),
            (
                &["fdb", "add", "lan"],
                "error: the following required arguments were not provided: <MAC> <PORT>; \
                 see 'vswitch fdb add --help'",
            ),
            (
                &["network", "list", "--colour"],
                "error: unexpected argument '--colour' found; see 'vswitch network ls --help'",
            ),
            (
                &["netwrk", "ls"],
                "error: unrecognized subcommand 'netwrk'; tip: a similar subcommand exists: \
                 'network'; see 'vswitch --help'",
            ),
            (
                &["fdb", "add", "lan", "a\n\nb", "1"],
                "error: invalid value 'a; b' for '<MAC>': a MAC address has 17 characters, this \
                 has 4; write it as 02:00:5e:10:00:01; see 'vswitch fdb add --help'",
            ),
        ] {
            assert_eq!(told(words).as_deref(), Some(expected));
        }
    }

    #[test]
    fn help_and_version_are_left_as_they_are() {
        for words in [
            &["--help"][..],
            &["--version"],
            &["fdb", "add", "-h"],
            &["help", "network"],
            &[],
            &["network"],
            &["--json"],
        ] {
            assert_eq!(told(words), None, "{words:?}");
        }
    }
}
