//! Reading headers: what is done to every frame first.
//!
//! - **ethernet**: the Ethernet header alone.
//! - **frame**: all that is read when a frame comes in: that, and whether there is a virtio-net header to check; with a
//!   VLAN tag as well.
//! - **superframe**: the same where there is one to check: IP and TCP headers and all lengths.

use std::hint::black_box;

use vswitch::datapath::Frame;
use vswitch::port::MAX_BATCH;
use vswitch_wire::{Head, MacAddr, VNET_LEN};

use crate::case::{Case, Work};
use crate::frames;

const SMALL: usize = 64;

/// As many as a batch has room for.
const SUPERFRAMES: usize = 4;

const A: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const B: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);

/// See the module's essay.
pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, count: usize, make: fn() -> Vec<u8>| {
        Case::new("parse", name, count, move || {
            Ok(Parsing(vec![make(); count]))
        })
    };
    vec![
        Case::new("parse", "ethernet", MAX_BATCH, || {
            Ok(Headers(vec![plain(); MAX_BATCH]))
        }),
        case("frame", MAX_BATCH, plain),
        case("frame-tagged", MAX_BATCH, tagged),
        case("superframe", SUPERFRAMES, superframe),
    ]
}

fn plain() -> Vec<u8> {
    frames::udp(B, A, SMALL)
}

fn tagged() -> Vec<u8> {
    let mut frame = plain();
    frame.splice(VNET_LEN + 12..VNET_LEN + 12, [0x81, 0, 0, 42]);
    frame
}

fn superframe() -> Vec<u8> {
    frames::tcp_super(B, A, 1448, 45)
}

/// The Ethernet header of each.
struct Headers(Vec<Vec<u8>>);

impl Work for Headers {
    fn run(&mut self) {
        for frame in &self.0 {
            let head = Head::parse(black_box(&frame[VNET_LEN..]));
            black_box(&head);
        }
    }
}

/// All that is read of each when it comes in.
struct Parsing(Vec<Vec<u8>>);

impl Work for Parsing {
    fn run(&mut self) {
        for frame in &self.0 {
            black_box(&Frame::new(black_box(frame)).parse());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_parsed_can_be() {
        for (make, tags) in [(plain as fn() -> Vec<u8>, 0), (tagged, 1), (superframe, 0)] {
            let head = Frame::new(&make()).parse().unwrap();
            assert_eq!(head.tags.len(), tags);
        }
    }
}
