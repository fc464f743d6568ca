//! What the README says to type on a machine with Docker.

use super::lab;
use std::path::Path;
use vswitch_tests::{Docker, Must as _};

#[test]
fn five_commands_lead_to_two_containers_that_know_each_other_by_name() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(&readme).must("README.md");
    let (_, section) = text
        .split_once("### As Docker's network driver")
        .must("the section");
    let (_, block) = section.split_once("```sh\n").must("a block");
    let (block, _) = block.split_once("```").must("its end");
    let commands: Vec<&str> = block.lines().collect();
    assert_eq!(commands.len(), 5, "{commands:#?}");
    // The first two are done: this is the program, and the lab has started it so.
    assert_eq!(commands[0], "cargo build --release");
    assert_eq!(
        commands[1],
        "target/release/vswitch daemon --docker-plugin vswitch &"
    );
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.done(&["tag", vswitch_tests::docker::IMAGE, "busybox"]);
    for command in &commands[2..] {
        let words: Vec<&str> = command.split_whitespace().collect();
        let (first, words) = words.split_first().must("a word");
        assert_eq!(*first, "docker");
        docker.done(words);
    }
    docker.done(&["rm", "-f", "web"]);
    docker.done(&["network", "rm", "blue"]);
    docker.finish();
    lab.finish();
}
