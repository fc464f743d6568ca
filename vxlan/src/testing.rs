//! Frames for the tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vswitch_wire::{MacAddr, Vni, ipv4};

pub(crate) const SRC: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
pub(crate) const DST: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);
pub(crate) const SRC4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
pub(crate) const DST4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
pub(crate) const SRC6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1);
pub(crate) const DST6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 2);

pub(crate) fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

/// The underlay address of host `number`.
pub(crate) fn host(number: u8) -> IpAddr {
    IpAddr::from([198, 18, 100, number])
}

pub(crate) fn mac(number: u16) -> MacAddr {
    let [a, b] = number.to_be_bytes();
    MacAddr::new([2, 0, 0, 1, a, b])
}

pub(crate) fn ethernet(dst: MacAddr, src: MacAddr, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [dst.octets(), src.octets()].concat();
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// With DF, which the test may take away.
pub(crate) fn ipv4_frame(tos: u8, ttl: u8, proto: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).unwrap();
    let mut ip = vec![0x45, tos];
    ip.extend(len.to_be_bytes());
    ip.extend([0, 7, 0x40, 0, ttl, proto, 0, 0]);
    ip.extend([SRC4.octets(), DST4.octets()].concat());
    let checksum = ipv4::header_checksum(&ip);
    ipv4::set_checksum(&mut ip, checksum);
    ip.extend(payload);
    ethernet(DST, SRC, 0x0800, &ip)
}

pub(crate) fn ipv6_frame(tos: u8, hop_limit: u8, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut ip = vec![0x60 | tos >> 4, tos << 4, 0, 0];
    ip.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    ip.extend([next, hop_limit]);
    ip.extend([SRC6.octets(), DST6.octets()].concat());
    ip.extend(payload);
    ethernet(DST, SRC, 0x86dd, &ip)
}
