//! `vswitch demo` as root and as nobody: it shows what it promises and leaves no trace.

use std::{collections::BTreeSet, fs, process::Stdio};
use vswitch::sys::{Netns, netlink, spawn_in};
use vswitch_tests::{
    Must as _, Output, daemon::program, guard::Guard, procfs, sandbox::command_of,
};

/// What a demo could leave behind: interfaces where it ran; mounts, files and processes that have its
/// name. A namespace lives by a mount or a process. Others work on this machine, too.
fn traces(host: &Netns) -> BTreeSet<String> {
    const NAME: &str = "vswitch-demo";
    let mut all = BTreeSet::new();
    let links = host.run(netlink::links).must("enter").must("interfaces");
    all.extend(
        links
            .into_iter()
            .map(|link| format!("interface {}", link.name)),
    );
    let mounts = fs::read_to_string("/proc/self/mountinfo").must("mounts");
    let ours = mounts.lines().filter(|line| line.contains(NAME));
    all.extend(ours.map(|line| format!("mount {line}")));
    for dir in [
        "/tmp",
        "/run",
        "/run/netns",
        "/run/vswitch",
        "/var/lib/vswitch",
    ] {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let entries = entries.map(|entry| format!("file {}", entry.path().display()));
        all.extend(entries.filter(|file| file.contains(NAME) || dir.contains("vswitch")));
    }
    let processes = procfs::with_argument(NAME).into_iter();
    all.extend(processes.map(|one| format!("process {one}")));
    all
}

/// Runs the demo behind `wrap`, and compares the machine before and after.
#[track_caller]
fn demo(wrap: &[&str]) -> String {
    // Nobody else makes traces meanwhile.
    let _alone = Guard::alone();
    let host = Netns::create().must("a namespace");
    // Where everybody can reach it, as an installed program is.
    let dir = tempfile::Builder::new()
        .prefix("vswitch-demo-test-")
        .tempdir()
        .must("dir");
    let copy = dir.path().join("vswitch");
    fs::copy(program(), &copy).must("copy the program");
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).must("mode");
    let path = copy.to_string_lossy();
    let words = [wrap, &[&path, "demo"]].concat();
    let mut command = command_of(&words);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let before = traces(&host);
    let child = spawn_in(&host, &mut command).must("the demo");
    let output = Output::new(words.join(" "), &child.wait_with_output().must("the demo"));
    let after = traces(&host);
    let left: Vec<_> = after.difference(&before).collect();
    assert!(left.is_empty(), "left behind: {left:#?}");
    let lost: Vec<_> = before.difference(&after).collect();
    assert!(lost.is_empty(), "taken away: {lost:#?}");
    assert_eq!(output.stderr, "", "{}", output.stdout);
    output.ok().to_owned()
}

/// What it promises to show.
#[track_caller]
fn shows_everything(text: &str) {
    let promised = [
        "vswitch network create",
        "vswitch sandbox create",
        "vswitch network connect",
        "3 packets transmitted, 3 received, 0% packet loss",
        "bits/sec",
        "vswitch fdb show",
        "a/eth0",
        "b/eth0",
        "c/eth0",
        "learned",
        "vswitch port ls",
        "OFFLOAD",
        "received",
        "delivered",
        "nothing",
    ];
    for words in promised {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert!(!text.contains('\x1b'), "colour without a terminal");
}

#[test]
fn as_root_it_shows_everything_and_leaves_no_trace() {
    shows_everything(&demo(&[]));
}

/// Whether this is the root of the machine, and not of a user namespace.
fn is_real_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").must("uid_map");
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[test]
fn as_nobody_it_shows_everything_and_leaves_no_trace() {
    let text = if is_real_root() {
        // A device node that everybody may open, as most distributions have it.
        let script = "mount -t tmpfs -o mode=755 none /dev/net && \
             mknod -m 666 /dev/net/tun c 10 200 && \
             exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all -- \"$@\"";
        demo(&["unshare", "--mount", "sh", "-c", script, "sh"])
    } else {
        // Root of a user namespace becomes an ordinary user of one more.
        demo(&["unshare", "--user", "--map-user=1000", "--map-group=1000"])
    };
    shows_everything(&text);
}

#[test]
fn where_it_cannot_work_it_says_why_and_leaves_no_trace() {
    let _alone = Guard::alone();
    let host = Netns::create().must("a namespace");
    let before = traces(&host);
    let program = program();
    let program = program.to_string_lossy();
    let hidden = "mount -t tmpfs none /dev/net && exec \"$@\"";
    let words = [
        "unshare", "--mount", "sh", "-c", hidden, "sh", &program, "demo",
    ];
    let mut command = command_of(&words);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = spawn_in(&host, &mut command).must("the demo");
    let output = Output::new(words.join(" "), &child.wait_with_output().must("the demo"));
    output.refused(&["/dev/net/tun is missing", "modprobe tun"]);
    assert_eq!(traces(&host), before);
}
