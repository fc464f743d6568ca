//! Containers that the engine gave no network, on networks that the command line made: `docker:CONTAINER`.

use super::{lab, pings};
use vswitch_tests::{Docker, Must as _, deadline::SOON, eventually};

#[test]
fn a_container_without_a_network_is_connected_by_its_name() {
    let lab = lab();
    let docker = Docker::start(&lab);
    lab.network("lan", &[]);
    let peer = lab.join("lan", "peer");
    let web = docker.container("web", "none", &[]);
    let id = docker.inspect("web")["Id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let nic = lab.connect("lan", "docker:web", &["--ip", "198.18.0.77"]);
    assert_eq!(nic.ifname, "eth0");
    pings(&web, peer.ip4());
    pings(&web, peer.ip6());
    let sandboxes = lab.json(&["sandbox", "ls"]);
    assert!(
        sandboxes.to_string().contains("\"docker:web\""),
        "{sandboxes}"
    );
    // It is the same by its ID.
    let by_id = format!("docker:{}", &id[..12]);
    assert_eq!(
        lab.json(&["sandbox", "inspect", &by_id])[0]["name"],
        "docker:web"
    );
    lab.refuses(
        &["network", "connect", "lan", &by_id],
        &["connected", "lan"],
    );
    lab.cli(&["network", "disconnect", "lan", "docker:web"])
        .done();
    assert!(!web.exec(&["ip", "-o", "link"]).ok().contains("eth0"));
    // A container that ended is known as long as its namespace is.
    lab.connect("lan", "docker:web", &[]);
    drop(web);
    docker.done(&["stop", "-t", "0", "web"]);
    eventually(SOON, "the end of its endpoint", || {
        (!lab.cli(&["sandbox", "ls"]).ok().contains("docker:web")).then_some(())
    });
    lab.refuses(
        &["network", "connect", "lan", "docker:web"],
        &["docker:web", "not running (exited)", "docker start web"],
    );
    lab.refuses(
        &["network", "connect", "lan", "docker:nobody"],
        &["no such container"],
    );
    lab.refuses(&["sandbox", "inspect", "docker:a/b"], &["docker:NAME"]);
    docker.finish();
    lab.refuses(
        &["network", "connect", "lan", "docker:web"],
        &["cannot be reached", "docker.sock", "--docker-socket"],
    );
    lab.finish();
}

#[test]
fn a_container_of_the_engines_own_network_gets_one_more() {
    let lab = lab();
    let docker = Docker::start(&lab);
    lab.network("ours", &[]);
    let peer = lab.join("ours", "peer");
    docker.create("theirs", &["--subnet", "198.18.7.0/24"]);
    let web = docker.container("web", "theirs", &[]);
    let nic = lab.connect("ours", "docker:web", &[]);
    assert_eq!(nic.ifname, "eth1");
    pings(&web, peer.ip4());
    pings(&web, "198.18.7.1".parse().must("the gateway"));
    lab.cli(&["network", "disconnect", "ours", "docker:web"])
        .done();
    pings(&web, web.ip4());
    docker.finish();
    lab.finish();
}
