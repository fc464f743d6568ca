//! What a command of the `vswitch` program gave back.

use crate::Must;
use serde_json::Value;
use std::process;

/// The end of a command.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// Exit status; 128 and the signal's number for a killed one.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Takes over what a process left.
    #[must_use]
    pub fn new(command: String, output: &process::Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status;
        Self {
            command,
            status: status
                .code()
                .or_else(|| status.signal().map(|number| 128 + number))
                .unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output without its last line feed.
    ///
    /// # Panics
    /// When the command failed.
    #[track_caller]
    #[must_use = "`done` is the one without a value"]
    pub fn ok(&self) -> &str {
        assert_eq!(
            self.status, 0,
            "`{}` failed\nstdout: {}\nstderr: {}",
            self.command, self.stdout, self.stderr
        );
        self.stdout.trim_end_matches('\n')
    }

    /// Asserts that the command succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn done(&self) {
        let _stdout: &str = self.ok();
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When the command failed or printed something else.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.ok()).must(&format!(
            "`{}` printed no JSON: {}",
            self.command, self.stdout
        ))
    }

    /// Asserts that the command was refused: exit status 1, no result on stdout, and on stderr one line
    /// with all of `words` in it. Gives that line.
    ///
    /// # Panics
    /// When anything of that is otherwise.
    #[track_caller]
    pub fn refused(&self, words: &[&str]) -> &str {
        let Self {
            command, stderr, ..
        } = self;
        assert_eq!(self.status, 1, "`{command}` should be refused: {self:?}");
        // `inspect` lists what it found, as Docker's does, be it nothing.
        let nothing = ["", "[]"].contains(&self.stdout.trim());
        assert!(
            nothing,
            "`{command}` is refused, but prints {}",
            self.stdout
        );
        assert_eq!(stderr.lines().count(), 1, "`{command}`: {stderr}");
        assert!(stderr.starts_with("vswitch: "), "`{command}`: {stderr}");
        for word in words {
            assert!(
                stderr.contains(word),
                "`{command}` does not say {word:?}: {stderr}"
            );
        }
        stderr.trim_end()
    }
}
