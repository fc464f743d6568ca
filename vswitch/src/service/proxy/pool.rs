//! Things that are costly to make and needed only while something moves: a few are kept for the next one.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

/// Spare things, at most so many.
pub(super) struct Pool<T> {
    spare: Mutex<Vec<T>>,
    most: usize,
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

impl<T> Pool<T> {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            spare: Mutex::new(Vec::new()),
            most,
        }
    }

    /// A spare one, if there is any.
    pub(super) fn take(&self) -> Option<T> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.pop()
    }

    /// Keeps it, or drops it when there are enough.
    pub(super) fn give(&self, one: T) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < self.most {
            spare.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_more_are_kept_than_wanted() {
        let pool = Pool::new(2);
        for one in 0..3 {
            pool.give(one);
        }
        assert_eq!(
            [pool.take(), pool.take(), pool.take()],
            [Some(1), Some(0), None]
        );
    }
}
