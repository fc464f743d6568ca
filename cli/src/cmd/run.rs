//! `vswitch run`: sandbox, connections, command, and all of it gone afterwards.
//!
//! Whatever happens between the sandbox's making and our end, the sandbox is removed: the work is a
//! function with a result, and the removal comes after it, whatever the result. Signals are taken over
//! before there is anything to remove.

use super::{
    Context,
    process::{self, Stop, ended_by},
    warn,
};
use crate::{args::run::Run, exit, print};
use anyhow::Context as _;
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    process::ExitCode,
};
use vswitch::{
    api::{Client, types::Connect, types::ErrorKind},
    sys::Netns,
};

/// Runs the command; ends with its status.
pub(crate) async fn run(context: &Context, args: Run) -> anyhow::Result<ExitCode> {
    let client = &context.client;
    let mut stop = Stop::install().context("cannot watch for signals")?;
    let name = args.name.clone().unwrap_or_else(generated_name);
    client.create_sandbox(&name).await?;
    let result = inside(client, &name, &args, &mut stop).await;
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
    args: &Run,
    stop: &mut Stop,
) -> anyhow::Result<ExitCode> {
    for connect in connects(name, args) {
        let (network, connect) = connect;
        client.connect_endpoint(network, &connect).await?;
    }
    let netns = Netns::open(&client.sandbox(name).await?.path)?;
    // Signals that came before there was a command to receive them.
    tokio::task::yield_now().await;
    if let Some(signal) = stop.arrived() {
        return Ok(ended_by(signal));
    }
    let mut child = match process::start(&netns, &args.command)? {
        Ok(child) => child,
        Err(status) => return Ok(status),
    };
    let status = process::wait(&mut child, stop)
        .await
        .context("cannot wait for the command")?;
    Ok(exit::of_child(status))
}

/// The connections in order; addresses that were given are those of the first.
fn connects<'a>(name: &'a str, args: &'a Run) -> impl Iterator<Item = (&'a str, Connect)> {
    args.network
        .iter()
        .enumerate()
        .map(move |(number, network)| {
            let mut connect = Connect {
                sandbox: name.to_owned(),
                ..Connect::default()
            };
            if number == 0 {
                connect.ip = args.ip;
                connect.ip6 = args.ip6;
                connect.mac_address = args.mac_address;
            }
            (network.as_str(), connect)
        })
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

    #[test]
    fn addresses_belong_to_the_first_network() {
        let words = [
            "vswitch",
            "run",
            "--network",
            "lan",
            "--network",
            "lab",
            "--ip",
            "198.18.0.9",
            "--mac-address",
            "02:00:5e:10:00:01",
            "--",
            "true",
        ];
        let Command::Run(args) = Cli::try_parse_from(words).expect("well formed").command else {
            panic!("not read as run");
        };
        let connects: Vec<_> = connects("x", &args).collect();
        assert_eq!(connects[0].0, "lan");
        assert_eq!(connects[0].1.ip, Some([198, 18, 0, 9].into()));
        assert!(connects[0].1.mac_address.is_some());
        let plain = Connect {
            sandbox: "x".to_owned(),
            ..Connect::default()
        };
        assert_eq!(connects[1], ("lab", plain));
    }
}
