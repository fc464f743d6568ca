//! How an engine is started, and how all of it is found and taken away where it could not do so itself.

use crate::{
    Must,
    deadline::{SOON, within},
    mounts::Mounts,
    procfs,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use vswitch::sys::{Netns, spawn_in};

/// What an engine has of its own. Closed: an engine is started so or so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// No bridge and no firewall: `--bridge=none --iptables=false`.
    Nothing,
    /// All that an engine has where nobody says otherwise: the bridge `docker0`, its rules, a proxy for each port.
    Networks,
}

impl Own {
    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &["--bridge=none", "--iptables=false", "--ip6tables=false"],
            // The host's own networks may be anywhere else.
            Self::Networks => &["--bip=198.18.240.1/24"],
        }
    }

    /// Takes away what an engine leaves behind at its end as it should: the next one finds it.
    pub(super) fn take_away(self, host: &Netns) {
        match self {
            Self::Nothing => {}
            Self::Networks => {
                let mut command = Command::new("ip");
                let command = command.args(["link", "delete", "docker0"]);
                let child = spawn_in(host, command).must("ip");
                let output = child.wait_with_output().must("ip");
                assert!(output.status.success(), "docker0 was not there");
            }
        }
    }
}

/// The command line of an engine.
pub(super) fn command(
    mounts: &Mounts,
    socket: &Path,
    dir: &Path,
    own: Own,
    options: &[String],
) -> Command {
    let mut command = mounts.command("dockerd");
    command
        .args(own.options())
        .args([
            "--storage-driver=vfs",
            "--exec-opt=native.cgroupdriver=cgroupfs",
        ])
        .arg(format!("--host=unix://{}", socket.display()))
        .arg(format!("--cgroup-parent=/{}", cgroup(dir)));
    for (option, name) in [
        ("--data-root", "data"),
        ("--exec-root", "exec"),
        ("--pidfile", "pid"),
    ] {
        command.arg(option).arg(dir.join(name));
    }
    command.args(options);
    command
}

/// The name of the cgroup of an engine's containers.
fn cgroup(dir: &Path) -> String {
    let name = dir.file_name().must("a name");
    name.to_string_lossy().into_owned()
}

/// Where the cgroup is in each hierarchy.
fn cgroups(dir: &Path) -> Vec<PathBuf> {
    let name = cgroup(dir);
    let root = Path::new("/sys/fs/cgroup");
    let mut all: Vec<PathBuf> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join(&name))
        .collect();
    all.push(root.join(&name));
    all.retain(|path| path.is_dir());
    all
}

/// Processes of an engine: those that have its directory on their command line, and those of its containers.
pub(super) fn processes(dir: &Path) -> Vec<String> {
    let mut all = procfs::with_argument(&dir.to_string_lossy());
    all.extend(
        contained(dir)
            .iter()
            .map(|pid| format!("{pid} in a container")),
    );
    all
}

/// Processes of an engine's containers.
fn contained(dir: &Path) -> Vec<String> {
    let (name, mut found) = (format!("/{}/", cgroup(dir)), Vec::new());
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let groups = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        if groups.contains(&name) {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

pub(super) fn kill(pid: &str) {
    // Whoever waits for it finds out that it has ended already.
    let _killed = Command::new("kill").args(["-9", pid]).status();
}

/// Ends what is left of an engine, whatever state it is in.
pub(super) fn take_away(dir: &Path) {
    let mut left = procfs::with_argument(&dir.to_string_lossy());
    // Shims and containerd first: they would report the end of the containers to nobody.
    left.extend(contained(dir));
    for process in &left {
        let pid = process.split(' ').next().unwrap_or_default();
        kill(pid);
    }
    let gone = within(SOON, || processes(dir).is_empty().then_some(()));
    if gone.is_none() {
        eprintln!("left behind: {:?}", processes(dir));
    }
    for group in cgroups(dir) {
        for entry in fs::read_dir(&group).into_iter().flatten().flatten() {
            let _removed = fs::remove_dir(entry.path());
        }
        if let Err(error) = fs::remove_dir(&group) {
            eprintln!("left behind: {}: {error}", group.display());
        }
    }
}
