//! Where the desired state is kept: two files, of which one is whole whatever happens.
//!
//! `state` is the newest state and `state.previous` the one before. A new one is written beside them, made durable, and
//! only then takes the place of `state` in one step, so that a killed daemon leaves the old state or the new one. Each
//! file is one line that says how long the rest is and what its CRC-32 is, and then the JSON: bits that flipped or an
//! end that is missing are noticed, and the start goes on with the state before the last change, and says so. What cannot be
//! read is kept under another name, for whoever wants to know.
//!
//! The state is small (a few hundred bytes for each endpoint) and changes with commands, not with frames, so it is written as
//! a whole each time.
//!
//! A lock on the directory keeps a second daemon out.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, flock};

use super::ControlError;

/// First word of a state file; the second is the version of its form.
const MAGIC: &str = "vswitch-state 1";

/// How long what a killed daemon held may be held on.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

const NEWEST: &str = "state";
const PREVIOUS: &str = "state.previous";
const NEXT: &str = "state.next";

/// The directory with the state files.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    /// What the newest file holds, so that nothing is written when nothing has changed.
    last: Option<Vec<u8>>,
    /// Held for the lock.
    _lock: File,
}

/// What was found at the start.
#[derive(Debug, Default)]
pub struct Found {
    /// The state, unless there is none yet.
    pub state: Option<Vec<u8>>,
    /// What was damaged, one line each, and what was done about it.
    pub damage: Vec<String>,
}

impl Store {
    /// Opens the directory, which is made when it is missing, and reads what is there. Damaged files never stop this.
    ///
    /// # Errors
    /// Unavailable: another daemon has the directory, or it cannot be used.
    pub fn open(directory: &Path) -> Result<(Self, Found), ControlError> {
        let refused = |what: &str, error: &io::Error| {
            ControlError::unavailable(format!(
                "state directory {}: cannot {what}: {error}; give another one with --state-dir, or start with --ephemeral",
                directory.display()
            ))
        };
        fs::create_dir_all(directory).map_err(|error| refused("make it", &error))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join("lock"))
            .map_err(|error| refused("write there", &error))?;
        self::lock(&lock).map_err(|error| {
            if error == rustix::io::Errno::WOULDBLOCK {
                ControlError::conflict(format!(
                    "state directory {}: another daemon uses it; stop that one, or give another --state-dir",
                    directory.display()
                ))
            } else {
                refused("lock it", &error.into())
            }
        })?;
        let mut store = Self {
            directory: directory.to_owned(),
            last: None,
            _lock: lock,
        };
        let found = store.read();
        store.last.clone_from(&found.state);
        Ok((store, found))
    }

    /// The newest whole state.
    fn read(&mut self) -> Found {
        let mut found = Found::default();
        for name in [NEWEST, PREVIOUS] {
            let path = self.directory.join(name);
            match load(&path) {
                Ok(Some(state)) => {
                    if !found.damage.is_empty() {
                        found.damage.push(format!(
                            "state file {}: whole; started with the state before the last change",
                            path.display()
                        ));
                    }
                    found.state = Some(state);
                    return found;
                }
                Ok(None) => {}
                Err(why) => {
                    let kept = self.directory.join(format!("{name}.damaged"));
                    let moved = fs::rename(&path, &kept);
                    let kept = moved.map_or_else(
                        |error| format!("and cannot be put aside: {error}"),
                        |()| format!("kept as {}", kept.display()),
                    );
                    found
                        .damage
                        .push(format!("state file {}: {why}; {kept}", path.display()));
                }
            }
        }
        if !found.damage.is_empty() {
            found
                .damage
                .push("no whole state file is left: started with nothing".to_owned());
        }
        found
    }

    /// Makes this the newest state; does nothing if it is already.
    ///
    /// # Errors
    /// Unavailable: no room, or no right to. The state before is untouched then.
    pub fn save(&mut self, state: &[u8]) -> Result<(), ControlError> {
        if self.last.as_deref() == Some(state) {
            return Ok(());
        }
        self.write(state).map_err(|error| {
            ControlError::unavailable(format!(
                "state directory {}: cannot keep the state: {error}; make room there, else a restart begins with an older state",
                self.directory.display()
            ))
        })?;
        self.last = Some(state.to_owned());
        Ok(())
    }

    fn write(&self, state: &[u8]) -> io::Result<()> {
        let path = |name: &str| self.directory.join(name);
        let mut file = File::create(path(NEXT))?;
        file.write_all(header(state).as_bytes())?;
        file.write_all(state)?;
        file.sync_all()?;
        drop(file);
        // A second name for the old one before the new one takes the first: there is always a `state`.
        match fs::remove_file(path(PREVIOUS)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        match fs::hard_link(path(NEWEST), path(PREVIOUS)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::rename(path(NEXT), path(NEWEST))?;
        File::open(&self.directory)?.sync_all()
    }
}

/// Locks a file or a directory against other daemons. One that was killed while it started a program may hold its lock
/// until that program begins, some milliseconds later: so the refusal takes a moment.
///
/// # Errors
/// `WOULDBLOCK`: another daemon has it.
pub(crate) fn lock(file: &File) -> rustix::io::Result<()> {
    let until = Instant::now() + LINGER;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
}

fn header(state: &[u8]) -> String {
    format!("{MAGIC} {} {:08x}\n", state.len(), crc32fast::hash(state))
}

/// The state in a file; none when there is no file.
fn load(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (first, state) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
    // The line is made again from what follows: every bit of it is checked so.
    if first == header(state).as_bytes() {
        return Ok(Some(state.to_vec()));
    }
    let known = first.starts_with(format!("{MAGIC} ").as_bytes());
    Err(if known {
        "damaged (length or checksum is wrong)".to_owned()
    } else {
        "damaged, or written by another version of vswitch".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[u8] = br#"{"networks":["old"]}"#;
    const NEW: &[u8] = br#"{"networks":["old","new"]}"#;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn open(directory: &Path) -> (Store, Found) {
        Store::open(directory).unwrap()
    }

    #[test]
    fn what_was_saved_last_is_found() {
        let at = directory();
        let (mut store, found) = open(at.path());
        assert!(found.state.is_none() && found.damage.is_empty());
        store.save(OLD).unwrap();
        store.save(NEW).unwrap();
        drop(store);
        let (_, found) = open(at.path());
        assert_eq!(found.state.as_deref(), Some(NEW));
        assert!(found.damage.is_empty());
    }

    #[test]
    fn the_same_state_is_not_written_again() {
        let at = directory();
        let (mut store, _) = open(at.path());
        store.save(OLD).unwrap();
        store.save(NEW).unwrap();
        store.save(NEW).unwrap();
        let previous = fs::read(at.path().join(PREVIOUS)).unwrap();
        assert!(previous.ends_with(OLD), "the state before is kept");
    }

    #[test]
    fn a_second_daemon_is_refused() {
        let at = directory();
        let (store, _) = open(at.path());
        let error = Store::open(at.path()).unwrap_err();
        assert!(error.message.contains("another daemon"), "{error}");
        drop(store);
        open(at.path());
    }

    /// Each case: what becomes of the two files, and what the start has to find.
    fn after(damage: impl FnOnce(&Path)) -> Found {
        let at = directory();
        let (mut store, _) = open(at.path());
        store.save(OLD).unwrap();
        store.save(NEW).unwrap();
        drop(store);
        damage(at.path());
        let (mut store, found) = open(at.path());
        store.save(b"{}").unwrap();
        drop(store);
        assert_eq!(open(at.path()).1.state.as_deref(), Some(&b"{}"[..]));
        found
    }

    #[test]
    fn any_bit_and_any_length_of_the_newest_gives_the_state_before() {
        let whole = [header(NEW).as_bytes(), NEW].concat();
        for position in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[position] ^= 1 << bit;
                let found = after(|at| fs::write(at.join(NEWEST), &flipped).unwrap());
                assert_eq!(
                    found.state.as_deref(),
                    Some(OLD),
                    "byte {position} bit {bit}"
                );
                assert_eq!(found.damage.len(), 2, "{:?}", found.damage);
            }
            let cut = &whole[..position];
            let found = after(|at| fs::write(at.join(NEWEST), cut).unwrap());
            assert_eq!(found.state.as_deref(), Some(OLD), "cut at {position}");
        }
    }

    #[test]
    fn the_steps_of_a_write_that_was_cut_short() {
        // The new file was begun, or is whole but has not taken the place yet.
        let found = after(|at| fs::write(at.join(NEXT), b"vswitch-st").unwrap());
        assert_eq!(found.state.as_deref(), Some(NEW));
        // The previous one was removed already.
        let found = after(|at| fs::remove_file(at.join(PREVIOUS)).unwrap());
        assert_eq!(found.state.as_deref(), Some(NEW));
        assert!(found.damage.is_empty());
        // Somebody removed the newest.
        let found = after(|at| fs::remove_file(at.join(NEWEST)).unwrap());
        assert_eq!(found.state.as_deref(), Some(OLD));
    }

    #[test]
    fn with_nothing_whole_the_start_is_empty_and_the_damage_is_kept() {
        let found = after(|at| {
            fs::write(at.join(NEWEST), b"x").unwrap();
            fs::write(at.join(PREVIOUS), b"").unwrap();
        });
        assert!(found.state.is_none());
        assert_eq!(found.damage.len(), 3, "{:?}", found.damage);
        assert!(found.damage[0].contains("state.damaged"));
    }
}
