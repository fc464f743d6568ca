//! `tcpdump` as the witness: a process whose capture is read as it grows.
//!
//! Two reasons not to open a packet socket instead: the kernel takes VLAN tags out of the frame before a
//! packet socket sees it, and a packet socket sees what the host sends as well; `tcpdump` mends both.
//!
//! Its stream is the classic format of libpcap in the machine's own byte order: a header of 24 bytes, and
//! before each frame 16 bytes with time, captured length and length on the wire.
//!
//! Threads: one reads the stream, one the messages; both end with the process, and that ends with the
//! value, also when a test panics.

use crate::{Must, Sandbox, deadline::SOON, sniffer::shown};
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Instant,
};

/// Bytes of the header of a capture.
pub(crate) const FILE_HEADER: usize = 24;
/// Bytes in front of each frame of a capture.
const RECORD_HEADER: usize = 16;

/// What is captured and how much of it.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `-Q`: `in`, `out` or `inout`.
    pub(crate) direction: &'static str,
    /// Longer frames are cut off here. The kernel's ring has a place of this length for each frame: with
    /// the default length it has eight of them, with 2000 bytes two thousand.
    pub(crate) longest: usize,
    /// KiB of the kernel's ring.
    pub(crate) ring: u32,
    /// It ends of itself after so many frames.
    pub(crate) limit: Option<u32>,
    /// A filter expression (pcap-filter(7)); all when empty.
    pub(crate) filter: String,
}

/// A captured frame.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Time and lengths, as in the stream.
    pub(crate) header: [u8; RECORD_HEADER],
    /// The frame.
    pub(crate) frame: Vec<u8>,
}

impl Record {
    fn number(&self, at: usize) -> usize {
        let bytes = self.header[at..].first_chunk().copied();
        bytes.map_or(0, |bytes| {
            usize::try_from(u32::from_ne_bytes(bytes)).unwrap_or(usize::MAX)
        })
    }

    /// Bytes that were on the wire but are not here.
    pub(crate) fn missing(&self) -> usize {
        self.number(12).saturating_sub(self.number(8))
    }
}

/// Frames as they came.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    /// The header of the stream.
    pub(crate) header: Vec<u8>,
    /// In the order in which they passed.
    pub(crate) records: Vec<Record>,
    /// The stream has ended.
    ended: bool,
}

#[derive(Debug, Default)]
struct Tape {
    recording: Mutex<Recording>,
    grew: Condvar,
}

impl Tape {
    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A capture that is running.
#[derive(Debug)]
pub(crate) struct Tcpdump {
    name: String,
    process: Child,
    tape: Arc<Tape>,
    messages: Option<JoinHandle<String>>,
}

impl Tcpdump {
    /// Captures on the sandbox's first interface, from now on.
    #[track_caller]
    pub(crate) fn start(sandbox: &Sandbox, settings: &Settings) -> Self {
        let ifname = &sandbox.nic().ifname;
        let mut command = Command::new("tcpdump");
        command
            .args(["-i", ifname, "-n", "-Q", settings.direction])
            .args(["-s", &settings.longest.to_string()])
            .args(["-B", &settings.ring.to_string()])
            // Written at once; and the user stays, as there may be no other in a user namespace.
            .args(["-U", "--immediate-mode", "-Z", "root", "-w", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(limit) = settings.limit {
            command.args(["-c", &limit.to_string()]);
        }
        if !settings.filter.is_empty() {
            command.arg(&settings.filter);
        }
        let mut process = sandbox.spawn(&mut command);
        let name = format!("{}/{ifname}", sandbox.name);
        let stderr = BufReader::new(process.stderr.take().must("tcpdump's stderr"));
        let stdout = BufReader::new(process.stdout.take().must("tcpdump's stdout"));
        let messages = wait_listening(stderr, &name);
        let tape = Arc::new(Tape::default());
        let writer = Arc::clone(&tape);
        thread::spawn(move || record(stdout, &writer));
        Self {
            name,
            process,
            tape,
            messages: Some(messages),
        }
    }

    /// All that has come so far.
    pub(crate) fn so_far(&self) -> MutexGuard<'_, Recording> {
        self.tape.recording()
    }

    /// Waits for the first frame of which `wanted` is true; `None` when the capture has ended without it.
    #[track_caller]
    pub(crate) fn expect(&self, what: &str, wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let end = Instant::now() + SOON;
        let mut recording = self.tape.recording();
        let mut looked_at = 0;
        loop {
            let new = recording.records[looked_at..].iter();
            if let Some(found) = new.map(|record| &record.frame).find(|frame| wanted(frame)) {
                return Some(found.clone());
            }
            if recording.ended {
                return None;
            }
            looked_at = recording.records.len();
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{}: {what} does not come; what came: {:#?}",
                self.name,
                (recording.records.iter())
                    .map(|record| shown(&record.frame))
                    .collect::<Vec<_>>()
            );
            let waited = self.tape.grew.wait_timeout(recording, left);
            recording = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends it: how many frames it says the kernel's ring had no room for.
    #[track_caller]
    pub(crate) fn stop(mut self) -> u64 {
        // Its own way to end, with the figures.
        crate::daemon::terminate(self.process.id());
        let messages = self.messages.take().must("messages");
        let said = messages.join().unwrap_or_default();
        self.process.wait().must("tcpdump's end");
        dropped(&said).must(&format!("tcpdump's figures in {said:?}"))
    }
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// From `N packets dropped by kernel`.
fn dropped(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("dropped by kernel"));
    line?.split_whitespace().next()?.parse().ok()
}

/// The socket is open, and what comes from now on is seen, when tcpdump says that it is listening. What it
/// says later is gathered: its summary at the end must not meet a closed pipe.
#[track_caller]
fn wait_listening(mut stderr: impl BufRead + Send + 'static, name: &str) -> JoinHandle<String> {
    let mut said = String::new();
    while !said.contains("listening on") {
        let read = stderr.read_line(&mut said).must("tcpdump's stderr");
        assert!(read > 0, "{name}: tcpdump does not start: {said}");
    }
    thread::spawn(move || {
        let mut rest = String::new();
        let _read = stderr.read_to_string(&mut rest);
        rest
    })
}

fn record(mut stream: impl Read, tape: &Tape) {
    let mut file_header = [0; FILE_HEADER];
    if stream.read_exact(&mut file_header).is_ok() {
        tape.recording().header = file_header.to_vec();
        // Ends with the stream.
        while let Some(record) = next(&mut stream) {
            tape.recording().records.push(record);
            tape.grew.notify_all();
        }
    }
    tape.recording().ended = true;
    tape.grew.notify_all();
}

fn next(stream: &mut impl Read) -> Option<Record> {
    let mut header = [0; RECORD_HEADER];
    stream.read_exact(&mut header).ok()?;
    let mut record = Record {
        header,
        frame: Vec::new(),
    };
    record.frame = vec![0; record.number(8)];
    stream.read_exact(&mut record.frame).ok()?;
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_stream_frame_by_frame_and_knows_what_was_cut() {
        let mut stream = vec![0; FILE_HEADER];
        for (captured, length) in [(3u32, 3u32), (2, 7)] {
            stream.extend([0; 8]);
            stream.extend(captured.to_ne_bytes());
            stream.extend(length.to_ne_bytes());
            stream.extend(vec![9; usize::try_from(captured).unwrap_or(0)]);
        }
        let tape = Tape::default();
        record(&stream[..], &tape);
        let recording = tape.recording();
        let lengths: Vec<_> = (recording.records.iter())
            .map(|record| (record.frame.len(), record.missing()))
            .collect();
        assert_eq!(lengths, [(3, 0), (2, 5)]);
        assert!(recording.ended);
    }

    #[test]
    fn the_figures_at_the_end_are_understood() {
        let said =
            "7 packets captured\n9 packets received by filter\n2 packets dropped by kernel\n";
        assert_eq!(dropped(said), Some(2));
        assert_eq!(dropped("tcpdump: no such device\n"), None);
    }
}
