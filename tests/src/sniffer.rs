//! What a wire carries: every frame that comes into a sandbox, whoever it is for.
//!
//! The witness is `tcpdump`, in promiscuous mode and for the incoming direction only, and this reads
//! its capture as it grows. Two reasons not to open a packet socket: the kernel takes VLAN tags
//! out of the frame before a packet socket sees it, and a packet socket sees what the sandbox sends as
//! well; `tcpdump` mends both.
//!
//! That something did *not* come is shown without waiting: the same sender sends a marker afterwards.
//! The switch keeps the order of one sender's frames, so what has not come before the marker never will.

use crate::{Must, Sandbox, deadline::SOON, frames};
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};
use vswitch_wire::MacAddr;

/// Longer frames are cut off here.
pub const LONGEST: usize = 2000;

/// Frames as they came.
#[derive(Debug, Default)]
struct Tape {
    frames: Mutex<Vec<Vec<u8>>>,
    came: Condvar,
}

impl Tape {
    fn frames(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A capture that is running.
#[derive(Debug)]
pub struct Sniffer {
    name: String,
    tcpdump: Child,
    tape: Arc<Tape>,
}

impl Sniffer {
    /// Captures what comes in on the sandbox's first interface, from now on.
    ///
    /// # Panics
    /// When `tcpdump` does not start.
    #[track_caller]
    #[must_use]
    pub fn start(sandbox: &Sandbox) -> Self {
        let ifname = &sandbox.nic().ifname;
        let mut tcpdump = sandbox.spawn(
            Command::new("tcpdump")
                .args(["-i", ifname, "-Q", "in", "-n"])
                // A ring of fixed places, each as long as a frame may be: with the default length it has
                // eight of them, with this one two thousand.
                .args(["-s", &LONGEST.to_string(), "-B", "4096"])
                // Written at once; and the user stays, as there may be no other in a user namespace.
                .args(["-U", "--immediate-mode", "-Z", "root", "-w", "-"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        );
        let name = format!("{}/{ifname}", sandbox.name);
        let stderr = tcpdump.stderr.take().must("tcpdump's stderr");
        let stdout = tcpdump.stdout.take().must("tcpdump's stdout");
        wait_listening(BufReader::new(stderr), &name);
        let tape = Arc::new(Tape::default());
        let writer = Arc::clone(&tape);
        // It ends with tcpdump.
        thread::spawn(move || record(BufReader::new(stdout), &writer));
        Self {
            name,
            tcpdump,
            tape,
        }
    }

    /// All that has come so far.
    #[must_use]
    pub fn so_far(&self) -> Vec<Vec<u8>> {
        self.tape.frames().clone()
    }

    /// Waits for the first frame of which `wanted` is true.
    ///
    /// # Panics
    /// With `what` when it does not come.
    #[track_caller]
    pub fn expect(&self, what: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let end = Instant::now() + SOON;
        let mut frames = self.tape.frames();
        let mut looked_at = 0;
        loop {
            if let Some(found) = frames[looked_at..].iter().find(|frame| wanted(frame)) {
                return found.clone();
            }
            looked_at = frames.len();
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{}: {what} does not come; what came: {:?}",
                self.name,
                frames.iter().map(|frame| shown(frame)).collect::<Vec<_>>()
            );
            let waited = self.tape.came.wait_timeout(frames, left);
            frames = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for exactly this frame.
    #[track_caller]
    pub fn expect_frame(&self, frame: &[u8]) {
        self.expect(&shown(frame), |seen| seen == frame);
    }

    /// Waits for the marker; gives the frames of the test type that came before it.
    #[track_caller]
    #[must_use]
    pub fn until(&self, marker: &[u8]) -> Vec<Vec<u8>> {
        self.expect_frame(marker);
        let frames = self.tape.frames();
        (frames.iter())
            .take_while(|frame| *frame != marker)
            .filter(|frame| frames::is_test(frame))
            .cloned()
            .collect()
    }

    /// How often a frame came before the marker.
    #[track_caller]
    #[must_use]
    pub fn count_until(&self, frame: &[u8], marker: &[u8]) -> usize {
        let before = self.until(marker);
        before.iter().filter(|seen| *seen == frame).count()
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        let _killed = self.tcpdump.kill();
        let _reaped = self.tcpdump.wait();
    }
}

/// A frame for messages: addresses, type, the beginning of what is in it.
#[must_use]
pub fn shown(frame: &[u8]) -> String {
    let address = |at: usize| {
        (frame.get(at..at + 6))
            .and_then(|bytes| <[u8; 6]>::try_from(bytes).ok())
            .map_or_else(|| "?".to_owned(), |bytes| MacAddr::new(bytes).to_string())
    };
    let rest = frame.get(12..frame.len().min(40)).unwrap_or_default();
    format!(
        "{} > {} {} ({} bytes)",
        address(6),
        address(0),
        rest.escape_ascii(),
        frame.len()
    )
}

/// The socket is open, and what comes from now on is seen, when tcpdump says that it is listening.
#[track_caller]
fn wait_listening(mut stderr: impl BufRead + Send + 'static, name: &str) {
    let mut said = String::new();
    while !said.contains("listening on") {
        let read = stderr.read_line(&mut said).must("tcpdump's stderr");
        assert!(read > 0, "{name}: tcpdump does not start: {said}");
    }
    // Its summary at the end must not meet a closed pipe.
    thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
}

/// Reads a capture in the classic format of libpcap, in the machine's own byte order.
fn record(mut capture: impl Read, tape: &Tape) {
    let mut header = [0; 24];
    if capture.read_exact(&mut header).is_err() {
        return;
    }
    let mut record = [0; 16];
    // Ends with the stream.
    while capture.read_exact(&mut record).is_ok() {
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = record;
        let Ok(length) = usize::try_from(u32::from_ne_bytes([a, b, c, d])) else {
            return;
        };
        let mut frame = vec![0; length];
        if capture.read_exact(&mut frame).is_err() {
            return;
        }
        tape.frames().push(frame);
        tape.came.notify_all();
    }
}
