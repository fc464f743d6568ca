//! Ethernet frames made by hand, and a socket that puts them on a wire as they are.

use crate::{Must, Sandbox, sandbox::command_of};
use pnet::datalink::{self, Channel, Config, DataLinkSender};
use std::{
    io::Write as _,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};
use vswitch::sys::netlink;
use vswitch_wire::MacAddr;

/// IEEE 802's EtherType for local experiments: no host answers it.
pub const TEST_TYPE: u16 = 0x88b5;
/// The other one: the frames that say "whatever was to come has come".
pub const MARKER_TYPE: u16 = 0x88b6;

/// Shortest frame without FCS (802.3 clause 4.4.2).
pub const SHORTEST: usize = 60;

/// A frame without FCS, padded to the shortest length.
#[must_use]
pub fn frame(dst: MacAddr, src: MacAddr, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = bare(dst, src, ether_type, payload);
    frame.resize(frame.len().max(SHORTEST), 0);
    frame
}

/// A frame without FCS and padding.
#[must_use]
pub fn bare(dst: MacAddr, src: MacAddr, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [
        &dst.octets()[..],
        &src.octets()[..],
        &ether_type.to_be_bytes()[..],
        payload,
    ]
    .concat()
}

/// A frame of the test type that no other is equal to.
#[must_use]
pub fn unique(dst: MacAddr, src: MacAddr) -> Vec<u8> {
    frame(dst, src, TEST_TYPE, label().as_bytes())
}

/// A frame behind which nothing of the same sender can be late.
#[must_use]
pub fn marker(dst: MacAddr, src: MacAddr) -> Vec<u8> {
    frame(dst, src, MARKER_TYPE, label().as_bytes())
}

/// A text that no other frame of this run has in it.
#[must_use]
pub fn label() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("frame {:08}.", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Whether the frame is of the test type: neither a marker nor a host's own chatter.
#[must_use]
pub fn is_test(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&TEST_TYPE.to_be_bytes())
}

/// A unicast address made from a number, locally administered.
#[must_use]
pub fn station(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr::new([0x02, 0x7e, a, b, c, d])
}

/// A packet socket on an interface of a sandbox.
pub struct Raw {
    sender: Box<dyn DataLinkSender>,
    name: String,
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Raw").field(&self.name).finish()
    }
}

impl Raw {
    /// On the sandbox's first interface.
    ///
    /// # Panics
    /// When the socket is refused.
    #[track_caller]
    #[must_use]
    pub fn open(sandbox: &Sandbox) -> Self {
        let ifname = &sandbox.nic().ifname;
        let name = format!("{}/{ifname}", sandbox.name);
        let channel = sandbox.run(|| {
            let found = (datalink::interfaces().into_iter()).find(|link| link.name == *ifname);
            let link = found.must(&name);
            let config = Config {
                promiscuous: false,
                write_buffer_size: 0,
                ..Config::default()
            };
            datalink::channel(&link, config)
        });
        match channel.must(&name) {
            Channel::Ethernet(sender, _) => Self { sender, name },
            _ => panic!("{name}: not an Ethernet interface"),
        }
    }

    /// Sends a frame.
    ///
    /// # Panics
    /// When the kernel refuses it.
    #[track_caller]
    pub fn send(&mut self, frame: &[u8]) {
        let sent = self.sender.send_to(frame, None);
        sent.must("pnet does not copy").must(&self.name);
    }
}

/// A packet socket with `PACKET_VNET_HDR` (packet(7)): what stands before the frame tells the kernel to
/// leave a checksum or the segmentation to the device. Perl, which Debian never lacks, because the option
/// cannot be set from Rust without `unsafe`.
const WITH_VNET: &str = r#"
    my ($index) = @ARGV;
    local $/;
    binmode STDIN;
    my $bytes = <STDIN>;
    socket(my $s, 17, 3, 0x0300) or die "socket: $!";
    setsockopt($s, 263, 15, pack("i", 1)) or die "PACKET_VNET_HDR: $!";
    bind($s, pack("SnlSCCa8", 17, 3, $index, 0, 0, 6, "")) or die "bind: $!";
    defined(syswrite($s, $bytes)) or die "write: $!";
"#;

/// Sends a frame behind a virtio-net header (10 bytes, virtio 1.2 5.1.6), as only a container that means
/// harm would make it.
///
/// # Panics
/// When the kernel refuses it.
#[track_caller]
pub fn send_with_vnet(sandbox: &Sandbox, header: [u8; 10], frame: &[u8]) {
    let links = sandbox.run(netlink::links).must("list interfaces");
    let found = links.iter().find(|link| link.name == sandbox.nic().ifname);
    let index = found.must("interface").index.to_string();
    let mut command = command_of(&["perl", "-e", WITH_VNET, &index]);
    let mut perl = sandbox.spawn(command.stdin(Stdio::piped()));
    let mut stdin = perl.stdin.take().must("perl's stdin");
    (stdin.write_all(&[&header, frame].concat())).must("perl's stdin");
    drop(stdin);
    assert!(perl.wait().must("wait for perl").success());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_what_they_say() {
        let (dst, src) = (station(1), station(2));
        assert!(dst.is_unicast() && dst.is_locally_administered());
        let first = unique(dst, src);
        assert_eq!(first.len(), SHORTEST);
        assert_eq!(first[..6], dst.octets());
        assert_eq!(first[6..12], src.octets());
        assert!(is_test(&first) && !is_test(&marker(dst, src)));
        assert_ne!(first, unique(dst, src));
        assert!(!is_test(&frame(dst, src, 0x0800, b"")));
        assert_eq!(bare(dst, src, 5, b"x").len(), 15);
    }
}
