//! Whether the interface of a TAP is up, asked of its descriptor, and whether it shall have a carrier.
//!
//! The interface lies in somebody's namespace, where one would have to go to ask netlink. `poll` on
//! the descriptor tells without going there: `tun_chr_poll` reports "writable" while the interface is
//! `IFF_UP` (the send buffer is the other half of that condition, and never full: see the parent's
//! essay), and an error once the device is gone. That the interface goes down raises no event, so
//! this is for being asked, not for waiting.

use super::raw;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
};
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// What [`tap_link`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapLink {
    /// The interface takes frames.
    Up,
    /// The interface is administratively down.
    Down,
    /// The device is no more.
    Gone,
}

/// Looks at the interface behind a TAP's descriptor. Never blocks.
///
/// # Errors
/// Those of `poll`: no memory.
pub fn tap_link(owner: &impl AsRawFd) -> io::Result<TapLink> {
    // SAFETY: the descriptor is open for as long as its owner is borrowed, which is longer than the
    // call. Needed because the owner may be of a crate that offers the raw number only.
    let fd = unsafe { BorrowedFd::borrow_raw(owner.as_raw_fd()) };
    let mut asked = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    retry_on_intr(|| poll(&mut asked, Some(&at_once)))?;
    let [answer] = asked;
    let answer = answer.revents();
    Ok(
        if answer.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
            TapLink::Gone
        } else if answer.contains(PollFlags::OUT) {
            TapLink::Up
        } else {
            TapLink::Down
        },
    )
}

/// Gives the interface behind a TAP's descriptor a carrier or takes it away, as a cable that is pulled:
/// the container sees `NO-CARRIER`. A new interface has one.
///
/// # Errors
/// That of the ioctl: the device is gone, or a kernel before 5.0.
pub fn set_tap_carrier(owner: &impl AsRawFd, on: bool) -> io::Result<()> {
    // SAFETY: as in `tap_link`.
    let fd = unsafe { BorrowedFd::borrow_raw(owner.as_raw_fd()) };
    Ok(raw::set_carrier(fd, on)?)
}
