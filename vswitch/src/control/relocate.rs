//! Moving an interface into another namespace under another name (`ip link set A netns N name B`).

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    thread,
};

use rtnetlink::LinkUnspec;

use super::ControlError;
use crate::sys::{IfName, Netns, netlink};

/// Moves interface `name` of the calling thread's namespace into `netns`, where it is called `new_name`.
///
/// # Errors
/// Conflict if there is such a name already, internal otherwise; the interface stays where it was.
pub(super) fn move_link(
    name: &IfName,
    netns: &Netns,
    new_name: &IfName,
) -> Result<(), ControlError> {
    let failed = |cause: &dyn std::fmt::Display| {
        ControlError::internal(format!(
            "cannot move {name} into the sandbox as {new_name}: {cause}; see whether the sandbox still exists"
        ))
    };
    let index = netlink::links()?
        .into_iter()
        .find(|link| link.name == name.as_str())
        .map(|link| link.index)
        .ok_or_else(|| failed(&"it has disappeared"))?;
    let message = LinkUnspec::new_with_index(index)
        .setns_by_fd(netns.as_fd().as_raw_fd())
        .name(new_name.as_str())
        .build();
    // On a thread of its own: the caller's may belong to a runtime, which forbids a second one.
    let moved = thread::scope(|scope| {
        let request = move || -> io::Result<Result<(), rtnetlink::Error>> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()?;
            runtime.block_on(async {
                let (connection, handle, _) = rtnetlink::new_connection()?;
                tokio::spawn(connection);
                Ok(handle.link().change(message).execute().await)
            })
        };
        scope.spawn(request).join()
    });
    match moved {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(rtnetlink::Error::NetlinkError(error)))) => {
            let error = error.to_io();
            if error.kind() == io::ErrorKind::AlreadyExists {
                return Err(ControlError::conflict(format!(
                    "interface {new_name}: the sandbox has it already; give another name with --ifname"
                )));
            }
            Err(failed(&error))
        }
        Ok(Ok(Err(error))) => Err(failed(&error)),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(failed(&"the netlink thread panicked")),
    }
}
