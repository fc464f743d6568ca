//! The control socket as a file: made safely, never taken from a daemon that lives.
//!
//! The socket appears complete or not at all: it is bound under another name, given its mode, and renamed. Who may use
//! the switch is who may write to it (0660) and reach it (a directory of 0750 where we make it). The directory is locked
//! while the daemon lives, because the pinned namespaces inside belong to one daemon.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use rustix::fs::FlockOperation;
use socket2::{Domain, SockAddr, Socket, Type};

/// Bytes that fit `sun_path` (unix(7)), with room for the suffix of the temporary name.
const MAX_PATH: usize = 107 - SUFFIX.len();

/// What the temporary name ends in.
const SUFFIX: &str = ".new";

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A daemon answers there.
    #[error(
        "socket {} in use: another vswitch daemon ({}) serves it; stop that one or give another --socket", path.display(),
        pid.map_or_else(|| "unknown pid".to_owned(), |pid| format!("pid {pid}"))
    )]
    InUse {
        /// The socket.
        path: PathBuf,
        /// The other daemon.
        pid: Option<i32>,
    },
    /// A daemon with another socket name uses the directory.
    #[error(
        "directory {} in use: another vswitch daemon keeps its namespaces there; put --socket into a directory of its own",
        directory.display()
    )]
    DirectoryInUse {
        /// The directory.
        directory: PathBuf,
    },
    /// Something that is no socket has the name.
    #[error("{}: exists and is not a socket; move it away or give another --socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The path cannot be the name of a socket.
    #[error("socket path {}: {why}; give another --socket", path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file system refuses.
    #[error("cannot {what} {}: {source}; check the directory's owner and mode, or give another --socket", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The file of a bound control socket, and its directory's lock. Dropping it removes the file.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    /// Holds the lock.
    _directory: File,
}

impl ControlSocket {
    /// Makes the socket, and its directory if it is missing. The listener does not block.
    ///
    /// # Errors
    /// See [`SocketError`]; nothing was changed then, save that the directory may have been made.
    pub fn bind(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        let directory = check_path(path)?;
        let failed = |what: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| SocketError::Io { what, path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&directory)
            .map_err(failed("make the directory", &directory))?;
        refuse_live(path)?;
        let locked = File::open(&directory).map_err(failed("open the directory", &directory))?;
        rustix::fs::flock(&locked, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            if error == rustix::io::Errno::WOULDBLOCK {
                return SocketError::DirectoryInUse {
                    directory: directory.clone(),
                };
            }
            failed("lock the directory", &directory)(error.into())
        })?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(SUFFIX);
        let temporary = PathBuf::from(temporary);
        remove(&temporary).map_err(failed("remove", &temporary))?;
        let listener =
            UnixListener::bind(&temporary).map_err(failed("make the socket", &temporary))?;
        let finish = || {
            listener.set_nonblocking(true)?;
            fs::set_permissions(&temporary, Permissions::from_mode(0o660))?;
            fs::rename(&temporary, path)
        };
        finish().map_err(|source| {
            if let Err(error) = remove(&temporary) {
                tracing::debug!(%error, "temporary socket left behind");
            }
            failed("make the socket", path)(source)
        })?;
        Ok((
            Self {
                path: path.to_owned(),
                _directory: locked,
            },
            listener,
        ))
    }

    /// The directory of the socket.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new("."))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the control socket");
        }
    }
}

/// The directory of a path that can be a socket's.
fn check_path(path: &Path) -> Result<PathBuf, SocketError> {
    let bad = |why| SocketError::BadPath {
        path: path.to_owned(),
        why,
    };
    if path.as_os_str().len() > MAX_PATH {
        return Err(bad(
            "longer than the 103 bytes that a socket's path may have here",
        ));
    }
    if path.file_name().is_none() {
        return Err(bad("names no file"));
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Ok(parent.to_owned()),
        _ => Ok(PathBuf::from(".")),
    }
}

/// Refuses when a daemon answers at the path, or when it is not a socket at all.
fn refuse_live(path: &Path) -> Result<(), SocketError> {
    let failed = |source| SocketError::Io {
        what: "look at",
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => {}
        Ok(_) => {
            return Err(SocketError::NotASocket {
                path: path.to_owned(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    let in_use = |pid| {
        Err(SocketError::InUse {
            path: path.to_owned(),
            pid,
        })
    };
    match socket.connect(&SockAddr::unix(path).map_err(failed)?) {
        Ok(()) => {
            let peer = rustix::net::sockopt::socket_peercred(&socket).ok();
            in_use(peer.map(|peer| peer.pid.as_raw_nonzero().get()))
        }
        // Its backlog is full.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => in_use(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "replacing the socket of a daemon that is gone");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
