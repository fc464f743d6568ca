//! Compose files: networks with our driver, its options, addresses and aliases, services of several containers.

use super::{agree, lab, pings, ports::fetch};
use std::{fs, path::Path, process::Command};
use vswitch_tests::{Docker, Lab, Must as _, Output, deadline::SOON, eventually};

const FILE: &str = r#"
version: "2.4"
services:
  web:
    image: bb
    command: sh -c "while true; do echo hello | nc -l -p 80; done"
    ports: ["8080:80"]
    networks:
      front: {aliases: [www], ipv4_address: 198.18.7.20}
  app:
    image: bb
    networks: [front, back]
  db:
    image: bb
    networks: [back]
networks:
  front:
    driver: vswitch
    driver_opts: {mtu: "1400"}
    ipam: {config: [{subnet: 198.18.7.0/24, gateway: 198.18.7.254}]}
  back:
    driver: vswitch
    internal: true
    enable_ipv6: true
    ipam: {config: [{subnet: 198.18.8.0/24}, {subnet: "2001:2:8::/64"}]}
"#;

/// A project: a directory with a compose file, and the engine that runs it.
struct Project<'a> {
    docker: &'a Docker,
    file: &'a Path,
}

impl Project<'_> {
    /// Runs `docker-compose` with these words, which has to succeed.
    #[track_caller]
    fn compose(&self, words: &[&str]) {
        let mut command = Command::new("docker-compose");
        command
            .args(["--project-name", "shop", "--file"])
            .arg(self.file)
            .args(words)
            .env("DOCKER_HOST", self.docker.url());
        let output = command.output().must("docker-compose");
        Output::new(format!("docker-compose {}", words.join(" ")), &output).done();
    }

    /// Asserts that a container resolves a name to these addresses.
    #[track_caller]
    fn resolves(&self, from: &str, name: &str, addresses: &[String]) {
        eventually(SOON, name, || {
            let found = self.docker.exec(from, &["nslookup", "-type=a", name]);
            let found: Vec<&str> = (found.stdout.lines())
                .filter_map(|line| line.strip_prefix("Address: "))
                .collect();
            let all = addresses.iter().all(|one| found.contains(&one.as_str()));
            (all && found.len() == addresses.len()).then_some(())
        });
    }
}

/// Asserts that nothing of the project is left.
#[track_caller]
fn gone(lab: &Lab) {
    eventually(SOON, "the networks' end", || {
        (!lab.cli(&["network", "ls"]).ok().contains("shop_")).then_some(())
    });
}

#[test]
fn a_project_comes_up_grows_and_goes() {
    let lab = lab();
    let docker = Docker::start(&lab);
    let dir = tempfile::tempdir().must("a directory");
    let file = dir.path().join("docker-compose.yml");
    fs::write(&file, FILE).must("a compose file");
    let project = Project {
        docker: &docker,
        file: &file,
    };
    project.compose(&["up", "--detach"]);
    agree(&lab, &docker, "shop_front", 2);
    agree(&lab, &docker, "shop_back", 2);
    let web = docker.sandbox("shop_web_1", "shop_front");
    assert_eq!(web.ip4().to_string(), "198.18.7.20");
    assert!(web.exec(&["ip", "link"]).ok().contains("mtu 1400"));
    let said = eventually(SOON, "the published port", || {
        fetch(lab.host(), "127.0.0.1:8080")
    });
    assert_eq!(said, "hello\n");
    let db = docker.sandbox("shop_db_1", "shop_back");
    let app = docker.sandbox("shop_app_1", "shop_back");
    pings(&app, db.ip4());
    pings(&app, db.ip6());
    pings(&docker.sandbox("shop_app_1", "shop_front"), web.ip4());
    assert!(!db.exec(&["ip", "route"]).ok().contains("default"));
    for name in ["web", "www"] {
        project.resolves("shop_app_1", name, &[web.ip4().to_string()]);
    }
    // Who is on another network only does not know it.
    let unknown = docker.exec("shop_db_1", &["nslookup", "web"]);
    assert_ne!(unknown.status, 0, "{unknown:?}");

    project.compose(&["up", "--detach", "--scale", "app=3"]);
    let apps = [1, 2, 3].map(|number| {
        let app = docker.sandbox(&format!("shop_app_{number}"), "shop_back");
        app.ip4().to_string()
    });
    project.resolves("shop_db_1", "app", &apps);
    agree(&lab, &docker, "shop_back", 4);
    project.compose(&["restart", "--timeout", "0", "web"]);
    eventually(SOON, "the same again", || {
        fetch(lab.host(), "127.0.0.1:8080")
    });
    project.resolves("shop_app_2", "www", &[web.ip4().to_string()]);
    drop((web, db, app));
    project.compose(&["down", "--timeout", "0"]);
    gone(&lab);
    project.compose(&["up", "--detach"]);
    agree(&lab, &docker, "shop_front", 2);
    project.compose(&["down", "--timeout", "0"]);
    gone(&lab);
    docker.finish();
    lab.finish();
}
