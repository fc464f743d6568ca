//! `vswitch monitor` running beside a test.

use crate::{Lab, Must, deadline::SOON, eventually};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Child, ExitStatus},
    sync::mpsc::{self, Receiver},
    thread,
};

/// The events since its start.
#[derive(Debug)]
pub struct Monitor {
    child: Child,
    events: Receiver<Value>,
    /// Taken from `events`.
    seen: Vec<Value>,
}

impl Monitor {
    /// Follows the events of a lab, from the next one on.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(lab: &Lab) -> Self {
        let mut child = lab
            .command(&["--json", "monitor"])
            .spawn()
            .must("vswitch monitor");
        let stdout = BufReader::new(child.stdout.take().must("its stdout"));
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        let mut monitor = Self {
            child,
            events,
            seen: Vec::new(),
        };
        // It does not say when it listens: so something happens until it tells of it.
        eventually(SOON, "the monitor listens", || {
            lab.cli(&["sandbox", "create", "probe"]).done();
            lab.cli(&["sandbox", "rm", "probe"]).done();
            (!monitor.so_far().is_empty()).then_some(())
        });
        monitor
    }

    /// All events so far.
    pub fn so_far(&mut self) -> &[Value] {
        self.seen.extend(self.events.try_iter());
        &self.seen
    }

    /// Waits for the first event of a kind of which `wanted` is true.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn expect(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = crate::deadline::within(SOON, || {
            let events = self.so_far();
            (events.iter())
                .find(|event| event["type"] == kind && wanted(event))
                .cloned()
        });
        found.unwrap_or_else(|| panic!("no {kind} among {:#?}", self.seen))
    }

    /// Waits for its end, which comes when the daemon's does.
    ///
    /// # Panics
    /// When it goes on.
    #[must_use]
    pub fn end(mut self) -> ExitStatus {
        eventually(SOON, "the monitor ends", || self.child.try_wait().ok()?)
    }

    /// How many events of a kind have come so far.
    pub fn count(&mut self, kind: &str) -> usize {
        let events = self.so_far();
        events.iter().filter(|event| event["type"] == kind).count()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}
