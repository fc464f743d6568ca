//! Frames to work on, complete and correct: what a TAP would deliver. Each is `[virtio-net header][frame]`.

use std::net::Ipv4Addr;

use vswitch_wire::{
    FLAG_NEEDS_CSUM, GsoType, Head, MacAddr, PROTO_TCP, PROTO_UDP, SegmentPlan, Sum, VNET_LEN,
    VnetError, VnetHdr, ipv4, pseudo_v4,
};

/// Ethernet to UDP.
const UDP_HEADERS: usize = 14 + 20 + 8;

/// Ethernet to TCP, whose options are the timestamps that every connection has.
const TCP_HEADERS: usize = 14 + 20 + 32;

const SRC: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const DST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

/// An IPv4 UDP frame of `length` bytes, not less than 42 and without the FCS, which no port carries.
pub(crate) fn udp(dst: MacAddr, src: MacAddr, length: usize) -> Vec<u8> {
    let mut bytes = VnetHdr::NONE.to_bytes().to_vec();
    ethernet(&mut bytes, dst, src);
    ip(&mut bytes, PROTO_UDP, length - 14);
    let l4 = bytes.len();
    let l4_len = word(length - 34);
    bytes.extend([0x9c, 0x40, 0, 9]); // to the discard port
    bytes.extend(l4_len.to_be_bytes());
    bytes.extend([0, 0]);
    payload(&mut bytes, length - UDP_HEADERS);
    let sum = pseudo_v4(SRC, DST, PROTO_UDP, l4_len).add_bytes(&bytes[l4..]);
    bytes[l4 + 6..l4 + 8].copy_from_slice(&sum.finish().to_be_bytes());
    bytes
}

/// A TCP superframe over IPv4 of `segments` times `size` bytes of payload, its checksum partial.
pub(crate) fn tcp_super(dst: MacAddr, src: MacAddr, size: u16, segments: usize) -> Vec<u8> {
    let length = TCP_HEADERS + usize::from(size) * segments;
    let mut bytes = offload(GsoType::TcpV4, TCP_HEADERS, size, 16).to_vec();
    ethernet(&mut bytes, dst, src);
    ip(&mut bytes, PROTO_TCP, length - 14);
    bytes.extend([0x9c, 0x40, 0x14, 0x51]);
    bytes.extend([1, 2, 3, 4, 5, 6, 7, 8]); // sequence number and acknowledgement
    bytes.extend([0x80, 0x10, 1, 0xf5]); // eight words of header, ACK, window
    let partial = pseudo_v4(SRC, DST, PROTO_TCP, word(length - 34)).fold();
    bytes.extend(partial.to_be_bytes());
    bytes.extend([0, 0, 1, 1, 8, 10, 0, 1, 2, 3, 4, 5, 6, 7]); // urgent pointer; two no-ops, timestamps
    payload(&mut bytes, length - TCP_HEADERS);
    bytes
}

/// A UDP superframe, likewise.
pub(crate) fn udp_super(dst: MacAddr, src: MacAddr, size: u16, segments: usize) -> Vec<u8> {
    let length = UDP_HEADERS + usize::from(size) * segments;
    let mut bytes = offload(GsoType::UdpL4, UDP_HEADERS, size, 6).to_vec();
    ethernet(&mut bytes, dst, src);
    ip(&mut bytes, PROTO_UDP, length - 14);
    let l4_len = word(length - 34);
    bytes.extend([0x9c, 0x40, 0, 9]);
    bytes.extend(l4_len.to_be_bytes());
    bytes.extend(pseudo_v4(SRC, DST, PROTO_UDP, l4_len).fold().to_be_bytes());
    payload(&mut bytes, length - UDP_HEADERS);
    bytes
}

/// The frames that a superframe stands for, checksums complete, without virtio-net headers.
///
/// # Errors
/// When it is no superframe.
pub(crate) fn segments(superframe: &[u8]) -> Result<Vec<Vec<u8>>, VnetError> {
    let (vnet, frame) = split(superframe);
    let head = Head::parse(frame).map_err(|_| VnetError::NotGso)?;
    let plan = SegmentPlan::new(frame, &vnet, &head)?;
    let cut = |index| {
        let mut segment = vec![0; plan.segment_len(index)];
        plan.write(index, &mut segment);
        segment
    };
    Ok((0..plan.count()).map(cut).collect())
}

/// The virtio-net header, and the frame behind it.
pub(crate) fn split(bytes: &[u8]) -> (VnetHdr, &[u8]) {
    let header = bytes.first_chunk().map_or(VnetHdr::NONE, VnetHdr::parse);
    (header, bytes.get(VNET_LEN..).unwrap_or_default())
}

fn offload(kind: GsoType, headers: usize, size: u16, csum_offset: u16) -> [u8; VNET_LEN] {
    VnetHdr {
        flags: FLAG_NEEDS_CSUM,
        gso_type: kind.raw(),
        hdr_len: word(headers),
        gso_size: size,
        csum_start: 34,
        csum_offset,
        ..VnetHdr::NONE
    }
    .to_bytes()
}

fn ethernet(bytes: &mut Vec<u8>, dst: MacAddr, src: MacAddr) {
    bytes.extend(dst.octets());
    bytes.extend(src.octets());
    bytes.extend([0x08, 0x00]);
}

/// The header of a packet of `length` bytes.
fn ip(bytes: &mut Vec<u8>, proto: u8, length: usize) {
    let start = bytes.len();
    bytes.extend([0x45, 0]);
    bytes.extend(word(length).to_be_bytes());
    bytes.extend([0, 7, 0x40, 0, 64, proto, 0, 0]); // identification, DF, TTL
    bytes.extend(SRC.octets());
    bytes.extend(DST.octets());
    let checksum = Sum::new().add_bytes(&bytes[start..]).finish();
    ipv4::set_checksum(&mut bytes[start..], checksum);
}

fn payload(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend((0..=250).cycle().take(length));
}

/// A length inside one IP packet.
fn word(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use vswitch::datapath::Frame;
    use vswitch_wire::{Coalescer, Layers, OffloadSet, Output};

    use super::*;

    const A: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
    const B: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);

    fn l4_sum(frame: &[u8], proto: u8) -> u16 {
        let head = Head::parse(frame).unwrap();
        let layers = Layers::parse(frame, &head).unwrap();
        assert_eq!(layers.l4_end, frame.len());
        pseudo_v4(SRC, DST, proto, word(frame.len() - layers.l4))
            .add_bytes(&frame[layers.l4..])
            .finish()
    }

    #[test]
    fn a_datagram_has_the_length_asked_for_and_right_checksums() {
        for length in [42, 64, 65, 1514] {
            let bytes = udp(B, A, length);
            let (vnet, frame) = split(&bytes);
            assert_eq!((vnet, frame.len()), (VnetHdr::NONE, length));
            assert_eq!(l4_sum(frame, PROTO_UDP), 0);
            assert!(Frame::new(&bytes).parse().is_ok());
        }
    }

    #[test]
    fn superframes_are_accepted_and_their_parts_have_right_checksums() {
        for (bytes, proto, parts) in [
            (tcp_super(B, A, 1448, 45), PROTO_TCP, 45),
            (udp_super(B, A, 1400, 46), PROTO_UDP, 46),
        ] {
            assert!(Frame::new(&bytes).parse().is_ok());
            let segments = segments(&bytes).unwrap();
            assert_eq!(segments.len(), parts);
            assert!(segments.iter().all(|segment| l4_sum(segment, proto) == 0));
            let mut coalescer = Coalescer::new(8, OffloadSet::ALL);
            for segment in &segments {
                coalescer.push(segment, &Head::parse(segment).unwrap());
            }
            let outputs: Vec<_> = coalescer.finish().collect();
            let [Output::Super(merged)] = outputs[..] else {
                panic!("{} outputs", outputs.len());
            };
            assert_eq!(merged.frame_len(), split(&bytes).1.len());
        }
        assert!(segments(&udp(B, A, 64)).is_err());
    }
}
