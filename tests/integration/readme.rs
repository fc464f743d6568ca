//! The README tells the truth: its console commands, typed in order, all work.

use std::{path::Path, process::Command};
use vswitch::sys::{Netns, spawn_in};
use vswitch_tests::{
    Must as _, Output,
    daemon::{self, program},
    deadline::SOON,
    eventually,
    guard::Guard,
};

/// The commands in fenced blocks of the language `console`: lines that begin with `$ `, and those that
/// a backslash at the end continues.
fn commands(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let (mut console, mut continued) = (false, false);
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            console = !console && language.trim() == "console";
            continued = false;
        } else if console && continued {
            let command = found.last_mut().must("a beginning");
            command.push('\n');
            command.push_str(line);
            continued = line.ends_with('\\');
        } else if console && let Some(command) = line.strip_prefix("$ ") {
            found.push(command.to_owned());
            continued = line.ends_with('\\');
        }
    }
    found
}

#[test]
fn commands_are_found_in_console_blocks_only() {
    let text = "```sh\n$ no\n```\n```console\n$ one \\\n  more\noutput\n$ two\n```\n$ no\n";
    assert_eq!(commands(text), ["one \\\n  more", "two"]);
}

#[test]
fn the_commands_of_the_readme_work_in_order() {
    let _shared = Guard::shared();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(&readme).must("README.md");
    let commands = commands(&text);
    assert!(commands.len() >= 10, "too few to be true: {commands:?}");

    let host = Netns::create().must("a namespace");
    let dir = tempfile::Builder::new()
        .prefix("vswitch-readme-")
        .tempdir()
        .must("dir");
    let socket = dir.path().join("vswitch.sock");
    let bin = program();
    let bin = bin.parent().must("its directory");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").must("PATH"));
    let shell = |command: &str| {
        let mut shell = Command::new("bash");
        shell
            .args(["-c", command])
            .env("PATH", &path)
            .env("VSWITCH_SOCKET", &socket)
            .current_dir(dir.path());
        shell
    };
    // What is started in the background ends at the end, last first.
    let mut running = Vec::new();
    for command in &commands {
        println!("$ {command}");
        if let Some(command) = command.trim_end().strip_suffix('&') {
            let mut shell = shell(&format!("exec {command}"));
            running.push(spawn_in(&host, &mut shell).must(command));
            // The reader takes longer to type the next one.
            eventually(SOON, "the daemon listens", || {
                std::os::unix::net::UnixStream::connect(&socket).ok()
            });
            continue;
        }
        let mut shell = shell(command);
        shell
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let child = spawn_in(&host, &mut shell).must(command);
        let output = child.wait_with_output().must(command);
        Output::new(command.clone(), &output).done();
    }
    for mut process in running.into_iter().rev() {
        daemon::terminate(process.id());
        let ended = eventually(SOON, "it ends", || process.try_wait().ok()?);
        assert!(ended.success(), "{ended}");
    }
}

/// The first block of shell commands under a heading.
fn shell_block<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, section) = text.split_once(heading).must(heading);
    let (_, block) = section.split_once("```sh\n").must("a block");
    block.split_once("```").must("its end").0
}

/// The block as a program types it: it waits where a person would, until a daemon answers.
fn patient(block: &str) -> String {
    let lines = block.lines().map(|line| {
        let socket = (line.strip_suffix("daemon &"))
            .and_then(|line| line.split_once("--socket "))
            .map(|(_, socket)| socket.trim());
        match socket {
            Some(socket) => format!(
                "{line}\nuntil vswitch --socket {socket} status >/dev/null 2>&1; do sleep 0.02; done\n"
            ),
            None => format!("{line}\n"),
        }
    });
    lines.collect()
}

#[test]
fn the_overlay_of_the_readme_works() {
    let output = section("## Overlay networks\n", 2, "hostA hostB");
    for told in ["1 received", "198.18.100.1", "1500"] {
        assert!(output.contains(told), "{told} is missing in {output}");
    }
}

#[test]
fn the_macvlan_of_the_readme_works() {
    let output = section("## On the physical network\n", 1, "host lan");
    let pings = output.matches("1 received").count();
    assert_eq!(pings, 2, "{output}");
    for told in ["02:42:c6:12:07:c8", "uplink      eth0 up, 1 network"] {
        assert!(output.contains(told), "{told} is missing in {output}");
    }
}

/// Types the block of a section, in which so many daemons are started, and removes these namespaces at the end; what
/// was printed.
fn section(heading: &str, daemons: usize, namespaces: &str) -> String {
    let _shared = Guard::shared();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(&readme).must("README.md");
    let block = shell_block(&text, heading);
    assert_eq!(block.matches("daemon &").count(), daemons, "{block}");
    let tidy =
        format!("kill $(jobs -p); wait; for name in {namespaces}; do ip netns del $name; done");
    // Namespaces by name and sockets are files under /run: it gets one of its own.
    let script = format!("mount -t tmpfs none /run\n{}{tidy}\n", patient(block));
    let bin = program();
    let bin = bin.parent().must("its directory");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").must("PATH"));
    let mut shell = Command::new("timeout");
    shell
        .args(["60", "unshare", "--mount", "--net", "bash", "-euc", &script])
        .env("PATH", &path);
    let output = shell.output().must("unshare");
    Output::new(heading.to_owned(), &output).ok().to_owned()
}
