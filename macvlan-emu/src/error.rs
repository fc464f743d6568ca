//! Why a change of a segment was refused. Nothing has changed then.

use vswitch_wire::MacAddr;

/// A change that cannot be made. Where the kernel's driver refuses the same, its error number is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// A group address, or zero (`EADDRNOTAVAIL`).
    #[error("{0} is not the address of a station; use a unicast address")]
    NotAStation(MacAddr),
    /// The address of the parent or of a child (`EBUSY`).
    #[error("{0} is in use by the parent or another child; choose another address")]
    AddressInUse(MacAddr),
    /// The key is a child already.
    #[error("this port is a child of the parent already")]
    KeyInUse,
    /// A passthru child wants the parent for itself, and there are children (`EINVAL`).
    #[error("passthru mode takes the whole parent, and it has children already; remove them first")]
    NotAlone,
    /// The parent belongs to a passthru child (`EINVAL`).
    #[error("the parent belongs to a passthru child; remove it first")]
    BesidePassthru,
    /// A passthru child has its parent's address, and no other.
    #[error("a passthru child has the address of its parent, {parent}, not {mac}")]
    PassthruAddress {
        /// The child's.
        mac: MacAddr,
        /// The parent's.
        parent: MacAddr,
    },
    /// Passthru without a parent.
    #[error("passthru mode needs a parent")]
    NoParent,
    /// A source list, or NODST, in another mode.
    #[error("a list of source addresses belongs to source mode only")]
    SourcesOutsideSourceMode,
}
