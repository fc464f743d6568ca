use proptest::prelude::*;
use vswitch_wire::MacAddr;

use super::*;
use crate::testing::{ethernet, head, igmp, mac, mld, says, tagged, v4};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

fn group6() -> Ipv6Addr {
    "ff02::fb".parse().unwrap()
}

fn parse(frame: &[u8]) -> Option<Reports> {
    Reports::parse(&head(frame), frame)
}

fn changes(frame: &[u8]) -> Vec<Change> {
    parse(frame).map_or_else(Vec::new, |reports| reports.changes().to_vec())
}

/// A record: its kind, the number of sources, four-byte words of auxiliary data.
type Record = (u8, u16, u8);

fn record(address: &[u8], (kind, sources, aux): Record) -> Vec<u8> {
    let mut bytes = vec![kind, aux];
    bytes.extend(sources.to_be_bytes());
    bytes.extend(address);
    bytes.extend(vec![0xe0; address.len() * usize::from(sources)]);
    bytes.extend(vec![0xe1; 4 * usize::from(aux)]);
    bytes
}

fn report(kind: u8, records: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(records.len()).unwrap();
    let mut message = vec![kind, 0, 0, 0, 0, 0];
    message.extend(count.to_be_bytes());
    message.extend(records.concat());
    message
}

#[test]
fn the_old_messages_of_one_group() {
    let with = |kind: u8| {
        let mut message = vec![kind, 0, 0, 0];
        message.extend(GROUP.octets());
        changes(&igmp(mac(1), &message))
    };
    let group = GROUP.into();
    assert_eq!(with(0x12), [Change::Join(group)], "RFC 1112 appendix I");
    assert_eq!(with(0x16), [Change::Join(group)], "RFC 2236 section 2.1");
    assert_eq!(with(0x17), [Change::Leave(group)], "RFC 2236 section 2.1");
    assert_eq!(with(0x11), [], "a query");
    assert_eq!(with(0x22), [], "no records");
    let with = |kind: u8| {
        let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
        message.extend(group6().octets());
        changes(&mld(mac(1), &message))
    };
    let group = group6().into();
    assert_eq!(with(131), [Change::Join(group)], "RFC 2710 section 3.1");
    assert_eq!(with(132), [Change::Leave(group)], "RFC 2710 section 3.1");
    assert_eq!(with(130), [], "a query");
    assert_eq!(with(135), [], "a neighbour solicitation");
}

/// RFC 3376 section 4.2.12 and RFC 3810 section 5.2.12, reduced to the group.
#[test]
fn what_records_say() {
    const JOIN: Option<bool> = Some(true);
    const LEAVE: Option<bool> = Some(false);
    for (kind, without, with) in [
        (1, LEAVE, JOIN),
        (2, JOIN, JOIN),
        (3, LEAVE, JOIN),
        (4, JOIN, JOIN),
        (5, None, JOIN),
        (6, None, None),
        (0, None, None),
        (7, None, None),
    ] {
        for (sources, expected) in [(0, without), (2, with)] {
            let said = |group: IpAddr| match expected {
                Some(true) => vec![Change::Join(group)],
                Some(false) => vec![Change::Leave(group)],
                None => Vec::new(),
            };
            let v4 = report(0x22, &[record(&GROUP.octets(), (kind, sources, 0))]);
            let v6 = report(143, &[record(&group6().octets(), (kind, sources, 0))]);
            assert_eq!(changes(&igmp(mac(1), &v4)), said(GROUP.into()), "{kind}");
            assert_eq!(changes(&mld(mac(1), &v6)), said(group6().into()), "{kind}");
        }
    }
}

#[test]
fn many_records_in_order_with_sources_and_auxiliary_data_between() {
    let group = |last| Ipv4Addr::new(239, 0, 0, last);
    let records = [
        (1, (4, 0, 0)),
        (2, (4, 3, 2)),
        (3, (9, 1, 1)),
        (4, (3, 0, 255)),
    ];
    let records = records.map(|(last, said)| record(&group(last).octets(), said));
    let frame = igmp(mac(1), &report(0x22, &records));
    let expected = [
        Change::Join(group(1).into()),
        Change::Join(group(2).into()),
        Change::Leave(group(4).into()),
    ];
    assert_eq!(changes(&frame), expected);
    assert_eq!(changes(&tagged(&frame, 42)), expected);
    assert_eq!(changes(&tagged(&tagged(&frame, 42), 7)), expected);
    let mut padded = frame;
    padded.resize(1400, 0xff);
    assert_eq!(changes(&padded), expected);
}

#[test]
fn a_report_that_ends_too_early_counts_as_far_as_it_goes() {
    let whole = record(&GROUP.octets(), (4, 0, 0));
    for lie in [(4, 1, 0), (4, u16::MAX, 0), (4, 0, 1), (4, 0, 255)] {
        let mut cut = record(&[239, 9, 9, 9], lie);
        cut.truncate(8);
        let frame = igmp(mac(1), &report(0x22, &[whole.clone(), cut]));
        assert_eq!(changes(&frame), [Change::Join(GROUP.into())], "{lie:?}");
    }
    let mut message = report(0x22, &[whole]);
    message[7] = 200;
    assert_eq!(changes(&igmp(mac(1), &message)).len(), 1);
    message.truncate(15);
    assert_eq!(parse(&igmp(mac(1), &message)), None);
}

#[test]
fn what_is_no_group_is_not_joined() {
    for address in [[198, 18, 0, 1], [255; 4], [0; 4]] {
        let message = [vec![0x16, 0, 0, 0], address.to_vec()].concat();
        assert_eq!(parse(&igmp(mac(1), &message)), None, "{address:?}");
    }
    let message = [vec![131, 0, 0, 0, 0, 0, 0, 0], vec![0; 16]].concat();
    assert_eq!(parse(&mld(mac(1), &message)), None);
}

#[test]
fn other_packets_are_none() {
    let frame = says(mac(1), v4(239, 1, 2, 3), true);
    let with = |at: usize, value: u8| {
        let mut frame = frame.clone();
        frame[at] = value;
        parse(&frame)
    };
    assert!(with(14 + 1, 0).is_some());
    assert_eq!(with(14 + 9, 17), None, "UDP");
    assert_eq!(with(14 + 6, 0x20), None, "a fragment");
    assert_eq!(with(14 + 7, 1), None, "the rest of one");
    assert_eq!(with(14 + 3, 255), None, "longer than the frame");
    assert_eq!(with(12, 0x86), None, "another type");
    for len in 14..frame.len() {
        assert_eq!(parse(&frame[..len]), None, "cut to {len}");
    }
}

#[test]
fn a_report_of_too_many_records_is_cut_short() {
    let records = |count: u16| -> Vec<Vec<u8>> {
        let numbers = (0..count).map(u16::to_be_bytes);
        numbers
            .map(|[c, d]| record(&[239, 1, c, d], (4, 0, 0)))
            .collect()
    };
    let limit = u16::try_from(MAX_CHANGES).unwrap();
    let all = parse(&igmp(mac(1), &report(0x22, &records(limit)))).unwrap();
    assert!(!all.is_cut_short() && all.changes().len() == MAX_CHANGES);
    let most = parse(&igmp(mac(1), &report(0x22, &records(limit + 1)))).unwrap();
    assert!(most.is_cut_short() && most.changes().len() == MAX_CHANGES);
}

proptest! {
    #[test]
    fn any_message(v6: bool, kind in prop::sample::select(vec![0x12u8, 0x16, 0x17, 0x22, 131, 132, 143]), message: Vec<u8>, inner: u8) {
        let message = [vec![kind], message].concat();
        let mut frame = if v6 { mld(mac(1), &message) } else { igmp(mac(1), &message) };
        frame.push(inner);
        if let Some(reports) = parse(&frame) {
            prop_assert!((1..=MAX_CHANGES).contains(&reports.changes().len()));
            for change in reports.changes() {
                let (Change::Join(group) | Change::Leave(group)) = change;
                prop_assert!(group.is_multicast() && group.is_ipv6() == v6);
            }
        }
    }

    #[test]
    fn any_bytes(payload: Vec<u8>, ethertype in prop::sample::select(vec![0x0800u16, 0x86dd, 0x8100, 0x0004])) {
        let frame = ethernet(MacAddr::BROADCAST, mac(1), ethertype, &payload);
        if let Ok(head) = Head::parse(&frame) {
            let reports = Reports::parse(&head, &frame);
            prop_assert!(reports.is_none_or(|reports| !reports.changes().is_empty()));
        }
    }
}
