//! One run of this program under callgrind.

use std::io::ErrorKind;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use vswitch_micro::probe::TOGGLE;

/// Instructions per frame of a case.
///
/// # Errors
/// When valgrind is missing or fails, or what it found cannot be read.
pub(super) fn count(case: &str, runs: u64) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--toggle-collect={TOGGLE}"))
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe()?)
        .args(["probe", case, &runs.to_string()])
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!(
                "valgrind is missing, and nothing else counts instructions: install it (`apt-get install valgrind`)"
            )
        }
        other => other.context("cannot run valgrind")?,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{case} failed under valgrind: {}: {}",
        output.status,
        said.lines().last().unwrap_or_default()
    );
    let frames = String::from_utf8_lossy(&output.stdout);
    let written = std::fs::read_to_string(&file)
        .with_context(|| format!("callgrind wrote no {}", file.display()))?;
    per_frame(&frames, &written).with_context(|| case.to_owned())
}

/// From what the probe printed and what callgrind wrote.
fn per_frame(frames: &str, written: &str) -> Result<f64> {
    let frames: u32 =
        (frames.trim().parse()).with_context(|| format!("{frames:?} is not a number of frames"))?;
    let counted = (written.lines())
        .find_map(|line| line.strip_prefix("totals: "))
        .context("callgrind wrote no totals")?;
    let counted: f64 = (counted.trim().parse())
        .with_context(|| format!("{counted:?} is not a number of instructions"))?;
    ensure!(
        counted > 0.0 && frames > 0,
        "callgrind counted nothing in {TOGGLE}: is the program stripped of its symbols?"
    );
    Ok(counted / f64::from(frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callgrind_writes_is_read() {
        let written = "events: Ir\nfn=(1) x\n1 2\nsummary: 9005\n\ntotals: 9005\n";
        assert_eq!(per_frame("100\n", written).unwrap(), 90.05);
    }

    #[test]
    fn a_count_of_nothing_is_an_error_and_not_a_good_result() {
        for (frames, written) in [
            ("100\n", "events: Ir\ntotals: 0\n"),
            ("0\n", "totals: 5\n"),
            ("", "totals: 5\n"),
            ("100\n", "events: Ir\n"),
            ("100\n", "totals: many\n"),
        ] {
            assert!(
                per_frame(frames, written).is_err(),
                "{frames:?} {written:?}"
            );
        }
    }
}
