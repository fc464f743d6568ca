//! Beyond the host, through the daemon and the command line: published ports, and the way out.

use serde_json::Value;
use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};
use vswitch_tests::{Lab, Must as _, Outside, Sandbox, daemon, deadline::SOON, eventually, icmp};

const LOCAL: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// What the web server of the tests has to say.
const PAGE: &str = "from inside";

/// Asks a web server for the page; the answer's body.
fn get(from: &Sandbox, to: SocketAddr) -> io::Result<String> {
    from.run(|| {
        let mut stream = TcpStream::connect_timeout(&to, SOON)?;
        stream.set_read_timeout(Some(SOON))?;
        stream.write_all(b"GET /page HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.rsplit("\r\n").next().unwrap_or_default().to_owned())
    })
}

/// Sends a datagram and waits for the echo.
#[track_caller]
fn echo(from: &Sandbox, to: SocketAddr) {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let client = from.run(|| UdpSocket::bind((any, 0))).must("a client");
    client.set_read_timeout(Some(SOON)).must("a timeout");
    client.send_to(b"hello", to).must("send");
    let mut room = [0; 64];
    let (length, by) = client.recv_from(&mut room).must("the echo");
    assert_eq!((&room[..length], by), (&b"hello"[..], to));
}

/// The ports of the host that an endpoint has, by those of the sandbox.
fn ports(lab: &Lab, name: &str) -> Value {
    lab.json(&["sandbox", "inspect", name])[0]["interfaces"][0]["publish"].clone()
}

#[test]
fn run_publishes_for_the_host_for_other_hosts_and_for_itself() {
    let outside = Outside::start();
    let lab = outside.lab(false);
    lab.subnet("lan", 1, &["gateway=host"]);
    let before = lab.fingerprint();
    let pages = tempfile::tempdir().must("a directory");
    fs::write(pages.path().join("page"), PAGE).must("a page");
    let directory = pages.path().to_string_lossy();
    let words = [
        "run",
        "--network",
        "lan",
        "--name",
        "web",
        "-p",
        "8080:8000",
        "--",
        "busybox",
        "httpd",
        "-f",
        "-p",
        "8000",
        "-h",
        &directory,
    ];
    let mut child = lab.command(&words).spawn().must("run");
    let host = outside.host();
    eventually(SOON, "the server answers", || {
        get(host, SocketAddr::new(LOCAL[0], 8080))
            .ok()
            .filter(|page| page == PAGE)
    });
    let web = Sandbox::open("web", lab.netns_path("web").as_ref(), None);
    let gateways: [IpAddr; 2] = [[198, 18, 1, 1].into(), "2001:2:0:1::1".parse().must("one")];
    let own = [host.ip4(), host.ip6()];
    let reached = (LOCAL.iter().chain(&gateways).chain(&own))
        .map(|ip| (host, *ip))
        // From another host, and from the sandbox itself, by the gateway and by the host's other addresses.
        .chain(own.map(|ip| (outside.station(), ip)))
        .chain(gateways.into_iter().chain(own).map(|ip| (&web, ip)));
    for (from, ip) in reached {
        let page = get(from, SocketAddr::new(ip, 8080));
        assert_eq!(page.must(&format!("{ip} from {}", from.name)), PAGE);
    }
    drop(web);
    daemon::terminate(child.id());
    child.wait().must("its end");
    let refused = get(host, SocketAddr::new(LOCAL[0], 8080)).map_err(|error| error.kind());
    assert_eq!(refused, Err(io::ErrorKind::ConnectionRefused));
    lab.unchanged(&before, "run");
    lab.finish();
}

#[test]
fn a_port_that_is_taken_is_refused_at_once_and_nothing_is_left() {
    let outside = Outside::start();
    let lab = outside.lab(false);
    lab.subnet("lan", 1, &["gateway=host"]);
    for name in ["a", "b"] {
        lab.sandbox(name);
    }
    lab.connect("lan", "a", &["--publish", "8080:80"]);
    let taken = outside
        .host()
        .run(|| TcpListener::bind("0.0.0.0:9002"))
        .must("a listener");
    for (publish, port) in [("8080:81", "8080"), ("9000-9003:80-83", "9002")] {
        let connect = ["network", "connect", "lan", "b", "--publish", publish];
        lab.refuses(&connect, &[port, "tcp"]);
        lab.refuses(
            &["run", "--network", "lan", "-p", publish, "--", "true"],
            &[port, "tcp"],
        );
    }
    drop(taken);
    // Nothing of the refused ones is held.
    lab.connect("lan", "b", &["--publish", "9000-9003:80-83"]);
    lab.cli(&["network", "disconnect", "lan", "a"]).done();
    let free = outside.host().run(|| TcpListener::bind("0.0.0.0:8080"));
    free.must("the port is free again");
    lab.finish();
}

#[test]
fn ranges_of_udp_ports_echo_in_both_families() {
    let outside = Outside::start();
    let lab = outside.lab(false);
    lab.subnet("lan", 1, &["gateway=host"]);
    let server = lab.sandbox("server");
    let nic = lab.connect("lan", "server", &["--publish", "9000-9003:7000-7003/udp"]);
    let server = server.with(nic);
    for offset in 0..4 {
        let socket = server.run(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 7000 + offset)));
        let socket = socket.must("a server");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut room = [0; 64];
                for _ in 0..2 {
                    let (length, from) = socket.recv_from(&mut room).must("a datagram");
                    socket.send_to(&room[..length], from).must("the echo");
                }
            });
            for ip in [outside.host().ip4(), outside.host().ip6()] {
                echo(outside.station(), SocketAddr::new(ip, 9000 + offset));
            }
        });
    }
    assert_eq!(ports(&lab, "server").as_array().must("a list").len(), 4);
    lab.finish();
}

#[test]
fn what_leaves_a_bridge_network_has_the_hosts_address_and_internal_ones_have_no_way() {
    let outside = Outside::start();
    let lab = outside.lab(false);
    lab.subnet("lan", 1, &["gateway=host"]);
    let inside = lab.join("lan", "inside");
    lab.cli(&[
        "network",
        "create",
        "vault",
        "--internal",
        "--subnet",
        "198.18.2.0/24",
    ])
    .done();
    let locked = lab.join("vault", "locked");
    for (target, seen) in [
        (outside.ip4(), outside.host().ip4()),
        (outside.ip6(), outside.host().ip6()),
    ] {
        icmp::answers(&inside, &[target]);
        let server = outside.station().run(|| UdpSocket::bind((target, 7)));
        let server = server.must("a server");
        server.set_read_timeout(Some(SOON)).must("a timeout");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut room = [0; 64];
                let (length, from) = server.recv_from(&mut room).must("a datagram");
                assert_eq!(from.ip(), seen);
                server.send_to(&room[..length], from).must("the echo");
            });
            echo(&inside, SocketAddr::new(target, 7));
        });
    }
    let quiet = Duration::from_millis(300);
    assert_eq!(icmp::first_answer(&locked, outside.ip4(), quiet), None);
    lab.finish();
}
