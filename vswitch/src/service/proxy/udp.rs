//! UDP ports: a task that receives, and one for each client that passes the container's answers.
//!
//! The receiving task alone keeps the table of clients; a client's task ends when nobody has spoken for a while, and
//! is then forgotten. When there are too many, the one that has been silent longest goes. Answers leave by the socket
//! in front, from the very address that was asked; the kernel's buffer is wide, and what does not fit it is lost.

use std::{
    collections::HashMap,
    io,
    os::fd::AsFd,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use socket2::Socket;
use tokio::{
    io::Interest,
    net::UdpSocket,
    task::{AbortHandle, JoinError, JoinSet, yield_now},
    time::{sleep, timeout},
};

use super::{
    DATAGRAM, Running, Shared,
    back::Backend,
    flow::{Flow, Route},
    slot::Slot,
};
use crate::sys::udp::{Asked, answer, recv_asked};

/// Answers of one container in a row before others have their turn.
const TURN: usize = 64;

/// A pause after the socket failed.
const RECOVERY: Duration = Duration::from_millis(100);

/// One socket in front.
#[derive(Debug)]
struct Port {
    shared: Arc<Shared>,
    slot: Arc<Slot<UdpSocket>>,
    backend: Arc<Backend>,
    opened: Instant,
}

/// The clients of a port.
struct Clients {
    port: Arc<Port>,
    known: HashMap<Route, Client>,
    tasks: JoinSet<Route>,
}

struct Client {
    flow: Arc<Flow>,
    task: AbortHandle,
}

/// Serves a bound socket.
pub(super) fn serve(
    shared: &Arc<Shared>,
    socket: Socket,
    backend: &Arc<Backend>,
    running: &mut Running,
) -> io::Result<()> {
    let slot = Arc::new(Slot::new(UdpSocket::from_std(socket.into())?));
    let port = Port {
        shared: Arc::clone(shared),
        slot: Arc::clone(&slot),
        backend: Arc::clone(backend),
        opened: Instant::now(),
    };
    running.add(&tokio::spawn(receive(Arc::new(port))), move || slot.close());
    Ok(())
}

/// Receives until the socket is closed.
async fn receive(port: Arc<Port>) {
    let mut room = vec![0; DATAGRAM];
    let mut clients = Clients {
        port: Arc::clone(&port),
        known: HashMap::new(),
        tasks: JoinSet::new(),
    };
    loop {
        let received = tokio::select! {
            received = port.slot.poll(|socket, cx| poll_receive(socket, cx, &mut room)) => received,
            Some(ended) = clients.tasks.join_next() => {
                clients.forget(&ended);
                continue;
            }
        };
        match received {
            None => return,
            Some(Ok(None)) => {}
            Some(Ok(Some(asked))) => clients.carry(&asked, &room[..asked.length]),
            Some(Err(error)) => {
                tracing::debug!(%error, "a published port receives nothing for a moment");
                sleep(RECOVERY).await;
            }
        }
    }
}

fn poll_receive(
    socket: &UdpSocket,
    cx: &mut Context<'_>,
    room: &mut [u8],
) -> Poll<io::Result<Option<Asked>>> {
    loop {
        ready!(socket.poll_recv_ready(cx))?;
        match socket.try_io(Interest::READABLE, || recv_asked(socket.as_fd(), room)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => return Poll::Ready(received),
        }
    }
}

impl Clients {
    /// Passes a datagram on, of a client that may be new.
    fn carry(&mut self, asked: &Asked, datagram: &[u8]) {
        let route = Route {
            client: asked.from,
            at: asked.at,
        };
        let now = self.port.now();
        let known = self.known.get(&route);
        if known.is_some_and(|client| client.flow.carry(datagram, now)) {
            return;
        }
        if known.is_none() && self.known.len() >= self.port.shared.limits.flows {
            self.evict();
        }
        let flow = Arc::new(Flow::new(now));
        flow.carry(datagram, now);
        let task = attend(Arc::clone(&self.port), Arc::clone(&flow), route);
        let task = self.tasks.spawn(task);
        self.known.insert(route, Client { flow, task });
    }

    /// Makes room: the client that has been silent longest goes.
    fn evict(&mut self) {
        let oldest = self
            .known
            .iter()
            .min_by_key(|(_, client)| client.flow.last())
            .map(|(route, _)| *route);
        if let Some(client) = oldest.and_then(|route| self.known.remove(&route)) {
            client.task.abort();
        }
    }

    /// A client's task has ended. Its place may be another's by now.
    fn forget(&mut self, ended: &Result<Route, JoinError>) {
        let Ok(route) = ended else { return };
        if self
            .known
            .get(route)
            .is_some_and(|client| client.flow.is_closed())
        {
            self.known.remove(route);
        }
    }
}

impl Port {
    /// Milliseconds since the port was opened.
    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Sends the container's answer to the client.
    fn answer(&self, route: Route, datagram: &[u8]) {
        let Route { client, at } = route;
        let sent = self
            .slot
            .with(|socket| answer(socket.as_fd(), datagram, client, at));
        if let Some(Err(error)) = sent {
            tracing::trace!(%error, %client, "an answer of a published port was lost");
        }
    }
}

/// One client, from its first datagram until nobody speaks any more.
async fn attend(port: Arc<Port>, flow: Arc<Flow>, route: Route) -> Route {
    let opening = timeout(port.shared.limits.connect, port.backend.flow(route.client));
    match opening.await {
        Ok(Ok(socket)) => {
            let socket = Arc::new(socket);
            flow.open(&socket);
            answers(&port, &flow, &socket, route).await;
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, client = %route.client, "no way to the container of a published port");
        }
        Err(_) => {
            tracing::debug!(client = %route.client, "no way to the container of a published port in time")
        }
    }
    flow.close();
    route
}

/// Passes answers until nobody has spoken for the time that is allowed.
async fn answers(port: &Port, flow: &Flow, socket: &UdpSocket, route: Route) {
    let idle = port.shared.limits.idle;
    let mut silence = pin!(sleep(idle));
    loop {
        tokio::select! {
            ready = socket.readable() => {
                if ready.is_err() {
                    return;
                }
                if pass(port, flow, socket, route) {
                    yield_now().await;
                }
            }
            () = &mut silence => match flow.close_if_silent(port.now(), idle) {
                None => return,
                Some(left) => silence.as_mut().reset(tokio::time::Instant::now() + left),
            },
        }
    }
}

/// Passes what is there; true when there may be more.
fn pass(port: &Port, flow: &Flow, socket: &UdpSocket, route: Route) -> bool {
    let rooms = &port.shared.rooms;
    let mut room = rooms.take().unwrap_or_else(|| vec![0; DATAGRAM].into());
    let mut more = true;
    for _ in 0..TURN {
        match socket.try_recv(&mut room) {
            Ok(length) => {
                flow.spoken(port.now());
                port.answer(route, &room[..length]);
            }
            // Nobody listens there, said ICMP; somebody may later.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    tracing::debug!(%error, "a container's answer was lost");
                }
                more = false;
                break;
            }
        }
    }
    rooms.give(room);
    more
}
