//! The five macvlan modes, and who may talk to whom.
//!
//! Each child has a mode of its own. The rules are Linux's (`drivers/net/macvlan.c`: `macvlan_queue_xmit` on the way
//! out, `macvlan_handle_frame` on the way in). [`Mode::takes`] is the table; rows are receivers, and the sender itself
//! is never one:
//!
//! | | a bridge child sends | another child sends | from the wire, unicast | group, from outside | group, reflected, from a VEPA child | group, reflected, from a bridge child | group, reflected, from others |
//! |---|---|---|---|---|---|---|---|
//! | bridge | yes | - | yes | yes | yes | - | - |
//! | vepa | - | - | yes | yes | yes | yes | - |
//! | private | - | - | yes | yes | - | - | - |
//! | passthru | - | - | yes | yes | - | - | - |
//! | source | - | - | - | - | - | - | - |
//!
//! What the table does not say:
//!
//! - **The wire** gets everything that a child sends, but for unicast between two bridge children
//!   ([`Mode::is_joined`]).
//! - **Reflected**: the frame comes in with the address of a child as its source, because an external switch sends
//!   frames back ("hairpin", 802.1Qbg). Bridge children have had it when it went out. Private, passthru and source
//!   children get their own reflected group frames, and nobody else does ([`Mode::takes_own_reflection`]).
//! - **Unicast does not ask where it comes from.** So an external switch that sends frames back does join two private
//!   children, once they know each other's address; what keeps them apart then is that ARP, a group frame, does not
//!   pass.
//! - **Group** frames go to those who want the group; see [`crate::membership`].
//! - **Source** children stand outside of the table: they get what is from an address on their list, unicast or group
//!   and whoever it is for, from the wire or from one bridge child to another.

use core::fmt;
use core::str::FromStr;

/// How the children of one parent are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Children reach one another directly. The default of Docker's macvlan driver (the kernel's is VEPA).
    #[default]
    Bridge,
    /// Children do not reach one another.
    Private,
    /// Children reach one another through an external switch that sends frames back ("hairpin", 802.1Qbg).
    Vepa,
    /// One child has the parent for itself.
    Passthru,
    /// The child takes frames by their source address, and no others.
    Source,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 5] = [
        Self::Bridge,
        Self::Private,
        Self::Vepa,
        Self::Passthru,
        Self::Source,
    ];

    /// The name, as in iproute2 and Docker's `macvlan_mode`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
            Self::Passthru => "passthru",
            Self::Source => "source",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown macvlan mode; use bridge, private, vepa, passthru or source")]
pub struct ModeError;

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or(ModeError)
    }
}

/// What kind of destination a frame has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cast {
    /// The receiver's own address.
    Unicast,
    /// Broadcast, or a multicast group that the receiver wants.
    Group,
}

/// Where a frame comes from, as the children see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A child of this mode sends it.
    Child(Mode),
    /// The wire, with a source address that is no child's.
    Outside,
    /// The wire, with the address of a child of this mode as its source.
    Reflected(Mode),
}

impl Mode {
    /// Whether a child of this mode, which is not the sender, gets the frame.
    #[inline]
    #[must_use]
    pub const fn takes(self, origin: Origin, cast: Cast) -> bool {
        match (origin, cast) {
            (Origin::Child(sender), Cast::Unicast | Cast::Group) => {
                sender.is_joined() && self.is_joined()
            }
            (Origin::Outside, Cast::Unicast | Cast::Group)
            | (Origin::Reflected(_), Cast::Unicast) => !self.takes_by_source(),
            (Origin::Reflected(sender), Cast::Group) => match sender {
                Self::Vepa => matches!(self, Self::Vepa | Self::Bridge),
                Self::Bridge => matches!(self, Self::Vepa),
                Self::Private | Self::Passthru | Self::Source => false,
            },
        }
    }

    /// Whether children of this mode are joined to one another without the wire.
    #[inline]
    #[must_use]
    pub const fn is_joined(self) -> bool {
        matches!(self, Self::Bridge)
    }

    /// Whether a child of this mode is given its own group frames, wanted or not, when the wire sends them back.
    #[inline]
    #[must_use]
    pub const fn takes_own_reflection(self) -> bool {
        match self {
            Self::Private | Self::Passthru | Self::Source => true,
            Self::Bridge | Self::Vepa => false,
        }
    }

    /// Whether a list of source addresses decides, and nothing else.
    #[inline]
    #[must_use]
    pub const fn takes_by_source(self) -> bool {
        matches!(self, Self::Source)
    }

    /// Whether the child has the parent for itself, and gets whatever comes in.
    #[inline]
    #[must_use]
    pub const fn is_alone(self) -> bool {
        matches!(self, Self::Passthru)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert_eq!("Bridge".parse::<Mode>(), Err(ModeError));
        assert_eq!("".parse::<Mode>(), Err(ModeError));
        assert_eq!(Mode::default(), Mode::Bridge);
    }
}
