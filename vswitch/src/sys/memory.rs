//! Advice about memory: to the kernel, madvise(2), and to the core, a prefetch.

use std::mem::MaybeUninit;

use rustix::mm::{Advice, madvise};

/// A huge page where pages are of 4 KiB; a whole number of pages wherever they are larger. What is smaller gains nothing.
const HUGE_PAGE: usize = 2 << 20;

/// Asks for huge pages where memory will be that has not been touched yet: a table of many megabytes that is looked up at
/// random costs a miss of the TLB for each look in pages of 4 KiB. A kernel that has none, or lends none, changes nothing.
pub fn prefer_huge_pages<T>(room: &mut [MaybeUninit<T>]) {
    let range = room.as_mut_ptr_range();
    let start = range.start.addr().next_multiple_of(HUGE_PAGE);
    let end = range.end.addr() / HUGE_PAGE * HUGE_PAGE;
    let Some(length) = end.checked_sub(start).filter(|length| *length > 0) else {
        return;
    };
    let first = range.start.map_addr(|_| start);
    // EINVAL where the kernel was built without huge pages: then the small ones serve.
    // SAFETY: the pages lie wholly within `room`, which is borrowed for writing; MADV_HUGEPAGE changes neither what is in
    // them nor what they may be used for, only in how large pieces they are mapped.
    let _advised = unsafe { madvise(first.cast(), length, Advice::LinuxHugepage) };
}

/// Tells the core that `place` will be read soon. It goes on at once, while a load, even one whose value nobody wants,
/// stands in the way of what is behind it until memory has answered.
#[inline]
pub fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing as far as the program can see, whatever the address; and this one is valid.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _no_such_advice = place;
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
