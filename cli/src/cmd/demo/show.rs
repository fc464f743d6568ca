//! How the demo looks: comments, commands as one would type them, and their output.

use crate::print;
use std::{
    env,
    io::{self, IsTerminal},
};

const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

/// Prints the demo; in colour on a terminal that has any (<https://no-color.org>).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Show {
    colour: bool,
}

impl Show {
    /// Looks where stdout goes.
    pub(crate) fn new() -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            colour: io::stdout().is_terminal() && !unwanted && !dumb,
        }
    }

    /// What comes next, and why.
    pub(crate) fn heading(self, text: &str) -> anyhow::Result<()> {
        print::line(&format!("\n{}", self.painted(BOLD, &format!("# {text}"))))
    }

    /// A command, as one would type it.
    pub(crate) fn command(self, text: &str) -> anyhow::Result<()> {
        print::line(&self.painted(GREEN, &format!("$ {text}")))
    }

    /// Anything else.
    pub(crate) fn text(self, text: &str) -> anyhow::Result<()> {
        print::line(text)
    }

    fn painted(self, colour: &str, text: &str) -> String {
        if self.colour {
            format!("{colour}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_only_for_terminals() {
        assert_eq!(Show { colour: false }.painted(BOLD, "x"), "x");
        assert_eq!(Show { colour: true }.painted(BOLD, "x"), "\x1b[1mx\x1b[0m");
    }
}
