use core::net::Ipv4Addr;

use proptest::prelude::*;
use vswitch_wire::{PROTO_ICMPV6, pseudo_v6};

use super::*;
use crate::testing::{DST, DST4, DST6, SRC, SRC4, SRC6, ethernet, host, mac};

const PORT: Source = Source::Port(7);
const NOBODY: MacAddr = MacAddr::ZERO;

fn arp(
    op: u8,
    eth: (MacAddr, MacAddr),
    sender: (MacAddr, Ipv4Addr),
    target: (MacAddr, Ipv4Addr),
) -> Vec<u8> {
    let mut message = vec![0, 1, 8, 0, 6, 4, 0, op];
    for (mac, ip) in [sender, target] {
        message.extend(mac.octets());
        message.extend(ip.octets());
    }
    ethernet(eth.0, eth.1, 0x0806, &message)
}

/// Who has `DST4`? Tell `SRC4`.
fn who_has() -> Vec<u8> {
    arp(1, (MacAddr::BROADCAST, SRC), (SRC, SRC4), (NOBODY, DST4))
}

/// An ND packet with its checksum.
fn nd(eth: (MacAddr, MacAddr), ip: (Ipv6Addr, Ipv6Addr), message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    let len = u32::try_from(message.len()).unwrap();
    let sum = pseudo_v6(ip.0, ip.1, PROTO_ICMPV6, len).add_bytes(&message);
    message[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(len).unwrap().to_be_bytes());
    packet.extend([58, 255]);
    packet.extend([ip.0.octets(), ip.1.octets()].concat());
    packet.extend(message);
    ethernet(eth.0, eth.1, 0x86dd, &packet)
}

fn message(kind: u8, flags: u8, target: Ipv6Addr, option: Option<(u8, MacAddr)>) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    message.extend(target.octets());
    if let Some((kind, mac)) = option {
        message.extend([kind, 1]);
        message.extend(mac.octets());
    }
    message
}

const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 2);
const GROUP_MAC: MacAddr = MacAddr::new([0x33, 0x33, 0xff, 0, 0, 2]);

/// Who has `DST6`? Tell `SRC6`.
fn solicitation() -> Vec<u8> {
    let message = message(135, 0, DST6, Some((1, SRC)));
    nd((GROUP_MAC, SRC), (SRC6, GROUP), &message)
}

fn advertisement(flags: u8) -> Vec<u8> {
    let message = message(136, flags, DST6, Some((2, DST)));
    nd((SRC, DST), (DST6, SRC6), &message)
}

fn head(frame: &[u8]) -> Head {
    Head::parse(frame).unwrap()
}

fn observe(table: &Neighbours, frame: &[u8], source: Source, now: u32) -> Observed {
    table.observe(frame, &head(frame), source, now)
}

fn answer(table: &Neighbours, frame: &[u8]) -> Option<Vec<u8>> {
    match table.answer(frame, &head(frame), 0) {
        Answer::Flood => None,
        Answer::Reply(reply) => Some(reply.as_bytes().to_vec()),
    }
}

fn empty() -> Neighbours {
    Neighbours::new(100, NonZeroU32::new(60))
}

/// Knows `DST4` and `DST6`.
fn knowing() -> Neighbours {
    let mut table = empty();
    assert!(table.pin(DST4.into(), DST, false, PORT));
    assert!(table.pin(DST6.into(), DST, false, PORT));
    table
}

/// Learns what a frame says; whether there was something.
fn teach(table: &mut Neighbours, frame: &[u8], source: Source, now: u32) -> bool {
    match observe(table, frame, source, now) {
        Observed::MustLearn(binding) => table.learn(binding, source, now),
        Observed::Known | Observed::Nothing => false,
    }
}

#[test]
fn rfc826_the_reply_is_the_one_that_the_target_would_send() {
    let expected = arp(2, (SRC, DST), (DST, DST4), (SRC, SRC4));
    assert_eq!(answer(&knowing(), &who_has()), Some(expected));
    assert_eq!(answer(&empty(), &who_has()), None);
    let mut padded = who_has();
    padded.resize(60, 0);
    assert!(answer(&knowing(), &padded).is_some());
}

#[test]
fn rfc4861_sec7_2_4_the_advertisement_is_the_one_that_the_target_would_send() {
    for (router, flags) in [(false, 0x60), (true, 0xe0)] {
        let mut table = empty();
        table.pin(DST6.into(), DST, router, PORT);
        let expected = nd(
            (SRC, DST),
            (DST6, SRC6),
            &message(136, flags, DST6, Some((2, DST))),
        );
        assert_eq!(answer(&table, &solicitation()), Some(expected));
    }
    assert_eq!(answer(&empty(), &solicitation()), None);
}

#[test]
fn rfc5227_probes_and_announcements_are_never_suppressed() {
    let to_all = (MacAddr::BROADCAST, SRC);
    let none = Ipv4Addr::UNSPECIFIED;
    let frames = [
        arp(1, to_all, (SRC, none), (NOBODY, DST4)),
        arp(1, to_all, (SRC, DST4), (NOBODY, DST4)),
        arp(2, to_all, (SRC, DST4), (SRC, DST4)),
    ];
    for frame in frames {
        assert_eq!(answer(&knowing(), &frame), None);
    }
}

#[test]
fn rfc4862_sec5_4_duplicate_address_detection_is_never_suppressed() {
    let frame = nd(
        (GROUP_MAC, SRC),
        (Ipv6Addr::UNSPECIFIED, GROUP),
        &message(135, 0, DST6, None),
    );
    assert_eq!(answer(&knowing(), &frame), None);
    assert_eq!(observe(&empty(), &frame, PORT, 0), Observed::Nothing);
    // An unsolicited advertisement to all is an announcement.
    let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let all_mac = MacAddr::new([0x33, 0x33, 0, 0, 0, 1]);
    let frame = nd(
        (all_mac, DST),
        (DST6, all),
        &message(136, 0x20, DST6, Some((2, DST))),
    );
    assert_eq!(answer(&knowing(), &frame), None);
}

#[test]
fn questions_that_only_the_target_can_answer() {
    let table = knowing();
    // Is that very host still there?
    let unicast = arp(1, (DST, SRC), (SRC, SRC4), (DST, DST4));
    assert_eq!(answer(&table, &unicast), None);
    let unicast = nd(
        (DST, SRC),
        (SRC6, DST6),
        &message(135, 0, DST6, Some((1, SRC))),
    );
    assert_eq!(answer(&table, &unicast), None);
    let group_to_one = nd(
        (GROUP_MAC, SRC),
        (SRC6, DST6),
        &message(135, 0, DST6, Some((1, SRC))),
    );
    assert_eq!(answer(&table, &group_to_one), None);
    // Its own address.
    let own = arp(1, (MacAddr::BROADCAST, DST), (DST, SRC4), (NOBODY, DST4));
    assert_eq!(answer(&table, &own), None);
    // In another's name.
    let forged = arp(1, (MacAddr::BROADCAST, SRC), (mac(9), SRC4), (NOBODY, DST4));
    assert_eq!(answer(&table, &forged), None);
    let forged = nd(
        (GROUP_MAC, SRC),
        (SRC6, GROUP),
        &message(135, 0, DST6, Some((1, mac(9)))),
    );
    assert_eq!(answer(&table, &forged), None);
    let nameless = nd(
        (GROUP_MAC, SRC),
        (SRC6, GROUP),
        &message(135, 0, DST6, None),
    );
    assert_eq!(answer(&table, &nameless), None);
    // In a VLAN.
    let frame = who_has();
    let tagged = [&frame[..12], &[0x81, 0, 0, 5], &frame[12..]].concat();
    assert_eq!(answer(&table, &tagged), None);
}

#[test]
fn messages_that_are_not_sound_are_neither_answered_nor_believed() {
    let table = knowing();
    for (frame, positions) in [(who_has(), 14..21), (solicitation(), 20..22)] {
        for at in positions {
            let mut broken = frame.clone();
            broken[at] ^= 0x10;
            assert_eq!(answer(&table, &broken), None, "byte {at}");
            assert_eq!(observe(&empty(), &broken, PORT, 0), Observed::Nothing);
        }
        for len in 14..frame.len() {
            assert_eq!(answer(&table, &frame[..len]), None);
            assert_eq!(observe(&empty(), &frame[..len], PORT, 0), Observed::Nothing);
        }
    }
    // Every bit of the packet that the checksum covers.
    for bit in 8 * (14 + 8)..8 * solicitation().len() {
        let mut broken = solicitation();
        broken[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(answer(&table, &broken), None, "bit {bit}");
        assert_eq!(observe(&empty(), &broken, PORT, 0), Observed::Nothing);
    }
    let mut options = message(135, 0, DST6, Some((1, SRC)));
    options.extend([14, 0, 0, 0, 0, 0, 0, 0]);
    let frame = nd((GROUP_MAC, SRC), (SRC6, GROUP), &options);
    assert_eq!(answer(&table, &frame), None, "an option of no length");
    let many = message(135, 0, GROUP, Some((1, SRC)));
    assert_eq!(
        observe(
            &empty(),
            &nd((GROUP_MAC, SRC), (SRC6, GROUP), &many),
            PORT,
            0
        ),
        Observed::Nothing
    );
}

#[test]
fn learns_from_what_passes_and_answers_with_it() {
    let mut table = empty();
    let reply = arp(2, (SRC, DST), (DST, DST4), (SRC, SRC4));
    assert!(teach(&mut table, &reply, Source::Peer(host(2)), 0));
    assert_eq!(
        observe(&table, &reply, Source::Peer(host(2)), 0),
        Observed::Known
    );
    assert!(answer(&table, &who_has()).is_some());
    // The question taught who asked.
    assert!(teach(&mut table, &who_has(), PORT, 0));
    let back = arp(1, (MacAddr::BROADCAST, DST), (DST, DST4), (NOBODY, SRC4));
    assert_eq!(
        answer(&table, &back),
        Some(arp(2, (DST, SRC), (SRC, SRC4), (DST, DST4)))
    );
    let mut known: Vec<_> = table
        .iter(0)
        .map(|(binding, source)| (binding.ip, binding.mac, source))
        .collect();
    known.sort_unstable();
    assert_eq!(
        known,
        [
            (SRC4.into(), SRC, PORT),
            (DST4.into(), DST, Source::Peer(host(2)))
        ]
    );
}

#[test]
fn rfc4861_sec7_2_5_the_router_flag_is_known_from_an_advertisement_only() {
    let mut table = empty();
    let asks = nd(
        (MacAddr::new([0x33, 0x33, 0xff, 0, 0, 1]), DST),
        (DST6, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1)),
        &message(135, 0, SRC6, Some((1, DST))),
    );
    assert!(teach(&mut table, &asks, PORT, 0));
    assert_eq!(answer(&table, &solicitation()), None, "it may be a router");
    assert!(teach(&mut table, &advertisement(0xe0), PORT, 0));
    assert_eq!(answer(&table, &solicitation()).unwrap()[58], 0xe0);
    assert_eq!(
        observe(&table, &asks, PORT, 0),
        Observed::Known,
        "and that stays"
    );
    assert_eq!(answer(&table, &solicitation()).unwrap()[58], 0xe0);
    // It went to another host with the same address: still a router.
    assert!(teach(&mut table, &asks, Source::Peer(host(2)), 0));
    assert_eq!(answer(&table, &solicitation()).unwrap()[58], 0xe0);
    assert!(teach(
        &mut table,
        &advertisement(0x60),
        Source::Peer(host(2)),
        0
    ));
    assert_eq!(answer(&table, &solicitation()).unwrap()[58], 0x60);
}

#[test]
fn an_anycast_advertisement_teaches_nothing() {
    assert_eq!(
        observe(&empty(), &advertisement(0x40), PORT, 0),
        Observed::Nothing
    );
}

#[test]
fn pinned_addresses_are_not_taken_over() {
    let mut table = knowing();
    let liar = arp(
        2,
        (MacAddr::BROADCAST, mac(9)),
        (mac(9), DST4),
        (mac(9), DST4),
    );
    assert_eq!(observe(&table, &liar, PORT, 0), Observed::Nothing);
    let binding = Binding {
        ip: DST4.into(),
        mac: mac(9),
        router: None,
    };
    assert!(!table.learn(binding, PORT, 0));
    let honest = arp(2, (SRC, DST), (DST, DST4), (SRC, SRC4));
    assert_eq!(
        observe(&table, &honest, Source::Peer(host(2)), 0),
        Observed::Known
    );
    assert!(table.remove(DST4.into()) && !table.remove(DST4.into()));
    assert!(teach(&mut table, &liar, PORT, 0));
}

#[test]
fn a_move_is_followed_and_a_peer_that_goes_is_forgotten() {
    let mut table = empty();
    let announce = |mac| arp(1, (MacAddr::BROADCAST, mac), (mac, DST4), (NOBODY, DST4));
    assert!(teach(&mut table, &announce(DST), Source::Peer(host(2)), 0));
    assert!(
        teach(&mut table, &announce(DST), Source::Peer(host(3)), 0),
        "another host"
    );
    assert_eq!(table.forget(Source::Peer(host(2))), 0);
    assert!(
        teach(&mut table, &announce(mac(9)), Source::Peer(host(3)), 0),
        "another address"
    );
    assert_eq!(answer(&table, &who_has()).unwrap()[6..12], mac(9).octets());
    assert_eq!(table.forget(Source::Peer(host(3))), 1);
    assert!(table.is_empty() && answer(&table, &who_has()).is_none());
}

#[test]
fn ages_and_is_bounded_fairly() {
    let mut table = Neighbours::new(50, NonZeroU32::new(60));
    let claim = |table: &mut Neighbours, number: u32, source, now| {
        let ip = IpAddr::V4(Ipv4Addr::from(0xc612_0000 + number));
        table.learn(
            Binding {
                ip,
                mac: DST,
                router: None,
            },
            source,
            now,
        )
    };
    assert!(claim(&mut table, 2, PORT, 100));
    for number in 100..5000 {
        assert!(claim(&mut table, number, Source::Port(8), 100));
    }
    assert_eq!(table.len(), 50);
    assert!(answer_at(&table, 159).is_some() && answer_at(&table, 160).is_none());
    assert_eq!(
        (table.sweep(159), table.sweep(160), table.len()),
        (0, 50, 0)
    );
}

fn answer_at(table: &Neighbours, now: u32) -> Option<Reply> {
    match table.answer(&who_has(), &head(&who_has()), now) {
        Answer::Flood => None,
        Answer::Reply(reply) => Some(reply),
    }
}

proptest! {
    #[test]
    fn any_frame(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        template in prop_oneof![Just(who_has()), Just(solicitation()), Just(advertisement(0x60))],
        at in any::<prop::sample::Index>(),
    ) {
        // Random bytes over a sound message, from somewhere on.
        let mut frame = template;
        let at = at.index(frame.len());
        frame.splice(at.., bytes);
        if let Ok(head) = Head::parse(&frame) {
            let mut table = knowing();
            if let Observed::MustLearn(binding) = table.observe(&frame, &head, PORT, 5) {
                prop_assert_eq!(binding.mac, head.src);
                prop_assert!(table.learn(binding, PORT, 5));
                prop_assert_eq!(table.observe(&frame, &head, PORT, 5), Observed::Known);
            }
            if let Answer::Reply(reply) = table.answer(&frame, &head, 5) {
                let reply_head = Head::parse(reply.as_bytes()).unwrap();
                prop_assert_eq!((reply_head.dst, reply_head.src), (head.src, DST));
                let is_message = Message::read(reply.as_bytes(), &reply_head).is_some();
                prop_assert!(is_message, "what is sent is sound");
            }
        }
    }
}

#[test]
fn only_an_honest_question_is_one() {
    let asks = |frame: &[u8]| is_question(frame, &head(frame));
    assert!(asks(&who_has()) && asks(&solicitation()));
    let announcement = arp(1, (MacAddr::BROADCAST, SRC), (SRC, SRC4), (NOBODY, SRC4));
    let probe = arp(
        1,
        (MacAddr::BROADCAST, SRC),
        (SRC, Ipv4Addr::UNSPECIFIED),
        (NOBODY, DST4),
    );
    let reply = arp(2, (SRC, DST), (DST, DST4), (SRC, SRC4));
    let detection = nd(
        (GROUP_MAC, SRC),
        (Ipv6Addr::UNSPECIFIED, GROUP),
        &message(135, 0, DST6, None),
    );
    for frame in [announcement, probe, reply, detection, advertisement(0x60)] {
        assert!(!asks(&frame), "{frame:02x?}");
    }
}

#[test]
fn an_owner_answers_for_its_own_addresses_alone_and_defends_them() {
    let own = |frame: &[u8]| {
        let is_own = |ip: IpAddr| ip == IpAddr::V4(DST4) || ip == IpAddr::V6(DST6);
        answer_as_owner(frame, &head(frame), DST, is_own).map(|reply| reply.as_bytes().to_vec())
    };
    let reply = arp(2, (SRC, DST), (DST, DST4), (SRC, SRC4));
    assert_eq!(own(&who_has()).as_ref(), Some(&reply));
    let unicast = arp(1, (DST, SRC), (SRC, SRC4), (NOBODY, DST4));
    assert_eq!(own(&unicast), Some(reply.clone()));
    let probe = arp(
        1,
        (MacAddr::BROADCAST, SRC),
        (SRC, Ipv4Addr::UNSPECIFIED),
        (NOBODY, DST4),
    );
    assert!(own(&probe).is_some());
    let other = arp(1, (MacAddr::BROADCAST, SRC), (SRC, SRC4), (NOBODY, SRC4));
    assert_eq!(own(&other), None);
    assert_eq!(own(&reply), None, "no question");

    assert_eq!(own(&solicitation()), Some(advertisement(0x60)));
    let solicit = |option| message(135, 0, DST6, option);
    let unicast = nd((DST, SRC), (SRC6, DST6), &solicit(None));
    assert_eq!(own(&unicast), Some(advertisement(0x60)));
    let nobody = Ipv6Addr::UNSPECIFIED;
    let detection = nd((GROUP_MAC, SRC), (nobody, GROUP), &solicit(None));
    let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let all_mac = MacAddr::new([0x33, 0x33, 0, 0, 0, 1]);
    let defence = message(136, 0x20, DST6, Some((2, DST)));
    assert_eq!(
        own(&detection),
        Some(nd((all_mac, DST), (DST6, all), &defence))
    );
    // RFC 4861 section 7.1.1.
    let named = nd((GROUP_MAC, SRC), (nobody, GROUP), &solicit(Some((1, SRC))));
    assert_eq!(own(&named), None);
}
