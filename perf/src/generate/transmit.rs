//! A transmitter: a thread that puts frames into a host's interface.
//!
//! Frames leave in batches (`sendmmsg`), past the queueing discipline: the driver's answer is heard. A TAP whose
//! ring is full, or a veth whose peer has too much to do, refuses a frame with ENOBUFS. Such a frame was offered
//! and is lost, as one is that reaches the full queue of a switch's port over a wire; it counts as lost, and also
//! as `refused`, which tells where. No frame is ever offered a second time on purpose, or nothing would be
//! lost by a slow switch and every one would look perfect.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use vswitch::sys::VNET_HDR_LEN;
use vswitch::sys::packet::{Gathered, PacketSocket, SEND_BATCH};

use super::frame::{self, FrameSize, HEAD, Label};
use super::pace::Pacer;
use super::plan::{Transmitter, Until};
use crate::interrupt;

/// What a transmitter did.
#[derive(Debug)]
pub(super) struct Sent {
    /// Frames offered.
    pub(super) offered: u64,
    /// Of these, refused by the interface: of each stream.
    pub(super) refused: Vec<u64>,
    /// When it began, in ns of the trial's clock.
    pub(super) start: u64,
    /// When it ended.
    pub(super) end: u64,
}

impl Sent {
    /// Frames of one of the streams that were offered: they took turns.
    pub(super) fn of_stream(&self, place: usize) -> u64 {
        let (streams, place) = (self.refused.len() as u64, place as u64);
        (self.offered + streams - 1).saturating_sub(place) / streams.max(1)
    }
}

/// What all threads of a trial share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) number: u32,
    pub(super) size: FrameSize,
    /// Every stamp is the time since this.
    pub(super) clock: Instant,
}

impl Trial {
    /// Now, in ns of the trial's clock.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Sends until it is time to end. The first of its streams has this number. Starts with all the others.
pub(super) fn transmit(
    socket: &PacketSocket,
    plan: &Transmitter,
    first: u32,
    trial: &Trial,
    together: &Barrier,
) -> Result<Sent> {
    let padding = vec![0; trial.size.on_interface() - HEAD];
    let mut heads = [[0; HEAD]; SEND_BATCH];
    let mut pacer = Pacer::new(plan.pace);
    let precise = super::wake_precisely();
    // Also after a failure, or the others would wait for ever.
    together.wait();
    precise?;
    let start = trial.now();
    let mut sent = Sent {
        offered: 0,
        refused: vec![0; plan.streams.len()],
        start,
        end: start,
    };
    loop {
        let now = trial.now();
        let elapsed = Duration::from_nanos(now - start);
        sent.end = now;
        let rest = remaining(plan.until, elapsed, sent.offered);
        if rest == 0 || interrupt::check().is_err() {
            return Ok(sent);
        }
        let due = pacer.due(elapsed).min(rest).min(SEND_BATCH as u64);
        if due == 0 {
            std::thread::sleep(pause(plan.until, &pacer, elapsed));
            continue;
        }
        let mut count = 0;
        for (head, number) in heads.iter_mut().zip(sent.offered..sent.offered + due) {
            *head = next(plan, first, number, trial.number, now);
            count += 1;
        }
        let offered = offer(socket, &heads[..count], &padding, &mut sent)?;
        pacer.sent(offered);
        if offered == 0 {
            // The socket's own buffer is full, which the interface empties.
            std::thread::yield_now();
        }
    }
}

/// Frames that may still be sent.
fn remaining(until: Until, elapsed: Duration, offered: u64) -> u64 {
    match until {
        Until::Elapsed(time) if elapsed >= time => 0,
        Until::Elapsed(_) => u64::MAX,
        Until::Sent(frames) => frames.saturating_sub(offered),
    }
}

/// How long to sleep: until a frame is due, or the time is over.
fn pause(until: Until, pacer: &Pacer, elapsed: Duration) -> Duration {
    // Often enough to hear that the user wants to end.
    const LONGEST: Duration = Duration::from_millis(50);
    let end = match until {
        Until::Elapsed(time) => time.saturating_sub(elapsed),
        Until::Sent(_) => LONGEST,
    };
    pacer.pause(elapsed).min(end).min(LONGEST)
}

/// The beginning of the frame of this number.
fn next(plan: &Transmitter, first: u32, number: u64, trial: u32, stamp: u64) -> [u8; HEAD] {
    let streams = plan.streams.len() as u64;
    let (sequence, place) = (number / streams, number % streams);
    // Both are below the number of streams, which a trial bounds.
    let place_u32 = u32::try_from(place).unwrap_or(u32::MAX);
    let place = usize::try_from(place).unwrap_or(0);
    let stream = plan.streams[place];
    let label = Label {
        trial,
        stream: first.saturating_add(place_u32),
        sequence,
        stamp,
    };
    frame::head(stream.dst, stream.src, label)
}

/// Offers these frames to the interface; how many it was offered.
fn offer(
    socket: &PacketSocket,
    heads: &[[u8; HEAD]],
    padding: &[u8],
    sent: &mut Sent,
) -> Result<u64> {
    let no_offload = &[0; VNET_HDR_LEN][..socket.header_len()];
    let mut frames = [Gathered::default(); SEND_BATCH];
    for (frame, head) in frames.iter_mut().zip(heads) {
        *frame = Gathered::new([no_offload, head, padding]);
    }
    let (streams, before) = (sent.refused.len() as u64, sent.offered);
    let mut rest = &frames[..heads.len()];
    while !rest.is_empty() {
        let (count, outcome) = socket.send(rest);
        sent.offered += count as u64;
        rest = &rest[count..];
        let Err(error) = outcome else { break };
        match Errno::from_io_error(&error) {
            Some(Errno::NOBUFS) => {
                let place = usize::try_from(sent.offered % streams).unwrap_or(0);
                sent.refused[place] += 1;
                sent.offered += 1;
                rest = &rest[1..];
            }
            Some(Errno::AGAIN) => break,
            _ => return Err(error).context("a host's interface does not take a frame"),
        }
    }
    Ok(sent.offered - before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Pace, Stream, Target};
    use vswitch_wire::MacAddr;

    fn transmitter(streams: u8) -> Transmitter {
        let stream = |number| Stream {
            dst: MacAddr::new([2, 0, 0, 0, 1, number]),
            src: MacAddr::new([2, 0, 0, 0, 0, 0]),
            to: Target::Port(1),
        };
        Transmitter {
            port: 0,
            streams: (0..streams).map(stream).collect(),
            pace: Pace::Maximum,
            until: Until::Sent(1),
        }
    }

    #[test]
    fn streams_take_turns_each_with_a_sequence_of_its_own() {
        let plan = transmitter(3);
        let labels: Vec<_> = (0..7)
            .map(|number| {
                let head = next(&plan, 10, number, 1, 99);
                let label = frame::label(&head).unwrap();
                assert_eq!(u32::from(head[5]) + 10, label.stream);
                assert_eq!((label.trial, label.stamp), (1, 99));
                (label.stream, label.sequence)
            })
            .collect();
        let expected = [
            (10, 0),
            (11, 0),
            (12, 0),
            (10, 1),
            (11, 1),
            (12, 1),
            (10, 2),
        ];
        assert_eq!(labels, expected);
    }

    #[test]
    fn what_was_offered_is_shared_out_among_the_streams() {
        let sent = |offered, streams| Sent {
            offered,
            refused: vec![0; streams],
            start: 0,
            end: 0,
        };
        let shares = |sent: &Sent| -> Vec<_> {
            (0..sent.refused.len()).map(|k| sent.of_stream(k)).collect()
        };
        assert_eq!(shares(&sent(7, 3)), [3, 2, 2]);
        assert_eq!(shares(&sent(2, 3)), [1, 1, 0]);
        assert_eq!(shares(&sent(0, 2)), [0, 0]);
        assert_eq!(shares(&sent(6, 1)), [6]);
    }

    #[test]
    fn a_transmitter_ends_by_time_or_by_number() {
        let second = Duration::from_secs(1);
        assert_eq!(remaining(Until::Elapsed(second), second, 5), 0);
        assert_eq!(
            remaining(Until::Elapsed(second), Duration::ZERO, 5),
            u64::MAX
        );
        assert_eq!(remaining(Until::Sent(7), second, 5), 2);
        assert_eq!(remaining(Until::Sent(5), second, 5), 0);
    }

    #[test]
    fn a_pause_ends_with_the_time_at_the_latest() {
        let pacer = Pacer::new(Pace::Rate(1.0));
        let until = Until::Elapsed(Duration::from_millis(10));
        let at = Duration::from_millis(4);
        assert_eq!(pause(until, &pacer, at), Duration::from_millis(6));
        assert!(pause(Until::Sent(1), &pacer, at) <= Duration::from_millis(50));
    }
}
