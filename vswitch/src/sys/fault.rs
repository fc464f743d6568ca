//! What an errno of a TAP means to the port that owns the descriptor.
//!
//! The one place that knows (`drivers/net/tun.c`). A TAP never blocks a writer and reports little:
//!
//! | errno | when | meaning |
//! |---|---|---|
//! | EAGAIN | read: ring empty | [`PortFault::WouldBlock`] |
//! | EIO | write: the device is not `IFF_UP` | [`PortFault::LinkDown`]: drop, carry on |
//! | EBADFD | the device was deleted, or its namespace died | [`PortFault::Gone`]: deregister, close |
//! | EFAULT | read: the queue was shut down under the reader; our buffers are slices, never bad addresses | [`PortFault::Gone`] |
//! | ENOBUFS, ENOMEM | no memory for the frame | [`PortFault::NoBuffer`]: drop |
//! | EINVAL | write: bad virtio header or too short; read: a GSO type that the header cannot say (frame lost) | [`PortFault::Refused`]: drop |
//! | EINTR | a signal | [`PortFault::Interrupted`]: again |
//!
//! A deleted device also raises `EPOLLERR`, level-triggered: a loop that does not deregister the
//! descriptor spins. The wake-up for it is that of a frame, so the descriptor must be registered for
//! reading: who waits for errors only (`events = 0`) sleeps on.

use std::{fmt, io};

/// What the owner of a port does about a failed read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortFault {
    /// Nothing to read now, or no room to write now: wait for the event.
    WouldBlock,
    /// The interface is administratively down: the frame is lost, the port stays.
    LinkDown,
    /// The device is no more and does not come back: deregister and close.
    Gone,
    /// The kernel has no memory for this frame: the frame is lost, the port stays.
    NoBuffer,
    /// The kernel does not take this frame: the frame is lost, the port stays.
    Refused,
    /// A signal came in between: do it again.
    Interrupted,
}

impl PortFault {
    /// Classifies what [`Tun::recv`](super::Tun::recv) or [`Tun::send`](super::Tun::send) returned.
    ///
    /// An errno that is not in the table is taken as [`PortFault::Refused`]: it costs one frame,
    /// never the port.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            // EWOULDBLOCK is the same number on Linux.
            Some(libc::EAGAIN) => Self::WouldBlock,
            Some(libc::EIO | libc::ENETDOWN) => Self::LinkDown,
            Some(libc::EBADFD | libc::EBADF | libc::ENODEV | libc::ENXIO | libc::EFAULT) => {
                Self::Gone
            }
            Some(libc::ENOBUFS | libc::ENOMEM) => Self::NoBuffer,
            Some(libc::EINTR) => Self::Interrupted,
            Some(_) => Self::Refused,
            None => match error.kind() {
                io::ErrorKind::WouldBlock => Self::WouldBlock,
                io::ErrorKind::Interrupted => Self::Interrupted,
                _ => Self::Refused,
            },
        }
    }
}

impl From<&io::Error> for PortFault {
    fn from(error: &io::Error) -> Self {
        Self::of(error)
    }
}

impl fmt::Display for PortFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WouldBlock => "would block",
            Self::LinkDown => "link down",
            Self::Gone => "device gone",
            Self::NoBuffer => "no buffer",
            Self::Refused => "refused by the kernel",
            Self::Interrupted => "interrupted",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_errno_of_the_table() {
        let table = [
            (libc::EAGAIN, PortFault::WouldBlock),
            (libc::EWOULDBLOCK, PortFault::WouldBlock),
            (libc::EIO, PortFault::LinkDown),
            (libc::ENETDOWN, PortFault::LinkDown),
            (libc::EBADFD, PortFault::Gone),
            (libc::EBADF, PortFault::Gone),
            (libc::ENODEV, PortFault::Gone),
            (libc::ENXIO, PortFault::Gone),
            (libc::EFAULT, PortFault::Gone),
            (libc::ENOBUFS, PortFault::NoBuffer),
            (libc::ENOMEM, PortFault::NoBuffer),
            (libc::EINVAL, PortFault::Refused),
            (libc::EMSGSIZE, PortFault::Refused),
            (libc::EINTR, PortFault::Interrupted),
            (libc::EPERM, PortFault::Refused),
        ];
        for (errno, fault) in table {
            assert_eq!(
                PortFault::of(&io::Error::from_raw_os_error(errno)),
                fault,
                "errno {errno}"
            );
        }
    }

    #[test]
    fn errors_without_errno() {
        assert_eq!(
            PortFault::of(&io::ErrorKind::WouldBlock.into()),
            PortFault::WouldBlock
        );
        assert_eq!(
            PortFault::of(&io::ErrorKind::Interrupted.into()),
            PortFault::Interrupted
        );
        assert_eq!(PortFault::of(&io::Error::other("?")), PortFault::Refused);
    }
}
