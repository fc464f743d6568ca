//! Links, addresses and routes of the calling thread's namespace, over rtnetlink(7).
//!
//! A synchronous facade: each call opens a netlink socket, does its work and closes it again. That is
//! slow (some 100 µs) and right for the control plane, where an attach is rare and a socket that
//! outlives its namespace would be a bug. Call it inside [`Netns::run`](super::Netns::run) to work in
//! another namespace.
//!
//! Inside, the `rtnetlink` crate wants a tokio runtime; each call has a small one of its own, on the
//! calling thread, because the socket must be opened by a thread that is in the namespace. Where the
//! caller is itself inside a runtime (which forbids a second one) a thread is borrowed; it inherits
//! the namespace.

mod config;
mod list;
mod monitor;

pub use config::{LinkConfig, RouteConfig, configure_link, delete_route};
pub use list::{AddressInfo, LinkInfo, RouteInfo, addresses, links, routes};
pub use monitor::LinkMonitor;

use super::{IfName, Netns, SysError, caps::Cap};
use futures_util::{Stream, TryStreamExt};
use rtnetlink::{Handle, LinkUnspec, packet_route::link::LinkMessage};
use rustix::io::Errno;
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    pin::pin,
    thread,
};

/// Deletes an interface. Absent is fine.
///
/// # Errors
///
/// [`SysError::NeedsCapability`] or [`SysError::Netlink`].
pub fn delete_link(name: &IfName) -> Result<(), SysError> {
    session(async |handle| {
        let index = match link_index(&handle, name).await {
            Err(SysError::NoSuchLink { .. }) => return Ok(()),
            other => other?,
        };
        match handle.link().del(index).execute().await {
            // Somebody was faster.
            Err(e) if errno(&e) == Some(Errno::NODEV) => Ok(()),
            other => other.map_err(|e| refused(format!("delete {name}"), e)),
        }
    })
}

/// Sets an interface up (`ip link set NAME up`).
///
/// # Errors
///
/// [`SysError::NoSuchLink`], [`SysError::NeedsCapability`] or [`SysError::Netlink`].
pub fn set_link_up(name: &IfName) -> Result<(), SysError> {
    session(async |handle| {
        let index = link_index(&handle, name).await?;
        let message = LinkUnspec::new_with_index(index).up().build();
        change(&handle, message, || format!("set {name} up")).await
    })
}

/// Sets an interface down (`ip link set NAME down`). IPv6 addresses and all routes through it go.
///
/// # Errors
///
/// As [`set_link_up`].
pub fn set_link_down(name: &IfName) -> Result<(), SysError> {
    session(async |handle| {
        let index = link_index(&handle, name).await?;
        let message = LinkUnspec::new_with_index(index).down().build();
        change(&handle, message, || format!("set {name} down")).await
    })
}

/// Moves an interface into another namespace and names it `new_name` there. It arrives down, with its
/// MAC, MTU and queue length, without addresses.
///
/// # Errors
///
/// [`SysError::NameTaken`] if the name is in use there (the interface may have been moved by then),
/// else as [`set_link_up`].
pub fn move_link(name: &IfName, to: &Netns, new_name: &IfName) -> Result<(), SysError> {
    session(async |handle| {
        let index = link_index(&handle, name).await?;
        let message = LinkUnspec::new_with_index(index)
            .setns_by_fd(to.as_fd().as_raw_fd())
            .name(new_name.to_string())
            .build();
        match handle.link().change(message).execute().await {
            Err(e) if errno(&e) == Some(Errno::EXIST) => Err(SysError::NameTaken {
                name: new_name.clone(),
            }),
            other => other.map_err(|e| refused(format!("move {new_name} to its namespace"), e)),
        }
    })
}

/// Whether there is an interface of that name.
///
/// # Errors
///
/// [`SysError::Netlink`] if the kernel does not say.
pub fn link_exists(name: &IfName) -> Result<bool, SysError> {
    session(async |handle| match link_index(&handle, name).await {
        Ok(_) => Ok(true),
        Err(SysError::NoSuchLink { .. }) => Ok(false),
        Err(e) => Err(e),
    })
}

/// Runs `work` with a netlink socket of the calling thread's namespace.
fn session<T: Send>(
    work: impl AsyncFnOnce(Handle) -> Result<T, SysError> + Send,
) -> Result<T, SysError> {
    let run = || {
        let no_socket = |e: io::Error| SysError::io("open a netlink socket", e);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(no_socket)?;
        runtime.block_on(async {
            let (connection, handle, _unsolicited) =
                rtnetlink::new_connection().map_err(no_socket)?;
            // Ends with the runtime, which is dropped when this function returns.
            tokio::spawn(connection);
            work(handle).await
        })
    };
    if tokio::runtime::Handle::try_current().is_err() {
        return run();
    }
    thread::scope(|scope| {
        let helper = thread::Builder::new()
            .name("netlink".to_owned())
            .spawn_scoped(scope, run)
            .map_err(|e| SysError::io("start a thread", e))?;
        match helper.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The kernel's number for an interface.
async fn link_index(handle: &Handle, name: &IfName) -> Result<u32, SysError> {
    let found = handle.link().get().match_name(name.to_string()).execute();
    let what = || format!("look up {name}");
    match first(found).await {
        Ok(Some(link)) => Ok(link.header.index),
        Ok(None) => Err(SysError::NoSuchLink { name: name.clone() }),
        Err(e) if errno(&e) == Some(Errno::NODEV) => {
            Err(SysError::NoSuchLink { name: name.clone() })
        }
        Err(e) => Err(refused(what(), e)),
    }
}

/// Changes an existing interface.
async fn change(
    handle: &Handle,
    message: LinkMessage,
    what: impl FnOnce() -> String,
) -> Result<(), SysError> {
    handle
        .link()
        .change(message)
        .execute()
        .await
        .map_err(|e| refused(what(), e))
}

async fn first<T>(
    stream: impl Stream<Item = Result<T, rtnetlink::Error>>,
) -> Result<Option<T>, rtnetlink::Error> {
    pin!(stream).try_next().await
}

/// What the kernel answered, if it did.
fn errno(error: &rtnetlink::Error) -> Option<Errno> {
    match error {
        rtnetlink::Error::NetlinkError(message) => {
            Some(Errno::from_raw_os_error(message.raw_code().checked_neg()?))
        }
        // The crate's own errors: a malformed answer, a closed socket.
        _ => None,
    }
}

/// Explains why the kernel did not do `what`.
fn refused(what: String, error: rtnetlink::Error) -> SysError {
    match errno(&error) {
        Some(Errno::PERM | Errno::ACCESS) if !super::caps::has_cap(Cap::NetAdmin) => {
            SysError::NeedsCapability {
                cap: Cap::NetAdmin,
                what,
            }
        }
        Some(errno) => SysError::Netlink {
            what,
            remedy: remedy(errno),
            cause: errno.into(),
        },
        None => SysError::Netlink {
            what,
            remedy: "try again, and report it if it stays",
            cause: io::Error::other(error),
        },
    }
}

fn remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::PERM | Errno::OPNOTSUPP => {
            "the namespace belongs to another user, or the kernel lacks the feature"
        }
        // What the kernel says when IPv6 is switched off on the interface.
        Errno::ACCESS => "is IPv6 switched off there? see net.ipv6.conf.*.disable_ipv6",
        Errno::EXIST => "it is there already; remove the old one first",
        Errno::NETUNREACH | Errno::HOSTUNREACH => {
            "the gateway must lie in a subnet of the interface, and the interface must be up"
        }
        Errno::NETDOWN => "set the interface up first",
        Errno::ADDRNOTAVAIL => "the address must be a host's address, not multicast",
        Errno::INVAL | Errno::RANGE => "check the values against those the interface allows",
        Errno::BUSY => "set the interface down first",
        Errno::NODEV => "the interface was removed meanwhile; create it again",
        Errno::NOBUFS | Errno::NOMEM => "the kernel is short of memory; try again",
        _ => "see `ip link` and `ip addr` in the namespace",
    }
}

#[cfg(test)]
mod tests;
