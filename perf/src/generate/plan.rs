//! What a trial sends: streams, and who transmits them how fast for how long.
//!
//! A stream is what goes from one address to another. A transmitter sends one frame of each of its streams in
//! turn, over and over, which is how RFC 2889 5.1.3 has a port send to all the others.

use std::time::Duration;

use vswitch_wire::MacAddr;

use super::frame::FrameSize;
use super::pace::Pace;

/// Frames from one address to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) dst: MacAddr,
    pub(crate) src: MacAddr,
    /// Where the frames belong.
    pub(crate) to: Target,
}

/// Where frames belong. All that arrives elsewhere was flooded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The port of this number.
    Port(usize),
    /// Every listening port but that of the transmitter.
    Others,
}

/// When a transmitter ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After so many frames.
    Sent(u64),
}

/// A port that sends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Transmitter {
    /// The port of this number.
    pub(crate) port: usize,
    /// What it sends, in turn.
    pub(crate) streams: Vec<Stream>,
    pub(crate) pace: Pace,
    pub(crate) until: Until,
}

/// How the counters wait for frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attention {
    /// They look every millisecond: whoever delivers a frame need not wake them, so that it is the switch that is
    /// measured. Latencies mean nothing.
    Lazy,
    /// They sleep until a frame is there: as a program that waits for data.
    Prompt,
}

/// A trial.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) size: FrameSize,
    pub(crate) transmitters: Vec<Transmitter>,
    /// The ports that count.
    pub(crate) listeners: Vec<usize>,
    pub(crate) attention: Attention,
}

impl Plan {
    /// The load that is wanted, in frames a second; nothing when that is the maximum.
    pub(crate) fn intended(&self) -> Option<f64> {
        let rate = |transmitter: &Transmitter| match transmitter.pace {
            Pace::Rate(rate) => Some(rate),
            Pace::Maximum => None,
        };
        self.transmitters.iter().map(rate).sum()
    }

    /// Every stream with the port that it comes from. Its place here is its number.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (usize, &Stream)> {
        let of = |transmitter: &'_ Transmitter| transmitter.port;
        (self.transmitters.iter())
            .flat_map(move |from| from.streams.iter().map(move |stream| (of(from), stream)))
    }

    /// Whether a frame of a stream belongs to a port.
    pub(crate) fn belongs(from: usize, stream: &Stream, port: usize) -> bool {
        match stream.to {
            Target::Port(to) => to == port,
            Target::Others => from != port,
        }
    }

    /// Ports at which a frame of a stream belongs.
    pub(crate) fn copies(&self, from: usize, stream: &Stream) -> usize {
        let here = |port: &&usize| Self::belongs(from, stream, **port);
        self.listeners.iter().filter(here).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(to: Target) -> Stream {
        let (dst, src) = (MacAddr::BROADCAST, MacAddr::new([2, 0, 0, 0, 0, 1]));
        Stream { dst, src, to }
    }

    fn plan(paces: [Pace; 2]) -> Plan {
        let transmitter = |port, pace| Transmitter {
            port,
            streams: vec![stream(Target::Others), stream(Target::Port(2))],
            pace,
            until: Until::Sent(1),
        };
        Plan {
            size: FrameSize::SMALLEST,
            transmitters: vec![transmitter(0, paces[0]), transmitter(1, paces[1])],
            listeners: vec![0, 1, 2],
            attention: Attention::Lazy,
        }
    }

    #[test]
    fn a_plan_intends_what_its_transmitters_do() {
        assert_eq!(
            plan([Pace::Rate(3.0), Pace::Rate(4.0)]).intended(),
            Some(7.0)
        );
        assert_eq!(plan([Pace::Rate(3.0), Pace::Maximum]).intended(), None);
    }

    #[test]
    fn a_broadcast_belongs_to_all_but_its_sender() {
        let plan = plan([Pace::Maximum; 2]);
        let copies: Vec<_> = (plan
            .streams()
            .map(|(from, one)| (from, plan.copies(from, one))))
        .collect();
        assert_eq!(copies, [(0, 2), (0, 1), (1, 2), (1, 1)]);
        assert!(!Plan::belongs(1, &stream(Target::Others), 1));
        assert!(Plan::belongs(1, &stream(Target::Port(2)), 2));
    }
}
