//! Questions and answers, over UDP and TCP.

use smoltcp::socket::tcp;
use vswitch_wire::{FLAG_NEEDS_CSUM, GsoType, VnetHdr};

use super::client::Client;
use super::frames::{ACK, SYN, Segment};
use super::*;

fn bytes(count: usize) -> Vec<u8> {
    (0..=250).cycle().take(count).collect()
}

fn backwards(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

/// Behind its length.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

fn asker(ip: impl Into<IpAddr>) -> Querier {
    Querier::Address(ObjectId::from_bytes([1; 32]), ip.into())
}

#[test]
fn datagrams_are_answered_from_the_address_that_was_asked() {
    let oracle = Oracle::default();
    let site = Site::new(oracle.ask(), 1500);
    let mut client = Client::on(&site, 1500);
    let socket = client.udp(5000);
    for (to, from, room) in [
        (IpAddr::from(GATEWAY4), IpAddr::from(CLIENT4), 1472),
        (GATEWAY6.into(), CLIENT6.into(), 1452),
    ] {
        for size in [1, 40, room] {
            let message = bytes(size);
            client.send(socket, to, 53, &message);
            let (answer, metadata) = client.receive(socket);
            assert_eq!(answer, backwards(&message));
            assert_eq!(IpAddr::from(metadata.endpoint.addr), to);
            let expected = Question {
                message,
                from: asker(from),
                transport: Transport::Udp { room },
            };
            assert_eq!(oracle.heard().last(), Some(&expected));
        }
    }
}

#[test]
fn answers_that_are_too_long_for_a_datagram_are_not_sent_and_all_others_are() {
    let ask: Ask = Arc::new(|question: Question, reply: Reply| {
        let length = usize::from(question.message[0]) * 100;
        reply.send(vec![question.message[0]; length]);
    });
    let site = Site::new(ask, 1500);
    let mut client = Client::on(&site, 1500);
    let socket = client.udp(5000);
    for hundreds in [15, 14] {
        client.send(socket, GATEWAY4.into(), 53, &[hundreds]);
    }
    assert_eq!(client.receive(socket).0, [14; 1400]);
    // More than the socket takes at once.
    for number in 0..60 {
        client.send(socket, GATEWAY4.into(), 53, &[number % 10 + 1]);
    }
    for _ in 0..60 {
        let (answer, _) = client.receive(socket);
        assert_eq!(answer.len(), usize::from(answer[0]) * 100);
    }
}

#[test]
fn a_question_without_an_answer_makes_room_for_others() {
    let ask: Ask = Arc::new(
        |question: Question, reply: Reply| match question.message[..] {
            [0] => drop(reply),
            _ => reply.send(question.message),
        },
    );
    let site = Site::new(ask, 1500);
    let mut client = Client::on(&site, 1500);
    let socket = client.udp(5000);
    for _ in 0..20 {
        for _ in 0..60 {
            client.send(socket, GATEWAY4.into(), 53, &[0]);
        }
        client.send(socket, GATEWAY4.into(), 53, &[7]);
        assert_eq!(client.receive(socket).0, [7]);
    }
}

#[test]
fn one_connection_carries_many_questions() {
    let oracle = Oracle::default();
    let site = Site::new(oracle.ask(), 1500);
    for (to, from) in [
        (IpAddr::from(GATEWAY4), IpAddr::from(CLIENT4)),
        (GATEWAY6.into(), CLIENT6.into()),
    ] {
        let mut client = Client::on(&site, 1500);
        let socket = client.connect(to, 53, 40_000);
        client.established(socket);
        let questions: Vec<_> = [1, 30, 5000, 2, 65_535].map(bytes).into();
        let sent: Vec<u8> = questions
            .iter()
            .flat_map(|question| framed(question))
            .collect();
        let expected: Vec<u8> = (questions.iter())
            .flat_map(|question| framed(&backwards(question)))
            .collect();
        assert!(client.exchange(socket, &sent, expected.len()) == expected);
        let heard = oracle.heard();
        let [.., last] = &heard[..] else {
            panic!("nothing was heard")
        };
        assert_eq!((&last.from, last.transport), (&asker(from), Transport::Tcp));
        // In pieces.
        for byte in framed(&[3, 4]) {
            assert!(client.tcp(socket).can_send());
            client.exchange(socket, &[byte], 0);
        }
        assert_eq!(client.exchange(socket, &[], 4), framed(&[4, 3]));
        // An answer still comes when the client has nothing more to ask, and then the end.
        let last = framed(&[9]);
        client.tcp(socket).send_slice(&last).unwrap();
        client.tcp(socket).close();
        assert_eq!(client.exchange(socket, &[], 3), last);
        let ended = |state| matches!(state, tcp::State::TimeWait | tcp::State::Closed);
        client.until(|client| ended(client.tcp(socket).state()).then_some(()));
    }
}

#[test]
fn a_message_without_bytes_ends_the_connection() {
    let site = Site::silent();
    let mut client = Client::on(&site, 1500);
    let socket = client.connect(GATEWAY4.into(), 53, 40_000);
    client.established(socket);
    client.tcp(socket).send_slice(&[0, 0]).unwrap();
    client.until(|client| (client.tcp(socket).state() == tcp::State::Closed).then_some(()));
}

/// The next segment that is not a bare acknowledgement.
fn next(end: &MemoryEnd) -> (Segment, Vec<u8>) {
    loop {
        let frame = end.take_within(PATIENCE).expect("a segment in time");
        assert_eq!(frame[..12], [0; 12], "nothing is left to do");
        if let Some((header, payload)) = Segment::of(&frame)
            && (header.flags != ACK || !payload.is_empty())
        {
            return (header, payload);
        }
    }
}

#[test]
fn a_superframe_is_cut_for_it() {
    let oracle = Oracle::default();
    let site = Site::new(oracle.ask(), 1500);
    let end = site.plug(OffloadSet::ALL);
    let mut own = Segment {
        src_port: 4000,
        seq: 100,
        ack: 0,
        flags: SYN,
    };
    end.put(own.frame(CLIENT4, &[], false)).unwrap();
    let (answer, _) = next(&end);
    assert_eq!((answer.flags, answer.ack), (SYN | ACK, 101));
    own = Segment {
        seq: 101,
        ack: answer.seq.wrapping_add(1),
        flags: ACK,
        ..own
    };
    let question = bytes(3500);
    let mut frame = own.frame(CLIENT4, &framed(&question), true);
    let header = VnetHdr {
        flags: FLAG_NEEDS_CSUM,
        gso_type: GsoType::TcpV4.raw(),
        hdr_len: 54,
        gso_size: 1000,
        csum_start: 34,
        csum_offset: 16,
        num_buffers: 0,
    };
    frame[..12].copy_from_slice(&header.to_bytes());
    end.put(frame).unwrap();
    let mut got = Vec::new();
    while got.len() < 3502 {
        got.extend(next(&end).1);
    }
    assert_eq!(got, framed(&backwards(&question)));
    assert_eq!(oracle.heard()[0].message, question);
}
