//! Where instructions are counted: a function that callgrind is told to look into, and nothing else.

use anyhow::Result;

use crate::case::{Case, Work};

/// The name of [`measured`] for callgrind's `--toggle-collect`.
pub const TOGGLE: &str = "vswitch_micro::probe::measured*";

/// Makes the work of a case ready, and runs it once so that lists have their memory; then `runs` times where
/// instructions are counted, or once where each run needs a beginning of its own. Returns the frames of those runs.
///
/// # Errors
/// Those of [`Case::make`].
pub fn run(case: &Case, runs: u64) -> Result<u64> {
    let mut work = case.make()?;
    work.stage();
    work.run();
    work.stage();
    let runs = if work.is_staged() { 1 } else { runs };
    measured(&mut *work, runs);
    Ok(runs * case.frames)
}

/// Everything between the beginning and the end of this function is counted.
#[inline(never)]
pub fn measured(work: &mut dyn Work, runs: u64) {
    for _ in 0..runs {
        work.run();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    struct Counted {
        staged: bool,
        runs: Rc<Cell<u64>>,
    }

    impl Work for Counted {
        fn is_staged(&self) -> bool {
            self.staged
        }

        fn run(&mut self) {
            self.runs.set(self.runs.get() + 1);
        }
    }

    #[test]
    fn the_first_run_is_not_measured_and_a_staged_one_is_measured_once() {
        for (staged, frames, runs) in [(false, 50, 6), (true, 10, 2)] {
            let done = Rc::new(Cell::new(0));
            let counter = Rc::clone(&done);
            let case = Case::new("a", "b", 10, move || {
                let runs = Rc::clone(&counter);
                Ok(Counted { staged, runs })
            });
            assert_eq!(run(&case, 5).unwrap(), frames);
            assert_eq!(done.get(), runs);
        }
    }
}
