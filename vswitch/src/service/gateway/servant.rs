//! The thread of all gateways: wakes for frames, letters and timers, and serves whoever is concerned.
//!
//! Fair as a worker of the data path is: a gateway that has more than its share of frames waits in line for its next.
//! The bells are edge-triggered: a gateway stays in line until it found its queue empty.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::{Events, Poll, Registry, Token, Waker, unix::SourceFd};
use smoltcp::time::Instant;

use super::{
    Ask,
    host::{Back, Desk, Host},
};

/// The token of the waker; the gateways' are smaller.
const WAKER: Token = Token(usize::MAX);

/// Shortest sleep for a timer. Nothing here needs more, and no fault in a timer makes the thread spin.
const SHORTEST: Duration = Duration::from_millis(1);

/// What others tell the thread.
pub(super) enum Letter {
    /// A gateway begins.
    Open(usize, Box<Host>),
    /// A gateway ends.
    Close(usize),
    /// A question was answered, or will not be.
    Answer {
        gateway: usize,
        back: Back,
        message: Option<Vec<u8>>,
    },
    /// All of it ends.
    Stop,
}

/// The thread, as others see it. There are at most as many letters as gateways and questions under way.
pub(super) struct Hub {
    pub(super) registry: Registry,
    waker: Waker,
    letters: Sender<Letter>,
    /// How often the thread woke.
    pub(super) turns: AtomicU64,
}

impl Hub {
    /// Writes a letter. After the end nobody reads it, which is fine.
    pub(super) fn tell(&self, letter: Letter) {
        if self.letters.send(letter).is_ok()
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the gateways' thread cannot be woken");
        }
    }
}

/// Starts the thread.
///
/// # Errors
/// No descriptor, no thread.
pub(super) fn start(ask: Ask) -> io::Result<(Arc<Hub>, JoinHandle<()>)> {
    let poll = Poll::new()?;
    let (letters, inbox) = unbounded();
    let hub = Arc::new(Hub {
        registry: poll.registry().try_clone()?,
        waker: Waker::new(poll.registry(), WAKER)?,
        letters,
        turns: AtomicU64::new(0),
    });
    let servant = Servant {
        poll,
        inbox,
        desk: Desk {
            ask,
            hub: Arc::clone(&hub),
        },
        hosts: BTreeMap::new(),
        line: BTreeSet::new(),
        start: std::time::Instant::now(),
    };
    let thread = std::thread::Builder::new()
        .name("vswitch-gw".to_owned())
        .spawn(move || {
            if let Err(error) = servant.run() {
                tracing::error!(%error, "the gateways' event loop failed");
            }
        })?;
    Ok((hub, thread))
}

struct Servant {
    poll: Poll,
    inbox: Receiver<Letter>,
    desk: Desk,
    hosts: BTreeMap<usize, Host>,
    /// Who has something to do at once.
    line: BTreeSet<usize>,
    start: std::time::Instant,
}

impl Servant {
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            self.desk.hub.turns.fetch_add(1, Ordering::Relaxed);
            for event in &events {
                // A bell of a gateway that has ended since is nobody's.
                let Token(id) = event.token();
                self.line.insert(id);
            }
            // Also without the waker's event: a letter that is there need not wait.
            if self.read_letters().is_break() {
                return Ok(());
            }
            let now = self.now();
            let due = (self.hosts.iter())
                .filter(|(_, host)| host.deadline().is_some_and(|deadline| deadline <= now));
            self.line.extend(due.map(|(id, _)| *id));
            for id in std::mem::take(&mut self.line) {
                if let Some(host) = self.hosts.get_mut(&id)
                    && host.serve(id, now, &self.desk)
                {
                    self.line.insert(id);
                }
            }
        }
    }

    /// Since the thread began; smoltcp's clocks start anywhere.
    fn now(&self) -> Instant {
        let micros = self.start.elapsed().as_micros();
        Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// How long the thread may sleep; for ever when there is nothing to come.
    fn patience(&self) -> Option<Duration> {
        if !self.line.is_empty() {
            return Some(Duration::ZERO);
        }
        let deadline = self.hosts.values().filter_map(Host::deadline).min()?;
        let now = self.now();
        let left = if deadline > now {
            (deadline - now).into()
        } else {
            Duration::ZERO
        };
        Some(left.max(SHORTEST))
    }

    fn read_letters(&mut self) -> std::ops::ControlFlow<()> {
        let now = self.now();
        while let Ok(letter) = self.inbox.try_recv() {
            match letter {
                Letter::Open(id, host) => {
                    self.hosts.insert(id, *host);
                    // What came before is not rung for again.
                    self.line.insert(id);
                }
                Letter::Close(id) => {
                    if let Some(host) = self.hosts.remove(&id)
                        && let Some(bell) = host.bell()
                    {
                        // The descriptor ends with the host anyway.
                        drop(self.poll.registry().deregister(&mut SourceFd(&bell)));
                    }
                }
                Letter::Answer {
                    gateway,
                    back,
                    message,
                } => {
                    if let Some(host) = self.hosts.get_mut(&gateway) {
                        host.answer(back, message, now);
                        self.line.insert(gateway);
                    }
                }
                Letter::Stop => return std::ops::ControlFlow::Break(()),
            }
        }
        std::ops::ControlFlow::Continue(())
    }
}
