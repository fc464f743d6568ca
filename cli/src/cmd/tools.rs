//! `vswitch completions` and `vswitch man`, for packagers.

use crate::{
    args::{
        Cli,
        tools::{Completions, Man},
    },
    print,
};
use anyhow::Context as _;
use clap::CommandFactory;
use std::{fs, path::Path, process::ExitCode};

/// Prints a shell's completions.
pub(crate) fn completions(args: &Completions) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vswitch", &mut text);
    print::bytes(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a page for the program and for each command: `vswitch.1`, `vswitch-network.1`, ...
pub(crate) fn man(args: &Man) -> anyhow::Result<ExitCode> {
    write_pages(&args.directory).with_context(|| {
        format!(
            "cannot write the man pages into {}",
            args.directory.display()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn write_pages(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Cli::command(), directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap_complete::Shell;

    #[test]
    fn every_shell_completes_every_command() {
        for &shell in <Shell as clap::ValueEnum>::value_variants() {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "vswitch", &mut text);
            let text = String::from_utf8(text).expect("completions are text");
            for command in Cli::command().get_subcommands() {
                assert!(
                    text.contains(command.get_name()),
                    "{shell}: {}",
                    command.get_name()
                );
            }
        }
    }

    #[test]
    fn every_command_has_a_man_page() {
        let directory = tempfile::tempdir().expect("a directory of the test");
        let made = directory.path().join("man1");
        write_pages(&made).expect("pages");
        let page = fs::read_to_string(made.join("vswitch.1")).expect("vswitch.1");
        assert!(page.contains(".TH"), "{page}");
        for name in [
            "vswitch-network-create.1",
            "vswitch-sandbox-exec.1",
            "vswitch-demo.1",
        ] {
            let page = fs::read_to_string(made.join(name)).expect(name);
            assert!(page.contains("Examples"), "{name} shows examples: {page}");
        }
    }
}
