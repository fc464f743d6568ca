//! The least that userspace can do with two TAPs, or a TAP and a packet socket: read one, write the other,
//! look at nothing.
//!
//! It is no switch. It tells how much of a difference to the kernel's own is the price of the devices
//! themselves (a copy out of the kernel and one back, and the calls), which no switch on them can
//! give back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vswitch::sys::{
    IfName, Netns, PortFault, SysError, TapFactory, Tun, TunOptions, VNET_HDR_LEN,
    netlink::{LinkConfig, configure_link},
    offload,
    packet::{self, FilterInstruction, Gathered, HeaderLength, PacketSocket},
};

use crate::candidate::Host;

/// How long the loop sleeps before it asks whether to end.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Header, Ethernet and the largest superframe.
const ROOM: usize = 12 + 14 + 65_535;

/// Where frames come from and go to, each behind a virtio-net header of 12 bytes.
#[derive(Debug)]
enum End {
    Tap(Tun),
    Parent(PacketSocket),
}

impl End {
    fn recv(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tap(tun) => tun.recv(room),
            Self::Parent(socket) => Ok(socket.recv(room)?.length),
        }
    }

    /// What is refused is lost, as on any wire.
    fn send(&self, frame: &[u8]) {
        match self {
            Self::Tap(tun) => drop(tun.send(frame)),
            Self::Parent(socket) => {
                let header = &frame[..socket.header_len()];
                drop(socket.send(&[Gathered::new([header, &frame[VNET_HDR_LEN..]])]));
            }
        }
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tap(tun) => tun.as_fd(),
            Self::Parent(socket) => socket.as_fd(),
        }
    }
}

/// The thread, which owns both ends.
#[derive(Debug)]
pub(crate) struct BareLoop {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl BareLoop {
    /// Makes a TAP in each of two hosts and starts copying.
    pub(crate) fn start(a: &Host, b: &Host) -> Result<Self> {
        let factory = TapFactory::new()?;
        let taps = [tap(&factory, a, None)?, tap(&factory, b, None)?];
        Ok(Self::copying(taps.map(End::Tap)))
    }

    /// Makes a TAP in a host and starts copying between it and an interface of a machine. All that comes in
    /// there goes to the host.
    pub(crate) fn on_parent(host: &Host, machine: &Netns, parent: &str) -> Result<Self> {
        let tap = tap(&TapFactory::new()?, host, Some(host.place.mac_bytes()))?;
        let parent = IfName::new(parent).map_err(SysError::from)?;
        let socket = machine.run(|| {
            let everything = [FilterInstruction::ret(u32::MAX)];
            let index = packet::index_of(&parent)?;
            PacketSocket::open(index, &everything, HeaderLength::Preferred)
        })??;
        Ok(Self::copying([End::Tap(tap), End::Parent(socket)]))
    }

    fn copying(ends: [End; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || copy(&ends, &told));
        Self { stop, thread }
    }

    /// Ends the thread; both ends go with it.
    pub(crate) fn finish(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the bare loop panicked"))?
    }
}

fn tap(factory: &TapFactory, Host { place, netns }: &Host, mac: Option<[u8; 6]>) -> Result<Tun> {
    let name = IfName::new("eth0").map_err(SysError::from)?;
    let tun = factory.create(netns, &name, TunOptions::default())?;
    let wanted = offload::CSUM
        | offload::TSO4
        | offload::TSO6
        | offload::ECN
        | offload::USO4
        | offload::USO6;
    tun.set_offload(wanted)?;
    let link = LinkConfig {
        addresses: vec![place.with_prefix().parse::<ipnet::IpNet>()?],
        up: true,
        mac,
        ..LinkConfig::new(name)
    };
    netns.run(|| configure_link(&link))??;
    Ok(tun)
}

fn copy(ends: &[End; 2], stop: &AtomicBool) -> Result<()> {
    let mut room = vec![0; ROOM];
    while !stop.load(Ordering::Relaxed) {
        let mut ready = [
            PollFd::new(&ends[0], PollFlags::IN),
            PollFd::new(&ends[1], PollFlags::IN),
        ];
        poll(&mut ready, Some(&PATIENCE))?;
        let readable = ready.map(|one| !one.revents().is_empty());
        for (from, to) in [(0, 1), (1, 0)] {
            if readable[from] {
                drain(&ends[from], &ends[to], &mut room)?;
            }
        }
    }
    Ok(())
}

fn drain(from: &End, to: &End, room: &mut [u8]) -> Result<()> {
    loop {
        match from.recv(room) {
            Ok(length) => to.send(&room[..length]),
            Err(error) if PortFault::of(&error) == PortFault::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
