//! The command line as scripts see it: what it prints, its JSON, its exit statuses.

mod exec;
mod lists;

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};
use vswitch_tests::{
    Lab, Must as _, Sandbox, Sniffer, daemon, deadline::SOON, eventually, frames, icmp, procfs,
};

fn keys(value: &Value) -> BTreeSet<&str> {
    let object = value.as_object().must("an object");
    object.keys().map(String::as_str).collect()
}

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().must("a list").iter();
    list.filter_map(|one| one["name"].as_str()).collect()
}

#[test]
fn networks_are_listed_inspected_and_removed_by_name_id_and_prefix() {
    let lab = Lab::start();
    let list = lab.json(&["network", "ls"]);
    assert_eq!(names(&list), ["bridge", "host", "none"]);
    let created = lab.cli(&[
        "network",
        "create",
        "lan",
        "--subnet",
        "198.18.0.0/24",
        "--internal",
    ]);
    let id = created.ok();
    assert!(
        id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    for reference in ["lan", id, &id[..12]] {
        let found = lab.json(&["network", "inspect", reference]);
        assert_eq!(found[0]["Id"], id);
    }
    let table = lab.cli(&["network", "ls"]);
    let mut lines = table.ok().lines();
    let header: Vec<_> = lines.next().must("a header").split_whitespace().collect();
    assert_eq!(header, ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]);
    assert!(lines.any(|line| line.starts_with(&id[..12]) && line.contains("lan")));
    lab.cli(&["network", "rm", &id[..12]]).done();
    assert_eq!(names(&lab.json(&["network", "ls"])).len(), 3);
    lab.finish();
}

#[test]
fn network_inspect_has_the_shape_of_docker() {
    let lab = Lab::start();
    lab.cli(&[
        "network",
        "create",
        "lan",
        "--subnet",
        "198.18.0.0/24",
        "--subnet",
        "2001:2::/64",
        "--gateway",
        "198.18.0.254",
        "--ip-range",
        "198.18.0.128/25",
        "--aux-address",
        "printer=198.18.0.128",
        "--label",
        "team=blue",
        "-o",
        "mtu=1400",
    ])
    .done();
    let a = lab.join("lan", "a");
    assert_eq!(
        a.ip4().to_string(),
        "198.18.0.129",
        "in range, and not the printer's"
    );
    let inspected = lab.json(&["network", "inspect", "lan"]);
    is_shaped_as_docker(&inspected[0], &a);
    lab.finish();
}

#[track_caller]
fn is_shaped_as_docker(lan: &Value, a: &Sandbox) {
    let docker = [
        "Name",
        "Id",
        "Created",
        "Scope",
        "Driver",
        "EnableIPv6",
        "IPAM",
        "Internal",
        "Containers",
        "Options",
        "Labels",
    ];
    assert!(keys(lan).is_superset(&docker.into()), "{lan:#}");
    assert_eq!(lan["Driver"], "bridge");
    assert_eq!(lan["Scope"], "local");
    assert_eq!(lan["EnableIPv6"], true);
    assert_eq!(lan["Internal"], false);
    assert_eq!(lan["Labels"]["team"], "blue");
    assert_eq!(lan["Options"]["mtu"], "1400");
    let v4 = &lan["IPAM"]["Config"][0];
    assert_eq!(v4["Subnet"], "198.18.0.0/24");
    assert_eq!(v4["Gateway"], "198.18.0.254");
    assert_eq!(v4["IPRange"], "198.18.0.128/25");
    assert_eq!(v4["AuxiliaryAddresses"]["printer"], "198.18.0.128");
    let containers = lan["Containers"].as_object().must("Containers");
    let endpoint = containers.values().next().must("an endpoint");
    let docker = [
        "Name",
        "EndpointID",
        "MacAddress",
        "IPv4Address",
        "IPv6Address",
    ];
    assert!(keys(endpoint).is_superset(&docker.into()), "{endpoint:#}");
    assert_eq!(endpoint["Name"], "a");
    assert_eq!(endpoint["MacAddress"], a.mac().to_string());
    assert_eq!(endpoint["IPv4Address"], "198.18.0.129/24");
}

#[test]
fn the_promised_shapes_of_fdb_show_port_ls_and_status() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    let all = lab.join_all("lan", 2);
    icmp::all_pairs(&all);
    let fdb = lab.json(&["fdb", "show", "lan"]);
    let entry = keys(&fdb[0]);
    assert_eq!(
        entry,
        ["mac", "vlan", "port", "remote", "kind", "age"].into()
    );
    let ports = lab.json(&["port", "ls"]);
    let promised = [
        "id", "name", "network", "sandbox", "kind", "state", "mtu", "offload", "rx", "tx", "drops",
    ];
    assert!(keys(&ports[0]).is_superset(&promised.into()), "{ports:#}");
    for direction in ["rx", "tx"] {
        assert_eq!(keys(&ports[0][direction]), ["frames", "bytes"].into());
        assert!(ports[0][direction]["frames"].as_u64() > Some(0));
    }
    assert_eq!(ports[0]["name"], "a/eth0");
    assert_eq!(ports[0]["state"], "up");
    assert_eq!(ports[0]["mtu"], 1500);
    let status = lab.json(&["status"]);
    let totals = [
        "received",
        "replicated",
        "delivered",
        "consumed",
        "dropped",
        "residual",
    ];
    assert_eq!(keys(&status["totals"]), totals.into());
    assert_eq!(status["pid"], lab.daemon().0);
    // The tables for people.
    let table = |words: &[&str]| lab.cli(words).ok().to_owned();
    assert!(table(&["port", "ls"]).contains("OFFLOAD"));
    assert!(table(&["fdb", "show", "lan"]).contains(&all[0].mac().to_string()));
    assert!(table(&["status"]).contains("received"));
    assert!(table(&["sandbox", "ls"]).contains("NETWORKS"));
    lab.finish();
}

#[test]
fn a_local_entry_lets_the_switch_consume_what_is_for_it() {
    let lab = Lab::start();
    lab.quiet("lan", &[]);
    let all = lab.join_all("lan", 2);
    let mac = frames::station(9);
    lab.cli(&["fdb", "add", "lan", &mac.to_string(), "--local"])
        .done();
    assert_eq!(
        lab.whereabouts("lan", mac),
        Some((None, "local".to_owned()))
    );
    let consumed = || lab.json(&["status"])["totals"]["consumed"].as_u64();
    let sniffer = Sniffer::start(&all[1]);
    let (frame, marker) = (
        frames::unique(mac, all[0].mac()),
        frames::marker(all[1].mac(), all[0].mac()),
    );
    let mut raw = frames::Raw::open(&all[0]);
    raw.send(&frame);
    raw.send(&marker);
    assert_eq!(sniffer.count_until(&frame, &marker), 0);
    assert_eq!(consumed(), Some(1));
    lab.cli(&["fdb", "del", "lan", &mac.to_string()]).done();
    assert_eq!(lab.whereabouts("lan", mac), None);
    drop(sniffer);
    lab.finish();
}

#[test]
fn options_arrive_in_the_sandbox() {
    let lab = Lab::start();
    lab.subnet("fast", 1, &["mtu=9000"]);
    lab.subnet(
        "plain",
        2,
        &["offload=off", "com.docker.network.driver.mtu=1400"],
    );
    lab.quiet("four", &[]);
    let (fast, plain) = (lab.join("fast", "f"), lab.join("plain", "p"));
    let link = |sandbox: &Sandbox| {
        sandbox
            .exec(&["ip", "-br", "-d", "link", "show", "eth0"])
            .ok()
            .to_owned()
    };
    let mtu = |sandbox: &Sandbox| {
        sandbox
            .exec(&["ip", "link", "show", "eth0"])
            .ok()
            .to_owned()
    };
    assert!(mtu(&fast).contains("mtu 9000"), "{}", mtu(&fast));
    assert!(mtu(&plain).contains("mtu 1400"), "{}", mtu(&plain));
    assert!(link(&fast).contains("UP"), "{}", link(&fast));
    assert_eq!(lab.port(plain.port())["offload"], "off");
    let offload = lab.port(fast.port())["offload"].to_string();
    assert!(offload.contains("tso4"), "{offload}");
    // Without an IPv6 subnet there is no IPv6, not even link-local.
    let four = lab.join("four", "v");
    let addresses = four.exec(&["ip", "-6", "address", "show", "dev", "eth0"]);
    assert_eq!(addresses.ok(), "");
    assert!(
        fast.exec(&["ip", "-6", "address", "show", "dev", "eth0"])
            .ok()
            .contains("fe80")
    );
    lab.finish();
}

#[test]
fn port_ls_shows_the_link_of_an_idle_port() {
    let lab = Lab::start();
    lab.quiet("fast", &[]);
    lab.subnet("plain", 2, &["offload=off"]);
    for (network, name) in [("fast", "f"), ("plain", "p")] {
        let sandbox = lab.join(network, name);
        for state in ["down", "up", "down"] {
            let before = lab.port(sandbox.port());
            sandbox.exec(&["ip", "link", "set", "eth0", state]).done();
            let after = lab.port(sandbox.port());
            assert_eq!(after["state"], state, "{network}");
            assert_eq!(after["tx"], before["tx"], "nothing was sent to it");
        }
    }
    lab.finish();
}

#[test]
fn an_endpoint_is_as_it_was_asked_for() {
    let lab = Lab::start();
    lab.subnet("red", 1, &[]);
    lab.subnet("blue", 2, &[]);
    lab.sandbox("a");
    let mac = "02:00:5e:10:00:0a";
    let nic = lab.connect(
        "red",
        "a",
        &[
            "--ip",
            "198.18.1.77",
            "--ip6",
            "2001:2:0:1::77",
            "--mac-address",
            mac,
        ],
    );
    assert_eq!(nic.ifname, "eth0");
    assert_eq!(nic.mac.to_string(), mac);
    assert_eq!(nic.ip4.must("ip4").to_string(), "198.18.1.77");
    assert_eq!(nic.ip6.must("ip6").to_string(), "2001:2:0:1::77");
    assert_eq!(lab.connect("blue", "a", &[]).ifname, "eth1");
    lab.cli(&["network", "disconnect", "red", "a"]).done();
    assert_eq!(
        lab.connect("red", "a", &[]).ifname,
        "eth0",
        "the lowest that is free"
    );
    lab.cli(&["network", "disconnect", "red", "a"]).done();
    assert_eq!(
        lab.connect("red", "a", &["--ifname", "lan0"]).ifname,
        "lan0"
    );
    lab.finish();
}

#[test]
fn an_automatic_mac_address_is_the_same_again() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    lab.sandbox("a");
    let connect = || lab.connect("lan", "a", &["--ip", "198.18.0.7"]);
    let first = connect().mac;
    assert!(first.is_unicast() && first.is_locally_administered());
    lab.cli(&["network", "disconnect", "lan", "a"]).done();
    assert_eq!(connect().mac, first);
    lab.finish();
}

#[test]
fn foreign_namespaces_are_connected_by_process_and_by_path() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    let a = lab.join("lan", "a");
    let mut process = Command::new("unshare");
    process.args(["--net", "sleep", "600"]);
    let mut process = vswitch::sys::spawn_in(lab.host(), &mut process).must("a process");
    let pid = process.id();
    let own = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let here = own(lab.daemon().0);
    eventually(SOON, "the process is in its own namespace", || {
        let there = own(pid)?;
        (Some(&there) != here.as_ref() && there != own(std::process::id())?).then_some(())
    });
    let reference = format!("pid:{pid}");
    let nic = lab.connect("lan", &reference, &[]);
    icmp::answers(&a, &[nic.ip4.must("ip4").into()]);
    // The same namespace by its path is the same sandbox.
    let path = format!("netns:/proc/{pid}/ns/net");
    let line = lab.refuses(&["network", "connect", "lan", &path], &["lan"]);
    assert!(
        line.contains("connected") || line.contains("already"),
        "{line}"
    );
    let exec = lab.cli(&["sandbox", "exec", &reference, "--", "ip", "-br", "link"]);
    assert!(exec.ok().contains("eth0"));
    // With its last endpoint it is forgotten, and its namespace left as it was.
    lab.cli(&["network", "disconnect", "lan", &path]).done();
    assert_eq!(names(&lab.json(&["sandbox", "ls"])), ["a"]);
    let left = lab.cli(&["sandbox", "exec", &reference, "--", "ip", "-br", "link"]);
    assert!(!left.ok().contains("eth0"));
    process.kill().must("kill");
    process.wait().must("wait");
    lab.finish();
}

#[test]
fn addresses_are_chosen_where_none_are_given() {
    let lab = Lab::start();
    lab.cli(&["network", "create", "one"]).done();
    lab.cli(&["network", "create", "two", "--ipv6"]).done();
    let config =
        |network: &str| lab.json(&["network", "inspect", network])[0]["IPAM"]["Config"].clone();
    assert_ne!(config("one")[0]["Subnet"], config("two")[0]["Subnet"]);
    let two = config("two");
    let v6 = two[1]["Subnet"].as_str().must("an IPv6 subnet");
    assert!(v6.starts_with("fd") && v6.ends_with("/64"), "{v6}");
    icmp::all_pairs(&lab.join_all("two", 2));
    // What an endpoint gives back is used last.
    let three = lab.join("one", "x");
    lab.cli(&["network", "disconnect", "one", "x"]).done();
    let nic = lab.connect("one", "x", &[]);
    assert_ne!(nic.ip4.map(Into::into), Some(three.ip4()));
    lab.finish();
}

#[test]
fn prune_removes_what_nobody_uses() {
    let lab = Lab::start();
    lab.subnet("used", 1, &[]);
    lab.subnet("unused", 2, &[]);
    lab.join("used", "a");
    let pruned = lab.json(&["network", "prune"]);
    assert_eq!(pruned["networks"], serde_json::json!(["unused"]));
    assert_eq!(
        names(&lab.json(&["network", "ls"])),
        ["bridge", "host", "none", "used"]
    );
    lab.finish();
}

#[test]
fn a_network_is_removed_once_it_is_empty() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    lab.join("lan", "a");
    lab.refuses(&["network", "rm", "lan"], &["lan"]);
    lab.cli(&["sandbox", "rm", "--force", "a"]).done();
    lab.cli(&["network", "rm", "lan"]).done();
    // Name and subnet are free again.
    lab.network("lan", &[]);
    lab.finish();
}

#[test]
fn a_wrong_command_line_is_told_in_one_line() {
    let lab = Lab::start();
    for (words, line) in [
        (
            &["fdb", "add", "lan", "no-mac", "1"][..],
            "'no-mac' for '<MAC>'",
        ),
        (&["network", "connect", "lan"], "not provided: <SANDBOX>"),
        (&["--json", "daemon"], "--json has no meaning for `daemon`"),
    ] {
        let wrong = lab.cli_anywhere(words);
        assert_eq!((wrong.status, wrong.stdout.as_str()), (2, ""), "{wrong:?}");
        assert_eq!(wrong.stderr.lines().count(), 1, "{}", wrong.stderr);
        assert!(
            wrong.stderr.starts_with("error: ") && wrong.stderr.contains(line),
            "{}",
            wrong.stderr
        );
    }
    lab.finish();
}

#[test]
fn help_version_completions_and_manual_need_no_daemon() {
    let lab = Lab::start();
    let version = lab.cli_anywhere(&["--version"]);
    assert!(version.ok().starts_with("vswitch "), "{version:?}");
    assert!(lab.cli_anywhere(&["--help"]).ok().contains("vswitch demo"));
    for shell in ["bash", "zsh", "fish"] {
        let script = lab.cli_anywhere(&["completions", shell]);
        assert!(script.ok().contains("vswitch"), "{shell}");
        if shell == "bash" {
            let file = lab.dir().join("completions");
            fs::write(&file, script.ok()).must("a file");
            let check = Command::new("bash").arg("-n").arg(&file).status();
            assert!(check.must("bash").success());
            fs::remove_file(&file).must("remove");
        }
    }
    let man = lab.dir().join("man");
    lab.cli_anywhere(&["man", &man.to_string_lossy()]).done();
    let pages = fs::read_dir(&man).must("the pages").flatten();
    let pages: BTreeSet<String> = pages
        .map(|page| page.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(pages.contains("vswitch.1"), "{pages:?}");
    assert!(pages.len() > 10, "{pages:?}");
    fs::remove_dir_all(&man).must("remove");
    lab.finish();
}

#[test]
fn the_socket_comes_from_the_environment_as_well() {
    let lab = Lab::start();
    let mut command = Command::new(daemon::program());
    command.env("VSWITCH_SOCKET", lab.socket()).arg("status");
    assert!(command.output().must("status").status.success());
    let mode = fs::metadata(lab.socket()).must("the socket");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(mode.permissions().mode() & 0o777, 0o660);
    assert!(procfs::with_argument(&lab.socket().to_string_lossy()).len() == 1);
    lab.finish();
}
