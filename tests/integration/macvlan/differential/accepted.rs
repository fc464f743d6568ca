//! What our children do differently from the kernel's devices, and why. The crate `macvlan-emu` says the same in its
//! own words. What is not here is a fault; and so is a line here that describes nothing any more.

use super::{
    Difference,
    probes::{Kind, To},
    scene::{HOST, Scene},
};
use vswitch_tests::observer::Copies;

/// Where probes go, as seen from a line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dst {
    /// The sender's own address.
    Own,
    /// The host's address, which is also that of a passthru child.
    Host,
    /// Any other unicast address, nobody's included.
    Other,
    Broadcast,
    /// Groups of these kinds.
    Groups(&'static [Kind]),
}

/// Who observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The stack of the host.
    Host,
    /// A child of one of these modes.
    Children(&'static [&'static str]),
}

/// Some differences, and one reason for all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accepted {
    pub(super) reason: &'static str,
    at: At,
    to: &'static [Dst],
    /// The mode of the sender, when it has to be a child of one; any sender when empty.
    from: &'static [&'static str],
    kernel: Copies,
    ours: Copies,
}

const BY_GROUP: &[&str] = &["bridge", "private", "vepa"];
const ANY_GROUP: Dst = Dst::Groups(&Kind::ALL);
const GROUPS: &[Dst] = &[Dst::Broadcast, ANY_GROUP];
const UNICAST: &[Dst] = &[Dst::Own, Dst::Host, Dst::Other];

/// The list.
pub(super) const ACCEPTED: &[Accepted] = &[
    Accepted {
        reason: "224.0.0.0/24 comes to all: not every host reports what it joins there (RFC 4541 section 2.1.2)",
        at: At::Children(BY_GROUP),
        to: &[Dst::Groups(&[Kind::JoinedLocalV4, Kind::UnjoinedLocalV4])],
        from: &[],
        kernel: Copies::NONE,
        ours: Copies::ONE,
    },
    Accepted {
        reason: "solicited-node groups come to all: a lost report must not cost neighbour discovery",
        at: At::Children(BY_GROUP),
        to: &[Dst::Groups(&[
            Kind::JoinedSolicited,
            Kind::UnjoinedSolicited,
        ])],
        from: &[],
        kernel: Copies::NONE,
        ours: Copies::ONE,
    },
    Accepted {
        reason: "a group that is no IP group is joined without a word on the wire, so nobody outside can know",
        at: At::Children(BY_GROUP),
        to: &[Dst::Groups(&[Kind::JoinedOther])],
        from: &[],
        kernel: Copies::ONE,
        ours: Copies::NONE,
    },
    Accepted {
        reason: "a passthru child takes every group",
        at: At::Children(&["passthru"]),
        to: GROUPS,
        from: &[],
        kernel: Copies::NONE,
        ours: Copies::ONE,
    },
    Accepted {
        reason: "a packet socket cannot take a frame away from the host: passthru shares unicast with it",
        at: At::Host,
        to: UNICAST,
        from: &[],
        kernel: Copies::NONE,
        ours: Copies::ONE,
    },
    Accepted {
        reason: "a packet socket cannot take a frame away from the host: nodst, reflected groups of children",
        at: At::Host,
        to: GROUPS,
        from: &[],
        kernel: Copies::NONE,
        ours: Copies::ONE,
    },
    Accepted {
        reason: "the kernel tells a passthru child's stack that every frame is for it; a TAP looks at the address",
        at: At::Children(&["passthru"]),
        to: &[Dst::Other],
        from: &[],
        kernel: Copies::ONE,
        ours: Copies::OTHER,
    },
    Accepted {
        reason: "the kernel tells a source child's stack that frames for the parent are for it; a TAP looks at the address",
        at: At::Children(&["source"]),
        to: &[Dst::Host],
        from: &[],
        kernel: Copies::ONE,
        ours: Copies::OTHER,
    },
    Accepted {
        reason: "nobody gets his own frames back from his own address",
        at: At::Children(&["bridge"]),
        to: &[Dst::Own],
        from: &["bridge"],
        kernel: Copies::ONE,
        ours: Copies::NONE,
    },
    Accepted {
        reason: "a source child that lists itself gets its own reflected frames, but not twice",
        at: At::Children(&["source"]),
        to: GROUPS,
        from: &["source"],
        kernel: Copies::new(2, 0),
        ours: Copies::ONE,
    },
];

impl Accepted {
    /// Whether a difference in a scene is one of these.
    pub(super) fn covers(&self, scene: &Modes, one: &Difference) -> bool {
        let at = match self.at {
            At::Host => one.at == HOST,
            At::Children(modes) => scene.of(one.at).is_some_and(|mode| modes.contains(&mode)),
        };
        let from = self.from.is_empty()
            || scene
                .of(one.probe.from)
                .is_some_and(|mode| self.from.contains(&mode));
        let goes = |to: &Dst| match (*to, one.probe.to) {
            (Dst::Own, To::Station(name)) => name == one.probe.from,
            (Dst::Host, To::Station(name)) => {
                name == HOST || scene.of(name).is_some_and(|mode| mode == "passthru")
            }
            (Dst::Other, To::Station(_) | To::Unknown) | (Dst::Broadcast, To::Broadcast) => true,
            (Dst::Groups(kinds), To::Group(kind)) => kinds.contains(&kind),
            (Dst::Own | Dst::Host, To::Unknown | To::Broadcast | To::Group(_))
            | (Dst::Other, To::Broadcast | To::Group(_))
            | (Dst::Broadcast, To::Station(_) | To::Unknown | To::Group(_))
            | (Dst::Groups(_), To::Station(_) | To::Unknown | To::Broadcast) => false,
        };
        at && from && self.to.iter().any(goes) && (self.kernel, self.ours) == (one.kernel, one.ours)
    }
}

/// The modes of the children of a scene.
#[derive(Debug)]
pub(super) struct Modes(Vec<(&'static str, &'static str)>);

impl Modes {
    pub(super) fn of_scene(scene: &Scene) -> Self {
        Self(
            scene
                .children
                .iter()
                .map(|child| (child.name, child.mode))
                .collect(),
        )
    }

    /// The mode of a child by its name; none for those that are no children.
    pub(super) fn of(&self, name: &str) -> Option<&'static str> {
        let found = self.0.iter().find(|(child, _)| *child == name);
        found.map(|(_, mode)| *mode)
    }
}
