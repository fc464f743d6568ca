//! Frames on their way out: gathered per port while a batch is forwarded, sent at its end.
//!
//! Gathering keeps the order of frames for each port, lets a port send many in one call, and
//! copies nothing: the outbox holds numbers of frames in the batch.

use super::frame::is_superframe;
use super::offload::{self, Scratch};
use super::snapshot::PortView;
use super::{EventSender, Frame, Snapshot, SwitchEvent};
use crate::port::{Batch, MAX_BATCH, PortId, PortState, SendReport};

/// The frames of one batch, by the port that they leave through.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// By port number: frames in the batch. A batch has fewer than 256.
    queues: Vec<Vec<u8>>,
    /// Ports whose queue is not empty.
    busy: Vec<PortId>,
    scratch: Scratch,
}

impl Outbox {
    /// Queues frame `index` of the batch for a port.
    #[inline]
    pub(super) fn push(&mut self, port: PortId, index: u8) {
        if self.queues.len() <= port.index() {
            self.queues
                .resize_with(port.index() + 1, || Vec::with_capacity(MAX_BATCH));
        }
        let queue = &mut self.queues[port.index()];
        if queue.is_empty() {
            self.busy.push(port);
        }
        queue.push(index);
    }

    /// Sends everything. Counts for `worker`.
    pub(super) fn flush(
        &mut self,
        batch: &Batch,
        snapshot: &Snapshot,
        worker: usize,
        events: &EventSender,
    ) {
        for id in self.busy.drain(..) {
            let queue = &mut self.queues[id.index()];
            // The verdicts came from this very snapshot, so the port is in it.
            if let Some(port) = snapshot.port(id) {
                let mut report = SendReport::default();
                send(port, batch, queue, &mut self.scratch, &mut report);
                debug_assert_eq!(
                    report.accounted(),
                    queue.len() as u64,
                    "a port accounts for every frame that it is given"
                );
                port.counters.of(worker).sent(&report);
                notice(port, &report, events);
            }
            queue.clear();
        }
    }
}

/// Sends the queued frames of one port in order: as they are where the port takes over what they
/// need, else completed or segmented.
fn send(
    port: &PortView,
    batch: &Batch,
    queue: &[u8],
    scratch: &mut Scratch,
    report: &mut SendReport,
) {
    let mut ready: [&[u8]; MAX_BATCH] = [&[]; MAX_BATCH];
    let mut waiting = 0;
    for &index in queue {
        let bytes = batch.get(usize::from(index));
        let header = Frame::new(bytes).offload();
        if port.offload.contains(header.required()) {
            if is_superframe(&header) || offload::fits(bytes, port.mtu()) {
                ready[waiting] = bytes;
                waiting += 1;
            } else {
                report.too_long += 1;
            }
        } else {
            port.tx.send(&ready[..waiting], report);
            waiting = 0;
            offload::send(port, bytes, scratch, report);
        }
    }
    if waiting > 0 {
        port.tx.send(&ready[..waiting], report);
    }
}

/// Reports a change of the port's state, once.
#[inline]
pub(super) fn notice(port: &PortView, report: &SendReport, events: &EventSender) {
    if report.gone > 0 {
        if port.state.enter(PortState::Gone) {
            events.tell(SwitchEvent::PortGone(port.id));
        }
    } else if report.down > 0 {
        if port.state.enter(PortState::Down) {
            events.tell(SwitchEvent::PortDown(port.id));
        }
    } else if report.frames > 0
        && port.state.get() == PortState::Down
        && port.state.enter(PortState::Up)
    {
        events.tell(SwitchEvent::PortUp(port.id));
    }
}
