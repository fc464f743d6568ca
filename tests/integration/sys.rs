//! The kernel's side of the switch: what `vswitch::sys` promises about TAPs, namespaces and netlink,
//! checked against the running kernel. Needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and `/dev/net/tun`.
//!
//! Everything happens inside namespaces that the test itself makes. Where a test counts the
//! descriptors or mounts of the process, it does so in a process of its own (see [`alone`]), because
//! the harness runs the others at the same time.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod leaks;
mod links;
mod namespaces;
mod taps;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
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

/// Runs the test `test` of `module` again in a process of its own, with `body`; the process of
/// the harness only waits for it.
fn alone(module: &str, test: &str, body: impl FnOnce()) {
    const MARK: &str = "VSWITCH_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let path = format!("{}::{test}", module.split_once("::").unwrap().1);
    // With mounts of its own, so that a failure leaves none behind.
    let out = Command::new("unshare")
        .arg("--mount")
        .arg(std::env::current_exe().unwrap())
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

/// Waits for the kernel to take the namespace apart, which it does in the background: the wake-up is
/// that of a frame (`EPOLLIN`), so who waits for errors only sleeps on.
fn assert_gone_within(tun: &Tun, limit: Duration) {
    let deadline = Instant::now() + limit;
    let mut buf = [0; 2048];
    loop {
        let reported = wait_for(tun, PollFlags::IN).contains(PollFlags::ERR);
        // A last frame of the container, or nothing yet: the error is reported when the end of the device begins, and for
        // a moment its queue is still there.
        let gone = (tun.recv(&mut buf).err())
            .is_some_and(|error| PortFault::of(&error) == PortFault::Gone);
        if reported && gone {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "the device outlives its namespace"
        );
    }
    assert_gone(tun);
}

fn mounts_at(path: &Path) -> usize {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let path = path.to_str().unwrap();
    mountinfo
        .lines()
        .filter(|l| l.split(' ').nth(4) == Some(path))
        .count()
}
