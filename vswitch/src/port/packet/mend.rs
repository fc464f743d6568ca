//! Superframes that hardware has merged (LRO, or a hypervisor's).
//!
//! The kernel merges segments into what a sender would have left undone: the checksum is open. A network card
//! leaves some segment's checksum in place and says that it has verified all of them (DATA_VALID). The switch
//! knows superframes of the first kind only, as every port must be able to cut them; so the second becomes
//! the first: the field gets the sum of the pseudo header. What nobody has verified is left alone, and
//! refused by the data path.

use vswitch_wire::{
    FLAG_DATA_VALID, FLAG_NEEDS_CSUM, GsoType, Head, IpVersion, Ipv4View, Ipv6View, Layers,
    PROTO_TCP, PROTO_UDP, VNET_LEN, VnetHdr, pseudo_v4, pseudo_v6,
};

/// Mends `[virtio-net header][frame]`, where that is needed and possible.
#[inline]
pub(super) fn mend(bytes: &mut [u8]) {
    let Some((header, frame)) = bytes.split_first_chunk_mut::<VNET_LEN>() else {
        return;
    };
    let vnet = VnetHdr::parse(header);
    let verified = vnet.flags & (FLAG_NEEDS_CSUM | FLAG_DATA_VALID) == FLAG_DATA_VALID;
    if vnet.gso_type != GsoType::None.raw()
        && verified
        && let Some(mended) = reopen(vnet, frame)
    {
        mended.write(header);
    }
}

/// Opens the checksum of a superframe of TCP or UDP; nothing when it is none.
#[cold]
fn reopen(vnet: VnetHdr, frame: &mut [u8]) -> Option<VnetHdr> {
    let head = Head::parse(frame).ok()?;
    let layers = Layers::parse(frame, &head).ok()?;
    let (proto, csum_offset) = match vnet.gso().ok()?.0 {
        GsoType::TcpV4 | GsoType::TcpV6 => (PROTO_TCP, 16),
        GsoType::UdpL4 => (PROTO_UDP, 6),
        GsoType::None | GsoType::Udp => return None,
    };
    if layers.proto != proto || layers.fragment {
        return None;
    }
    let (packet, length) = (&frame[layers.l3..], layers.l4_end - layers.l4);
    let pseudo = match layers.ip {
        IpVersion::V4 => {
            let ip = Ipv4View::parse(packet).ok()?;
            pseudo_v4(ip.src(), ip.dst(), proto, u16::try_from(length).ok()?)
        }
        IpVersion::V6 => {
            let ip = Ipv6View::parse(packet).ok()?;
            pseudo_v6(ip.src(), ip.dst(), proto, u32::try_from(length).ok()?)
        }
    };
    let field = frame.get_mut(layers.l4 + usize::from(csum_offset)..)?;
    *field.first_chunk_mut()? = pseudo.fold().to_be_bytes();
    Some(VnetHdr {
        flags: FLAG_NEEDS_CSUM,
        csum_start: u16::try_from(layers.l4).ok()?,
        csum_offset,
        ..vnet
    })
}
