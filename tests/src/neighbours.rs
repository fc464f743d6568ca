//! Room for neighbours: the kernel has one table of a family for all namespaces, with 1024 dynamic entries where nobody asks
//! for more. Fifty hosts that all know one another need 2450; without room what they send fails, and what others send.

use crate::Must;
use std::fs;

/// Where the kernel has its limits, without their numbers.
const LIMIT: &str = "/proc/sys/net/ipv4/neigh/default/gc_thresh";

/// More room in the table of IPv4, until dropped.
#[derive(Debug)]
pub struct Neighbours {
    /// The limits before, by their numbers.
    former: [(u8, String); 3],
}

impl Neighbours {
    /// Makes room for so many entries of dynamic kinds.
    ///
    /// # Panics
    /// Without the right to.
    #[must_use]
    pub fn room_for(entries: u32) -> Self {
        // The largest first: each must be at most the next.
        let former = [3, 2, 1].map(|number| {
            let path = format!("{LIMIT}{number}");
            let former = fs::read_to_string(&path).must(&path);
            fs::write(&path, entries.to_string()).must(&path);
            (number, former)
        });
        Self { former }
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        for (number, former) in self.former.iter().rev() {
            if let Err(error) = fs::write(format!("{LIMIT}{number}"), former.trim()) {
                eprintln!("left behind: {LIMIT}{number}: {error}");
            }
        }
    }
}
