//! What is wrong is refused with one line that says what, why and what to do, and changes nothing.

use std::{fs, io::Write as _, os::unix::net::UnixStream};
use vswitch_tests::{Lab, Must as _, daemon::failing_daemon, deadline::SOON, eventually};

/// A lab with a network 198.18.0.0/24 and 2001:2::/64 that the sandbox `a` is on, and a sandbox `free`.
fn furnished() -> Lab {
    let lab = Lab::start();
    lab.network("lan", &[]);
    lab.join("lan", "a");
    lab.sandbox("free");
    lab
}

#[test]
fn wrong_networks_are_refused() {
    let lab = furnished();
    let create = |more: &[&str], say: &[&str]| {
        lab.refuses(&[&["network", "create"], more].concat(), say);
    };
    create(&["x", "-d", "warp"], &["warp", "bridge"]);
    create(&["x", "-d", "overlay"], &["overlay"]);
    create(&["lan"], &["lan", "taken"]);
    create(&["host"], &["host"]);
    create(&[".bad"], &[".bad"]);
    create(&["a/b"], &["a/b"]);
    create(
        &["x", "--subnet", "198.18.0.128/25"],
        &["198.18.0.0/24", "lan", "give another"],
    );
    create(&["x", "--subnet", "198.18.4.1/24"], &["198.18.4.0/24"]);
    create(&["x", "--subnet", "127.0.0.0/24"], &["loopback"]);
    create(
        &["x", "--subnet", "198.18.4.0/24", "--gateway", "198.18.5.1"],
        &["198.18.5.1"],
    );
    create(
        &[
            "x",
            "--subnet",
            "198.18.4.0/24",
            "--ip-range",
            "198.18.5.0/25",
        ],
        &["198.18.5.0/25"],
    );
    create(&["x", "-o", "colour=red"], &["colour", "mtu", "ageing"]);
    create(&["x", "-o", "mtu=67"], &["mtu", "68"]);
    create(&["x", "-o", "mtu=big"], &["mtu", "big"]);
    create(&["x", "-o", "ageing=9"], &["ageing", "10"]);
    create(&["x", "-o", "ageing=1000001"], &["ageing", "1000000"]);
    create(&["x", "-o", "max_entries=0"], &["max_entries"]);
    create(&["x", "-o", "offload=perhaps"], &["offload", "on or off"]);
    create(&["x", "-o", "stp=on"], &["stp"]);
    lab.refuses(&["network", "rm", "lan"], &["lan"]);
    lab.refuses(&["network", "rm", "bridge"], &["bridge"]);
    lab.refuses(&["network", "rm", "nowhere"], &["nowhere", "network ls"]);
    lab.finish();
}

#[test]
fn wrong_endpoints_are_refused() {
    let lab = furnished();
    let mac = |network: &str| lab.json(&["network", "inspect", network]).to_string();
    assert!(mac("lan").contains("198.18.0.2/24"));
    let connect = |more: &[&str], say: &[&str]| {
        lab.refuses(&[&["network", "connect"], more].concat(), say);
    };
    connect(&["nowhere", "free"], &["nowhere"]);
    connect(&["lan", "nobody"], &["nobody"]);
    connect(&["lan", "a"], &["a"]);
    connect(&["host", "free"], &["host"]);
    connect(&["none", "free"], &["none"]);
    connect(&["lan", "docker:web"], &["docker"]);
    connect(&["lan", "pid:4194305"], &["4194305"]);
    connect(&["lan", "pid:many"], &["pid"]);
    connect(&["lan", "netns:/nowhere/at/all"], &["/nowhere/at/all"]);
    connect(&["lan", "netns:/etc/passwd"], &["/etc/passwd"]);
    connect(
        &["lan", "free", "--ip", "198.18.9.9"],
        &["198.18.9.9", "198.18.0.0/24"],
    );
    connect(
        &["lan", "free", "--ip", "198.18.0.1"],
        &["198.18.0.1", "gateway"],
    );
    connect(
        &["lan", "free", "--ip", "198.18.0.2"],
        &["198.18.0.2", "in use"],
    );
    connect(
        &["lan", "free", "--ip", "198.18.0.255"],
        &["198.18.0.255", "broadcast"],
    );
    connect(&["lan", "free", "--ip6", "2001:db8::1"], &["2001:db8::1"]);
    connect(
        &["lan", "free", "--mac-address", "01:00:5e:00:00:01"],
        &["01:00:5e:00:00:01"],
    );
    connect(
        &["lan", "free", "--mac-address", "00:00:00:00:00:00"],
        &["00:00:00:00:00:00"],
    );
    connect(
        &["lan", "free", "--ifname", "a-name-that-is-too-long"],
        &["a-name-that-is-too-long"],
    );
    connect(&["lan", "free", "--ifname", "lo"], &["lo"]);
    let taken = lab.json(&["port", "ls"]);
    assert_eq!(taken.as_array().map(Vec::len), Some(1));
    lab.refuses(&["network", "disconnect", "lan", "free"], &["free", "lan"]);
    lab.refuses(&["sandbox", "rm", "a"], &["a", "lan"]);
    lab.refuses(&["sandbox", "create", "a"], &["a", "taken"]);
    lab.refuses(&["sandbox", "create", "a b"], &["a b"]);
    lab.refuses(&["sandbox", "inspect", "nobody"], &["nobody"]);
    lab.finish();
}

#[test]
fn a_mac_address_that_is_taken_is_refused() {
    let lab = furnished();
    lab.sandbox("b");
    let mac = "02:7e:00:00:00:0b";
    let nic = lab.connect("lan", "b", &["--mac-address", mac]);
    assert_eq!(nic.mac.to_string(), mac);
    let words = ["network", "connect", "lan", "free", "--mac-address", mac];
    lab.refuses(&words, &[mac]);
    lab.finish();
}

#[test]
fn wrong_entries_are_refused() {
    let lab = furnished();
    let add = |more: &[&str], say: &[&str]| {
        lab.refuses(&[&["fdb", "add", "lan"], more].concat(), say);
    };
    add(&["01:00:5e:00:00:01", "a/eth0"], &["01:00:5e:00:00:01"]);
    add(&["00:00:00:00:00:00", "a/eth0"], &["00:00:00:00:00:00"]);
    add(&["02:00:00:00:00:01", "a/eth9"], &["a/eth9"]);
    add(&["02:00:00:00:00:01", "77"], &["77"]);
    lab.refuses(&["fdb", "show", "nowhere"], &["nowhere"]);
    lab.refuses(
        &["fdb", "del", "lan", "02:00:00:00:00:01"],
        &["02:00:00:00:00:01"],
    );
    lab.refuses(&["fdb", "flush", "lan", "--port", "77"], &["77"]);
    lab.refuses(&["port", "inspect", "77"], &["77"]);
    lab.finish();
}

#[test]
fn a_slip_of_the_finger_is_a_usage_error_that_says_what_was_expected() {
    let lab = furnished();
    let before = lab.fingerprint();
    let wrong: [(&[&str], &str); 7] = [
        (
            &[
                "network",
                "connect",
                "lan",
                "free",
                "--mac-address",
                "02:00:00:00:zz:01",
            ],
            "02:00:00:00:zz:01",
        ),
        (
            &["network", "connect", "lan", "free", "--ip", "198.18.0"],
            "198.18.0.10",
        ),
        (
            &["network", "create", "x", "--subnet", "198.18.4.0"],
            "ADDRESS/PREFIX",
        ),
        (
            &["network", "create", "x", "--aux-address", "198.18.4.9"],
            "NAME=IP",
        ),
        (&["network", "create"], "NAME"),
        (&["netwrok", "ls"], "netwrok"),
        (&[], "Usage"),
    ];
    for (words, say) in wrong {
        let output = lab.cli(words);
        assert_eq!(output.status, 2, "{output:?}");
        assert!(output.stderr.contains(say), "{output:?}");
    }
    lab.unchanged(&before, "usage errors");
    lab.finish();
}

#[test]
fn a_second_daemon_is_refused() {
    let lab = furnished();
    let before = lab.fingerprint();
    let pid = lab.daemon().0.to_string();
    let output = failing_daemon(lab.host(), &[], &lab.socket());
    output.refused(&["in use", &pid, "--socket"]);
    // Nor may it share the directory, under another name.
    let output = failing_daemon(lab.host(), &[], &lab.dir().join("other.sock"));
    output.refused(&["in use", "--socket"]);
    lab.unchanged(&before, "a second daemon");
    lab.finish();
}

#[test]
fn a_daemon_that_cannot_have_its_socket_says_so() {
    let lab = Lab::start();
    let dir = tempfile::tempdir().must("a directory");
    let file = dir.path().join("precious");
    fs::write(&file, "text").must("a file");
    let output = failing_daemon(lab.host(), &[], &file);
    output.refused(&["precious", "not a socket"]);
    assert_eq!(fs::read_to_string(&file).must("the file"), "text");
    let long = dir.path().join("x".repeat(120));
    failing_daemon(lab.host(), &[], &long).refused(&["socket path"]);
    let below = file.join("vswitch.sock");
    failing_daemon(lab.host(), &[], &below).refused(&["precious"]);
    assert_eq!(fs::read_dir(dir.path()).must("the directory").count(), 1);
    lab.finish();
}

#[test]
fn without_dev_net_tun_the_daemon_says_how_to_get_it() {
    let lab = Lab::start();
    let dir = tempfile::tempdir().must("a directory");
    let hidden = "mount -t tmpfs none /dev/net && exec \"$@\"";
    let wrap = ["unshare", "--mount", "sh", "-c", hidden, "sh"];
    let output = failing_daemon(lab.host(), &wrap, &dir.path().join("vswitch.sock"));
    output.refused(&["/dev/net/tun is missing", "modprobe tun", "mknod"]);
    assert_eq!(fs::read_dir(dir.path()).must("the directory").count(), 0);
    lab.finish();
}

#[test]
fn without_a_capability_the_daemon_names_it() {
    let lab = Lab::start();
    let dir = tempfile::tempdir().must("a directory");
    for (cap, name) in [
        ("net_admin", "CAP_NET_ADMIN"),
        ("sys_admin", "CAP_SYS_ADMIN"),
    ] {
        // As root by the bounding set, else by what is handed down.
        let sets =
            ["bounding-set", "ambient-caps", "inh-caps"].map(|set| format!("--{set}=-{cap}"));
        let wrap = ["setpriv", &sets[0], &sets[1], &sets[2]];
        let output = failing_daemon(lab.host(), &wrap, &dir.path().join("vswitch.sock"));
        output.refused(&[name, "root"]);
        assert_eq!(fs::read_dir(dir.path()).must("the directory").count(), 0);
    }
    lab.finish();
}

#[test]
fn without_a_daemon_the_commands_say_how_to_start_one() {
    let lab = Lab::start();
    let nowhere = lab.dir().join("nowhere.sock");
    let nowhere = nowhere.to_string_lossy();
    let all: [&[&str]; 4] = [
        &["status"],
        &["network", "ls"],
        &["monitor"],
        &["run", "--network", "lan", "--", "true"],
    ];
    for words in all {
        let words = [&["--socket", &nowhere], words].concat();
        let output = lab.cli_anywhere(&words);
        output.refused(&["cannot reach the switch", &nowhere, "vswitch daemon"]);
    }
    lab.finish();
}

#[test]
fn garbage_on_the_socket_is_answered_and_does_no_harm() {
    let lab = furnished();
    let before = lab.fingerprint();
    let mut noise = vec![0; 64 << 10];
    vswitch_tests::pattern::Pattern::new(29).fill(&mut noise);
    let long_head = format!(
        "GET /v1/status HTTP/1.1\r\nX: {}\r\n\r\n",
        "y".repeat(100_000)
    );
    let garbage: [&[u8]; 8] = [
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/networks HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"{\"name\": \"x\"}\r\n\r\n",
        &noise,
        long_head.as_bytes(),
    ];
    for bytes in garbage {
        let answer = lab.raw_request(bytes);
        let shown = bytes[..bytes.len().min(40)].escape_ascii().to_string();
        let fine = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(fine, "{shown}: {answer}");
    }
    // Cut off in the middle of a body.
    let mut stream = UnixStream::connect(lab.socket()).must("the socket");
    let torn =
        b"POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n{\"name\": \"x\"";
    stream.write_all(torn).must("write");
    drop(stream);
    lab.unchanged(&before, "garbage");
    lab.finish();
}

#[test]
fn requests_that_make_no_sense_are_errors_in_json() {
    let lab = furnished();
    let before = lab.fingerprint();
    let deep = format!(
        "{{\"name\": {}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let wrong = [
        ("GET", "/v1/nothing", "", 404),
        ("GET", "/", "", 404),
        ("PUT", "/v1/networks", "{}", 405),
        ("POST", "/v1/status", "", 405),
        ("POST", "/v1/networks", "", 400),
        ("POST", "/v1/networks", "{", 400),
        ("POST", "/v1/networks", "[]", 400),
        (
            "POST",
            "/v1/networks",
            "{\"name\": \"x\", \"colour\": \"red\"}",
            400,
        ),
        ("POST", "/v1/networks", "{\"name\": 7}", 400),
        ("POST", "/v1/networks", "{\"name\": \"\"}", 400),
        ("POST", "/v1/networks", &deep, 400),
        ("POST", "/v1/networks", "{\"name\": \"lan\"}", 409),
        ("DELETE", "/v1/networks/nowhere", "", 404),
        (
            "POST",
            "/v1/networks/lan/connect",
            "{\"sandbox\": \"nobody\"}",
            404,
        ),
        ("GET", "/v1/networks/..%2f..%2fetc", "", 404),
    ];
    for (method, path, body, status) in wrong {
        let (got, answer) = lab.http(method, path, body);
        assert_eq!(got, status, "{method} {path}: {answer}");
        let error: serde_json::Value = serde_json::from_str(&answer).must(&answer);
        let line = error["error"].as_str().must("error");
        assert!(!line.is_empty() && !line.contains('\n'), "{line}");
        assert!(error["kind"].is_string(), "{answer}");
    }
    lab.unchanged(&before, "requests that make no sense");
    lab.finish();
}

#[test]
fn a_request_of_a_gibibyte_is_refused_and_costs_nothing() {
    let lab = furnished();
    let before = lab.fingerprint();
    let resident = lab.daemon().resident();
    let head = "POST /v1/networks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    // Announced: refused before it is read.
    let announced = format!("{head}Content-Length: {}\r\n\r\n", 1 << 30);
    let answer = lab.raw_request(announced.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("1048576"), "{answer}");
    // Not announced, and really sent, until the daemon has had enough.
    let mut stream = UnixStream::connect(lab.socket()).must("the socket");
    stream.set_write_timeout(Some(SOON)).must("a timeout");
    (stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())).must("head");
    let chunk = [b"10000\r\n", &[b'x'; 0x10000][..], b"\r\n"].concat();
    let mut sent = 0u64;
    while sent < 1 << 30 && stream.write_all(&chunk).is_ok() {
        sent += 0x10000;
    }
    assert!(sent < 64 << 20, "the daemon reads on and on: {sent} bytes");
    drop(stream);
    lab.unchanged(&before, "a huge request");
    let grown = lab.daemon().resident().saturating_sub(resident);
    // One body of at most 1 MiB and its buffers.
    assert!(grown < 8 << 10, "the daemon grew by {grown} KiB");
    lab.finish();
}

#[test]
fn visitors_that_say_nothing_keep_nobody_out() {
    let lab = furnished();
    let before = lab.fingerprint();
    let silent: Vec<UnixStream> = (0..100)
        .map(|_| UnixStream::connect(lab.socket()).must("the socket"))
        .collect();
    // They are shown the door after a few seconds; then it is our turn.
    lab.cli(&["status"]).done();
    drop(silent);
    eventually(SOON, "their places are free", || {
        (lab.fingerprint() == before).then_some(())
    });
    lab.finish();
}
