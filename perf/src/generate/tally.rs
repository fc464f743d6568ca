//! What a counter has seen: frames of each stream, their order, their latencies.

use super::frame::Label;
use super::histogram::Histogram;

/// A stream at one port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Frames.
    pub(crate) frames: u64,
    /// Of these, behind one that was sent later, or a second time.
    pub(crate) late: u64,
    /// The sequence number behind the highest one.
    next: u64,
}

/// All streams at one port.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) streams: Vec<Seen>,
    pub(crate) latency: Histogram,
    /// When the last frame came, in ns of the trial's clock.
    pub(crate) last: u64,
    /// Frames in all.
    pub(crate) frames: u64,
}

impl Tally {
    /// For a trial of so many streams.
    pub(crate) fn new(streams: usize) -> Self {
        Self {
            streams: vec![Seen::default(); streams],
            latency: Histogram::default(),
            last: 0,
            frames: 0,
        }
    }

    /// A frame came at this time.
    pub(crate) fn note(&mut self, label: Label, now: u64) {
        // A stream that the trial does not have: a damaged frame, which is a lost one.
        let Some(seen) = self.streams.get_mut(label.stream as usize) else {
            return;
        };
        seen.frames += 1;
        if label.sequence < seen.next {
            seen.late += 1;
        } else {
            seen.next = label.sequence.saturating_add(1);
        }
        self.latency.add(now.saturating_sub(label.stamp));
        self.last = now;
        self.frames += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(stream: u32, sequence: u64) -> Label {
        let (trial, stamp) = (1, 1000);
        Label {
            trial,
            stream,
            sequence,
            stamp,
        }
    }

    #[test]
    fn gaps_are_no_disorder_but_what_comes_behind_them_late_is() {
        let mut tally = Tally::new(2);
        for sequence in [0, 1, 5, 3, 5, 6] {
            tally.note(label(1, sequence), 3000 + sequence);
        }
        assert_eq!(tally.streams[0], Seen::default());
        assert_eq!((tally.streams[1].frames, tally.streams[1].late), (6, 2));
        assert_eq!((tally.frames, tally.last), (6, 3006));
        assert!((tally.latency.latency().unwrap().min - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_frame_of_no_stream_is_not_counted() {
        let mut tally = Tally::new(1);
        tally.note(label(1, 0), 0);
        assert_eq!(tally.frames, 0);
    }
}
