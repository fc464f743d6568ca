//! TAPs for namespaces that belong to somebody else.
//!
//! The descriptor of a TAP keeps the namespace alive in which `/dev/net/tun` was *opened*, wherever
//! the interface goes. Opened inside a container, the switch's descriptor would hold the container's
//! namespace after everybody has left it: the interface would never be removed, the port never report
//! that it is gone.
//!
//! So the device is opened in a namespace that the switch owns anyway, made there under a throw-away
//! name and moved. The interface then ends with the container's namespace, and the descriptor says so
//! (`EPOLLERR`, [`PortFault::Gone`](crate::sys::PortFault::Gone)).
//!
//! That namespace is one of its own, not the host's: there, udev and network managers would see every
//! device appear for a moment under a strange name, and act on it.

use super::{Tun, TunOptions, join, make};
use crate::sys::{IfName, Netns, SysError, netlink};

/// What devices are called for the moment before they are moved; the kernel fills in the number.
const TEMPLATE: [u8; 16] = *b"tap%d\0\0\0\0\0\0\0\0\0\0\0";

/// Makes TAPs whose descriptors do not keep the namespace alive in which the interface is.
///
/// One per process is enough; it owns a namespace in which nothing stays.
#[derive(Debug)]
pub struct TapFactory {
    home: Netns,
}

impl TapFactory {
    /// Prepares the namespace.
    ///
    /// # Errors
    ///
    /// Those of [`Netns::create`].
    pub fn new() -> Result<Self, SysError> {
        Ok(Self {
            home: Netns::create()?,
        })
    }

    /// The namespace in which it works. It is empty but for `lo` whenever no call is under way.
    #[must_use]
    pub fn home(&self) -> &Netns {
        &self.home
    }

    /// Makes a TAP called `name` inside `target`: down, no addresses, offload off.
    ///
    /// # Errors
    ///
    /// Those of [`Tun::create`]. No device is left behind.
    pub fn create(
        &self,
        target: &Netns,
        name: &IfName,
        options: TunOptions,
    ) -> Result<Tun, SysError> {
        self.build(target, name, options, |_| Ok(Vec::new()))
            .map(|(first, _)| first)
    }

    /// The same with `count` queues (at least one; Linux has at most 256), in one device.
    ///
    /// # Errors
    ///
    /// Those of [`Tun::create`] and [`Tun::add_queue`]. No device is left behind.
    pub fn create_queues(
        &self,
        target: &Netns,
        name: &IfName,
        vnet_hdr: bool,
        count: usize,
    ) -> Result<Vec<Tun>, SysError> {
        let options = TunOptions {
            vnet_hdr,
            multi_queue: true,
        };
        // Before the move: afterwards a descriptor that is opened at home finds no such device.
        let (first, mut others) = self.build(target, name, options, |raw| {
            (1..count)
                .map(|_| Tun::finish(join(raw, name, options)?, name.clone(), options))
                .collect()
        })?;
        others.insert(0, first);
        Ok(others)
    }

    /// Makes a device at home, lets `more` add queues to it, and moves it.
    fn build(
        &self,
        target: &Netns,
        name: &IfName,
        options: TunOptions,
        more: impl FnOnce([u8; 16]) -> Result<Vec<Tun>, SysError> + Send,
    ) -> Result<(Tun, Vec<Tun>), SysError> {
        self.home.run(|| {
            let (fd, raw) = make(TEMPLATE, name, options)?;
            let first = Tun::finish(fd, name.clone(), options)?;
            let others = more(raw)?;
            // On failure the descriptors are closed, and the device goes with them.
            netlink::move_link(&IfName::from_ifr_name(&raw)?, target, name)?;
            Ok((first, others))
        })?
    }
}
