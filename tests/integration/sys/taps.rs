//! TAPs: creation, frames, offload, faults, queues, hand-over.

use super::*;

#[test]
fn a_tap_is_made_inside_the_namespace_under_its_final_name() {
    let netns = Netns::create().unwrap();
    let tun = tap(&netns, "eth0", TunOptions::default());
    assert_eq!(tun.name(), &name("eth0"));
    assert_eq!(tun.current_name().unwrap(), name("eth0"));
    assert_eq!(
        tun.device_netns().unwrap().id().unwrap(),
        netns.id().unwrap()
    );
    let links = netns.run(netlink::links).unwrap().unwrap();
    let eth0 = links.iter().find(|l| l.name == "eth0").unwrap();
    assert_eq!(
        (eth0.mac, eth0.mtu, eth0.up, eth0.carrier),
        (Some(MAC), 1500, true, true)
    );
    assert_eq!(eth0.kind.as_deref(), Some("tun"));
    assert!(links.iter().any(|l| l.name == "lo" && l.up));
    assert_eq!(links.len(), 2, "{links:?}");
    // The device ends with its descriptor.
    drop(tun);
    assert!(
        !netns
            .run(|| netlink::link_exists(&name("eth0")))
            .unwrap()
            .unwrap()
    );
}

#[test]
fn a_name_is_taken_once() {
    let netns = Netns::create().unwrap();
    let _tun = tap(&netns, "eth0", TunOptions::default());
    for taken in ["eth0", "lo"] {
        let again = netns
            .run(|| Tun::create(taken, &TunOptions::default()))
            .unwrap();
        assert!(
            matches!(again, Err(SysError::NameTaken { .. })),
            "{again:?}"
        );
    }
    // In another namespace it is free.
    let other = Netns::create().unwrap();
    tap(&other, "eth0", TunOptions::default());
}

#[test]
fn frames_go_in_and_come_out_with_and_without_header() {
    for vnet_hdr in [true, false] {
        let netns = Netns::create().unwrap();
        let tun = tap(
            &netns,
            "eth0",
            TunOptions {
                vnet_hdr,
                multi_queue: false,
            },
        );
        let skip = if vnet_hdr { VNET_HDR_LEN } else { 0 };
        let frame = if vnet_hdr {
            with_header(&arp_request())
        } else {
            arp_request()
        };
        assert_eq!(tun.send(&frame).unwrap(), frame.len());
        read_until(&tun, |f| is_arp_reply(&f[skip..]).then_some(()));
        // Too short for an Ethernet header (and for a virtio header): refused, and the port lives on.
        let error = tun.send(&[0; 5]).unwrap_err();
        assert_eq!(PortFault::of(&error), PortFault::Refused, "{error}");
        assert_eq!(tun.send(&frame).unwrap(), frame.len());
    }
}

#[test]
fn offload_is_granted_as_far_as_the_kernel_knows_it() {
    let netns = Netns::create().unwrap();
    let tun = tap(&netns, "eth0", TunOptions::default());
    let tcp = offload::CSUM | offload::TSO4 | offload::TSO6 | offload::ECN;
    let granted = tun.set_offload(offload::ALL).unwrap();
    assert!(granted == offload::ALL || granted == tcp, "{granted:#x}");
    // A bit that no kernel knows costs no more than itself (and USO).
    assert_eq!(tun.set_offload(offload::ALL | 0x8000_0000).unwrap(), tcp);
    // USO is taken only as a pair, and nothing without CSUM.
    assert_eq!(tun.set_offload(tcp | offload::USO4).unwrap(), tcp);
    assert_eq!(tun.set_offload(offload::TSO4).unwrap(), 0);
    assert_eq!(tun.set_offload(offload::CSUM).unwrap(), offload::CSUM);
    assert_eq!(tun.set_offload(0).unwrap(), 0);
    let plain = tap(
        &Netns::create().unwrap(),
        "eth0",
        TunOptions {
            vnet_hdr: false,
            ..tun.options()
        },
    );
    assert_eq!(plain.set_offload(offload::ALL).unwrap(), 0);
}

#[test]
fn with_offload_the_container_leaves_checksum_and_segmentation_undone() {
    let netns = Netns::create().unwrap();
    let tun = tap(&netns, "eth0", TunOptions::default());
    let send = || {
        let sent = netns.run(|| {
            let socket = UdpSocket::bind("198.18.0.2:0")?;
            // To all, which needs no ARP.
            socket.set_broadcast(true)?;
            socket.send_to(&[7; 1000], "198.18.0.255:9")
        });
        assert_eq!(sent.unwrap().unwrap(), 1000);
    };
    let is_udp =
        |f: &[u8]| f.get(VNET_HDR_LEN + 23) == Some(&17) && f[VNET_HDR_LEN + 12..][..2] == [8, 0];
    let needs_csum = |f: &[u8]| is_udp(f).then_some(f[0] & 1 == 1);

    assert_eq!(tun.set_offload(0).unwrap(), 0);
    send();
    assert!(
        !read_until(&tun, needs_csum),
        "checksum left undone without offload"
    );
    assert_ne!(tun.set_offload(offload::ALL).unwrap(), 0);
    send();
    assert!(
        read_until(&tun, needs_csum),
        "NEEDS_CSUM missing with offload"
    );
}

#[test]
fn link_down_costs_frames_and_not_the_port() {
    let netns = Netns::create().unwrap();
    let tun = tap(&netns, "eth0", TunOptions::default());
    let frame = with_header(&arp_request());
    netns
        .run(|| netlink::set_link_down(&name("eth0")))
        .unwrap()
        .unwrap();
    let error = tun.send(&frame).unwrap_err();
    assert_eq!(PortFault::of(&error), PortFault::LinkDown, "{error}");
    // What was queued before may still be read, then there is nothing; and no error to spin on.
    let mut buf = [0; 2048];
    let end = std::iter::from_fn(|| Some(tun.recv(&mut buf)))
        .find_map(Result::err)
        .unwrap();
    assert_eq!(PortFault::of(&end), PortFault::WouldBlock, "{end}");
    let mut fds = [PollFd::new(&tun, PollFlags::IN | PollFlags::OUT)];
    poll(
        &mut fds,
        Some(&Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        }),
    )
    .unwrap();
    assert_eq!(fds[0].revents(), PollFlags::empty());
    netns
        .run(|| netlink::set_link_up(&name("eth0")))
        .unwrap()
        .unwrap();
    assert_eq!(tun.send(&frame).unwrap(), frame.len());
    read_until(&tun, |f| is_arp_reply(&f[VNET_HDR_LEN..]).then_some(()));
}

#[test]
fn a_deleted_device_is_gone_and_says_so() {
    let netns = Netns::create().unwrap();
    let tun = tap(&netns, "eth0", TunOptions::default());
    netns
        .run(|| netlink::delete_link(&name("eth0")))
        .unwrap()
        .unwrap();
    assert_gone(&tun);
    // Deleting once more is fine, and the name is free again.
    netns
        .run(|| netlink::delete_link(&name("eth0")))
        .unwrap()
        .unwrap();
    tap(&netns, "eth0", TunOptions::default());
}

#[test]
fn a_device_whose_namespace_ended_is_gone_and_says_so() {
    let factory = TapFactory::new().unwrap();
    let netns = Netns::create().unwrap();
    let tuns = factory
        .create_queues(&netns, &name("eth0"), true, 2)
        .unwrap();
    assert_eq!(tuns.len(), 2);
    drop(netns);
    for tun in &tuns {
        assert_gone_within(tun, Duration::from_secs(10));
    }
}

#[test]
fn the_factory_delivers_under_the_final_name_and_keeps_nothing() {
    let factory = TapFactory::new().unwrap();
    let netns = Netns::create().unwrap();
    let tun = factory
        .create(&netns, &name("eth0"), TunOptions::default())
        .unwrap();
    assert_eq!(tun.current_name().unwrap(), name("eth0"));
    assert_eq!(
        tun.device_netns().unwrap().id().unwrap(),
        netns.id().unwrap()
    );
    assert_ne!(tun.set_offload(offload::ALL).unwrap(), 0);
    let config = LinkConfig {
        mac: Some(MAC),
        addresses: vec!["198.18.0.2/24".parse().unwrap()],
        up: true,
        ..LinkConfig::new(name("eth0"))
    };
    netns
        .run(|| netlink::configure_link(&config))
        .unwrap()
        .unwrap();
    tun.send(&with_header(&arp_request())).unwrap();
    read_until(&tun, |f| is_arp_reply(&f[VNET_HDR_LEN..]).then_some(()));

    // A name that is taken there is refused, and nothing is left on either side.
    for taken in ["eth0", "lo"] {
        let refused = factory.create(&netns, &name(taken), TunOptions::default());
        assert!(
            matches!(refused, Err(SysError::NameTaken { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(netns.run(netlink::links).unwrap().unwrap().len(), 2);
    assert_eq!(
        factory.home().run(netlink::links).unwrap().unwrap().len(),
        1
    );
    // Many at once do not get into each other's way.
    std::thread::scope(|scope| {
        for n in 1..=8 {
            let (factory, netns) = (&factory, &netns);
            scope.spawn(move || {
                let ifname = name(&format!("eth{n}"));
                let tun = factory
                    .create(netns, &ifname, TunOptions::default())
                    .unwrap();
                assert_eq!(tun.current_name().unwrap(), ifname);
            });
        }
    });
}

#[test]
fn a_queue_is_added_from_outside_also_after_a_rename() {
    let netns = Netns::create().unwrap();
    let tun = tap(
        &netns,
        "eth0",
        TunOptions {
            vnet_hdr: true,
            multi_queue: true,
        },
    );
    let rename = "ip link set eth0 down && ip link set eth0 name eth7 && ip link set eth7 up";
    let status = spawn_in(&netns, Command::new("sh").args(["-c", rename]))
        .unwrap()
        .wait()
        .unwrap();
    assert!(status.success());
    assert_eq!(tun.current_name().unwrap(), name("eth7"));
    let second = tun.add_queue().unwrap();
    assert_eq!(second.current_name().unwrap(), name("eth7"));
    let frame = with_header(&arp_request());
    assert_eq!(second.send(&frame).unwrap(), frame.len());
    // One queue gone, the device stays.
    drop(tun);
    assert_eq!(second.send(&frame).unwrap(), frame.len());
    let links = netns.run(netlink::links).unwrap().unwrap();
    assert_eq!(links.len(), 2, "{links:?}");
}

#[test]
fn a_device_of_one_queue_refuses_another_and_stays() {
    let netns = Netns::create().unwrap();
    let tun = tap(&netns, "eth0", TunOptions::default());
    let refused = tun.add_queue();
    assert!(
        matches!(
            refused,
            Err(SysError::Unsupported { .. } | SysError::Io { .. })
        ),
        "{refused:?}"
    );
    tun.send(&with_header(&arp_request())).unwrap();
}

#[test]
fn a_descriptor_handed_over_is_the_same_port() {
    let netns = Netns::create().unwrap();
    let options = TunOptions::default();
    let tun = Tun::from_fd(tap(&netns, "eth0", options).into_fd()).unwrap();
    assert_eq!((tun.name(), tun.options()), (&name("eth0"), options));
    tun.send(&with_header(&arp_request())).unwrap();
    read_until(&tun, |f| is_arp_reply(&f[VNET_HDR_LEN..]).then_some(()));
}
