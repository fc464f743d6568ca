//! The least that userspace can do with two TAPs: read one, write the other, look at nothing.
//!
//! It is no switch. It tells how much of a difference to the kernel's bridge is the price of the TAPs
//! themselves (a copy out of the kernel and one back, and the calls), which no switch on TAPs can
//! give back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vswitch::sys::{
    IfName, PortFault, SysError, TapFactory, Tun, TunOptions,
    netlink::{LinkConfig, configure_link},
    offload,
};

use crate::candidate::Host;

/// How long the loop sleeps before it asks whether to end.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Header, Ethernet and the largest superframe.
const ROOM: usize = 12 + 14 + 65_535;

/// The thread, which owns both TAPs.
#[derive(Debug)]
pub(crate) struct BareLoop {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl BareLoop {
    /// Makes a TAP in each of two hosts and starts copying.
    pub(crate) fn start(a: &Host, b: &Host) -> Result<Self> {
        let factory = TapFactory::new()?;
        let taps = [tap(&factory, a)?, tap(&factory, b)?];
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || copy(&taps, &told));
        Ok(Self { stop, thread })
    }

    /// Ends the thread; the TAPs go with it.
    pub(crate) fn finish(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the bare loop panicked"))?
    }
}

fn tap(factory: &TapFactory, Host { place, netns }: &Host) -> Result<Tun> {
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
        ..LinkConfig::new(name)
    };
    netns.run(|| configure_link(&link))??;
    Ok(tun)
}

fn copy(taps: &[Tun; 2], stop: &AtomicBool) -> Result<()> {
    let mut room = vec![0; ROOM];
    while !stop.load(Ordering::Relaxed) {
        let mut ready = [
            PollFd::new(&taps[0], PollFlags::IN),
            PollFd::new(&taps[1], PollFlags::IN),
        ];
        poll(&mut ready, Some(&PATIENCE))?;
        let readable = ready.map(|one| !one.revents().is_empty());
        for (from, to) in [(0, 1), (1, 0)] {
            if readable[from] {
                drain(&taps[from], &taps[to], &mut room)?;
            }
        }
    }
    Ok(())
}

fn drain(from: &Tun, to: &Tun, room: &mut [u8]) -> Result<()> {
    loop {
        match from.recv(room) {
            // What the other side refuses is lost, as on any wire.
            Ok(length) => drop(to.send(&room[..length])),
            Err(error) if PortFault::of(&error) == PortFault::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
