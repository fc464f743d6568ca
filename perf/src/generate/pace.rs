//! When a frame is due.
//!
//! A [`Pacer`] is a token bucket. Its depth matters: a generator that the machine did not let run for some
//! milliseconds would otherwise catch up with all that it missed in one burst, which overflows queues that the
//! wanted rate never fills. So it catches up with [`DEPTH`] frames and gives up the rest. What was given up is the
//! difference of intended and offered load (RFC 2285 3.5.1 and 3.5.2), and is reported as such.

use std::time::Duration;

/// Most frames that are sent at once to keep a rate. A TAP holds 1000.
pub(crate) const DEPTH: u64 = 64;

/// How fast to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// As fast as the generator can: the maximum offered load (RFC 2285 3.5.3).
    Maximum,
    /// So many frames a second.
    Rate(f64),
}

/// The schedule of one transmitter.
#[derive(Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    /// Frames sent or given up.
    past: u64,
}

impl Pacer {
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, past: 0 }
    }

    /// Frames that are due after so long, at most [`DEPTH`].
    pub(crate) fn due(&mut self, elapsed: Duration) -> u64 {
        let Pace::Rate(rate) = self.pace else {
            return DEPTH;
        };
        let due = whole(rate * elapsed.as_secs_f64()).saturating_sub(self.past);
        self.past += due.saturating_sub(DEPTH);
        due.min(DEPTH)
    }

    /// These were sent.
    pub(crate) fn sent(&mut self, frames: u64) {
        self.past += frames;
    }

    /// How long there is nothing to do.
    pub(crate) fn pause(&self, elapsed: Duration) -> Duration {
        let Pace::Rate(rate) = self.pace else {
            return Duration::ZERO;
        };
        // Precise to 2^53 frames.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let next = (self.past + 1) as f64 / rate;
        Duration::try_from_secs_f64(next).map_or(Duration::MAX, |at| at.saturating_sub(elapsed))
    }
}

/// The whole number below.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is out of range is set to the nearest bound"
)]
pub(crate) fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn frames_become_due_with_time() {
        let mut pacer = Pacer::new(Pace::Rate(1000.0));
        assert_eq!(pacer.due(ms(0)), 0);
        assert_eq!(pacer.pause(ms(0)), ms(1));
        assert_eq!(pacer.due(ms(10)), 10);
        pacer.sent(4);
        assert_eq!(pacer.due(ms(10)), 6);
        pacer.sent(6);
        assert_eq!(pacer.pause(ms(10)), ms(1));
        // It is late already.
        assert_eq!(pacer.pause(ms(12)), ms(0));
    }

    #[test]
    fn a_generator_that_was_held_up_does_not_catch_up_with_everything() {
        let mut pacer = Pacer::new(Pace::Rate(1000.0));
        assert_eq!(pacer.due(ms(1000)), DEPTH);
        pacer.sent(DEPTH);
        assert_eq!(pacer.due(ms(1000)), 0, "the rest was given up");
        assert_eq!(pacer.due(Duration::from_micros(1_005_500)), 5);
    }

    #[test]
    fn at_the_maximum_something_is_always_due() {
        let mut pacer = Pacer::new(Pace::Maximum);
        pacer.sent(1_000_000);
        assert_eq!((pacer.due(ms(0)), pacer.pause(ms(0))), (DEPTH, ms(0)));
    }

    #[test]
    fn a_rate_that_is_next_to_nothing_waits() {
        assert_eq!(Pacer::new(Pace::Rate(0.0)).pause(ms(1)), Duration::MAX);
    }
}
