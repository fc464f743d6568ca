//! What each kind of query gets, from each kind of querier.

mod wire;

use hickory_proto::op::Message;

use super::{
    super::testing::{addresses, directory, id, query, sandbox, station, zone},
    *,
};
use crate::control::services::{Directory, Zone};

/// Alice is on `front` and `Back`, which is internal; Bob and Carol share an alias on `front`; Dave is on `Back`, Erin
/// on `other`, Frank on the predefined network.
fn world() -> Directory {
    let front = zone(
        "front",
        [
            station(1, "Alice", &["www", "a11ce"], &["198.18.0.1", "2001:2::1"]),
            station(2, "bob", &["db"], &["198.18.0.2", "2001:2::2"]),
            station(3, "carol", &["DB", "carol"], &["198.18.0.3"]),
        ],
    );
    let back = Zone {
        internal: true,
        ..zone(
            "Back",
            [
                station(1, "Alice", &["hidden"], &["198.18.1.1"]),
                station(4, "dave", &["db"], &["198.18.1.4"]),
            ],
        )
    };
    let other = zone("other", [station(5, "erin", &[], &["198.18.2.5"])]);
    let bridge = Zone {
        named: false,
        ..zone("bridge", [station(6, "frank", &[], &["198.18.3.6"])])
    };
    directory([front, back, other, bridge])
}

/// What became of a query, as tests compare it.
#[derive(PartialEq, Debug)]
enum Got {
    /// NOERROR with these addresses or names, sorted.
    Answer(Vec<String>),
    Failure(ResponseCode),
    Forward,
}

fn ask_in(directory: &Directory, querier: &Querier, name: &str, kind: RecordType) -> Got {
    let index = Index::new(directory);
    let query = query(name, kind);
    match answer(&query, querier, &index, Transport::UDP, 7) {
        Outcome::Forward(request) => {
            assert_eq!(request.question().query_type, kind);
            Got::Forward
        }
        Outcome::Drop => panic!("{name} {kind}: no reply"),
        Outcome::Reply(reply) => {
            let reply = Message::from_vec(&reply).unwrap();
            assert_eq!(reply.metadata.id, 0x1234);
            assert!(reply.metadata.recursion_available && reply.metadata.recursion_desired);
            if reply.metadata.response_code != ResponseCode::NoError {
                return Got::Failure(reply.metadata.response_code);
            }
            let mut data = Vec::new();
            for record in &reply.answers {
                assert_eq!((record.ttl, record.record_type()), (TTL, kind));
                assert!(record.name.eq_case(&reply.queries[0].name));
                data.push(record.data.to_string());
            }
            data.sort();
            Got::Answer(data)
        }
    }
}

fn ask(querier: u8, name: &str, kind: RecordType) -> Got {
    ask_in(&world(), &sandbox(querier), name, kind)
}

fn answer_of(data: &[&str]) -> Got {
    Got::Answer(data.iter().map(|d| (*d).to_owned()).collect())
}

#[test]
fn a_name_an_alias_and_the_name_with_its_network_give_the_address() {
    for name in [
        "alice",
        "ALICE",
        "Alice.",
        "www",
        "WwW",
        "a11ce",
        "alice.front",
        "WWW.front.",
    ] {
        let got = ask(2, name, RecordType::A);
        assert_eq!(got, answer_of(&["198.18.0.1"]), "{name}");
        let got = ask(2, name, RecordType::AAAA);
        assert_eq!(got, answer_of(&["2001:2::1"]), "{name}");
    }
    let own = ask(1, "alice", RecordType::A);
    assert_eq!(own, answer_of(&["198.18.0.1"]), "its own name");
}

#[test]
fn the_network_part_is_case_sensitive() {
    assert_eq!(ask(2, "alice.Front", RecordType::A), Got::Forward);
    assert_eq!(ask(1, "dave.back", RecordType::A), Got::Forward);
    let got = ask(1, "DAVE.Back", RecordType::A);
    assert_eq!(got, answer_of(&["198.18.1.4"]));
}

#[test]
fn only_names_on_shared_networks_are_known() {
    for name in ["dave", "dave.Back", "erin", "erin.other", "hidden"] {
        assert_eq!(ask(2, name, RecordType::A), Got::Forward, "{name}");
    }
    assert_eq!(ask(5, "alice.front", RecordType::A), Got::Forward);
    let got = ask(1, "dave", RecordType::A);
    assert_eq!(got, answer_of(&["198.18.1.4"]));
}

#[test]
fn a_known_name_without_the_family_is_empty_and_not_forwarded() {
    assert_eq!(ask(2, "carol", RecordType::AAAA), answer_of(&[]));
    let only6 = directory([zone("n", [station(1, "six", &[], &["2001:2::6"])])]);
    let got = ask_in(&only6, &sandbox(1), "six", RecordType::A);
    assert_eq!(got, answer_of(&[]));
    let none = directory([zone("n", [station(1, "bare", &[], &[])])]);
    let got = ask_in(&none, &sandbox(1), "bare", RecordType::A);
    assert_eq!(got, answer_of(&[]), "no address at all");
}

#[test]
fn mx_of_a_known_name_is_empty_and_of_others_is_forwarded() {
    assert_eq!(ask(2, "alice", RecordType::MX), answer_of(&[]));
    assert_eq!(ask(2, "alice.front", RecordType::MX), answer_of(&[]));
    assert_eq!(ask(2, "example.com", RecordType::MX), Got::Forward);
}

#[test]
fn other_types_are_forwarded_even_for_known_names() {
    for kind in [
        RecordType::TXT,
        RecordType::ANY,
        RecordType::SRV,
        RecordType::CAA,
        RecordType::HTTPS,
        RecordType::CNAME,
        RecordType::Unknown(65_280),
    ] {
        assert_eq!(ask(2, "alice", kind), Got::Forward, "{kind}");
    }
}

#[test]
fn transfers_are_refused() {
    for kind in [RecordType::AXFR, RecordType::IXFR] {
        let got = ask(2, "example.com", kind);
        assert_eq!(got, Got::Failure(ResponseCode::Refused));
    }
}

#[test]
fn an_unknown_single_label_is_forwarded() {
    assert_eq!(ask(2, "nobody", RecordType::A), Got::Forward);
    assert_eq!(ask(2, "", RecordType::A), Got::Forward, "the root");
}

#[test]
fn a_shared_alias_gives_all_addresses_of_the_first_network() {
    let got = ask(2, "db", RecordType::A);
    assert_eq!(got, answer_of(&["198.18.0.2", "198.18.0.3"]));
    let got = ask(1, "db", RecordType::A);
    assert_eq!(
        got,
        answer_of(&["198.18.0.2", "198.18.0.3"]),
        "not Dave, who is on the second"
    );
    let got = ask(1, "db.Back", RecordType::A);
    assert_eq!(got, answer_of(&["198.18.1.4"]));
}

#[test]
fn several_addresses_come_in_every_order() {
    let three = ["198.18.0.1", "198.18.0.2", "198.18.0.3"];
    let stations: Vec<_> = (1..)
        .zip(three)
        .map(|(number, address)| station(number, &format!("s{number}"), &["all"], &[address]))
        .collect();
    let index = Index::new(&directory([zone("n", stations)]));
    let mut orders = std::collections::BTreeMap::new();
    for seed in 0..600 {
        let query = query("all", RecordType::A);
        let Outcome::Reply(reply) = answer(&query, &sandbox(1), &index, Transport::UDP, seed)
        else {
            panic!("no reply");
        };
        let order = addresses(&Message::from_vec(&reply).unwrap());
        *orders.entry(order).or_insert(0) += 1;
    }
    assert_eq!(orders.len(), 6, "{orders:?}");
    assert!(orders.values().all(|count| *count > 50), "{orders:?}");
}

#[test]
fn a_whole_name_wins_over_a_name_with_its_network() {
    let names = directory([
        zone(
            "b",
            [
                station(1, "asker", &[], &["198.18.0.1"]),
                station(2, "a", &[], &["198.18.0.2"]),
            ],
        ),
        zone(
            "z",
            [
                station(1, "asker", &[], &["198.18.1.1"]),
                station(3, "a.b", &[], &["198.18.1.3"]),
            ],
        ),
        zone(
            "b.c",
            [
                station(1, "asker", &[], &["198.18.2.1"]),
                station(4, "x.a", &[], &["198.18.2.4"]),
            ],
        ),
    ]);
    let got = ask_in(&names, &sandbox(1), "a.b", RecordType::A);
    assert_eq!(got, answer_of(&["198.18.1.3"]));
    let got = ask_in(&names, &sandbox(2), "a.b", RecordType::A);
    assert_eq!(got, answer_of(&["198.18.0.2"]));
    let got = ask_in(&names, &sandbox(1), "X.A.b.c", RecordType::A);
    assert_eq!(got, answer_of(&["198.18.2.4"]), "dots in both parts");
}

/// A sandbox on two networks, which both have the name `x` at their own addresses.
fn two(change: impl FnOnce(&mut Zone, &mut Zone)) -> Got {
    let make = |name: &str, third: u8| {
        let address = |host: u8| format!("198.18.{third}.{host}");
        zone(
            name,
            [
                station(1, "asker", &[], &[&address(1)]),
                station(2, "x", &[], &[&address(2)]),
            ],
        )
    };
    let (mut b, mut a) = (make("b", 2), make("a", 1));
    change(&mut b, &mut a);
    ask_in(&directory([b, a]), &sandbox(1), "x", RecordType::A)
}

#[test]
fn the_networks_are_asked_in_dockers_order() {
    let (a, b) = (answer_of(&["198.18.1.2"]), answer_of(&["198.18.2.2"]));
    assert_eq!(two(|_, _| {}), a, "the name in byte order");
    assert_eq!(two(|b, _| b.name = "B".to_owned()), b, "upper case first");
    let six = |b: &mut Zone| b.stations[0].addresses.push("2001:2::1".parse().unwrap());
    assert_eq!(two(|b, _| six(b)), b, "more families, then the name");
    let internal = two(|b, a| {
        six(a);
        (a.internal, b.name) = (true, "z".to_owned());
    });
    assert_eq!(internal, b, "a way out, then families");
    let priority = two(|b, a| {
        (b.stations[0].gateway_priority, b.internal) = (1, true);
        six(a);
    });
    assert_eq!(priority, b, "the priority before all");
    let negative = two(|b, a| {
        (
            b.stations[0].gateway_priority,
            a.stations[0].gateway_priority,
        ) = (-1, -2);
    });
    assert_eq!(negative, b);
    let others = two(|b, _| b.stations[1].gateway_priority = 9);
    assert_eq!(others, a, "the priority of another sandbox says nothing");
}

#[test]
fn the_first_network_with_the_name_answers_even_without_the_family() {
    let got = two(|b, a| {
        a.stations[1].addresses = vec!["2001:2::2".parse().unwrap()];
        assert_eq!(b.stations[1].addresses.len(), 1);
    });
    assert_eq!(got, answer_of(&[]));
    let got = two(|_, a| a.stations[1].name = "y".to_owned());
    assert_eq!(
        got,
        answer_of(&["198.18.2.2"]),
        "the first does not know it"
    );
}

#[test]
fn a_reverse_lookup_gives_name_and_network() {
    let v6 = format!("1.{}2.0.0.0.1.0.0.2.ip6.arpa", "0.".repeat(23));
    for (name, expected) in [
        ("1.0.18.198.in-addr.arpa", "Alice.front."),
        ("3.0.18.198.IN-ADDR.ARPA", "carol.front."),
        ("4.1.18.198.in-addr.arpa", "dave.Back."),
        (&v6, "Alice.front."),
    ] {
        let got = ask(1, name, RecordType::PTR);
        assert_eq!(got, answer_of(&[expected]), "{name}");
    }
}

#[test]
fn a_reverse_lookup_of_anything_else_is_forwarded() {
    for name in [
        "4.1.18.198.in-addr.arpa",
        "5.2.18.198.in-addr.arpa",
        "0.18.198.in-addr.arpa",
        "1.1.0.18.198.in-addr.arpa",
        "x.0.18.198.in-addr.arpa",
        "256.0.18.198.in-addr.arpa",
        "1.ip6.arpa",
        "in-addr.arpa",
        "arpa",
        "",
        "alice",
        "198.18.0.1",
    ] {
        assert_eq!(ask(2, name, RecordType::PTR), Got::Forward, "{name}");
    }
}

#[test]
fn a_name_that_dns_cannot_carry_has_no_reverse() {
    let long = "x".repeat(64);
    let names = directory([zone(
        "n",
        [
            station(1, &long, &[], &["198.18.0.1"]),
            station(2, "netns:/run/netns/x", &[], &["198.18.0.2"]),
        ],
    )]);
    let reverse = |name: &str| ask_in(&names, &sandbox(1), name, RecordType::PTR);
    assert_eq!(reverse("1.0.18.198.in-addr.arpa"), answer_of(&[]));
    let got = reverse("2.0.18.198.in-addr.arpa");
    assert!(matches!(got, Got::Answer(names) if names.len() == 1));
}

#[test]
fn the_predefined_network_has_no_names_and_no_reverse_but_a_way_out() {
    for (name, kind) in [
        ("frank", RecordType::A),
        ("frank.bridge", RecordType::A),
        ("frank", RecordType::MX),
        ("6.3.18.198.in-addr.arpa", RecordType::PTR),
    ] {
        assert_eq!(ask(6, name, kind), Got::Forward, "{name}");
    }
}

#[test]
fn who_has_no_way_out_gets_servfail_for_what_is_not_known_here() {
    for name in ["example.com", "alice.front", "nobody"] {
        let got = ask(4, name, RecordType::A);
        assert_eq!(got, Got::Failure(ResponseCode::ServFail), "{name}");
    }
    let got = ask(4, "dave", RecordType::TXT);
    assert_eq!(got, Got::Failure(ResponseCode::ServFail));
    let got = ask(4, "alice", RecordType::A);
    assert_eq!(got, answer_of(&["198.18.1.1"]), "names of its network");
    let got = ask(99, "alice", RecordType::A);
    assert_eq!(got, Got::Failure(ResponseCode::ServFail), "on no network");
    assert_eq!(ask(1, "example.com", RecordType::A), Got::Forward);
}

#[test]
fn who_asks_at_a_gateway_is_known_by_its_address_there() {
    let at = |network: u8, address: &str, name: &str| {
        let querier = Querier::Address(id(network), address.parse().unwrap());
        ask_in(&world(), &querier, name, RecordType::A)
    };
    let (front, back, bridge) = (101, 102, 104);
    let dave = answer_of(&["198.18.1.4"]);
    let alice = answer_of(&["198.18.0.1"]);
    assert_eq!(at(front, "198.18.0.1", "dave"), dave, "all of Alice's");
    assert_eq!(at(back, "198.18.1.1", "alice"), alice, "in Alice's order");
    assert_eq!(at(front, "2001:2::1", "dave"), dave, "by IPv6");
    assert_eq!(at(front, "198.18.0.99", "alice"), alice, "a stranger");
    assert_eq!(at(front, "198.18.0.99", "dave"), Got::Forward);
    // Alice's address of the other network says nothing here.
    assert_eq!(at(front, "198.18.1.1", "dave"), Got::Forward);
    let servfail = Got::Failure(ResponseCode::ServFail);
    assert_eq!(at(back, "198.18.1.99", "example.com"), servfail);
    assert_eq!(at(back, "198.18.1.1", "example.com"), Got::Forward);
    assert_eq!(at(77, "198.18.0.1", "alice"), servfail, "no such network");
    assert_eq!(at(bridge, "198.18.3.6", "frank"), Got::Forward);
}

#[test]
fn a_label_with_a_dot_or_without_text_is_no_name_of_ours() {
    let index = Index::new(&world());
    for labels in [vec![&b"alice.front"[..]], vec![&b"\xff\xfe"[..]]] {
        let mut message = super::super::testing::message("x", RecordType::A);
        message.queries[0].name = Name::from_labels(labels).unwrap();
        let query = message.to_vec().unwrap();
        let outcome = answer(&query, &sandbox(2), &index, Transport::UDP, 0);
        assert!(matches!(outcome, Outcome::Forward(_)), "{outcome:?}");
    }
}
