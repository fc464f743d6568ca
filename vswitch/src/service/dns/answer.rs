//! What a query gets: the rules of Docker's embedded DNS (libnetwork, `resolver.go`), as one pure function.
//!
//! | query | for a name or address of the querier's networks | else |
//! |---|---|---|
//! | A, AAAA | the addresses of the family, shuffled; none of the family is an empty NOERROR | forwarded |
//! | MX | empty NOERROR, which means "use the address" (RFC 5321 §5.1) | forwarded |
//! | PTR | `<name>.<network>.` | forwarded |
//! | AXFR, IXFR | REFUSED: a transfer is no single reply | REFUSED |
//! | other types | forwarded, as Docker does | forwarded |
//! | class other than IN | REFUSED: there are no names of ours, and others' are nobody's business | REFUSED |
//!
//! Where to forward is not allowed the reply is SERVFAIL, as with Docker: whether the name exists outside is not known
//! here, so NXDOMAIN could be a lie that the client keeps. That holds for who is on internal networks only, and for who
//! is on no network at all.

use std::net::IpAddr;

use hickory_proto::{
    op::ResponseCode,
    rr::{
        DNSClass, Name, RData, RecordType,
        rdata::{A, AAAA, PTR},
    },
};

use super::{
    index::Index,
    request::{Refused, Request, Transport},
};
use crate::control::services::Querier;

/// How long an answer of ours may be kept, in seconds; Docker's value.
pub const TTL: u32 = 600;

/// What happens with a query.
#[derive(Debug)]
pub enum Outcome {
    /// This is sent.
    Reply(Vec<u8>),
    /// The query is sent on as it came; this makes the reply of what comes back.
    Forward(Request),
    /// Nothing is sent.
    Drop,
}

impl From<Option<Vec<u8>>> for Outcome {
    fn from(reply: Option<Vec<u8>>) -> Self {
        reply.map_or(Self::Drop, Self::Reply)
    }
}

/// Decides about a query. `seed` decides the order of several addresses; a fair order needs another for each query.
pub fn answer(
    query: &[u8],
    querier: &Querier,
    index: &Index,
    transport: Transport,
    seed: u64,
) -> Outcome {
    let request = match Request::read(query, transport) {
        Ok(request) => request,
        Err(Refused::Reply(reply)) => return Outcome::Reply(reply),
        Err(Refused::Drop) => return Outcome::Drop,
    };
    let question = request.question();
    if question.query_class != DNSClass::IN {
        return request.failure(ResponseCode::Refused).into();
    }
    let known = match question.query_type {
        RecordType::A => addresses(&request, querier, index, seed, v4),
        RecordType::AAAA => addresses(&request, querier, index, seed, v6),
        RecordType::MX => addresses(&request, querier, index, seed, |_| None),
        RecordType::PTR => reverse(&request, querier, index),
        RecordType::AXFR | RecordType::IXFR => {
            return request.failure(ResponseCode::Refused).into();
        }
        _ => None,
    };
    match known {
        Some(data) => request.reply(TTL, data).into(),
        None if index.may_leave(querier) => Outcome::Forward(request),
        None => request.failure(ResponseCode::ServFail).into(),
    }
}

fn v4(address: &IpAddr) -> Option<RData> {
    match address {
        IpAddr::V4(address) => Some(RData::A(A(*address))),
        IpAddr::V6(_) => None,
    }
}

fn v6(address: &IpAddr) -> Option<RData> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(RData::AAAA(AAAA(*address))),
    }
}

/// The addresses of a known name, those that are wanted.
fn addresses(
    request: &Request,
    querier: &Querier,
    index: &Index,
    seed: u64,
    wanted: fn(&IpAddr) -> Option<RData>,
) -> Option<Vec<RData>> {
    let addresses = index.addresses(querier, &request.name()?)?;
    let mut data: Vec<RData> = addresses.iter().filter_map(wanted).collect();
    shuffle(&mut data, seed);
    Some(data)
}

/// The name of a known address. A name that DNS cannot carry is none.
fn reverse(request: &Request, querier: &Querier, index: &Index) -> Option<Vec<RData>> {
    let network = request.question().name.parse_arpa_name().ok()?;
    if network.prefix_len() != network.max_prefix_len() {
        return None;
    }
    let name = index.name_of(querier, &network.addr())?;
    let name = Name::from_labels(name.split('.').map(str::as_bytes)).ok();
    Some(name.map(|name| RData::PTR(PTR(name))).into_iter().collect())
}

/// Fisher and Yates' shuffle. The numbers are those of SplitMix64: no secret depends on them.
fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let choices = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        let other = usize::try_from((mixed ^ (mixed >> 31)) % choices).unwrap_or(last);
        items.swap(last, other);
    }
}

#[cfg(test)]
mod tests;
