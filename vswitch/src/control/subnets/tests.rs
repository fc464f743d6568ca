use super::*;
use crate::control::ErrorKind;

fn id() -> ObjectId {
    ObjectId::from_bytes([0xab; 32])
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn create(subnets: &[&str]) -> NetworkCreate {
    NetworkCreate {
        subnets: subnets.iter().map(|s| net(s)).collect(),
        ..NetworkCreate::default()
    }
}

fn planned(create: &NetworkCreate, others: &[(&str, &str)]) -> Result<Pools, ControlError> {
    let others: Vec<_> = others
        .iter()
        .map(|(name, subnet)| (*name, net(subnet)))
        .collect();
    plan(create, &id(), &others, || Ok(vec![]))
}

fn refusal(create: &NetworkCreate) -> ControlError {
    planned(create, &[]).unwrap_err()
}

#[test]
fn automatic_pools_are_dockers_and_skip_what_is_in_use() {
    let subnet = |others: &[(&str, IpNet)], host: &[&str]| {
        let host: Vec<_> = host.iter().map(|s| net(s)).collect();
        plan(&create(&[]), &id(), others, || Ok(host)).map(|pools| pools.v4.unwrap().subnet())
    };
    assert_eq!(subnet(&[], &[]).unwrap(), net("172.17.0.0/16"));
    let two = [("a", net("172.17.0.0/16")), ("b", net("172.18.128.0/24"))];
    assert_eq!(subnet(&two, &[]).unwrap(), net("172.19.0.0/16"));
    assert_eq!(
        subnet(&two, &["172.19.1.1/32", "0.0.0.0/0"]).unwrap(),
        net("172.20.0.0/16")
    );
    assert_eq!(
        subnet(&[("a", net("172.16.0.0/12"))], &[]).unwrap(),
        net("192.168.0.0/20")
    );
    assert_eq!(
        subnet(&[("a", net("172.16.0.0/12"))], &["192.168.1.0/24"]).unwrap(),
        net("192.168.16.0/20")
    );
    let none = subnet(&[("a", net("172.16.0.0/12"))], &["192.168.0.0/16"]).unwrap_err();
    assert_eq!(none.kind, ErrorKind::Unavailable);
    assert!(none.message.contains("--subnet"));
}

#[test]
fn the_host_is_asked_only_for_automatic_subnets() {
    let asked = || -> Result<Vec<IpNet>, ControlError> { panic!("asked") };
    plan(&create(&["198.18.0.0/24"]), &id(), &[], asked).unwrap();
}

#[test]
fn automatic_ipv6_is_a_stable_ula() {
    let pools = planned(
        &NetworkCreate {
            ipv6: true,
            ..create(&[])
        },
        &[],
    )
    .unwrap();
    assert_eq!(pools.v6.unwrap().subnet(), net("fdab:abab:abab:abab::/64"));
    assert!(planned(&create(&[]), &[]).unwrap().v6.is_none());
}

#[test]
fn one_subnet_for_each_family() {
    let pools = planned(&create(&["2001:2::/64", "198.18.0.0/24"]), &[]).unwrap();
    assert_eq!(pools.v4.unwrap().subnet(), net("198.18.0.0/24"));
    assert_eq!(pools.v6.unwrap().subnet(), net("2001:2::/64"));
    assert!(
        refusal(&create(&["198.18.0.0/24", "198.19.0.0/24"]))
            .message
            .contains("one for each family")
    );
    // IPv4 is automatic beside a given IPv6 subnet, as with Docker.
    assert!(
        planned(&create(&["2001:2::/64"]), &[])
            .unwrap()
            .v4
            .is_some()
    );
}

#[test]
fn a_subnet_with_host_bits_names_the_canonical_form() {
    let error = refusal(&create(&["198.18.0.7/24"]));
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("198.18.0.0/24"), "{error}");
    let range = NetworkCreate {
        ip_ranges: vec![net("198.18.0.9/28")],
        ..create(&["198.18.0.0/24"])
    };
    assert!(refusal(&range).message.contains("198.18.0.0/28"));
}

#[test]
fn an_overlap_names_the_other_network() {
    for other in ["198.18.0.0/16", "198.18.0.0/24", "198.18.0.128/25"] {
        let error = planned(&create(&["198.18.0.0/24"]), &[("lab", other)]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert!(
            error.message.contains("lab") && error.message.contains(other),
            "{error}"
        );
    }
    planned(&create(&["198.18.1.0/24"]), &[("lab", "198.18.0.0/24")]).unwrap();
}

#[test]
fn ranges_that_hosts_cannot_have_are_refused() {
    for unfit in [
        "127.0.0.0/24",
        "224.0.0.0/8",
        "0.0.0.0/0",
        "169.254.0.0/16",
        "fe80::/64",
        "ff00::/16",
        "::/0",
    ] {
        assert_eq!(
            refusal(&create(&[unfit])).kind,
            ErrorKind::Invalid,
            "{unfit}"
        );
    }
}

#[test]
fn wishes_find_their_family_or_are_refused() {
    let full = NetworkCreate {
        gateways: vec![
            "2001:2::99".parse().unwrap(),
            "198.18.0.99".parse().unwrap(),
        ],
        ip_ranges: vec![net("198.18.0.64/26")],
        aux_addresses: [("dns".to_owned(), "2001:2::53".parse().unwrap())].into(),
        ..create(&["198.18.0.0/24", "2001:2::/64"])
    };
    let Pools {
        v4: Some(v4),
        v6: Some(v6),
    } = planned(&full, &[]).unwrap()
    else {
        panic!()
    };
    assert_eq!(v4.gateway().to_string(), "198.18.0.99");
    assert_eq!(v6.gateway().to_string(), "2001:2::99");
    assert_eq!(v4.spec().range, Some(net("198.18.0.64/26")));
    assert_eq!(v6.spec().auxiliary.len(), 1);

    let lone = NetworkCreate {
        gateways: vec!["2001:2::1".parse().unwrap()],
        ..create(&["198.18.0.0/24"])
    };
    assert!(refusal(&lone).message.contains("gateway 2001:2::1"));
    let two = NetworkCreate {
        gateways: vec!["198.18.0.1".parse().unwrap(), "198.18.0.2".parse().unwrap()],
        ..create(&["198.18.0.0/24"])
    };
    assert!(refusal(&two).message.contains("gateway"));
}
