//! Times, counted in bins that are as wide as a sixty-fourth of what they hold.
//!
//! A trial may have tens of millions of latencies; bins keep their quantiles to 1.6 % in 30 KiB. Smallest,
//! largest and mean are exact.

use serde::Serialize;

/// Bins of each power of two, as an exponent.
const FINE: u32 = 6;

/// Bins of each power of two.
const BINS: usize = 1 << FINE;

/// Powers of two: up to 2^(6 + 58) ns.
const POWERS: usize = 59;

/// Times in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    bins: Box<[u64]>,
    count: u64,
    sum: u128,
    least: u64,
    most: u64,
}

/// What is reported of it, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) frames: u64,
    pub(crate) min: f64,
    pub(crate) mean: f64,
    pub(crate) median: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            bins: vec![0; BINS * POWERS].into_boxed_slice(),
            count: 0,
            sum: 0,
            least: u64::MAX,
            most: 0,
        }
    }
}

/// The bin of a value: exact below 64, then the first seven bits of it.
#[expect(clippy::cast_possible_truncation, reason = "seven bits")]
const fn bin(value: u64) -> usize {
    let power = (value | 1).ilog2().saturating_sub(FINE);
    // Below 64 the power is 0; from then on the shifted value is 64 to 127.
    (power as usize) * BINS + (value >> power) as usize
}

/// The middle of a bin.
const fn middle(bin: usize) -> u64 {
    let power = (bin / BINS).saturating_sub(1);
    let low = ((bin - power * BINS) as u64) << power;
    low + ((1 << power) >> 1)
}

impl Histogram {
    pub(crate) fn add(&mut self, value: u64) {
        // The highest power has a bin for every value.
        if let Some(count) = self.bins.get_mut(bin(value)) {
            *count += 1;
        }
        self.count += 1;
        self.sum += u128::from(value);
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// The value that this share of the others is not above.
    fn quantile(&self, share: f64) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "a count below 2^53")]
        let rank = super::pace::whole((self.count as f64 * share).ceil()).max(1);
        let mut seen = 0;
        for (index, count) in self.bins.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(index).clamp(self.least, self.most);
            }
        }
        self.most
    }

    /// The figures; nothing without a value.
    pub(crate) fn latency(&self) -> Option<Latency> {
        if self.count == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "times below 2^53 ns: 104 days")]
        let micros = |ns: u64| ns as f64 / 1e3;
        #[expect(clippy::cast_precision_loss, reason = "rounded to 53 bits")]
        let mean = self.sum as f64 / self.count as f64 / 1e3;
        Some(Latency {
            frames: self.count,
            min: micros(self.least),
            mean,
            median: micros(self.quantile(0.5)),
            p99: micros(self.quantile(0.99)),
            max: micros(self.most),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_in_order_and_hold_what_they_say() {
        let mut last = 0;
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) + ((1 << shift) - 1) / 3] {
                let bin = bin(value);
                assert!(bin >= last && bin < BINS * POWERS, "{value}");
                last = bin;
                let error = middle(bin).abs_diff(value);
                assert!(error <= value / 64, "{value}: {}", middle(bin));
            }
        }
        assert_eq!(bin(u64::MAX), BINS * POWERS - 1);
    }

    #[test]
    fn quantiles_of_a_known_distribution() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.latency(), None);
        for micros in 1..=1000 {
            histogram.add(micros * 1000);
        }
        let latency = histogram.latency().unwrap();
        assert_eq!(
            (latency.frames, latency.min, latency.max),
            (1000, 1.0, 1000.0)
        );
        assert!((latency.mean - 500.5).abs() < 1e-9);
        assert!((latency.median - 500.0).abs() < 500.0 / 60.0, "{latency:?}");
        assert!((latency.p99 - 990.0).abs() < 990.0 / 60.0, "{latency:?}");
    }

    #[test]
    fn one_value_is_all_of_them() {
        let mut histogram = Histogram::default();
        histogram.add(777);
        let Latency {
            min,
            median,
            p99,
            max,
            ..
        } = histogram.latency().unwrap();
        assert_eq!([min, median, p99, max], [0.777; 4]);
    }

    #[test]
    fn two_that_are_merged_are_one() {
        let (mut a, mut b) = (Histogram::default(), Histogram::default());
        a.add(10);
        b.add(1_000_000);
        a.merge(&b);
        let latency = a.latency().unwrap();
        assert_eq!(
            (latency.frames, latency.min, latency.max),
            (2, 0.01, 1000.0)
        );
    }
}
