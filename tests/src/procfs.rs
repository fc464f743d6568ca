//! A process as `/proc` shows it: what it holds and what it costs.

use crate::Must;
use std::{collections::BTreeMap, ffi::OsString, fs, path::Path};

/// A running process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    fn read(self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).must(&path)
    }

    fn field(self, name: &str) -> u64 {
        let status = self.read("status");
        (status.lines().find_map(|line| line.strip_prefix(name)))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .must(name)
    }

    /// Open descriptors.
    #[must_use]
    pub fn descriptors(self) -> usize {
        let path = format!("/proc/{}/fd", self.0);
        fs::read_dir(&path).must(&path).count()
    }

    /// Open descriptors that are no sockets: those of the control socket's visitors close some time
    /// after the visit.
    ///
    /// # Panics
    /// When there is no such process.
    #[track_caller]
    #[must_use]
    pub fn held(self) -> usize {
        let path = format!("/proc/{}/fd", self.0);
        (fs::read_dir(&path).must(&path).flatten())
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .filter(|target| !target.to_string_lossy().starts_with("socket:"))
            .count()
    }

    /// Threads.
    #[must_use]
    pub fn threads(self) -> u64 {
        self.field("Threads:")
    }

    /// How often each of its threads has gone to sleep so far: one that is woken goes to sleep again.
    ///
    /// # Panics
    /// When there is no such process.
    #[track_caller]
    #[must_use]
    pub fn sleeps(self) -> Sleeps {
        const NAME: &str = "voluntary_ctxt_switches:";
        let path = format!("/proc/{}/task", self.0);
        // A thread may end meanwhile.
        let threads = (fs::read_dir(&path).must(&path).flatten()).filter_map(|task| {
            let status = fs::read_to_string(task.path().join("status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix(NAME))?;
            Some((task.file_name(), line.trim().parse().ok()?))
        });
        Sleeps(threads.collect())
    }

    /// Resident memory in KiB.
    #[must_use]
    pub fn resident(self) -> u64 {
        self.field("VmRSS:")
    }

    /// Processor time spent so far, user and system, in clock ticks (1/100 s on every Linux of today).
    #[must_use]
    pub fn ticks(self) -> u64 {
        let stat = self.read("stat");
        // The name in parentheses may hold blanks; utime and stime are the 14th and 15th field.
        let (_, rest) = stat.rsplit_once(')').must("fields of /proc/PID/stat");
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |index: usize| -> u64 {
            fields
                .get(index)
                .and_then(|field| field.parse().ok())
                .must("a number in /proc/PID/stat")
        };
        number(11) + number(12)
    }
}

/// How often threads have gone to sleep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sleeps(BTreeMap<OsString, u64>);

impl Sleeps {
    /// How often since then, all threads together.
    #[must_use]
    pub fn since(&self, before: &Self) -> u64 {
        let of = |(thread, now): (&OsString, &u64)| now - before.0.get(thread).unwrap_or(&0);
        self.0.iter().map(of).sum()
    }
}

/// Processes that have `needle` on their command line, other than this one.
#[must_use]
pub fn with_argument(needle: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").must("/proc");
    let own = std::process::id().to_string();
    (all.flatten())
        .filter_map(|entry| {
            let pid = entry.file_name().into_string().ok()?;
            let first = pid.chars().next()?;
            (first.is_ascii_digit() && pid != own).then_some(pid)
        })
        .filter_map(|pid| {
            // One that has ended meanwhile is not there.
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(needle).then(|| format!("{pid} {line}"))
        })
        .collect()
}

/// Mount points at or below `dir` in this process's mount namespace.
#[must_use]
pub fn mounts_below(dir: &Path) -> Vec<String> {
    mounts_of("self", dir)
}

/// Mount points at or below `dir` in the mount namespace of a process.
pub(crate) fn mounts_of(pid: &str, dir: &Path) -> Vec<String> {
    let path = format!("/proc/{pid}/mountinfo");
    let table = fs::read_to_string(&path).must(&path);
    (table.lines())
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|point| Path::new(point).starts_with(dir))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        let own = Process(std::process::id());
        assert!(own.descriptors() >= 3);
        assert!(own.threads() >= 1);
        assert!(own.resident() > 100);
        let before = own.ticks();
        crate::eventually(crate::deadline::SOON, "a tick of work", || {
            (own.ticks() > before).then_some(())
        });
    }

    #[test]
    fn mounts_are_found_by_whole_names() {
        assert!(mounts_below(Path::new("/")).len() > 1);
        assert!(mounts_below(Path::new("/pro")).is_empty());
        assert!(!mounts_below(Path::new("/proc")).is_empty());
    }
}
