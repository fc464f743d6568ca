//! What goes to stdout: text for people or JSON for scripts, and figures in units a person can read.
//!
//! Every command writes through here. A reader that closes the pipe (`vswitch port ls | head -1`) is
//! no error of ours: it becomes [`StdoutClosed`], on which the process ends quietly.

use crate::table::printable;
use serde::Serialize;
use std::{
    io::{self, Write},
    time::Duration,
};
use vswitch::api::types::Traffic;

/// Nobody reads stdout any more.
#[derive(Debug)]
pub(crate) struct StdoutClosed;

impl std::fmt::Display for StdoutClosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stdout was closed")
    }
}

impl std::error::Error for StdoutClosed {}

/// Text or JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Print {
    /// `--json`.
    pub(crate) json: bool,
}

impl Print {
    /// Prints `value` as JSON with `--json`, else what `text` makes of it.
    pub(crate) fn show<T: Serialize + ?Sized>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            json(value)
        } else {
            line(&text(value))
        }
    }
}

/// Prints `value` as indented JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Prints one line (or several, without the last line's end). Empty text prints nothing.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    bytes(format!("{text}\n").as_bytes())
}

/// Prints bytes as they are, at once.
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|e| match e.kind() {
            io::ErrorKind::BrokenPipe => StdoutClosed.into(),
            _ => anyhow::Error::new(e).context("stdout"),
        })
}

/// One line on stderr, `vswitch: ...`.
pub(crate) fn complain(text: &str) {
    to_stderr(&format!("vswitch: {text}"));
}

/// One line on stderr. Where even that cannot be written there is nobody to tell.
pub(crate) fn to_stderr(text: &str) {
    drop(writeln!(io::stderr().lock(), "{}", one_line(text)));
}

/// `text` with line breaks, and the space around them, made one space.
pub(crate) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    printable(&lines.join(" "))
}

/// Frames and their bytes: `12 (1.3kB)`.
pub(crate) fn traffic(traffic: Traffic) -> String {
    format!("{} ({})", traffic.frames, size(traffic.bytes))
}

/// Bytes in Docker's decimal units: `980B`, `1.2kB`, `35.4MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes}B");
    }
    // In hundreds, so that the rounding is done in whole numbers.
    let mut hundredths = u128::from(bytes) * 100 / 1000;
    for unit in UNITS {
        let tenths = (hundredths + 5) / 10;
        if tenths < 10_000 {
            return format!("{}.{}{unit}", tenths / 10, tenths % 10);
        }
        hundredths /= 1000;
    }
    format!("{bytes}B")
}

/// A time span in its two largest units: `45s`, `3m12s`, `5h2m`, `2d7h`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{}m", minutes % 60),
        (_, _, _) => format!("{days}d{}h", hours % 24),
    }
}

/// The first twelve digits of an ID, as Docker shows it.
pub(crate) fn short_id(id: &str) -> String {
    id.chars().take(12).collect()
}

/// An ID, whole or as Docker shows it.
pub(crate) fn id(id: &str, whole: bool) -> String {
    if whole { id.to_owned() } else { short_id(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal_and_round_half_up() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.0kB"),
            (1250, "1.3kB"),
            (999_949, "999.9kB"),
            (999_950, "1.0MB"),
            (35_400_000, "35.4MB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (192, "3m12s"),
            (18_120, "5h2m"),
            (198_000, "2d7h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn an_error_is_one_line_whatever_is_in_it() {
        assert_eq!(one_line("a: b\n\n  caused by c\r\n"), "a: b caused by c");
        assert_eq!(one_line("name \u{7}"), "name ?");
    }
}
