//! The reference: the kernel's own macvlan devices on the host of a [`Lan`](crate::lan::Lan), each in a namespace
//! of its own. No part of the product.

use crate::{
    Must, Sandbox, ip,
    lan::{self, IFNAME},
};
use std::fmt::Write as _;
use vswitch::sys::Netns;
use vswitch_wire::MacAddr;

/// A device that is to be made.
#[derive(Debug, Clone, Default)]
pub struct Device<'a> {
    /// Name of its namespace in messages.
    pub name: &'a str,
    /// As in iproute2.
    pub mode: &'a str,
    /// The addresses from which a device in source mode takes frames.
    pub sources: &'a [MacAddr],
    /// Whether nobody else gets those.
    pub nodst: bool,
    /// The third part of its IPv4 address.
    pub subnet: u8,
    /// The last part.
    pub number: u8,
}

impl Device<'_> {
    /// Makes it. A device in passthru mode has its parent's address, others have [`lan::mac`]'s.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[track_caller]
    #[must_use]
    pub fn start(&self, host: &Sandbox) -> Sandbox {
        let Self { name, mode, .. } = self;
        let mut nic = lan::nic(self.subnet, self.number);
        let address = match *mode {
            "passthru" => {
                nic.mac = host.mac();
                String::new()
            }
            _ => format!("address {}", nic.mac),
        };
        let netns = Netns::create().must("a namespace");
        let sandbox = Sandbox::of(name, netns, Some(nic));
        let path = sandbox.netns_path();
        let nodst = if self.nodst { "nodst" } else { "" };
        let line = format!(
            "link add link {IFNAME} name {IFNAME} {address} netns {path} type macvlan mode {mode} {nodst}\n"
        );
        ip::batch(host, &line);
        let mut inside = format!("link set dev {IFNAME} up\n");
        for source in self.sources {
            writeln!(
                inside,
                "link set dev {IFNAME} type macvlan macaddr add {source}"
            )
            .must("a string grows");
        }
        for address in [
            format!("{}/24", sandbox.ip4()),
            format!("{}/64 nodad", sandbox.ip6()),
        ] {
            writeln!(inside, "address add {address} dev {IFNAME}").must("a string grows");
        }
        ip::batch(&sandbox, &inside);
        sandbox
    }
}
