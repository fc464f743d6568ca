//! Advice to the kernel about memory: madvise(2).

use std::mem::MaybeUninit;

use rustix::mm::{Advice, madvise};

/// Asks for huge pages where memory will be that has not been touched yet: a table of many megabytes that is looked up at
/// random costs a miss of the TLB for each look in pages of 4 KiB. A kernel that has none, or lends none, changes nothing.
pub fn prefer_huge_pages<T>(room: &mut [MaybeUninit<T>]) {
    let page = rustix::param::page_size();
    let range = room.as_mut_ptr_range();
    let start = range.start.addr().next_multiple_of(page);
    let end = range.end.addr() / page * page;
    let Some(length) = end.checked_sub(start).filter(|length| *length > 0) else {
        return;
    };
    let first = range.start.map_addr(|_| start);
    // EINVAL where the kernel was built without huge pages: then the small ones serve.
    // SAFETY: the pages lie wholly within `room`, which is borrowed for writing; MADV_HUGEPAGE changes neither what is in
    // them nor what they may be used for, only in how large pieces they are mapped.
    let _advised = unsafe { madvise(first.cast(), length, Advice::LinuxHugepage) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_any_size_is_written_and_read_afterwards() {
        for length in [0, 1, 511, 512, 4096, 5000, 1 << 20] {
            let mut memory: Vec<u64> = Vec::with_capacity(length);
            prefer_huge_pages(memory.spare_capacity_mut());
            memory.resize(length, 7);
            assert!(memory.iter().all(|word| *word == 7), "{length}");
        }
    }
}
