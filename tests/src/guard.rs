//! Who has the machine.
//!
//! Ordinary tests share it; a test that measures (throughput, idleness) takes it alone, else it would
//! measure its neighbours. A test takes the guard once, with its first [`Lab`](crate::Lab): the lock
//! is not reentrant, so a second one in the same test is made [beside](crate::Lab::beside) the first.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::new(());

/// A share of the machine, or all of it.
#[derive(Debug)]
pub enum Guard {
    /// Others may run at the same time.
    Shared {
        /// Held for its effect.
        _lock: RwLockReadGuard<'static, ()>,
    },
    /// Nobody else runs.
    Alone {
        /// Held for its effect.
        _lock: RwLockWriteGuard<'static, ()>,
    },
}

impl Guard {
    /// Waits for a share of the machine. A test that failed has left nothing behind: poison is ignored.
    #[must_use]
    pub fn shared() -> Self {
        Self::Shared {
            _lock: MACHINE.read().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Waits until nobody else runs.
    #[must_use]
    pub fn alone() -> Self {
        Self::Alone {
            _lock: MACHINE.write().unwrap_or_else(PoisonError::into_inner),
        }
    }
}
