//! Links, addresses, routes.

use super::*;

#[test]
fn addresses_are_usable_at_once_and_routes_are_there() {
    let netns = Netns::create().unwrap();
    let tun = netns
        .run(|| Tun::create("eth0", &TunOptions::default()))
        .unwrap()
        .unwrap();
    let config = LinkConfig {
        mac: Some(MAC),
        mtu: Some(9000),
        txqueuelen: Some(4096),
        addresses: vec![
            "198.18.0.2/24".parse().unwrap(),
            "2001:2::2/64".parse().unwrap(),
        ],
        routes: vec![
            RouteConfig::default_via("198.18.0.1".parse().unwrap()),
            RouteConfig::default_via("2001:2::1".parse().unwrap()),
            RouteConfig {
                dst: "198.19.0.0/16".parse().unwrap(),
                via: None,
            },
        ],
        up: true,
        ..LinkConfig::new(name("eth0"))
    };
    netns
        .run(|| {
            netlink::configure_link(&config).unwrap();
            // Binding to an address under duplicate address detection fails with EADDRNOTAVAIL.
            UdpSocket::bind("[2001:2::2]:0").unwrap();
            UdpSocket::bind("198.18.0.2:0").unwrap();
            // Once more changes nothing.
            netlink::configure_link(&config).unwrap();
            let ours: Vec<_> = netlink::addresses()
                .unwrap()
                .into_iter()
                .filter(|a| config.addresses.contains(&a.address))
                .collect();
            assert!(
                ours.len() == 2 && ours.iter().all(|a| !a.tentative),
                "{ours:?}"
            );
            let routes = netlink::routes().unwrap();
            for wanted in &config.routes {
                let found = routes
                    .iter()
                    .any(|r| r.dst == wanted.dst && r.via == wanted.via);
                assert!(found, "{wanted:?} not in {routes:?}");
            }
            let links = netlink::links().unwrap();
            assert!(
                links.iter().any(|l| l.name == "eth0" && l.mtu == 9000),
                "{links:?}"
            );
        })
        .unwrap();
    drop(tun);
}

#[test]
fn refusals_of_netlink_name_the_remedy() {
    let netns = Netns::create().unwrap();
    let _tun = tap(&netns, "eth0", TunOptions::default());
    let text = |config: LinkConfig| {
        netns
            .run(|| netlink::configure_link(&config))
            .unwrap()
            .unwrap_err()
            .to_string()
    };
    let far: IpAddr = "198.19.9.9".parse().unwrap();
    let unreachable = LinkConfig {
        routes: vec![RouteConfig::default_via(far)],
        ..LinkConfig::new(name("eth0"))
    };
    assert!(text(unreachable).contains("gateway must lie in a subnet"));
    let text = text(LinkConfig {
        mtu: Some(10),
        ..LinkConfig::new(name("eth0"))
    });
    assert!(text.contains("MTU 10") && text.contains("eth0"), "{text}");
}

#[test]
fn ipv6_can_be_switched_off() {
    let netns = Netns::create().unwrap();
    let _tun = netns
        .run(|| Tun::create("eth0", &TunOptions::default()))
        .unwrap()
        .unwrap();
    let config = LinkConfig {
        disable_ipv6: Some(true),
        up: true,
        ..LinkConfig::new(name("eth0"))
    };
    netns
        .run(|| netlink::configure_link(&config))
        .unwrap()
        .unwrap();
    let addresses = netns.run(netlink::addresses).unwrap().unwrap();
    let index = netns.run(netlink::links).unwrap().unwrap();
    let index = index.iter().find(|l| l.name == "eth0").unwrap().index;
    assert!(addresses.iter().all(|a| a.index != index), "{addresses:?}");
    // An IPv6 address is refused with a hint at the switch.
    let more = LinkConfig {
        addresses: vec!["2001:2::2/64".parse().unwrap()],
        ..config
    };
    let unsaid = LinkConfig {
        disable_ipv6: None,
        ..more.clone()
    };
    let configure = |config| netns.run(|| netlink::configure_link(config)).unwrap();
    let error = configure(&unsaid).unwrap_err();
    assert!(error.to_string().contains("disable_ipv6"), "{error}");
    // It can be switched on again, as for a container of Docker's, which has it off.
    let on = LinkConfig {
        disable_ipv6: Some(false),
        ..more
    };
    configure(&on).unwrap();
}
