//! How a command ends: its exit status, and the one line that says why it failed.
//!
//! | status | |
//! |---|---|
//! | 0 | done |
//! | 1 | refused or failed; one line on stderr: what, why, what to do |
//! | 2 | wrong usage; one line on stderr: what, what was expected, where to read on |
//! | N | `sandbox exec` and `run`: what the command ended with, 128+N for signal N |
//! | 126, 127 | `sandbox exec` and `run`: the command cannot be executed, was not found (as in a shell) |

mod usage;

use crate::print::{self, StdoutClosed};
use std::{
    env,
    os::unix::process::ExitStatusExt,
    process::{ExitCode, ExitStatus},
};

/// Refused or failed.
const FAILED: u8 = 1;
/// What `clap` ends with as well.
const USAGE: u8 = 2;

/// The status of a finished command; complains on stderr if there is something to complain about.
pub(crate) fn code(result: anyhow::Result<ExitCode>) -> ExitCode {
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    if error.is::<StdoutClosed>() {
        return ExitCode::SUCCESS;
    }
    if let Some(error) = error.downcast_ref::<clap::Error>() {
        return usage(error);
    }
    if !error.is::<Told>() {
        print::complain(&text(&error));
    }
    ExitCode::from(FAILED)
}

/// Says what `clap` found (or prints what it was asked for: help, version) and gives its status.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if let Some(line) = usage::line(error, env::args_os().skip(1)) {
        print::to_stderr(&line);
        return ExitCode::from(USAGE);
    }
    let shown = error.print();
    match (error.use_stderr(), shown) {
        (true, _) => ExitCode::from(USAGE),
        // Help into a closed pipe is no failure.
        (false, Ok(()) | Err(_)) => ExitCode::SUCCESS,
    }
}

/// An error whose line is on stderr already.
#[derive(Debug)]
pub(crate) struct Told;

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed; see above")
    }
}

impl std::error::Error for Told {}

/// An error and its causes. A library's error that has its cause in its own text is not followed by it
/// a second time.
pub(crate) fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

/// The status that a shell would show for a finished child: its own, or 128 and the signal's number.
pub(crate) fn of_child(status: ExitStatus) -> ExitCode {
    let number = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    // Both are below 256 on Linux; a child that neither exited nor was killed has not ended.
    ExitCode::from(
        number
            .and_then(|number| u8::try_from(number).ok())
            .unwrap_or(FAILED),
    )
}

#[cfg(test)]
mod tests;
