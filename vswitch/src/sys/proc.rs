//! Processes that start inside a namespace.
//!
//! A child inherits the namespaces of the thread that forks it, so it is enough to spawn from inside
//! [`Netns::run`]: no `pre_exec`, none of its restrictions. The same holds for [`Surroundings`]: the
//! thread gets a mount and a UTS namespace of its own first, which live as long as the process and its
//! children, and nobody has to clean up.
//!
//! Complications:
//! - A file that stands in for another is a bind mount, and its source must be a file of the same mount
//!   namespace. It is made on a tmpfs that lies over `/proc` for that moment, and only there: `/proc` is
//!   a directory on every machine that can name a namespace at all, and nobody else is in this one.
//! - The mounts are made slaves, not private: what the host unmounts later (a pinned namespace, a disk)
//!   goes here too, instead of being kept in use by a forgotten shell.
//!
//! There is no parent-death signal (`PR_SET_PDEATHSIG`) on purpose: the kernel ties it to the
//! *thread* that forked, and that thread ends at once, so every child would be killed right after
//! its birth. Who starts a process keeps the [`Child`] and ends it.

use super::{Netns, SysError, caps::Cap};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, UnmountFlags},
    thread::UnshareFlags,
};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command},
};

/// Where files are made before they are bound to their places.
const STAGE: &str = "/proc";

/// What a process finds otherwise than its parent does. By default nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// The host's name, up to 64 bytes.
    pub hostname: Option<String>,
    /// Files that stand in for those at these paths, which have to be there, and their texts.
    pub files: Vec<(PathBuf, String)>,
}

/// Spawns `command` with `netns` as its network namespace. Everything else is as in the caller.
///
/// # Errors
///
/// What [`Command::spawn`] says, or that the namespace cannot be entered (then the error holds a
/// [`SysError`] with its remedy).
pub fn spawn_in(netns: &Netns, command: &mut Command) -> io::Result<Child> {
    netns.run(|| command.spawn()).map_err(io::Error::other)?
}

/// The same with other [`Surroundings`], which nobody but the process and its children sees.
///
/// # Errors
///
/// As [`spawn_in`]; also where the surroundings cannot be made.
pub fn spawn_among(
    netns: &Netns,
    surroundings: &Surroundings,
    command: &mut Command,
) -> io::Result<Child> {
    let inside = || {
        surroundings.enter().map_err(io::Error::other)?;
        command.spawn()
    };
    netns.run(inside).map_err(io::Error::other)?
}

impl Surroundings {
    /// Makes them those of the calling thread, which has to end soon after.
    fn enter(&self) -> Result<(), SysError> {
        if let Some(name) = &self.hostname {
            unshare(UnshareFlags::NEWUTS, "make a UTS namespace")?;
            rustix::system::sethostname(name.as_bytes()).map_err(|e| {
                SysError::needs(Cap::SysAdmin, format!("set the hostname {name}"), e)
            })?;
        }
        if self.files.is_empty() {
            return Ok(());
        }
        unshare(UnshareFlags::NEWNS, "make a mount namespace")?;
        let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", slave)
            .map_err(|e| SysError::needs(Cap::SysAdmin, "keep mounts to oneself", e))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount("vswitch", STAGE, "tmpfs", flags, Some(c"mode=0755"))
            .map_err(|e| SysError::needs(Cap::SysAdmin, "mount a tmpfs", e))?;
        let bound = (self.files.iter().enumerate())
            .try_for_each(|(number, (path, text))| bind(number, path, text));
        rustix::mount::unmount(STAGE, UnmountFlags::DETACH)
            .map_err(|e| SysError::needs(Cap::SysAdmin, "unmount a tmpfs", e))?;
        bound
    }
}

/// Puts a file with a text in the place of another.
fn bind(number: usize, path: &Path, text: &str) -> Result<(), SysError> {
    let source = Path::new(STAGE).join(number.to_string());
    let written = fs::write(&source, text)
        // Whatever the caller's umask is.
        .and_then(|()| fs::set_permissions(&source, fs::Permissions::from_mode(0o644)));
    written.map_err(|e| SysError::io(format!("write {}", path.display()), e))?;
    rustix::mount::mount_bind(&source, path)
        .map_err(|e| SysError::needs(Cap::SysAdmin, format!("mount over {}", path.display()), e))
}

fn unshare(flags: UnshareFlags, what: &str) -> Result<(), SysError> {
    // SAFETY: rustix marks `unshare` unsafe for CLONE_FILES, which is not among the flags; a mount
    // namespace brings CLONE_FS, which gives the thread a working directory and umask of its own and
    // changes no memory and no descriptors. There is no safe call: a new namespace is only made by
    // unshare or clone.
    unsafe { rustix::thread::unshare_unsafe(flags) }
        .map_err(|e| SysError::needs(Cap::SysAdmin, what, e))
}
