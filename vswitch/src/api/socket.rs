//! Sockets as files: made safely, never taken from a daemon that lives.
//!
//! A socket appears complete or not at all: it is bound under another name, given its mode, and renamed. Who may use
//! the switch is who may write to it (0660) and reach it (a directory of 0750 where we make it). The directory is locked
//! meanwhile; that of the control socket as long as the daemon lives, because the pinned namespaces inside belong to one
//! daemon, whereas Docker's directory of plugins is shared.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::control::store::{self, LINGER};

/// Bytes that fit `sun_path` (unix(7)), with room for the suffix of the temporary name.
const MAX_PATH: usize = 107 - SUFFIX.len();

/// What the temporary name ends in.
const SUFFIX: &str = ".new";

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A daemon answers there.
    #[error(
        "socket {} in use: another vswitch daemon ({}) serves it; stop that one or give another {option}", path.display(),
        pid.map_or_else(|| "unknown pid".to_owned(), |pid| format!("pid {pid}"))
    )]
    InUse {
        /// The socket.
        path: PathBuf,
        /// The other daemon.
        pid: Option<i32>,
        /// What names the socket.
        option: &'static str,
    },
    /// A daemon with another socket name uses the directory.
    #[error(
        "directory {} in use: another vswitch daemon has its socket there; put --socket into a directory of its own",
        directory.display()
    )]
    DirectoryInUse {
        /// The directory.
        directory: PathBuf,
    },
    /// Something that is no socket has the name.
    #[error("{}: exists and is not a socket; move it away or give another {option}", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
        /// What names the socket.
        option: &'static str,
    },
    /// The path cannot be the name of a socket.
    #[error("socket path {}: {why}; give another {option}", path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
        /// What names the socket.
        option: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file system refuses.
    #[error("cannot {what} {}: {source}; check the directory's owner and mode, or give another {option}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What names the socket.
        option: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// The file of a bound control socket, and its directory's lock. Dropping it removes the file.
#[derive(Debug)]
pub struct ControlSocket {
    file: SocketFile,
    /// Holds the lock.
    _directory: File,
}

impl ControlSocket {
    /// Makes the socket, and its directory if it is missing. The listener does not block.
    ///
    /// # Errors
    /// See [`SocketError`]; nothing was changed then, save that the directory may have been made.
    pub fn bind(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        let (file, listener, directory) = Place::new(path, "--socket")?.bind()?;
        Ok((
            Self {
                file,
                _directory: directory,
            },
            listener,
        ))
    }

    /// The directory of the socket.
    pub fn directory(&self) -> &Path {
        self.file.0.parent().unwrap_or_else(|| Path::new("."))
    }
}

/// The file of a bound socket. Dropping it removes the file.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl SocketFile {
    /// Makes a socket in a directory that others have theirs in, and the directory if it is missing. The listener does
    /// not block. `option` is what names the socket, for errors.
    ///
    /// # Errors
    /// As [`ControlSocket::bind`].
    pub fn bind(path: &Path, option: &'static str) -> Result<(Self, UnixListener), SocketError> {
        let (file, listener, _directory) = Place::new(path, option)?.bind()?;
        Ok((file, listener))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove a socket");
        }
    }
}

/// Where a socket shall be.
struct Place<'a> {
    path: &'a Path,
    directory: PathBuf,
    option: &'static str,
}

impl<'a> Place<'a> {
    /// A path that can be a socket's.
    fn new(path: &'a Path, option: &'static str) -> Result<Self, SocketError> {
        let bad = |why| SocketError::BadPath {
            path: path.to_owned(),
            option,
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
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Self {
            path,
            directory,
            option,
        })
    }

    fn failed(&self, what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SocketError {
        let (path, option) = (path.to_owned(), self.option);
        move |source| SocketError::Io {
            what,
            path,
            option,
            source,
        }
    }

    /// The socket, and its directory, locked.
    fn bind(&self) -> Result<(SocketFile, UnixListener, File), SocketError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&self.directory)
            .map_err(self.failed("make the directory", &self.directory))?;
        self.refuse_live()?;
        let locked = self.lock()?;
        let mut temporary = self.path.as_os_str().to_owned();
        temporary.push(SUFFIX);
        let temporary = PathBuf::from(temporary);
        remove(&temporary).map_err(self.failed("remove", &temporary))?;
        let listener =
            UnixListener::bind(&temporary).map_err(self.failed("make the socket", &temporary))?;
        let finish = || {
            listener.set_nonblocking(true)?;
            fs::set_permissions(&temporary, Permissions::from_mode(0o660))?;
            fs::rename(&temporary, self.path)
        };
        finish().map_err(|source| {
            if let Err(error) = remove(&temporary) {
                tracing::debug!(%error, "temporary socket left behind");
            }
            self.failed("make the socket", self.path)(source)
        })?;
        Ok((SocketFile(self.path.to_owned()), listener, locked))
    }

    fn lock(&self) -> Result<File, SocketError> {
        let directory = &self.directory;
        let opened = File::open(directory).map_err(self.failed("open the directory", directory))?;
        match store::lock(&opened) {
            Ok(()) => Ok(opened),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(SocketError::DirectoryInUse {
                directory: directory.clone(),
            }),
            Err(error) => Err(self.failed("lock the directory", directory)(error.into())),
        }
    }

    /// Refuses when a daemon answers at the path, or when it is not a socket at all. A program that a killed daemon was
    /// about to start has its socket for a moment more.
    fn refuse_live(&self) -> Result<(), SocketError> {
        let until = Instant::now() + LINGER;
        loop {
            match self.look() {
                Err(SocketError::InUse { pid: Some(pid), .. })
                    if is_gone(pid) && Instant::now() < until =>
                {
                    thread::sleep(Duration::from_millis(10));
                }
                done => return done,
            }
        }
    }

    fn look(&self) -> Result<(), SocketError> {
        let (path, option) = (self.path, self.option);
        let failed = |source| self.failed("look at", path)(source);
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.file_type().is_socket() => {}
            Ok(_) => {
                return Err(SocketError::NotASocket {
                    path: path.to_owned(),
                    option,
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
                option,
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
}

/// Whether the process has ended.
fn is_gone(pid: i32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
