//! Flags of descriptors that other crates opened.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_setfd};

/// Makes a descriptor non-blocking, and keeps it from programs that this process starts.
///
/// # Errors
/// Those of `fcntl`.
pub fn set_nonblocking(owner: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as its owner is borrowed, which is longer than the
    // call. Needed because the owner's crate offers the raw number only.
    let fd = unsafe { BorrowedFd::borrow_raw(owner.as_raw_fd()) };
    fcntl_setfd(fd, FdFlags::CLOEXEC)?;
    Ok(fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?)
}
