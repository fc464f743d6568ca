//! The ioctls of `/dev/net/tun`, each as a safe function: all that is unsafe about TAPs.
//!
//! Rustix has safe wrappers for most of what the switch asks of the kernel, but none for TUN. Its
//! `ioctl` is unsafe because the number alone decides what the kernel does with the pointer; so each
//! block below says what that number reads and writes.

use super::super::SysError;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    ioctl::{Getter, IntegerSetter, Ioctl, IoctlOutput, Opcode, Setter, Updater, ioctl, opcode},
};
use std::{
    ffi::{c_int, c_uint, c_void},
    os::fd::{BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

const DEVICE: &str = "/dev/net/tun";

pub(super) const IFF_TAP: u16 = 0x0002;
pub(super) const IFF_MULTI_QUEUE: u16 = 0x0100;
pub(super) const IFF_NO_PI: u16 = 0x1000;
pub(super) const IFF_VNET_HDR: u16 = 0x4000;
pub(super) const IFF_TUN_EXCL: u16 = 0x8000;

// The headers declare pointers to `int` or `unsigned int` where the kernel takes a whole ifreq.
pub(super) const TUNSETIFF: Opcode = opcode::write::<c_int>(b'T', 202);
pub(super) const TUNSETOFFLOAD: Opcode = opcode::write::<c_uint>(b'T', 208);
pub(super) const TUNGETIFF: Opcode = opcode::read::<c_uint>(b'T', 210);
pub(super) const TUNGETVNETHDRSZ: Opcode = opcode::read::<c_int>(b'T', 215);
pub(super) const TUNSETVNETHDRSZ: Opcode = opcode::write::<c_int>(b'T', 216);
pub(super) const TUNSETVNETLE: Opcode = opcode::write::<c_int>(b'T', 220);
pub(super) const TUNSETCARRIER: Opcode = opcode::write::<c_int>(b'T', 226);
pub(super) const TUNGETDEVNETNS: Opcode = opcode::none(b'T', 227);

/// `struct ifreq` as far as TUN uses it: name and flags, then the rest of the union.
#[repr(C)]
pub(super) struct IfReq {
    pub(super) name: [u8; 16],
    pub(super) flags: u16,
    rest: [u8; size_of::<libc::ifreq>() - 18],
}
// The kernel copies sizeof(struct ifreq) in and out.
const _: () = assert!(size_of::<IfReq>() == size_of::<libc::ifreq>());

impl IfReq {
    fn new(name: [u8; 16], flags: u16) -> Self {
        Self {
            name,
            flags,
            rest: [0; _],
        }
    }
}

/// `TUNGETDEVNETNS`: takes nothing and returns a new descriptor. None of rustix's patterns returns
/// one, hence an own.
struct GetDeviceNetns;

// SAFETY: the opcode reads and writes no memory (the pointer is null and ignored), so it mutates
// nothing; its result is a descriptor that the kernel has just made for this process, owned by nobody.
unsafe impl Ioctl for GetDeviceNetns {
    type Output = OwnedFd;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        TUNGETDEVNETNS
    }

    fn as_ptr(&mut self) -> *mut c_void {
        ptr::null_mut()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<OwnedFd> {
        // SAFETY: rustix calls this only when the ioctl succeeded; then `out` is a fresh descriptor
        // (get_unused_fd_flags(O_CLOEXEC) in `open_related_ns`) that has no other owner.
        Ok(unsafe { OwnedFd::from_raw_fd(out) })
    }
}

/// A descriptor that is attached to nothing yet, of the calling thread's namespace.
pub(super) fn open_device() -> Result<OwnedFd, SysError> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(DEVICE, flags, Mode::empty()).map_err(device_refused)
}

pub(super) fn device_refused(e: Errno) -> SysError {
    match e {
        // ENODEV, ENXIO: the node is there, the driver is not.
        Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::NOTDIR => SysError::NoTunDevice,
        Errno::ACCESS | Errno::PERM => SysError::TunPermission { cause: e.into() },
        e => SysError::io(format!("open {DEVICE}"), e),
    }
}

/// `TUNSETIFF`; returns the name that the device has.
pub(super) fn attach(fd: BorrowedFd<'_>, name: [u8; 16], flags: u16) -> Result<[u8; 16], Errno> {
    let mut request = IfReq::new(name, flags);
    // SAFETY: TUNSETIFF reads and writes sizeof(struct ifreq) bytes through the pointer; `IfReq` has
    // that size (asserted above) and any bytes are valid for it.
    unsafe { ioctl(fd, Updater::<TUNSETIFF, IfReq>::new(&mut request)) }?;
    Ok(request.name)
}

/// `TUNGETIFF`: name and flags of the device.
pub(super) fn get_iff(fd: BorrowedFd<'_>) -> Result<IfReq, Errno> {
    let mut request = IfReq::new([0; 16], 0);
    // SAFETY: TUNGETIFF writes sizeof(struct ifreq) bytes through the pointer, as in `attach`. On a
    // descriptor that is no TUN the number is unknown (ENOTTY): 'T' 210 of `_IOR` with 4 bytes is
    // TUN's alone.
    unsafe { ioctl(fd, Updater::<TUNGETIFF, IfReq>::new(&mut request)) }?;
    Ok(request)
}

/// `TUNSETOFFLOAD`.
pub(super) fn set_offload(fd: BorrowedFd<'_>, bits: u32) -> Result<(), Errno> {
    let value = usize::try_from(bits).map_err(|_| Errno::INVAL)?;
    // SAFETY: TUNSETOFFLOAD takes the bits by value and touches no memory of ours; unknown bits are
    // refused with EINVAL.
    unsafe { ioctl(fd, IntegerSetter::<TUNSETOFFLOAD>::new_usize(value)) }
}

/// `TUNSETVNETHDRSZ`.
pub(super) fn set_vnet_hdr_len(fd: BorrowedFd<'_>, len: c_int) -> Result<(), Errno> {
    // SAFETY: TUNSETVNETHDRSZ reads one `int` through the pointer, which is what `Setter` passes.
    unsafe { ioctl(fd, Setter::<TUNSETVNETHDRSZ, c_int>::new(len)) }
}

/// `TUNGETVNETHDRSZ`.
pub(super) fn vnet_hdr_len(fd: BorrowedFd<'_>) -> Result<c_int, Errno> {
    // SAFETY: TUNGETVNETHDRSZ writes one `int` through the pointer, which is what `Getter` passes.
    unsafe { ioctl(fd, Getter::<TUNGETVNETHDRSZ, c_int>::new()) }
}

/// `TUNSETVNETLE`: virtio headers in little endian.
pub(super) fn set_little_endian(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: TUNSETVNETLE reads one `int` through the pointer, which is what `Setter` passes.
    unsafe { ioctl(fd, Setter::<TUNSETVNETLE, c_int>::new(1)) }
}

/// `TUNSETCARRIER`: whether the interface has a carrier.
pub(super) fn set_carrier(fd: BorrowedFd<'_>, on: bool) -> Result<(), Errno> {
    // SAFETY: TUNSETCARRIER reads one `int` through the pointer, which is what `Setter` passes. On a
    // descriptor that is no TUN the number is unknown (ENOTTY).
    unsafe { ioctl(fd, Setter::<TUNSETCARRIER, c_int>::new(on.into())) }
}

/// `TUNGETDEVNETNS`: the namespace where the device is.
pub(super) fn device_netns(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // SAFETY: `GetDeviceNetns` is the opcode that answers with a new descriptor and touches no memory.
    unsafe { ioctl(fd, GetDeviceNetns) }
}
