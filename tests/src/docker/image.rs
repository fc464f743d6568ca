//! The image of the containers: Debian's static busybox under all of its names.

use crate::{Must, Output};
use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, Stdio},
    sync::OnceLock,
};

/// A tar archive with its root directory. It is made once.
///
/// # Panics
/// When it cannot be made.
pub(super) fn archive() -> Vec<u8> {
    static ARCHIVE: OnceLock<Vec<u8>> = OnceLock::new();
    ARCHIVE.get_or_init(make).clone()
}

fn make() -> Vec<u8> {
    let root = tempfile::tempdir().must("directory");
    for dir in ["bin", "etc", "tmp", "proc", "sys", "dev"] {
        fs::create_dir(root.path().join(dir)).must(dir);
    }
    let busybox = root.path().join("bin/busybox");
    fs::copy("/bin/busybox", &busybox).must("busybox-static");
    let applets = Command::new(&busybox)
        .arg("--list")
        .output()
        .must("busybox");
    for applet in Output::new("busybox --list".to_owned(), &applets)
        .ok()
        .lines()
    {
        if applet != "busybox" {
            symlink("busybox", root.path().join("bin").join(applet)).must(applet);
        }
    }
    let packed = Command::new("tar")
        .arg("-C")
        .arg(root.path())
        .args(["-c", "."])
        .stderr(Stdio::inherit())
        .output()
        .must("tar");
    assert!(packed.status.success(), "tar failed");
    packed.stdout
}
