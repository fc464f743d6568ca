use super::*;
use crate::control::ErrorKind;

fn parse(options: &[(&str, &str)]) -> Result<OverlayOptions, ControlError> {
    let options = options
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    OverlayOptions::parse(&options.collect())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn without_options_it_is_as_the_rfc_and_docker_have_it() {
    let options = parse(&[("vni", "42")]).unwrap();
    assert_eq!(options, OverlayOptions::new(Vni::new(42).unwrap()));
    let segment = options.segment(ip("198.18.100.1"));
    assert_eq!(segment, SegmentConfig::new(ip("198.18.100.1")));
    assert_eq!(
        options.relay(1450),
        RelayOptions {
            mtu: 1450,
            gateway: GatewayWish::Inside,
            nat: NatWish::Off,
            ..RelayOptions::default()
        }
    );
    assert_eq!(
        (options.dstport, options.mtu, options.suppress),
        (4789, None, false)
    );
}

#[test]
fn every_known_option_has_its_effect() {
    let options = parse(&[
        ("vni", "16777215"),
        ("peers", "198.18.100.2, 198.18.100.3"),
        ("local", "::ffff:198.18.100.1"),
        ("dstport", "8472"),
        ("group", "239.1.1.1"),
        ("mtu", "1400"),
        ("ttl", "inherit"),
        ("tos", "0xb8"),
        ("strict", "on"),
        ("learning", "off"),
        ("suppress", "on"),
        ("ageing", "10"),
        ("max_entries", "8192"),
        ("offload", "off"),
        (DOCKER_MTU, "1400"),
        (DOCKER_VNI, "16777215"),
    ])
    .unwrap();
    assert_eq!(options.peers, [ip("198.18.100.2"), ip("198.18.100.3")]);
    assert_eq!(options.local, Some(ip("198.18.100.1")), "mapped is IPv4");
    assert_eq!((options.dstport, options.mtu), (8472, Some(1400)));
    assert!(options.suppress);
    let segment = options.segment(ip("198.18.100.1"));
    assert_eq!(segment.group, Some(ip("239.1.1.1")));
    assert_eq!(segment.ageing, NonZeroU32::new(10));
    assert_eq!(
        (segment.learning, segment.reserved),
        (false, Reserved::Strict)
    );
    assert_eq!(segment.outer.ttl, Ttl::Inherit);
    assert_eq!(segment.outer.dscp, OuterDscp::Fixed(Dscp::new(46).unwrap()));
    let relay = options.relay(1400);
    assert_eq!((relay.offload, relay.settings.ageing.secs()), (false, 10));
    assert_eq!(relay.settings.max_entries.get(), 8192);
    assert!(relay.settings.learning, "the network learns its own ports");
    let other = parse(&[("vni", "1"), ("ttl", "9"), ("tos", "inherit")]).unwrap();
    assert_eq!(other.outer.ttl, Ttl::Fixed(NonZeroU8::new(9).unwrap()));
    assert_eq!(other.outer.dscp, OuterDscp::Inherit);
    assert_eq!(parse(&[(DOCKER_VNI, "4097")]).unwrap().vni.get(), 4097);
}

#[test]
fn values_out_of_range_are_refused_with_the_range() {
    for (key, value, hint) in [
        ("vni", "0", "1 to 16777215"),
        ("vni", "16777216", "1 to 16777215"),
        ("vni", "4097,4098", "1 to 16777215"),
        ("peers", "", "such as 198.18.100.1"),
        ("peers", "198.18.100.2,", "such as 198.18.100.1"),
        (
            "peers",
            "198.18.100.2,::ffff:198.18.100.2",
            "198.18.100.2 is given twice",
        ),
        ("local", "host", "such as 198.18.100.1"),
        ("local", "0.0.0.0", "address of this host"),
        ("local", "::", "address of this host"),
        ("local", "fe80::1", "address of this host"),
        ("local", "239.1.1.1", "address of this host"),
        ("dstport", "0", "1 to 65535"),
        ("dstport", "65536", "1 to 65535"),
        ("group", "198.18.100.9", "239.1.1.1"),
        ("mtu", "67", "68 to 65521"),
        ("ttl", "0", "1 to 255"),
        ("ttl", "256", "inherit"),
        ("tos", "46", "184 for EF"),
        ("tos", "256", "inherit"),
        ("tos", "0x100", "inherit"),
        ("strict", "yes", "on or off"),
        ("suppress", "", "on or off"),
        ("ageing", "9", "10 to 1000000"),
        ("max_entries", "8193", "1 to 8192"),
        ("max_entries", "0", "1 to 8192"),
    ] {
        let mut options = BTreeMap::from([("vni".to_owned(), "42".to_owned())]);
        options.insert(key.to_owned(), value.to_owned());
        let error = OverlayOptions::parse(&options).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        assert!(
            error.message.starts_with(&format!("option {key}: ")),
            "{error}"
        );
        assert!(error.message.contains(hint), "{error}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let refused = |options: &[(&str, &str)]| parse(options).unwrap_err().message;
    assert!(refused(&[]).contains("needs one; give -o vni=N"));
    assert!(refused(&[("vni", "42"), (DOCKER_VNI, "43")]).contains("twice"));
    assert!(refused(&[("vni", "42"), ("mtu", "1400"), (DOCKER_MTU, "1401")]).contains("twice"));
    for (one, other) in [
        (("local", "198.18.100.1"), ("peers", "2001:2::2")),
        (("local", "2001:2::1"), ("group", "239.1.1.1")),
        (("peers", "198.18.100.1,2001:2::2"), ("ttl", "1")),
    ] {
        let error = refused(&[("vni", "42"), one, other]);
        assert!(error.contains("one family"), "{error}");
    }
}

#[test]
fn unknown_options_and_encryption_list_the_known_ones() {
    for (key, kind) in [
        ("colour", ErrorKind::Invalid),
        ("encrypted", ErrorKind::Unavailable),
    ] {
        let error = parse(&[("vni", "42"), (key, "")]).unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.message.contains(key));
        for known in KNOWN {
            assert!(error.message.contains(known), "{error}");
        }
    }
}
