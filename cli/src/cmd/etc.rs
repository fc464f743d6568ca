//! What a command in a sandbox of ours finds in `/etc`: its own name and addresses, and where names are asked for.
//!
//! The texts are the library's; here is what they are made of. The host's files are read by us and not by the daemon, as
//! the command sees our file system. They are as the sandbox is when the command starts: a network that it is connected
//! to later is not in the `/etc/hosts` of a command that runs already, but DNS knows it.

use crate::print;
use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};
use vswitch::{
    api::types::{SandboxInspect, SandboxKind},
    service::dns::{RESOLVER, files},
    sys::Surroundings,
};

/// What a command in the sandbox finds otherwise than we do. In a namespace that is not ours that is nothing.
pub(crate) fn surroundings(sandbox: &SandboxInspect) -> Surroundings {
    match sandbox.kind {
        SandboxKind::Named => of_ours(sandbox, Path::new("/etc")),
        SandboxKind::Foreign | SandboxKind::Guest => Surroundings::default(),
    }
}

fn of_ours(sandbox: &SandboxInspect, etc: &Path) -> Surroundings {
    let read = |name: &str| fs::read(etc.join(name)).ok();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let interfaces = sandbox.interfaces.iter().map(|end| &end.interface);
    let addresses: Vec<IpAddr> = interfaces
        .flat_map(|interface| {
            let v4 = interface.ipv4.map(|net| IpAddr::V4(net.addr()));
            v4.into_iter()
                .chain(interface.ipv6.map(|net| IpAddr::V6(net.addr())))
        })
        .collect();
    // A file that is not there cannot be stood in for, and is not made: it would be the host's.
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    let mut stand_in = |name: &str, make: &dyn Fn(String) -> Option<String>| {
        let there = read(name);
        let is_there = there.is_some();
        let text = there.map(text).and_then(make);
        found.extend(text.map(|text| (etc.join(name), text)));
        is_there
    };
    stand_in("hosts", &|_| Some(files::hosts(&sandbox.name, &addresses)));
    stand_in("hostname", &|_| Some(files::hostname(&sandbox.name)));
    // On no network nobody listens at 127.0.0.11.
    if !sandbox.interfaces.is_empty() {
        stand_in("nsswitch.conf", &|host| files::nsswitch(&host));
        let asks = stand_in("resolv.conf", &|host| {
            Some(files::resolv_conf(&host, RESOLVER))
        });
        if !asks {
            print::complain(&format!(
                "warning: no names for the command: there is no {} to stand in for; make one, be it empty",
                etc.join("resolv.conf").display()
            ));
        }
    }
    Surroundings {
        hostname: Some(sandbox.name.clone()),
        files: found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sandbox(kind: &str, interfaces: &serde_json::Value) -> SandboxInspect {
        serde_json::from_value(json!({
            "id": "0", "name": "web", "kind": kind, "path": "/run/vswitch/netns/web",
            "created": "2026-01-01T00:00:00Z", "interfaces": interfaces
        }))
        .expect("the shape")
    }

    fn on_lan() -> serde_json::Value {
        json!([{
            "network": "lan", "network_id": "1", "endpoint_id": "2", "ifname": "eth0", "port": 3,
            "mac_address": "02:42:c6:12:00:02", "ipv4": "198.18.0.2/24", "ipv6": "2001:2::2/64",
            "mtu": 1500, "gateway": null, "gateway6": null
        }])
    }

    #[test]
    fn a_sandbox_of_ours_has_its_own_files() {
        let etc = tempfile::tempdir().expect("a directory");
        for (name, text) in [
            ("hosts", "127.0.0.1 localhost\n"),
            ("resolv.conf", "nameserver 198.18.0.53\nsearch x.example\n"),
            ("nsswitch.conf", "hosts: files resolve\n"),
        ] {
            fs::write(etc.path().join(name), text).expect("a file");
        }
        let made = of_ours(&sandbox("named", &on_lan()), etc.path());
        assert_eq!(made.hostname.as_deref(), Some("web"));
        let text = |name: &str| {
            let found = (made.files.iter()).find(|(path, _)| *path == etc.path().join(name));
            found.map(|(_, text)| text.as_str())
        };
        let resolv = "nameserver 127.0.0.11\nsearch x.example\noptions ndots:0\n";
        assert_eq!(text("resolv.conf"), Some(resolv));
        assert_eq!(text("nsswitch.conf"), Some("hosts: files dns\n"));
        let hosts = text("hosts").expect("hosts");
        assert!(hosts.ends_with("198.18.0.2\tweb\n2001:2::2\tweb\n"));
        assert_eq!(text("hostname"), None, "the host has none");
    }

    #[test]
    fn on_no_network_names_are_not_asked_for_at_127_0_0_11() {
        let etc = tempfile::tempdir().expect("a directory");
        fs::write(etc.path().join("resolv.conf"), "").expect("a file");
        let made = of_ours(&sandbox("named", &json!([])), etc.path());
        assert_eq!(made.files, []);
    }

    #[test]
    fn a_namespace_of_others_is_left_alone() {
        for kind in ["foreign", "guest"] {
            let made = surroundings(&sandbox(kind, &on_lan()));
            assert_eq!(made, Surroundings::default());
        }
    }
}
