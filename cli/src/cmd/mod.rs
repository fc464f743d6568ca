//! What the commands do, one file for each (group of) command.
//!
//! Most are one request and one table: they get a [`Context`] and return when it is printed. `daemon`
//! and `demo` start before any runtime, and `man` and `completions` need none.
//!
//! # Thread rule
//!
//! The commands over the control socket run on one current-thread runtime; only the blocking work of
//! `demo`'s built-in traffic has threads of its own.

mod daemon;
mod demo;
mod etc;
mod fdb;
mod monitor;
mod network;
mod peer;
mod port;
mod process;
mod run;
mod sandbox;
mod status;
mod tools;

use crate::{
    args::{Cli, Command, Global},
    exit::{self, Told},
    print::{self, Print},
};
use anyhow::Context as _;
use clap::{CommandFactory, error::ErrorKind};
use std::{future::Future, process::ExitCode};
use vswitch::api::Client;

/// What a command over the control socket works with.
#[derive(Debug)]
pub(crate) struct Context {
    /// The daemon.
    pub(crate) client: Client,
    /// The person or script in front.
    pub(crate) print: Print,
}

/// Carries out one command line.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    match command {
        Command::Daemon(args) => {
            no_json(&global, "daemon").and_then(|()| daemon::run(&global, args))
        }
        Command::Demo => no_json(&global, "demo").and_then(|()| demo::run()),
        Command::Completions(args) => {
            no_json(&global, "completions").and_then(|()| tools::completions(&args))
        }
        Command::Man(args) => no_json(&global, "man").and_then(|()| tools::man(&args)),
        Command::Run(args) => no_json(&global, "run")
            .and_then(|()| with_daemon(&global, async |context| run::run(&context, args).await)),
        Command::Sandbox(args) => sandbox::dispatch(&global, args),
        Command::Status => done(&global, async |context| status::status(&context).await),
        Command::Network(args) => done(&global, async |c| network::run(&c, args).await),
        Command::Port(args) => done(&global, async |c| port::run(&c, args).await),
        Command::Peer(args) => done(&global, async |c| peer::run(&c, args).await),
        Command::Fdb(args) => done(&global, async |c| fdb::run(&c, args).await),
        Command::Monitor => done(&global, async |c| monitor::run(&c).await),
    }
}

/// Refuses `--json` where the output is not ours to shape.
fn no_json(global: &Global, command: &str) -> anyhow::Result<()> {
    if !global.json {
        return Ok(());
    }
    let text = format!("--json has no meaning for `{command}`: leave it out");
    Err(Cli::command()
        .error(ErrorKind::ArgumentConflict, text)
        .into())
}

/// Runs a future on a runtime of this thread alone.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the command's event loop")?;
    let result = runtime.block_on(work);
    // Threads that still wait for a peer must not hold up the end of the process.
    runtime.shutdown_background();
    result
}

/// Runs a command that needs the daemon.
fn with_daemon<T>(
    global: &Global,
    work: impl AsyncFnOnce(Context) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    block_on(async {
        let client = Client::connect(&global.socket).await?;
        work(Context {
            client,
            print: Print { json: global.json },
        })
        .await
    })
}

/// Runs a command that needs the daemon and ends with 0 unless it fails.
fn done(
    global: &Global,
    work: impl AsyncFnOnce(Context) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    with_daemon(global, work).map(|()| ExitCode::SUCCESS)
}

/// Does `work` for each of `names`, going on after a failure. Gives what succeeded, and whether all did;
/// each failure has its own line on stderr.
async fn each<T>(
    names: &[String],
    work: impl AsyncFn(&str) -> anyhow::Result<T>,
) -> (Vec<T>, anyhow::Result<()>) {
    let mut good = Vec::new();
    let mut all = Ok(());
    for name in names {
        match work(name).await {
            Ok(value) => good.push(value),
            Err(error) => {
                print::complain(&exit::text(&error));
                all = Err(Told.into());
            }
        }
    }
    (good, all)
}

/// Tells what went wrong on the way of something that was done nevertheless.
fn warn(warnings: &[String]) {
    for warning in warnings {
        print::complain(&format!("warning: {warning}"));
    }
}
