//! Asking servers outside, in their order: the next one after a time-out, SERVFAIL or REFUSED; any other answer is the
//! answer, NXDOMAIN too. When all failed it is SERVFAIL.
//!
//! A reply is believed (RFC 5452 §9) when it comes from the server's address to the port that the query left from, which
//! the kernel chose at random and checks, under the random ID of this query, and with its question. Others are ignored,
//! and the right one waited for.
//!
//! The client's transport is the one that is used: who came by TCP wants what did not fit a datagram, and who came by
//! UDP gets a truncated answer as such and comes again by TCP.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hickory_proto::op::ResponseCode;
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::{
    Limits,
    request::{Request, Transport, verdict},
    upstream::{Source, Upstreams},
};
use crate::control::services::Querier;

/// Longest datagram that is taken whole; of longer ones the client gets the header, with TC.
const MAX_DATAGRAM: usize = 4096;

/// Who is asked, and for how many at once.
#[derive(Debug)]
pub(super) struct Forwarder {
    source: Source,
    limits: Limits,
    /// By querier: its queries that are outside now.
    outside: Mutex<BTreeMap<Querier, usize>>,
    /// Where we listen ourselves: to forward there would be to go round in circles.
    ours: Mutex<Vec<SocketAddr>>,
}

impl Forwarder {
    pub(super) fn new(upstreams: Upstreams, limits: Limits) -> Self {
        Self {
            source: Source::new(upstreams),
            limits,
            outside: Mutex::default(),
            ours: Mutex::default(),
        }
    }

    /// Adds an address of ours; [`Forwarder::not_ours`] takes it back.
    pub(super) fn ours(&self, address: SocketAddr) {
        lock(&self.ours).push(address);
    }

    pub(super) fn not_ours(&self, address: SocketAddr) {
        let mut ours = lock(&self.ours);
        if let Some(place) = ours.iter().position(|other| *other == address) {
            ours.swap_remove(place);
        }
    }

    /// Whom to ask, in this order.
    pub(super) fn servers(&self) -> Vec<SocketAddr> {
        let mut servers = self.source.servers();
        let ours = lock(&self.ours);
        servers.retain(|server| !ours.contains(server));
        servers
    }

    /// A place for one query more; none when there are too many.
    fn enter(self: &Arc<Self>, querier: &Querier) -> Option<Place> {
        let mut outside = lock(&self.outside);
        let all: usize = outside.values().sum();
        let own = outside.get(querier).copied().unwrap_or(0);
        if all >= self.limits.forwards || own >= self.limits.forwards_each {
            return None;
        }
        outside.insert(querier.clone(), own + 1);
        Some(Place {
            forwarder: Arc::clone(self),
            querier: querier.clone(),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One query's place among those outside, until it is dropped.
#[derive(Debug)]
struct Place {
    forwarder: Arc<Forwarder>,
    querier: Querier,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut outside = lock(&self.forwarder.outside);
        if let Some(count) = outside.get_mut(&self.querier) {
            *count -= 1;
            if *count == 0 {
                outside.remove(&self.querier);
            }
        }
    }
}

/// A query on its way outside.
#[derive(Debug)]
pub(super) struct Errand {
    place: Place,
    query: Vec<u8>,
    request: Request,
}

impl Errand {
    /// Takes a place for the query.
    ///
    /// # Errors
    /// REFUSED, as a reply, when there are too many.
    pub(super) fn begin(
        forwarder: &Arc<Forwarder>,
        query: &[u8],
        querier: &Querier,
        request: Request,
    ) -> Result<Self, Option<Vec<u8>>> {
        let Some(place) = forwarder.enter(querier) else {
            tracing::debug!(?querier, "too many queries are forwarded at once");
            return Err(request.failure(ResponseCode::Refused));
        };
        Ok(Self {
            place,
            query: query.to_vec(),
            request,
        })
    }

    /// Asks one server after the other; what the client gets.
    pub(super) async fn run(self) -> Option<Vec<u8>> {
        let forwarder = &self.place.forwarder;
        for server in forwarder.servers() {
            let asked = timeout(forwarder.limits.server, self.exchange(server)).await;
            match asked.unwrap_or_else(|late| Err(late.into())) {
                Ok((ResponseCode::ServFail | ResponseCode::Refused, _)) => {}
                Ok((_, reply)) => return self.request.pass(reply),
                Err(error) => tracing::debug!(%server, %error, "a server outside did not answer"),
            }
        }
        self.request.failure(ResponseCode::ServFail)
    }

    /// Asks one server and waits for what is its answer to this very query.
    async fn exchange(&self, server: SocketAddr) -> io::Result<(ResponseCode, Vec<u8>)> {
        let id = random_id()?;
        let mut query = self.query.clone();
        for (to, from) in query.iter_mut().zip(id.to_be_bytes()) {
            *to = from;
        }
        let is_answer = |reply: &[u8]| verdict(reply, id, self.request.question());
        match self.request.transport() {
            Transport::Udp { .. } => by_udp(server, &query, is_answer).await,
            Transport::Tcp => by_tcp(server, &query, is_answer).await,
        }
    }
}

async fn by_udp(
    server: SocketAddr,
    query: &[u8],
    is_answer: impl Fn(&[u8]) -> Option<ResponseCode>,
) -> io::Result<(ResponseCode, Vec<u8>)> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut reply = vec![0; MAX_DATAGRAM + 1];
    loop {
        let length = socket.recv(&mut reply).await?;
        if let Some(code) = is_answer(&reply[..length]) {
            reply.truncate(length);
            return Ok((code, reply));
        }
    }
}

async fn by_tcp(
    server: SocketAddr,
    query: &[u8],
    is_answer: impl Fn(&[u8]) -> Option<ResponseCode>,
) -> io::Result<(ResponseCode, Vec<u8>)> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&framed(query)?).await?;
    loop {
        let length = stream.read_u16().await?;
        let mut reply = vec![0; usize::from(length)];
        stream.read_exact(&mut reply).await?;
        if let Some(code) = is_answer(&reply) {
            return Ok((code, reply));
        }
    }
}

/// A message as TCP carries it: its length first (RFC 1035 §4.2.2).
///
/// # Errors
/// It is longer than the length can say.
pub(super) fn framed(message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes(), message].concat())
}

/// A number that need not be secret.
pub(super) fn random() -> u64 {
    let mut bytes = [0; 8];
    // So few bytes are always there; if not, the order of addresses stays as it is.
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(_) => u64::from_ne_bytes(bytes),
        Err(_) => 0,
    }
}

/// A number that nobody guesses.
fn random_id() -> io::Result<u16> {
    let mut bytes = [0; 2];
    if getrandom(&mut bytes, GetRandomFlags::empty())? == bytes.len() {
        Ok(u16::from_ne_bytes(bytes))
    } else {
        Err(io::Error::other("too few random bytes"))
    }
}
