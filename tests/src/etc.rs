//! A daemon with an `/etc/resolv.conf` of its own: a mount namespace in which a file lies over the machine's.
//!
//! What the daemon mounts itself, the sandboxes' namespaces, is to be seen by the test all the same. So the lab's
//! directory becomes a shared mount, and the daemon's mount namespace its peer.

use crate::{Must, daemon::program};
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_change, unmount};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::NamedTempFile;

/// What the daemon's mount namespace is made with; `$0` is the file.
const SCRIPT: &str =
    "mount --make-private / && mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";

/// The file, and the lab's directory as a shared mount until this is dropped.
#[derive(Debug)]
pub(crate) struct Etc {
    file: NamedTempFile,
    dir: PathBuf,
}

impl Etc {
    /// Makes the lab's directory and the file ready.
    #[track_caller]
    pub(crate) fn prepare(dir: &Path, text: &str) -> Self {
        mount_bind(dir, dir).must("a mount of the lab's directory");
        mount_change(dir, MountPropagationFlags::SHARED).must("a shared mount");
        let etc = Self {
            file: NamedTempFile::new().must("a file"),
            dir: dir.to_owned(),
        };
        etc.write(text);
        etc
    }

    /// Changes the text. It stays the same file, as the mount is of the file and not of its name.
    #[track_caller]
    pub(crate) fn write(&self, text: &str) {
        fs::write(self.file.path(), text).must("write resolv.conf");
    }

    /// The program under test, still without its words.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "unchanged", "sh", "-c", SCRIPT])
            .arg(self.file.path())
            .arg(program());
        command
    }
}

impl Drop for Etc {
    fn drop(&mut self) {
        if let Err(error) = unmount(&self.dir, UnmountFlags::DETACH) {
            eprintln!("left mounted: {}: {error}", self.dir.display());
        }
    }
}
