//! The resolvers that programs have, in what `vswitch run` gives them: glibc's, busybox's, musl's.

use super::*;
use std::{fs, process::Command};
use vswitch_tests::{Must as _, upstream::ADDRESS};

/// What a program of musl does to find a host, and prints the addresses.
const LOOKUP: &str = r#"
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
int main(int argc, char **argv) {
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *one;
    int error = getaddrinfo(argv[1], 0, &hints, &all);
    if (error) { puts(gai_strerror(error)); return 1; }
    for (one = all; one; one = one->ai_next) {
        char host[128];
        getnameinfo(one->ai_addr, one->ai_addrlen, host, sizeof host, 0, 0, NI_NUMERICHOST);
        puts(host);
    }
    return 0;
}
"#;

/// Runs a command as `vswitch run` does; what it prints.
#[track_caller]
fn run(stage: &Stage, words: &[&str]) -> String {
    let words = [&["run", "--network", "lan", "--name", "asker", "--"], words].concat();
    stage.lab.cli(&words).ok().to_owned()
}

fn stage() -> (Stage, Sandbox) {
    let stage = Stage::new();
    stage.lab.subnet("lan", 1, &["gateway=host"]);
    let web = stage.join("lan", "web", &["--alias", "www"]);
    (stage, web)
}

#[test]
fn a_command_finds_its_own_files_and_the_host_keeps_its_own() {
    let (stage, _web) = stage();
    let names = [
        "/etc/resolv.conf",
        "/etc/hosts",
        "/etc/hostname",
        "/etc/nsswitch.conf",
    ];
    let read = || names.map(|name| fs::read(name).ok());
    let before = read();
    let resolv = run(&stage, &["cat", "/etc/resolv.conf"]);
    assert!(resolv.starts_with("nameserver 127.0.0.11\n"), "{resolv}");
    assert_eq!(resolv.matches("nameserver").count(), 1, "{resolv}");
    let addresses = ["--ip", "198.18.1.9", "--ip6", "2001:2:0:1::9"];
    let words = ["run", "--network", "lan", "--name", "asker"];
    let hosts = [&words[..], &addresses, &["--", "cat", "/etc/hosts"]].concat();
    let hosts = stage.lab.cli(&hosts).ok().to_owned();
    assert!(hosts.starts_with("127.0.0.1\tlocalhost\n"), "{hosts}");
    assert!(
        hosts.ends_with("\n198.18.1.9\tasker\n2001:2:0:1::9\tasker"),
        "{hosts}"
    );
    assert_eq!(run(&stage, &["cat", "/etc/hostname"]), "asker");
    assert_eq!(run(&stage, &["hostname"]), "asker");
    let exec = stage.lab.cli(&["sandbox", "exec", "web", "--", "hostname"]);
    assert_eq!(exec.ok(), "web");
    // On no network nobody would answer.
    let alone = stage
        .lab
        .cli(&["run", "--network", "none", "--", "cat", "/etc/resolv.conf"]);
    let host = String::from_utf8(before[0].clone().unwrap_or_default()).must("text");
    assert_eq!(alone.ok(), host.trim_end_matches('\n'));
    assert_eq!(read(), before);
    stage.finish();
}

#[test]
fn glibc_finds_names_here_and_outside() {
    let (stage, web) = stage();
    let (v4, v6) = (web.ip4().to_string(), web.ip6().to_string());
    let getent = |words: &[&str]| run(&stage, &[&["getent"], words].concat());
    for name in ["web", "www", "web.lan", "WEB"] {
        let all = getent(&["ahosts", name]);
        assert!(all.contains(&v4) && all.contains(&v6), "{name}: {all}");
    }
    assert!(getent(&["ahostsv6", "web"]).contains(&v6));
    for address in [&v4, &v6] {
        let found = getent(&["hosts", address]);
        assert!(found.ends_with("web.lan"), "{found}");
    }
    assert!(getent(&["ahostsv4", "www.example"]).starts_with(&ADDRESS.to_string()));
    let none = ["run", "--network", "lan", "--", "getent", "hosts", "nobody"];
    assert_eq!(stage.lab.cli(&none).status, 2);
    stage.finish();
}

#[test]
fn busybox_finds_names_here_and_outside() {
    let (stage, web) = stage();
    let (v4, v6) = (web.ip4().to_string(), web.ip6().to_string());
    for name in ["web", "www"] {
        let all = run(&stage, &["busybox", "nslookup", name]);
        assert!(all.contains(&v4) && all.contains(&v6), "{name}: {all}");
    }
    let outside = run(&stage, &["busybox", "nslookup", "-type=a", "www.example"]);
    assert!(outside.contains(&ADDRESS.to_string()), "{outside}");
    let ping = run(
        &stage,
        &["busybox", "ping", "-4", "-c", "1", "-W", "10", "web"],
    );
    assert!(
        ping.contains(&v4) && ping.contains("1 packets received"),
        "{ping}"
    );
    stage.finish();
}

#[test]
fn musl_finds_names_here_and_outside() {
    let (stage, web) = stage();
    let directory = tempfile::tempdir().must("a directory");
    let (source, program) = ["lookup.c", "lookup"]
        .map(|name| directory.path().join(name))
        .into();
    fs::write(&source, LOOKUP).must("the source");
    let mut compiler = Command::new("musl-gcc");
    let compiled = compiler
        .args(["-static", "-o"])
        .args([&program, &source])
        .status();
    assert!(compiled.must("musl-gcc").success());
    let program = program.to_string_lossy();
    for name in ["web", "www", "web.lan"] {
        let all = run(&stage, &[&program, name]);
        let all: BTreeSet<&str> = all.lines().collect();
        let expected = [web.ip4(), web.ip6()].map(|ip| ip.to_string());
        assert_eq!(all, expected.iter().map(String::as_str).collect(), "{name}");
    }
    assert_eq!(run(&stage, &[&program, "www.example"]), ADDRESS.to_string());
    stage.finish();
}
