//! Who is told the gateway's MAC address, and which packets it does not take.

use super::frames::{arp, discovery, echo4, ethernet, icmp6, packet4};
use super::*;

const CLIENT: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
const GROUP_MAC: MacAddr = MacAddr::new([0x33, 0x33, 0xff, 0, 0, 1]);

fn who_has(target: Ipv4Addr) -> Vec<u8> {
    arp(1, MacAddr::BROADCAST, CLIENT, CLIENT4, target)
}

fn take(end: &MemoryEnd) -> Vec<u8> {
    end.take_within(PATIENCE).expect("a frame in time")
}

/// Sends `frames`, none of which may be answered, and then one that is.
fn unanswered(end: &MemoryEnd, frames: Vec<Vec<u8>>) {
    for frame in frames {
        end.put(frame).unwrap();
    }
    end.put(who_has(GATEWAY4)).unwrap();
    assert_eq!(take(end)[12 + 14 + 7], 2, "an ARP reply comes first");
    assert_eq!(end.take(), None);
}

#[test]
fn arp_for_its_address_is_answered_and_no_other() {
    let site = Site::silent();
    let end = site.plug(OffloadSet::NONE);
    let mut expected = vec![0, 1, 8, 0, 6, 4, 0, 2];
    expected.extend(GATEWAY.octets());
    expected.extend(GATEWAY4.octets());
    expected.extend(CLIENT.octets());
    expected.extend(CLIENT4.octets());
    let expected = ethernet(CLIENT, GATEWAY, 0x0806, &expected);
    end.put(who_has(GATEWAY4)).unwrap();
    assert_eq!(take(&end), expected);
    // Who asks the station itself, and who is about to take the address.
    end.put(arp(1, GATEWAY, CLIENT, CLIENT4, GATEWAY4)).unwrap();
    assert_eq!(take(&end), expected);
    let probe = arp(
        1,
        MacAddr::BROADCAST,
        CLIENT,
        Ipv4Addr::UNSPECIFIED,
        GATEWAY4,
    );
    end.put(probe).unwrap();
    assert_eq!(take(&end)[26..26 + 18], expected[26..26 + 18]);
    let others = vec![
        who_has(Ipv4Addr::new(198, 18, 0, 3)),
        arp(2, GATEWAY, CLIENT, CLIENT4, GATEWAY4),
        arp(1, mac(9), CLIENT, CLIENT4, GATEWAY4),
    ];
    unanswered(&end, others);
}

#[test]
fn solicitations_for_its_address_are_answered() {
    let site = Site::silent();
    let end = site.plug(OffloadSet::NONE);
    let solicitation = discovery(135, 0, GATEWAY6, Some(CLIENT));
    let advertised = discovery(136, 0x60, GATEWAY6, Some(GATEWAY));
    let expected = icmp6((CLIENT, GATEWAY), (GATEWAY6, CLIENT6), &advertised);
    for (dst_mac, dst) in [(GROUP_MAC, GROUP), (GATEWAY, GATEWAY6)] {
        end.put(icmp6((dst_mac, CLIENT), (CLIENT6, dst), &solicitation))
            .unwrap();
        assert_eq!(take(&end), expected, "to {dst}");
    }
    // Without the option, as a unicast solicitation may be.
    let bare = discovery(135, 0, GATEWAY6, None);
    end.put(icmp6((GATEWAY, CLIENT), (CLIENT6, GATEWAY6), &bare))
        .unwrap();
    assert_eq!(take(&end), expected);
    // Duplicate address detection.
    let unspecified = Ipv6Addr::UNSPECIFIED;
    end.put(icmp6((GROUP_MAC, CLIENT), (unspecified, GROUP), &bare))
        .unwrap();
    let all = (
        MacAddr::new([0x33, 0x33, 0, 0, 0, 1]),
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
    );
    let advertised = discovery(136, 0x20, GATEWAY6, Some(GATEWAY));
    let expected = icmp6((all.0, GATEWAY), (GATEWAY6, all.1), &advertised);
    assert_eq!(take(&end), expected);
    let other = discovery(135, 0, CLIENT6, Some(CLIENT));
    let mut broken = icmp6((GROUP_MAC, CLIENT), (CLIENT6, GROUP), &solicitation);
    broken[12 + 14 + 40 + 2] ^= 1;
    let others = vec![
        icmp6((GROUP_MAC, CLIENT), (CLIENT6, GROUP), &other),
        icmp6((GROUP_MAC, CLIENT), (CLIENT6, all.1), &solicitation),
        icmp6((GROUP_MAC, CLIENT), (unspecified, GROUP), &solicitation),
        broken,
    ];
    unanswered(&end, others);
}

#[test]
fn what_is_not_for_it_or_not_from_a_neighbour_is_not_taken() {
    let site = Site::silent();
    let end = site.plug(OffloadSet::NONE);
    let (here, there) = ((GATEWAY, CLIENT), (CLIENT4, GATEWAY4));
    let other = Ipv4Addr::new(198, 18, 0, 9);
    let mut tagged = echo4(here, there, 6);
    tagged.splice(24..24, [0x81, 0, 0, 42]);
    let mut fragment = packet4(here, there, 1, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
    fragment[12 + 14 + 6] = 0x20;
    let packets = vec![
        echo4(here, (CLIENT4, other), 1),
        echo4(here, (CLIENT4, Ipv4Addr::new(198, 18, 0, 255)), 2),
        echo4(
            (MacAddr::BROADCAST, CLIENT),
            (CLIENT4, Ipv4Addr::BROADCAST),
            3,
        ),
        echo4((MacAddr::BROADCAST, CLIENT), there, 4),
        echo4(here, (Ipv4Addr::new(198, 19, 0, 2), GATEWAY4), 5),
        echo4(here, (GATEWAY4, GATEWAY4), 5),
        echo4(here, (Ipv4Addr::new(198, 18, 0, 255), GATEWAY4), 5),
        echo4(here, (Ipv4Addr::UNSPECIFIED, GATEWAY4), 5),
        tagged,
        fragment,
        ethernet(GATEWAY, CLIENT, 0x88b5, &[0; 46]),
        ethernet(GATEWAY, CLIENT, 0x0800, &[0x45; 3]),
    ];
    unanswered(&end, packets);
    end.put(echo4(here, there, 7)).unwrap();
    let answer = take(&end);
    assert_eq!((answer[12 + 34], &answer[12 + 40..]), (0, &[0, 7][..]));
}

#[test]
fn what_cannot_be_a_gateway_is_refused() {
    let gateways = Gateways::new(Oracle::default().ask());
    let good = gateway(1, 1500);
    let bad = [
        InsideGateway {
            mac: MacAddr::BROADCAST,
            ..good.clone()
        },
        InsideGateway {
            mtu: 67,
            ..good.clone()
        },
        InsideGateway {
            addresses: vec![],
            ..good.clone()
        },
        InsideGateway {
            addresses: vec![net(GATEWAY4); 9],
            ..good.clone()
        },
        InsideGateway {
            addresses: vec![net(Ipv4Addr::UNSPECIFIED)],
            ..good
        },
    ];
    for gateway in bad {
        assert!(gateways.open(&gateway).is_err(), "{gateway:?}");
    }
    assert!(
        gateways.running.lock().unwrap().is_none(),
        "no thread for nothing"
    );
}
