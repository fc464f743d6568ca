//! Overlay networks (RFC 7348) across several hosts: real daemons, each in a namespace, on an underlay that
//! is a wire, a bad relay, or has the kernel's own endpoint at its other end.

mod golden;
mod hostile;
mod hosts;
mod impaired;
mod interop;
mod moves;
mod mtu;
mod options;

use vswitch_tests::{
    Sandbox, Sniffer, frames,
    frames::Raw,
    underlay::{Impairment, Wire},
};
use vswitch_wire::MacAddr;

/// A wire on which frames are as they would be on a cable, for captures and for the kernel's endpoint.
const CABLE: Wire = Wire {
    mtu: 1500,
    offload: false,
};

/// An underlay as bad as the switch has to stand it.
const BAD: Impairment = Impairment {
    seed: 7348,
    loss: 50,
    duplication: 10,
    reordering: 50,
    flips: 10,
    delay: std::time::Duration::ZERO,
};

const NONE: [Vec<u8>; 0] = [];

/// Sends frames to `dst` from `src`, a station behind `from`, and waits until all `sniffers` have seen the
/// last of them. Then nothing of them is under way any more, neither copies nor what should not be.
///
/// All frames of one pair of stations and of one type are one flow, which the underlay keeps in order, so
/// that a later one is a marker for those before it. The second marker comes when the first has been
/// handled everywhere.
#[track_caller]
fn send_and_settle(from: &Sandbox, src: MacAddr, dst: MacAddr, sniffers: &[&Sniffer]) -> Vec<u8> {
    let mut raw = Raw::open(from);
    let frame = frames::unique(dst, src);
    raw.send(&frame);
    for _ in 0..2 {
        let marker = frames::unique(dst, src);
        raw.send(&marker);
        for sniffer in sniffers {
            sniffer.expect_frame(&marker);
        }
    }
    frame
}

/// How often a frame has come so far.
fn times(sniffer: &Sniffer, frame: &[u8]) -> usize {
    let seen = sniffer.so_far();
    seen.iter().filter(|seen| *seen == frame).count()
}

/// The text in a frame of the tests that no other has.
fn label(frame: &[u8]) -> &str {
    let text = frame.get(14..29).and_then(|text| str::from_utf8(text).ok());
    text.unwrap_or_default()
}
