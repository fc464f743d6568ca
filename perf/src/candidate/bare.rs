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

use anyhow::{Result, anyhow, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vswitch::sys::{
    IfName, Netns, PortFault, SysError, TapFactory, Tun, TunOptions, VNET_HDR_LEN,
    netlink::{LinkConfig, configure_link},
    offload,
    packet::{self, FilterInstruction, Gathered, HeaderLength, PacketSocket},
};

use super::{Candidate, Engine, Host, Setting};
use crate::cpu::Task;

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
pub(super) struct BareLoop {
    stop: Arc<AtomicBool>,
    task: Task,
    /// There until the loop has ended.
    thread: Option<JoinHandle<Result<()>>>,
}

impl BareLoop {
    /// Makes a TAP in each of two hosts and starts copying.
    fn between(a: &Host, b: &Host, mtu: u32) -> Result<Self> {
        let factory = TapFactory::new()?;
        let taps = [tap(&factory, a, mtu, None)?, tap(&factory, b, mtu, None)?];
        Self::copying(taps.map(End::Tap))
    }

    /// Makes a TAP in a host and starts copying between it and an interface of a machine. All that comes in
    /// there goes to the host.
    pub(super) fn on_parent(host: &Host, machine: &Netns, parent: &str, mtu: u32) -> Result<Self> {
        let tap = tap(&TapFactory::new()?, host, mtu, Some(host.place.mac_bytes()))?;
        let parent = IfName::new(parent).map_err(SysError::from)?;
        let socket = machine.run(|| {
            let everything = [FilterInstruction::ret(u32::MAX)];
            let index = packet::index_of(&parent)?;
            PacketSocket::open(index, &everything, HeaderLength::Preferred)
        })??;
        Self::copying([End::Tap(tap), End::Parent(socket)])
    }

    fn copying(ends: [End; 2]) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let (tell, hear) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            tell.send(rustix::thread::gettid())?;
            copy(&ends, &told)
        });
        let number = hear.recv()?.as_raw_nonzero().get();
        Ok(Self {
            stop,
            task: Task::Thread(number.try_into()?),
            thread: Some(thread),
        })
    }

    /// Who does the work.
    pub(super) const fn task(&self) -> Task {
        self.task
    }

    /// An error when it has ended.
    pub(super) fn check(&self) -> Result<()> {
        let over = (self.thread.as_ref()).is_none_or(JoinHandle::is_finished);
        ensure!(!over, "the bare loop has ended before its time");
        Ok(())
    }

    /// Ends the thread; both ends go with it.
    pub(super) fn finish(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take();
        thread.map_or(Ok(()), |thread| {
            thread
                .join()
                .map_err(|_| anyhow!("the bare loop panicked"))?
        })
    }
}

impl Drop for BareLoop {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("vswitch-perf: the bare loop: {error:#}");
        }
    }
}

/// Two TAPs and a thread that copies from one to the other.
pub(super) fn build(setting: &Setting<'_>) -> Result<Candidate> {
    let hosts = Host::pair()?;
    let bare = BareLoop::between(&hosts[0], &hosts[1], setting.mtu)?;
    Ok(Candidate::new(hosts, Engine::Loop(bare), Vec::new()))
}

fn tap(factory: &TapFactory, host: &Host, mtu: u32, mac: Option<[u8; 6]>) -> Result<Tun> {
    let Host { place, netns, .. } = host;
    let name = IfName::new(host.interface).map_err(SysError::from)?;
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
        mtu: Some(mtu),
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
