//! The same children, once as the kernel's devices and once as ours.

use super::super::{create, join, join_with};
use vswitch_tests::{Lab, Lan, Must as _, Sandbox, guard::Guard, kernel_macvlan::Device, lan};
use vswitch_wire::MacAddr;

/// Children of one mode and one list of sources: a network of ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) mode: &'static str,
    /// Their names. Those that end in 0 or 1 join groups.
    pub(super) children: &'static [&'static str],
    /// Names of stations, for source mode.
    pub(super) sources: &'static [&'static str],
    pub(super) nodst: bool,
}

impl Group {
    pub(super) const fn of(mode: &'static str, children: &'static [&'static str]) -> Self {
        Self {
            mode,
            children,
            sources: &[],
            nodst: false,
        }
    }
}

/// All children of the host's card.
pub(super) type Family = &'static [Group];

/// The names of those that are no children.
pub(super) const HOST: &str = "host";
pub(super) const L1: &str = "L1";
pub(super) const L2: &str = "L2";

/// A child in its place.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: &'static str,
    pub(super) mode: &'static str,
    /// Names of stations that it takes frames from, in source mode.
    pub(super) sources: &'static [&'static str],
    pub(super) sandbox: Sandbox,
}

impl Child {
    /// Whether it joins groups.
    pub(super) fn joins(&self) -> bool {
        self.name.ends_with(['0', '1'])
    }
}

/// A LAN and the children on it.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) children: Vec<Child>,
    /// Ends before the LAN does.
    lab: Option<Lab>,
    pub(super) lan: Lan,
    _guard: Option<Guard>,
}

/// A child of the family: its place among all, which its addresses follow from.
fn place(family: Family, name: &str) -> Option<(u8, u8)> {
    let mut number = 20..;
    (20..).zip(family).find_map(|(subnet, group)| {
        let mut children = group
            .children
            .iter()
            .zip(number.by_ref().take(group.children.len()));
        let found = children.find(|(child, _)| **child == name);
        // The rest of the group takes its numbers, too.
        found.map(|(_, number)| (subnet, number))
    })
}

fn mac(family: Family, lan: &Lan, name: &str) -> MacAddr {
    match name {
        L1 => lan.station(0).mac(),
        L2 => lan.station(1).mac(),
        _ => {
            let (subnet, number) = place(family, name).must(name);
            lan::mac(subnet, number)
        }
    }
}

impl Scene {
    /// With the kernel's devices.
    pub(super) fn kernel(family: Family) -> Self {
        let guard = Guard::shared();
        let lan = Lan::start();
        let mut children = Vec::new();
        for group in family {
            let sources: Vec<MacAddr> = (group.sources.iter())
                .map(|name| mac(family, &lan, name))
                .collect();
            for name in group.children {
                let (subnet, number) = place(family, name).must(name);
                let device = Device {
                    name,
                    mode: group.mode,
                    sources: &sources,
                    nodst: group.nodst,
                    subnet,
                    number,
                };
                children.push(Child {
                    name,
                    mode: group.mode,
                    sources: group.sources,
                    sandbox: device.start(lan.host()),
                });
            }
        }
        Self {
            children,
            lab: None,
            lan,
            _guard: Some(guard),
        }
    }

    /// With ours.
    pub(super) fn ours(family: Family) -> Self {
        let lan = Lan::start();
        let lab = lan.lab();
        let mut children = Vec::new();
        for (subnet, group) in (20..).zip(family) {
            let sources = group
                .sources
                .iter()
                .map(|name| mac(family, &lan, name).to_string());
            let sources = format!("sources={}", sources.collect::<Vec<_>>().join(","));
            let mode = format!("mode={}", group.mode);
            let mut options = vec!["parent=eth0", &mode];
            if !group.sources.is_empty() {
                options.push(&sources);
            }
            if group.nodst {
                options.push("nodst=on");
            }
            let network = format!("net{subnet}");
            create(&lab, &network, subnet, &options);
            for name in group.children {
                let place = place(family, name).must(name);
                let sandbox = if group.mode == "passthru" {
                    join_with(&lab, &network, name, place, &[])
                } else {
                    join(&lab, &network, name, place.0, place.1)
                };
                children.push(Child {
                    name,
                    mode: group.mode,
                    sources: group.sources,
                    sandbox,
                });
            }
        }
        Self {
            children,
            lab: Some(lab),
            lan,
            _guard: None,
        }
    }

    /// Everybody: children, host, the stations of the LAN.
    pub(super) fn all(&self) -> Vec<(&'static str, &Sandbox)> {
        let children = self
            .children
            .iter()
            .map(|child| (child.name, &child.sandbox));
        let others = [
            (HOST, self.lan.host()),
            (L1, self.lan.station(0)),
            (L2, self.lan.station(1)),
        ];
        children.chain(others).collect()
    }

    pub(super) fn finish(self) {
        if let Some(lab) = self.lab {
            lab.finish();
        }
    }
}
