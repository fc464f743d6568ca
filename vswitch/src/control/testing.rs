//! A kernel in memory for tests: namespaces are numbers, devices are in-memory ports, any step can be made to fail.

mod services;

pub(crate) use services::FakeServices;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use ipnet::IpNet;
use vswitch_wire::{MacAddr, OffloadSet};

use super::{
    ControlError, Controller, Parts,
    kernel::{DeviceSpec, Kernel},
    sandbox::Place,
    store::Store,
};
use crate::{
    datapath::{Switch, SwitchConfig},
    port::{
        Batch, Drained, Port, PortLost, PortRx, PortState,
        memory::{self, MemoryEnd},
        packet::{Uplink, UplinkOptions},
        vxlan::Underlay,
    },
    sys::{IfName, NetnsId},
};

/// A step that can be made to fail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Step {
    CreateNetns,
    OpenNetns,
    Identify,
    Unpin,
    InterfaceNames,
    OpenDevice,
    Configure,
    SetMtu,
    OpenUnderlay,
    SourceFor,
    /// The switch refuses the trunk of an underlay.
    AddTrunk,
    /// The switch refuses the port, because its descriptor cannot be watched.
    AddPort,
}

/// What the fake kernel holds.
#[derive(Debug, Default)]
pub(crate) struct World {
    next: u64,
    pub(crate) pins: BTreeMap<PathBuf, u64>,
    pub(crate) processes: BTreeMap<u32, u64>,
    /// Devices that were made, by namespace and name. One is alive while its end is watched by a port.
    devices: BTreeMap<(u64, String), (MemoryEnd, Arc<()>)>,
    pub(crate) specs: BTreeMap<(u64, String), DeviceSpec>,
    pub(crate) fail: BTreeSet<Step>,
    pub(crate) host: Vec<IpNet>,
    /// Host routes, by namespace and interface.
    pub(crate) routes: BTreeSet<(u64, String, IpAddr)>,
    /// Default routes as they were settled, by namespace.
    pub(crate) defaults: BTreeMap<u64, Vec<(IfName, IpAddr)>>,
    /// What path MTUs are known to be, instead of what they are.
    pub(crate) paths: BTreeMap<IpAddr, u16>,
}

/// A fake kernel; clones share the world.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeKernel(Arc<Mutex<World>>);

impl FakeKernel {
    /// Looks at the world, or changes it.
    pub(crate) fn world<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    fn step(&self, step: Step) -> Result<(), ControlError> {
        if self.world(|world| world.fail.contains(&step)) {
            return Err(ControlError::internal(format!(
                "{step:?} was made to fail; do not"
            )));
        }
        Ok(())
    }

    /// Makes a process with a namespace of its own.
    pub(crate) fn process(&self, pid: u32) {
        self.world(|world| {
            world.next += 1;
            world.processes.insert(pid, world.next);
        });
    }

    /// Devices whose port still exists, as `NAMESPACE/NAME`.
    pub(crate) fn devices(&self) -> Vec<String> {
        self.world(|world| {
            let alive = world
                .devices
                .iter()
                .filter(|(_, (_, alive))| Arc::strong_count(alive) > 1);
            alive
                .map(|((netns, name), _)| format!("{netns}/{name}"))
                .collect()
        })
    }

    /// The far end of a device.
    pub(crate) fn device<T>(&self, netns: u64, name: &str, f: impl FnOnce(&MemoryEnd) -> T) -> T {
        self.world(|world| f(&world.devices[&(netns, name.to_owned())].0))
    }

    /// The daemon is gone, and its devices with it.
    pub(crate) fn crash(&self) {
        self.world(|world| {
            world.devices.clear();
            world.specs.clear();
        });
    }

    /// A namespace that somebody else has pinned.
    pub(crate) fn pin(&self, path: &str) -> u64 {
        self.world(|world| {
            world.next += 1;
            let next = world.next;
            *world.pins.entry(path.into()).or_insert(next)
        })
    }

    /// Moves a device of a process's namespace to another one, under another name.
    pub(crate) fn rename(&self, pid: u32, device: &str, (netns, name): (u64, &str)) {
        self.world(|world| {
            let from = (world.processes[&pid], device.to_owned());
            let to = (netns, name.to_owned());
            let end = world.devices.remove(&from).unwrap();
            world.devices.insert(to.clone(), end);
            let mut spec = world.specs.remove(&from).unwrap();
            spec.ifname = IfName::new(name).unwrap();
            world.specs.insert(to, spec);
        });
    }

    /// Ends a process: its namespace and the devices in it vanish.
    pub(crate) fn kill(&self, pid: u32) {
        self.world(|world| {
            let Some(gone) = world.processes.remove(&pid) else {
                return;
            };
            for ((netns, _), (end, _)) in &world.devices {
                if *netns == gone {
                    end.set_state(PortState::Gone).unwrap();
                }
            }
        });
    }
}

/// A receiving half that tells when it is dropped, and may have a descriptor that cannot be watched.
#[derive(Debug)]
struct Watched {
    inner: Box<dyn PortRx>,
    broken: bool,
    _alive: Arc<()>,
}

impl PortRx for Watched {
    fn recv(&mut self, batch: &mut Batch) -> Result<Drained, PortLost> {
        self.inner.recv(batch)
    }

    fn descriptor(&self) -> std::os::fd::RawFd {
        if self.broken {
            -1
        } else {
            self.inner.descriptor()
        }
    }
}

impl Kernel for FakeKernel {
    type Netns = u64;

    fn create_netns(&self, path: &Path) -> Result<u64, ControlError> {
        self.step(Step::CreateNetns)?;
        self.world(|world| {
            if world.pins.contains_key(path) {
                return Err(ControlError::conflict(
                    "pinned already; choose another name",
                ));
            }
            world.next += 1;
            world.pins.insert(path.to_owned(), world.next);
            Ok(world.next)
        })
    }

    fn open_netns(&self, place: &Place) -> Result<u64, ControlError> {
        self.step(Step::OpenNetns)?;
        let found = self.world(|world| match place {
            Place::Pid(pid) => world.processes.get(pid).copied(),
            Place::Path(path) => world.pins.get(path).copied(),
        });
        found.ok_or_else(|| ControlError::not_found(format!("no namespace: {place:?}; make one")))
    }

    fn identify(&self, netns: &u64) -> Result<NetnsId, ControlError> {
        self.step(Step::Identify)?;
        Ok(NetnsId {
            dev: 4,
            ino: *netns,
        })
    }

    fn unpin(&self, path: &Path) -> Result<(), ControlError> {
        self.step(Step::Unpin)?;
        self.world(|world| world.pins.remove(path));
        Ok(())
    }

    fn pins(&self, directory: &Path) -> Result<Vec<PathBuf>, ControlError> {
        Ok(self.world(|world| {
            world
                .pins
                .keys()
                .filter(|pin| pin.starts_with(directory))
                .cloned()
                .collect()
        }))
    }

    fn remove_pin_directory(&self, _: &Path) -> Result<(), ControlError> {
        Ok(())
    }

    fn interface_names(&self, netns: &u64) -> Result<BTreeSet<String>, ControlError> {
        self.step(Step::InterfaceNames)?;
        let prefix = format!("{netns}/");
        let names = self
            .devices()
            .into_iter()
            .filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned));
        Ok(names.chain(["lo".to_owned()]).collect())
    }

    fn occupied(&self) -> Result<Vec<IpNet>, ControlError> {
        Ok(self.world(|world| world.host.clone()))
    }

    fn open_device(&self, netns: &u64, spec: &DeviceSpec) -> Result<Port, ControlError> {
        self.step(Step::OpenDevice)?;
        let offload = if spec.offload {
            OffloadSet::ALL
        } else {
            OffloadSet::NONE
        };
        let (port, end) = memory::pair(spec.mtu, offload).unwrap();
        let alive = Arc::new(());
        let broken = self.step(Step::AddPort).is_err();
        let rx = Box::new(Watched {
            inner: port.rx,
            broken,
            _alive: Arc::clone(&alive),
        });
        self.world(|world| {
            world
                .devices
                .insert((*netns, spec.ifname.to_string()), (end, alive));
        });
        Ok(Port { rx, ..port })
    }

    fn configure(&self, netns: &u64, spec: &DeviceSpec) -> Result<(), ControlError> {
        self.step(Step::Configure)?;
        self.world(|world| {
            world
                .specs
                .insert((*netns, spec.ifname.to_string()), spec.clone())
        });
        Ok(())
    }

    fn set_mtu(
        &self,
        netns: &u64,
        ifname: &IfName,
        mtu: u16,
        _: Option<u32>,
    ) -> Result<(), ControlError> {
        self.step(Step::SetMtu)?;
        self.world(|world| {
            let spec = world.specs.get_mut(&(*netns, ifname.to_string()));
            spec.unwrap().mtu = mtu;
        });
        Ok(())
    }

    fn set_mac(&self, netns: &u64, ifname: &IfName, mac: MacAddr) -> Result<(), ControlError> {
        self.world(|world| {
            let spec = world.specs.get_mut(&(*netns, ifname.to_string()));
            spec.unwrap().mac = mac;
        });
        Ok(())
    }

    fn set_host_route(
        &self,
        netns: &u64,
        ifname: &IfName,
        to: IpAddr,
        there: bool,
    ) -> Result<(), ControlError> {
        self.world(|world| {
            let route = (*netns, ifname.to_string(), to);
            if there {
                world.routes.insert(route);
            } else {
                world.routes.remove(&route);
            }
        });
        Ok(())
    }

    fn interface_of(&self, netns: &u64, mac: MacAddr) -> Result<Option<IfName>, ControlError> {
        self.world(|world| {
            let mut specs = world.specs.iter();
            let found = specs.find(|((at, _), spec)| at == netns && spec.mac == mac);
            Ok(found.map(|(_, spec)| spec.ifname.clone()))
        })
    }

    fn settle_default(
        &self,
        netns: &u64,
        _: &BTreeSet<String>,
        wanted: &[(IfName, IpAddr)],
    ) -> Result<(), ControlError> {
        self.world(|world| world.defaults.insert(*netns, wanted.to_vec()));
        Ok(())
    }

    fn boot(&self) -> String {
        "boot".to_owned()
    }

    fn has_interface(&self, _: &IfName) -> bool {
        false
    }

    fn open_uplink(&self, options: &UplinkOptions) -> Result<(Port, Arc<Uplink>), ControlError> {
        Err(ControlError::not_found(format!(
            "parent {}: there are no interfaces here; make one",
            options.parent
        )))
    }

    /// A real one: loopback addresses need no rights.
    fn open_underlay(
        &self,
        local: IpAddr,
        port: u16,
        workers: usize,
    ) -> Result<(Underlay, Vec<Box<dyn PortRx>>), ControlError> {
        self.step(Step::OpenUnderlay)?;
        let (underlay, halves) = Underlay::open(local, port, workers)?;
        let broken = self.step(Step::AddTrunk).is_err();
        let halves = halves.into_iter().map(|inner| -> Box<dyn PortRx> {
            Box::new(Watched {
                inner,
                broken,
                _alive: Arc::default(),
            })
        });
        Ok((underlay, halves.collect()))
    }

    fn source_for(&self, peer: IpAddr) -> Result<IpAddr, ControlError> {
        self.step(Step::SourceFor)?;
        Underlay::source_for(peer).map_err(|error| ControlError::unavailable(error.to_string()))
    }

    fn path_mtu(&self, _: IpAddr, peer: IpAddr, _: u16) -> Option<u16> {
        self.world(|world| world.paths.get(&peer).copied())
    }
}

/// A loopback address that no other test has, nor another run of the tests at the same time.
pub(crate) fn loopback() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let last = NEXT.fetch_add(1, Ordering::Relaxed);
    IpAddr::from([127, high.clamp(1, 254), low, last])
}

/// A controller over a fake kernel and a real switch of one worker, and the kernel to look at.
pub(crate) fn controller() -> (Controller<FakeKernel>, FakeKernel) {
    let kernel = FakeKernel::default();
    (controller_over(kernel.clone()), kernel)
}

/// The same over a kernel that exists.
pub(crate) fn controller_over(kernel: FakeKernel) -> Controller<FakeKernel> {
    remembering(kernel, FakeServices::default(), None)
}

/// The same that keeps its state in a directory, and begins with what is kept there.
pub(crate) fn remembering(
    kernel: FakeKernel,
    services: FakeServices,
    directory: Option<&Path>,
) -> Controller<FakeKernel> {
    let config = SwitchConfig {
        workers: NonZeroUsize::MIN,
        poll: Duration::ZERO,
    };
    let switch = Switch::start(&config).unwrap();
    Controller::new(Parts {
        kernel,
        services: Arc::new(services),
        switch,
        run_dir: PathBuf::from("/run/test"),
        memory: directory.map(|directory| Store::open(directory).unwrap()),
    })
    .unwrap()
}
