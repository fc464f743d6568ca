//! Address caching capacity (RFC 2889 5.7) and address learning rate (5.8).
//!
//! Three ports. The learning port sends a frame from each of N addresses to the test port. The test port sends a
//! frame back to each. Where the switch has forgotten an address, or never learned it, it floods that frame, and the
//! monitoring port hears it.
//!
//! - **Every trial starts with a switch that knows nothing**: it is made anew, which takes less time than to wait
//!   until all is aged out, as the RFC has it, and leaves nothing of the trial before.
//! - **The test port's own address is known first**, or the learning frames themselves would be flooded. It takes a
//!   place in the table too, as may what the switch or the hosts send of themselves; the capacity that
//!   is found is that for the N.
//! - **The addresses are spread** over four bytes (RFC 4814 4.2), not counted up: a counter fills the buckets of
//!   a hash table more evenly than hosts do.
//! - **What is searched is the table, not luck.** For the capacity each address is sent twice: a switch may pass a
//!   frame on without learning from it, when it is busy with another. A trial in which frames were lost
//!   without a flood, or not taught at all, shows nothing and is repeated. For the learning rate, where each is sent
//!   once, a rate has a second chance.
//! - A trial must not take as long as the ageing time, 300 s by default.

use anyhow::{Result, bail};
use vswitch_wire::MacAddr;

use super::super::device;
use super::super::finding::{Figure, Measure, Purpose, Unit};
use super::super::pattern::stream;
use super::super::tester::Tester;
use crate::generate::{
    Attention, FrameSize, Outcome, Pace, Plan, Stream, Target, Transmitter, Until, whole,
};
use crate::search;

/// Where the addresses are.
const LEARNING: usize = 0;
/// Who sends to them.
const TEST: usize = 1;
/// Who hears what is flooded.
const MONITORING: usize = 2;

/// Trials with a number of addresses until one shows something.
const ATTEMPTS: u32 = 5;

/// Trials at a rate, of which one has to succeed.
const CHANCES: u32 = 2;

/// Learning frames from each address where their rate does not matter.
const LESSONS: u64 = 2;

/// Frames of the test port that make its own address known.
const GREETINGS: u64 = 3;

/// Numbers of addresses, and how fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AddressSettings {
    /// The most that the capacity is searched up to.
    pub(crate) most: u32,
    /// Learning and test frames a second where their rate is not what is searched.
    pub(crate) rate: f64,
    /// Addresses of a trial of the learning rate.
    pub(crate) count: u32,
    /// Share of the highest rate to which the learning rate is found.
    pub(crate) resolution: f64,
}

impl Default for AddressSettings {
    fn default() -> Self {
        Self {
            most: 65_536,
            rate: 10_000.0,
            count: 4096,
            resolution: 0.02,
        }
    }
}

/// What a trial showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// Every test frame came to the learning port, and none to another.
    Complete,
    /// All was taught, and some of it asked for in vain.
    Forgotten,
    /// Frames were lost on the way.
    Unclear,
}

impl Memory {
    fn of(taught: &Outcome, tested: &Outcome) -> Self {
        let (lost, flooded) = (tested.loss() > 0.0, tested.flooded() > 0);
        if flooded && taught.loss() == 0.0 {
            Self::Forgotten
        } else if flooded || lost {
            Self::Unclear
        } else {
            Self::Complete
        }
    }
}

/// The address of this number: locally administered, and every number has another one.
fn address(number: u32) -> MacAddr {
    // An odd factor is a permutation of the 32-bit numbers.
    let [a, b, c, d] = number.wrapping_mul(0x9e37_79b1).to_be_bytes();
    MacAddr::new([0x02, 0x89, a, b, c, d])
}

/// A port that sends a frame of each stream, so many times.
fn rounds_of(size: FrameSize, port: usize, streams: Vec<Stream>, pace: Pace, rounds: u64) -> Plan {
    let frames = streams.len() as u64 * rounds;
    Plan {
        size,
        transmitters: vec![Transmitter {
            port,
            streams,
            pace,
            until: Until::Sent(frames),
        }],
        listeners: vec![LEARNING, TEST, MONITORING],
        attention: Attention::Lazy,
    }
}

/// A trial with so many addresses, learned at this pace. Also says how fast they were sent.
fn remembers(
    tester: &mut Tester,
    size: FrameSize,
    count: u32,
    (learning, lessons): (Pace, u64),
    testing: Pace,
) -> Result<(Memory, Outcome)> {
    tester.device().renew()?;
    let macs = tester.device().macs().to_vec();
    let greeting = Stream {
        dst: MacAddr::BROADCAST,
        src: macs[TEST],
        to: Target::Others,
    };
    let known = Pace::Rate(device::LEARNING_RATE);
    let greetings = rounds_of(size, TEST, vec![greeting], known, GREETINGS);
    greet(tester, &greetings)?;
    let base = stream(&macs, LEARNING, TEST);
    let from = |number| Stream {
        src: address(number),
        ..base
    };
    let all = (0..count).map(from).collect();
    let lessons = rounds_of(size, LEARNING, all, learning, lessons);
    let taught = tester.run_alone(Purpose::Learning, &lessons)?;
    let base = stream(&macs, TEST, LEARNING);
    let to = |number| Stream {
        dst: address(number),
        ..base
    };
    let questions = rounds_of(size, TEST, (0..count).map(to).collect(), testing, 1);
    let tested = tester.run_alone(Purpose::Testing, &questions)?;
    let memory = Memory::of(&taught, &tested);
    Ok((memory, taught))
}

/// Sends greetings until both other ports have heard one: the switch has just been made.
fn greet(tester: &mut Tester, greetings: &Plan) -> Result<()> {
    for _ in 0..device::ATTEMPTS {
        let heard = tester.run_alone(Purpose::Greeting, greetings)?;
        if heard.loss() < 0.5 {
            return Ok(());
        }
    }
    bail!(
        "no broadcast frame of the test port arrived, {} times",
        device::ATTEMPTS
    )
}

/// The address caching capacity.
pub(super) fn capacity(
    tester: &mut Tester,
    size: FrameSize,
    settings: &AddressSettings,
) -> Result<Vec<Measure>> {
    let pace = Pace::Rate(settings.rate);
    let try_one = |count: u64| {
        let count = u32::try_from(count).unwrap_or(settings.most);
        for _ in 0..ATTEMPTS {
            match remembers(tester, size, count, (pace, LESSONS), pace)?.0 {
                Memory::Complete => return Ok(true),
                Memory::Forgotten => return Ok(false),
                Memory::Unclear => {}
            }
        }
        bail!(
            "frames are lost at {} frames/s, {ATTEMPTS} times: give a lower --address-rate",
            settings.rate
        )
    };
    let (found, whole) = search::highest(u64::from(settings.most), 1, try_one)?;
    #[expect(clippy::cast_precision_loss, reason = "a 32-bit number")]
    let figure = Figure::bounded(found as f64, whole);
    Ok(vec![Measure::new("capacity", Unit::Addresses, figure)])
}

/// The address learning rate.
pub(super) fn learning_rate(
    tester: &mut Tester,
    size: FrameSize,
    settings: &AddressSettings,
) -> Result<Vec<Measure>> {
    let testing = Pace::Rate(settings.rate);
    // Whether all were learned, and how fast they were sent.
    let mut try_one = |pace| {
        let mut fastest = 0.0_f64;
        for _ in 0..CHANCES {
            let (memory, taught) = remembers(tester, size, settings.count, (pace, 1), testing)?;
            if memory == Memory::Complete {
                return anyhow::Ok((true, taught.offered_load()));
            }
            fastest = fastest.max(taught.offered_load());
        }
        Ok((false, fastest))
    };
    let (open, most) = try_one(Pace::Maximum)?;
    let mut best = if open { most } else { 0.0 };
    let resolution = whole(most * settings.resolution);
    let mut bisection = search::Bisection::below(whole(most), resolution);
    while !open && let Some(rate) = bisection.next() {
        #[expect(clippy::cast_precision_loss, reason = "a rate below 2^53")]
        let (passed, offered) = try_one(Pace::Rate(rate as f64))?;
        if passed {
            best = best.max(offered);
        }
        bisection.note(rate, passed);
    }
    let count = f64::from(settings.count);
    Ok(vec![
        Measure::new(
            "learning rate",
            Unit::AddressesPerSecond,
            Figure::bounded(best, open),
        ),
        Measure::exactly("addresses of a trial", Unit::Addresses, count),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::super::simulated::Simulated;
    use super::*;

    #[test]
    fn addresses_differ_and_belong_to_single_stations() {
        let mut all: Vec<_> = (0..100_000)
            .map(|number| address(number).octets())
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 100_000);
        assert!(address(77).is_unicast() && address(77).is_locally_administered());
    }

    fn found(device: Simulated, most: u32) -> Figure {
        let settings = AddressSettings {
            most,
            ..AddressSettings::default()
        };
        let mut tester = device.tester();
        capacity(&mut tester, FrameSize::SMALLEST, &settings).unwrap()[0].figure
    }

    #[test]
    fn the_capacity_is_what_the_table_has_beside_the_test_ports_own() {
        let device = |table| Simulated {
            table,
            ..Simulated::default()
        };
        assert_eq!(found(device(8192), 65_536), Figure::Exactly(8191.0));
        assert_eq!(found(device(101), 1000), Figure::Exactly(100.0));
        assert_eq!(found(device(usize::MAX), 1000), Figure::AtLeast(1000.0));
        assert_eq!(found(device(1), 1000), Figure::Exactly(0.0));
    }

    #[test]
    fn a_switch_that_cannot_keep_up_with_the_learning_frames_is_no_small_table() {
        let device = Simulated {
            capacity: 5000.0,
            buffer: 0.0,
            ..Simulated::default()
        };
        let error = capacity(
            &mut device.tester(),
            FrameSize::SMALLEST,
            &AddressSettings::default(),
        );
        assert!(error.unwrap_err().to_string().contains("--address-rate"));
    }

    #[test]
    fn the_learning_rate_is_found_below_the_generators() {
        let rate = |learning| {
            let mut tester = Simulated {
                learning,
                ..Simulated::default()
            }
            .tester();
            learning_rate(
                &mut tester,
                FrameSize::SMALLEST,
                &AddressSettings::default(),
            )
            .unwrap()[0]
                .figure
        };
        let Figure::Exactly(found) = rate(30_000.0) else {
            panic!("a bound");
        };
        assert!((28_000.0..=30_000.0).contains(&found), "{found}");
        assert!(matches!(rate(f64::INFINITY), Figure::AtLeast(_)));
    }
}
