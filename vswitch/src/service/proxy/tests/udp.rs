//! What a published UDP port is like.

use std::{collections::BTreeSet, fs, net::UdpSocket};

use super::*;

fn socket(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

fn client(to: SocketAddr) -> UdpSocket {
    let client = socket(to.ip());
    client.connect(to).unwrap();
    client
}

fn port_of(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

/// A container that listens, and where it is published.
fn published(stage: &Stage) -> (UdpSocket, SocketAddr, Service) {
    let container = socket(V4);
    let (to, service) = stage.publish(Transport::Udp, port_of(&container));
    (container, to, service)
}

/// The next datagram, and who sent it.
#[track_caller]
fn heard(by: &UdpSocket) -> (String, SocketAddr) {
    let mut room = [0; 2000];
    let (length, from) = by.recv_from(&mut room).unwrap();
    (String::from_utf8_lossy(&room[..length]).into_owned(), from)
}

/// A question and its answer; the address that the container sees.
#[track_caller]
fn asks(client: &UdpSocket, container: &UdpSocket, text: &str) -> SocketAddr {
    client.send(text.as_bytes()).unwrap();
    let (question, from) = heard(container);
    assert_eq!(question, text);
    let answer = format!("to {text}");
    container.send_to(answer.as_bytes(), from).unwrap();
    assert_eq!(heard(client).0, answer);
    from
}

/// Whether a socket of this namespace has the port (proc(5)).
fn is_open(address: SocketAddr) -> bool {
    let table = fs::read_to_string("/proc/thread-self/net/udp").unwrap();
    table.contains(&format!("0100007F:{:04X} ", address.port()))
}

#[test]
fn every_client_gets_its_own_answers() {
    let stage = Stage::new();
    let (container, to, _service) = published(&stage);
    let clients: Vec<_> = (0..20).map(|_| client(to)).collect();
    let mut seen = BTreeSet::new();
    for round in 0..3 {
        for (number, client) in clients.iter().enumerate() {
            seen.insert(asks(client, &container, &format!("{round}.{number}")));
        }
    }
    assert_eq!(seen.len(), clients.len());
    // Also those that nobody asked for, to all at once.
    for from in &seen {
        container.send_to(b"news", *from).unwrap();
    }
    for client in &clients {
        assert_eq!(heard(client).0, "news");
    }
}

#[test]
fn an_empty_datagram_is_one_and_a_long_one_is_whole() {
    let stage = Stage::new();
    let (container, to, _service) = published(&stage);
    let client = client(to);
    let mut room = vec![0; 1 << 16];
    for length in [0, 1, 1472, 65_507] {
        let sent: Vec<_> = (0u8..251).cycle().take(length).collect();
        client.send(&sent).unwrap();
        let (length, from) = container.recv_from(&mut room).unwrap();
        assert!(room[..length] == sent);
        container.send_to(&sent, from).unwrap();
        let length = client.recv(&mut room).unwrap();
        assert!(room[..length] == sent);
    }
}

#[test]
fn the_answer_comes_from_the_address_that_was_asked_in_both_families() {
    let stage = Stage::new();
    let container = socket(V4);
    let binding = Binding::parse(&format!("{}/udp", port_of(&container))).unwrap()[0];
    let published = stage.proxies.publish(&binding, &home(), &[V4]);
    let (port, _service) = published.unwrap();
    // A connected client hears nobody else.
    let asker = client(SocketAddr::new(Ipv4Addr::new(127, 0, 0, 77).into(), port));
    asks(&asker, &container, "v4");
    // A container without IPv6 is led to over IPv4.
    asks(&client(SocketAddr::new(V6, port)), &container, "v6");
    // One client, two addresses.
    let both = socket(V4);
    for last in [1, 2] {
        let at = SocketAddr::new(Ipv4Addr::new(127, 0, 0, last).into(), port);
        both.send_to(b"both", at).unwrap();
        let (_, from) = heard(&container);
        container.send_to(b"back", from).unwrap();
        assert_eq!(heard(&both), ("back".to_owned(), at));
    }
}

#[test]
fn what_comes_while_the_way_is_made_waits_in_order() {
    let stage = Stage::new();
    let (container, to, _service) = published(&stage);
    for _ in 0..10 {
        let client = client(to);
        for number in 0..50 {
            client.send(number.to_string().as_bytes()).unwrap();
        }
        for number in 0..50 {
            assert_eq!(heard(&container).0, number.to_string());
        }
    }
}

#[test]
fn a_container_that_does_not_listen_yet_is_not_given_up() {
    let stage = Stage::new();
    let (container, to, _service) = published(&stage);
    let client = client(to);
    let from = asks(&client, &container, "before");
    let address = container.local_addr().unwrap();
    drop(container);
    for _ in 0..3 {
        client.send(b"to nobody").unwrap();
    }
    let container = UdpSocket::bind(address).unwrap();
    container.set_read_timeout(Some(SOON)).unwrap();
    // Some of them may still have been on their way.
    client.send(b"after").unwrap();
    while heard(&container).0 != "after" {}
    container.send_to(b"here", from).unwrap();
    assert_eq!(heard(&client).0, "here");
}

#[test]
fn a_client_that_is_silent_is_forgotten_and_may_come_back() {
    let stage = Stage::with(Limits {
        idle: Duration::from_millis(300),
        ..Limits::default()
    });
    let (container, to, _service) = published(&stage);
    let client = client(to);
    let start = Instant::now();
    let from = asks(&client, &container, "first");
    assert!(is_open(from));
    // The container's words count as well.
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(100));
        container.send_to(b"still here", from).unwrap();
        assert_eq!(heard(&client).0, "still here");
    }
    assert!(start.elapsed() > Duration::from_millis(500));
    eventually("the client is forgotten", || !is_open(from));
    asks(&client, &container, "again");
}

#[test]
fn one_client_too_many_takes_the_place_of_the_most_silent() {
    let stage = Stage::with(Limits {
        flows: 2,
        ..Limits::default()
    });
    let (container, to, _service) = published(&stage);
    let clients = [client(to), client(to), client(to)];
    let pause = || thread::sleep(Duration::from_millis(5));
    let first = asks(&clients[0], &container, "first");
    pause();
    let second = asks(&clients[1], &container, "second");
    pause();
    asks(&clients[0], &container, "first again");
    pause();
    let third = asks(&clients[2], &container, "third");
    eventually("the second is forgotten", || !is_open(second));
    assert!(is_open(first) && is_open(third));
    asks(&clients[1], &container, "second again");
    eventually("the first is forgotten", || !is_open(first));
}

#[test]
fn the_end_of_the_port_ends_its_clients() {
    let stage = Stage::new();
    let (container, to, service) = published(&stage);
    let from = asks(&client(to), &container, "question");
    drop(service);
    eventually("the way is closed", || !is_open(from));
}
