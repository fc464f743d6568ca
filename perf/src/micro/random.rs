//! Numbers that look random and are the same in every run.

/// The splitmix64 sequence (Steele, Lea, Flood 2014), from a fixed start.
#[derive(Debug)]
pub(crate) struct Sequence(u64);

impl Sequence {
    pub(crate) const fn new(start: u64) -> Self {
        Self(start)
    }

    /// The next number; all 64 bits are good.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Puts `items` into another order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            // The remainder is below the length, which is a `usize`.
            let other = usize::try_from(self.next() % (last as u64 + 1)).unwrap_or(last);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_its_authors() {
        let mut sequence = Sequence::new(1_234_567);
        let first = [sequence.next(), sequence.next()];
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn a_shuffle_loses_nothing_and_moves_most() {
        let mut items: Vec<u32> = (0..1000).collect();
        Sequence::new(1).shuffle(&mut items);
        let stayed = (items.iter().zip(0..)).filter(|(item, place)| *item == place);
        assert!(stayed.count() < 10);
        items.sort_unstable();
        assert!(items.into_iter().eq(0..1000));
    }
}
