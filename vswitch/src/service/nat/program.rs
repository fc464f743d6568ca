//! The programs that know the kernel's rules: `nft`, and `iptables` for the rules of others.
//!
//! They run in the namespace of the calling thread, without a shell, and with the locale off.

use std::{
    io::{self, Write as _},
    process::{Command, Output, Stdio},
};

use super::REMEDY;
use crate::control::ControlError;

/// Where administrators' programs are, also for a `PATH` that leaves them out.
const PLACES: [&str; 3] = ["", "/usr/sbin/", "/sbin/"];

/// Runs a program to its end with `input`.
///
/// # Errors
/// It is not there, or cannot be started.
pub(super) fn run(program: &str, arguments: &[&str], input: &str) -> io::Result<Output> {
    let mut missing = None;
    for place in PLACES {
        let started = Command::new(format!("{place}{program}"))
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match started {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing = Some(error);
                continue;
            }
            other => other?,
        };
        // A program that ends before it has read all says why by itself.
        if let Some(mut stdin) = child.stdin.take()
            && let Err(error) = stdin.write_all(input.as_bytes())
        {
            tracing::debug!(program, %error, "did not read all of its input");
        }
        return child.wait_with_output();
    }
    Err(missing.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

/// Has nft carry out a script, all of it or nothing.
///
/// # Errors
/// Unavailable, with the reason and what to do.
pub(super) fn nft(script: &str) -> Result<Output, ControlError> {
    judged(run("nft", &["-f", "-"], script))
}

/// All tables: family and name.
///
/// # Errors
/// As [`nft`].
pub(super) fn tables() -> Result<Vec<String>, ControlError> {
    let output = judged(run("nft", &["list", "tables"], ""))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.strip_prefix("table "));
    Ok(names.map(str::to_owned).collect())
}

fn judged(outcome: io::Result<Output>) -> Result<Output, ControlError> {
    let unavailable =
        |what: String| ControlError::unavailable(format!("no way out: {what}, {REMEDY}"));
    match outcome {
        Ok(output) if output.status.success() => Ok(output),
        Ok(output) => Err(unavailable(explained(&String::from_utf8_lossy(
            &output.stderr,
        )))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unavailable(
            "there is no program nft; install nftables".to_owned(),
        )),
        Err(error) => Err(unavailable(format!(
            "cannot run nft ({error}); see that it may be run"
        ))),
    }
}

/// What nft complained of, and the remedy.
fn explained(complaint: &str) -> String {
    let first = complaint.lines().find(|line| !line.trim().is_empty());
    let said = first.unwrap_or("no reason given").trim();
    let remedy = if complaint.contains("not permitted") || complaint.contains("must be root") {
        "run as root, in a container with --cap-add NET_ADMIN"
    } else if complaint.contains("not supported") || complaint.contains("No such file") {
        "the kernel needs nf_tables with NAT (modprobe nft_masq)"
    } else {
        "see `nft list ruleset`"
    };
    format!("nft says {said:?}; {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_why_and_what_to_do() {
        let missing = run("no-such-program-anywhere", &[], "");
        assert_eq!(
            missing.as_ref().unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        let error = judged(missing).unwrap_err().message;
        assert!(
            error.contains("install nftables") && error.contains("nat=off"),
            "{error}"
        );
        let complaint = "\nOperation not permitted (you must be root)\n";
        assert!(explained(complaint).contains("NET_ADMIN"));
        let complaint = "/dev/stdin:2:1-5: Error: Could not process rule: Operation not supported";
        let text = explained(complaint);
        assert!(
            text.contains(complaint) && text.contains("nft_masq"),
            "{text}"
        );
        let failed = judged(run("sh", &["-c", "echo no >&2; exit 1"], "")).unwrap_err();
        assert!(failed.message.contains("\"no\""), "{failed}");
    }

    #[test]
    fn a_program_gets_its_input_and_gives_its_output() {
        let output = run("cat", &[], "table inet a\n").unwrap();
        assert_eq!(output.stdout, b"table inet a\n");
        // It does not read.
        assert!(
            run("true", &[], &"x".repeat(1 << 20))
                .unwrap()
                .status
                .success()
        );
    }
}
