//! Bytes that can be checked without having been kept: a stream made from a seed.

/// `xorshift64*` (Vigna 2016): a stream that does not repeat and in which each word depends on all
/// before it, so that a lost, doubled, swapped or changed byte shows.
#[derive(Debug, Clone)]
pub struct Pattern {
    state: u64,
    word: [u8; 8],
    used: usize,
}

impl Pattern {
    /// The stream of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            // Zero is the one state that the generator never leaves; neighbours must differ.
            state: (seed ^ 0x9e37_79b9_7f4a_7c15) | 1,
            word: [0; 8],
            used: 8,
        }
    }

    /// The next word.
    #[inline]
    pub const fn next_word(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0; near enough to uniform for small bounds.
    pub const fn below(&mut self, bound: u64) -> u64 {
        (self.next_word() >> 8) % bound
    }

    #[inline]
    fn next_byte(&mut self) -> u8 {
        if self.used == 8 {
            self.word = self.next_word().to_le_bytes();
            self.used = 0;
        }
        self.used += 1;
        self.word[self.used - 1]
    }

    /// Writes the next bytes of the stream.
    pub fn fill(&mut self, room: &mut [u8]) {
        let mut rest = room;
        while self.used < 8 && !rest.is_empty() {
            rest[0] = self.next_byte();
            rest = &mut rest[1..];
        }
        let (words, tail) = rest.as_chunks_mut::<8>();
        for word in words {
            *word = self.next_word().to_le_bytes();
        }
        for byte in tail {
            *byte = self.next_byte();
        }
    }

    /// Compares with the next bytes of the stream: where they first differ, if they do.
    pub fn check(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let differs = |index: usize, same: bool| if same { Ok(()) } else { Err(index) };
        let mut at = 0;
        while self.used < 8 && at < bytes.len() {
            differs(at, self.next_byte() == bytes[at])?;
            at += 1;
        }
        let (words, tail) = bytes[at..].as_chunks::<8>();
        for word in words {
            differs(at, self.next_word().to_le_bytes() == *word)?;
            at += 8;
        }
        for byte in tail {
            differs(at, self.next_byte() == *byte)?;
            at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_are_the_same_stream() {
        let mut whole = vec![0; 1000];
        Pattern::new(7).fill(&mut whole);
        let mut reader = Pattern::new(7);
        let mut writer = Pattern::new(7);
        let mut at = 0;
        for size in [1, 7, 8, 9, 64, 3, 0, 100, 5, 200, 603] {
            let mut piece = vec![0; size];
            writer.fill(&mut piece);
            assert_eq!(piece, whole[at..at + size]);
            assert_eq!(reader.check(&piece), Ok(()));
            at += size;
        }
        assert_eq!(at, 1000);
    }

    #[test]
    fn one_changed_bit_is_found() {
        let mut bytes = vec![0; 100];
        Pattern::new(1).fill(&mut bytes);
        bytes[42] ^= 1;
        // To the word.
        assert_eq!(Pattern::new(1).check(&bytes), Err(40));
        assert!(Pattern::new(2).check(&bytes).is_err());
    }
}
