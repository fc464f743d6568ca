//! What is sent, and who gets it.
//!
//! Every frame is of the test type, with a text that no other has. All frames of one sender go out in one burst;
//! then the way is [fenced](Field::settle), and what has not come until then never will.
//!
//! **Groups in several copies.** The kernel's devices filter groups by a hash of 8 bits with a salt of their own: one
//! group in some fifteen that nobody joined is let through, another one every time. So a group of each kind is probed
//! by several addresses of that kind, and what counts is the least that came of them. They lie at irregular distances: the
//! hash is a multiplication, and would carry a row of addresses that were joined onto a row that was not.

use super::scene::{Child, HOST, L1, L2, Scene};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
};
use vswitch::sys::netlink;
use vswitch_tests::{
    Must as _, Observer, Sandbox,
    deadline::SOON,
    eventually,
    frames::{self, Raw, station},
    observer::Copies,
};
use vswitch_wire::MacAddr;

/// Where a probe goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    /// A station by its name.
    Station(&'static str),
    /// An address that nobody has.
    Unknown,
    Broadcast,
    /// A group of a kind.
    Group(Kind),
}

/// Kinds of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    JoinedV4,
    UnjoinedV4,
    JoinedV6,
    UnjoinedV6,
    /// 224.0.0.0/24, which is never pruned.
    JoinedLocalV4,
    UnjoinedLocalV4,
    /// ff02::/16.
    JoinedLocalV6,
    UnjoinedLocalV6,
    AllHostsV4,
    AllNodesV6,
    JoinedSolicited,
    UnjoinedSolicited,
    /// A group of no IP group, asked for with `ip maddress`.
    JoinedOther,
    UnjoinedOther,
    /// Of the addresses that a bridge does not forward (802.1Q table 8-1).
    Reserved,
}

/// Distances between addresses that nobody joins; no two are the same.
const SCATTERED: [u8; 8] = [0, 3, 11, 26, 44, 71, 93, 109];

impl Kind {
    pub(super) const ALL: [Self; 15] = [
        Self::JoinedV4,
        Self::UnjoinedV4,
        Self::JoinedV6,
        Self::UnjoinedV6,
        Self::JoinedLocalV4,
        Self::UnjoinedLocalV4,
        Self::JoinedLocalV6,
        Self::UnjoinedLocalV6,
        Self::AllHostsV4,
        Self::AllNodesV6,
        Self::JoinedSolicited,
        Self::UnjoinedSolicited,
        Self::JoinedOther,
        Self::UnjoinedOther,
        Self::Reserved,
    ];

    fn addresses(self) -> Vec<MacAddr> {
        let at = |[a, b, c, d, e, f]: [u8; 6], offsets: &[u8]| -> Vec<MacAddr> {
            let offsets = offsets.iter();
            offsets
                .map(|offset| MacAddr::new([a, b, c, d, e, f + offset]))
                .collect()
        };
        let joined = |base| at(base, &[0, 1, 2]);
        let unjoined = |base| at(base, &SCATTERED);
        match self {
            Self::JoinedV4 => joined([1, 0, 0x5e, 1, 2, 3]),
            Self::UnjoinedV4 => unjoined([1, 0, 0x5e, 9, 8, 7]),
            Self::JoinedV6 => joined([0x33, 0x33, 0, 1, 0x23, 0x45]),
            Self::UnjoinedV6 => unjoined([0x33, 0x33, 0, 9, 0x87, 0x65]),
            Self::JoinedLocalV4 => joined([1, 0, 0x5e, 0, 0, 251]),
            Self::UnjoinedLocalV4 => unjoined([1, 0, 0x5e, 0, 0, 20]),
            Self::JoinedLocalV6 => joined([0x33, 0x33, 0, 0, 0, 0xfb]),
            Self::UnjoinedLocalV6 => unjoined([0x33, 0x33, 0, 0, 2, 1]),
            Self::AllHostsV4 => at([1, 0, 0x5e, 0, 0, 1], &[0]),
            Self::AllNodesV6 => at([0x33, 0x33, 0, 0, 0, 1], &[0]),
            Self::JoinedSolicited => joined([0x33, 0x33, 0xff, 0x77, 0, 1]),
            Self::UnjoinedSolicited => unjoined([0x33, 0x33, 0xff, 0x99, 0, 1]),
            Self::JoinedOther => joined([3, 0, 0, 0, 0, 1]),
            Self::UnjoinedOther => unjoined([3, 0, 0, 0, 9, 1]),
            Self::Reserved => at([1, 0x80, 0xc2, 0, 0, 0], &[3, 5, 8, 10, 13, 14]),
        }
    }

    /// The IP groups with these addresses; none for what is not to be joined so.
    fn joined(self) -> Vec<IpAddr> {
        let group = |mac: MacAddr| -> Option<IpAddr> {
            let [_, _, c, d, e, f] = mac.octets();
            let low = |a, b| u16::from_be_bytes([a, b]);
            let v6 =
                |scope, fifth| Ipv6Addr::new(scope, 0, 0, 0, 0, fifth, low(c, d), low(e, f)).into();
            match self {
                Self::JoinedV4 => Some(Ipv4Addr::new(239, d, e, f).into()),
                Self::JoinedLocalV4 => Some(Ipv4Addr::new(224, d, e, f).into()),
                Self::JoinedV6 => Some(v6(0xff05, 0)),
                Self::JoinedLocalV6 => Some(v6(0xff02, 0)),
                Self::JoinedSolicited => Some(v6(0xff02, 1)),
                _ => None,
            }
        };
        self.addresses().into_iter().filter_map(group).collect()
    }
}

/// Who sent what, and whether the LAN's switch sends frames back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Probe {
    pub(super) hairpin: bool,
    pub(super) from: &'static str,
    pub(super) to: To,
}

/// What each station was given of a probe, by its name.
pub(super) type Row = BTreeMap<&'static str, Copies>;
/// Of all probes.
pub(super) type Matrix = BTreeMap<Probe, Row>;

/// A scene with observers everywhere.
struct Field<'a> {
    scene: &'a Scene,
    observers: BTreeMap<&'static str, Observer>,
    senders: BTreeMap<&'static str, (MacAddr, Raw)>,
}

/// Sends all probes in a scene and gives what came of them.
pub(super) fn measure(scene: &Scene) -> Matrix {
    let mut field = Field::open(scene);
    let _memberships: Vec<UdpSocket> = scene
        .children
        .iter()
        .filter(|child| child.joins())
        .map(|child| join(&child.sandbox))
        .collect();
    field.wait_joined();
    let mut matrix = Matrix::new();
    for hairpin in [false, true] {
        scene.lan.set_hairpin(hairpin);
        for (from, _) in scene.all() {
            // So that the LAN's switch knows where everybody is.
            field.settle(from);
        }
        for (from, _) in scene.all() {
            let sent = field.send_all(hairpin, from);
            field.settle(from);
            for (probe, frames) in sent {
                matrix.insert(probe, field.row(&frames));
            }
        }
    }
    matrix
}

impl<'a> Field<'a> {
    fn open(scene: &'a Scene) -> Self {
        let all = scene.all();
        let observers = all
            .iter()
            .map(|(name, sandbox)| (*name, Observer::start(sandbox)));
        let senders = all
            .iter()
            .map(|(name, sandbox)| (*name, (sandbox.mac(), Raw::open(sandbox))));
        Self {
            scene,
            observers: observers.collect(),
            senders: senders.collect(),
        }
    }

    #[track_caller]
    fn observer(&self, name: &str) -> &Observer {
        self.observers.get(name).must(name)
    }

    /// Sends a frame that no other is equal to.
    #[track_caller]
    fn send(&mut self, from: &str, dst: MacAddr) -> Vec<u8> {
        let (src, raw) = self.senders.get_mut(from).must(from);
        let frame = frames::unique(dst, *src);
        raw.send(&frame);
        frame
    }

    fn destinations(&self) -> Vec<(To, Vec<MacAddr>)> {
        let stations = self.scene.all().into_iter();
        let stations = stations.map(|(name, sandbox)| (To::Station(name), vec![sandbox.mac()]));
        let groups = Kind::ALL.map(|kind| (To::Group(kind), kind.addresses()));
        let others = [
            (To::Unknown, vec![station(0x00ff_fff1)]),
            (To::Broadcast, vec![MacAddr::BROADCAST]),
        ];
        stations.chain(others).chain(groups).collect()
    }

    #[track_caller]
    fn send_all(&mut self, hairpin: bool, from: &'static str) -> Vec<(Probe, Vec<Vec<u8>>)> {
        let destinations = self.destinations().into_iter();
        let sent = destinations.map(|(to, addresses)| {
            let frames = addresses
                .into_iter()
                .map(|dst| self.send(from, dst))
                .collect();
            (Probe { hairpin, from, to }, frames)
        });
        sent.collect()
    }

    /// The least that came of frames that should fare alike. What the host overhears its stack drops, and so does
    /// a kernel that takes the frame away from it.
    fn row(&self, frames: &[Vec<u8>]) -> Row {
        let least = |(name, observer): (&&'static str, &Observer)| {
            let copies = frames.iter().map(|frame| observer.copies(frame));
            let mut least = copies.min().unwrap_or_default();
            if *name == HOST {
                least.overheard = 0;
            }
            (*name, least)
        };
        self.observers.iter().map(least).collect()
    }

    /// Waits until nothing of what `from` has sent is under way.
    ///
    /// Its own markers follow the same ways: by the wire, and from a bridge child straight to its siblings (and to those
    /// who take by its address), whose queues the switch serves one after the other. Then the LAN's go to all, from the first station to those who take by
    /// source (and perhaps to nobody else), from the second to all others; twice, because the second is sent when the
    /// first has been handled everywhere.
    #[track_caller]
    fn settle(&mut self, from: &str) {
        let to = if from == L2 { L1 } else { L2 };
        let (dst, _) = self.senders.get(to).must(to);
        let marker = self.send(from, *dst);
        self.observer(to).expect(&marker);
        self.settle_siblings(from);
        for _ in 0..2 {
            let first = self.send(L1, MacAddr::BROADCAST);
            let second = self.send(L2, MacAddr::BROADCAST);
            for child in &self.scene.children {
                let marker = if child.mode == "source" {
                    &first
                } else {
                    &second
                };
                self.observer(child.name).expect(marker);
            }
            self.observer(L2).expect(&first);
            self.observer(L1).expect(&second);
            self.observer(HOST).expect(&second);
        }
    }

    /// Waits until what a bridge child has sent is with its siblings.
    #[track_caller]
    fn settle_siblings(&mut self, from: &str) {
        let bridge = |child: &&Child| child.mode == "bridge";
        let children = &self.scene.children;
        if !children
            .iter()
            .filter(bridge)
            .any(|child| child.name == from)
        {
            return;
        }
        for sibling in children.iter().filter(bridge) {
            if sibling.name == from {
                continue;
            }
            let marker = self.send(from, sibling.sandbox.mac());
            self.observer(sibling.name).expect(&marker);
            for listener in children.iter().filter(|one| one.sources.contains(&from)) {
                self.observer(listener.name).expect(&marker);
            }
        }
    }

    /// Waits until the children that have joined groups get what a station sends to them.
    #[track_caller]
    fn wait_joined(&mut self) {
        let scene = self.scene;
        for child in scene.children.iter().filter(|child| child.joins()) {
            for kind in Kind::ALL.iter().filter(|kind| !kind.joined().is_empty()) {
                for group in kind.addresses() {
                    eventually(SOON, &format!("{} is in {group}", child.name), || {
                        let from = if child.mode == "source" { L1 } else { L2 };
                        let frame = self.send(from, group);
                        self.settle(from);
                        let copies = self.observer(child.name).copies(&frame);
                        (copies != Copies::NONE).then_some(())
                    });
                }
            }
        }
    }
}

/// Joins all that is to be joined. The memberships of IP end with the socket.
#[track_caller]
fn join(sandbox: &Sandbox) -> UdpSocket {
    let links = sandbox.run(netlink::links).must("list interfaces");
    let link = links.iter().find(|link| link.name == sandbox.nic().ifname);
    let index = link.must("the interface").index;
    let IpAddr::V4(own) = sandbox.ip4() else {
        panic!("{}: no IPv4 address", sandbox.name);
    };
    let socket = sandbox.run(|| UdpSocket::bind("[::]:0")).must("a socket");
    for group in Kind::ALL.into_iter().flat_map(Kind::joined) {
        let joined = match group {
            IpAddr::V4(group) => socket.join_multicast_v4(&group, &own),
            IpAddr::V6(group) => socket.join_multicast_v6(&group, index),
        };
        joined.must(&format!("{}: join {group}", sandbox.name));
    }
    for mac in Kind::JoinedOther.addresses() {
        let mac = mac.to_string();
        sandbox
            .exec(&["ip", "maddress", "add", &mac, "dev", "eth0"])
            .done();
    }
    socket
}
