//! TAP devices: `/dev/net/tun` and the ioctls of `linux/if_tun.h`.
//!
//! A TAP is a pair: an interface in some namespace (what a container sees as `eth0`) and a descriptor
//! (what the switch reads and writes Ethernet frames through, one per call). The two part ways: the
//! interface may be renamed and moved to another namespace, the descriptor goes on working. When the
//! last descriptor is closed the interface disappears; when the interface is deleted, or its
//! namespace ends, the descriptor answers EBADFD for good (see [`PortFault`]).
//!
//! Decisions (kernel facts: `drivers/net/tun.c`):
//! - **`O_NONBLOCK`, and never `TUNSETSNDBUF`.** Only so does a write of a small frame take the short
//!   way (`tun_can_build_skb`: one copy). A write then never blocks and never says EAGAIN either.
//! - **`IFF_TUN_EXCL`** on creation: without it `TUNSETIFF` silently attaches to a persistent device
//!   that somebody else left under that name.
//! - **12-byte virtio header** (`struct virtio_net_hdr_v1`, [`VNET_HDR_LEN`]), little endian. On little
//!   endian hosts that is the default; on others it is asked for with `TUNSETVNETLE`.
//! - **Offload is per device, not per queue**, and outlives a descriptor: set it after attaching.
//! - The namespace of a new device is that of the thread that *opens* `/dev/net/tun`, and **the
//!   descriptor keeps that namespace alive** (its socket counts a reference). A switch that opened the
//!   device inside a container's namespace would keep the namespace for ever and never learn that the
//!   container is gone. [`TapFactory`] is the way around.
//! - The constants are defined here; the headers of the build host may be too old for USO.

mod factory;
mod link;
mod raw;

pub use factory::TapFactory;
pub use link::{TapLink, set_tap_carrier, tap_link};

use super::{IfName, Netns, PortFault, SysError, caps::Cap};
use raw::{
    IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_TUN_EXCL, IFF_VNET_HDR, attach, get_iff, open_device,
};
use rustix::{fs::OFlags, io::Errno};
use std::{
    ffi::c_int,
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

/// Length in bytes of the virtio header in front of every frame of a TAP with
/// [`TunOptions::vnet_hdr`].
pub const VNET_HDR_LEN: usize = 12;

/// The same as the kernel's `int`.
const VNET_HDR_INT: c_int = 12;
const _: () = assert!(VNET_HDR_INT.unsigned_abs() as usize == VNET_HDR_LEN);

/// The bits of `TUNSETOFFLOAD`: what the *container's* stack may leave undone in frames that the
/// switch reads.
pub mod offload {
    /// Checksums may be partial (`VIRTIO_NET_HDR_F_NEEDS_CSUM`). Everything else needs this.
    pub const CSUM: u32 = 0x01;
    /// TCP over IPv4 super-frames.
    pub const TSO4: u32 = 0x02;
    /// TCP over IPv6 super-frames.
    pub const TSO6: u32 = 0x04;
    /// TCP super-frames that carry ECN's CWR.
    pub const ECN: u32 = 0x08;
    /// UDP over IPv4 super-frames (`VIRTIO_NET_HDR_GSO_UDP_L4`), Linux 6.2. Only together with
    /// [`USO6`].
    pub const USO4: u32 = 0x20;
    /// UDP over IPv6 super-frames. Only together with [`USO4`].
    pub const USO6: u32 = 0x40;
    /// All that the switch understands.
    pub const ALL: u32 = CSUM | TCP | USO4 | USO6;
    /// The bits of TCP.
    pub(super) const TCP: u32 = TSO4 | TSO6 | ECN;
}

/// How a TAP is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TunOptions {
    /// A virtio header of [`VNET_HDR_LEN`] bytes in front of every frame. Offload needs it.
    pub vnet_hdr: bool,
    /// Room for further queues, see [`Tun::add_queue`].
    pub multi_queue: bool,
}

impl Default for TunOptions {
    /// With header, one queue.
    fn default() -> Self {
        Self {
            vnet_hdr: true,
            multi_queue: false,
        }
    }
}

impl fmt::Display for TunOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.vnet_hdr, self.multi_queue) {
            (false, false) => "plain",
            (false, true) => "several queues",
            (true, false) => "virtio headers",
            (true, true) => "virtio headers, several queues",
        })
    }
}

impl TunOptions {
    fn flags(self) -> u16 {
        IFF_TAP
            | IFF_NO_PI
            | if self.vnet_hdr { IFF_VNET_HDR } else { 0 }
            | if self.multi_queue { IFF_MULTI_QUEUE } else { 0 }
    }

    fn from_flags(flags: u16) -> Self {
        Self {
            vnet_hdr: flags & IFF_VNET_HDR != 0,
            multi_queue: flags & IFF_MULTI_QUEUE != 0,
        }
    }
}

/// The switch's end of a TAP: one queue of it. Non-blocking, closed on exec.
///
/// Reading and writing take `&self`: the kernel locks per frame, so a queue may be written by many
/// threads while one reads it.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    name: IfName,
    options: TunOptions,
}

impl Tun {
    /// Whether [`Tun::create`] has a device to open, without making anything.
    ///
    /// # Errors
    ///
    /// [`SysError::NoTunDevice`] or [`SysError::TunPermission`].
    pub fn probe() -> Result<(), SysError> {
        open_device().map(drop)
    }

    /// Makes a TAP in the network namespace of the calling thread: down, no addresses, offload off.
    ///
    /// The namespace lives as long as the descriptor. Right for the host's own, where Docker takes
    /// the interface from; for somebody else's namespace use a [`TapFactory`].
    ///
    /// # Errors
    ///
    /// [`SysError::NoTunDevice`], [`SysError::TunPermission`], [`SysError::NeedsCapability`]
    /// (CAP_NET_ADMIN), [`SysError::NameTaken`], or [`SysError::Unsupported`] where the kernel has no
    /// virtio headers. No device is left behind.
    pub fn create(name: &str, options: &TunOptions) -> Result<Self, SysError> {
        let name = IfName::new(name)?;
        let (fd, _) = make(name.to_ifr_name(), &name, *options)?;
        Self::finish(fd, name, *options)
    }

    /// A further queue of the same device, which must have been made with
    /// [`TunOptions::multi_queue`]. Works from any namespace, also after the device was moved or
    /// renamed. The new descriptor keeps the device's namespace alive; to avoid that, make all queues at
    /// once with [`TapFactory::create_queues`].
    ///
    /// The kernel spreads flows over the queues by hash, so that a flow stays in one.
    ///
    /// # Errors
    ///
    /// [`SysError::DeviceGone`], [`SysError::Unsupported`] for a device of one queue, or those of
    /// [`Netns::run`]. Linux has at most 256 queues ([`SysError::Io`], E2BIG).
    pub fn add_queue(&self) -> Result<Self, SysError> {
        let name = self.current_name()?;
        let fd = self
            .device_netns()?
            .run(|| join(name.to_ifr_name(), &name, self.options))??;
        // Had the device vanished in between, the kernel would have made a new one of that name;
        // dropping `fd` removes it again.
        self.current_name()?;
        Self::finish(fd, self.name.clone(), self.options)
    }

    /// Takes over a descriptor from [`Tun::into_fd`], e.g. one received from another process.
    ///
    /// # Errors
    ///
    /// [`SysError::BadDescriptor`] if it is not attached to a TAP without packet information.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, SysError> {
        let bad = |why: String| SysError::BadDescriptor { why };
        let request = get_iff(fd.as_fd()).map_err(|e| bad(format!("it is no TAP ({e})")))?;
        let wanted = IFF_TAP | IFF_NO_PI;
        if request.flags & wanted != wanted {
            return Err(bad(format!(
                "it has flags {:#06x}, not IFF_TAP|IFF_NO_PI",
                request.flags
            )));
        }
        let name = IfName::from_ifr_name(&request.name)?;
        let flags = rustix::fs::fcntl_getfl(&fd).map_err(|e| SysError::io("read its flags", e))?;
        rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)
            .map_err(|e| SysError::io("make a TAP non-blocking", e))?;
        Self::finish(fd, name, TunOptions::from_flags(request.flags))
    }

    /// Gives the descriptor away; the device lives as long as somebody holds it.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// The name under which the device was made (or taken over). It may have been renamed since.
    #[must_use]
    pub fn name(&self) -> &IfName {
        &self.name
    }

    /// How the device was made.
    #[must_use]
    pub fn options(&self) -> TunOptions {
        self.options
    }

    /// The name that the device has now, in the namespace where it is now.
    ///
    /// # Errors
    ///
    /// [`SysError::DeviceGone`].
    pub fn current_name(&self) -> Result<IfName, SysError> {
        let request = get_iff(self.fd.as_fd()).map_err(|e| self.fault("read its name", e))?;
        Ok(IfName::from_ifr_name(&request.name)?)
    }

    /// The namespace where the device is now (Linux 5.12).
    ///
    /// # Errors
    ///
    /// [`SysError::DeviceGone`], or [`SysError::NeedsCapability`] (CAP_NET_ADMIN there).
    pub fn device_netns(&self) -> Result<Netns, SysError> {
        let fd =
            raw::device_netns(self.as_fd()).map_err(|e| self.fault("find the namespace", e))?;
        Netns::from_fd(fd)
    }

    /// Allows the container's stack to leave work undone, as much of `wanted` ([`offload`] bits) as
    /// the kernel knows: first all, then without USO, then checksums only, then nothing. Returns the
    /// bits in force. Without virtio header there is no way to say what is undone, so that is 0.
    ///
    /// # Errors
    ///
    /// [`SysError::DeviceGone`], or [`SysError::Io`] if even switching off is refused.
    pub fn set_offload(&self, wanted: u32) -> Result<u32, SysError> {
        if !self.options.vnet_hdr {
            return Ok(0);
        }
        step_down(wanted, |bits| raw::set_offload(self.as_fd(), bits))
            .map_err(|e| self.fault("set the offload", e))
    }

    /// Reads one frame (after its virtio header, if there is one) into `buf`; returns its length. A
    /// frame longer than `buf` is cut off in silence, so give room for 64 KiB and headers when TSO or
    /// USO is on.
    ///
    /// # Errors
    ///
    /// As classified by [`PortFault`]; EAGAIN when there is no frame.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.fd, buf)?)
    }

    /// Writes one frame (with its virtio header in front, if there is one). The kernel runs the
    /// container's whole receive path before it returns.
    ///
    /// # Errors
    ///
    /// As classified by [`PortFault`].
    pub fn send(&self, frame: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.fd, frame)?)
    }

    /// An attached descriptor becomes a port.
    fn finish(fd: OwnedFd, name: IfName, options: TunOptions) -> Result<Self, SysError> {
        let tun = Self { fd, name, options };
        tun.set_header()?;
        Ok(tun)
    }

    /// Length and byte order of the virtio header, which are per device.
    fn set_header(&self) -> Result<(), SysError> {
        if !self.options.vnet_hdr {
            return Ok(());
        }
        let unsupported = |e: Errno| SysError::Unsupported {
            what: format!("virtio headers of {VNET_HDR_LEN} bytes on {}", self.name),
            remedy: "use a plain TAP, without offload",
            cause: e.into(),
        };
        raw::set_vnet_hdr_len(self.as_fd(), VNET_HDR_INT).map_err(unsupported)?;
        if cfg!(target_endian = "big") {
            raw::set_little_endian(self.as_fd()).map_err(unsupported)?;
        }
        let now = raw::vnet_hdr_len(self.as_fd()).map_err(unsupported)?;
        // Read back, because a wrong length would shift every frame.
        if now == VNET_HDR_INT {
            Ok(())
        } else {
            Err(unsupported(Errno::PROTO))
        }
    }

    fn fault(&self, what: &str, e: Errno) -> SysError {
        let error = io::Error::from(e);
        match PortFault::of(&error) {
            PortFault::Gone => SysError::DeviceGone {
                name: self.name.clone(),
            },
            PortFault::WouldBlock
            | PortFault::LinkDown
            | PortFault::NoBuffer
            | PortFault::Refused
            | PortFault::Interrupted => {
                SysError::needs(Cap::NetAdmin, format!("{what} of {}", self.name), error)
            }
        }
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Tun {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Makes a new device called `raw` (a name, or a template of the kernel), and returns the name that
/// it got. Errors speak of `name`.
fn make(
    raw: [u8; 16],
    name: &IfName,
    options: TunOptions,
) -> Result<(OwnedFd, [u8; 16]), SysError> {
    let fd = open_device()?;
    let got = attach(fd.as_fd(), raw, options.flags() | IFF_TUN_EXCL).map_err(|e| match e {
        Errno::BUSY | Errno::EXIST => SysError::NameTaken { name: name.clone() },
        Errno::INVAL => SysError::Unsupported {
            what: format!("the TAP {name} ({options})"),
            remedy: "use a plain TAP, without offload and with one queue",
            cause: e.into(),
        },
        e => SysError::needs(Cap::NetAdmin, format!("create the TAP device {name}"), e),
    })?;
    Ok((fd, got))
}

/// A further queue of the device that is called `raw` in the calling thread's namespace.
fn join(raw: [u8; 16], name: &IfName, options: TunOptions) -> Result<OwnedFd, SysError> {
    let fd = open_device()?;
    attach(fd.as_fd(), raw, options.flags() | IFF_MULTI_QUEUE).map_err(|e| match e {
        // EBUSY or EINVAL, by the version of the kernel.
        Errno::INVAL | Errno::BUSY => SysError::Unsupported {
            what: format!("a further queue on {name}"),
            remedy: "create the TAP with `multi_queue`",
            cause: e.into(),
        },
        e => SysError::needs(Cap::NetAdmin, format!("add a queue to {name}"), e),
    })?;
    Ok(fd)
}

/// Offers `wanted` and ever less of it until `set` does not say EINVAL; returns what was taken.
fn step_down(wanted: u32, set: impl Fn(u32) -> Result<(), Errno>) -> Result<u32, Errno> {
    let steps = [
        wanted,
        wanted & (offload::CSUM | offload::TCP),
        wanted & offload::CSUM,
    ];
    for bits in steps {
        match set(bits) {
            Ok(()) => return Ok(bits),
            Err(Errno::INVAL) => {}
            Err(e) => return Err(e),
        }
    }
    set(0).map(|()| 0)
}

#[cfg(test)]
mod tests;
