use super::*;
use clap::{CommandFactory, error::ErrorKind};

fn wrong(words: &[&str]) -> clap::Error {
    match Cli::try_parse_from(["vswitch"].iter().chain(words)) {
        Ok(read) => panic!("{words:?} was read as {read:?}"),
        Err(error) => error,
    }
}

#[test]
fn the_definitions_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn wrong_words_are_usage_errors_that_say_what_was_expected() {
    for (words, expected) in [
        (
            &["network", "create", "n", "--subnet", "198.18.0.0"][..],
            "ADDRESS/PREFIX",
        ),
        (
            &["network", "create", "n", "--gateway", "x"],
            "expected an IP address",
        ),
        (
            &["network", "create", "n", "--aux-address", "198.18.0.9"],
            "NAME=IP",
        ),
        (&["network", "create", "n", "-o", "=1"], "KEY=VALUE"),
        (
            &["network", "connect", "n", "s", "--mac-address", "02:00"],
            "02:00:5e:10:00:01",
        ),
        (
            &["network", "connect", "n", "s", "--ip", "2001:2::1"],
            "--ip6",
        ),
        (
            &[
                "run",
                "--network",
                "n",
                "--ip",
                "198.18.0.300",
                "--",
                "true",
            ],
            "198.18.0.10",
        ),
        (&["fdb", "add", "n", "no-mac", "1"], "02:00:5e:10:00:01"),
        (&["fdb", "add", "n", "02:00:5e:10:00:01"], "<PORT"),
        (
            &["fdb", "add", "n", "02:00:5e:10:00:01", "1", "--local"],
            "cannot be used",
        ),
        (&["fdb", "flush", "n", "--vlan", "4095"], "1 to 4094"),
        (&["fdb", "flush", "n", "--kind", "local"], "learned"),
        (&["daemon", "--workers", "0"], "zero"),
        (&["completions", "tcsh"], "zsh"),
    ] {
        let error = wrong(words);
        assert_eq!(error.exit_code(), 2, "{error}");
        assert!(error.to_string().contains(expected), "{words:?} -> {error}");
    }
}

#[test]
fn an_entry_is_behind_a_port_or_a_peer() {
    let mac = "02:00:5e:10:00:01";
    for (words, expected) in [
        (&["fdb", "add", "n", mac][..], "<PORT"),
        (
            &["fdb", "add", "n", mac, "1", "--remote", "198.18.100.2"],
            "cannot be used",
        ),
        (
            &["fdb", "add", "n", mac, "--remote", "x"],
            "expected an IP address",
        ),
        (
            &["peer", "add", "n", "198.18.100"],
            "expected an IP address",
        ),
    ] {
        let error = wrong(words);
        assert_eq!(error.exit_code(), 2, "{error}");
        assert!(error.to_string().contains(expected), "{words:?} -> {error}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for (words, missing) in [
        (&["network", "create"][..], "<NAME>"),
        (&["network", "rm"], "<NETWORK>"),
        (&["sandbox", "exec", "a"], "<CMD>"),
        (&["run"], "<CMD>"),
        (&["peer", "add", "n"], "<IP>"),
        (&["peer", "ls"], "<NETWORK>"),
        (&["man"], "<DIR>"),
    ] {
        let error = wrong(words);
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
        assert!(error.to_string().contains(missing), "{error}");
    }
}

#[test]
fn what_is_not_built_is_not_offered() {
    for words in [&["port", "set"][..], &["trace"]] {
        assert_eq!(wrong(words).exit_code(), 2);
    }
}

#[test]
fn global_options_stand_anywhere_and_end_at_the_command() {
    let cli = Cli::try_parse_from(["vswitch", "--json", "network", "ls", "--socket", "/x"]);
    let global = cli.expect("well formed").global;
    assert!(global.json);
    assert_eq!(global.socket, PathBuf::from("/x"));

    let words = [
        "vswitch", "sandbox", "exec", "a", "--", "ip", "--json", "addr",
    ];
    let cli = Cli::try_parse_from(words).expect("well formed");
    assert!(!cli.global.json);
    let Command::Sandbox(sandbox::Sandbox::Exec(exec)) = cli.command else {
        panic!("not read as exec");
    };
    assert_eq!(exec.command, ["ip", "--json", "addr"]);
}

/// Every command explains itself, and so do its arguments: the help is the man page.
#[test]
fn everything_has_a_help_text() {
    fn look(command: &clap::Command) {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for argument in command.get_arguments() {
            let help = argument
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                !help.is_empty(),
                "{} {}",
                command.get_name(),
                argument.get_id()
            );
        }
        command.get_subcommands().for_each(look);
    }
    look(&Cli::command());
}
