//! Commands in sandboxes: `sandbox exec` and `run`.

use super::*;

#[test]
fn exec_passes_everything_through() {
    let lab = Lab::start();
    lab.sandbox("a");
    let exec = |words: &[&str]| lab.cli(&[&["sandbox", "exec", "a", "--"], words].concat());
    assert_eq!(exec(&["sh", "-c", "exit 7"]).status, 7);
    assert_eq!(exec(&["sh", "-c", "kill -9 $$"]).status, 128 + 9);
    assert_eq!(exec(&["no-such-program"]).status, 127);
    assert_eq!(exec(&["/etc/passwd"]).status, 126);
    let both = exec(&["sh", "-c", "echo out; echo err >&2"]);
    assert_eq!(
        (both.stdout.as_str(), both.stderr.as_str()),
        ("out\n", "err\n")
    );
    assert_eq!(exec(&["ls", "/sys/class/net"]).status, 0);
    let links = exec(&["ip", "-br", "link"]);
    assert!(
        links.ok().starts_with("lo ") && links.ok().lines().count() == 1,
        "{links:?}"
    );
    let mut command = lab.command(&["sandbox", "exec", "a", "--", "cat"]);
    let mut child = command.stdin(Stdio::piped()).spawn().must("exec");
    (child
        .stdin
        .take()
        .must("stdin")
        .write_all(b"through and through"))
    .must("write");
    let output = child.wait_with_output().must("wait");
    assert_eq!(output.stdout, b"through and through");
    lab.finish();
}

#[test]
fn run_makes_a_sandbox_and_removes_it_however_the_command_ends() {
    let lab = Lab::start();
    lab.subnet("red", 1, &[]);
    lab.subnet("blue", 2, &[]);
    let before = lab.fingerprint();
    let run = |more: &[&str]| lab.cli(&[&["run", "--network", "red"], more].concat());
    let shown = run(&[
        "--network",
        "blue",
        "--ip",
        "198.18.1.9",
        "--",
        "ip",
        "-br",
        "-4",
        "address",
    ]);
    let text = shown.ok();
    assert!(
        text.contains("eth0") && text.contains("198.18.1.9/24"),
        "{text}"
    );
    assert!(
        text.contains("eth1") && text.contains("198.18.2.2/24"),
        "{text}"
    );
    assert_eq!(run(&["--", "sh", "-c", "exit 5"]).status, 5);
    assert_eq!(run(&["--", "no-such-program"]).status, 127);
    run(&["--ip", "198.18.2.9", "--", "true"]).refused(&["198.18.2.9"]);
    run(&["--network", "nowhere", "--", "true"]).refused(&["nowhere"]);
    lab.unchanged(&before, "run");
    lab.finish();
}

#[test]
fn run_passes_sigterm_on_and_cleans_up() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    let before = lab.fingerprint();
    // Says that it runs, and what it dies of.
    let script = "trap 'echo terminated; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let words = [
        "run",
        "--network",
        "lan",
        "--name",
        "job",
        "--",
        "sh",
        "-c",
        script,
    ];
    let mut child = lab.command(&words).spawn().must("run");
    let mut stdout = child.stdout.take().must("stdout");
    let mut ready = [0; 6];
    stdout.read_exact(&mut ready).must("its word");
    assert_eq!(&ready, b"ready\n");
    let job = lab.json(&["sandbox", "inspect", "job"]);
    assert_eq!(job[0]["interfaces"][0]["network"], "lan");
    daemon::terminate(child.id());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).must("its last word");
    let status = child.wait().must("wait");
    assert_eq!(rest, "terminated\n");
    assert_eq!(status.code(), Some(3));
    lab.unchanged(&before, "run");
    lab.finish();
}
