//! What a wire carries: every frame that comes into a sandbox, whoever it is for.
//!
//! That something did *not* come is shown without waiting: the same sender sends a marker afterwards.
//! The switch keeps the order of one sender's frames, so what has not come before the marker never will.

use crate::{
    Must, Sandbox, frames,
    tcpdump::{Settings, Tcpdump},
};
use vswitch_wire::MacAddr;

/// Longer frames are cut off here.
pub const LONGEST: usize = 2000;

/// A capture that is running.
#[derive(Debug)]
pub struct Sniffer {
    tcpdump: Tcpdump,
}

impl Sniffer {
    /// Captures what comes in on the sandbox's first interface, from now on.
    ///
    /// # Panics
    /// When `tcpdump` does not start.
    #[track_caller]
    #[must_use]
    pub fn start(sandbox: &Sandbox) -> Self {
        let settings = Settings {
            direction: "in",
            longest: LONGEST,
            ring: 4096,
            limit: None,
            filter: String::new(),
        };
        Self {
            tcpdump: Tcpdump::start(sandbox, &settings),
        }
    }

    /// All that has come so far.
    #[must_use]
    pub fn so_far(&self) -> Vec<Vec<u8>> {
        let recording = self.tcpdump.so_far();
        let records = recording.records.iter();
        records.map(|record| record.frame.clone()).collect()
    }

    /// Waits for the first frame of which `wanted` is true.
    ///
    /// # Panics
    /// With `what` when it does not come.
    #[track_caller]
    pub fn expect(&self, what: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        self.tcpdump.expect(what, wanted).must("tcpdump runs on")
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
        (self.so_far().into_iter())
            .take_while(|frame| frame != marker)
            .filter(|frame| frames::is_test(frame))
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
