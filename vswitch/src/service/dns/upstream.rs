//! The servers outside: those of the host's resolv.conf, as it stands when a question comes.
//!
//! The file is looked at for each forwarded query, and read only when it became another one. A watch would be cheaper
//! still, but misses a file that is replaced by a link or appears later; `stat` costs a microsecond.

use std::{
    fs,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rustix::net::{AddressFamily, SocketType, netdevice};

use super::{PORT, files};

/// Where the host names its servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// How many of them are asked, as by the resolver of libc.
const AT_MOST: usize = 3;

/// Which servers are asked for what is not answered here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Upstreams {
    /// The first three that a resolv.conf names, at port 53.
    File(PathBuf),
    /// These.
    Fixed(Vec<SocketAddr>),
}

impl Upstreams {
    /// Those of the host.
    pub fn host() -> Self {
        Self::File(RESOLV_CONF.into())
    }
}

/// [`Upstreams`] with what was read last.
#[derive(Debug)]
pub(super) struct Source {
    from: Upstreams,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    stamp: Option<Stamp>,
    servers: Vec<SocketAddr>,
}

/// What changes when a file becomes another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
}

impl Source {
    pub(super) fn new(from: Upstreams) -> Self {
        Self {
            from,
            read: Mutex::default(),
        }
    }

    /// The servers, in the order in which they are asked. A file that cannot be read names none.
    pub(super) fn servers(&self) -> Vec<SocketAddr> {
        let path = match &self.from {
            Upstreams::Fixed(servers) => return servers.clone(),
            Upstreams::File(path) => path,
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(path);
        if stamp != read.stamp {
            read.servers = servers_of(path);
            read.stamp = stamp;
            tracing::debug!(path = %path.display(), servers = ?read.servers, "servers outside");
        }
        read.servers.clone()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let facts = fs::metadata(path).ok()?;
    Some(Stamp {
        inode: (facts.dev(), facts.ino()),
        size: facts.size(),
        modified: (facts.mtime(), facts.mtime_nsec()),
    })
}

fn servers_of(path: &Path) -> Vec<SocketAddr> {
    let text = fs::read(path).unwrap_or_default();
    let mut servers = Vec::new();
    for (address, zone) in files::nameservers(&String::from_utf8_lossy(&text)) {
        let server = match (address, zone) {
            (IpAddr::V6(address), Some(zone)) => {
                SocketAddrV6::new(address, PORT, 0, scope(zone)).into()
            }
            (address, _) => SocketAddr::new(address, PORT),
        };
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    servers.truncate(AT_MOST);
    servers
}

/// The number of a zone: that of its interface. 0, which means none, where there is no such interface.
fn scope(zone: &str) -> u32 {
    zone.parse().unwrap_or_else(|_| {
        rustix::net::socket(AddressFamily::INET6, SocketType::DGRAM, None)
            .and_then(|socket| netdevice::name_to_index(socket, zone))
            .unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_again_when_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("resolv.conf");
        let source = Source::new(Upstreams::File(path.clone()));
        assert_eq!(source.servers(), []);
        fs::write(
            &path,
            "nameserver 192.0.2.1\nnameserver 192.0.2.1\nnameserver fe80::1%lo\n\
             nameserver 2001:2::1\nnameserver 192.0.2.4\n",
        )
        .unwrap();
        let servers = source.servers();
        assert_eq!(servers.len(), AT_MOST, "{servers:?}");
        assert_eq!(servers[0], "192.0.2.1:53".parse().unwrap());
        assert_eq!(servers[1], "[fe80::1%1]:53".parse().unwrap(), "lo is 1");
        // Replaced as editors and resolvconf do it, with a file of the same length.
        let other = directory.path().join("other");
        fs::write(&other, "nameserver 192.0.2.9\n").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(source.servers(), ["192.0.2.9:53".parse().unwrap()]);
        fs::remove_file(&path).unwrap();
        assert_eq!(source.servers(), []);
    }
}
