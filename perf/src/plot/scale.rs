//! Axes: which numbers stand on them, where a value lies, and how numbers are written.

/// The numbers on an axis are at most so many.
const MOST_TICKS: f64 = 6.0;

/// A linear axis that begins at zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Linear {
    step: f64,
    end: f64,
}

impl Linear {
    /// One that `largest` fits on. Steps are one, two or five times a power of ten.
    pub(super) fn up_to(largest: f64) -> Self {
        let largest = if largest > 0.0 && largest.is_finite() {
            largest
        } else {
            1.0
        };
        let rough = largest / MOST_TICKS;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|step| step * power)
            .find(|step| step * MOST_TICKS >= largest)
            .unwrap_or(10.0 * power);
        Self {
            step,
            end: (largest / step).ceil() * step,
        }
    }

    /// The numbers on it.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> {
        let step = self.step;
        (0u8..=u8::MAX)
            .map(move |tick| f64::from(tick) * step)
            // Half a step more, for sums that are not exact.
            .take_while(move |tick| *tick <= self.end + step / 2.0)
    }

    /// Where `value` lies, from 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        (value / self.end).clamp(0.0, 1.0)
    }
}

/// A logarithmic axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Logarithmic {
    from: i32,
    to: i32,
    start: f64,
    end: f64,
}

impl Logarithmic {
    /// One that everything from `smallest` to `largest` fits on; neither is above zero where there is nothing to show.
    pub(super) fn between(smallest: f64, largest: f64) -> Self {
        let smallest = if smallest > 0.0 && smallest.is_finite() {
            smallest
        } else {
            1.0
        };
        let largest = if largest.is_finite() {
            largest.max(smallest * 2.0)
        } else {
            smallest * 2.0
        };
        // A tenth of the way beyond, so that no mark lies on the edge.
        let margin = (largest / smallest).powf(0.05);
        let (start, end) = (smallest / margin, largest * margin);
        Self {
            from: decade(start),
            to: decade(end),
            start: start.log10(),
            end: end.log10(),
        }
    }

    /// The numbers on it: one, two and five times the powers of ten.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> {
        let (start, end) = (self.start, self.end);
        (self.from..=self.to)
            .flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(power)))
            .filter(move |tick| (start..=end).contains(&tick.log10()))
    }

    /// Where `value` lies, from 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        ((value.log10() - self.start) / (self.end - self.start)).clamp(0.0, 1.0)
    }
}

/// The power of ten below a number above zero.
fn decade(number: f64) -> i32 {
    // No double is beyond ten to the power of 309.
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    let power = number.log10().floor() as i32;
    power
}

/// A figure in three digits or more, as many as its size needs; long ones in groups of three.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if size >= 9_999.5 {
        grouped(&format!("{value:.0}"))
    } else if size >= 99.95 {
        format!("{value:.0}")
    } else if size >= 9.995 {
        format!("{value:.1}")
    } else if size >= 0.9995 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

/// Digits with a narrow space, at which no line breaks, between groups of three.
fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len() - place;
        if place > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of an axis, without noughts that say nothing.
pub(super) fn tick(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0" } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_what_it_is_for_in_round_steps() {
        for (largest, expected) in [
            (31.0, vec![0.0, 10.0, 20.0, 30.0, 40.0]),
            (6.0, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            (0.9, vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            (120.0, vec![0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0]),
        ] {
            let axis = Linear::up_to(largest);
            let ticks: Vec<_> = axis.ticks().collect();
            assert_eq!(ticks.len(), expected.len(), "{largest}: {ticks:?}");
            assert!((ticks.iter().zip(&expected)).all(|(tick, is)| (tick - is).abs() < 1e-9));
            assert!(axis.place(largest) <= 1.0 && axis.place(largest) > 0.7);
        }
        for nothing in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Linear::up_to(nothing).ticks().count() > 1, "{nothing}");
        }
    }

    #[test]
    fn a_logarithmic_axis_keeps_its_ends_off_the_edge() {
        let axis = Logarithmic::between(27.0, 410.0);
        assert!(axis.place(27.0) > 0.01 && axis.place(410.0) < 0.99);
        let ticks: Vec<_> = axis.ticks().collect();
        assert_eq!(ticks, [50.0, 100.0, 200.0]);
        let middle = axis.place((27.0f64 * 410.0).sqrt());
        assert!((middle - 0.5).abs() < 1e-9);
        for (smallest, largest) in [(0.0, 0.0), (5.0, 5.0), (f64::NAN, 1.0)] {
            let axis = Logarithmic::between(smallest, largest);
            assert!(axis.ticks().count() > 0, "{smallest} to {largest}");
        }
    }

    #[test]
    fn figures_have_the_digits_that_matter() {
        let all = [
            0.0, 0.5678, 0.99999, 1.234, 9.996, 31.26, 99.96, 136.4, 9_999.4,
        ];
        let expected = [
            "0", "0.568", "1.00", "1.23", "10.0", "31.3", "100", "136", "9999",
        ];
        assert_eq!(all.map(figure), expected);
        assert_eq!(
            [0.0, 0.2, 20.0, 1000.0].map(tick),
            ["0", "0.2", "20", "1000"]
        );
    }
}
