//! DNS over TCP (RFC 7766): many queries on a connection, answered as soon as each can be, in whatever order.
//!
//! A listener has [`Limits::guests`](super::Limits::guests) places. Nobody is kept out by connections that do nothing:
//! for a newcomer one has to go, of the peer that has most, one without a query in progress before one with, and of
//! these the one that was silent longest. It goes before the newcomer comes in, so the number of descriptors is bounded.
//!
//! A connection is as patient as its client is active: a query has to come, and a reply has to be taken, within
//! [`Limits::idle`](super::Limits::idle). A client that sends many queries and reads no replies is not read from.

use std::{
    cmp::Reverse,
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hashbrown::HashMap;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Begun, Dns, Transport, Who, forward::framed, running::Open, udp::MAX_QUERY};
use crate::control::services::Querier;

/// Queries of one connection that are asked outside at once; more wait in the connection.
const PIPELINE: usize = 32;
/// Bytes of the length in front of a message.
const PREFIX: usize = 2;
/// After an error of the listener itself: no descriptors, as a rule.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves those who connect, until the task is aborted.
pub(super) async fn serve(dns: Dns, listener: TcpListener, who: Who, open: Open) {
    let hall = Hall { listener, open };
    let mut guests = Guests::default();
    loop {
        tokio::select! {
            accepted = hall.listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let Some(querier) = who.querier(peer.ip()) else {
                        continue;
                    };
                    guests.make_room(dns.limits().guests).await;
                    guests.admit(&dns, stream, querier, peer.ip(), hall.open.clone());
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept DNS connections");
                    sleep(PAUSE).await;
                }
            },
            Some(ended) = guests.visits.join_next_with_id() => guests.forget(ended),
        }
    }
}

/// A listener and the sign that it is open, in the order of their end.
struct Hall {
    listener: TcpListener,
    open: Open,
}

/// Those who are connected.
#[derive(Default)]
struct Guests {
    visits: JoinSet<io::Result<()>>,
    list: HashMap<Id, Guest>,
}

struct Guest {
    task: AbortHandle,
    peer: IpAddr,
    activity: Arc<Activity>,
}

impl Guests {
    /// Shows guests out until there is a place.
    async fn make_room(&mut self, places: usize) {
        while self.visits.len() >= places.max(1) {
            if let Some(guest) = self.weakest().and_then(|id| self.list.remove(&id)) {
                guest.task.abort();
            }
            if let Some(ended) = self.visits.join_next_with_id().await {
                self.forget(ended);
            }
        }
    }

    fn weakest(&self) -> Option<Id> {
        let mut of_peer: HashMap<IpAddr, usize> = HashMap::new();
        for guest in self.list.values() {
            *of_peer.entry(guest.peer).or_default() += 1;
        }
        let weakness = |guest: &Guest| {
            let state = guest.activity.state();
            (
                of_peer.get(&guest.peer).copied(),
                !state.busy,
                Reverse(state.since),
            )
        };
        let weakest = self.list.iter().max_by_key(|(_, guest)| weakness(guest));
        weakest.map(|(id, _)| *id)
    }

    fn admit(&mut self, dns: &Dns, stream: TcpStream, querier: Querier, peer: IpAddr, open: Open) {
        let activity = Arc::new(Activity::new());
        let visit = Visit {
            stream,
            _open: open,
            dns: dns.clone(),
            querier,
            activity: Arc::clone(&activity),
            held: Vec::new(),
            errands: JoinSet::new(),
        };
        let task = self.visits.spawn(visit.run());
        let guest = Guest {
            task: task.clone(),
            peer,
            activity,
        };
        self.list.insert(task.id(), guest);
    }

    fn forget(&mut self, ended: Result<(Id, io::Result<()>), JoinError>) {
        let id = match ended {
            Ok((id, Ok(()))) => id,
            Ok((id, Err(error))) => {
                tracing::debug!(%error, "a DNS connection ended early");
                id
            }
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "a DNS connection ended early");
                }
                error.id()
            }
        };
        self.list.remove(&id);
    }
}

/// What a connection did last, for the one who decides who has to go.
struct Activity(Mutex<State>);

#[derive(Clone, Copy)]
struct State {
    /// When the last query came or the last reply went; at first when it was accepted.
    since: Instant,
    /// Whether a query is in progress.
    busy: bool,
}

impl Activity {
    fn new() -> Self {
        Self(Mutex::new(State {
            since: Instant::now(),
            busy: false,
        }))
    }

    fn state(&self) -> State {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self, busy: bool) {
        let since = Instant::now();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State { since, busy };
    }
}

/// One connection. The stream is closed before the sign that it is open goes.
struct Visit {
    stream: TcpStream,
    _open: Open,
    dns: Dns,
    querier: Querier,
    activity: Arc<Activity>,
    /// What was read and is not a whole query yet, or has to wait.
    held: Vec<u8>,
    errands: JoinSet<Option<Vec<u8>>>,
}

impl Visit {
    async fn run(mut self) -> io::Result<()> {
        let idle = self.dns.limits().idle;
        let mut deadline = Instant::now() + idle;
        let mut ended = false;
        self.stream.set_nodelay(true)?;
        loop {
            if self.begin_queries().await? {
                deadline = Instant::now() + idle;
            }
            let (waiting, full) = (!self.errands.is_empty(), self.errands.len() >= PIPELINE);
            if ended && !waiting {
                return Ok(());
            }
            tokio::select! {
                read = self.stream.read_buf(&mut self.held), if !ended && !full => ended = read? == 0,
                Some(done) = self.errands.join_next() => {
                    // Before the client can know of it, and it may not take it for long.
                    self.activity.now(!self.errands.is_empty());
                    if let Some(reply) = done.map_err(io::Error::other)? {
                        self.send(&reply).await?;
                    }
                    deadline = Instant::now() + idle;
                }
                () = sleep_until(deadline), if !waiting => return Ok(()),
            }
        }
    }

    /// Begins all whole queries that were read, as far as the pipeline has room; whether there were any.
    async fn begin_queries(&mut self) -> io::Result<bool> {
        let mut any = false;
        while self.errands.len() < PIPELINE {
            let Some(query) = take_query(&mut self.held)? else {
                break;
            };
            match self.dns.begin(&query, &self.querier, Transport::Tcp) {
                Begun::Reply(reply) => {
                    self.activity.now(!self.errands.is_empty());
                    self.send(&reply).await?;
                }
                Begun::Errand(errand) => {
                    self.errands.spawn(errand.run());
                    self.activity.now(true);
                }
                Begun::Nothing => continue,
            }
            any = true;
        }
        Ok(any)
    }

    async fn send(&mut self, reply: &[u8]) -> io::Result<()> {
        let reply = framed(reply)?;
        timeout(self.dns.limits().idle, self.stream.write_all(&reply)).await?
    }
}

/// Takes the first whole query out of what was read.
///
/// # Errors
/// The length is none of a query: the stream is not DNS, or out of step for good.
fn take_query(held: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some(prefix) = held.first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*prefix));
    if !(12..=MAX_QUERY).contains(&length) {
        return Err(io::Error::other("not the length of a DNS query"));
    }
    if held.len() < PREFIX + length {
        return Ok(None);
    }
    let mut query: Vec<u8> = held.drain(..PREFIX + length).collect();
    query.drain(..PREFIX);
    Ok(Some(query))
}
