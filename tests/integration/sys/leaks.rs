//! Nothing is left after many cycles.

use super::*;

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
fn two_hundred_cycles_leak_nothing() {
    alone(module_path!(), "two_hundred_cycles_leak_nothing", || {
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
            if n.is_multiple_of(2) {
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
