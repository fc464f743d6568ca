//! TCP and UDP frames with unfinished work, and what a receiver checks of them: written down field
//! by field, and sharing no code with what is tested.

use vswitch_wire::{FLAG_NEEDS_CSUM, GsoType, MacAddr, OffloadSet, VNET_LEN, VnetHdr};

const CTAG: [u8; 4] = [0x81, 0, 0x20, 42];
const STAG: [u8; 4] = [0x88, 0xa8, 0, 7];
const FIRST_SEQ: u32 = 0xffff_f000;
const FIRST_ID: u16 = 0xfffe;

pub(crate) const CWR: u8 = 0x80;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const FIN: u8 = 0x01;

/// What a frame looks like. Lengths in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) v6: bool,
    pub(crate) tcp: bool,
    pub(crate) tags: usize,
    /// IPv4 options or an IPv6 extension header, and TCP options.
    pub(crate) options: bool,
    /// TCP with CWR, and the offload header's bit for it.
    pub(crate) cwr: bool,
    /// Payload of a segment; none for an ordinary frame that lacks its checksum only.
    pub(crate) gso_size: Option<u16>,
    pub(crate) payload: usize,
}

impl Shape {
    /// The plain superframe of a TCP connection over IPv4.
    pub(crate) const TCP4: Self = Self {
        v6: false,
        tcp: true,
        tags: 0,
        options: false,
        cwr: false,
        gso_size: Some(1000),
        payload: 9_500,
    };

    /// Everything, with this payload in segments of that size.
    pub(crate) fn all(gso_size: Option<u16>, payload: usize) -> Vec<Self> {
        let mut shapes = Vec::new();
        for v6 in [false, true] {
            for tags in 0..=2 {
                for options in [false, true] {
                    for (tcp, cwr) in [(true, false), (true, true), (false, false)] {
                        shapes.push(Self {
                            v6,
                            tcp,
                            tags,
                            options,
                            // There is no such bit for an ordinary frame.
                            cwr: cwr && gso_size.is_some(),
                            gso_size,
                            payload,
                        });
                    }
                }
            }
        }
        shapes
    }

    pub(crate) fn l3(&self) -> usize {
        14 + 4 * self.tags
    }

    pub(crate) fn l4(&self) -> usize {
        self.l3()
            + match (self.v6, self.options) {
                (false, false) => 20,
                (false, true) => 32,
                (true, false) => 40,
                (true, true) => 48,
            }
    }

    pub(crate) fn headers(&self) -> usize {
        self.l4()
            + match (self.tcp, self.options) {
                (true, false) => 20,
                (true, true) => 32,
                (false, _) => 8,
            }
    }

    /// What a port must take over to get the frame untouched.
    pub(crate) fn required(&self) -> OffloadSet {
        let mut set = OffloadSet::CSUM;
        if self.gso_size.is_some() {
            set.insert(match (self.tcp, self.v6) {
                (true, false) => OffloadSet::TSO4,
                (true, true) => OffloadSet::TSO6,
                (false, _) => OffloadSet::USO4.union(OffloadSet::USO6),
            });
        }
        if self.cwr {
            set.insert(OffloadSet::ECN);
        }
        set
    }

    pub(crate) fn bytes_of_payload(&self) -> Vec<u8> {
        (0..=250).cycle().take(self.payload).collect()
    }

    /// `[virtio-net header][frame]`.
    pub(crate) fn build(&self, dst: MacAddr, src: MacAddr) -> Vec<u8> {
        let gso_type = match (self.gso_size, self.tcp, self.v6) {
            (None, _, _) => GsoType::None,
            (Some(_), true, false) => GsoType::TcpV4,
            (Some(_), true, true) => GsoType::TcpV6,
            (Some(_), false, _) => GsoType::UdpL4,
        };
        let header = VnetHdr {
            flags: FLAG_NEEDS_CSUM,
            gso_type: gso_type.raw() | if self.cwr { 0x80 } else { 0 },
            hdr_len: u16::try_from(self.headers()).unwrap(),
            gso_size: self.gso_size.unwrap_or_default(),
            csum_start: u16::try_from(self.l4()).unwrap(),
            csum_offset: if self.tcp { 16 } else { 6 },
            num_buffers: 0,
        };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend(dst.octets());
        bytes.extend(src.octets());
        bytes.extend([STAG, CTAG][2 - self.tags..].concat());
        bytes.extend(if self.v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
        let l4_len = self.headers() - self.l4() + self.payload;
        self.push_ip(&mut bytes, l4_len);
        self.push_l4(&mut bytes, l4_len);
        assert_eq!(bytes.len(), VNET_LEN + self.headers());
        bytes.extend(self.bytes_of_payload());
        bytes
    }

    fn push_ip(&self, bytes: &mut Vec<u8>, l4_len: usize) {
        let start = bytes.len();
        let header_len = self.l4() - self.l3();
        let proto = if self.tcp { 6 } else { 17 };
        if self.v6 {
            let length = u16::try_from(header_len - 40 + l4_len).unwrap();
            bytes.extend([0x60, 0, 0, 0]);
            bytes.extend(length.to_be_bytes());
            bytes.extend([if self.options { 0 } else { proto }, 64]);
            bytes.extend(ADDRESSES6);
            if self.options {
                bytes.extend([proto, 0, 1, 4, 0, 0, 0, 0]); // hop-by-hop: PadN
            }
            return;
        }
        let length = u16::try_from(header_len + l4_len).unwrap();
        bytes.extend([0x40 | u8::try_from(header_len / 4).unwrap(), 2]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(FIRST_ID.to_be_bytes());
        bytes.extend([0x40, 0, 64, proto, 0, 0]);
        bytes.extend(ADDRESSES4);
        bytes.resize(start + header_len, 1); // no-operations
        let checksum = !sum(&bytes[start..]);
        bytes[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
    }

    fn push_l4(&self, bytes: &mut Vec<u8>, l4_len: usize) {
        let start = bytes.len();
        let partial = sum(&self.pseudo(l4_len)).to_be_bytes();
        bytes.extend([0x9c, 0x40, 0x14, 0x51]);
        if self.tcp {
            let header_len = self.headers() - self.l4();
            let flags = ACK | PSH | FIN | if self.cwr { CWR } else { 0 };
            bytes.extend(FIRST_SEQ.to_be_bytes());
            bytes.extend([1, 2, 3, 4]);
            bytes.extend([
                u8::try_from(header_len / 4).unwrap() << 4,
                flags,
                0xff,
                0xff,
            ]);
            bytes.extend(partial);
            bytes.extend([0, 0]);
            bytes.resize(start + header_len, 1);
        } else {
            bytes.extend(u16::try_from(l4_len).unwrap().to_be_bytes());
            bytes.extend(partial);
        }
    }

    fn pseudo(&self, l4_len: usize) -> Vec<u8> {
        let mut bytes = if self.v6 {
            ADDRESSES6.to_vec()
        } else {
            ADDRESSES4.to_vec()
        };
        bytes.extend(u32::try_from(l4_len).unwrap().to_be_bytes());
        bytes.extend([0, 0, 0, if self.tcp { 6 } else { 17 }]);
        bytes
    }

    /// Checks a finished frame as its receiver would, and returns its payload. `index` and `last`
    /// say where in the superframe it comes from.
    pub(crate) fn verify(&self, bytes: &[u8], index: usize, last: bool) -> Vec<u8> {
        assert_eq!(bytes[..VNET_LEN], [0; VNET_LEN], "nothing is left to do");
        let frame = &bytes[VNET_LEN..];
        let (l3, l4) = (&frame[self.l3()..], &frame[self.l4()..]);
        if self.v6 {
            assert_eq!(usize::from(word(l3, 4)), l3.len() - 40);
        } else {
            assert_eq!(usize::from(word(l3, 2)), l3.len());
            let counted = u16::try_from(index).unwrap();
            assert_eq!(word(l3, 4), FIRST_ID.wrapping_add(counted));
            assert_eq!(sum(&l3[..self.l4() - self.l3()]), 0xffff, "header checksum");
        }
        let summed = [self.pseudo(l4.len()), l4.to_vec()].concat();
        assert_eq!(sum(&summed), 0xffff, "checksum of segment {index}");
        if self.tcp {
            let ahead = index * usize::from(self.gso_size.unwrap_or_default());
            let seq = u32::from(word(l4, 4)) << 16 | u32::from(word(l4, 6));
            assert_eq!(seq, FIRST_SEQ.wrapping_add(u32::try_from(ahead).unwrap()));
            assert_eq!(l4[13] & CWR != 0, self.cwr && index == 0);
            assert_eq!(l4[13] & !CWR, if last { ACK | PSH | FIN } else { ACK });
        } else {
            assert_eq!(usize::from(word(l4, 4)), l4.len());
            assert_ne!(word(l4, 6), 0, "which would say: no checksum");
        }
        frame[self.headers()..].to_vec()
    }
}

const ADDRESSES4: [u8; 8] = [198, 18, 0, 1, 198, 18, 0, 2];
const ADDRESSES6: [u8; 32] = [
    0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, //
    0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
];

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// RFC 1071, word by word.
fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}
