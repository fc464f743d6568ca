//! The MTU follows the underlay.

use super::*;

fn mtu(kernel: &FakeKernel, netns: u64) -> u16 {
    kernel.world(|world| world.specs[&(netns, "eth0".to_owned())].mtu)
}

fn path(kernel: &FakeKernel, peer: IpAddr, mtu: u16) {
    kernel.world(|world| world.paths.insert(peer, mtu));
}

#[test]
fn the_mtu_is_what_the_shortest_path_leaves_and_follows_it() {
    let (mut c, kernel) = prepared();
    let (local, near, far) = (loopback(), loopback(), loopback());
    path(&kernel, near, 9000);
    path(&kernel, far, 1400);
    let near_alone = near.to_string();
    let options = [("vni", "42"), ("peers", near_alone.as_str())];
    create(&mut c, overlay("blue", local, &options)).unwrap();
    connect(&mut c, "blue", to("a")).unwrap();
    assert_eq!(mtu(&kernel, 1), 8950);
    let port = c.endpoints.keys().next_back().copied().unwrap();
    let mut monitor = c.events().subscribe();
    c.apply(peer_add("blue", far)).unwrap();
    assert_eq!(mtu(&kernel, 1), 1350);
    assert_eq!(c.switch.port_stats(port).unwrap().mtu, 1350);
    let told: Vec<_> = std::iter::from_fn(|| monitor.try_next())
        .map(|event| event.what)
        .filter(|e| matches!(e, EventKind::NetworkMtu { .. }))
        .collect();
    let (network, former) = ("blue".to_owned(), 8950);
    assert_eq!(
        told,
        [EventKind::NetworkMtu {
            network,
            mtu: 1350,
            former
        }]
    );
    // A look at the peers notices a change, as does the sweep, as does a new endpoint.
    path(&kernel, far, 1300);
    peers(&mut c, "blue");
    assert_eq!(mtu(&kernel, 1), 1250);
    path(&kernel, far, 1500);
    c.sweep();
    assert_eq!(mtu(&kernel, 1), 1450);
    path(&kernel, far, 1200);
    assert_eq!(
        connect(&mut c, "blue", to("b")).unwrap().interface.mtu,
        1150
    );
    assert_eq!((mtu(&kernel, 1), mtu(&kernel, 2)), (1150, 1150));
    // Without the far one there is room again; what nothing is known of changes nothing.
    c.apply(peer_remove("blue", far)).unwrap();
    assert_eq!(mtu(&kernel, 1), 8950);
    kernel.world(|world| world.paths.clear());
    c.sweep();
    assert_eq!(mtu(&kernel, 1), 8950);
}

#[test]
fn an_mtu_that_was_said_stays() {
    let (mut c, kernel) = prepared();
    let (local, peer) = (loopback(), loopback());
    path(&kernel, peer, 1400);
    let peer = peer.to_string();
    let options = [("vni", "42"), ("peers", peer.as_str()), ("mtu", "1500")];
    create(&mut c, overlay("blue", local, &options)).unwrap();
    connect(&mut c, "blue", to("a")).unwrap();
    peers(&mut c, "blue");
    assert_eq!(mtu(&kernel, 1), 1500);
}

#[test]
fn an_interface_that_cannot_be_changed_does_not_stop_the_others() {
    let (mut c, kernel) = prepared();
    let (local, peer) = (loopback(), loopback());
    path(&kernel, peer, 1500);
    let options = [("vni", "42"), ("peers", &*peer.to_string())];
    create(&mut c, overlay("blue", local, &options)).unwrap();
    for who in ["a", "b"] {
        connect(&mut c, "blue", to(who)).unwrap();
    }
    // The namespace of `a` was taken away.
    kernel.world(|world| world.pins.retain(|_, netns| *netns != 1));
    path(&kernel, peer, 1400);
    c.sweep();
    assert_eq!((mtu(&kernel, 1), mtu(&kernel, 2)), (1450, 1350));
    kernel.world(|world| world.fail.insert(Step::SetMtu));
    path(&kernel, peer, 1300);
    c.sweep();
    assert_eq!(mtu(&kernel, 2), 1350);
}

#[test]
fn ipv6_keeps_its_minimum() {
    let (mut c, kernel) = prepared();
    let (local, peer) = (loopback(), loopback());
    let options = [("vni", "42"), ("peers", &*peer.to_string())];
    let request = || NetworkCreate {
        ipv6: true,
        ..overlay("blue", local, &options)
    };
    path(&kernel, peer, 1329);
    let error = create(&mut c, request()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(
        error
            .message
            .contains("leaves 1279 bytes, and IPv6 needs 1280"),
        "{error}"
    );
    path(&kernel, peer, 1330);
    create(&mut c, request()).unwrap();
    connect(&mut c, "blue", to("a")).unwrap();
    assert_eq!(mtu(&kernel, 1), 1280);
    path(&kernel, peer, 1300);
    c.sweep();
    assert_eq!(
        mtu(&kernel, 1),
        1280,
        "below it the kernel would take IPv6 away"
    );
}
