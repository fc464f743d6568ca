//! `vswitch`, the one binary: the daemon, and the command line that talks to it.
//!
//! The way of a command: [`args`] reads it (a wrong word ends here, status 2), [`cmd`] does it over the
//! control socket, [`mod@print`] and [`table`] show the reply. Errors travel as `anyhow` up to [`exit`],
//! which makes one line and a status of them. Only `daemon` and `demo` do more than translate.
//!
//! # Thread rule
//!
//! `main` starts no thread: `demo` without root enters a user namespace first, which the kernel allows
//! only while a process is single-threaded. Each command makes the runtime that it needs.

mod args;
mod cmd;
mod exit;
mod filter;
mod list;
mod print;
mod table;
mod template;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match args::Cli::try_parse() {
        Ok(cli) => exit::code(cmd::run(cli)),
        // Help and version come this way too: clap knows stream and status of each.
        Err(usage) => exit::usage(&usage),
    }
}
