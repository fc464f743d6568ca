//! The way out by the kernel's NAT: a network's subnets reach what the host reaches, under the host's own addresses.
//!
//! This is the one service that asks the kernel for netfilter. Where there is no `nft` program, or no right to use it,
//! that is an error that says so, and networks do without.
//!
//! - **Rules**: one table `inet vswitch-INTERFACE` for each way out, made in one transaction that replaces what a killed
//!   daemon left of the same name (`ruleset`). It masquerades what comes from the subnets and leaves by another
//!   interface, and drops what goes from one network of the switch to another, whose interfaces all begin with
//!   [`HOST_PREFIX`]: networks are isolated from one another, as Docker's are. All else is left as it is, so answers
//!   come in, and whether somebody outside may reach the subnets unasked is for the host's own rules.
//! - **Forwarding** (`net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`) is switched on where it is off, and stays
//!   on, as with Docker: who else relies on it by then is not known. A host that forwards IPv6 ignores router
//!   advertisements unless `accept_ra` is 2 on the interface; the log says so.
//! - **Other firewalls**: an accept in one table does not overrule a drop in another. Where Docker is at work, whose
//!   chain FORWARD drops by policy, rules are put into its chain DOCKER-USER, which is there for that (`firewall`); once
//!   more when Docker comes after us ([`WaysOut::admit_again`]). Our networks do not reach Docker's; Docker lets its own
//!   reach whatever is not Docker's, and so ours. Any other firewall that drops is the administrator's; the log tells
//!   about it.
//! - **Leftovers**: rules die with the [`Service`]; those of a daemon that was killed with [`remove_leftovers`].
//!
//! **Threads**: everything acts on the network namespace of the calling thread, and blocks for the milliseconds that a
//! program takes to run. The service must end in the namespace that it began in.

mod firewall;
mod program;
mod ruleset;

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ipnet::IpNet;

use crate::{
    control::{ControlError, services::Service},
    sys::{IfName, netlink},
};
use ruleset::{Table, table_name};

/// What the names of the host's interfaces on the switch's networks begin with.
pub const HOST_PREFIX: &str = "vs-";

/// What can be done without.
const REMEDY: &str = "or do without a way out: -o nat=off";

/// One family's switch, and what is said when it is turned.
struct Forwarding {
    path: &'static str,
    name: &'static str,
    warning: &'static str,
}

const IPV4: Forwarding = Forwarding {
    path: "/proc/sys/net/ipv4/ip_forward",
    name: "net.ipv4.ip_forward",
    warning: "the host forwards IPv4 between all of its interfaces now",
};

const IPV6: Forwarding = Forwarding {
    path: "/proc/sys/net/ipv6/conf/all/forwarding",
    name: "net.ipv6.conf.all.forwarding",
    warning: "the host forwards IPv6 now and ignores router advertisements, unless accept_ra is 2 on the interface",
};

impl Forwarding {
    fn switch_on(&self) -> Result<(), ControlError> {
        let refused = |error| {
            ControlError::unavailable(format!(
                "no way out: cannot switch on {name} ({error}); do it by hand (sysctl -w {name}=1), {REMEDY}",
                name = self.name
            ))
        };
        if fs::read_to_string(self.path).map_err(refused)?.trim() != "0" {
            return Ok(());
        }
        fs::write(self.path, "1").map_err(refused)?;
        tracing::warn!("{} switched on: {}", self.name, self.warning);
        Ok(())
    }
}

/// All ways out. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct WaysOut(Arc<Mutex<BTreeSet<IfName>>>);

/// Rules of one interface, until dropped.
#[derive(Debug)]
struct WayOut {
    interface: IfName,
    all: WaysOut,
}

impl Drop for WayOut {
    fn drop(&mut self) {
        self.all.interfaces().remove(&self.interface);
        firewall::remove(&self.interface);
        if let Err(error) = program::nft(&ruleset::removal(&self.interface)) {
            tracing::warn!(interface = %self.interface, %error, "rules of a way out stay behind");
        }
    }
}

impl WaysOut {
    /// Lets what is in the subnets out by the host's other interfaces. `interface` is the host's on the network, with a
    /// name that begins with [`HOST_PREFIX`].
    ///
    /// # Errors
    /// Unavailable without nftables or the right to change rules and sysctls; invalid for a name that cannot stand in a
    /// rule.
    pub fn open(&self, interface: &str, subnets: &[IpNet]) -> Result<Service, ControlError> {
        let interface = checked(interface)?;
        let table = Table {
            interface: &interface,
            subnets,
        };
        program::nft(&table.script())?;
        // From here on what was made is undone when something fails.
        let way_out = WayOut {
            interface: interface.clone(),
            all: self.clone(),
        };
        if subnets.iter().any(|subnet| subnet.addr().is_ipv4()) {
            IPV4.switch_on()?;
        }
        if subnets.iter().any(|subnet| subnet.addr().is_ipv6()) {
            IPV6.switch_on()?;
        }
        firewall::admit(&interface)?;
        self.interfaces().insert(interface);
        Ok(Service::new(way_out))
    }

    /// Docker has made its firewall, perhaps after the ways out were opened: sees to it that they go through it.
    pub fn admit_again(&self) {
        for interface in self.interfaces().iter() {
            if let Err(error) = firewall::admit(interface) {
                tracing::warn!(%interface, %error, "Docker's firewall closes a way out");
            }
        }
    }

    fn interfaces(&self) -> MutexGuard<'_, BTreeSet<IfName>> {
        // A set of names is whole after every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the rules of interfaces that do not exist any more, which a killed daemon left. Others may be at work: what
/// belongs to an interface that is there stays. Without nftables there is nothing.
///
/// # Errors
/// When rules that were found cannot be removed.
pub fn remove_leftovers() -> Result<(), ControlError> {
    let tables = program::tables().unwrap_or_default();
    let (named, admitted) = (
        tables
            .iter()
            .filter_map(|table| ruleset::interface_of(table)),
        firewall::admitted(),
    );
    let mut interfaces: Vec<IfName> = named.chain(admitted).collect();
    interfaces.sort();
    interfaces.dedup();
    for interface in interfaces {
        if netlink::link_exists(&interface).unwrap_or(true) {
            continue;
        }
        firewall::remove(&interface);
        if tables.contains(&table_name(&interface)) {
            program::nft(&ruleset::removal(&interface))?;
        }
        tracing::info!(%interface, "removed the rules of an interface that is gone");
    }
    Ok(())
}

/// A name that can stand in a rule as it is.
fn checked(name: &str) -> Result<IfName, ControlError> {
    let invalid = |why: String| ControlError::invalid(format!("a way out for {name:?}: {why}"));
    let interface = IfName::new(name).map_err(|error| invalid(error.to_string()))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.starts_with(HOST_PREFIX) || !name.chars().all(plain) {
        return Err(invalid(format!(
            "not an interface of the switch; its names begin with {HOST_PREFIX} and have letters, digits and - _ . only"
        )));
    }
    Ok(interface)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ErrorKind;

    #[test]
    fn names_that_could_say_something_else_in_a_rule_are_refused() {
        for name in [
            "",
            "eth0",
            "vs-a\"b",
            "vs-a;b",
            "vs-a{",
            "vs-*",
            "vs- a",
            "vs-01234567890123",
        ] {
            let refused = WaysOut::default().open(name, &[]).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Invalid, "{name}");
        }
        assert_eq!(checked("vs-1a_b.c").unwrap().as_str(), "vs-1a_b.c");
    }
}
