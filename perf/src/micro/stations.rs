//! Addresses of stations, drawn at random: neighbours in number are no neighbours in a table.

use std::collections::HashSet;

use vswitch_wire::MacAddr;

use crate::random::Sequence;

/// First octet of those that exist: unicast, locally administered.
const HERE: u64 = 0x02;

/// First octet of those that nobody has.
const NOWHERE: u64 = 0x06;

/// As many different addresses.
pub(crate) fn stations(count: usize) -> Vec<MacAddr> {
    draw(count, HERE)
}

/// The same of others, which are not among any [`stations`].
pub(crate) fn strangers(count: usize) -> Vec<MacAddr> {
    draw(count, NOWHERE)
}

fn draw(count: usize, first_octet: u64) -> Vec<MacAddr> {
    let mut sequence = Sequence::new(first_octet);
    let mut seen = HashSet::with_capacity(count);
    let mut drawn = Vec::with_capacity(count);
    while drawn.len() < count {
        let mac = MacAddr::from_u64(first_octet << 40 | sequence.next() >> 24);
        if seen.insert(mac) {
            drawn.push(mac);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_stations_and_no_two_are_the_same() {
        let all: HashSet<_> = (stations(5000).into_iter())
            .chain(strangers(5000))
            .collect();
        assert_eq!(all.len(), 10_000);
        assert!(all.iter().all(|mac| mac.is_unicast()));
    }
}
