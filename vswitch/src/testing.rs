//! Frames for the tests of all rooms.

mod superframe;

use vswitch_wire::{MacAddr, VNET_LEN, VnetHdr};

pub(crate) use superframe::Shape;

/// The station of this number.
pub(crate) fn mac(number: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 0, number])
}

/// An ordinary frame: `[virtio-net header][Ethernet frame]`.
pub(crate) fn frame(dst: MacAddr, src: MacAddr) -> Vec<u8> {
    tagged(dst, src, &[], 46)
}

/// A frame with tags and a payload of some length, in which no two bytes in a row are the same.
pub(crate) fn tagged(dst: MacAddr, src: MacAddr, tags: &[[u8; 4]], payload: usize) -> Vec<u8> {
    let mut bytes = VnetHdr::NONE.to_bytes().to_vec();
    bytes.extend(dst.octets());
    bytes.extend(src.octets());
    bytes.extend(tags.concat());
    bytes.extend([0x88, 0xb5]);
    bytes.extend((0..=250).cycle().take(payload));
    bytes
}

/// Puts another virtio-net header in front of a frame.
pub(crate) fn with_header(header: VnetHdr, mut frame: Vec<u8>) -> Vec<u8> {
    frame[..VNET_LEN].copy_from_slice(&header.to_bytes());
    frame
}
