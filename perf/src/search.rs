//! Binary search between what passes and what does not: rates, lengths of bursts, numbers of addresses.

/// A search in whole numbers. Below a number that passes everything is taken to pass, above one that fails nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bisection {
    /// The highest that passed.
    passed: u64,
    /// The lowest that failed.
    failed: u64,
    /// The search ends when both are no farther apart.
    resolution: u64,
}

impl Bisection {
    /// Between nothing, which passes, and a number that has failed.
    pub(crate) fn below(failed: u64, resolution: u64) -> Self {
        Self {
            passed: 0,
            failed,
            resolution: resolution.max(1),
        }
    }

    /// What to try next; nothing when the search is over.
    pub(crate) const fn next(&self) -> Option<u64> {
        let gap = self.failed.saturating_sub(self.passed);
        if gap <= self.resolution {
            return None;
        }
        Some(self.passed + gap / 2)
    }

    /// What was tried passed, or did not. What lies outside the bounds teaches nothing.
    pub(crate) fn note(&mut self, tried: u64, passed: bool) {
        if passed {
            self.passed = self.passed.max(tried.min(self.failed));
        } else {
            self.failed = self.failed.min(tried.max(self.passed));
        }
    }

    /// The highest that passed.
    pub(crate) const fn passed(&self) -> u64 {
        self.passed
    }
}

/// The highest number up to `most` that passes, and whether even `most` did. `most` is tried first.
pub(crate) fn highest<E>(
    most: u64,
    resolution: u64,
    mut try_one: impl FnMut(u64) -> Result<bool, E>,
) -> Result<(u64, bool), E> {
    if try_one(most)? {
        return Ok((most, true));
    }
    let mut search = Bisection::below(most, resolution);
    while let Some(number) = search.next() {
        let passed = try_one(number)?;
        search.note(number, passed);
    }
    Ok((search.passed(), false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn search(most: u64, resolution: u64, limit: u64) -> ((u64, bool), usize) {
        let mut tries = 0;
        let found = highest(most, resolution, |number| {
            tries += 1;
            Ok::<_, Infallible>(number <= limit)
        });
        (found.unwrap(), tries)
    }

    #[test]
    fn every_limit_is_found_exactly_and_in_few_tries() {
        for limit in 0..=130 {
            let ((found, whole), tries) = search(130, 1, limit);
            assert_eq!((found, whole), (limit, limit == 130));
            assert!(tries <= 9, "{tries} tries for {limit}");
        }
    }

    #[test]
    fn a_coarse_search_ends_early_and_below_the_limit() {
        let ((found, _), tries) = search(1_000_000, 20_000, 612_345);
        assert!(found <= 612_345 && found + 20_000 >= 612_345, "{found}");
        assert!(tries <= 8, "{tries}");
    }

    #[test]
    fn what_is_out_of_bounds_changes_nothing() {
        let mut search = Bisection::below(100, 1);
        search.note(50, true);
        search.note(30, false);
        search.note(200, true);
        assert_eq!((search.passed(), search.next()), (50, None));
        let mut search = Bisection::below(100, 0);
        search.note(60, false);
        search.note(80, false);
        assert_eq!(search.next(), Some(30));
    }

    #[test]
    fn an_error_ends_the_search() {
        assert_eq!(highest(10, 1, |_| Err::<bool, _>("gone")), Err("gone"));
    }
}
