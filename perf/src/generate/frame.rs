//! The test frame: what a counter needs to know about it, and the filter that keeps all others out.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 12 | destination, source |
//! | 12 | 2 | EtherType 0x88B5 |
//! | 14 | 4 | number of the trial |
//! | 18 | 4 | number of the stream within it |
//! | 22 | 8 | place in the stream's sequence |
//! | 30 | 8 | time of sending, in ns of the trial's clock |
//!
//! RFC 2544 C.2.4.3 has UDP datagrams to the echo port. Here it is 0x88B5 (IEEE 802 Local Experimental
//! Ethertype 1): a switch looks at addresses alone, and no stack of a host has a handler for it. With UDP the
//! host at the other end would look for a socket, answer each frame with an ICMP error, perhaps
//! coalesce several into one, and steal the time that is measured. There is no checksum to complete
//! either, so offloads play no part.
//!
//! Sizes are the RFCs': with the frame check sequence of 4 bytes, which no frame on a TAP or veth has. So a
//! frame of 64 bytes has 60 here.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use serde::Serialize;
use vswitch::sys::packet::FilterInstruction;
use vswitch_wire::MacAddr;

/// Bytes in front of the padding.
pub(crate) const HEAD: usize = 38;

/// Bytes of a received frame that are kept: the head is enough.
const SNAP: u32 = 64;

/// IEEE 802 Local Experimental Ethertype 1.
const ETHERTYPE: u16 = 0x88b5;

/// Bytes of the frame check sequence.
const FCS: u16 = 4;

/// Bytes of addresses and EtherType.
const ETHERNET: u16 = 14;

/// A frame's size in bytes, frame check sequence included: 64 to 9018.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct FrameSize(u16);

impl FrameSize {
    /// The smallest frame of Ethernet.
    pub(crate) const SMALLEST: Self = Self(64);

    /// Those of RFC 2544 9.1 and RFC 2889 4.
    pub(crate) const STANDARD: [Self; 7] = [
        Self(64),
        Self(128),
        Self(256),
        Self(512),
        Self(1024),
        Self(1280),
        Self(1518),
    ];

    /// Bytes on a TAP or veth.
    pub(crate) const fn on_interface(self) -> usize {
        (self.0 - FCS) as usize
    }

    /// Whether an interface of this MTU takes it.
    pub(crate) const fn fits(self, mtu: u32) -> bool {
        (self.0 - FCS - ETHERNET) as u32 <= mtu
    }

    /// Bits of a number of such frames per second, in Gbit/s, without preamble and gap.
    pub(crate) fn gigabits(self, frames_per_second: f64) -> f64 {
        frames_per_second * f64::from(self.0) * 8.0 / 1e9
    }
}

impl fmt::Display for FrameSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for FrameSize {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let size = text.parse().ok().filter(|size| (64..=9018).contains(size));
        size.map(Self)
            .ok_or_else(|| anyhow!("a frame has 64 to 9018 bytes, frame check sequence included"))
    }
}

/// What a test frame tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// Number of the trial.
    pub(crate) trial: u32,
    /// Number of the stream within it.
    pub(crate) stream: u32,
    /// Place in the stream's sequence.
    pub(crate) sequence: u64,
    /// Time of sending, in ns of the trial's clock.
    pub(crate) stamp: u64,
}

/// The beginning of a frame.
pub(crate) fn head(dst: MacAddr, src: MacAddr, label: Label) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..6].copy_from_slice(&dst.octets());
    head[6..12].copy_from_slice(&src.octets());
    head[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
    head[14..18].copy_from_slice(&label.trial.to_be_bytes());
    head[18..22].copy_from_slice(&label.stream.to_be_bytes());
    head[22..30].copy_from_slice(&label.sequence.to_be_bytes());
    head[30..38].copy_from_slice(&label.stamp.to_be_bytes());
    head
}

/// The label of a frame that passed the filter; nothing for one that is too short to have one.
pub(crate) fn label(frame: &[u8]) -> Option<Label> {
    let word = |at: usize| Some(u32::from_be_bytes(*frame.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_be_bytes(*frame.get(at..)?.first_chunk()?));
    Some(Label {
        trial: word(14)?,
        stream: word(18)?,
        sequence: long(22)?,
        stamp: long(30)?,
    })
}

/// The filter of a counter: the beginnings of this trial's frames, and nothing else.
pub(crate) fn filter(trial: u32) -> [FilterInstruction; 6] {
    const LOAD_HALF: u16 = 0x28;
    const LOAD_WORD: u16 = 0x20;
    const JUMP_EQUAL: u16 = 0x15;
    let step = |code, jf, k| FilterInstruction { code, jt: 0, jf, k };
    [
        step(LOAD_HALF, 0, 12),
        step(JUMP_EQUAL, 3, u32::from(ETHERTYPE)),
        step(LOAD_WORD, 0, 14),
        step(JUMP_EQUAL, 1, trial),
        FilterInstruction::ret(SNAP),
        FilterInstruction::ret(0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label {
        trial: 0x0102_0304,
        stream: 7,
        sequence: u64::MAX - 1,
        stamp: 1_234_567_890_123,
    };

    fn frame() -> Vec<u8> {
        let (dst, src) = (MacAddr::BROADCAST, MacAddr::new([2, 0, 0, 0, 0, 1]));
        head(dst, src, LABEL).to_vec()
    }

    /// What a filter returns for a frame: the classic BPF machine, as far as the filter uses it.
    fn run(program: &[FilterInstruction], frame: &[u8]) -> u32 {
        let (mut at, mut register) = (0, 0);
        loop {
            let FilterInstruction { code, jt, jf, k } = program[at];
            at += 1;
            match code {
                0x28 => {
                    let k = k as usize;
                    register = u32::from(u16::from_be_bytes([frame[k], frame[k + 1]]));
                }
                0x20 => register = u32::from_be_bytes(*frame[k as usize..].first_chunk().unwrap()),
                0x15 => at += usize::from(if register == k { jt } else { jf }),
                0x06 => return k,
                _ => panic!("no such instruction here: {code}"),
            }
        }
    }

    #[test]
    fn a_label_comes_out_as_it_went_in() {
        assert_eq!(label(&frame()), Some(LABEL));
        assert_eq!(label(&frame()[..HEAD - 1]), None);
    }

    #[test]
    fn the_filter_lets_this_trial_through_and_nothing_else() {
        let wanted = frame();
        assert_eq!(run(&filter(LABEL.trial), &wanted), SNAP);
        assert_eq!(run(&filter(LABEL.trial + 1), &wanted), 0);
        let mut other = wanted;
        other[12..14].copy_from_slice(&[0x08, 0x00]);
        assert_eq!(run(&filter(LABEL.trial), &other), 0);
    }

    #[test]
    fn sizes_are_with_frame_check_sequence() {
        assert_eq!(FrameSize::SMALLEST.on_interface(), 60);
        let largest = FrameSize::STANDARD[6];
        assert!(largest.fits(1500) && !largest.fits(1499));
        assert!((FrameSize::SMALLEST.gigabits(1e6) - 0.512).abs() < 1e-9);
        assert!(
            FrameSize::STANDARD
                .iter()
                .all(|size| size.on_interface() > HEAD)
        );
    }

    #[test]
    fn sizes_have_bounds() {
        assert_eq!("1518".parse::<FrameSize>().unwrap(), FrameSize::STANDARD[6]);
        for wrong in ["63", "9019", "65600", "-64", "x", ""] {
            assert!(wrong.parse::<FrameSize>().is_err(), "{wrong}");
        }
    }
}
