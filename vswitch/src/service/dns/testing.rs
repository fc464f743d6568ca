//! Directories and queries for the tests.

use std::net::IpAddr;

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query},
    rr::{Name, RData, RecordType},
};

use crate::control::{
    name::ObjectId,
    services::{Directory, Querier, Station, Zone},
};

/// The object of this number.
pub(super) fn id(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 32])
}

/// The sandbox of this number, as it asks from inside.
pub(super) fn sandbox(number: u8) -> Querier {
    Querier::Sandbox(id(number))
}

/// A named network with a way out.
pub(super) fn zone(name: &str, stations: impl Into<Vec<Station>>) -> Zone {
    Zone {
        name: name.to_owned(),
        internal: false,
        named: true,
        stations: stations.into(),
    }
}

/// The endpoint of a sandbox.
pub(super) fn station(sandbox: u8, name: &str, aliases: &[&str], addresses: &[&str]) -> Station {
    Station {
        sandbox: id(sandbox),
        name: name.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        gateway_priority: 0,
    }
}

/// Networks of the IDs 101, 102, ...
pub(super) fn directory(zones: impl IntoIterator<Item = Zone>) -> Directory {
    Directory {
        zones: (101..).map(id).zip(zones).collect(),
    }
}

/// A query with ID 0x1234 and RD.
pub(super) fn message(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    let labels = name.split('.').filter(|label| !label.is_empty());
    let name = Name::from_labels(labels.map(str::as_bytes)).unwrap();
    message.add_query(Query::query(name, kind));
    message
}

/// The same as bytes.
pub(super) fn query(name: &str, kind: RecordType) -> Vec<u8> {
    message(name, kind).to_vec().unwrap()
}

/// The same with EDNS and a size.
pub(super) fn query_edns(name: &str, kind: RecordType, payload: u16) -> Vec<u8> {
    let mut message = message(name, kind);
    let mut edns = Edns::new();
    edns.set_max_payload(payload).set_dnssec_ok(true);
    message.set_edns(edns);
    message.to_vec().unwrap()
}

/// The addresses that a reply has, in its order.
pub(super) fn addresses(reply: &Message) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(a) => Some(IpAddr::V6(a.0)),
        _ => None,
    };
    let found = reply.answers.iter().map(|record| address(&record.data));
    found.map(Option::unwrap).collect()
}
