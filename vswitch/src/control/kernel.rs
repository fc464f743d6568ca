//! The kernel as the control plane needs it: namespaces and devices.
//!
//! Everything above decides; this file does. [`Kernel`] is the seam: [`HostKernel`] is the real one, tests put their own
//! behind it and let any step fail.
//!
//! All functions block (a namespace is entered on a borrowed thread), so they are called from threads that may.

mod routes;

use std::{
    collections::BTreeSet,
    fmt::Debug,
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnet::IpNet;
use vswitch_wire::MacAddr;

use super::{ControlError, sandbox::Place};
use crate::{
    port::{
        Port, PortRx,
        packet::{self, Uplink, UplinkError, UplinkOptions},
        tap,
        vxlan::{Underlay, UnderlayError},
    },
    sys::{IfName, Netns, NetnsId, SysError, TapFactory, netlink},
};

/// What an endpoint's device shall be like.
#[derive(Clone, Debug)]
pub struct DeviceSpec {
    /// Name inside the sandbox.
    pub ifname: IfName,
    /// MAC address.
    pub mac: MacAddr,
    /// Bytes.
    pub mtu: u16,
    /// The routers of the default routes, at most one of each family; where the namespace has a default route already, it
    /// keeps that.
    pub gateways: Vec<IpAddr>,
    /// Longest super-frame, where it is not for the kernel to say.
    pub gso_max_size: Option<u32>,
    /// Super-frames and partial checksums pass.
    pub offload: bool,
    /// Addresses with prefix lengths.
    pub addresses: Vec<IpNet>,
    /// No IPv6 on this interface, not even a link-local address.
    pub disable_ipv6: bool,
    /// The addresses are announced to the neighbours when it goes up.
    pub announce: bool,
    /// It is set up; a front-end that moves it elsewhere does that itself.
    pub up: bool,
}

/// Namespaces and devices.
pub trait Kernel: Send + Debug + 'static {
    /// An open namespace.
    type Netns: Debug;

    /// Makes a namespace and pins it at `path`; nothing is left on failure.
    ///
    /// # Errors
    /// No right to, no room, the path is taken.
    fn create_netns(&self, path: &Path) -> Result<Self::Netns, ControlError>;

    /// Opens a namespace that exists.
    ///
    /// # Errors
    /// Not-found, or no right to.
    fn open_netns(&self, place: &Place) -> Result<Self::Netns, ControlError>;

    /// What tells the namespace from others.
    ///
    /// # Errors
    /// Internal.
    fn identify(&self, netns: &Self::Netns) -> Result<NetnsId, ControlError>;

    /// Removes the pin; absent is fine.
    ///
    /// # Errors
    /// Internal, no right to.
    fn unpin(&self, path: &Path) -> Result<(), ControlError>;

    /// Files in the directory of pins; none if there is no directory.
    ///
    /// # Errors
    /// Internal.
    fn pins(&self, directory: &Path) -> Result<Vec<PathBuf>, ControlError>;

    /// Removes the directory of pins, which must be empty; absent is fine.
    ///
    /// # Errors
    /// Internal.
    fn remove_pin_directory(&self, directory: &Path) -> Result<(), ControlError>;

    /// Names of the interfaces in the namespace.
    ///
    /// # Errors
    /// Internal, no right to.
    fn interface_names(&self, netns: &Self::Netns) -> Result<BTreeSet<String>, ControlError>;

    /// Subnets that the host itself uses: addresses and routes of the switch's own namespace.
    ///
    /// # Errors
    /// Internal.
    fn occupied(&self) -> Result<Vec<IpNet>, ControlError>;

    /// Makes the device inside the namespace. Dropping the port deletes it.
    ///
    /// # Errors
    /// No TUN driver, no right to, name taken; nothing is left.
    fn open_device(&self, netns: &Self::Netns, spec: &DeviceSpec) -> Result<Port, ControlError>;

    /// Gives the device its MAC, MTU and addresses and sets it up.
    ///
    /// # Errors
    /// What the kernel refuses.
    fn configure(&self, netns: &Self::Netns, spec: &DeviceSpec) -> Result<(), ControlError>;

    /// Gives an interface another MTU, and another bound of super-frames where there is one.
    ///
    /// # Errors
    /// No such interface, or what the kernel refuses.
    fn set_mtu(
        &self,
        netns: &Self::Netns,
        ifname: &IfName,
        mtu: u16,
        gso_max_size: Option<u32>,
    ) -> Result<(), ControlError>;

    /// Gives an interface another MAC address.
    ///
    /// # Errors
    /// No such interface, or what the kernel refuses.
    fn set_mac(
        &self,
        netns: &Self::Netns,
        ifname: &IfName,
        mac: MacAddr,
    ) -> Result<(), ControlError>;

    /// Has the namespace reach one address through an interface, or no longer.
    ///
    /// # Errors
    /// No such interface, or what the kernel refuses.
    fn set_host_route(
        &self,
        netns: &Self::Netns,
        ifname: &IfName,
        to: IpAddr,
        there: bool,
    ) -> Result<(), ControlError>;

    /// The interface in the namespace that has this MAC address.
    ///
    /// # Errors
    /// Internal, no right to.
    fn interface_of(
        &self,
        netns: &Self::Netns,
        mac: MacAddr,
    ) -> Result<Option<IfName>, ControlError>;

    /// Leads the default routes of the namespace that go by interfaces of ours, `ours`, to the `wanted` routers, at most one
    /// of each family, or nowhere. One that goes by another interface is not ours and stays.
    ///
    /// # Errors
    /// What the kernel refuses.
    fn settle_default(
        &self,
        netns: &Self::Netns,
        ours: &BTreeSet<String>,
        wanted: &[(IfName, IpAddr)],
    ) -> Result<(), ControlError>;

    /// Whether the switch's own namespace has an interface of this name.
    fn has_interface(&self, name: &IfName) -> bool;

    /// Opens an uplink on an interface of the switch's own namespace.
    ///
    /// # Errors
    /// No such interface, one that cannot be a parent, no right to.
    fn open_uplink(&self, options: &UplinkOptions) -> Result<(Port, Arc<Uplink>), ControlError>;

    /// Which run of the machine this is.
    fn boot(&self) -> String;

    /// Opens a tunnel's UDP port in the switch's own namespace, with receiving halves for so many workers.
    ///
    /// # Errors
    /// Not this host's address, the port is taken, limits.
    fn open_underlay(
        &self,
        local: IpAddr,
        port: u16,
        workers: usize,
    ) -> Result<(Underlay, Vec<Box<dyn PortRx>>), ControlError>;

    /// The host's own address from which `peer` is reached.
    ///
    /// # Errors
    /// No way to the peer.
    fn source_for(&self, peer: IpAddr) -> Result<IpAddr, ControlError>;

    /// Longest IP packet that the way from `local` to the UDP port of `peer` takes, in bytes; none when it is not
    /// known.
    fn path_mtu(&self, local: IpAddr, peer: IpAddr, port: u16) -> Option<u16>;
}

/// The Linux that we run on.
#[derive(Debug)]
pub struct HostKernel {
    taps: TapFactory,
}

impl HostKernel {
    /// Prepares for making devices.
    ///
    /// # Errors
    /// No right to make a namespace.
    pub fn new() -> Result<Self, ControlError> {
        Ok(Self {
            taps: TapFactory::new()?,
        })
    }
}

impl From<SysError> for ControlError {
    /// Texts of `sys` name cause and remedy already; only the kind is to be found.
    fn from(error: SysError) -> Self {
        let message = error.to_string();
        match error {
            SysError::NoSuchNamespace { .. } | SysError::NoSuchProcess { .. } => {
                Self::not_found(message)
            }
            SysError::NameTaken { .. } | SysError::AlreadyPinned { .. } => Self::conflict(message),
            SysError::BadName(_) | SysError::NotANamespace { .. } | SysError::MixedRoute { .. } => {
                Self::invalid(message)
            }
            SysError::NoTunDevice
            | SysError::TunPermission { .. }
            | SysError::NeedsCapability { .. }
            | SysError::Unsupported { .. }
            | SysError::LimitReached { .. }
            | SysError::UserNamespace(_) => Self::unavailable(message),
            SysError::NoSuchLink { .. }
            | SysError::DeviceGone { .. }
            | SysError::BadDescriptor { .. }
            | SysError::Netlink { .. }
            | SysError::Io { .. } => Self::internal(message),
        }
    }
}

impl From<UplinkError> for ControlError {
    fn from(error: UplinkError) -> Self {
        let message = format!("parent: {error}");
        match error {
            UplinkError::NoSuchParent { .. } => Self::not_found(message),
            UplinkError::NotEthernet { .. } => Self::invalid(message),
            UplinkError::Sys(error) => error.into(),
            UplinkError::Io { .. } => {
                Self::unavailable(format!("{message}; look at the interface with `ip link`"))
            }
        }
    }
}

impl From<UnderlayError> for ControlError {
    fn from(error: UnderlayError) -> Self {
        let message = format!("underlay: {error}");
        match error {
            UnderlayError::InUse { .. } => Self::conflict(message),
            UnderlayError::NotLocal { .. } => Self::invalid(message),
            UnderlayError::NoSourcePort { .. } => Self::unavailable(message),
            UnderlayError::Interfaces(error) => error.into(),
            UnderlayError::Io { .. } => Self::unavailable(format!(
                "{message}; check the address, the rights of the daemon and the limits on open files and memory"
            )),
        }
    }
}

impl Kernel for HostKernel {
    type Netns = Netns;

    fn create_netns(&self, path: &Path) -> Result<Netns, ControlError> {
        let netns = Netns::create()?;
        netns.pin(path)?;
        Ok(netns)
    }

    fn open_netns(&self, place: &Place) -> Result<Netns, ControlError> {
        Ok(match place {
            Place::Pid(pid) => Netns::of_pid(*pid)?,
            Place::Path(path) => Netns::open(path)?,
        })
    }

    fn identify(&self, netns: &Netns) -> Result<NetnsId, ControlError> {
        Ok(netns.id()?)
    }

    fn unpin(&self, path: &Path) -> Result<(), ControlError> {
        Ok(Netns::unpin(path)?)
    }

    fn pins(&self, directory: &Path) -> Result<Vec<PathBuf>, ControlError> {
        let listed = |error| io_failed("list", directory, &error);
        match fs::read_dir(directory) {
            Ok(entries) => entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<_, _>>()
                .map_err(listed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(listed(error)),
        }
    }

    fn remove_pin_directory(&self, directory: &Path) -> Result<(), ControlError> {
        Netns::release_directory(directory)?;
        match fs::remove_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_failed("remove", directory, &error))
            }
            _ => Ok(()),
        }
    }

    fn interface_names(&self, netns: &Netns) -> Result<BTreeSet<String>, ControlError> {
        Ok(netns
            .run(netlink::links)??
            .into_iter()
            .map(|link| link.name)
            .collect())
    }

    fn occupied(&self) -> Result<Vec<IpNet>, ControlError> {
        let addresses = netlink::addresses()?
            .into_iter()
            .map(|address| address.address);
        let routes = netlink::routes()?.into_iter().map(|route| route.dst);
        Ok(addresses.chain(routes).map(|net| net.trunc()).collect())
    }

    fn open_device(&self, netns: &Netns, spec: &DeviceSpec) -> Result<Port, ControlError> {
        let options = tap::TapOptions {
            name: spec.ifname.clone(),
            offload: spec.offload,
            mtu: spec.mtu,
        };
        Ok(tap::open(&self.taps, netns, &options)?)
    }

    fn configure(&self, netns: &Netns, spec: &DeviceSpec) -> Result<(), ControlError> {
        let config = netlink::LinkConfig {
            mac: Some(spec.mac.octets()),
            mtu: Some(spec.mtu.into()),
            gso_max_size: spec.gso_max_size,
            addresses: spec.addresses.clone(),
            routes: routes::missing_defaults(netns, &spec.gateways)?,
            up: spec.up,
            // Of one that somebody else sets up this is his, too.
            disable_ipv6: spec.up.then_some(spec.disable_ipv6),
            announce: spec.announce,
            ..netlink::LinkConfig::new(spec.ifname.clone())
        };
        Ok(netns.run(|| netlink::configure_link(&config))??)
    }

    fn set_mtu(
        &self,
        netns: &Netns,
        ifname: &IfName,
        mtu: u16,
        gso_max_size: Option<u32>,
    ) -> Result<(), ControlError> {
        let config = netlink::LinkConfig {
            mtu: Some(mtu.into()),
            gso_max_size,
            ..netlink::LinkConfig::new(ifname.clone())
        };
        Ok(netns.run(|| netlink::configure_link(&config))??)
    }

    fn set_mac(&self, netns: &Netns, ifname: &IfName, mac: MacAddr) -> Result<(), ControlError> {
        let config = netlink::LinkConfig {
            mac: Some(mac.octets()),
            ..netlink::LinkConfig::new(ifname.clone())
        };
        Ok(netns.run(|| netlink::configure_link(&config))??)
    }

    fn set_host_route(
        &self,
        netns: &Netns,
        ifname: &IfName,
        to: IpAddr,
        there: bool,
    ) -> Result<(), ControlError> {
        let route = netlink::RouteConfig {
            dst: to.into(),
            via: None,
        };
        Ok(netns.run(|| {
            if !there {
                return netlink::delete_route(ifname, &route);
            }
            netlink::configure_link(&netlink::LinkConfig {
                routes: vec![route],
                ..netlink::LinkConfig::new(ifname.clone())
            })
        })??)
    }

    fn interface_of(&self, netns: &Netns, mac: MacAddr) -> Result<Option<IfName>, ControlError> {
        let links = netns.run(netlink::links)??;
        let found = (links.into_iter()).find(|link| link.mac == Some(mac.octets()));
        Ok(found.and_then(|link| IfName::new(&link.name).ok()))
    }

    fn settle_default(
        &self,
        netns: &Netns,
        ours: &BTreeSet<String>,
        wanted: &[(IfName, IpAddr)],
    ) -> Result<(), ControlError> {
        Ok(netns.run(|| routes::settle_default(ours, wanted))??)
    }

    fn has_interface(&self, name: &IfName) -> bool {
        netlink::link_exists(name).unwrap_or(false)
    }

    fn open_uplink(&self, options: &UplinkOptions) -> Result<(Port, Arc<Uplink>), ControlError> {
        Ok(packet::open(options)?)
    }

    fn boot(&self) -> String {
        let read = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        read.unwrap_or_default().trim().to_owned()
    }

    fn open_underlay(
        &self,
        local: IpAddr,
        port: u16,
        workers: usize,
    ) -> Result<(Underlay, Vec<Box<dyn PortRx>>), ControlError> {
        Ok(Underlay::open(local, port, workers)?)
    }

    fn source_for(&self, peer: IpAddr) -> Result<IpAddr, ControlError> {
        Underlay::source_for(peer).map_err(|error| {
            ControlError::unavailable(format!(
                "peer {peer}: no way there: {error}; add a route to it, or give this host's address with -o local="
            ))
        })
    }

    fn path_mtu(&self, local: IpAddr, peer: IpAddr, port: u16) -> Option<u16> {
        Underlay::path_mtu(local, peer, port)
            .inspect_err(|error| tracing::debug!(%local, %peer, %error, "no path MTU"))
            .ok()
    }
}

fn io_failed(what: &str, path: &Path, error: &io::Error) -> ControlError {
    ControlError::internal(format!(
        "cannot {what} {}: {error}; look at the directory",
        path.display()
    ))
}
