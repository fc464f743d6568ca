//! Waiting, and giving up: the one way in which the tests wait for something.

use std::{
    fmt::Display,
    io, thread,
    time::{Duration, Instant},
};

/// For what happens at once on an idle machine; generous, because two cores are shared by all tests.
pub const SOON: Duration = Duration::from_secs(20);

/// Asks `ask` until it answers, at first every millisecond, later every 50.
///
/// # Panics
/// With `what` when `timeout` has passed without an answer.
#[track_caller]
pub fn eventually<T>(timeout: Duration, what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(timeout, ask).unwrap_or_else(|| panic!("not within {timeout:?}: {what}"))
}

/// Like [`eventually`], but `None` at the end of the time.
pub fn within<T>(timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + timeout;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Lets time pass, for a measurement over that time; not to wait for something.
pub fn measure_for(time: Duration) {
    thread::sleep(time);
}

/// Calls again when a signal came in between: a call with a time limit is not taken up again by the kernel, and a
/// machine that is stopped for a moment as a whole interrupts them all.
///
/// # Errors
/// Those of the call.
pub fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Turns what must not fail into its value.
pub trait Must<T> {
    /// The value.
    ///
    /// # Panics
    /// With `what` and the reason when there is none.
    #[track_caller]
    fn must(self, what: &str) -> T;
}

impl<T, E: Display> Must<T> for Result<T, E> {
    #[track_caller]
    fn must(self, what: &str) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

impl<T> Must<T> for Option<T> {
    #[track_caller]
    fn must(self, what: &str) -> T {
        match self {
            Some(value) => value,
            None => panic!("{what}: there is none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_until_there_is_an_answer() {
        let mut asked = 0;
        let answer = eventually(SOON, "three questions", || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(answer, 3);
    }

    #[test]
    #[should_panic(expected = "the impossible")]
    fn gives_up_with_the_name_of_what_did_not_happen() {
        eventually(Duration::from_millis(5), "the impossible", || None::<()>);
    }
}
