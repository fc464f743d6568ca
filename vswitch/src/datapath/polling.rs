//! Whether a worker that has nothing to do asks once more, or goes to sleep.
//!
//! Waking a sleeping thread costs tens of microseconds, most of a round trip. So after the last frame the worker keeps
//! asking for a short window, giving its core away to whoever else wants it at every turn.
//!
//! A crowded core is no place for that. Who gives its core away there gets it back when the others have had their turn,
//! milliseconds later; who sleeps is mostly woken at once, because it has time to its credit. So a turn of others that
//! was long ends the polling for a while.

use std::time::{Duration, Instant};

/// A turn of others that is longer than what a host does to answer a frame.
const LONG_TURN: Duration = Duration::from_millis(1);

/// How long nothing is polled after a long turn.
const CROWDED: Duration = Duration::from_millis(100);

/// See the module's essay. Time is an argument.
#[derive(Debug)]
pub(super) struct Polling {
    window: Duration,
    last_frame: Instant,
    /// When others last had a long turn on this core.
    crowded: Option<Instant>,
}

impl Polling {
    /// Polls for `window` after a frame. None has come yet.
    pub(super) const fn new(window: Duration, now: Instant) -> Self {
        Self {
            window,
            last_frame: now,
            crowded: None,
        }
    }

    /// Frames have come.
    pub(super) const fn busy(&mut self, now: Instant) {
        self.last_frame = now;
    }

    /// The core was given away at `then`, and is back.
    pub(super) fn gave_way(&mut self, then: Instant, now: Instant) {
        if now.saturating_duration_since(then) > LONG_TURN {
            self.crowded = Some(now);
        }
    }

    /// Whether to ask once more before going to sleep.
    pub(super) fn asks_again(&self, now: Instant) -> bool {
        let since = |then| now.saturating_duration_since(then);
        since(self.last_frame) < self.window
            && self.crowded.is_none_or(|crowded| since(crowded) >= CROWDED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_micros(50);
    const A_LITTLE: Duration = Duration::from_micros(1);

    #[test]
    fn it_asks_for_a_window_after_each_frame() {
        let start = Instant::now();
        let mut polling = Polling::new(WINDOW, start);
        assert!(polling.asks_again(start));
        assert!(!polling.asks_again(start + WINDOW));
        let later = start + Duration::from_secs(1);
        polling.busy(later);
        assert!(polling.asks_again(later + WINDOW - A_LITTLE));
        assert!(!polling.asks_again(later + WINDOW));
        assert!(!Polling::new(Duration::ZERO, start).asks_again(start));
    }

    #[test]
    fn a_long_turn_of_others_ends_it_for_a_while() {
        let start = Instant::now();
        let mut polling = Polling::new(WINDOW, start);
        polling.gave_way(start, start + LONG_TURN);
        polling.busy(start + LONG_TURN);
        assert!(polling.asks_again(start + LONG_TURN), "not long enough");
        let back = start + LONG_TURN + A_LITTLE;
        polling.gave_way(start, back);
        for after in [Duration::ZERO, A_LITTLE, CROWDED - A_LITTLE] {
            polling.busy(back + after);
            assert!(!polling.asks_again(back + after), "after {after:?}");
        }
        polling.busy(back + CROWDED);
        assert!(polling.asks_again(back + CROWDED));
    }
}
