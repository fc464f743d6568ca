//! The five macvlan modes and what they let pass between two children of one parent.
//!
//! The rule is Linux's (`drivers/net/macvlan.c`, `macvlan_queue_xmit` and `macvlan_broadcast`): only two children that
//! are both in bridge mode are joined by the driver itself. In every other pair the frame goes to the wire and nowhere
//! else; in VEPA mode it is the external switch that may send it back, in private mode nothing brings it back.
//! Source mode does not ask for the destination at all: it takes by the sender's address what comes from the wire.

use core::fmt;
use core::str::FromStr;

/// How the children of one parent are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Children reach one another directly. The default of Docker's macvlan driver.
    #[default]
    Bridge,
    /// Children never reach one another.
    Private,
    /// Children reach one another through an external switch that sends frames back ("hairpin", 802.1Qbg).
    Vepa,
    /// One child has the parent for itself.
    Passthru,
    /// Children take frames by their source address.
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

/// To whom a child sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cast {
    /// The other child's own address.
    Unicast,
    /// Broadcast, or a multicast group that the other child listens to.
    Group,
}

/// What happens to a frame from one child with regard to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// The other child gets it directly.
    pub sibling: bool,
    /// It leaves through the parent.
    pub wire: bool,
}

/// Whether a frame that `from` sends is handed to the sibling `to`, and whether it goes to the wire. Among bridge
/// children a unicast frame stays inside, a group frame goes both ways.
#[must_use]
pub const fn may_deliver(from: Mode, to: Mode, cast: Cast) -> Delivery {
    let sibling = match (from, to) {
        (Mode::Bridge, Mode::Bridge) => true,
        (Mode::Bridge | Mode::Private | Mode::Vepa | Mode::Passthru | Mode::Source, _) => false,
    };
    let wire = match cast {
        Cast::Unicast => !sibling,
        Cast::Group => true,
    };
    Delivery { sibling, wire }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let mut joined = Vec::new();
        for from in Mode::ALL {
            for to in Mode::ALL {
                let unicast = may_deliver(from, to, Cast::Unicast);
                let group = may_deliver(from, to, Cast::Group);
                assert_eq!(unicast.sibling, group.sibling, "{from} to {to}");
                assert_ne!(
                    unicast.sibling, unicast.wire,
                    "a unicast frame goes one way: {from} to {to}"
                );
                assert!(
                    group.wire,
                    "the wire always sees a group frame: {from} to {to}"
                );
                if unicast.sibling {
                    joined.push((from, to));
                }
            }
        }
        assert_eq!(joined, [(Mode::Bridge, Mode::Bridge)]);
    }

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
