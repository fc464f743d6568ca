//! Published ports, `docker run -p`.

use super::lab;
use std::{
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
};
use vswitch::sys::Netns;
use vswitch_tests::{Docker, Must as _, deadline::SOON, eventually};

/// What a server in a container says to everybody.
pub(super) const SERVER: &str = "while true; do echo hello | nc -l -p 80; done";

/// Connects from a namespace, and gives what is said there; nothing while nobody listens.
pub(super) fn fetch(from: &Netns, to: &str) -> Option<String> {
    let to: SocketAddr = to.parse().must(to);
    let stream = from.run(|| TcpStream::connect_timeout(&to, SOON));
    let mut stream = stream.must("the host's namespace").ok()?;
    stream.set_read_timeout(Some(SOON)).must("a timeout");
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    (!said.is_empty()).then_some(said)
}

#[test]
fn ports_are_published_while_the_container_runs() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create(
        "lan",
        &["--ipv6", "--subnet=198.18.7.0/24", "--subnet=2001:2:7::/64"],
    );
    let options = [
        "-p",
        "8080:80",
        "-p",
        "127.0.0.1:8081:80",
        "--network",
        "lan",
    ];
    let run = ["run", "-d", "--name", "web"];
    docker.done(&[&run[..], &options, &["bb", "sh", "-c", SERVER]].concat());
    for to in ["127.0.0.1:8080", "[::1]:8080", "127.0.0.1:8081"] {
        let said = eventually(SOON, to, || fetch(lab.host(), to));
        assert_eq!(said, "hello\n", "{to}");
    }
    assert_eq!(fetch(lab.host(), "[::1]:8081"), None);
    // A container reaches it at the gateway's address.
    let gateway = ["nc", "198.18.7.1", "8080"];
    let other = [&["run", "--rm", "--network", "lan", "bb"][..], &gateway].concat();
    assert_eq!(docker.run(&other).ok(), "hello");
    docker.done(&["stop", "-t", "0", "web"]);
    assert_eq!(fetch(lab.host(), "127.0.0.1:8080"), None);
    docker.done(&["start", "web"]);
    eventually(SOON, "the same again", || {
        fetch(lab.host(), "127.0.0.1:8080")
    });
    docker.finish();
    assert_eq!(fetch(lab.host(), "127.0.0.1:8080"), None);
    lab.finish();
}

#[test]
fn datagrams_are_echoed() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create("lan", &["--subnet=198.18.7.0/24"]);
    let echo = docker.container("echo", "lan", &["-p", "5300:5353/udp"]);
    let server = echo
        .run(|| UdpSocket::bind("0.0.0.0:5353"))
        .must("a server");
    server.set_read_timeout(Some(SOON)).must("a timeout");
    let socket = lab.host().run(|| UdpSocket::bind("127.0.0.1:0"));
    let socket = socket.must("the host's namespace").must("a socket");
    socket.set_read_timeout(Some(SOON)).must("a timeout");
    socket.connect("127.0.0.1:5300").must("a route");
    for number in 0..10_u8 {
        let mut heard = [0; 16];
        socket.send(&[number; 9]).must("send");
        let (length, from) = server.recv_from(&mut heard).must("what was sent");
        server.send_to(&heard[..length], from).must("send back");
        let length = socket.recv(&mut heard).must("an echo");
        assert_eq!(&heard[..length], &[number; 9]);
    }
    docker.finish();
    lab.finish();
}

#[test]
fn a_port_that_is_taken_is_refused_and_the_next_of_a_range_is_taken() {
    let lab = lab();
    let docker = Docker::start(&lab);
    docker.create("lan", &["--subnet=198.18.7.0/24"]);
    let taken = lab.host().run(|| TcpListener::bind("127.0.0.1:8080"));
    let taken = taken.must("the host's namespace").must("a port");
    let run = ["run", "-d", "--network", "lan", "--name"];
    let refused = [&run[..], &["one", "-p", "8080:80", "bb"]].concat();
    docker.refuses(&refused, &["remote: ", "8080"]);
    docker.done(&["rm", "-f", "one"]);
    let server = ["bb", "sh", "-c", SERVER];
    let range = [&run[..], &["two", "-p", "8080-8082:80"], &server].concat();
    docker.done(&range);
    eventually(SOON, "the second of the range", || {
        fetch(lab.host(), "127.0.0.1:8081")
    });
    assert_eq!(fetch(lab.host(), "127.0.0.1:8082"), None);
    drop(taken);
    docker.done(&[&run[..], &["one", "-p", "8080:80"], &server].concat());
    eventually(SOON, "the port that is free again", || {
        fetch(lab.host(), "127.0.0.1:8080")
    });
    docker.refuses(
        &[&run[..], &["six", "-p", "99:99/sctp", "bb"]].concat(),
        &["sctp"],
    );
    docker.finish();
    lab.finish();
}
