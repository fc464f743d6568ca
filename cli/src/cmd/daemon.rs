//! `vswitch daemon`: logs to stderr, then all the rest is the library's.

use crate::args::{DEFAULT_SOCKET, Global, daemon::Daemon};
use anyhow::anyhow;
use std::{
    env,
    io::{self, IsTerminal},
    path::Path,
    process::ExitCode,
};
use tracing_subscriber::EnvFilter;
use vswitch::api::{
    daemon::{DaemonConfig, Keep, run as run_daemon},
    docker::{Engine, PluginConfig},
};

/// What is logged, as a filter of `tracing`.
pub(crate) const LOG_VARIABLE: &str = "VSWITCH_LOG";

/// Where the state is by default.
const STATE_DIRECTORY: &str = "/var/lib/vswitch";

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(global: &Global, args: Daemon) -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_env_filter(filter()?)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    let scope = args.docker_scope.into();
    let plugin = args.docker_plugin.as_deref();
    let plugin = plugin.map(|name| PluginConfig::new(name, scope));
    let docker_plugin = plugin.transpose()?;
    let config = DaemonConfig {
        socket: global.socket.clone(),
        state: keep(&global.socket, &args),
        workers: args.workers,
        docker: Engine::new(args.docker_socket),
        docker_plugin,
    };
    // That it is ready is in the log, which is the daemon's only output.
    run_daemon(&config, || ())?;
    Ok(ExitCode::SUCCESS)
}

/// Where the state is kept: daemons with sockets of their own must not share it.
fn keep(socket: &Path, args: &Daemon) -> Keep {
    match (&args.state_dir, args.ephemeral) {
        (_, true) => Keep::Nothing,
        (Some(directory), false) => Keep::Directory(directory.clone()),
        (None, false) if socket == Path::new(DEFAULT_SOCKET) => {
            Keep::Directory(STATE_DIRECTORY.into())
        }
        (None, false) => Keep::Directory(socket.with_file_name("state")),
    }
}

fn filter() -> anyhow::Result<EnvFilter> {
    let wanted = match env::var(LOG_VARIABLE) {
        Ok(wanted) if !wanted.is_empty() => wanted,
        Ok(_) | Err(env::VarError::NotPresent) => "info".to_owned(),
        Err(env::VarError::NotUnicode(_)) => return Err(anyhow!("{LOG_VARIABLE}: is not UTF-8")),
    };
    EnvFilter::try_new(&wanted).map_err(|error| {
        anyhow!(
            "{LOG_VARIABLE}={wanted}: {error}; give a level (error, warn, info, debug, trace) or \
             TARGET=LEVEL,..."
        )
    })
}
