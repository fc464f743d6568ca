//! What an interface is and how it is, asked through a packet socket with the ioctls of netdevice(7).
//!
//! These work in the namespace of the socket, where netlink here works in that of the thread, and cost less
//! than a microsecond. They go by name; the number is what stays, so the name is asked for first and checked
//! last: an interface that is renamed in between is asked once more.

use std::ffi::{c_int, c_short};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::super::{IfName, SysError};

/// An interface as it was a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Its name. Text, because others may have given it one that an `IfName` refuses.
    pub name: String,
    /// Its MAC address; nothing when it is no Ethernet interface, as loopback is not.
    pub mac: Option<[u8; 6]>,
    /// Its MTU in bytes, without Ethernet header.
    pub mtu: u32,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Able to send and receive (`IFF_RUNNING`): up, and with a carrier.
    pub running: bool,
    /// The loopback interface (`IFF_LOOPBACK`).
    pub loopback: bool,
}

/// `struct ifreq` as far as it is used here: the name and the union's first bytes.
#[repr(C, align(8))]
struct Request {
    name: [u8; 16],
    value: [u8; size_of::<libc::ifreq>() - 16],
}
const _: () = assert!(size_of::<Request>() == size_of::<libc::ifreq>());

/// A question that reads and writes a `struct ifreq`.
#[derive(Clone, Copy)]
enum Question {
    Name,
    Index,
    Flags,
    Mtu,
    Address,
}

impl Question {
    const fn number(self) -> libc::Ioctl {
        match self {
            Self::Name => libc::SIOCGIFNAME,
            Self::Index => libc::SIOCGIFINDEX,
            Self::Flags => libc::SIOCGIFFLAGS,
            Self::Mtu => libc::SIOCGIFMTU,
            Self::Address => libc::SIOCGIFHWADDR,
        }
    }
}

impl Request {
    fn new(name: [u8; 16]) -> Self {
        Self {
            name,
            value: [0; _],
        }
    }

    fn ask(&mut self, socket: BorrowedFd<'_>, question: Question) -> io::Result<()> {
        // SAFETY: each of these ioctls reads and writes one `struct ifreq` through the pointer;
        // `Request` has its size (asserted above) and alignment, and any bytes are valid for it. Needed
        // because rustix knows only two of them.
        let done = unsafe { libc::ioctl(socket.as_raw_fd(), question.number(), &raw mut *self) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    fn int(&self) -> c_int {
        c_int::from_ne_bytes(*self.value.first_chunk().unwrap_or(&[0; 4]))
    }

    fn short(&self) -> c_short {
        c_short::from_ne_bytes(*self.value.first_chunk().unwrap_or(&[0; 2]))
    }
}

fn name_of(socket: BorrowedFd<'_>, index: u32) -> io::Result<[u8; 16]> {
    let mut request = Request::new([0; 16]);
    request.value[..4].copy_from_slice(&index.to_ne_bytes());
    request.ask(socket, Question::Name)?;
    Ok(request.name)
}

fn index_by_name(socket: BorrowedFd<'_>, name: [u8; 16]) -> io::Result<u32> {
    let mut request = Request::new(name);
    request.ask(socket, Question::Index)?;
    u32::try_from(request.int()).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn once(socket: BorrowedFd<'_>, index: u32) -> io::Result<Interface> {
    let name = name_of(socket, index)?;
    let mut request = Request::new(name);
    request.ask(socket, Question::Flags)?;
    let flags = c_int::from(request.short());
    request = Request::new(name);
    request.ask(socket, Question::Mtu)?;
    let mtu = u32::try_from(request.int()).unwrap_or(0);
    request = Request::new(name);
    request.ask(socket, Question::Address)?;
    // `struct sockaddr`: the type of the hardware, then the address.
    let ethernet = u16::from_ne_bytes([request.value[0], request.value[1]]) == libc::ARPHRD_ETHER;
    let mac = request.value[2..].first_chunk().copied();
    if index_by_name(socket, name)? != index {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    let length = name.iter().position(|&byte| byte == 0).unwrap_or(16);
    Ok(Interface {
        index,
        name: String::from_utf8_lossy(&name[..length]).into_owned(),
        mac: mac.filter(|_| ethernet),
        mtu,
        up: flags & libc::IFF_UP != 0,
        running: flags & libc::IFF_RUNNING != 0,
        loopback: flags & libc::IFF_LOOPBACK != 0,
    })
}

/// How the interface is now; ENODEV when there is none.
pub(super) fn interface(socket: BorrowedFd<'_>, index: u32) -> io::Result<Interface> {
    const RENAMES: usize = 3;
    let mut outcome = once(socket, index);
    for _ in 0..RENAMES {
        match &outcome {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
                outcome = once(socket, index);
            }
            Ok(_) | Err(_) => break,
        }
    }
    outcome
}

/// The number of the interface of that name in the calling thread's namespace.
pub(super) fn index_of(name: &IfName) -> Result<u32, SysError> {
    let what = || format!("look up {name}");
    // Any socket will do, and this one needs no capability.
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0))
        .or_else(|_| std::net::UdpSocket::bind(("0.0.0.0", 0)))
        .map_err(|e| SysError::io(what(), e))?;
    index_by_name(socket.as_fd(), name.to_ifr_name()).map_err(|e| match e.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO) => SysError::NoSuchLink { name: name.clone() },
        _ => SysError::io(what(), e),
    })
}
