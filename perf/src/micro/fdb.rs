//! The forwarding database alone, from a thousand stations to a million.
//!
//! - **hit-hot**: 64 stations of the table, again and again: both cache lines and branches are warm.
//! - **hit-random**: every station in an order without any pattern, a batch at a time: what it will ask is announced
//!   first, as a worker does it. This is the figure that has a goal.
//! - **hit-chained**: the same, but each lookup waits for the one before: the whole latency of memory shows.
//! - **miss-random**: stations that nobody has.
//! - **refresh-random**: learning a station that is where it was, within the same second: what nearly every frame does.
//! - **learn**: all stations into an empty table, its growth included.
//!
//! The order of asking is an array that is read from end to end; that adds eight bytes of streaming to each lookup,
//! and is left in the figures.

use std::hint::black_box;

use anyhow::Result;
use vswitch::datapath::{Fdb, FdbKey, Tick};
use vswitch::port::{MAX_BATCH, PortId};
use vswitch_wire::MacAddr;

use crate::case::{Case, Work};
use crate::random::Sequence;
use crate::stations::{stations, strangers};

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Stations of the hot case.
const HOT: usize = 64;

/// Odd, as any seed of a table ends up, and not the multiplier of [`Sequence`].
pub(crate) const SEED: u64 = 0xd134_2543_de82_ef95;

const AGEING_SECS: u32 = 300;

/// Stations are behind these, in turn.
const PORTS: [PortId; 2] = [PortId::new(0), PortId::new(1)];

/// Makes what is asked of a table of so many stations.
type Make = fn(usize) -> Result<Asked>;

/// See the module's essay.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in SIZES {
        let case = |name: &str, make: Make| {
            Case::new("fdb", format!("{name}/{size}"), MAX_BATCH, move || {
                make(size)
            })
        };
        let random = case("hit-random", Asked::random);
        let random = if size == 1_000_000 {
            random.at_most(20.0, 40.0)
        } else {
            random
        };
        cases.extend([
            case("hit-hot", Asked::hot),
            random,
            case("hit-chained", Asked::chained),
            case("miss-random", Asked::miss),
            case("refresh-random", Asked::refresh),
            Case::new("fdb", format!("learn/{size}"), size, move || {
                Ok(Learning::new(size))
            }),
        ]);
    }
    cases
}

/// A table in which `stations` were learned in turn at two ports.
fn table(stations: &[MacAddr]) -> Result<Fdb> {
    let fdb = Fdb::new(AGEING_SECS, stations.len(), SEED);
    for (mac, port) in stations.iter().zip(PORTS.into_iter().cycle()) {
        let key = FdbKey::new(*mac, None);
        fdb.reader().learn(key, port, Tick::default());
    }
    let known = fdb.stats().entries;
    anyhow::ensure!(
        known == stations.len(),
        "the table knows {known} of {} stations",
        stations.len()
    );
    Ok(fdb)
}

/// What is done with each key.
#[derive(Clone, Copy, Debug)]
enum Question {
    Lookup,
    /// The next place in the order depends on the answer.
    Chained,
    Refresh,
}

/// Keys and where their stations are, from end to end and over again.
#[derive(Debug)]
struct Order {
    keys: Vec<(FdbKey, PortId)>,
    next: usize,
}

impl Order {
    /// The next, or one `skip` places further on.
    #[inline]
    fn turn(&mut self, skip: usize) -> (FdbKey, PortId) {
        let at = self.next + skip;
        self.next = if at + 1 < self.keys.len() { at + 1 } else { 0 };
        self.keys[at]
    }
}

/// A table and the order in which it is asked.
#[derive(Debug)]
struct Asked {
    fdb: Fdb,
    question: Question,
    order: Order,
}

impl Asked {
    fn new(size: usize, question: Question) -> Result<Self> {
        let all = stations(size);
        let mut keys: Vec<_> = (all.iter().zip(PORTS.into_iter().cycle()))
            .map(|(mac, port)| (FdbKey::new(*mac, None), port))
            .collect();
        Sequence::new(size as u64).shuffle(&mut keys);
        Ok(Self {
            fdb: table(&all)?,
            question,
            order: Order { keys, next: 0 },
        })
    }

    fn random(size: usize) -> Result<Self> {
        Self::new(size, Question::Lookup)
    }

    fn chained(size: usize) -> Result<Self> {
        Self::new(size, Question::Chained)
    }

    fn refresh(size: usize) -> Result<Self> {
        Self::new(size, Question::Refresh)
    }

    fn hot(size: usize) -> Result<Self> {
        let mut asked = Self::new(size, Question::Lookup)?;
        asked.order.keys.truncate(HOT);
        Ok(asked)
    }

    fn miss(size: usize) -> Result<Self> {
        let mut asked = Self::new(size, Question::Lookup)?;
        asked.order.keys = (strangers(size).into_iter())
            .map(|mac| (FdbKey::new(mac, None), PORTS[0]))
            .collect();
        Ok(asked)
    }
}

impl Work for Asked {
    fn run(&mut self) {
        // Once a batch, as a worker does it.
        let reader = self.fdb.reader();
        let now = Tick::default();
        match self.question {
            Question::Lookup => {
                let next = self.order.keys.iter().skip(self.order.next);
                reader.expect(next.take(MAX_BATCH).map(|(key, _)| *key));
                for _ in 0..MAX_BATCH {
                    let (key, _) = self.order.turn(0);
                    black_box(reader.lookup(key, now));
                }
            }
            Question::Chained => {
                let mut skip = 0;
                for _ in 0..MAX_BATCH {
                    let (key, _) = self.order.turn(skip);
                    // Always zero, as no port here has such a number; but a sum and no branch, so that the core
                    // has to wait for it.
                    skip =
                        (reader.lookup(key, now)).map_or(0, |hit| black_box(hit.port).index() >> 8);
                }
            }
            Question::Refresh => {
                for _ in 0..MAX_BATCH {
                    let (key, port) = self.order.turn(0);
                    black_box(reader.learn(key, port, now));
                }
            }
        }
    }
}

/// Stations that an empty table is taught.
#[derive(Debug)]
struct Learning {
    keys: Vec<FdbKey>,
    fdb: Fdb,
}

impl Learning {
    fn new(size: usize) -> Self {
        let keys = (stations(size).into_iter())
            .map(|mac| FdbKey::new(mac, None))
            .collect();
        let fdb = Fdb::new(AGEING_SECS, size, SEED);
        Self { keys, fdb }
    }
}

impl Work for Learning {
    fn is_staged(&self) -> bool {
        true
    }

    fn stage(&mut self) {
        self.fdb = Fdb::new(AGEING_SECS, self.keys.len(), SEED);
    }

    fn run(&mut self) {
        let now = Tick::default();
        for batch in self.keys.chunks(MAX_BATCH) {
            let reader = self.fdb.reader();
            for key in batch {
                black_box(reader.learn(*key, PORTS[0], now));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_there_or_not_as_the_name_says() {
        let now = Tick::default();
        let asks: [(Make, usize); 4] = [
            (Asked::random, 1000),
            (Asked::chained, 1000),
            (Asked::hot, HOT),
            (Asked::miss, 0),
        ];
        for (make, hits) in asks {
            let mut asked = make(1000).unwrap();
            let found: Vec<_> = (asked.order.keys.iter())
                .filter_map(|(key, port)| Some((asked.fdb.reader().lookup(*key, now)?, port)))
                .collect();
            assert_eq!(found.len(), hits);
            assert!(found.iter().all(|(hit, port)| hit.port == **port));
            for _ in 0..20 {
                asked.run();
            }
            assert!(asked.order.next < asked.order.keys.len());
        }
    }

    #[test]
    fn a_refresh_changes_nothing_and_learning_learns_all() {
        let mut asked = Asked::refresh(1000).unwrap();
        let before = asked.fdb.stats();
        for _ in 0..10 {
            asked.run();
        }
        assert_eq!(asked.fdb.stats(), before);

        let mut learning = Learning::new(1000);
        for _ in 0..2 {
            learning.stage();
            assert_eq!(learning.fdb.stats().entries, 0);
            learning.run();
            let stats = learning.fdb.stats();
            assert_eq!(
                (stats.entries, stats.learned, stats.evicted),
                (1000, 1000, 0)
            );
        }
    }
}
