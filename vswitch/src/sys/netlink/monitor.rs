//! That something about the interfaces of a namespace has changed.
//!
//! What has changed is not read from the messages: they may be lost when many come (ENOBUFS), so whoever
//! is told looks at what it cares about and finds the truth.

use crate::sys::SysError;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv,
        socket_with,
    },
};
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

/// Links are made, deleted, renamed, go up and down, get another MTU or address (`RTNLGRP_LINK`).
const LINKS: u32 = 1;

/// Waits for changes of the links in the namespace that it was opened in.
#[derive(Debug)]
pub struct LinkMonitor(OwnedFd);

impl LinkMonitor {
    /// A monitor of the calling thread's namespace.
    ///
    /// # Errors
    /// [`SysError::Io`].
    pub fn open() -> Result<Self, SysError> {
        let failed = |e| SysError::io("watch the interfaces", e);
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        // No protocol is NETLINK_ROUTE, whose number is 0.
        let fd = socket_with(family, kind, flags, None).map_err(failed)?;
        bind(&fd, &SocketAddrNetlink::new(0, LINKS)).map_err(failed)?;
        Ok(Self(fd))
    }

    /// Sleeps until something has changed; false when `stop` became readable or was closed.
    ///
    /// # Errors
    /// No memory.
    pub fn wait(&self, stop: BorrowedFd<'_>) -> io::Result<bool> {
        let mut asked = [
            PollFd::new(&self.0, PollFlags::IN),
            PollFd::from_borrowed_fd(stop, PollFlags::IN),
        ];
        retry_on_intr(|| poll(&mut asked, None))?;
        let [_, stop] = &asked;
        if !stop.revents().is_empty() {
            return Ok(false);
        }
        self.drain()?;
        Ok(true)
    }

    /// Many messages in a row are one change.
    fn drain(&self) -> io::Result<()> {
        let mut room = [0; 8192];
        loop {
            match recv(&self.0, &mut room, RecvFlags::TRUNC) {
                Ok(_) | Err(Errno::INTR | Errno::NOBUFS) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
