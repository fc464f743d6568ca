//! A TAP device inside a container's namespace; its descriptor stays in the switch.
//!
//! - With offload (the rule) the container hands over superframes of up to 64 KiB with unfinished
//!   checksums, and takes the same; see `sys::tun` for the device.
//! - Without offload the port is a plain TAP of the `tun-tap` crate, which knows no virtio-net
//!   header: one is put in front of what it reads and taken off what it writes.
//! - `write` on a TAP runs the container's whole receive path in the calling thread and never
//!   blocks; the one queue is that of the container's socket.
//! - The device vanishes when both halves are dropped.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use tun_tap::{Iface, Mode};
use vswitch_wire::{OffloadSet, VNET_LEN, VnetHdr};

use super::{Batch, Drained, MAX_BATCH, Port, PortLost, PortRx, PortState, PortTx, SendReport};
use crate::sys::{
    IfName, Netns, PortFault, SysError, TapFactory, TapLink, Tun, TunOptions, netlink, offload,
    set_nonblocking, set_tap_carrier, tap_link, write_each,
};

/// How a TAP port is made.
#[derive(Clone, Debug)]
pub struct TapOptions {
    /// The interface's name in the container.
    pub name: IfName,
    /// Whether superframes and unfinished checksums pass.
    pub offload: bool,
    /// The MTU that the interface is given, in bytes.
    pub mtu: u16,
}

#[derive(Debug)]
enum Device {
    Offload(Tun),
    Plain(PlainTap),
}

struct PlainTap(Iface);

impl std::fmt::Debug for PlainTap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PlainTap").field(&self.0.name()).finish()
    }
}

#[derive(Debug)]
struct TapRx(Arc<Device>);

#[derive(Debug)]
struct TapTx {
    device: Arc<Device>,
    offload: OffloadSet,
}

/// Makes a TAP inside `target` and opens it as a port. The interface is down and has no addresses
/// yet. It ends with the namespace, which the port then reports: see [`TapFactory`].
///
/// # Errors
/// See [`SysError`]; no device is left behind.
pub fn open(factory: &TapFactory, target: &Netns, options: &TapOptions) -> Result<Port, SysError> {
    let (device, granted) = if options.offload {
        let tun = factory.create(target, &options.name, TunOptions::default())?;
        let granted = tun.set_offload(to_bits(OffloadSet::ALL))?;
        (Device::Offload(tun), from_bits(granted))
    } else {
        (
            Device::Plain(open_plain(factory, target, &options.name)?),
            OffloadSet::NONE,
        )
    };
    let device = Arc::new(device);
    Ok(Port {
        rx: Box::new(TapRx(Arc::clone(&device))),
        tx: Arc::new(TapTx {
            device,
            offload: granted,
        }),
        mtu: options.mtu,
    })
}

/// `tun-tap` makes the device where the calling thread is, which is the factory's home for a moment.
fn open_plain(factory: &TapFactory, target: &Netns, name: &IfName) -> Result<PlainTap, SysError> {
    factory.home().run(|| {
        Tun::probe()?;
        let failed = |cause| SysError::Io {
            what: format!("create the TAP {name}"),
            cause,
        };
        // The kernel fills the number in.
        let made = Iface::without_packet_info("tap%d", Mode::Tap).map_err(failed)?;
        set_nonblocking(&made).map_err(failed)?;
        netlink::move_link(&IfName::new(made.name())?, target, name)?;
        Ok(PlainTap(made))
    })?
}

/// Each offload and its bit in TUNSETOFFLOAD.
const BITS: [(OffloadSet, u32); 6] = [
    (OffloadSet::CSUM, offload::CSUM),
    (OffloadSet::TSO4, offload::TSO4),
    (OffloadSet::TSO6, offload::TSO6),
    (OffloadSet::ECN, offload::ECN),
    (OffloadSet::USO4, offload::USO4),
    (OffloadSet::USO6, offload::USO6),
];

fn to_bits(set: OffloadSet) -> u32 {
    BITS.iter()
        .filter(|(one, _)| set.contains(*one))
        .fold(0, |bits, (_, bit)| bits | bit)
}

fn from_bits(bits: u32) -> OffloadSet {
    (BITS.iter().filter(|(_, bit)| bits & bit != 0))
        .fold(OffloadSet::NONE, |set, (one, _)| set.union(*one))
}

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Offload(tun) => tun.as_raw_fd(),
            Self::Plain(tap) => tap.0.as_raw_fd(),
        }
    }
}

impl Device {
    /// Bytes of the virtio-net header that the device does not take.
    const fn header(&self) -> usize {
        match self {
            Self::Offload(_) => 0,
            Self::Plain(_) => VNET_LEN,
        }
    }

    /// Reads `[virtio-net header][frame]`.
    #[inline]
    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Offload(tun) => tun.recv(room),
            Self::Plain(tap) => {
                room[..VNET_LEN].copy_from_slice(&VnetHdr::NONE.to_bytes());
                Ok(VNET_LEN + tap.0.recv(&mut room[VNET_LEN..])?)
            }
        }
    }

    #[inline]
    fn write(&self, frame: &[u8]) -> io::Result<usize> {
        match self {
            Self::Offload(tun) => tun.send(frame),
            Self::Plain(tap) => tap.0.send(&frame[VNET_LEN..]),
        }
    }
}

impl PortRx for TapRx {
    fn recv(&mut self, batch: &mut Batch) -> Result<Drained, PortLost> {
        // Bounded by the batch, also where every read fails.
        for _ in 0..MAX_BATCH {
            if batch.is_full() {
                break;
            }
            let Err(error) = batch.push_with(|room| self.0.read(room)) else {
                continue;
            };
            match PortFault::of(&error) {
                PortFault::WouldBlock => return Ok(Drained::Yes),
                PortFault::Gone => return Err(PortLost),
                // The kernel dropped the frame at hand; the next one may be fine.
                PortFault::LinkDown
                | PortFault::NoBuffer
                | PortFault::Refused
                | PortFault::Interrupted => {}
            }
        }
        Ok(Drained::No)
    }

    fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// From how many frames on one call for all of them is worth more than a call for each.
const WORTH_A_RING: usize = 2;

impl PortTx for TapTx {
    fn send(&self, frames: &[&[u8]], report: &mut SendReport) {
        let frames = if frames.len() < WORTH_A_RING {
            frames
        } else {
            &frames[self.send_together(frames, report)..]
        };
        for frame in frames {
            let outcome = loop {
                match self
                    .device
                    .write(frame)
                    .map_err(|error| PortFault::of(&error))
                {
                    Err(PortFault::Interrupted) => {}
                    other => break other,
                }
            };
            account(frame, outcome.map(|_| ()), report);
        }
    }

    fn offload(&self) -> OffloadSet {
        self.offload
    }

    fn link(&self) -> Option<PortState> {
        Some(match tap_link(&*self.device).ok()? {
            TapLink::Up => PortState::Up,
            TapLink::Down => PortState::Down,
            TapLink::Gone => PortState::Gone,
        })
    }

    fn set_carrier(&self, on: bool) -> io::Result<()> {
        set_tap_carrier(&*self.device, on)
    }
}

impl TapTx {
    /// Sends in one call; how many of them, from the first: none where the kernel has no such call.
    fn send_together(&self, frames: &[&[u8]], report: &mut SendReport) -> usize {
        let skip = self.device.header();
        let bytes = frames.iter().map(|frame| &frame[skip..]);
        let outcome = write_each(&*self.device, bytes, |index, outcome| {
            let outcome = outcome.map_err(|error| PortFault::of(&error));
            account(
                frames.get(index).copied().unwrap_or_default(),
                outcome,
                report,
            );
        });
        outcome.unwrap_or(0)
    }
}

#[inline]
fn account(frame: &[u8], outcome: Result<(), PortFault>, report: &mut SendReport) {
    match outcome {
        Ok(()) => {
            report.frames += 1;
            report.bytes += frame.len().saturating_sub(VNET_LEN) as u64;
        }
        Err(PortFault::LinkDown) => report.down += 1,
        Err(PortFault::Gone) => report.gone += 1,
        Err(PortFault::WouldBlock | PortFault::NoBuffer) => report.full += 1,
        Err(PortFault::Refused | PortFault::Interrupted) => report.refused += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offload_has_its_own_bit() {
        assert_eq!(from_bits(to_bits(OffloadSet::ALL)), OffloadSet::ALL);
        assert_eq!(to_bits(OffloadSet::ALL).count_ones(), 6);
        assert_eq!(to_bits(OffloadSet::NONE), 0);
    }
}
