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

#[test]
fn a_program_that_is_not_there_is_not_found_whatever_path_says() {
    let lab = Lab::start();
    lab.sandbox("a");
    // Two directories of the search path: one that may not be looked into, one with a plain file.
    let (locked, open) = (lab.dir().join("locked"), lab.dir().join("open"));
    for directory in [&locked, &open] {
        fs::create_dir(directory).must("a directory");
    }
    fs::write(open.join("plain"), "no program").must("a file");
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).must("permissions");
    let status = |program: &str| {
        let vswitch = lab.command(&["sandbox", "exec", "a", "--", program]);
        // Root may look into everything, but for these two capabilities.
        let mut command = Command::new("setpriv");
        command.arg("--bounding-set=-dac_override,-dac_read_search");
        let directories = [&locked, &open].map(|directory| directory.display().to_string());
        // Not `Command::env`, which would be where `setpriv` itself is looked for.
        command.args(["env", &format!("PATH={}", directories.join(":"))]);
        command.arg(vswitch.get_program()).args(vswitch.get_args());
        let output = command.output().must("setpriv");
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
        output.status.code()
    };
    assert_eq!(status("no-such-program"), Some(127));
    assert_eq!(status("plain"), Some(126));
    for directory in [&locked, &open] {
        fs::remove_dir_all(directory).must("remove");
    }
    lab.finish();
}
