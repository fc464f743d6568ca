//! An engine as it comes, with the bridge `docker0`, its firewall and its proxies, beside the switch.

use super::{
    agree, lab, pings, plugin,
    ports::{SERVER, fetch},
};
use vswitch_tests::{
    Docker, Lab, Must as _, Outside, Sandbox, deadline::SOON, docker::Own, eventually, icmp,
};

/// A way out that others made, or none.
const NO_WAY: std::time::Duration = std::time::Duration::from_secs(1);

/// A container that says hello at a port of the host's.
fn server(docker: &Docker, name: &str, network: &str, port: u16) -> Sandbox {
    let publish = format!("{port}:80");
    let run = ["run", "-d", "--name", name, "--network", network];
    let serve = ["-p", &publish, "bb", "sh", "-c", SERVER];
    docker.done(&[&run[..], &serve].concat());
    docker.sandbox(name, network)
}

/// The rules of ours that Docker's firewall has.
fn admitted(host: &Sandbox) -> usize {
    let rules = host.exec(&["iptables", "-S", "DOCKER-USER"]);
    rules.stdout.matches("vswitch:vs-").count()
}

#[test]
fn both_kinds_of_networks_work_side_by_side() {
    let outside = Outside::start();
    let lab = Lab::start_with(&outside.setup(plugin()));
    let docker = Docker::start_with(&lab, Own::Networks, &[]);
    docker.create("ours", &["--subnet=198.18.7.0/24"]);
    let anna = server(&docker, "anna", "ours", 8080);
    let bert = docker.container("bert", "ours", &[]);
    let carl = server(&docker, "carl", "bridge", 8081);
    pings(&bert, anna.ip4());
    docker.exec("bert", &["ping", "-c1", "-W5", "anna"]).done();
    // The outside knows no way back to either network: whoever has an answer has a way out.
    pings(&bert, outside.ip4());
    pings(&carl, outside.ip4());
    for port in [8080, 8081] {
        let at = |host: &str| format!("{host}:{port}");
        for (from, to) in [
            (outside.host(), at("127.0.0.1")),
            (outside.station(), at("198.18.200.1")),
            (&bert, at("198.18.200.1")),
            (&carl, at("198.18.200.1")),
        ] {
            let said = eventually(SOON, &to, || fetch(&from.netns, &to));
            assert_eq!(said, "hello\n", "{to} from {}", from.name);
        }
    }
    // Networks are isolated: only what is published is reached.
    assert_eq!(icmp::first_answer(&bert, carl.ip4(), NO_WAY), None);
    // But a container may be on both.
    docker.done(&["network", "connect", "ours", "carl"]);
    pings(&docker.sandbox("carl", "ours"), anna.ip4());
    pings(&carl, outside.ip4());
    agree(&lab, &docker, "ours", 3);
    docker.done(&["rm", "-f", "anna", "bert", "carl"]);
    docker.done(&["network", "rm", "ours"]);
    assert_eq!(admitted(outside.host()), 0);
    docker.finish();
    lab.finish();
}

#[test]
fn an_engine_that_begins_later_does_not_close_the_way_out() {
    let outside = Outside::start();
    let lab = Lab::start_with(&outside.setup(plugin()));
    lab.subnet("lan", 1, &["gateway=host"]);
    let early = lab.join("lan", "early");
    pings(&early, outside.ip4());
    let mut docker = Docker::start_with(&lab, Own::Networks, &[]);
    docker.create("ours", &["--subnet=198.18.7.0/24"]);
    let anna = docker.container("anna", "ours", &["--restart=always"]);
    for _ in 0..2 {
        eventually(SOON, "the firewall lets both out", || {
            (admitted(outside.host()) == 8).then_some(())
        });
        pings(&early, outside.ip4());
        pings(&docker.sandbox("anna", "ours"), outside.ip4());
        assert!(docker.stop().success());
        docker.restart();
        eventually(SOON, "anna runs again", || {
            let found = docker.inspect("anna");
            (found["State"]["Running"] == true).then_some(())
        });
    }
    drop(anna);
    docker.finish();
    lab.finish();
}

#[test]
fn the_default_network_of_the_switch_is_beside_that_of_the_engine() {
    let lab = lab();
    let docker = Docker::start_with(&lab, Own::Networks, &[]);
    let theirs = docker.container("theirs", "bridge", &[]);
    let ours = lab.sandbox("ours");
    let nic = lab.connect("bridge", "ours", &[]);
    let ours = ours.with(nic);
    // Neither has taken the other's subnet, and the host is on both.
    let octets = |sandbox: &Sandbox| sandbox.ip4().to_string();
    assert_ne!(octets(&ours), octets(&theirs));
    let gateway = |sandbox: &Sandbox| {
        let routes = sandbox.exec(&["ip", "route", "show", "default"]);
        let gateway = routes.ok().split(' ').nth(2).must("a gateway").to_owned();
        gateway.parse().must("an address")
    };
    for sandbox in [&ours, &theirs] {
        pings(sandbox, gateway(sandbox));
    }
    docker.finish();
    lab.finish();
}

#[test]
fn ports_of_a_container_on_both_kinds_of_networks_are_published_by_the_engine() {
    let outside = Outside::start();
    let lab = Lab::start_with(&outside.setup(plugin()));
    let docker = Docker::start_with(&lab, Own::Networks, &[]);
    let overlay = ["-o=driver=overlay", "-o=vni=42", "-o=local=198.18.200.1"];
    docker.create(
        "wide",
        &[&overlay[..], &["--subnet=198.18.50.0/24"]].concat(),
    );
    docker.done(&["network", "create", "theirs"]);
    let port = "198.18.200.1:8080";
    // Whichever it was made on first, and while it runs or before.
    for (first, second) in [("wide", "theirs"), ("theirs", "wide")] {
        let create = ["create", "-p=8080:80", "--name=web", "--network", first];
        docker.done(&[&create[..], &["bb", "sh", "-c", SERVER]].concat());
        docker.done(&["network", "connect", second, "web"]);
        for change in ["start", "restart"] {
            docker.done(&[change, "web"]);
            let said = eventually(SOON, change, || fetch(&outside.station().netns, port));
            assert_eq!(said, "hello\n", "{first}, then {second}");
            let shown = docker.inspect("web");
            assert_eq!(
                shown["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"],
                "8080"
            );
        }
        docker.done(&["network", "disconnect", "wide", "web"]);
        docker.done(&["network", "connect", "wide", "web"]);
        eventually(SOON, "the port still", || {
            fetch(&outside.station().netns, port)
        });
        docker.done(&["rm", "-f", "web"]);
    }
    docker.finish();
    lab.finish();
}
