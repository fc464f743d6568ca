//! Frames for the tests, built and verified by the plainest code possible, which shares nothing with the crate's.

use core::ops::Range;

use proptest::prelude::*;

use crate::{FLAG_NEEDS_CSUM, GsoType, VnetHdr};

pub(crate) const SRC4: [u8; 4] = [198, 18, 0, 1];
pub(crate) const DST4: [u8; 4] = [198, 18, 0, 2];
pub(crate) const SRC6: [u8; 16] = [0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub(crate) const DST6: [u8; 16] = [0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// RFC 1071 as it reads: big-endian words, one at a time, folded at every step.
pub(crate) fn naive_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}

/// A TCP or UDP super-frame to be.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) tags: Vec<[u8; 4]>,
    pub(crate) v6: bool,
    /// 32-bit words of IPv4 options.
    pub(crate) ip_options: u8,
    /// IPv6 extension headers: number and length in units of eight bytes less one.
    pub(crate) extensions: Vec<(u8, u8)>,
    pub(crate) tcp: bool,
    /// 32-bit words of TCP options.
    pub(crate) tcp_options: u8,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) id: u16,
    pub(crate) gso_size: u16,
    pub(crate) payload: Vec<u8>,
}

/// Where things are in a built frame.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) frame: Vec<u8>,
    pub(crate) vnet: VnetHdr,
    pub(crate) l3: usize,
    pub(crate) l4: usize,
    pub(crate) header_len: usize,
}

impl Spec {
    pub(crate) fn proto(&self) -> u8 {
        if self.tcp { 6 } else { 17 }
    }

    fn ethernet(&self) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        bytes.extend(self.tags.concat());
        bytes.extend(if self.v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
        bytes
    }

    fn ip(&self, l4_len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.v6 {
            let mut chain = Vec::new();
            for (i, &(_, units)) in self.extensions.iter().enumerate() {
                let next = self
                    .extensions
                    .get(i + 1)
                    .map_or_else(|| self.proto(), |&(number, _)| number);
                chain.extend([next, units]);
                chain.resize(chain.len() + 6 + 8 * usize::from(units), 0);
            }
            let len = u16::try_from(chain.len() + l4_len).unwrap();
            bytes.extend([0x60, 0x12, 0x34, 0x56]);
            bytes.extend(len.to_be_bytes());
            bytes.extend([
                self.extensions
                    .first()
                    .map_or_else(|| self.proto(), |&(number, _)| number),
                64,
            ]);
            bytes.extend([SRC6, DST6].concat());
            bytes.extend(chain);
            return bytes;
        }
        let header_len = 20 + 4 * usize::from(self.ip_options);
        let len = u16::try_from(header_len + l4_len).unwrap();
        bytes.extend([0x45 + self.ip_options, 0x02]);
        bytes.extend(len.to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend([0x40, 0, 64, self.proto(), 0, 0]);
        bytes.extend([SRC4, DST4].concat());
        bytes.resize(header_len, 1);
        let checksum = !naive_sum(&bytes);
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// Complete but for the partial checksum.
    fn l4(&self) -> Vec<u8> {
        let mut bytes = vec![0x9c, 0x40, 0x14, 0x51];
        if self.tcp {
            bytes.extend(self.seq.to_be_bytes());
            bytes.extend([
                1,
                2,
                3,
                4,
                (5 + self.tcp_options) << 4,
                self.flags,
                0xfa,
                0xf0,
                0,
                0,
                0,
                0,
            ]);
            bytes.resize(20 + 4 * usize::from(self.tcp_options), 1);
        } else {
            bytes.extend(u16::try_from(8 + self.payload.len()).unwrap().to_be_bytes());
            bytes.extend([0, 0]);
        }
        let checksum_at = if self.tcp { 16 } else { 6 };
        let len = bytes.len() + self.payload.len();
        let partial = naive_sum(&pseudo(self.v6, self.proto(), len));
        bytes[checksum_at..checksum_at + 2].copy_from_slice(&partial.to_be_bytes());
        bytes
    }

    pub(crate) fn build(&self) -> Built {
        let (ethernet, l4) = (self.ethernet(), self.l4());
        let ip = self.ip(l4.len() + self.payload.len());
        let l3 = ethernet.len();
        let l4_at = l3 + ip.len();
        let header_len = l4_at + l4.len();
        let gso = match (self.tcp, self.v6) {
            (true, false) => GsoType::TcpV4,
            (true, true) => GsoType::TcpV6,
            (false, _) => GsoType::UdpL4,
        };
        let vnet = VnetHdr {
            flags: FLAG_NEEDS_CSUM,
            gso_type: gso.raw(),
            hdr_len: u16::try_from(header_len).unwrap(),
            gso_size: self.gso_size,
            csum_start: u16::try_from(l4_at).unwrap(),
            csum_offset: if self.tcp { 16 } else { 6 },
            num_buffers: 0,
        };
        let frame = [ethernet, ip, l4, self.payload.clone()].concat();
        Built {
            frame,
            vnet,
            l3,
            l4: l4_at,
            header_len,
        }
    }
}

fn pseudo(v6: bool, proto: u8, l4_len: usize) -> Vec<u8> {
    let mut bytes = if v6 {
        [SRC6, DST6].concat()
    } else {
        [SRC4, DST4].concat()
    };
    bytes.extend(u32::try_from(l4_len).unwrap().to_be_bytes());
    bytes.extend([0, 0, 0, proto]);
    bytes
}

/// Whether the transport's checksum in `l4` is right.
pub(crate) fn l4_verifies(v6: bool, proto: u8, l4: &[u8]) -> bool {
    let summed = [pseudo(v6, proto, l4.len()), l4.to_vec()].concat();
    naive_sum(&summed) == 0xffff
}

/// Super-frames of every shape, with `payload` bytes of payload.
pub(crate) fn specs(payload: Range<usize>) -> impl Strategy<Value = Spec> {
    let tag = prop_oneof![Just([0x81, 0]), Just([0x88, 0xa8])];
    let tags = prop::collection::vec((tag, any::<[u8; 2]>()), 0..=2);
    let extensions =
        prop::collection::vec((prop::sample::select(vec![0u8, 43, 60]), 0u8..4), 0..=3);
    let headers = (
        tags,
        any::<bool>(),
        0u8..=10,
        extensions,
        any::<bool>(),
        0u8..=10,
    );
    let rest = (
        any::<u8>(),
        any::<u32>(),
        any::<u16>(),
        40u16..1500,
        prop::collection::vec(any::<u8>(), payload),
    );
    (headers, rest).prop_map(
        |((tags, v6, ip_options, extensions, tcp, tcp_options), rest)| {
            let (flags, seq, id, gso_size, payload) = rest;
            let tags = tags
                .into_iter()
                .map(|([a, b], [c, d])| [a, b, c, d])
                .collect();
            Spec {
                tags,
                v6,
                ip_options,
                extensions,
                tcp,
                tcp_options,
                flags,
                seq,
                id,
                gso_size,
                payload,
            }
        },
    )
}

/// A plain one: IPv4, no tags, no options, ACK and PSH, 4000 bytes of payload in segments of 1448.
pub(crate) fn plain(tcp: bool, v6: bool) -> Spec {
    Spec {
        tags: Vec::new(),
        v6,
        ip_options: 0,
        extensions: Vec::new(),
        tcp,
        tcp_options: 0,
        flags: 0x18,
        seq: 0xffff_ff00,
        id: 0xffff,
        gso_size: 1448,
        payload: (0..=255).cycle().take(4000).collect(),
    }
}
