//! Log lines about what may happen a thousand times a second.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// Says when a line is due: at most once a minute.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    /// How often since the last line.
    unsaid: u64,
}

impl Seldom {
    /// It happened. Where a line is due: how often since the last one.
    pub(super) fn happened(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.unsaid += 1;
        let quiet = |last: Instant| now.saturating_duration_since(last) < PAUSE;
        if state.last.is_some_and(quiet) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_minute_counts_what_was_left_out() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let at = |seconds| seldom.happened(start + Duration::from_secs(seconds));
        assert_eq!(
            [at(0), at(1), at(59), at(60), at(61)],
            [Some(1), None, None, Some(3), None]
        );
    }
}
