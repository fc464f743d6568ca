//! The kernel's side of the switch: what `vswitch::sys` promises about TAPs, namespaces and netlink,
//! checked against the running kernel. Needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and `/dev/net/tun`.
//!
//! Everything happens inside namespaces that the test itself makes. Where a test counts the
//! descriptors or mounts of the process, it does so in a process of its own (see [`alone`]), because
//! the harness runs the others at the same time.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read as _},
    net::{IpAddr, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use vswitch::sys::{
    IfName, Netns, PortFault, SysError, TapFactory, Tun, TunOptions, VNET_HDR_LEN, caps,
    netlink::{self, LinkConfig, RouteConfig},
    offload, spawn_in,
};

const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x11];

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

/// A TAP inside `netns` under its final name, up, with 198.18.0.2/24 and 2001:2::2/64.
fn tap(netns: &Netns, ifname: &str, options: TunOptions) -> Tun {
    netns
        .run(|| {
            let tun = Tun::create(ifname, &options)?;
            netlink::configure_link(&LinkConfig {
                mac: Some(MAC),
                addresses: vec![
                    "198.18.0.2/24".parse().unwrap(),
                    "2001:2::2/64".parse().unwrap(),
                ],
                up: true,
                ..LinkConfig::new(name(ifname))
            })?;
            Ok::<_, SysError>(tun)
        })
        .unwrap()
        .unwrap()
}

/// Waits at most five seconds for one of `wanted` (or an error, which poll always reports).
fn wait_for(tun: &Tun, wanted: PollFlags) -> PollFlags {
    let mut fds = [PollFd::new(tun, wanted)];
    let limit = Timespec {
        tv_sec: 5,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&limit)).unwrap();
    fds[0].revents()
}

/// Reads frames until `wanted` picks one. The kernel of the namespace also sends its own (MLD, RS).
fn read_until<T>(tun: &Tun, wanted: impl Fn(&[u8]) -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut buf = vec![0; 70_000];
    while Instant::now() < deadline {
        match tun.recv(&mut buf) {
            Ok(len) => {
                if let Some(found) = wanted(&buf[..len]) {
                    return found;
                }
            }
            Err(e) if PortFault::of(&e) == PortFault::WouldBlock => {
                wait_for(tun, PollFlags::IN);
            }
            Err(e) => panic!("recv: {e}"),
        }
    }
    panic!("the frame did not come within five seconds");
}

/// An ARP request of 198.18.0.1 for 198.18.0.2, without virtio header.
fn arp_request() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([0x02, 0, 0, 0, 0, 0x22, 0x08, 0x06]);
    frame.extend([0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend([0x02, 0, 0, 0, 0, 0x22, 198, 18, 0, 1]);
    frame.extend([0; 6]);
    frame.extend([198, 18, 0, 2]);
    frame
}

fn with_header(frame: &[u8]) -> Vec<u8> {
    let mut out = vec![0; VNET_HDR_LEN];
    out.extend(frame);
    out
}

/// Whether `frame` (without virtio header) is the ARP reply of [`MAC`] to [`arp_request`].
fn is_arp_reply(frame: &[u8]) -> bool {
    frame.len() >= 42 && frame[6..12] == MAC && frame[12..14] == [8, 6] && frame[20..22] == [0, 2]
}

/// Runs the test `test` of this binary again in a process of its own, with `body`; the process of
/// the harness only waits for it.
fn alone(test: &str, body: impl FnOnce()) {
    const MARK: &str = "VSWITCH_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let path = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let out = Command::new(std::env::current_exe().unwrap())
        .args([path.as_str(), "--exact", "--test-threads=1", "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    let ran = text.contains("1 passed");
    assert!(
        out.status.success() && ran,
        "{text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// What the descriptors of this process point to.
fn descriptors() -> BTreeSet<String> {
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            // The descriptor of this very listing is gone by now.
            let target = fs::read_link(entry.path()).ok()?;
            Some(format!("{:?} -> {}", entry.file_name(), target.display()))
        })
        .collect()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn preflight_passes_where_these_tests_run() {
    caps::preflight().unwrap();
}

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
    let send = |len: usize| {
        netns
            .run(|| -> io::Result<()> {
                let socket = UdpSocket::bind("198.18.0.2:0")?;
                // A neighbour that is known needs no ARP.
                socket
                    .send_to(&vec![7; len], "198.18.0.255:9")
                    .map(drop)
                    .or_else(|_| {
                        socket.set_broadcast(true)?;
                        socket.send_to(&vec![7; len], "198.18.0.255:9").map(drop)
                    })
            })
            .unwrap()
            .unwrap();
    };
    let is_udp =
        |f: &[u8]| f.get(VNET_HDR_LEN + 23) == Some(&17) && f[VNET_HDR_LEN + 12..][..2] == [8, 0];
    let needs_csum = |f: &[u8]| is_udp(f).then_some(f[0] & 1 == 1);

    assert_eq!(tun.set_offload(0).unwrap(), 0);
    send(1000);
    assert!(
        !read_until(&tun, needs_csum),
        "checksum left undone without offload"
    );
    assert_ne!(tun.set_offload(offload::ALL).unwrap(), 0);
    send(1000);
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

/// What every call answers once the device is no more.
fn assert_gone(tun: &Tun) {
    let revents = wait_for(tun, PollFlags::IN);
    assert!(revents.contains(PollFlags::ERR), "{revents:?}");
    let mut buf = [0; 2048];
    let error = tun.recv(&mut buf).unwrap_err();
    assert_eq!(PortFault::of(&error), PortFault::Gone, "{error}");
    let error = tun.send(&with_header(&arp_request())).unwrap_err();
    assert_eq!(PortFault::of(&error), PortFault::Gone, "{error}");
    assert!(matches!(
        tun.set_offload(0),
        Err(SysError::DeviceGone { .. })
    ));
    assert!(matches!(
        tun.current_name(),
        Err(SysError::DeviceGone { .. })
    ));
    assert!(matches!(
        tun.device_netns(),
        Err(SysError::DeviceGone { .. })
    ));
    assert!(matches!(tun.add_queue(), Err(SysError::DeviceGone { .. })));
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

/// Waits for the kernel to take the namespace apart, which it does in the background; poll wakes up.
fn assert_gone_within(tun: &Tun, limit: Duration) {
    let deadline = Instant::now() + limit;
    while !wait_for(tun, PollFlags::empty()).contains(PollFlags::ERR) {
        assert!(
            Instant::now() < deadline,
            "the device outlives its namespace"
        );
    }
    assert_gone(tun);
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
        disable_ipv6: true,
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
    let error = netns
        .run(|| netlink::configure_link(&more))
        .unwrap()
        .unwrap_err();
    assert!(error.to_string().contains("disable_ipv6"), "{error}");
}

#[test]
fn run_leaves_the_callers_namespace_alone() {
    let before = Netns::current().unwrap().id().unwrap();
    let netns = Netns::create().unwrap();
    assert_ne!(netns.id().unwrap(), before);
    let inside = netns
        .run(|| Netns::current().unwrap().id().unwrap())
        .unwrap();
    assert_eq!(inside, netns.id().unwrap());
    assert_eq!(Netns::current().unwrap().id().unwrap(), before);
    // Nor does a panic, which goes on in the caller.
    let panic = std::panic::catch_unwind(|| netns.run(|| panic!("inside")));
    assert!(panic.is_err());
    assert_eq!(Netns::current().unwrap().id().unwrap(), before);
}

#[test]
fn a_child_starts_inside_the_namespace() {
    let netns = Netns::create().unwrap();
    let mut command = Command::new("readlink");
    command.arg("/proc/self/ns/net").stdout(Stdio::piped());
    let mut child = spawn_in(&netns, &mut command).unwrap();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(text.trim(), format!("net:[{}]", netns.id().unwrap().ino));
    // A process that runs is a way to its namespace.
    let mut sleeper = spawn_in(&netns, Command::new("sleep").arg("60")).unwrap();
    let found = Netns::of_pid(sleeper.id()).and_then(|n| n.id());
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(found.unwrap(), netns.id().unwrap());
}

#[test]
fn a_pin_keeps_a_namespace_and_other_tools_can_use_it() {
    alone("a_pin_keeps_a_namespace_and_other_tools_can_use_it", || {
        let dir = tempfile::tempdir().unwrap();
        let pins = dir.path().join("netns");
        let path = pins.join("red");
        let netns = Netns::create().unwrap();
        let id = netns.id().unwrap();
        netns.pin(&path).unwrap();
        assert!(Netns::is_pinned(&path));
        assert!(matches!(
            netns.pin(&path),
            Err(SysError::AlreadyPinned { .. })
        ));
        drop(netns);

        assert_eq!(Netns::open(&path).unwrap().id().unwrap(), id);
        let link = format!("--net={}", path.display());
        let out = Command::new("nsenter")
            .args([&link, "ip", "-br", "link"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && text.starts_with("lo"), "{out:?}");

        // The directory is mounted once, however many pins there are.
        Netns::create().unwrap().pin(&pins.join("blue")).unwrap();
        assert_eq!(mounts_at(&pins), 1);
        Netns::unpin(&path).unwrap();
        Netns::unpin(&path).unwrap();
        assert!(!path.exists() && !Netns::is_pinned(&path));
        assert!(matches!(
            Netns::open(&path),
            Err(SysError::NoSuchNamespace { .. })
        ));

        // A leftover file, as after a crash, is no namespace and no obstacle.
        fs::write(&path, "").unwrap();
        assert!(matches!(
            Netns::open(&path),
            Err(SysError::NotANamespace { .. })
        ));
        Netns::create().unwrap().pin(&path).unwrap();

        // In use, the directory stays; empty, it goes.
        assert!(Netns::release_directory(&pins).is_err());
        for pin in ["red", "blue"] {
            Netns::unpin(&pins.join(pin)).unwrap();
        }
        Netns::release_directory(&pins).unwrap();
        Netns::release_directory(&pins).unwrap();
        assert_eq!(mounts_at(&pins), 0);
        dir.close().unwrap();
    });
}

fn mounts_at(path: &Path) -> usize {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let path = path.to_str().unwrap();
    mountinfo
        .lines()
        .filter(|l| l.split(' ').nth(4) == Some(path))
        .count()
}

#[test]
fn two_hundred_cycles_leak_nothing() {
    alone("two_hundred_cycles_leak_nothing", || {
        let dir = tempfile::tempdir().unwrap();
        let factory = TapFactory::new().unwrap();
        let cycle = |n: usize| {
            let netns = Netns::create().unwrap();
            let path = dir.path().join(format!("pin{n}"));
            netns.pin(&path).unwrap();
            let [tun, second]: [Tun; 2] = factory
                .create_queues(&netns, &name("eth0"), true, 2)
                .unwrap()
                .try_into()
                .unwrap();
            tun.set_offload(offload::ALL).unwrap();
            netns
                .run(|| netlink::set_link_up(&name("eth0")))
                .unwrap()
                .unwrap();
            second.send(&with_header(&arp_request())).unwrap();
            // Half of them end by their device, half by their namespace.
            if n % 2 == 0 {
                netns
                    .run(|| netlink::delete_link(&name("eth0")))
                    .unwrap()
                    .unwrap();
            }
            Netns::unpin(&path).unwrap();
            drop(netns);
            // A failure in the middle leaves nothing either.
            assert!(Tun::create("lo", &TunOptions::default()).is_err());
            assert_gone_within(&tun, Duration::from_secs(10));
        };
        // The first makes what stays: the shared directory, the libraries' own descriptors.
        cycle(0);
        let (fds, links, before) = (descriptors(), netlink::links().unwrap(), threads());
        for n in 1..=200 {
            cycle(n);
        }
        assert_eq!(descriptors(), fds);
        assert_eq!(netlink::links().unwrap(), links);
        assert_eq!(
            factory.home().run(netlink::links).unwrap().unwrap().len(),
            1
        );
        assert_eq!(threads(), before);
        assert_eq!(mounts_at(dir.path()), 1);
        Netns::release_directory(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        dir.close().unwrap();
    });
}
