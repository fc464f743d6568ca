//! Who may talk to whom, all of it, against a table that was written by reading the kernel's driver.
//!
//! Two children, A and B; B has joined a group, A has not. Each row has three parts: what A sends, what a LAN host
//! sends, what comes back from the wire with A's address. Each part has five destinations: B, broadcast, the group,
//! a group that nobody joined, an address that nobody has. `w` is the wire, `-` nobody.

use vswitch_wire::MacAddr;

use super::LAN;
use crate::delivery::{Delivery, Refusal};
use crate::mode::{Cast, Mode, Origin};
use crate::segment::{Child, Segment};
use crate::testing::{PARENT, child, mac, plain, segment, tell, v4};

const DESTINATIONS: [MacAddr; 5] = [
    MacAddr::new([2, 0, 0, 1, 0, 1]),
    MacAddr::BROADCAST,
    MacAddr::new([0x01, 0x00, 0x5e, 1, 1, 1]),
    MacAddr::new([0x01, 0x00, 0x5e, 2, 2, 2]),
    MacAddr::new([2, 0, 0, 9, 9, 8]),
];

type Row = (Mode, Mode, &'static str, &'static str, &'static str);

const TABLE: [Row; 16] = [
    (
        Mode::Bridge,
        Mode::Bridge,
        "B Bw Bw w w",
        "B AB B - -",
        "B - - - -",
    ),
    (
        Mode::Bridge,
        Mode::Vepa,
        "w w w w w",
        "B AB B - -",
        "B B B - -",
    ),
    (
        Mode::Bridge,
        Mode::Private,
        "w w w w w",
        "B AB B - -",
        "B - - - -",
    ),
    (
        Mode::Bridge,
        Mode::Source,
        "w w w w w",
        "- A - - -",
        "- - - - -",
    ),
    (
        Mode::Vepa,
        Mode::Bridge,
        "w w w w w",
        "B AB B - -",
        "B B B - -",
    ),
    (
        Mode::Vepa,
        Mode::Vepa,
        "w w w w w",
        "B AB B - -",
        "B B B - -",
    ),
    (
        Mode::Vepa,
        Mode::Private,
        "w w w w w",
        "B AB B - -",
        "B - - - -",
    ),
    (
        Mode::Vepa,
        Mode::Source,
        "w w w w w",
        "- A - - -",
        "- - - - -",
    ),
    (
        Mode::Private,
        Mode::Bridge,
        "w w w w w",
        "B AB B - -",
        "B A A A -",
    ),
    (
        Mode::Private,
        Mode::Vepa,
        "w w w w w",
        "B AB B - -",
        "B A A A -",
    ),
    (
        Mode::Private,
        Mode::Private,
        "w w w w w",
        "B AB B - -",
        "B A A A -",
    ),
    (
        Mode::Private,
        Mode::Source,
        "w w w w w",
        "- A - - -",
        "- A A A -",
    ),
    (
        Mode::Source,
        Mode::Bridge,
        "w w w w w",
        "B B B - -",
        "B A A A -",
    ),
    (
        Mode::Source,
        Mode::Vepa,
        "w w w w w",
        "B B B - -",
        "B A A A -",
    ),
    (
        Mode::Source,
        Mode::Private,
        "w w w w w",
        "B B B - -",
        "B A A A -",
    ),
    (
        Mode::Source,
        Mode::Source,
        "w w w w w",
        "- - - - -",
        "- A A A -",
    ),
];

/// A alone, in passthru mode.
const PASSTHRU: [&str; 3] = ["w w w w w", "A A A A A", "A A A A A"];

fn text(delivery: Result<Delivery<'_, u16>, Refusal>) -> String {
    match delivery {
        Err(Refusal::Nobody) => "-".to_owned(),
        Err(other) => format!("{other:?}"),
        Ok(delivery) => {
            let mut letters: Vec<char> = delivery
                .children()
                .map(|key| ['A', 'B'][usize::from(key)])
                .collect();
            letters.sort_unstable();
            letters.extend(delivery.wire.then_some('w'));
            letters.into_iter().collect()
        }
    }
}

fn row(segment: &Segment<u16>, a: MacAddr) -> [String; 3] {
    let part = |of: &dyn Fn(MacAddr) -> String| DESTINATIONS.map(of).join(" ");
    [
        part(&|dst| text(segment.from_child(0, &plain(dst, a)))),
        part(&|dst| text(segment.from_wire(&plain(dst, LAN)))),
        part(&|dst| text(segment.from_wire(&plain(dst, a)))),
    ]
}

#[test]
fn two_children_of_every_pair_of_modes() {
    let mut pairs = std::collections::HashSet::new();
    for (a, b, sent, arrived, reflected) in TABLE {
        assert!(pairs.insert((a, b)));
        let mut segment = segment(&[a, b]);
        tell(&mut segment, 1, v4(239, 1, 1, 1), true);
        let expected = [sent, arrived, reflected].map(str::to_owned);
        assert_eq!(row(&segment, mac(0)), expected, "A {a}, B {b}");
    }
    assert_eq!(pairs.len(), 16, "every pair, passthru is alone");
}

#[test]
fn passthru_alone() {
    let mut segment = segment(&[]);
    let alone = Child {
        mac: PARENT,
        ..child(0, Mode::Passthru)
    };
    segment.add(alone).unwrap();
    assert_eq!(row(&segment, PARENT), PASSTHRU.map(str::to_owned));
}

/// The code looks unicast receivers up without asking whose address the source is.
#[test]
fn unicast_from_the_wire_does_not_ask_where_it_comes_from() {
    for mode in Mode::ALL {
        for owner in Mode::ALL {
            assert_eq!(
                mode.takes(Origin::Reflected(owner), Cast::Unicast),
                mode.takes(Origin::Outside, Cast::Unicast)
            );
        }
    }
}
