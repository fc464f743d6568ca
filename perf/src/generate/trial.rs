//! A trial: transmitters and counters side by side, and the silence after it.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use vswitch::sys::packet::PacketSocket;

use super::count::{self, Heard, Progress};
use super::frame;
use super::outcome::Outcome;
use super::plan::Plan;
use super::port::Port;
use super::transmit::{self, Sent, Trial};
use crate::interrupt;

/// What is under way when the transmitters end has this long to arrive, and no longer: RFC 2544 23.
const RESIDUE: Duration = Duration::from_secs(2);

/// After so long without a frame none is under way.
const SILENCE: Duration = Duration::from_millis(200);

/// The same when all have arrived: one too many would be here by then.
const AFTERGLOW: Duration = Duration::from_millis(20);

/// How often is looked whether frames still arrive.
const STEP: Duration = Duration::from_millis(2);

/// Carries out a plan between these ports.
///
/// # Errors
/// An interface that is gone or down, a plan of ports that are not there, or the user's wish to end.
pub(crate) fn run(ports: &[Port], plan: &Plan) -> Result<Outcome> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let trial = Trial {
        number: NUMBER.fetch_add(1, Ordering::Relaxed),
        size: plan.size,
        clock: Instant::now(),
    };
    let port = |number: usize| {
        ports
            .get(number)
            .context("a plan has more ports than there are")
    };
    anyhow::ensure!(
        plan.transmitters.iter().all(|one| !one.streams.is_empty()),
        "a plan has a transmitter with nothing to send"
    );
    let filter = frame::filter(trial.number);
    let counters = (plan.listeners.iter())
        .map(|number| port(*number)?.counter(&filter))
        .collect::<Result<Vec<_>>>()?;
    let transmitters = (plan.transmitters.iter())
        .map(|from| port(from.port)?.transmitter())
        .collect::<Result<Vec<_>>>()?;
    let (sent, heard) = together(plan, &trial, &transmitters, &counters)?;
    interrupt::check()?;
    Ok(Outcome::new(plan, &sent, &heard))
}

fn together(
    plan: &Plan,
    trial: &Trial,
    transmitters: &[PacketSocket],
    counters: &[PacketSocket],
) -> Result<(Vec<Sent>, Vec<Heard>)> {
    let streams = plan.streams().count();
    let done = AtomicBool::new(false);
    let progress: Vec<_> = counters.iter().map(|_| Progress::default()).collect();
    let barrier = Barrier::new(transmitters.len());
    let (done, barrier) = (&done, &barrier);
    std::thread::scope(|scope| {
        let counting: Vec<_> = (counters.iter().zip(&progress))
            .map(|(socket, progress)| {
                let attention = plan.attention;
                scope.spawn(move || count::count(socket, streams, attention, trial, progress, done))
            })
            .collect();
        let mut first = 0;
        let sending: Vec<_> = (transmitters.iter().zip(&plan.transmitters))
            .map(|(socket, plan)| {
                let number = first;
                first += u32::try_from(plan.streams.len()).unwrap_or(u32::MAX);
                scope.spawn(move || transmit::transmit(socket, plan, number, trial, barrier))
            })
            .collect();
        let sent = join(sending);
        if let Ok(sent) = &sent {
            settle(&progress, wanted(plan, sent));
        }
        // Also after a failure, or the counters would wait for ever.
        done.store(true, Ordering::Release);
        let heard = join(counting);
        Ok((sent?, heard?))
    })
}

fn join<T>(threads: Vec<ScopedJoinHandle<'_, Result<T>>>) -> Result<Vec<T>> {
    // All are joined before the first failure is told.
    let ended: Vec<_> = threads.into_iter().map(ScopedJoinHandle::join).collect();
    (ended.into_iter())
        .map(|one| one.map_err(|_| anyhow!("a generator or counter panicked"))?)
        .collect()
}

/// Frames that should arrive.
fn wanted(plan: &Plan, sent: &[Sent]) -> u64 {
    let mut wanted = 0;
    for (transmitter, sent) in plan.transmitters.iter().zip(sent) {
        for (place, stream) in transmitter.streams.iter().enumerate() {
            let left = sent.of_stream(place) - sent.refused[place];
            wanted += left * plan.copies(transmitter.port, stream) as u64;
        }
    }
    wanted
}

/// Waits until nothing arrives any more.
fn settle(progress: &[Progress], wanted: u64) {
    let frames = || -> u64 {
        (progress.iter())
            .map(|one| one.frames.load(Ordering::Relaxed))
            .sum()
    };
    let start = Instant::now();
    let (mut last, mut since) = (frames(), start);
    while start.elapsed() < RESIDUE && interrupt::check().is_ok() {
        let enough = if last >= wanted { AFTERGLOW } else { SILENCE };
        if since.elapsed() >= enough {
            return;
        }
        std::thread::sleep(STEP);
        let now = frames();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}
