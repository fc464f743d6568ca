//! Datagrams that mean harm: none is delivered, none teaches anything, each is counted under its own reason
//! (RFC 7348 section 7: the protocol itself protects nothing, so the rules at the door must).

use super::NONE;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use vswitch_tests::{
    Hosts, Must as _, Overlay, Sandbox, Sniffer, Underlay,
    deadline::SOON,
    eventually,
    frames::{self, station},
    hostile::{flood, noise, vxlan, vxlan_with},
    pattern::Pattern,
};
use vswitch_wire::MacAddr;

/// Of the kinds that matter most.
const MILLION: u64 = 1_000_000;
/// Of the others.
const SOME: u64 = 20_000;

const PORT: u16 = 4789;
const VNI: u32 = 42;

/// A host with the switch, a site that it takes for a peer, one more peer that is not there, and a site that
/// is none.
struct Siege {
    hosts: Hosts,
    overlay: Overlay,
    container: Sandbox,
    sniffer: Sniffer,
}

/// Who sends.
const PEER: usize = 1;
const STRANGER: usize = 3;

impl Siege {
    fn lay(over_ipv6: bool) -> Self {
        let overlay = Overlay {
            over_ipv6,
            ..Overlay::named("blue")
        };
        let hosts = Hosts::start(Underlay::wire(4), 1);
        hosts.create(0, &overlay, &[PEER, 2]);
        let container = hosts.join(0, &overlay, 10);
        let sniffer = Sniffer::start(&container);
        Self {
            hosts,
            overlay,
            container,
            sniffer,
        }
    }

    fn address(&self, site: usize) -> IpAddr {
        self.overlay.address(self.hosts.site(site))
    }

    fn target(&self) -> SocketAddr {
        SocketAddr::new(self.address(0), PORT)
    }

    /// Datagrams refused for a reason so far, at the network's port and at the endpoint's door.
    fn refused(&self, reason: &str) -> u64 {
        let lab = self.hosts.lab(0);
        let strays = lab.stray_drops(self.address(0), PORT, reason);
        lab.tunnel_drops("blue", reason) + strays
    }

    /// Sends `count` datagrams from a site: all of them are refused for one of `reasons`, and nothing else
    /// happens.
    #[track_caller]
    fn storm(
        &self,
        site: usize,
        count: u64,
        reasons: &[&str],
        make: impl FnMut(u64) -> Vec<u8> + Send,
    ) {
        let total = || {
            reasons
                .iter()
                .map(|reason| self.refused(reason))
                .sum::<u64>()
        };
        let before = total();
        let from = (self.hosts.site(site), self.address(site));
        let start = std::time::Instant::now();
        flood(from, (self.hosts.site(0), self.target()), count, make);
        println!("{count} for {reasons:?}: {:?}", start.elapsed());
        eventually(SOON, &format!("{count} counted under {reasons:?}"), || {
            (total() - before >= count).then_some(())
        });
        assert_eq!(total() - before, count, "{reasons:?}");
        self.nothing_happened();
    }

    /// Nothing was delivered to the container and nothing learned.
    #[track_caller]
    fn nothing_happened(&self) {
        let delivered: Vec<_> = (self.sniffer.so_far().into_iter())
            .filter(|frame| frames::is_test(frame))
            .collect();
        assert_eq!(delivered, NONE);
        let lab = self.hosts.lab(0);
        let own = self.container.mac().to_string();
        let learned = lab.fdb("blue").into_iter();
        let strange: Vec<_> = learned
            .filter(|(mac, _, kind)| *mac != own && kind == "learned")
            .collect();
        assert!(strange.is_empty(), "{strange:?}");
    }

    /// After all of it the peer is still heard.
    #[track_caller]
    fn lift(self) {
        let welcome = frames::unique(MacAddr::BROADCAST, station(1));
        let (site, address) = (self.hosts.site(PEER), self.address(PEER));
        let socket = site.run(|| UdpSocket::bind((address, 0))).must("a socket");
        (socket.send_to(&vxlan(VNI, &welcome), self.target())).must("send");
        self.sniffer.expect_frame(&welcome);
        eventually(SOON, "it is learned", || {
            (self.hosts.lab(0).remote("blue", station(1)) == Some(address)).then_some(())
        });
        drop(self.sniffer);
        self.hosts.finish();
    }
}

/// A frame that would be delivered to everybody.
fn attack(src: MacAddr) -> Vec<u8> {
    frames::unique(MacAddr::BROADCAST, src)
}

/// A source address for each number, a thousand of them.
fn liar(number: u64) -> MacAddr {
    station(0x0100_0000 + u32::try_from(number % 1000).unwrap_or(0))
}

#[test]
fn a_million_from_an_unlisted_peer() {
    let siege = Siege::lay(false);
    siege.storm(STRANGER, MILLION, &["vxlan_unlisted_peer"], |number| {
        vxlan(VNI, &attack(liar(number)))
    });
    siege.lift();
}

#[test]
fn a_million_for_a_network_that_is_not_here() {
    let siege = Siege::lay(false);
    siege.storm(PEER, MILLION, &["vxlan_unknown_vni"], |number| {
        let other = u32::try_from(number).unwrap_or(0) % 0x00ff_ffff;
        vxlan(if other == VNI { 43 } else { other }, &attack(liar(number)))
    });
    siege.lift();
}

#[test]
fn a_million_with_the_address_of_a_container_here() {
    // Of one that is, and so cannot be behind a peer: a loop, or a forgery.
    let siege = Siege::lay(false);
    let mac = siege.container.mac();
    siege.storm(PEER, MILLION, &["vxlan_own_source"], |_| {
        vxlan(VNI, &attack(mac))
    });
    siege.lift();
}

#[test]
fn a_million_with_an_address_that_was_given_to_another_peer() {
    let siege = Siege::lay(false);
    let (mac, other) = (station(77), siege.address(2));
    let words = [
        "fdb",
        "add",
        "blue",
        &mac.to_string(),
        "--remote",
        &other.to_string(),
    ];
    siege.hosts.lab(0).cli(&words).done();
    siege.storm(PEER, MILLION, &["vxlan_static_elsewhere"], |_| {
        vxlan(VNI, &attack(mac))
    });
    assert_eq!(siege.hosts.lab(0).remote("blue", mac), Some(other));
    siege.lift();
}

#[test]
fn a_million_truncated() {
    let siege = Siege::lay(false);
    let whole = |number: u64| vxlan(VNI, &attack(liar(number)));
    siege.storm(PEER, MILLION / 2, &["vxlan_short_header"], |number| {
        let mut bytes = whole(number);
        bytes.truncate(usize::try_from(number % 8).unwrap_or(0));
        bytes
    });
    siege.storm(PEER, MILLION / 2, &["vxlan_inner_truncated"], |number| {
        let mut bytes = whole(number);
        bytes.truncate(8 + usize::try_from(number % 14).unwrap_or(0));
        bytes
    });
    siege.lift();
}

#[test]
fn a_million_at_random() {
    let siege = Siege::lay(false);
    let mut dice = Pattern::new(5);
    let reasons = ["vxlan_short_header", "vxlan_no_vni", "vxlan_unknown_vni"];
    siege.storm(PEER, MILLION, &reasons, |_| noise(&mut dice, 200));
    siege.lift();
}

#[test]
fn random_frames_for_the_right_network_never_stop_it() {
    let siege = Siege::lay(false);
    let mut dice = Pattern::new(6);
    let from = (siege.hosts.site(STRANGER), siege.address(STRANGER));
    let to = (siege.hosts.site(0), siege.target());
    let before = siege.refused("vxlan_unlisted_peer");
    let mut make = |_| vxlan(VNI, &noise(&mut dice, 400));
    flood(from, to, SOME, &mut make);
    eventually(SOON, "counted", || {
        (siege.refused("vxlan_unlisted_peer") == before + SOME).then_some(())
    });
    siege.nothing_happened();
    // From a peer some are sound frames. What becomes of them is the data path's affair; the books close.
    let from = (siege.hosts.site(PEER), siege.address(PEER));
    flood(from, to, SOME, make);
    siege.lift();
}

#[test]
fn what_else_is_refused_has_its_own_reason() {
    for over_ipv6 in [false, true] {
        let siege = Siege::lay(over_ipv6);
        siege.storm(PEER, SOME, &["vxlan_no_vni"], |number| {
            vxlan_with(0, VNI, &attack(liar(number)))
        });
        siege.storm(PEER, SOME, &["vxlan_invalid_source"], |_| {
            vxlan(VNI, &attack(MacAddr::new([0x03, 0, 0, 0, 0, 1])))
        });
        siege.storm(PEER, SOME, &["vxlan_inner_vlan"], |number| {
            let tagged = [0, 5, 0x88, 0xb5, 1, 2, 3, 4];
            let dst = MacAddr::BROADCAST;
            vxlan(VNI, &frames::frame(dst, liar(number), 0x8100, &tagged))
        });
        siege.storm(STRANGER, SOME, &["vxlan_unlisted_peer"], |number| {
            vxlan(VNI, &attack(liar(number)))
        });
        siege.lift();
    }
}

#[test]
fn reserved_bits_are_ignored_or_refused_as_the_network_says() {
    // RFC 7348 section 5: ignored on receipt. Linux and Open vSwitch refuse them; that is `strict=on`.
    let reserved = |frame: &[u8]| {
        let mut bytes = vxlan_with(0xff, VNI, frame);
        bytes[7] = 0xff;
        bytes
    };
    for strict in [false, true] {
        let option = if strict { "strict=on" } else { "strict=off" };
        let overlay = Overlay::named("blue").with(option);
        let hosts = Hosts::start(Underlay::wire(2), 1);
        hosts.create(0, &overlay, &[PEER]);
        let container = hosts.join(0, &overlay, 10);
        let sniffer = Sniffer::start(&container);
        let (site, address) = (hosts.site(PEER), hosts.site(PEER).ip4());
        let socket = site.run(|| UdpSocket::bind((address, 0))).must("a socket");
        let odd = frames::unique(MacAddr::BROADCAST, station(1));
        let sound = frames::unique(MacAddr::BROADCAST, station(1));
        for bytes in [reserved(&odd), vxlan(VNI, &sound)] {
            (socket.send_to(&bytes, (hosts.site(0).ip4(), PORT))).must("send");
        }
        let before = sniffer.until(&sound);
        let drops = hosts.lab(0).tunnel_drops("blue", "vxlan_reserved_bits");
        if strict {
            assert_eq!((before, drops), (NONE.to_vec(), 1));
        } else {
            assert_eq!((before, drops), (vec![odd], 0));
        }
        drop(sniffer);
        hosts.finish();
    }
}
