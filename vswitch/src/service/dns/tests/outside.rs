//! Queries that are forwarded, to servers that the tests play.

use std::{
    net::UdpSocket as Udp,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use super::{super::testing::query_edns, *};

/// A server outside: it gives each query to `reply` and sends the datagrams that this makes of it, until it is dropped.
struct Upstream {
    at: SocketAddr,
    asked: mpsc::Receiver<(Vec<u8>, SocketAddr)>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    fn new(reply: impl Fn(Message) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = Udp::bind((own_address(), 0)).unwrap();
        let at = socket.local_addr().unwrap();
        let (tell, asked) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut query = [0; 4096];
            loop {
                let (length, peer) = socket.recv_from(&mut query).unwrap();
                if length == 0 {
                    return;
                }
                let query = &query[..length];
                for datagram in reply(Message::from_vec(query).unwrap()) {
                    socket.send_to(&datagram, peer).unwrap();
                }
                if tell.send((query.to_vec(), peer)).is_err() {
                    return;
                }
            }
        });
        Self {
            at,
            asked,
            thread: Some(thread),
        }
    }

    fn silent() -> Self {
        Self::new(|_| vec![])
    }

    /// One that answers with this code and no records.
    fn saying(code: ResponseCode) -> Self {
        Self::new(move |query| vec![bytes(response(query, code))])
    }

    fn asked(&self) -> (Vec<u8>, SocketAddr) {
        self.asked.recv_timeout(SOON).unwrap()
    }

    fn was_asked(&self) -> bool {
        self.asked.try_recv().is_ok()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        Udp::bind("127.0.0.1:0")
            .unwrap()
            .send_to(&[], self.at)
            .unwrap();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

fn response(query: Message, code: ResponseCode) -> Message {
    let mut response = query.into_response();
    response.metadata.recursion_available = true;
    response.metadata.response_code = code;
    response
}

fn bytes(message: Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

fn outside() -> Vec<u8> {
    query("www.Example.com", RecordType::A)
}

/// Short waits.
fn limits() -> Limits {
    Limits {
        server: Duration::from_millis(150),
        ..Limits::default()
    }
}

fn code(reply: &Message) -> ResponseCode {
    reply.metadata.response_code
}

#[test]
fn a_query_goes_on_as_it_came_under_another_id_and_from_another_port() {
    let upstream = Upstream::saying(ResponseCode::NoError);
    let server = Server::new(vec![upstream.at], Limits::default());
    let query = query_edns("www.Example.com", RecordType::TXT, 1400);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let reply = server.ask_udp(&query);
        assert_eq!(
            (reply.metadata.id, code(&reply)),
            (0x1234, ResponseCode::NoError)
        );
        let (sent, peer) = upstream.asked();
        assert_eq!(sent[2..], query[2..], "as it came");
        seen.insert((sent[..2].to_vec(), peer.port()));
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
    let ids: std::collections::BTreeSet<_> = seen.iter().map(|(id, _)| id).collect();
    assert!(ids.len() > 6, "random IDs: {ids:?}");
}

#[test]
fn the_next_server_is_asked_after_silence_servfail_and_refused() {
    let silent = Upstream::silent();
    let failing = Upstream::saying(ResponseCode::ServFail);
    let refusing = Upstream::saying(ResponseCode::Refused);
    let good = Upstream::saying(ResponseCode::NXDomain);
    let closed = SocketAddr::from((own_address(), 9));
    for bad in [vec![silent.at, failing.at], vec![refusing.at, closed]] {
        let servers = [bad.clone(), vec![good.at]].concat();
        let server = Server::new(servers, limits());
        assert_eq!(code(&server.ask_udp(&outside())), ResponseCode::NXDomain);
        let server = Server::new(bad, limits());
        assert_eq!(code(&server.ask_udp(&outside())), ResponseCode::ServFail);
    }
    for asked in [&silent, &failing, &refusing, &good] {
        asked.asked();
    }
}

#[test]
fn any_other_answer_is_the_answer() {
    let second = Upstream::saying(ResponseCode::NoError);
    for said in [
        ResponseCode::NXDomain,
        ResponseCode::FormErr,
        ResponseCode::NotImp,
        ResponseCode::YXDomain,
    ] {
        let first = Upstream::saying(said);
        let server = Server::new(vec![first.at, second.at], Limits::default());
        assert_eq!(code(&server.ask_udp(&outside())), said);
    }
    assert!(!second.was_asked());
}

#[test]
fn a_known_name_is_not_asked_for_outside() {
    let upstream = Upstream::saying(ResponseCode::NXDomain);
    let server = Server::new(vec![upstream.at], Limits::default());
    for kind in [RecordType::A, RecordType::AAAA, RecordType::MX] {
        assert_eq!(
            code(&server.ask_udp(&query("web", kind))),
            ResponseCode::NoError
        );
    }
    assert!(!upstream.was_asked());
}

#[test]
fn only_the_reply_to_this_query_is_believed() {
    let forged = |query: &Message| {
        let good = response(query.clone(), ResponseCode::NXDomain);
        let mut wrong_id = good.clone();
        wrong_id.metadata.id = wrong_id.metadata.id.wrapping_add(1);
        let mut wrong_name = good.clone();
        wrong_name.queries[0] = testing::message("evil.example", RecordType::A).queries[0].clone();
        let mut wrong_type = good.clone();
        wrong_type.queries[0].query_type = RecordType::AAAA;
        let mut no_question = good.clone();
        no_question.queries.clear();
        let forged = [wrong_id, wrong_name, wrong_type, no_question, query.clone()];
        let mut datagrams: Vec<_> = forged.map(bytes).into();
        datagrams.extend([b"x".to_vec(), vec![0xff; 100]]);
        datagrams
    };
    let upstream = Upstream::new(move |query| {
        let mut datagrams = forged(&query);
        // The right one last; its name may differ in case.
        let mut right = response(query, ResponseCode::NoError);
        right.queries[0].name = right.queries[0].name.to_lowercase();
        datagrams.push(bytes(right));
        datagrams
    });
    let server = Server::new(vec![upstream.at], Limits::default());
    assert_eq!(code(&server.ask_udp(&outside())), ResponseCode::NoError);
    // From another address: the kernel keeps it away.
    let silent = Upstream::silent();
    let server = Server::new(vec![silent.at], limits());
    let client = server.udp();
    client.send(&outside()).unwrap();
    let (query, peer) = silent.asked();
    let query = Message::from_vec(&query).unwrap();
    let stranger = Udp::bind("127.0.0.1:0").unwrap();
    let forged = bytes(response(query, ResponseCode::NXDomain));
    stranger.send_to(&forged, peer).unwrap();
    let mut reply = [0; 512];
    let length = client.recv(&mut reply).unwrap();
    let reply = Message::from_vec(&reply[..length]).unwrap();
    assert_eq!(code(&reply), ResponseCode::ServFail);
}

#[test]
fn a_reply_that_is_too_long_or_truncated_reaches_the_client_with_tc() {
    let long = Upstream::new(|query| {
        let mut bytes = bytes(response(query, ResponseCode::NoError));
        bytes.resize(5000, 0);
        vec![bytes]
    });
    let server = Server::new(vec![long.at], Limits::default());
    let client = server.udp();
    for query in [
        outside(),
        query_edns("www.Example.com", RecordType::A, 4096),
    ] {
        client.send(&query).unwrap();
        let mut reply = [0; 8192];
        let length = client.recv(&mut reply).unwrap();
        assert!(length < 100, "{length}");
        let reply = Message::from_vec(&reply[..length]).unwrap();
        assert!(reply.metadata.truncation && reply.metadata.id == 0x1234);
    }
    let truncated = Upstream::new(|query| {
        let mut response = response(query, ResponseCode::NoError);
        response.metadata.truncation = true;
        vec![bytes(response)]
    });
    let server = Server::new(vec![truncated.at], Limits::default());
    assert!(server.ask_udp(&outside()).metadata.truncation);
}

#[test]
fn who_came_by_tcp_is_served_by_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let upstream = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let query = read_reply(&mut client);
        let wrong = bytes(response(
            testing::message("evil.example", RecordType::A),
            ResponseCode::NoError,
        ));
        let mut right = bytes(response(query, ResponseCode::NXDomain));
        // More than any datagram.
        right.resize(60_000, 0);
        client.write_all(&framed(&wrong)).unwrap();
        client.write_all(&framed(&right)).unwrap();
    });
    let server = Server::new(vec![at], Limits::default());
    let mut client = server.tcp();
    client.write_all(&framed(&outside())).unwrap();
    let mut length = [0; 2];
    client.read_exact(&mut length).unwrap();
    assert_eq!(u16::from_be_bytes(length), 60_000);
    upstream.join().unwrap();
}

#[test]
fn without_a_server_outside_it_is_servfail_at_once() {
    let server = Server::new(vec![], Limits::default());
    assert_eq!(code(&server.ask_udp(&outside())), ResponseCode::ServFail);
    assert_eq!(code(&server.ask_tcp(&outside())), ResponseCode::ServFail);
}

#[test]
fn nothing_is_forwarded_to_where_we_listen() {
    let upstream = Upstream::saying(ResponseCode::NXDomain);
    let (udp, tcp) = gateway_sockets(&[own_address().into()], 0).unwrap();
    let gateway = udp[0].local_addr().unwrap();
    let server = Server::new(vec![gateway, upstream.at], Limits::default());
    let begun = Instant::now();
    let who = Who::Network(id(101), vec!["127.0.0.0/8".parse().unwrap()]);
    let service = server.dns.serve(udp, tcp, &who).unwrap();
    assert_eq!(code(&server.ask_udp(&outside())), ResponseCode::NXDomain);
    assert!(begun.elapsed() < Limits::default().server);
    assert_eq!(server.dns.0.forwarder.servers(), [upstream.at]);
    drop(service);
    assert_eq!(server.dns.0.forwarder.servers(), [gateway, upstream.at]);
}

#[test]
fn too_many_at_once_are_refused_and_one_querier_leaves_room_for_others() {
    let silent = Upstream::silent();
    let limits = Limits {
        forwards: 6,
        forwards_each: 4,
        ..Limits::default()
    };
    let server = Server::new(vec![silent.at], limits);
    let client = server.udp();
    let mut reply = [0; 512];
    for _ in 0..4 {
        client.send(&outside()).unwrap();
        silent.asked();
    }
    client.send(&outside()).unwrap();
    let length = client.recv(&mut reply).unwrap();
    let refused = Message::from_vec(&reply[..length]).unwrap();
    assert_eq!(code(&refused), ResponseCode::Refused);
    assert!(is_web(&server.ask_udp(&web())), "names are still answered");
    // Another one has room for two, then all places are taken.
    let other = Querier::Sandbox(id(2));
    let asked = |querier| server.dns.ask(&outside(), querier, Transport::UDP);
    let waiting = [asked(&other), asked(&other)];
    let refused = server.dns.0.runtime.block_on(asked(&other)).unwrap();
    let refused = Message::from_vec(&refused).unwrap();
    assert_eq!(code(&refused), ResponseCode::Refused);
    // Who gives up gives the place back.
    drop(waiting);
    let waiting = asked(&other);
    let spawned = server.dns.0.runtime.spawn(waiting);
    silent.asked();
    spawned.abort();
}

#[test]
fn a_service_that_ends_gives_up_what_it_forwards() {
    let silent = Upstream::silent();
    let mut server = Server::new(vec![silent.at], Limits::default());
    let (client, mut guest) = (server.udp(), server.tcp());
    client.send(&outside()).unwrap();
    silent.asked();
    guest.write_all(&framed(&outside())).unwrap();
    drop(server.service.take());
    gateway_sockets(&[server.at.ip()], server.at.port()).unwrap();
}
