//! What a bad underlay does to a datagram, as a pure machine: frames and the time in, frames out.
//!
//! - One [`Lane`] for each direction between two hosts, each with dice of its own, so that what happens to
//!   the nth datagram of a lane follows from the seed alone, whatever the threads of the machine do.
//! - UDP only. ARP has no checksum: one wrong bit would poison a table of the kernel that is not what is
//!   tested, and lost neighbour discovery costs seconds. Everything else passes, in its place in the queue.
//! - One bit is flipped, anywhere behind the Ethernet header. One bit always shows in the checksum of RFC
//!   1071; two may cancel each other.
//! - A frame out of order waits until others have passed it, or a short while where none do.

use crate::pattern::Pattern;
use std::{
    collections::VecDeque,
    ops::AddAssign,
    time::{Duration, Instant},
};

/// At most so many later frames pass one that is out of order.
const OVERTAKERS: u64 = 4;
/// How long a frame waits for others to pass it.
pub(crate) const HOLD: Duration = Duration::from_millis(2);
/// Ethernet's own header, which no bit is flipped in: the relay would take it elsewhere.
const ETHERNET: usize = 14;

/// How bad an underlay is: parts in a thousand datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Impairment {
    /// What the dice are made from.
    pub seed: u64,
    /// Never arrive.
    pub loss: u16,
    /// Arrive twice.
    pub duplication: u16,
    /// Arrive after later ones.
    pub reordering: u16,
    /// Arrive with one bit changed.
    pub flips: u16,
    /// Time on the way, for all.
    pub delay: Duration,
}

/// What a relay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Frames on their way from one host to another, each copy of a frame for many counted.
    pub offered: u64,
    /// Frames that arrived.
    pub arrived: u64,
    /// Datagrams lost.
    pub lost: u64,
    /// Datagrams that arrived twice.
    pub duplicated: u64,
    /// Datagrams that others overtook.
    pub reordered: u64,
    /// Datagrams with a changed bit.
    pub flipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.offered += other.offered;
        self.arrived += other.arrived;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.flipped += other.flipped;
    }
}

/// A frame on its way, in its place.
#[derive(Debug)]
struct Queued {
    frame: Vec<u8>,
    /// Which of the lane's frames it is.
    number: u64,
    /// When it is there.
    due: Instant,
}

/// A frame that is kept back.
#[derive(Debug)]
struct Held {
    frame: Vec<u8>,
    /// Which of the lane's frames it is: only later ones overtake it.
    number: u64,
    /// So many are still to pass it.
    overtakers: u64,
    /// Then it goes anyway.
    until: Instant,
}

/// One direction between two hosts.
#[derive(Debug)]
pub(crate) struct Lane {
    rule: Impairment,
    dice: Pattern,
    /// In order.
    queue: VecDeque<Queued>,
    held: Vec<Held>,
    /// Ready to be written.
    ready: VecDeque<Vec<u8>>,
    tally: Tally,
}

impl Lane {
    /// A lane; `number` makes its dice differ from the others'.
    pub(crate) fn new(rule: Impairment, number: u64) -> Self {
        // Far apart: neighbouring seeds give dice that look alike at first.
        let mut dice = Pattern::new(rule.seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        for _ in 0..8 {
            dice.next_word();
        }
        Self {
            rule,
            dice,
            queue: VecDeque::new(),
            held: Vec::new(),
            ready: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// Another rule from now on; what is under way stays so.
    pub(crate) fn change(&mut self, rule: Impairment, number: u64) {
        let fresh = Self::new(rule, number);
        self.rule = rule;
        self.dice = fresh.dice;
    }

    /// What it did so far.
    pub(crate) const fn tally(&self) -> Tally {
        self.tally
    }

    /// A frame enters.
    pub(crate) fn offer(&mut self, frame: &[u8], now: Instant) {
        self.tally.offered += 1;
        let number = self.tally.offered;
        let due = now + self.rule.delay;
        let in_place = |frame| Queued { frame, number, due };
        if !is_udp(frame) {
            self.queue.push_back(in_place(frame.to_vec()));
            return;
        }
        if self.happens(self.rule.loss) {
            self.tally.lost += 1;
            return;
        }
        let twice = self.happens(self.rule.duplication);
        self.tally.duplicated += u64::from(twice);
        for _ in 0..=u8::from(twice) {
            let mut copy = frame.to_vec();
            if self.happens(self.rule.flips) {
                self.tally.flipped += 1;
                self.flip(&mut copy);
            }
            if self.happens(self.rule.reordering) {
                let overtakers = 1 + self.dice.below(OVERTAKERS);
                self.held.push(Held {
                    frame: copy,
                    number,
                    overtakers,
                    until: due + HOLD,
                });
            } else {
                self.queue.push_back(in_place(copy));
            }
        }
    }

    /// The next frame that has arrived.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.ready.is_empty() {
            self.advance(now);
        }
        let frame = self.ready.pop_front()?;
        self.tally.arrived += 1;
        Some(frame)
    }

    /// When something will have arrived, if nothing enters meanwhile.
    pub(crate) fn next(&self) -> Option<Instant> {
        let queued = self.queue.front().map(|queued| queued.due);
        let held = self.held.iter().map(|held| held.until);
        held.chain(queued).min()
    }

    fn advance(&mut self, now: Instant) {
        if self.queue.front().is_some_and(|queued| queued.due <= now)
            && let Some(Queued { frame, number, .. }) = self.queue.pop_front()
        {
            self.ready.push_back(frame);
            self.passes(number);
            return;
        }
        let late = self.held.iter().position(|held| held.until <= now);
        self.ready
            .extend(late.map(|index| self.held.remove(index).frame));
    }

    /// Frame `number` passes the earlier ones that are held.
    fn passes(&mut self, number: u64) {
        for held in self.held.iter_mut().filter(|held| held.number < number) {
            held.overtakers -= 1;
        }
        for held in self.held.extract_if(.., |held| held.overtakers == 0) {
            self.tally.reordered += 1;
            self.ready.push_back(held.frame);
        }
    }

    const fn happens(&mut self, in_a_thousand: u16) -> bool {
        self.dice.below(1000) < in_a_thousand as u64
    }

    fn flip(&mut self, frame: &mut [u8]) {
        let body = &mut frame[ETHERNET..];
        let bits = body.len() as u64 * 8;
        let bit = usize::try_from(self.dice.below(bits)).unwrap_or(0);
        body[bit / 8] ^= 1 << (bit % 8);
    }
}

/// Whether a frame is UDP over IPv4 or, without extension headers, over IPv6.
fn is_udp(frame: &[u8]) -> bool {
    match frame {
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x08, 0x00, packet @ ..] => packet.get(9) == Some(&17),
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x86, 0xdd, packet @ ..] => packet.get(6) == Some(&17),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
