//! What a trial showed: loads, losses, rates, in the terms of RFC 1242 and RFC 2285.

use serde::Serialize;

use super::count::Heard;
use super::frame::FrameSize;
use super::histogram::{Histogram, Latency};
use super::plan::{Plan, Target};
use super::transmit::Sent;

/// What became of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// The port that sent it.
    pub(crate) from: usize,
    /// The port where it belongs; nothing when at several.
    pub(crate) to: Option<usize>,
    /// Frames put into the sender's interface, or refused by it.
    pub(crate) offered: u64,
    /// Frames that should have been received: for each port where the stream belongs, what was offered.
    pub(crate) wanted: u64,
    /// Frames received where they belong.
    pub(crate) received: u64,
    /// Frames received elsewhere.
    pub(crate) flooded: u64,
    /// Frames received behind a later one, or twice.
    pub(crate) late: u64,
}

impl Traffic {
    /// Share of the frames that did not arrive, 0 to 1.
    pub(crate) fn loss(&self) -> f64 {
        share(self.wanted.saturating_sub(self.received), self.wanted)
    }
}

/// What became of all of them.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) size: FrameSize,
    /// The load that was wanted, in frames a second; nothing when that is the maximum.
    pub(crate) intended: Option<f64>,
    /// Seconds of sending.
    pub(crate) sending: f64,
    /// Seconds from the first frame sent to the last one received, at least those of sending.
    pub(crate) seconds: f64,
    /// Frames that the senders' interfaces had no room for.
    pub(crate) refused: u64,
    /// Frames that a counter was too slow for, after the switch had delivered them.
    pub(crate) overflow: u64,
    pub(crate) streams: Vec<Traffic>,
    pub(crate) latency: Option<Latency>,
}

/// An outcome as a report has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// Bytes, with frame check sequence.
    pub(crate) frame_size: FrameSize,
    /// Frames a second; nothing for the maximum.
    pub(crate) intended_load: Option<f64>,
    /// Frames a second.
    pub(crate) offered_load: f64,
    /// Frames a second.
    pub(crate) forwarding_rate: f64,
    pub(crate) seconds: f64,
    pub(crate) frames_offered: u64,
    pub(crate) frames_wanted: u64,
    pub(crate) frames_received: u64,
    /// A part of what was lost.
    pub(crate) frames_refused_by_interface: u64,
    pub(crate) frames_flooded: u64,
    pub(crate) frames_out_of_order: u64,
    /// A part of what was received.
    pub(crate) frames_missed_by_counter: u64,
    /// Microseconds.
    pub(crate) latency: Option<Latency>,
}

impl Outcome {
    /// From what the threads of a plan did and saw.
    pub(super) fn new(plan: &Plan, sent: &[Sent], heard: &[Heard]) -> Self {
        let start = sent.iter().map(|one| one.start).min().unwrap_or(0);
        let end = sent.iter().map(|one| one.end).max().unwrap_or(0);
        let last = heard.iter().map(|one| one.tally.last).max().unwrap_or(0);
        let mut latency = Histogram::default();
        for one in heard {
            latency.merge(&one.tally.latency);
        }
        Self {
            size: plan.size,
            intended: plan.intended(),
            sending: seconds(end.saturating_sub(start)),
            seconds: seconds(end.max(last).saturating_sub(start)),
            refused: sent.iter().flat_map(|one| &one.refused).sum(),
            overflow: heard.iter().map(|one| one.overflow).sum(),
            streams: traffic(plan, sent, heard),
            latency: latency.latency(),
        }
    }

    fn sum(&self, figure: impl Fn(&Traffic) -> u64) -> u64 {
        self.streams.iter().map(figure).sum()
    }

    /// Frames put into the senders' interfaces, or refused by them.
    pub(crate) fn offered(&self) -> u64 {
        self.sum(|stream| stream.offered)
    }

    /// Frames that should have been received.
    pub(crate) fn wanted(&self) -> u64 {
        self.sum(|stream| stream.wanted)
    }

    /// Frames delivered where they belong. Those that a counter missed are taken for such.
    pub(crate) fn received(&self) -> u64 {
        (self.sum(|stream| stream.received) + self.overflow).min(self.wanted())
    }

    /// Frames delivered elsewhere.
    pub(crate) fn flooded(&self) -> u64 {
        self.sum(|stream| stream.flooded)
    }

    /// Offered load (RFC 2285 3.5.2), in frames a second.
    pub(crate) fn offered_load(&self) -> f64 {
        per_second(self.offered(), self.sending)
    }

    /// Forwarding rate (RFC 2285 3.6.1): frames delivered where they belong, a second.
    pub(crate) fn forwarding_rate(&self) -> f64 {
        per_second(self.received(), self.seconds)
    }

    /// Share of the frames that did not arrive, 0 to 1 (RFC 1242 3.6).
    pub(crate) fn loss(&self) -> f64 {
        share(self.wanted() - self.received(), self.wanted())
    }

    /// The streams between two ports as one.
    pub(crate) fn between(&self, from: usize, to: usize) -> Traffic {
        let mut sum = Traffic {
            from,
            to: Some(to),
            ..Traffic::default()
        };
        let those = |one: &&Traffic| one.from == from && one.to == Some(to);
        for one in self.streams.iter().filter(those) {
            sum.offered += one.offered;
            sum.wanted += one.wanted;
            sum.received += one.received;
            sum.flooded += one.flooded;
            sum.late += one.late;
        }
        sum
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            frame_size: self.size,
            intended_load: self.intended,
            offered_load: self.offered_load(),
            forwarding_rate: self.forwarding_rate(),
            seconds: self.seconds,
            frames_offered: self.offered(),
            frames_wanted: self.wanted(),
            frames_received: self.received(),
            frames_refused_by_interface: self.refused,
            frames_flooded: self.flooded(),
            frames_out_of_order: self.sum(|stream| stream.late),
            frames_missed_by_counter: self.overflow,
            latency: self.latency,
        }
    }
}

fn traffic(plan: &Plan, sent: &[Sent], heard: &[Heard]) -> Vec<Traffic> {
    let mut streams = Vec::new();
    for (transmitter, sent) in plan.transmitters.iter().zip(sent) {
        for (place, stream) in transmitter.streams.iter().enumerate() {
            let (from, number) = (transmitter.port, streams.len());
            let offered = sent.of_stream(place);
            let mut traffic = Traffic {
                from,
                to: match stream.to {
                    Target::Port(to) => Some(to),
                    Target::Others => None,
                },
                offered,
                wanted: offered * plan.copies(from, stream) as u64,
                ..Traffic::default()
            };
            for (port, heard) in plan.listeners.iter().zip(heard) {
                let seen = heard.tally.streams[number];
                if Plan::belongs(from, stream, *port) {
                    traffic.received += seen.frames;
                } else {
                    traffic.flooded += seen.frames;
                }
                traffic.late += seen.late;
            }
            streams.push(traffic);
        }
    }
    streams
}

#[expect(clippy::cast_precision_loss, reason = "times below 2^53 ns: 104 days")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "frames below 2^53")]
fn per_second(frames: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        frames as f64 / seconds
    } else {
        0.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "frames below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Label;
    use super::super::plan::{Attention, Stream, Transmitter, Until};
    use super::super::{Pace, tally::Tally};
    use super::*;
    use vswitch_wire::MacAddr;

    /// Port 0 sends 10 frames each to port 1 and to all; ports 1 and 2 listen.
    fn plan() -> Plan {
        let stream = |to| Stream {
            dst: MacAddr::BROADCAST,
            src: MacAddr::new([2, 0, 0, 0, 0, 1]),
            to,
        };
        Plan {
            size: FrameSize::SMALLEST,
            transmitters: vec![Transmitter {
                port: 0,
                streams: vec![stream(Target::Port(1)), stream(Target::Others)],
                pace: Pace::Rate(20.0),
                until: Until::Sent(20),
            }],
            listeners: vec![1, 2],
            attention: Attention::Lazy,
        }
    }

    fn heard(frames: [u64; 2], overflow: u64) -> Heard {
        let mut tally = Tally::new(2);
        for (stream, frames) in (0..).zip(frames) {
            for sequence in 0..frames {
                let label = Label {
                    trial: 1,
                    stream,
                    sequence,
                    stamp: 0,
                };
                tally.note(label, 1_500_000_000);
            }
        }
        Heard { tally, overflow }
    }

    fn outcome(one: [u64; 2], other: [u64; 2], overflow: u64) -> Outcome {
        let sent = Sent {
            offered: 20,
            refused: vec![1, 0],
            start: 500_000_000,
            end: 1_250_000_000,
        };
        Outcome::new(&plan(), &[sent], &[heard(one, overflow), heard(other, 0)])
    }

    #[test]
    fn frames_count_where_they_belong_and_as_flooded_elsewhere() {
        let outcome = outcome([9, 10], [4, 8], 0);
        assert_eq!((outcome.offered(), outcome.wanted()), (20, 30));
        assert_eq!((outcome.received(), outcome.flooded()), (27, 4));
        assert!((outcome.loss() - 0.1).abs() < 1e-9);
        assert_eq!(outcome.refused, 1);
        let unicast = outcome.between(0, 1);
        assert_eq!(
            (unicast.offered, unicast.received, unicast.flooded),
            (10, 9, 4)
        );
        assert!((unicast.loss() - 0.1).abs() < 1e-9);
        assert_eq!(
            outcome.between(1, 0),
            Traffic {
                from: 1,
                to: Some(0),
                ..Traffic::default()
            }
        );
    }

    #[test]
    fn rates_are_over_the_time_that_they_took() {
        let outcome = outcome([9, 10], [0, 8], 0);
        // Sent within 0.75 s, received within 1 s.
        assert!((outcome.offered_load() - 20.0 / 0.75).abs() < 1e-9);
        assert!((outcome.forwarding_rate() - 27.0).abs() < 1e-9);
        assert_eq!(outcome.intended, Some(20.0));
        assert!((outcome.latency.unwrap().max - 1.5e6).abs() < 1e-3);
    }

    #[test]
    fn what_a_counter_missed_was_delivered_but_never_more_than_was_sent() {
        assert_eq!(outcome([9, 10], [0, 8], 2).received(), 29);
        assert_eq!(outcome([9, 10], [0, 8], 9).received(), 30);
        assert_eq!(outcome([10, 10], [0, 11], 0).received(), 30);
    }

    #[test]
    fn nothing_sent_is_nothing_lost() {
        let nothing = Outcome::new(&plan(), &[], &[]);
        assert_eq!(
            (nothing.offered(), nothing.offered_load(), nothing.loss()),
            (0, 0.0, 0.0)
        );
    }
}
