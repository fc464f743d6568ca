//! DHCP on the LAN: `dnsmasq` on a station, and `udhcpc` as the ordinary client.
//!
//! The client is told what to do with its lease by a script of ours, which sets the address and touches no file:
//! a sandbox without a mount namespace would else write the host's `resolv.conf`.

use super::IFNAME;
use crate::{Must, Output, Sandbox, deadline::SOON, sandbox::command_of};
use std::{
    fs,
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    process::{Child, Stdio},
    sync::mpsc,
    thread,
};
use tempfile::TempDir;

/// A running server; it leases 198.18.7.150 and the 49 above.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// Its leases.
    dir: TempDir,
}

impl Server {
    /// Starts it on a station.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    #[must_use]
    pub fn start(station: &Sandbox) -> Self {
        let dir = tempfile::tempdir().must("a directory");
        let leases = format!("--dhcp-leasefile={}", dir.path().join("leases").display());
        let interface = format!("--interface={IFNAME}");
        let user = format!("--user={}", user());
        let words = [
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--pid-file=",
            "--log-facility=-",
            "--log-dhcp",
            // No DNS.
            "--port=0",
            "--bind-interfaces",
            &interface,
            &user,
            "--group=",
            "--no-ping",
            "--dhcp-authoritative",
            "--dhcp-range=198.18.7.150,198.18.7.199,255.255.255.0,1h",
            &leases,
        ];
        let mut command = command_of(&words);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut process = station.spawn(&mut command);
        let stderr = BufReader::new(process.stderr.take().must("dnsmasq's stderr"));
        let (ready, started) = mpsc::channel();
        thread::spawn(move || {
            let mut said = String::new();
            for line in stderr.lines().map_while(Result::ok) {
                let bound = line.contains("sockets bound") || line.contains("IP range");
                said = said + &line + "\n";
                if bound {
                    // Nobody listens after the first.
                    let _heard = ready.send(Ok(()));
                }
            }
            let _heard = ready.send(Err(said));
        });
        match started.recv_timeout(SOON) {
            Ok(Ok(())) => {}
            Ok(Err(said)) => panic!("dnsmasq ended: {said}"),
            Err(error) => panic!("dnsmasq: {error}"),
        }
        Self { process, dir }
    }

    /// The leases so far: MAC address and IP address.
    #[must_use]
    pub fn leases(&self) -> Vec<(String, Ipv4Addr)> {
        let text = fs::read_to_string(self.dir.path().join("leases")).unwrap_or_default();
        (text.lines())
            .filter_map(|line| {
                let mut words = line.split(' ').skip(1);
                Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
            })
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Whose name the server keeps: in a user namespace there is no other.
fn user() -> String {
    let output = command_of(&["id", "-un"]).output().must("id");
    Output::new("id -un".to_owned(), &output).ok().to_owned()
}

/// What `udhcpc` does with a lease.
const SCRIPT: &str = r#"#!/bin/sh
case "$1" in
    bound|renew)
        ip address replace "$ip/${mask:-24}" dev "$interface"
        [ -z "$router" ] || ip route replace default via "${router%% *}" dev "$interface"
        ;;
esac
"#;

/// Asks for an address as an ordinary host does, and sets it.
///
/// # Panics
/// When none is given.
#[track_caller]
pub fn request(client: &Sandbox) -> Ipv4Addr {
    let dir = tempfile::tempdir().must("a directory");
    let script = dir.path().join("script");
    fs::write(&script, SCRIPT).must("the script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).must("the script");
    let script = script.display().to_string();
    let words = [
        "udhcpc",
        "-i",
        &client.nic().ifname,
        "-f",
        "-q",
        "-n",
        "-t",
        "10",
        "-T",
        "1",
        "-s",
        &script,
    ];
    let output = client.exec(&words);
    output.done();
    let said = output.stdout + &output.stderr;
    // "lease of 198.18.7.150 obtained", in all its versions.
    let lease = said.split("ease of ").nth(1).must(&said);
    lease
        .split([' ', ','])
        .next()
        .must("an address")
        .parse()
        .must(lease)
}
