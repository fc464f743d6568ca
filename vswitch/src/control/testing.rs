//! A kernel in memory for tests: namespaces are numbers, devices are in-memory ports, any step can be made to fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use ipnet::IpNet;
use vswitch_wire::OffloadSet;

use super::{
    ControlError, Controller,
    kernel::{DeviceSpec, Kernel},
    sandbox::Place,
};
use crate::{
    datapath::{Switch, SwitchConfig},
    port::{
        Batch, Drained, Port, PortLost, PortRx, PortState,
        memory::{self, MemoryEnd},
    },
    sys::NetnsId,
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
}

/// A controller over a fake kernel and a real switch of one worker, and the kernel to look at.
pub(crate) fn controller() -> (Controller<FakeKernel>, FakeKernel) {
    let kernel = FakeKernel::default();
    (controller_over(kernel.clone()), kernel)
}

/// The same over a kernel that exists.
pub(crate) fn controller_over(kernel: FakeKernel) -> Controller<FakeKernel> {
    let config = SwitchConfig {
        workers: NonZeroUsize::MIN,
        poll: Duration::ZERO,
    };
    let switch = Switch::start(&config).unwrap();
    Controller::new(kernel, switch, Path::new("/run/test")).unwrap()
}
