//! The server at real sockets of the loopback interface, with real clients.

mod flood;
mod outside;
mod stream;

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    sync::atomic::{AtomicU16, Ordering},
    time::Instant,
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};
use socket2::{Domain, Socket, Type};
use tokio::runtime::Runtime;

use super::{
    testing::{addresses, directory, id, query, sandbox, station, zone},
    *,
};
use crate::control::{ErrorKind, sandbox::Place};

/// Longest wait for something that has to happen.
const SOON: Duration = Duration::from_secs(5);

/// Sandbox 1 is `web`, at an address of the loopback interface too, so that it can ask by that.
fn world() -> Directory {
    directory([zone(
        "front",
        [
            station(1, "web", &["www"], &["198.18.0.1", "2001:2::1"]),
            station(2, "local", &[], &["127.0.0.1"]),
        ],
    )])
}

/// A server with a runtime of its own, which ends with it.
struct Server {
    dns: Dns,
    at: SocketAddr,
    service: Option<Service>,
    _runtime: Runtime,
}

impl Server {
    /// One that serves sandbox 1 at a port of the loopback interface.
    fn new(upstreams: Vec<SocketAddr>, limits: Limits) -> Self {
        Self::of(&Who::Sandbox(id(1)), upstreams, limits)
    }

    fn of(who: &Who, upstreams: Vec<SocketAddr>, limits: Limits) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let upstreams = Upstreams::Fixed(upstreams);
        let dns = Dns::with_limits(runtime.handle().clone(), upstreams, limits);
        dns.tell(world());
        let (udp, tcp) = gateway_sockets(&[own_address().into()], 0).unwrap();
        let at = udp[0].local_addr().unwrap();
        assert_eq!(tcp[0].local_addr().unwrap(), at);
        let service = dns.serve(udp, tcp, who).unwrap();
        Self {
            dns,
            at,
            service: Some(service),
            _runtime: runtime,
        }
    }

    fn udp(&self) -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(self.at).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        client
    }

    fn tcp(&self) -> TcpStream {
        let client = TcpStream::connect(self.at).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        client
    }

    fn ask_udp(&self, query: &[u8]) -> Message {
        let client = self.udp();
        client.send(query).unwrap();
        let mut reply = [0; 8192];
        let length = client.recv(&mut reply).unwrap();
        Message::from_vec(&reply[..length]).unwrap()
    }

    fn ask_tcp(&self, query: &[u8]) -> Message {
        let mut client = self.tcp();
        client.write_all(&framed(query)).unwrap();
        read_reply(&mut client)
    }
}

/// An address of the loopback network that no other test uses: all its ports are free, and stay so.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(0x0300);
    let [third, fourth] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 0, third, fourth)
}

/// A connection from an address of the loopback network that no other test uses: its port is taken from nobody.
fn connect_from(address: Ipv4Addr, at: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((address, 0)).into()).unwrap();
    socket.connect(&at.into()).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket.into()
}

fn framed(query: &[u8]) -> Vec<u8> {
    forward::framed(query).unwrap()
}

fn read_reply(client: &mut TcpStream) -> Message {
    let mut length = [0; 2];
    client.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    client.read_exact(&mut reply).unwrap();
    Message::from_vec(&reply).unwrap()
}

/// Whether the server closed the connection, within the client's time.
fn is_closed(client: &mut TcpStream) -> bool {
    match client.read(&mut [0]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn web() -> Vec<u8> {
    query("web", RecordType::A)
}

fn is_web(reply: &Message) -> bool {
    addresses(reply) == ["198.18.0.1".parse::<IpAddr>().unwrap()]
}

#[test]
fn a_name_is_answered_by_udp_and_tcp() {
    let server = Server::new(vec![], Limits::default());
    assert!(is_web(&server.ask_udp(&web())));
    assert!(is_web(&server.ask_tcp(&web())));
}

#[test]
fn the_answer_changes_with_what_is_told() {
    let server = Server::new(vec![], Limits::default());
    server.dns.tell(Directory::default());
    let reply = server.ask_udp(&web());
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    server.dns.tell(world());
    assert!(is_web(&server.ask_udp(&web())));
}

#[test]
fn who_asks_at_a_gateway_is_told_apart_by_address() {
    let server = Server::of(
        &Who::Network(id(101), vec!["127.0.0.0/8".parse().unwrap()]),
        vec![],
        Limits::default(),
    );
    // By the loopback address it is sandbox 2, which gets a second network.
    let mut told = world();
    let second = zone(
        "second",
        [
            station(2, "local", &[], &[]),
            station(3, "far", &[], &["198.18.1.3"]),
        ],
    );
    told.zones.insert(id(200), second);
    server.dns.tell(told);
    for reply in [
        server.ask_udp(&query("far", RecordType::A)),
        server.ask_tcp(&query("far", RecordType::A)),
    ] {
        assert_eq!(addresses(&reply), ["198.18.1.3".parse::<IpAddr>().unwrap()]);
    }
}

#[test]
fn a_gateway_that_brings_queries_itself_gets_the_same_answers() {
    let server = Server::new(vec![], Limits::default());
    let ask = |query: &[u8], querier| {
        let asked = server.dns.ask(query, &querier, Transport::UDP);
        server.dns.0.runtime.block_on(asked)
    };
    let reply = ask(&web(), sandbox(1)).unwrap();
    assert!(is_web(&Message::from_vec(&reply).unwrap()));
    let reply = ask(
        &web(),
        Querier::Address(id(101), "198.18.0.9".parse().unwrap()),
    )
    .unwrap();
    assert!(is_web(&Message::from_vec(&reply).unwrap()));
    assert_eq!(ask(b"", sandbox(1)), None);
}

#[test]
fn a_service_that_was_dropped_has_let_go_of_its_address() {
    let mut server = Server::new(vec![], Limits::default());
    let mut guest = server.tcp();
    guest.write_all(&framed(&web())).unwrap();
    assert!(is_web(&read_reply(&mut guest)));
    for _ in 0..20 {
        drop(server.service.take());
        let (udp, tcp) = gateway_sockets(&[server.at.ip()], server.at.port()).unwrap();
        let who = Who::Sandbox(id(1));
        server.service = Some(server.dns.serve(udp, tcp, &who).unwrap());
    }
    assert!(is_closed(&mut guest), "guests go with the service");
    assert!(is_web(&server.ask_udp(&web())));
    assert!(is_web(&server.ask_tcp(&web())));
}

#[test]
fn an_address_that_another_server_has_is_a_conflict_in_one_line() {
    let server = Server::new(vec![], Limits::default());
    let error = gateway_sockets(&[server.at.ip()], server.at.port()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains(&server.at.to_string()), "{error}");
    assert!(error.message.contains("ss -lntup"), "{error}");
}

#[test]
fn an_address_that_is_not_there_yet_can_be_served() {
    let unknown = [
        "198.18.255.254".parse().unwrap(),
        "2001:2::fe".parse().unwrap(),
    ];
    let (udp, tcp) = gateway_sockets(&unknown, 0).unwrap();
    assert_eq!((udp.len(), tcp.len()), (2, 2));
}

#[test]
fn addresses_of_both_families_are_served() {
    let server = Server::new(vec![], Limits::default());
    // The port that UDP chose may be taken for TCP.
    let loopback = [Ipv6Addr::LOCALHOST.into()];
    let mut tries = (0..20).map(|_| gateway_sockets(&loopback, 0));
    let (udp, tcp) = tries.find_map(Result::ok).unwrap();
    let at = udp[0].local_addr().unwrap();
    let _service = server.dns.serve(udp, tcp, &Who::Sandbox(id(1))).unwrap();
    let mut client = TcpStream::connect(at).unwrap();
    client.write_all(&framed(&web())).unwrap();
    assert!(is_web(&read_reply(&mut client)));
}

#[test]
fn a_sandbox_whose_namespace_became_another_is_not_found() {
    let own = Netns::current().unwrap().id().unwrap();
    let mut home = Home {
        place: Place::Pid(std::process::id()),
        netns: Some(crate::sys::NetnsId {
            ino: own.ino + 1,
            ..own
        }),
    };
    let error = sockets_in(&home, RESOLVER, 0).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    home.place = Place::Path("/nonexistent/x".into());
    let error = sockets_in(&home, RESOLVER, 0).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}
