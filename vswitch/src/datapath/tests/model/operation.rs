//! What may happen, made of eight bytes, so that random numbers and shrinking both work: smaller
//! bytes are plainer operations.

use vswitch_wire::MacAddr;

use super::super::super::{Ageing, DropReason, EntryKind, Flush, MaxEntries, NetworkSettings};
use super::super::bench::Mood;
use super::NETWORKS;
use crate::port::PortId;
use crate::testing::mac;

pub(super) type Raw = [u8; 8];

/// A frame to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) dst: MacAddr,
    pub(super) src: MacAddr,
    pub(super) bad: Option<DropReason>,
    pub(super) payload: usize,
}

#[derive(Debug)]
pub(super) enum Operation {
    Receive {
        from: u16,
        frames: Vec<Sent>,
    },
    Wait {
        millis: u64,
    },
    AddPort {
        number: u16,
        network: u32,
        mtu: u16,
    },
    RemovePort {
        number: u16,
    },
    Change {
        number: u16,
        mood: Mood,
    },
    Configure {
        network: u32,
        settings: NetworkSettings,
    },
    Table {
        network: u32,
        change: Change,
    },
}

/// What is done to a forwarding database by hand, or by the sweep.
#[derive(Debug)]
pub(super) enum Change {
    Add {
        mac: MacAddr,
        port: u16,
        kind: EntryKind,
    },
    Remove {
        mac: MacAddr,
    },
    Flush {
        filter: Flush,
    },
    Sweep,
}

impl Operation {
    /// To count them by.
    pub(super) fn kind(&self) -> impl Eq + std::hash::Hash + std::fmt::Debug + use<> {
        let change = match self {
            Self::Table { change, .. } => Some(std::mem::discriminant(change)),
            Self::Receive { .. }
            | Self::Wait { .. }
            | Self::AddPort { .. }
            | Self::RemovePort { .. }
            | Self::Change { .. }
            | Self::Configure { .. } => None,
        };
        (std::mem::discriminant(self), change)
    }
}

/// Few stations, so that they meet.
fn station(byte: u8) -> MacAddr {
    mac(1 + byte % 9)
}

/// Mostly stations; now and then an address that none has.
fn address(byte: u8) -> MacAddr {
    match byte {
        0..=230 => station(byte),
        231..=235 => MacAddr::ZERO,
        236..=242 => MacAddr::BROADCAST,
        243..=247 => MacAddr::new([0x33, 0x33, 0, 0, 0, 1]),
        248..=250 => MacAddr::new([1, 0x80, 0xc2, 0, 0, 0]),
        251..=253 => MacAddr::new([1, 0x80, 0xc2, 0, 0, 0x0f]),
        254..=255 => MacAddr::new([1, 0x80, 0xc2, 0, 0, 0x10]),
    }
}

/// One more than there ever are.
fn port(byte: u8) -> u16 {
    u16::from(byte % 9)
}

fn kind(byte: u8) -> EntryKind {
    let kinds = [EntryKind::Static, EntryKind::Sticky, EntryKind::Local];
    kinds[usize::from(byte % 3)]
}

fn sent(dst: u8, src: u8, manner: u8) -> Sent {
    Sent {
        dst: address(dst),
        src: address(src),
        bad: match manner {
            0..=249 => None,
            250..=252 => Some(DropReason::Truncated),
            253..=255 => Some(DropReason::BadOffload),
        },
        payload: if manner % 16 == 15 { 1_200 } else { 46 },
    }
}

fn settings(bytes: [u8; 3]) -> NetworkSettings {
    let [ageing, learning, reserved] = bytes;
    let secs = [300, 20, 10][usize::from(ageing % 3)];
    NetworkSettings {
        ageing: Ageing::from_secs(secs).unwrap(),
        max_entries: MaxEntries::DEFAULT,
        learning: learning % 4 != 3,
        relay_reserved: reserved % 2 == 1,
    }
}

impl From<Raw> for Operation {
    fn from([what, a, b, c, d, e, f, g]: Raw) -> Self {
        let network = u32::from(a) % NETWORKS;
        match what {
            0..=200 => Self::Receive {
                from: port(a),
                frames: [sent(c, d, e), sent(d, c, f), sent(e, f, g), sent(c, g, d)]
                    [..1 + usize::from(b % 4)]
                    .to_vec(),
            },
            201..=225 => Self::Wait {
                millis: match a {
                    0..=200 => u64::from(b) * 4,
                    201..=250 => u64::from(b) * 40,
                    251..=255 => u64::from(b) * 1_500,
                },
            },
            226..=229 => Self::AddPort {
                number: port(b) % 8,
                network,
                mtu: if c % 4 == 3 { 1_000 } else { 1_500 },
            },
            230..=231 => Self::RemovePort { number: port(b) },
            232..=235 => Self::Change {
                number: port(a),
                mood: match b {
                    0..=127 => Mood::Takes,
                    128..=159 => Mood::Down,
                    160..=191 => Mood::Gone,
                    192..=223 => Mood::Room(0),
                    224..=239 => Mood::Refuses,
                    240..=247 => Mood::Nobody,
                    248..=255 => Mood::Unreachable,
                },
            },
            236..=237 => Self::Configure {
                network,
                settings: settings([b, c, d]),
            },
            238..=255 => Self::Table {
                network,
                change: change([what, b, c, d, e, f]),
            },
        }
    }
}

fn change([what, b, c, d, e, f]: [u8; 6]) -> Change {
    match what {
        0..=241 => Change::Add {
            mac: if e < 250 { station(b) } else { address(e) },
            port: port(c),
            kind: kind(d),
        },
        242..=246 => Change::Remove { mac: station(b) },
        247..=251 => Change::Flush {
            filter: Flush {
                port: (b % 2 == 1).then(|| PortId::new(port(c))),
                mac: (b % 8 > 5).then(|| station(d)),
                vlan: None,
                kind: (e % 3 == 2).then(|| kind(f)),
            },
        },
        252..=255 => Change::Sweep,
    }
}
