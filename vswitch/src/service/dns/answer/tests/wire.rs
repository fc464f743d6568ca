//! Queries as bytes: sizes, EDNS, what is malformed.

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query},
    rr::{DNSClass, RecordType},
};
use proptest::prelude::*;

use super::{
    super::{
        super::testing::{
            addresses, directory, message, query, query_edns, sandbox, station, zone,
        },
        *,
    },
    world,
};

fn outcome(query: &[u8], transport: Transport) -> Outcome {
    answer(query, &sandbox(2), &Index::new(&world()), transport, 0)
}

fn reply(query: &[u8]) -> Message {
    match outcome(query, Transport::UDP) {
        Outcome::Reply(reply) => Message::from_vec(&reply).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn code(query: &[u8]) -> ResponseCode {
    reply(query).metadata.response_code
}

fn bytes(change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = message("alice", RecordType::A);
    change(&mut message);
    message.to_vec().unwrap()
}

#[test]
fn the_reply_repeats_id_question_and_rd_and_offers_recursion() {
    let reply_to = reply(&bytes(|m| m.metadata.checking_disabled = true));
    let head = reply_to.metadata;
    assert_eq!(
        (head.id, head.message_type),
        (0x1234, MessageType::Response)
    );
    assert!(head.recursion_desired && head.recursion_available && head.checking_disabled);
    assert!(!head.authoritative && !head.truncation && !head.authentic_data);
    let without = reply(&bytes(|m| m.metadata.recursion_desired = false));
    assert!(!without.metadata.recursion_desired && without.metadata.recursion_available);
    // As the client wrote it (which some check, "0x20").
    let mixed = reply(&query("aLiCe", RecordType::A));
    assert!(
        mixed.queries[0]
            .name
            .eq_case(&message("aLiCe", RecordType::A).queries[0].name)
    );
}

#[test]
fn edns_is_answered_with_edns_and_only_then() {
    assert_eq!(reply(&query("alice", RecordType::A)).edns, None);
    let edns = reply(&query_edns("alice", RecordType::A, 4096))
        .edns
        .unwrap();
    assert_eq!((edns.version(), edns.max_payload()), (0, 1232));
    assert!(edns.flags().dnssec_ok);
    let newer = bytes(|m| {
        let mut edns = Edns::new();
        edns.set_version(1);
        m.set_edns(edns);
    });
    // The code has two names, RFC 6891 §9 and RFC 8945 §5.2.
    assert_eq!(u16::from(code(&newer)), u16::from(ResponseCode::BADVERS));
}

/// One alias on so many stations.
fn many(stations: u16) -> Index {
    let stations: Vec<_> = (0..stations)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            let address = format!("198.18.{high}.{low}");
            station(1, &format!("s{number}"), &["all"], &[&address])
        })
        .collect();
    Index::new(&directory([zone("n", stations)]))
}

#[test]
fn a_reply_by_udp_is_no_longer_than_the_client_takes() {
    let index = many(1000);
    let plain = query("all", RecordType::A);
    let offers = [
        (plain.clone(), Transport::UDP, 512),
        (query_edns("all", RecordType::A, 0), Transport::UDP, 512),
        (query_edns("all", RecordType::A, 1400), Transport::UDP, 1400),
        (
            query_edns("all", RecordType::A, 65_535),
            Transport::UDP,
            4096,
        ),
        (
            query_edns("all", RecordType::A, 4096),
            Transport::Udp { most: 1232 },
            1232,
        ),
        (plain.clone(), Transport::Udp { most: 1232 }, 512),
    ];
    for (query, transport, room) in offers {
        let Outcome::Reply(bytes) = answer(&query, &sandbox(1), &index, transport, 0) else {
            panic!("no reply");
        };
        let reply = Message::from_vec(&bytes).unwrap();
        assert!(bytes.len() <= room, "{} > {room}", bytes.len());
        // A record has 16 bytes, or 19 where its name is not compressed any more.
        assert!(bytes.len() + 19 > room, "{} of {room}", bytes.len());
        assert!(reply.metadata.truncation);
        assert_eq!(reply.edns.is_some(), query.len() > plain.len());
    }
    let Outcome::Reply(bytes) = answer(&plain, &sandbox(1), &index, Transport::Tcp, 0) else {
        panic!("no reply");
    };
    let reply = Message::from_vec(&bytes).unwrap();
    assert!(!reply.metadata.truncation);
    assert_eq!(addresses(&reply).len(), 1000);
}

#[test]
fn what_does_not_fit_even_tcp_is_cut_with_its_edns_whole() {
    let query = query_edns("all", RecordType::A, 1232);
    let Outcome::Reply(bytes) = answer(&query, &sandbox(1), &many(5000), Transport::Tcp, 0) else {
        panic!("no reply");
    };
    let reply = Message::from_vec(&bytes).unwrap();
    assert!(reply.metadata.truncation && reply.edns.is_some());
    assert!(bytes.len() + 19 > 65_535);
    assert!(addresses(&reply).len() > 3000);
}

#[test]
fn a_reply_that_just_fits_is_not_truncated() {
    // Header 12, question 9, 16 each: 30 make 501.
    for (stations, cut) in [(30, false), (31, true)] {
        let query = query("all", RecordType::A);
        let index = many(stations);
        let Outcome::Reply(reply) = answer(&query, &sandbox(1), &index, Transport::UDP, 0) else {
            panic!("no reply");
        };
        let reply = Message::from_vec(&reply).unwrap();
        assert_eq!(reply.metadata.truncation, cut);
        assert_eq!(reply.answers.len(), 30);
    }
}

#[test]
fn what_is_malformed_is_told_so() {
    let good = query("alice", RecordType::A);
    let two_opt = {
        let mut bytes = query_edns("alice", RecordType::A, 1232);
        let opt = bytes[good.len()..].to_vec();
        bytes.extend(opt);
        bytes[11] = 2;
        bytes
    };
    let cases = [
        ("no question", bytes(|m| m.queries.clear())),
        (
            "two questions",
            bytes(|m| {
                m.add_query(Query::new());
            }),
        ),
        ("cut in the question", good[..good.len() - 1].to_vec()),
        ("a header only", good[..12].to_vec()),
        ("bytes behind it", [&good[..], &[0]].concat()),
        ("two OPT records", two_opt),
        (
            "a name that points to itself",
            [&good[..12], &[0xc0, 12, 0, 1, 0, 1]].concat(),
        ),
        (
            "a label that is too long",
            [&good[..12], &[0x40], &[b'x'; 64], &[0, 0, 1, 0, 1]].concat(),
        ),
        (
            "a name that is too long",
            [&good[..12], &[[1, b'x']; 150].concat(), &[0, 0, 1, 0, 1]].concat(),
        ),
        (
            "records that are not there",
            [&good[..11], &[200], &good[12..]].concat(),
        ),
    ];
    for (what, query) in cases {
        let reply = reply(&query);
        assert_eq!(
            reply.metadata.response_code,
            ResponseCode::FormErr,
            "{what}"
        );
        assert_eq!(reply.metadata.id, 0x1234, "{what}");
        assert!(reply.metadata.recursion_desired, "{what}");
    }
}

#[test]
fn what_is_no_query_is_dropped() {
    let response = bytes(|m| m.metadata.message_type = MessageType::Response);
    let good = query("alice", RecordType::A);
    for bytes in [&response[..], &good[..11], &good[..2], &[]] {
        for transport in [Transport::UDP, Transport::Tcp] {
            let outcome = outcome(bytes, transport);
            assert!(matches!(outcome, Outcome::Drop), "{bytes:?}: {outcome:?}");
        }
    }
}

#[test]
fn other_operations_are_not_implemented() {
    for op_code in [OpCode::Status, OpCode::Notify, OpCode::Update] {
        let query = bytes(|m| m.metadata.op_code = op_code);
        let reply = reply(&query);
        assert_eq!(reply.metadata.response_code, ResponseCode::NotImp);
        assert_eq!(reply.metadata.op_code, op_code);
    }
}

#[test]
fn other_classes_are_refused() {
    for class in [DNSClass::CH, DNSClass::ANY, DNSClass::Unknown(77)] {
        let query = bytes(|m| m.queries[0].query_class = class);
        assert_eq!(code(&query), ResponseCode::Refused, "{class}");
    }
}

#[test]
fn records_that_are_not_understood_do_no_harm() {
    // A TSIG-like record with nonsense inside, and an OPT with a nonsense option.
    let mut query = query("alice", RecordType::A);
    query[11] = 2;
    query.extend([0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 3, 1, 2, 3]);
    query.extend([0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 3, 9, 9, 9]);
    let reply = reply(&query);
    assert_eq!(addresses(&reply), ["198.18.0.1".parse::<IpAddr>().unwrap()]);
    assert!(reply.edns.is_some());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for transport in [Transport::UDP, Transport::Tcp] {
            if let Outcome::Reply(reply) = outcome(&bytes, transport) {
                prop_assert!(reply.len() >= 12);
            }
        }
    }

    #[test]
    fn a_query_with_wrong_bytes_never_panics(
        edns in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = match edns {
            true => query_edns("1.0.18.198.in-addr.arpa", RecordType::PTR, 1400),
            false => query("alice.front", RecordType::A),
        };
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            match outcome(bytes, Transport::UDP) {
                Outcome::Reply(reply) => prop_assert_eq!(&reply[..2], &bytes[..2]),
                Outcome::Forward(request) => prop_assert!(request.failure(ResponseCode::ServFail).is_some()),
                Outcome::Drop => {}
            }
        }
    }
}
