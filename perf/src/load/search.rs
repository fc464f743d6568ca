//! The search for the highest rate that is still good: bisection, pure of any sending.
//!
//! A trial that fails is made once more: a hiccup of the machine costs a trial, and not half of the range.

use anyhow::Result;

/// Halvings: the rate is found to 1/64 of the ceiling.
const STEPS: usize = 6;

/// Tries rates between 0 and the ceiling, which itself is known to be too high. A trial gives the rate that was really
/// reached when it was good. The result is the highest one of these; 0 where none was good.
pub(super) fn highest(
    ceiling: f64,
    mut trial: impl FnMut(f64) -> Result<Option<f64>>,
) -> Result<f64> {
    let (mut low, mut high, mut best) = (0.0, ceiling, 0.0_f64);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        let mut reached = trial(middle)?;
        if reached.is_none() {
            reached = trial(middle)?;
        }
        match reached {
            Some(rate) => {
                best = best.max(rate);
                low = middle;
            }
            None => high = middle,
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(limit: f64) -> (f64, usize) {
        let mut trials = 0;
        let found = highest(64.0, |rate| {
            trials += 1;
            Ok((rate <= limit).then_some(rate))
        });
        (found.unwrap(), trials)
    }

    #[test]
    fn it_comes_within_one_step_of_the_limit() {
        for limit in [1.0, 10.5, 31.9, 32.0, 63.0] {
            let (found, _) = search(limit);
            assert!(found <= limit && found > limit - 1.0, "{limit}: {found}");
        }
    }

    #[test]
    fn where_no_rate_is_good_it_is_zero_after_two_trials_each() {
        assert_eq!(search(0.5), (0.0, 2 * STEPS));
    }

    #[test]
    fn one_hiccup_changes_nothing() {
        let mut trials = 0;
        let found = highest(64.0, |rate| {
            trials += 1;
            Ok((trials != 1 && rate <= 40.0).then_some(rate))
        });
        assert_eq!(found.unwrap(), 40.0);
    }

    #[test]
    fn a_trial_that_cannot_be_made_ends_the_search() {
        assert!(highest(64.0, |_| anyhow::bail!("no")).is_err());
    }
}
