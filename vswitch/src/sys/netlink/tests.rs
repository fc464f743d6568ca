use super::*;
use std::net::IpAddr;

// Reading needs no capability, and every namespace has `lo`.

#[test]
fn lo_is_listed() {
    let lo = links()
        .unwrap()
        .into_iter()
        .find(|l| l.name == "lo")
        .unwrap();
    assert!(lo.index > 0 && lo.mtu > 0 && lo.kind.is_none(), "{lo:?}");
    assert!(link_exists(&IfName::loopback()).unwrap());
}

#[test]
fn an_absent_link_is_absent_and_its_deletion_is_fine() {
    let name = IfName::new("nobody-has-it").unwrap();
    assert!(!link_exists(&name).unwrap());
    delete_link(&name).unwrap();
    let error = set_link_up(&name).unwrap_err();
    assert!(
        matches!(&error, SysError::NoSuchLink { name: n } if *n == name),
        "{error}"
    );
    let error = configure_link(&LinkConfig::new(name)).unwrap_err();
    assert!(matches!(error, SysError::NoSuchLink { .. }), "{error}");
}

#[test]
fn works_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        assert!(link_exists(&IfName::loopback()).unwrap());
    });
}

#[test]
fn a_route_of_mixed_families_changes_nothing() {
    let mut config = LinkConfig::new(IfName::loopback());
    let via: IpAddr = "2001:2::1".parse().unwrap();
    config.routes = vec![RouteConfig {
        dst: "198.18.0.0/15".parse().unwrap(),
        via: Some(via),
    }];
    let error = configure_link(&config).unwrap_err();
    assert!(matches!(error, SysError::MixedRoute { .. }), "{error}");
}

#[test]
fn the_default_route_has_the_family_of_its_gateway() {
    for (gateway, dst) in [("198.18.0.1", "0.0.0.0/0"), ("2001:2::1", "::/0")] {
        let route = RouteConfig::default_via(gateway.parse().unwrap());
        assert_eq!(route.dst.to_string(), dst);
    }
}

#[test]
fn the_kernels_answer_is_negative() {
    let mut message = rtnetlink::packet_core::ErrorMessage::default();
    message.code = std::num::NonZeroI32::new(-libc::ENETUNREACH);
    let error = refused(
        "add a route".to_owned(),
        rtnetlink::Error::NetlinkError(message),
    );
    let text = error.to_string();
    assert!(
        text.starts_with("cannot add a route (Network is unreachable"),
        "{text}"
    );
    assert!(text.contains("gateway must lie in a subnet"), "{text}");
}
