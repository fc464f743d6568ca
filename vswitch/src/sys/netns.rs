//! Network namespaces: made, opened, entered, pinned.
//!
//! A [`Netns`] is a descriptor of nsfs: as long as it is open the namespace lives, whatever happens to
//! the processes in it. A *pinned* namespace also has a path (a bind mount of nsfs, as `ip netns`
//! makes it) and lives as long as the mount; `nsenter --net=PATH` and `ip netns` work with it.
//!
//! Complications:
//! - A namespace belongs to a thread. `unshare` and `setns` therefore only happen on threads that are
//!   born for it here and end with it; if such a thread went back to a pool, the next job would find
//!   itself in a stranger's namespace.
//! - `/proc/thread-self`, not `/proc/self`: the latter is the main thread.
//! - Mounts propagate. If the directory of the pins were private, a mount namespace that is copied
//!   later (a container, a systemd service) would keep its copy of each pin, and the namespace, long
//!   after [`Netns::unpin`]. So the directory is made a *shared* mount, as `ip netns add` does.

use super::{SysError, caps::Cap, netlink};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode},
    mount::{MountPropagationFlags, UnmountFlags},
    thread::{LinkNameSpaceType, UnshareFlags},
};
use serde::{Deserialize, Serialize};
use std::{
    ffi::c_void,
    fs,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    ptr,
    sync::{Mutex, PoisonError},
    thread,
};

/// `f_type` of nsfs (linux/magic.h).
const NSFS_MAGIC: rustix::fs::FsWord = 0x6e73_6673;

/// The calling thread's network namespace, in proc.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace, kept alive by this descriptor.
#[derive(Debug)]
pub struct Netns(OwnedFd);

/// What tells two namespaces apart: device and inode of their nsfs file.
///
/// Only meaningful while the namespace lives; the kernel reuses inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NetnsId {
    /// `st_dev`.
    pub dev: u64,
    /// `st_ino`, the number that `ls -l /proc/PID/ns/net` shows.
    pub ino: u64,
}

impl Netns {
    /// The namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// [`SysError::Io`] if `/proc` is not mounted.
    pub fn current() -> Result<Self, SysError> {
        let fd = open_read(Path::new(OWN)).map_err(|e| SysError::io(format!("open {OWN}"), e))?;
        Ok(Self(fd))
    }

    /// The namespace at `path`: a pin, or a link such as `/proc/PID/ns/net`.
    ///
    /// # Errors
    ///
    /// [`SysError::NoSuchNamespace`], [`SysError::NotANamespace`], or [`SysError::NeedsCapability`].
    pub fn open(path: &Path) -> Result<Self, SysError> {
        let fd = open_read(path).map_err(|e| match e {
            Errno::NOENT | Errno::NOTDIR => SysError::NoSuchNamespace {
                path: path.to_owned(),
            },
            e => {
                let what = format!("open the namespace {}", path.display());
                SysError::needs(Cap::SysAdmin, what, e)
            }
        })?;
        if !is_net_namespace(fd.as_fd()) {
            return Err(SysError::NotANamespace {
                path: path.to_owned(),
            });
        }
        Ok(Self(fd))
    }

    /// The namespace of the main thread of process `pid`.
    ///
    /// # Errors
    ///
    /// [`SysError::NoSuchProcess`], or [`SysError::NeedsCapability`] for another user's process.
    pub fn of_pid(pid: u32) -> Result<Self, SysError> {
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        Self::open(&path).map_err(|e| match e {
            // A zombie still has its directory, but no namespaces.
            SysError::NoSuchNamespace { .. } => SysError::NoSuchProcess { pid },
            e => e,
        })
    }

    /// Takes over a descriptor, e.g. one received from another process.
    ///
    /// # Errors
    ///
    /// [`SysError::BadDescriptor`] if it is no network namespace.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, SysError> {
        if is_net_namespace(fd.as_fd()) {
            Ok(Self(fd))
        } else {
            Err(SysError::BadDescriptor {
                why: "it is no network namespace".to_owned(),
            })
        }
    }

    /// Makes a new namespace with nothing in it but `lo`, which is up.
    ///
    /// # Errors
    ///
    /// [`SysError::NeedsCapability`] without CAP_SYS_ADMIN; [`SysError::LimitReached`].
    pub fn create() -> Result<Self, SysError> {
        on_own_thread(|| {
            // SAFETY: rustix marks `unshare` unsafe for CLONE_FILES, which would give this thread
            // another descriptor table; CLONE_NEWNET changes no memory and no descriptors. There is
            // no safe call: a new namespace is only made by unshare or clone.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
                .map_err(refused_creation)?;
            netlink::set_link_up(&super::IfName::loopback())?;
            Self::current()
        })?
    }

    /// What tells this namespace from another.
    ///
    /// # Errors
    ///
    /// [`SysError::Io`]; in practice never, `fstat` of an open descriptor does not fail.
    pub fn id(&self) -> Result<NetnsId, SysError> {
        let stat = rustix::fs::fstat(&self.0).map_err(|e| SysError::io("stat a namespace", e))?;
        Ok(NetnsId {
            dev: stat.st_dev,
            ino: stat.st_ino,
        })
    }

    /// Runs `f` on a thread inside the namespace and waits for it. The caller's thread stays where
    /// it is. A panic of `f` goes on in the caller.
    ///
    /// The cost is one thread (about 50 µs), nothing for the data path. It blocks: inside a runtime
    /// call it from `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// [`SysError::NeedsCapability`] without CAP_SYS_ADMIN over the namespace; what `f` returns is
    /// passed on as it is.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T, SysError> {
        on_own_thread(|| {
            rustix::thread::move_into_link_name_space(
                self.0.as_fd(),
                Some(LinkNameSpaceType::Network),
            )
            .map_err(|e| SysError::needs(Cap::SysAdmin, "enter a network namespace", e))?;
            Ok(f())
        })?
    }

    /// Gives the namespace a path, under which it stays alive without this process.
    ///
    /// The directory is made (0755) if it is missing, and becomes a shared mount; the file is 0444,
    /// so that nobody writes into it where the mount is not visible. Nothing is left on failure.
    ///
    /// # Errors
    ///
    /// [`SysError::AlreadyPinned`] if there is a namespace at `path` already,
    /// [`SysError::NeedsCapability`] without CAP_SYS_ADMIN, [`SysError::Io`].
    pub fn pin(&self, path: &Path) -> Result<(), SysError> {
        if let Some(dir) = path.parent() {
            share_directory(dir)?;
        }
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o444)
            .open(path);
        match file {
            Ok(_) => {}
            // Left by a crash between the two steps, or by a restart of the host: use it.
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                if Self::is_pinned(path) {
                    return Err(SysError::AlreadyPinned {
                        path: path.to_owned(),
                    });
                }
            }
            Err(e) => return Err(SysError::io(format!("create {}", path.display()), e)),
        }
        let source = format!("/proc/thread-self/fd/{}", self.0.as_raw_fd());
        rustix::mount::mount_bind(source.as_str(), path).map_err(|e| {
            // The first error is the one to report; an empty file left behind harms nothing.
            if let Err(left) = fs::remove_file(path) {
                tracing::debug!(path = %path.display(), error = %left, "empty pin left behind");
            }
            SysError::needs(
                Cap::SysAdmin,
                format!("pin a namespace at {}", path.display()),
                e,
            )
        })
    }

    /// Takes the path away again; the namespace ends when nobody else holds it. Absent is fine.
    ///
    /// # Errors
    ///
    /// [`SysError::NotANamespace`] if something with content is there, which is left alone;
    /// [`SysError::NeedsCapability`], [`SysError::Io`].
    pub fn unpin(path: &Path) -> Result<(), SysError> {
        // One mount hides another where two processes pinned at the same path.
        while Self::is_pinned(path) {
            rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).map_err(
                |e| SysError::needs(Cap::SysAdmin, format!("unmount {}", path.display()), e),
            )?;
        }
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_file() && meta.len() == 0 => {}
            Ok(_) => {
                return Err(SysError::NotANamespace {
                    path: path.to_owned(),
                });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(SysError::io(format!("look at {}", path.display()), e)),
        }
        match fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(SysError::io(format!("remove {}", path.display()), e))
            }
            _ => Ok(()),
        }
    }

    /// Whether a namespace (of any kind) is mounted at `path`, as opposed to an empty file.
    #[must_use]
    pub fn is_pinned(path: &Path) -> bool {
        rustix::fs::statfs(path).is_ok_and(|s| s.f_type == NSFS_MAGIC)
    }

    /// Undoes what [`Netns::pin`] did to the directory of the pins, so that it can be removed.
    /// A directory that is no mount, or absent, is fine.
    ///
    /// # Errors
    ///
    /// [`SysError::NeedsCapability`], or [`SysError::Io`] (EBUSY) while a pin is left in it.
    pub fn release_directory(dir: &Path) -> Result<(), SysError> {
        match rustix::mount::unmount(dir, UnmountFlags::NOFOLLOW) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
            Err(e) => Err(SysError::needs(
                Cap::SysAdmin,
                format!("unmount {}", dir.display()),
                e,
            )),
        }
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Netns> for OwnedFd {
    fn from(ns: Netns) -> Self {
        ns.0
    }
}

fn refused_creation(e: Errno) -> SysError {
    let what = "make a network namespace";
    match e {
        Errno::NOSPC => SysError::LimitReached {
            what: what.to_owned(),
            sysctl: "user.max_net_namespaces",
        },
        e => SysError::needs(Cap::SysAdmin, what, e),
    }
}

fn open_read(path: &Path) -> Result<OwnedFd, Errno> {
    // O_NONBLOCK: a FIFO at a path that the user gave must not hang us.
    rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
    )
}

fn is_net_namespace(fd: BorrowedFd<'_>) -> bool {
    if !rustix::fs::fstatfs(fd).is_ok_and(|s| s.f_type == NSFS_MAGIC) {
        return false;
    }
    // SAFETY: `GetNsType` is sound on every descriptor (it passes no memory), and this one is a file
    // of nsfs, for which the number means NS_GET_NSTYPE. There is no safe way to ask: the text
    // `net:[...]` that proc gives is replaced by the path when the file was opened at a pin.
    let kind = unsafe { ioctl(fd, GetNsType) };
    kind.is_ok_and(|kind| kind == libc::CLONE_NEWNET)
}

/// `NS_GET_NSTYPE` (ioctl_nsfs(2)): takes nothing and returns a `CLONE_NEW*` number. None of rustix's
/// patterns gives the return value, hence an own.
struct GetNsType;

// SAFETY: the opcode reads and writes no memory (the pointer is null and ignored), so it mutates
// nothing, and its result is a plain number.
unsafe impl Ioctl for GetNsType {
    type Output = IoctlOutput;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        opcode::none(0xb7, 3)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        ptr::null_mut()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<IoctlOutput> {
        Ok(out)
    }
}

/// Runs `f` on a thread of its own, which may change its namespace and ends afterwards.
fn on_own_thread<T: Send>(f: impl FnOnce() -> T + Send) -> Result<T, SysError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, f)
            .map_err(|e| SysError::io("start a thread", e))?;
        match thread.join() {
            Ok(value) => Ok(value),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Makes `dir` a mount of its own with shared propagation; does nothing if it is one.
fn share_directory(dir: &Path) -> Result<(), SysError> {
    // Two threads at once would both find no mount and stack two.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(dir)
        .map_err(|e| SysError::io(format!("create the directory {}", dir.display()), e))?;
    let refused = |e: Errno| {
        SysError::needs(
            Cap::SysAdmin,
            format!("share the mount {}", dir.display()),
            e,
        )
    };
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    match rustix::mount::mount_change(dir, shared) {
        // Not a mount point yet.
        Err(Errno::INVAL) => {
            rustix::mount::mount_bind_recursive(dir, dir).map_err(refused)?;
            rustix::mount::mount_change(dir, shared).map_err(refused)
        }
        other => other.map_err(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_namespace_is_the_same_by_every_way() {
        let id = Netns::current().unwrap().id().unwrap();
        assert_eq!(Netns::of_pid(std::process::id()).unwrap().id().unwrap(), id);
        assert_eq!(Netns::open(Path::new(OWN)).unwrap().id().unwrap(), id);
        let fd = OwnedFd::from(Netns::current().unwrap());
        assert_eq!(Netns::from_fd(fd).unwrap().id().unwrap(), id);
    }

    #[test]
    fn what_is_no_namespace_is_named() {
        let missing = Netns::open(Path::new("/nonexistent/x"));
        assert!(matches!(missing, Err(SysError::NoSuchNamespace { .. })));
        // A file, a directory, and a namespace of another kind.
        for path in ["/proc/self/status", "/proc", "/proc/self/ns/mnt"] {
            let other = Netns::open(Path::new(path));
            assert!(
                matches!(other, Err(SysError::NotANamespace { .. })),
                "{path}: {other:?}"
            );
        }
        // Above pid_max, which is at most 2^22.
        assert!(matches!(
            Netns::of_pid(1 << 23),
            Err(SysError::NoSuchProcess { .. })
        ));
    }

    #[test]
    fn a_plain_file_is_not_pinned_and_not_removed_when_it_has_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        Netns::unpin(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        assert!(!Netns::is_pinned(&path));
        assert!(matches!(
            Netns::unpin(&path),
            Err(SysError::NotANamespace { .. })
        ));
        assert!(path.exists());
        fs::write(&path, "").unwrap();
        Netns::unpin(&path).unwrap();
        assert!(!path.exists());
    }
}
