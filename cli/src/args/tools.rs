//! Commands for packagers: completions and man pages, made from the definitions in this room.

use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(vswitch completions bash)
  vswitch completions zsh > ~/.zfunc/_vswitch
  vswitch completions fish > ~/.config/fish/completions/vswitch.fish";

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

const MAN_EXAMPLES: &str = "\
Examples:
  vswitch man /usr/local/share/man/man1
  vswitch man . && man ./vswitch.1";

/// Write the man pages into a directory
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct Man {
    /// The directory, made if it is missing
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}
