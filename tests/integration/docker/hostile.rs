//! A hundred thousand requests with something wrong in them, to the socket that the engine talks to: an error each, or one
//! that means nothing new; no panic, and nothing changed.
//!
//! They are requests as the engine sends them, of a network and a container that are there, each with one mutation. What is
//! sent is chosen such that none becomes a good request by a single change: it repeats what was done already, or is about
//! somebody who does not exist, or has two faults.

use super::{agree, lab, pings};
use std::{
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};
use vswitch_tests::{Docker, Must as _, deadline::SOON, pattern::Pattern};

const REQUESTS: u64 = 100_000;
const THREADS: u64 = 4;

/// What a value may become.
const TOKENS: [&str; 20] = [
    "null",
    "true",
    "-1",
    "65536",
    "1e999",
    "18446744073709551616",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"../../etc/passwd\"",
    "\"0.0.0.0/0\"",
    "\"198.18.7.1/33\"",
    "\"::\"",
    "\"ff:ff:ff:ff:ff:ff\"",
    "[]",
    "{}",
    "[[[[[[[[",
    "{\"NetworkID\":",
    "\u{fffd}",
    "\"a\\nb\"",
];

/// Method and body.
fn requests(network: &str, endpoint: &str, sandbox: &str) -> Vec<(String, String)> {
    let nobody = "0".repeat(64);
    let to = |network: &str, endpoint: &str, more: &str| {
        format!(r#"{{"NetworkID":"{network}","EndpointID":"{endpoint}"{more}}}"#)
    };
    let ports = r#","Options":{"com.docker.network.portmap":[{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8080,"HostPortEnd":8080}]}"#;
    // Its address is the gateway's: for another endpoint it would be refused.
    let interface = r#","Interface":{"Address":"198.18.7.1/24","AddressIPv6":"","MacAddress":"02:42:c6:12:07:02"},"Options":{"offload":"on"}"#;
    let join = format!(r#","SandboxKey":"{sandbox}","Options":{{}}"#);
    let network_driver = [
        // The network is there, and no other could have its subnet.
        (
            "CreateNetwork",
            format!(
                r#"{{"NetworkID":"{network}","Options":{{"com.docker.network.enable_ipv6":false,"com.docker.network.generic":{{"mtu":"1500"}}}},"IPv4Data":[{{"AddressSpace":"LocalDefault","AuxAddresses":{{"r":"198.18.7.9/24"}},"Gateway":"198.18.7.1/24","Pool":"198.18.7.0/24"}}],"IPv6Data":[]}}"#
            ),
        ),
        ("DeleteNetwork", format!(r#"{{"NetworkID":"{network}"}}"#)),
        ("CreateEndpoint", to(network, endpoint, interface)),
        ("EndpointOperInfo", to(network, endpoint, "")),
        ("Join", to(network, endpoint, &join)),
        ("Leave", to(network, &nobody, "")),
        ("DeleteEndpoint", to(network, &nobody, "")),
        ("ProgramExternalConnectivity", to(network, &nobody, ports)),
        ("RevokeExternalConnectivity", to(network, &nobody, "")),
        (
            "DiscoverNew",
            r#"{"DiscoveryType":1,"DiscoveryData":{"Address":"198.18.0.1","Self":true}}"#
                .to_owned(),
        ),
        (
            "AllocateNetwork",
            format!(
                r#"{{"NetworkID":"{network}","Options":{{"driver":"overlay"}},"IPv4Data":null}}"#
            ),
        ),
    ];
    let ipam_driver = [
        (
            "RequestPool",
            r#"{"AddressSpace":"l","Pool":"","SubPool":"198.18.9.0/25","Options":{"k":"v"},"V6":false}"#,
        ),
        ("ReleasePool", r#"{"PoolID":"nobody's"}"#),
        (
            "RequestAddress",
            r#"{"PoolID":"nobody's","Address":"198.18.7.3","Options":null}"#,
        ),
        (
            "ReleaseAddress",
            r#"{"PoolID":"nobody's","Address":"198.18.7.2"}"#,
        ),
    ];
    let network_driver =
        network_driver.map(|(method, body)| (format!("/NetworkDriver.{method}"), body));
    let ipam_driver =
        ipam_driver.map(|(method, body)| (format!("/IpamDriver.{method}"), body.to_owned()));
    [network_driver.to_vec(), ipam_driver.to_vec()].concat()
}

/// A place in something of that length.
fn place(dice: &mut Pattern, length: usize) -> usize {
    let bound = u64::try_from(length).must("a length").max(1);
    usize::try_from(dice.below(bound)).must("a place")
}

/// One change somewhere.
fn mutate(dice: &mut Pattern, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = place(dice, bytes.len());
    let end = at + place(dice, bytes.len() - at);
    match dice.below(8) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = u8::try_from(dice.below(256)).must("a byte"),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        5 => {
            let token = TOKENS[place(dice, TOKENS.len())];
            bytes.splice(at..at, token.bytes());
        }
        6 => replace_value(dice, &mut bytes, at),
        7 => {
            let length = usize::try_from(dice.below(5000)).must("a length");
            let byte = bytes[at];
            bytes.splice(at..at, std::iter::repeat_n(byte, length));
        }
        other => panic!("{other} of 8"),
    }
    bytes
}

/// Puts something else in the place of the value behind the next colon.
fn replace_value(dice: &mut Pattern, bytes: &mut Vec<u8>, at: usize) {
    let token = TOKENS[place(dice, TOKENS.len())];
    let find = |bytes: &[u8], from: usize, what: &[u8]| {
        let found = bytes[from..].iter().position(|byte| what.contains(byte));
        found.map_or(bytes.len(), |found| from + found)
    };
    let colon = find(bytes, at, b":");
    let from = (colon + 1).min(bytes.len());
    let end = find(bytes, from, b",}]");
    bytes.splice(from..end, token.bytes());
}

/// Sends all of a request and reads all of the reply; `cut` closes our half after it.
fn exchange(socket: &Path, request: &[u8], cut: bool) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).must("the plugin's socket");
    stream.set_read_timeout(Some(SOON)).must("a timeout");
    stream.set_write_timeout(Some(SOON)).must("a timeout");
    // A server that has heard enough closes.
    let _sent = stream.write_all(request);
    if cut {
        let _closed = stream.shutdown(Shutdown::Write);
    }
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!(
            "neither answered nor closed: {error}\n{}",
            request.escape_ascii()
        ),
    }
    reply
}

/// Whether a reply is an error; it has to be one, or an object.
fn is_error(reply: &[u8], request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(reply);
    let wrong = || format!("{}\n{text}", request.escape_ascii());
    let (head, body) = text.split_once("\r\n\r\n").must(&wrong());
    let body: serde_json::Value = serde_json::from_str(body).must(&wrong());
    assert!(body.is_object(), "{}", wrong());
    let error = body.get("Err").or_else(|| body.get("Error"));
    let said = error.map(|text| text.as_str().must(&wrong()));
    assert!(
        said.is_none_or(|said| !said.contains('\n') && said.contains(": ")),
        "{}",
        wrong()
    );
    assert!(
        head.starts_with("HTTP/1.1 200") || said.is_some(),
        "{}",
        wrong()
    );
    said.is_some()
}

/// Sends a share of the requests; how many were errors.
fn attack(socket: &Path, requests: &[(String, String)], seed: u64) -> u64 {
    let mut dice = Pattern::new(seed);
    let mut errors = 0;
    for _ in 0..REQUESTS / THREADS {
        let (method, body) = &requests[place(&mut dice, requests.len())];
        let with = |method: &str, body: &[u8]| {
            let length = body.len();
            let head = format!(
                "POST {method} HTTP/1.1\r\nHost: plugin\r\nContent-Length: {length}\r\n\r\n"
            );
            [head.as_bytes(), body].concat()
        };
        // One in sixteen is wrong as HTTP, and may be answered by nothing but the end.
        if dice.below(16) == 0 {
            let request = mutate(&mut dice, &with(method, body.as_bytes()));
            errors += 1;
            let _reply = exchange(socket, &request, true);
            continue;
        }
        let body = mutate(&mut dice, body.as_bytes());
        let request = with(method, &body);
        errors += u64::from(is_error(&exchange(socket, &request, false), &request));
    }
    errors
}

#[test]
fn mutated_requests_are_answered_and_change_nothing() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create("lan", &["--subnet=198.18.7.0/24"]);
    let anna = docker.container("anna", "lan", &[]);
    let bert = docker.container("bert", "lan", &[]);
    agree(&lab, &docker, "lan", 2);
    let found = docker.inspect("anna");
    let text = |value: &serde_json::Value| value.as_str().must("text").to_owned();
    let lan = &found["NetworkSettings"]["Networks"]["lan"];
    let requests = requests(
        &text(&lan["NetworkID"]),
        &text(&lan["EndpointID"]),
        &text(&found["NetworkSettings"]["SandboxKey"]),
    );
    let socket: PathBuf = lab.mounts().path("/run/docker/plugins/vswitch.sock");
    // As they are they change nothing either.
    let before = lab.fingerprint();
    for (method, body) in &requests {
        let request = format!(
            "POST {method} HTTP/1.1\r\nContent-Length: {}\r\nHost: x\r\n\r\n{body}",
            body.len()
        );
        is_error(
            &exchange(&socket, request.as_bytes(), false),
            request.as_bytes(),
        );
    }
    lab.unchanged(&before, "what was said before");
    let began = Instant::now();
    let errors: u64 = thread::scope(|scope| {
        let attack = |seed| {
            let (socket, requests) = (&socket, &requests);
            scope.spawn(move || attack(socket, requests, seed))
        };
        let threads: Vec<_> = (1..=THREADS).map(attack).collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .sum()
    });
    println!(
        "{REQUESTS} requests, {errors} errors, {:?}",
        began.elapsed()
    );
    assert!(errors > REQUESTS / 2, "{errors}");
    lab.unchanged(&before, "what was wrong");
    agree(&lab, &docker, "lan", 2);
    pings(&anna, bert.ip4());
    docker.finish();
    lab.finish();
}
