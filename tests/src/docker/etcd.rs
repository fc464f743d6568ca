//! etcd, in which several engines of Docker keep what they have in common (`--cluster-store`; until Docker 20.10).

use crate::{
    Must, Sandbox,
    daemon::{Log, start_daemon},
    deadline::{SOON, within},
};
use std::{
    net::{SocketAddr, TcpStream},
    process::{Child, Command},
};
use tempfile::TempDir;

/// The port for clients.
const PORT: u16 = 2379;

/// A running server, which ends with its value.
#[derive(Debug)]
pub struct Etcd {
    server: Child,
    at: SocketAddr,
    log: Log,
    /// Its data.
    _dir: TempDir,
}

impl Etcd {
    /// A server at a site's IPv4 address.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(site: &Sandbox) -> Self {
        let mut dir = tempfile::Builder::new();
        let dir = dir.prefix("vswitch-etcd-").tempdir().must("directory");
        let at = SocketAddr::new(site.ip4(), PORT);
        let url = format!("http://{at}");
        let mut command = Command::new("etcd");
        command
            // The engine speaks version 2.
            .args(["--enable-v2=true", "--log-level=warn"])
            .arg("--data-dir")
            .arg(dir.path())
            .args([
                "--listen-client-urls",
                &url,
                "--advertise-client-urls",
                &url,
            ])
            .args(["--listen-peer-urls", &format!("http://{}:2380", site.ip4())]);
        let log = Log::default();
        let server = start_daemon(&site.netns, &mut command, &log);
        let etcd = Self {
            server,
            at,
            log,
            _dir: dir,
        };
        let listens = || site.run(|| TcpStream::connect(at)).ok();
        assert!(
            within(SOON, listens).is_some(),
            "no etcd:\n{}",
            etcd.log.text()
        );
        etcd
    }

    /// The options of an engine at a site.
    #[must_use]
    pub fn options(&self, site: &Sandbox) -> [String; 2] {
        [
            format!("--cluster-store=etcd://{}", self.at),
            // Nobody has to be there.
            format!("--cluster-advertise={}:2376", site.ip4()),
        ]
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _killed = self.server.kill();
        let _status = self.server.wait();
    }
}
