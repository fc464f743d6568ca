//! Frames in order, one behind the other in one piece of memory: a frame that passes costs no allocation.

use std::collections::VecDeque;

/// See the module's essay.
#[derive(Debug, Default)]
pub(super) struct Fifo {
    bytes: Vec<u8>,
    /// Where in `bytes` the first frame begins.
    start: usize,
    lengths: VecDeque<usize>,
}

impl Fifo {
    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    pub(super) fn push(&mut self, frame: &[u8]) {
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
        let free = self.bytes.capacity() - self.bytes.len();
        // Moving what waits is worth it where that is the lesser part.
        if free < frame.len() && self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(frame);
        self.lengths.push_back(frame.len());
    }

    pub(super) fn pop(&mut self) -> Option<&[u8]> {
        let length = self.lengths.pop_front()?;
        let start = self.start;
        self.start += length;
        self.bytes.get(start..self.start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Compared with a queue of vectors; `None` takes one out.
        #[test]
        fn it_is_a_queue_of_frames(steps in proptest::collection::vec(proptest::option::weighted(0.6, 0usize..300), 0..400)) {
            let (mut fifo, mut model) = (Fifo::default(), VecDeque::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Some(length) => {
                        let frame = vec![number.to_le_bytes()[0]; length];
                        fifo.push(&frame);
                        model.push_back(frame);
                    }
                    None => prop_assert_eq!(fifo.pop().map(<[u8]>::to_vec), model.pop_front()),
                }
                prop_assert_eq!((fifo.len(), fifo.is_empty()), (model.len(), model.is_empty()));
            }
        }
    }

    #[test]
    fn memory_is_used_again_while_frames_wait() {
        let mut fifo = Fifo::default();
        fifo.push(&[0; 100]);
        for _ in 0..10_000 {
            fifo.push(&[0; 100]);
            assert_eq!(fifo.pop().map(<[u8]>::len), Some(100));
        }
        assert!(fifo.bytes.capacity() < 2000, "{}", fifo.bytes.capacity());
    }
}
