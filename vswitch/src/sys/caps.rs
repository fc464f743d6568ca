//! Capabilities of the calling thread, and whether the switch can work here at all.
//!
//! The kernel asks for a capability in the user namespace that *owns* the object: CAP_NET_ADMIN in
//! an own user namespace is worth nothing over the host's interfaces, and everything over the own
//! ones. So having a capability is necessary, not sufficient; the errors of the calls themselves say
//! the rest.

use super::{SysError, Tun};
use rustix::thread::CapabilitySet;
use std::fmt;

/// A capability that some part of the switch needs (capabilities(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cap {
    /// Interfaces, addresses, routes.
    NetAdmin,
    /// Packet sockets.
    NetRaw,
    /// Namespaces and mounts.
    SysAdmin,
}

impl Cap {
    fn bit(self) -> CapabilitySet {
        match self {
            Self::NetAdmin => CapabilitySet::NET_ADMIN,
            Self::NetRaw => CapabilitySet::NET_RAW,
            Self::SysAdmin => CapabilitySet::SYS_ADMIN,
        }
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::SysAdmin => "CAP_SYS_ADMIN",
        })
    }
}

/// Whether the calling thread has `cap` in effect. False as well if the kernel does not say.
#[must_use]
pub fn has_cap(cap: Cap) -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(cap.bit()))
}

/// Checks what every command that makes sandboxes needs, so that it fails before it has changed
/// anything: CAP_NET_ADMIN, CAP_SYS_ADMIN and a `/dev/net/tun` that opens.
///
/// # Errors
///
/// The first thing that is missing, with its remedy.
pub fn preflight() -> Result<(), SysError> {
    let needed = [
        (Cap::NetAdmin, "create TAP devices and configure interfaces"),
        (Cap::SysAdmin, "make and enter network namespaces"),
    ];
    for (cap, what) in needed {
        if !has_cap(cap) {
            return Err(SysError::NeedsCapability {
                cap,
                what: what.to_owned(),
            });
        }
    }
    Tun::probe()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_proc() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix("CapEff:"))
            .unwrap();
        let effective = u64::from_str_radix(line.trim(), 16).unwrap();
        // Bit numbers of linux/capability.h.
        for (cap, bit) in [(Cap::NetAdmin, 12), (Cap::NetRaw, 13), (Cap::SysAdmin, 21)] {
            assert_eq!(has_cap(cap), effective & (1 << bit) != 0, "{cap}");
        }
    }
}
