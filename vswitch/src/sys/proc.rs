//! Processes that start inside a namespace.
//!
//! A child inherits the namespace of the thread that forks it, so it is enough to spawn from inside
//! [`Netns::run`]: no `pre_exec`, none of its restrictions.
//!
//! There is no parent-death signal (`PR_SET_PDEATHSIG`) on purpose: the kernel ties it to the
//! *thread* that forked, and that thread ends at once, so every child would be killed right after
//! its birth. Who starts a process keeps the [`Child`] and ends it.

use super::Netns;
use std::{
    io,
    process::{Child, Command},
};

/// Spawns `command` with `netns` as its network namespace. Everything else is as in the caller.
///
/// # Errors
///
/// What [`Command::spawn`] says, or that the namespace cannot be entered (then the error holds a
/// [`SysError`](super::SysError) with its remedy).
pub fn spawn_in(netns: &Netns, command: &mut Command) -> io::Result<Child> {
    netns.run(|| command.spawn()).map_err(io::Error::other)?
}
