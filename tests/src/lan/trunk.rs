//! Stations behind an access switch: what they send gets a VLAN tag on its way to the LAN, and they see what
//! has the same tag, without it.
//!
//! The kernel's own devices for this are a module that not every kernel has; so it is a thread between TAPs, one
//! in the namespace of the LAN's switch and one at each station. They have no offload: the kernel makes whole
//! frames with right checksums for them, whatever the host under test has left undone, and puts the tag, which
//! it carries beside the frame, back into it. A capture on [`Trunk::port`] shows both.

use super::{IFNAME, Lan, nic};
use crate::{Must, Nic, Sandbox, ip};
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    io::Errno,
};
use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};
use vswitch::sys::{IfName, Netns, TapFactory, Tun, TunOptions};

/// The port's name in the namespace of the LAN's switch.
const PORT: &str = "trunk";
/// Frames read from one device before the next has its turn.
const TURN: usize = 64;
/// Longer than any frame of a TAP without offload.
const ROOM: usize = 70_000;
/// What stands in front of a tag (802.1Q clause 9.6).
const TPID: [u8; 2] = [0x81, 0x00];

/// A station and the number of its VLAN.
#[derive(Debug)]
struct Access {
    vid: u16,
    tap: Tun,
}

/// The access switch.
#[derive(Debug)]
pub struct Trunk {
    stations: Vec<Sandbox>,
    port: Sandbox,
    stop: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Trunk {
    /// One station on each of these VLANs: 198.18.SUBNET.NUMBER by (VID, SUBNET, NUMBER).
    ///
    /// # Panics
    /// When a device cannot be made.
    #[track_caller]
    #[must_use]
    pub fn start(lan: &Lan, vlans: &[(u16, u8, u8)]) -> Self {
        let factory = TapFactory::new().must("a namespace to make TAPs in");
        let tap = |netns: &Netns, name: &str| {
            let options = TunOptions {
                vnet_hdr: false,
                multi_queue: false,
            };
            let name = IfName::new(name).must("a name");
            factory.create(netns, &name, options).must("a TAP")
        };
        let trunk = tap(&lan.switch().netns, PORT);
        let line = format!("link set dev {PORT} txqueuelen 8192 master lan up\n");
        ip::batch(lan.switch(), &line);
        let mut stations = Vec::new();
        let mut accesses = Vec::new();
        for (vid, subnet, number) in vlans.iter().copied() {
            let netns = Netns::create().must("a namespace");
            let name = format!("station of VLAN {vid}");
            let station = Sandbox::of(&name, netns, Some(nic(subnet, number)));
            let tap = tap(&station.netns, IFNAME);
            ip::configure(&station, 1500);
            stations.push(station);
            accesses.push(Access { vid, tap });
        }
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).must("an eventfd"));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (wake, stop) = (Arc::clone(&wake), Arc::clone(&stop));
            let builder = thread::Builder::new().name(PORT.to_owned());
            builder.spawn(move || run(&trunk, &accesses, &wake, &stop))
        };
        Self {
            stations,
            port: lan.switch().clone().with(port_nic()),
            stop,
            wake,
            thread: Some(thread.must("a thread")),
        }
    }

    /// The stations, in the order of their VLANs.
    #[must_use]
    pub fn stations(&self) -> &[Sandbox] {
        &self.stations
    }

    /// Where all tagged frames pass; to capture there.
    #[must_use]
    pub const fn port(&self) -> &Sandbox {
        &self.port
    }
}

impl Drop for Trunk {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _woken = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        let ended = self.thread.take().map(JoinHandle::join);
        if matches!(ended, Some(Err(_))) && !thread::panicking() {
            panic!("the trunk's thread panicked");
        }
    }
}

/// The trunk's port as an interface to capture on; its address is no station's.
fn port_nic() -> Nic {
    Nic {
        ifname: PORT.to_owned(),
        ip4: None,
        ip6: None,
        ..nic(0, 0)
    }
}

/// A frame with a tag in it: the VID, no priority.
#[must_use]
pub fn tagged(frame: &[u8], tci: u16) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(frame.len().min(12));
    [addresses, &TPID, &tci.to_be_bytes(), rest].concat()
}

/// The VID of a frame with a tag, and the frame without it.
#[must_use]
pub fn untagged(frame: &[u8]) -> Option<(u16, Vec<u8>)> {
    let tci = frame.get(14..16)?;
    if frame.get(12..14)? != TPID {
        return None;
    }
    let vid = u16::from_be_bytes([tci[0], tci[1]]) & 0x0fff;
    Some((vid, [frame.get(..12)?, frame.get(16..)?].concat()))
}

fn run(trunk: &Tun, accesses: &[Access], wake: &OwnedFd, stop: &AtomicBool) {
    let mut room = vec![0; ROOM];
    while !stop.load(Ordering::Acquire) {
        read(trunk, &mut room, |frame| from_lan(frame, accesses));
        for access in accesses {
            read(&access.tap, &mut room, |frame| {
                // To a port that is down, nothing arrives.
                let _written = trunk.send(&tagged(frame, access.vid));
            });
        }
        let taps = accesses.iter().map(|access| &access.tap);
        let mut fds: Vec<PollFd<'_>> = (taps.chain([trunk]))
            .map(|tap| PollFd::new(tap, PollFlags::IN))
            .collect();
        fds.push(PollFd::new(wake, PollFlags::IN));
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

/// Takes what a device has for us, at most its turn.
fn read(tap: &Tun, room: &mut [u8], mut take: impl FnMut(&[u8])) {
    for _ in 0..TURN {
        // None now, or none any more.
        let Ok(length) = tap.recv(room) else {
            return;
        };
        take(&room[..length]);
    }
}

fn from_lan(frame: &[u8], accesses: &[Access]) {
    let Some((vid, bare)) = untagged(frame) else {
        return;
    };
    let to = accesses.iter().filter(|access| access.vid == vid);
    for access in to {
        let _written = access.tap.send(&bare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_goes_in_and_out() {
        let frame: Vec<u8> = (0..60).collect();
        let with = tagged(&frame, 0xe00a);
        assert_eq!(with.len(), 64);
        assert_eq!(with[12..16], [0x81, 0, 0xe0, 0x0a]);
        assert_eq!(untagged(&with), Some((10, frame.clone())));
        assert_eq!(untagged(&frame), None);
        assert_eq!(untagged(&[]), None);
    }
}
