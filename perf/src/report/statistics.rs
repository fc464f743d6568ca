//! Medians and spreads. Figures here are finite: who measures sees to it.

use serde::{Deserialize, Serialize};

/// Median and extremes of some figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// The middle one, or the mean of the two middle ones.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// That of the figures; nothing when there are none.
    pub(crate) fn of(figures: &[f64]) -> Option<Self> {
        Some(Self {
            median: median(figures)?,
            min: figures.iter().copied().reduce(f64::min)?,
            max: figures.iter().copied().reduce(f64::max)?,
        })
    }

    /// That of the ratios within each round; only rounds count in which both have a figure and the base is not 0.
    pub(crate) fn of_ratios(figures: &[Option<f64>], base: &[Option<f64>]) -> Option<Self> {
        let ratios: Vec<f64> = (figures.iter().zip(base))
            .filter_map(|(one, base)| Some((*one)? / (*base)?))
            .filter(|ratio| ratio.is_finite())
            .collect();
        Self::of(&ratios)
    }
}

/// The middle figure, or the mean of the two middle ones; nothing when there are none.
fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[n / 2]),
        n => Some(f64::midpoint(sorted[n / 2 - 1], sorted[n / 2])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_ones() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_spread_has_the_extremes() {
        let spread = Spread::of(&[5.0, -1.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (-1.0, 2.0, 5.0));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_and_not_that_of_the_medians() {
        let base = [Some(10.0), Some(20.0), Some(30.0)];
        let own = [Some(9.0), Some(10.0), Some(24.0)];
        let ratio = Spread::of_ratios(&own, &base).unwrap();
        assert!((ratio.median - 0.8).abs() < 1e-9, "{ratio:?}");
        assert!((ratio.min - 0.5).abs() < 1e-9, "{ratio:?}");
    }

    #[test]
    fn only_rounds_that_both_finished_have_a_ratio() {
        let ratio = |one: &[_], base: &[_]| Spread::of_ratios(one, base).map(|ratio| ratio.median);
        assert_eq!(
            ratio(&[Some(1.0), Some(3.0)], &[None, Some(2.0)]),
            Some(1.5)
        );
        assert_eq!(ratio(&[None], &[Some(2.0)]), None);
        // Nothing was sent again by the baseline: no ratio says how much more another one sent.
        assert_eq!(
            ratio(&[Some(7.0), Some(0.0)], &[Some(0.0), Some(0.0)]),
            None
        );
    }
}
