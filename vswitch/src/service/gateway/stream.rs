//! DNS over TCP (RFC 7766): each message behind its length in two bytes, many on one connection, answered in any order.
//!
//! One socket always listens. When it has got a connection, it becomes one of the [`Stream`]s and another one listens;
//! if there are too many then, one has to go: one that is closing, else the oldest that is not established yet, else
//! the one that was idle for longest. So a flood of SYNs drives out itself first, and memory is bounded.
//!
//! A stream that neither asked nor was answered for ten seconds is closed, and ten seconds later forgotten, whatever
//! its peer does. So is at once one that was not even established by then.

use std::collections::VecDeque;

use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::tcp,
    time::{Duration, Instant},
};

use super::{
    Transport,
    host::{Back, By, Counter, DNS},
};

/// Sockets of a gateway, with the one that listens.
const MAX_SOCKETS: usize = 32;
/// Time without a question or an answer.
const IDLE: Duration = Duration::from_secs(10);
/// Questions of one stream under way; more wait in its socket.
const MAX_ASKED: usize = 8;
/// Bytes of answers that a stream did not take, at which no more questions are read.
const MAX_UNREAD: usize = 65_536;

const RECEIVE_BUFFER: usize = 4096;
const SEND_BUFFER: usize = 8192;

/// A connection.
#[derive(Debug)]
struct Stream {
    handle: SocketHandle,
    /// Never given twice.
    number: u64,
    /// Last question or answer; before that, the connection's first segment.
    active: Instant,
    /// Questions under way.
    asked: usize,
    input: Vec<u8>,
    output: VecDeque<u8>,
    /// Whether it was closed from here.
    closed: bool,
}

/// The connections of one gateway.
#[derive(Debug)]
pub(super) struct Streams {
    listener: SocketHandle,
    streams: Vec<Stream>,
    next: u64,
}

fn listen(sockets: &mut SocketSet<'_>) -> SocketHandle {
    let mut socket = tcp::Socket::new(
        tcp::SocketBuffer::new(vec![0; RECEIVE_BUFFER]),
        tcp::SocketBuffer::new(vec![0; SEND_BUFFER]),
    );
    socket.set_nagle_enabled(false);
    socket.set_ack_delay(None);
    let listening = socket.listen(DNS);
    debug_assert!(listening.is_ok(), "a new socket, and no port 0");
    sockets.add(socket)
}

impl Stream {
    /// Reads questions and writes answers.
    fn serve(&mut self, socket: &mut tcp::Socket<'_>, now: Instant, counter: &mut Counter<'_>) {
        let Some(from) = socket.remote_endpoint().map(|remote| remote.addr.into()) else {
            return;
        };
        if socket.state() == tcp::State::SynReceived {
            return;
        }
        while let Some(message) = self.next_question(socket, || counter.is_open(from)) {
            let Some(message) = message else {
                socket.abort();
                return;
            };
            self.active = now;
            self.asked += 1;
            let by = By::Stream(self.number);
            counter.ask(message, Transport::Tcp, Back { from, by });
        }
        while !self.output.is_empty() && socket.can_send() {
            let (piece, _) = self.output.as_slices();
            let Ok(sent) = socket.send_slice(piece) else {
                break;
            };
            self.output.drain(..sent);
        }
        let peer_is_done = socket.state() == tcp::State::CloseWait && !socket.can_recv();
        let idle = self.asked == 0 && now >= self.active + IDLE;
        if !self.closed && (idle || peer_is_done && self.asked == 0 && self.output.is_empty()) {
            self.closed = true;
            socket.close();
        }
    }

    /// The next whole message, if one is there and may be asked; an empty one is an abuse.
    fn next_question(
        &mut self,
        socket: &mut tcp::Socket<'_>,
        is_open: impl Fn() -> bool,
    ) -> Option<Option<Vec<u8>>> {
        if self.closed || self.asked >= MAX_ASKED || self.output.len() >= MAX_UNREAD || !is_open() {
            return None;
        }
        loop {
            let wanted = match *self.input {
                [high, low, ..] => 2 + usize::from(u16::from_be_bytes([high, low])),
                [] | [_] => 2,
            };
            if wanted == 2 && self.input.len() == 2 {
                return Some(None);
            }
            if wanted > 2 && self.input.len() == wanted {
                let message = self.input.split_off(2);
                self.input = Vec::new();
                return Some(Some(message));
            }
            let missing = wanted - self.input.len();
            let taken = socket.recv(|bytes| {
                let taken = bytes.len().min(missing);
                self.input.extend_from_slice(&bytes[..taken]);
                (taken, taken)
            });
            if taken.ok()? == 0 {
                return None;
            }
        }
    }

    /// When its time is over, one way or the other.
    fn deadline(&self) -> Instant {
        match (self.closed, self.asked) {
            (true, _) => self.active + IDLE * 2,
            (false, 0) => self.active + IDLE,
            // The answer comes, or word that there will be none.
            (false, _) => Instant::from_micros(i64::MAX),
        }
    }

    /// Who goes first: the smallest.
    fn worth(&self, state: tcp::State) -> (u8, Instant) {
        let class = match state {
            tcp::State::SynReceived => 1,
            tcp::State::Established | tcp::State::CloseWait if self.asked == 0 => 2,
            tcp::State::Established | tcp::State::CloseWait => 3,
            tcp::State::Closed
            | tcp::State::Listen
            | tcp::State::SynSent
            | tcp::State::FinWait1
            | tcp::State::FinWait2
            | tcp::State::Closing
            | tcp::State::LastAck
            | tcp::State::TimeWait => 0,
        };
        (class, self.active)
    }
}

impl Streams {
    /// One socket that listens.
    pub(super) fn new(sockets: &mut SocketSet<'_>) -> Self {
        Self {
            listener: listen(sockets),
            streams: Vec::new(),
            next: 0,
        }
    }

    /// Has another socket listen when the one that did got a connection. If that is one too many, gives back a socket
    /// to be removed when what it still has to say was sent.
    pub(super) fn keep_listening(
        &mut self,
        sockets: &mut SocketSet<'_>,
        now: Instant,
    ) -> Option<SocketHandle> {
        match sockets.get::<tcp::Socket<'_>>(self.listener).state() {
            tcp::State::Listen => return None,
            // Reset before it was established.
            tcp::State::Closed => {
                sockets.remove(self.listener);
                self.listener = listen(sockets);
                return None;
            }
            _ => {}
        }
        let evicted = (self.streams.len() + 2 > MAX_SOCKETS)
            .then(|| self.evict(sockets))
            .flatten();
        self.streams.push(Stream {
            handle: self.listener,
            number: self.next,
            active: now,
            asked: 0,
            input: Vec::new(),
            output: VecDeque::new(),
            closed: false,
        });
        self.next += 1;
        self.listener = listen(sockets);
        evicted
    }

    fn evict(&mut self, sockets: &mut SocketSet<'_>) -> Option<SocketHandle> {
        let state = |stream: &Stream| sockets.get::<tcp::Socket<'_>>(stream.handle).state();
        let (index, _) = (self.streams.iter().enumerate())
            .min_by_key(|(_, stream)| stream.worth(state(stream)))?;
        let evicted = self.streams.swap_remove(index);
        let socket = sockets.get_mut::<tcp::Socket<'_>>(evicted.handle);
        if socket.state() == tcp::State::SynReceived {
            // Nobody waits for a reset, if there ever was somebody.
            sockets.remove(evicted.handle);
            return None;
        }
        socket.abort();
        Some(evicted.handle)
    }

    /// Reads questions and writes answers.
    pub(super) fn serve(
        &mut self,
        sockets: &mut SocketSet<'_>,
        now: Instant,
        counter: &mut Counter<'_>,
    ) {
        for stream in &mut self.streams {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(stream.handle);
            stream.serve(socket, now, counter);
        }
    }

    /// Takes the answer for a stream, if that is still there.
    pub(super) fn answer(&mut self, number: u64, message: Option<Vec<u8>>, now: Instant) {
        let Some(stream) = (self.streams.iter_mut()).find(|stream| stream.number == number) else {
            return;
        };
        stream.asked = stream.asked.saturating_sub(1);
        stream.active = now;
        if let Some(message) = message
            && let Ok(length) = u16::try_from(message.len())
        {
            stream.output.extend(length.to_be_bytes());
            stream.output.extend(message);
        }
    }

    /// Forgets those that have ended, once their last segments were sent, and those whose time is over.
    pub(super) fn sweep(&mut self, sockets: &mut SocketSet<'_>, now: Instant) {
        self.streams.retain(|stream| {
            let state = sockets.get::<tcp::Socket<'_>>(stream.handle).state();
            let ended = matches!(state, tcp::State::Closed | tcp::State::TimeWait);
            let waits = !stream.closed && state != tcp::State::SynReceived;
            let overdue = !waits && now >= stream.deadline();
            if ended || overdue {
                sockets.remove(stream.handle);
            }
            !(ended || overdue)
        });
    }

    /// When the next stream's time is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let never = Instant::from_micros(i64::MAX);
        (self.streams.iter().map(Stream::deadline))
            .filter(|deadline| *deadline < never)
            .min()
    }
}
