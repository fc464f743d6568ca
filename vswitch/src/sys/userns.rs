//! An own user, network and mount namespace, for those who are not root.
//!
//! In its own user namespace a process is uid 0 and has all capabilities over what it makes there,
//! among it network namespaces and TAPs. That is enough for `demo`, `lab` and the tests: nothing of
//! the host is touched and everything ends with the process.
//!
//! Complications:
//! - The kernel splits only a process of one thread, so this comes before any runtime or pool.
//! - `/proc/self/setgroups` must be denied before `gid_map` may be written (user_namespaces(7)).
//! - `/run` of the host belongs to a root that is not us: an own tmpfs goes over it, in the own mount
//!   namespace, so that state directory and socket have their usual places.
//! - Refusals are silent about their reason (EPERM has four). [`diagnose`] looks at what the host
//!   says about itself and names the likely one.

use super::{IfName, SysError, UserNsRefusal, netlink};
use rustix::{
    io::Errno,
    mount::{MountFlags, MountPropagationFlags},
    thread::UnshareFlags,
};
use std::{fs, io, path::Path};

/// Moves this process into namespaces of its own (user, network, mount), as root of them: uid and gid
/// 0, `lo` up, mounts private, an empty `/run`. There is no way back.
///
/// Call it first thing in `main`, when not root. Children inherit the namespaces.
///
/// # Errors
///
/// [`SysError::UserNamespace`] with the likely reason. After an error the process may already be in
/// some of the namespaces: print and exit.
pub fn enter_own_namespaces() -> Result<(), SysError> {
    let threads = count_threads()?;
    if threads != 1 {
        return Err(SysError::UserNamespace(UserNsRefusal::Threads { threads }));
    }
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let flags = UnshareFlags::NEWUSER | UnshareFlags::NEWNET | UnshareFlags::NEWNS;
    // SAFETY: rustix marks `unshare` unsafe for CLONE_FILES, which is not among the flags; namespaces
    // change no memory and no descriptors. There is no safe call: a user namespace is only made by
    // unshare or clone.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(|e| refused("unshare", e.into()))?;

    write_map("setgroups", "deny")?;
    write_map("uid_map", &format!("0 {} 1", uid.as_raw()))?;
    write_map("gid_map", &format!("0 {} 1", gid.as_raw()))?;

    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private)
        .map_err(|e| refused("making the mounts private", e.into()))?;
    if Path::new("/run").is_dir() {
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        rustix::mount::mount("vswitch", "/run", "tmpfs", flags, Some(c"mode=0755"))
            .map_err(|e| refused("mounting an own /run", e.into()))?;
    }
    netlink::set_link_up(&IfName::loopback())
}

fn count_threads() -> Result<usize, SysError> {
    let tasks = "/proc/self/task";
    let entries = fs::read_dir(tasks).map_err(|e| SysError::io(format!("read {tasks}"), e))?;
    Ok(entries.count())
}

fn write_map(file: &'static str, text: &str) -> Result<(), SysError> {
    fs::write(format!("/proc/self/{file}"), text).map_err(|e| {
        // The name of the file is the step.
        refused(file, e)
    })
}

fn refused(step: &'static str, cause: io::Error) -> SysError {
    SysError::UserNamespace(diagnose(step, cause, &Host::look()))
}

/// What the host says about user namespaces; `None` where it has no such setting.
#[derive(Debug, Default, Clone, Copy)]
struct Host {
    /// `kernel.unprivileged_userns_clone` (Debian).
    clone_allowed: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns` (Ubuntu).
    apparmor_restricts: Option<u64>,
    /// `Seccomp:` of `/proc/self/status`; 2 is a filter.
    seccomp: Option<u64>,
    /// `user.max_user_namespaces`.
    max_user_namespaces: Option<u64>,
}

impl Host {
    fn look() -> Self {
        let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse().ok();
        Self {
            clone_allowed: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            seccomp: fs::read_to_string("/proc/self/status").ok().and_then(|s| {
                s.lines()
                    .find_map(|l| l.strip_prefix("Seccomp:"))?
                    .trim()
                    .parse()
                    .ok()
            }),
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
        }
    }
}

/// The likely reason why `step` failed with `cause` on `host`.
fn diagnose(step: &'static str, cause: io::Error, host: &Host) -> UserNsRefusal {
    match cause.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::USERS) => UserNsRefusal::Limit,
        Some(Errno::PERM | Errno::ACCESS) => {
            if host.max_user_namespaces == Some(0) {
                UserNsRefusal::Limit
            } else if host.clone_allowed == Some(0) {
                UserNsRefusal::CloneSysctl
            } else if host.apparmor_restricts.is_some_and(|n| n != 0) {
                UserNsRefusal::AppArmor
            } else if host.seccomp == Some(2) {
                UserNsRefusal::Seccomp
            } else {
                UserNsRefusal::Other { step, cause }
            }
        }
        // EINVAL means several threads too, but that is checked before.
        Some(Errno::INVAL | Errno::NOSYS) if step == "unshare" => UserNsRefusal::NotInKernel,
        _ => UserNsRefusal::Other { step, cause },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: Errno, host: Host) -> UserNsRefusal {
        diagnose("unshare", errno.into(), &host)
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let host = Host::default();
        assert!(matches!(of(Errno::NOSPC, host), UserNsRefusal::Limit));
        assert!(matches!(of(Errno::INVAL, host), UserNsRefusal::NotInKernel));
        assert!(matches!(of(Errno::PERM, host), UserNsRefusal::Other { .. }));
        let none = Host {
            max_user_namespaces: Some(0),
            seccomp: Some(2),
            ..host
        };
        assert!(matches!(of(Errno::PERM, none), UserNsRefusal::Limit));
        let debian = Host {
            clone_allowed: Some(0),
            seccomp: Some(2),
            ..host
        };
        assert!(matches!(
            of(Errno::PERM, debian),
            UserNsRefusal::CloneSysctl
        ));
        let ubuntu = Host {
            clone_allowed: Some(1),
            apparmor_restricts: Some(1),
            ..host
        };
        assert!(matches!(of(Errno::ACCESS, ubuntu), UserNsRefusal::AppArmor));
        let docker = Host {
            seccomp: Some(2),
            apparmor_restricts: Some(0),
            ..host
        };
        assert!(matches!(of(Errno::PERM, docker), UserNsRefusal::Seccomp));
        let free = Host {
            seccomp: Some(0),
            max_user_namespaces: Some(9),
            ..host
        };
        assert!(matches!(of(Errno::PERM, free), UserNsRefusal::Other { .. }));
    }

    #[test]
    fn einval_of_a_later_step_is_not_blamed_on_the_kernel() {
        let refusal = diagnose("uid_map", Errno::INVAL.into(), &Host::default());
        assert!(matches!(
            refusal,
            UserNsRefusal::Other {
                step: "uid_map",
                ..
            }
        ));
    }

    #[test]
    fn refused_in_a_process_of_many_threads_before_anything_is_changed() {
        // A second thread for certain, however the harness runs its tests.
        let error = std::thread::scope(|scope| scope.spawn(enter_own_namespaces).join())
            .unwrap()
            .unwrap_err();
        assert!(
            matches!(error, SysError::UserNamespace(UserNsRefusal::Threads { threads }) if threads > 1),
            "{error}"
        );
    }
}
