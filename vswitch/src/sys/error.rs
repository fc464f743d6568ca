//! What can go wrong between the switch and the kernel, each with its remedy.
//!
//! An errno is turned into a [`SysError`] where it happens, because only there its meaning is known:
//! EPERM of `setns` and EPERM of `TUNSETIFF` have different remedies. Every text is one line: what
//! was tried, why it failed, what to do. The text is complete: the causing [`io::Error`] is printed in
//! it (and is a field, `cause`), so it is not the `source()` too, which would be printed twice.

use super::{IfName, IfNameError, caps::Cap};
use std::{io, path::PathBuf};

/// A refusal of the kernel, with cause and remedy in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SysError {
    /// There is no TUN device node, or no driver behind it.
    #[error(
        "/dev/net/tun is missing: load the tun module (`modprobe tun`) or create the node with \
         `mkdir -p /dev/net && mknod /dev/net/tun c 10 200`"
    )]
    NoTunDevice,

    /// The node is there and this process may not open it.
    #[error(
        "/dev/net/tun may not be opened ({cause}): run as root of the host, `chmod 0666 /dev/net/tun` \
         there, or in a container add `--device /dev/net/tun`"
    )]
    TunPermission {
        /// EACCES (mode of the node) or EPERM (device cgroup).
        cause: io::Error,
    },

    /// A capability is missing.
    #[error(
        "needs {cap} to {what}: run as root, or use `vswitch demo` which makes an own user namespace"
    )]
    NeedsCapability {
        /// The capability that the kernel asks for.
        cap: Cap,
        /// What it is needed for, as an infinitive without "to".
        what: String,
    },

    /// An interface of that name exists already in the namespace.
    #[error(
        "interface {name} exists already in this namespace: choose another name, or remove it with \
         `ip link del {name}`"
    )]
    NameTaken {
        /// The name that was asked for.
        name: IfName,
    },

    /// A text that cannot be the name of an interface.
    #[error(transparent)]
    BadName(#[from] IfNameError),

    /// No interface of that name in the namespace.
    #[error("no interface {name} in this namespace: `ip link` lists those that are there")]
    NoSuchLink {
        /// The name that was looked for.
        name: IfName,
    },

    /// The device behind a descriptor was deleted, or its namespace ended.
    #[error(
        "the device of {name} is gone (deleted, or its namespace ended): connect the sandbox again"
    )]
    DeviceGone {
        /// The name under which it was made.
        name: IfName,
    },

    /// The kernel (or what stands in for it) does not know the facility.
    #[error("the kernel does not support {what} ({cause}): {remedy}")]
    Unsupported {
        /// The facility.
        what: String,
        /// What to do without it.
        remedy: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },

    /// A descriptor that was handed over is not what it should be.
    #[error("the descriptor handed over is not usable: {why}: create the port anew")]
    BadDescriptor {
        /// What is wrong with it.
        why: String,
    },

    /// A limit of the kernel is used up.
    #[error(
        "cannot {what}: the limit is reached; raise it with `sysctl {sysctl}=N` or remove unused ones"
    )]
    LimitReached {
        /// What was tried, as an infinitive without "to".
        what: String,
        /// The name of the limit.
        sysctl: &'static str,
    },

    /// Nothing at the path of a namespace.
    #[error(
        "no network namespace at {path}: the sandbox was removed or the host restarted; create it \
         again (`vswitch sandbox create`, `ip netns add`)"
    )]
    NoSuchNamespace {
        /// The path that was opened.
        path: PathBuf,
    },

    /// Something is at the path, but no network namespace.
    #[error(
        "{path} is not a network namespace (a file left over from before a restart?): remove it and \
         create the sandbox again"
    )]
    NotANamespace {
        /// The path that was opened.
        path: PathBuf,
    },

    /// No process with that number.
    #[error("no process {pid}: it has ended, or belongs to another PID namespace; check with `ps`")]
    NoSuchProcess {
        /// The number that was asked for.
        pid: u32,
    },

    /// A namespace is pinned at that path already.
    #[error(
        "a network namespace is pinned at {path} already: remove it first, or choose another name"
    )]
    AlreadyPinned {
        /// The path.
        path: PathBuf,
    },

    /// No own user namespace.
    #[error("cannot make an own user namespace: {0}")]
    UserNamespace(UserNsRefusal),

    /// A gateway and a destination of different families.
    #[error("route to {dst} via {via} mixes IPv4 and IPv6: give a gateway of the same family")]
    MixedRoute {
        /// The destination.
        dst: ipnet::IpNet,
        /// The gateway.
        via: std::net::IpAddr,
    },

    /// A netlink request was refused.
    #[error("cannot {what} ({cause}): {remedy}")]
    Netlink {
        /// What was tried, as an infinitive without "to".
        what: String,
        /// What to do about it.
        remedy: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },

    /// Anything else that a system call refused.
    #[error("cannot {what}: {cause}")]
    Io {
        /// What was tried, as an infinitive without "to".
        what: String,
        /// What the kernel said.
        cause: io::Error,
    },
}

impl SysError {
    /// [`SysError::Io`] for the failure of `what` (an infinitive without "to").
    pub(super) fn io(what: impl Into<String>, cause: impl Into<io::Error>) -> Self {
        Self::Io {
            what: what.into(),
            cause: cause.into(),
        }
    }

    /// EPERM and EACCES become "needs `cap`", everything else [`SysError::Io`].
    pub(super) fn needs(cap: Cap, what: impl Into<String>, cause: impl Into<io::Error>) -> Self {
        let (what, cause) = (what.into(), cause.into());
        if cause.kind() == io::ErrorKind::PermissionDenied {
            Self::NeedsCapability { cap, what }
        } else {
            Self::Io { what, cause }
        }
    }
}

/// Why the kernel gave no user namespace to one who is not root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserNsRefusal {
    /// `user.max_user_namespaces` or `user.max_net_namespaces` is used up, often 0.
    #[error(
        "the limit is reached: ask the administrator for `sysctl user.max_user_namespaces=10000` \
         (and user.max_net_namespaces), or run as root"
    )]
    Limit,
    /// Debian's `kernel.unprivileged_userns_clone=0`.
    #[error(
        "the host allows them to root only: ask the administrator for `sysctl \
         kernel.unprivileged_userns_clone=1`, or run as root"
    )]
    CloneSysctl,
    /// Ubuntu's `kernel.apparmor_restrict_unprivileged_userns=1`.
    #[error(
        "AppArmor takes their capabilities away: ask the administrator for `sysctl \
         kernel.apparmor_restrict_unprivileged_userns=0` or a profile for this program, or run as root"
    )]
    AppArmor,
    /// A seccomp filter, as the default of container engines.
    #[error(
        "a seccomp filter forbids them (a container?): start the container with `--security-opt \
         seccomp=unconfined`, or with `--cap-add NET_ADMIN --cap-add SYS_ADMIN` and run as root"
    )]
    Seccomp,
    /// A kernel built without `CONFIG_USER_NS`.
    #[error("the kernel has none (CONFIG_USER_NS): run as root")]
    NotInKernel,
    /// The process has several threads; the kernel splits only a process of one.
    #[error(
        "the process has {threads} threads: this must be the first thing that the program does"
    )]
    Threads {
        /// How many threads there are.
        threads: usize,
    },
    /// None of the known reasons.
    #[error("{step} was refused ({cause}): run as root")]
    Other {
        /// The step that failed.
        step: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },
}

#[cfg(test)]
mod tests;
