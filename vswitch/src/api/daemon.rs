//! The daemon: everything started in order, and stopped in reverse.
//!
//! Checks of the machine, the control socket (which also tells that no other daemon has the directory), the switch's
//! workers, the control plane with what it has kept, its upkeep, the servers; Docker's engine finds the plugin's socket
//! only when the rest is there. On SIGTERM or SIGINT: no new requests, the
//! devices go, the socket is removed, the workers end. What is kept stays: named sandboxes with what lives in them, and
//! the state. Where nothing is kept the sandboxes go too.

use std::{
    io,
    num::NonZeroUsize,
    os::unix::net::UnixListener,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use super::{
    docker::{self, Engine, PluginConfig},
    server::{Limits, serve},
    socket::{ControlSocket, SocketError, SocketFile},
};
use crate::{
    control::{ControlError, Controller, Handle, Parts, Upkeep, kernel::HostKernel, store::Store},
    datapath::{StartError, Switch, SwitchConfig},
    service::Switchboard,
    sys::{SysError, caps},
};

/// Threads of each runtime; commands that block have threads of their own.
const RUNTIME_THREADS: usize = 2;

/// What the daemon is told at its start.
#[derive(Clone, Debug)]
pub struct DaemonConfig {
    /// Control socket; its directory is also where namespaces are pinned.
    pub socket: PathBuf,
    /// What outlives the daemon, and where it is kept.
    pub state: Keep,
    /// Worker threads; one for each core when absent.
    pub workers: Option<NonZeroUsize>,
    /// Docker's engine: who is asked for names and containers.
    pub docker: Engine,
    /// What Docker's engine finds as a plugin.
    pub docker_plugin: Option<PluginConfig>,
}

/// What outlives the daemon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Keep {
    /// Networks, endpoints, leases and entries by hand, in this directory.
    Directory(PathBuf),
    /// Nothing: it leaves the machine as it found it.
    Nothing,
}

/// Why the daemon did not start, or stopped. Each is one line that says what, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The machine or our rights lack something.
    #[error(transparent)]
    Machine(#[from] SysError),
    /// No control socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// No workers.
    #[error(transparent)]
    Switch(#[from] StartError),
    /// No control plane.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// No runtime, no signals, no server.
    #[error("cannot run the control plane: {0}; check the limits on threads and open files")]
    Runtime(#[from] io::Error),
}

/// Runs the daemon until SIGTERM or SIGINT. `ready` is called once, when the control socket accepts requests.
///
/// # Errors
/// See [`DaemonError`]; nothing is left behind.
pub fn run(config: &DaemonConfig, ready: impl FnOnce()) -> Result<(), DaemonError> {
    caps::preflight()?;
    raise_descriptor_limit();
    let (socket, listener) = ControlSocket::bind(&config.socket)?;
    let mut switch = SwitchConfig::default();
    switch.workers = config.workers.unwrap_or(switch.workers);
    let workers = switch.workers;
    let switch = Switch::start(&switch)?;
    let runtime = runtime("vswitch-control")?;
    // What is served carries data: commands are not to wait for it.
    let serving = self::runtime("vswitch-serve")?;
    let memory = match &config.state {
        Keep::Directory(directory) => Some(Store::open(directory)?),
        Keep::Nothing => None,
    };
    let controller = Controller::new(Parts {
        kernel: HostKernel::new()?,
        services: Arc::new(Switchboard::new(serving.handle())),
        switch,
        run_dir: socket.directory().to_owned(),
        memory,
    })?;
    let controller = Arc::new(Mutex::new(controller));
    let upkeep = Upkeep::start(&controller)?;
    let handle = Handle::new(Arc::clone(&controller));
    let served = runtime.block_on(async {
        let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let plugin = plugin(config)?;
        tracing::info!(socket = %config.socket.display(), workers, pid = std::process::id(), "ready");
        ready();
        serve_all(config, listener, plugin, handle, signals).await
    });
    tracing::info!("stopping");
    // No command can come any more, so the rest of it has no competitor for the lock.
    drop(upkeep);
    controller
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .shut_down();
    drop(controller);
    drop((runtime, serving));
    drop(socket);
    served
}

/// The plugin's socket, where there is to be one.
fn plugin(config: &DaemonConfig) -> Result<Option<Bound<'_>>, SocketError> {
    let bind = |config: &PluginConfig| SocketFile::bind(&config.socket(), "--docker-plugin");
    let plugin = config.docker_plugin.as_ref();
    plugin
        .map(|plugin| bind(plugin).map(|(file, listener)| (plugin, file, listener)))
        .transpose()
}

/// A plugin and its socket.
type Bound<'a> = (&'a PluginConfig, SocketFile, UnixListener);

/// Serves until a signal comes, or one of the servers fails, which ends the other one, too.
async fn serve_all(
    config: &DaemonConfig,
    listener: UnixListener,
    plugin: Option<Bound<'_>>,
    handle: Handle,
    (terminate, interrupt): (Signal, Signal),
) -> Result<(), DaemonError> {
    let (stop, stopped) = watch::channel(());
    // The sender's end is the sign.
    let stopped = move || {
        let mut stopped = stopped.clone();
        async move { while stopped.changed().await.is_ok() {} }
    };
    let (limits, engine) = (Limits::default(), config.docker.clone());
    let control = serve(listener, handle.clone(), engine.clone(), limits, stopped());
    let docker = async {
        match plugin {
            Some((plugin, _file, listener)) => {
                docker::serve(listener, handle, engine, plugin, limits, stopped()).await
            }
            None => {
                stopped().await;
                Ok(())
            }
        }
    };
    let end = async {
        told_to_stop(terminate, interrupt).await;
        drop(stop);
        Ok(())
    };
    tokio::try_join!(control, docker, end)?;
    Ok(())
}

fn runtime(name: &str) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .thread_name(name)
        .enable_all()
        .build()
}

async fn told_to_stop(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
    }
}

/// A port is a descriptor, and 1024, which is all that many systems allow at first, are soon used up.
fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    ) {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
}
