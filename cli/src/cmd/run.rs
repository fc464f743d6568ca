//! `vswitch run`: sandbox, connections, command, and all of it gone afterwards.
//!
//! Whatever happens between the sandbox's making and our end, the sandbox is removed: the work is a
//! function with a result, and the removal comes after it, whatever the result. Signals are taken over
//! before there is anything to remove.
//!
//! As with Docker, no network named means `bridge`; `none` is a sandbox with nothing in it, and `host` is
//! no sandbox at all.

use super::{
    Context, etc,
    process::{self, Stop, ended_by},
    warn,
};
use crate::{
    args::{Cli, run::Run},
    exit, print,
};
use anyhow::Context as _;
use clap::{CommandFactory, error::ErrorKind as UsageKind};
use std::{
    ffi::OsString,
    hash::{BuildHasher, Hasher, RandomState},
    process::ExitCode,
};
use vswitch::{
    api::{Client, types::Connect, types::ErrorKind},
    sys::{Netns, Surroundings},
};

/// Where a command is run.
#[derive(Debug, PartialEq, Eq)]
enum Where {
    /// In the daemon's own namespace.
    Host,
    /// In a sandbox with these connections, in order.
    Sandbox(Vec<(String, Connect)>),
}

/// Runs the command; ends with its status.
pub(crate) async fn run(context: &Context, args: Run) -> anyhow::Result<ExitCode> {
    let client = &context.client;
    let name = args.name.clone().unwrap_or_else(generated_name);
    let place = place(&name, &args)?;
    let mut stop = Stop::install().context("cannot watch for signals")?;
    let connects = match place {
        Where::Sandbox(connects) => connects,
        Where::Host => {
            let host = Netns::of_pid(client.status().await?.pid)?;
            return command(&host, &Surroundings::default(), &args.command, &mut stop).await;
        }
    };
    client.create_sandbox(&name).await?;
    let result = inside(client, &name, &connects, &args.command, &mut stop).await;
    match client.remove_sandbox(&name, true).await {
        Ok(reply) => warn(&reply.warnings),
        // Somebody was faster.
        Err(error) if error.kind() == Some(ErrorKind::NotFound) => {}
        Err(error) => print::complain(&format!("warning: sandbox {name} is not removed: {error}")),
    }
    result
}

async fn inside(
    client: &Client,
    name: &str,
    connects: &[(String, Connect)],
    words: &[OsString],
    stop: &mut Stop,
) -> anyhow::Result<ExitCode> {
    for (network, connect) in connects {
        client.connect_endpoint(network, connect).await?;
    }
    let sandbox = client.sandbox(name).await?;
    let netns = Netns::open(&sandbox.path)?;
    command(&netns, &etc::surroundings(&sandbox), words, stop).await
}

async fn command(
    netns: &Netns,
    surroundings: &Surroundings,
    words: &[OsString],
    stop: &mut Stop,
) -> anyhow::Result<ExitCode> {
    // Signals that came before there was a command to receive them.
    tokio::task::yield_now().await;
    if let Some(signal) = stop.arrived() {
        return Ok(ended_by(signal));
    }
    let mut child = match process::start(netns, surroundings, words)? {
        Ok(child) => child,
        Err(status) => return Ok(status),
    };
    let status = process::wait(&mut child, stop)
        .await
        .context("cannot wait for the command")?;
    Ok(exit::of_child(status))
}

/// What the words mean.
fn place(name: &str, args: &Run) -> Result<Where, clap::Error> {
    let networks: &[String] = &args.network;
    for special in ["host", "none"] {
        if !networks.iter().any(|network| network == special) {
            continue;
        }
        if networks.len() > 1 {
            let text = format!("--network {special} stands alone: leave the others out");
            return Err(Cli::command().error(UsageKind::ArgumentConflict, text));
        }
        let without_sense = [
            ("--name", args.name.is_some() && special == "host"),
            ("--ip", args.ip.is_some()),
            ("--ip6", args.ip6.is_some()),
            ("--mac-address", args.mac_address.is_some()),
            ("--alias", !args.alias.is_empty()),
            ("--publish", !args.publish.is_empty()),
        ];
        if let Some((flag, _)) = without_sense.iter().find(|(_, given)| *given) {
            let text = format!("{flag} has no meaning with --network {special}: leave it out");
            return Err(Cli::command().error(UsageKind::ArgumentConflict, text));
        }
    }
    Ok(match networks {
        [] => Where::Sandbox(connects(name, args, &["bridge".to_owned()])),
        [one] if one == "host" => Where::Host,
        [one] if one == "none" => Where::Sandbox(Vec::new()),
        several => Where::Sandbox(connects(name, args, several)),
    })
}

/// The connections in order; what was asked for of an interface is asked for of the first.
fn connects(name: &str, args: &Run, networks: &[String]) -> Vec<(String, Connect)> {
    let plain = Connect {
        sandbox: name.to_owned(),
        ..Connect::default()
    };
    let first = Connect {
        ip: args.ip,
        ip6: args.ip6,
        mac_address: args.mac_address,
        aliases: args.alias.clone(),
        publish: args.publish.iter().cloned().flat_map(Vec::from).collect(),
        ..plain.clone()
    };
    let wishes = std::iter::once(first).chain(std::iter::repeat(plain));
    networks.iter().cloned().zip(wishes).collect()
}

/// `run-` and eight hexadecimal digits.
fn generated_name() -> String {
    format!("run-{:08x}", random() & 0xffff_ffff)
}

/// A number that differs from call to call and process to process; not for secrets.
pub(crate) fn random() -> u64 {
    // The standard library seeds each of these from the kernel's random numbers.
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    #[test]
    fn generated_names_are_names_and_differ() {
        let (a, b) = (generated_name(), generated_name());
        assert_ne!(a, b);
        let digits = a.strip_prefix("run-").expect("prefix");
        assert_eq!(digits.len(), 8);
        assert!(digits.bytes().all(|c| c.is_ascii_hexdigit()));
    }

    fn read(words: &[&str]) -> Result<Where, clap::Error> {
        let words = [&["vswitch", "run"], words, &["--", "true"]].concat();
        match Cli::try_parse_from(&words)?.command {
            Command::Run(args) => place("x", &args),
            other => panic!("{words:?} was read as {other:?}"),
        }
    }

    fn plain(network: &str) -> (String, Connect) {
        let connect = Connect {
            sandbox: "x".to_owned(),
            ..Connect::default()
        };
        (network.to_owned(), connect)
    }

    #[test]
    fn wishes_belong_to_the_first_network() {
        let words = "--network lan --network lab --ip 198.18.0.9 --mac-address 02:00:5e:10:00:01 \
                     --network-alias a --alias b -p 8080:80 -p 53-54:53-54/udp";
        let words: Vec<&str> = words.split_whitespace().collect();
        let Where::Sandbox(connects) = read(&words).expect("well formed") else {
            panic!("a sandbox");
        };
        let (lan, first) = &connects[0];
        assert_eq!(lan, "lan");
        assert_eq!(first.ip, Some([198, 18, 0, 9].into()));
        assert!(first.mac_address.is_some());
        assert_eq!(first.aliases, ["a", "b"]);
        let published: Vec<_> = first.publish.iter().map(ToString::to_string).collect();
        assert_eq!(published, ["8080:80/tcp", "53:53/udp", "54:54/udp"]);
        assert_eq!(connects[1..], [plain("lab")]);
    }

    #[test]
    fn no_network_is_the_default_one_and_two_names_are_none_at_all() {
        let place = |words: &[&str]| read(words).expect("well formed");
        assert_eq!(place(&[]), Where::Sandbox(vec![plain("bridge")]));
        assert_eq!(place(&["--network", "none"]), Where::Sandbox(vec![]));
        assert_eq!(place(&["--network", "host"]), Where::Host);
    }

    #[test]
    fn what_needs_an_interface_is_refused_where_there_is_none() {
        for words in [
            "--network host --network lan",
            "--network lan --network none",
            "--network host -p 80:80",
            "--network host --name web",
            "--network none --ip 198.18.0.2",
            "--network none --alias web",
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            let error = read(&words).expect_err("no meaning");
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("leave"), "{error}");
        }
        assert!(read(&["--network", "none", "--name", "quiet"]).is_ok());
    }
}
