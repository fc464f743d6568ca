//! The door of the control socket: who comes in, and how long they may stay.
//!
//! Before a connection reaches the router its request head is read here, so that nobody holds a place by sending
//! nothing: at most [`MAX_CONNECTIONS`] at once, [`Limits`] for the head and for everything, one request
//! each (every reply closes its connection). What is not HTTP is answered here at once.
//!
//! `GET /v1/events` is served here as well: it is the one reply without an end, a line of JSON for each event until
//! either side closes (RFC 9112 section 6.3, rule 8). Monitors have places of their own, so that they keep nobody out.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::http::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, Sleep, sleep_until, timeout},
};

use super::reply::{error_body, plain_error};
use crate::control::{ErrorKind, Handle};

/// Requests at once; more wait in the socket's backlog.
pub(super) const MAX_CONNECTIONS: usize = 64;
/// Monitors at once; more are refused.
pub(super) const MAX_MONITORS: usize = 64;
/// Bytes of a request's head.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// How long a connection may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// For the head of the request.
    pub head: Duration,
    /// For the whole request and its reply.
    pub visit: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            visit: Duration::from_secs(60),
        }
    }
}

/// The listener that the router sees: only connections with a whole request head.
#[derive(Debug)]
pub(super) struct Door {
    listener: UnixListener,
    places: Arc<Semaphore>,
    host: Host,
    admitted: mpsc::Receiver<Visitor>,
}

/// What every greeting needs.
#[derive(Clone, Debug)]
struct Host {
    handle: Handle,
    monitors: Arc<Semaphore>,
    admit: mpsc::Sender<Visitor>,
    limits: Limits,
    /// Becomes true, or is dropped, when the server ends.
    ending: watch::Receiver<bool>,
}

impl Door {
    pub(super) fn new(
        listener: UnixListener,
        handle: Handle,
        limits: Limits,
        ending: watch::Receiver<bool>,
    ) -> Self {
        let (admit, admitted) = mpsc::channel(MAX_CONNECTIONS);
        let monitors = Arc::new(Semaphore::new(MAX_MONITORS));
        let host = Host {
            handle,
            monitors,
            admit,
            limits,
            ending,
        };
        Self {
            listener,
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            host,
            admitted,
        }
    }
}

/// Waits for a place and then for somebody to take it.
async fn next_guest(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

impl axum::serve::Listener for Door {
    type Io = Visitor;
    type Addr = ();

    async fn accept(&mut self) -> (Visitor, ()) {
        loop {
            tokio::select! {
                Some(visitor) = self.admitted.recv() => return (visitor, ()),
                guest = next_guest(&self.listener, &self.places) => match guest {
                    Ok((stream, place)) => {
                        tokio::spawn(greet(stream, place, self.host.clone()));
                    }
                    Err(error) => {
                        // Out of descriptors, as a rule: others have to go first.
                        tracing::warn!(%error, "cannot accept a connection on the control socket");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the head of the one request, and sends the guest where it belongs.
async fn greet(mut stream: UnixStream, place: OwnedSemaphorePermit, host: Host) {
    let deadline = Instant::now() + host.limits.visit;
    let mut head = Vec::new();
    let whole = timeout(host.limits.head, read_head(&mut stream, &mut head)).await;
    let refusal = match whole {
        Ok(Ok(true)) => None,
        // Gone before it asked for anything.
        Ok(Ok(false) | Err(_)) if head.is_empty() => return,
        Ok(Ok(false)) => Some((StatusCode::BAD_REQUEST, "not a whole HTTP request")),
        Ok(Err(_)) => return,
        Err(_) => Some((
            StatusCode::REQUEST_TIMEOUT,
            "no whole HTTP request in the time allowed",
        )),
    };
    let refusal = refusal.or_else(|| check_head(&head).err());
    if let Some((status, why)) = refusal {
        refuse(stream, status, why, host.limits.head).await;
    } else if wants_events(&head) {
        drop(place);
        watch_events(stream, host).await;
    } else {
        let time = Box::pin(sleep_until(deadline));
        let visitor = Visitor {
            head,
            read: 0,
            stream,
            time,
            _place: place,
        };
        // Fails only when the server has ended.
        if host.admit.send(visitor).await.is_err() {
            tracing::debug!("a request came while the server ended");
        }
    }
}

/// Reads up to the empty line that ends a head; false when the stream ends or the head is hopeless before that.
async fn read_head(stream: &mut UnixStream, head: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        if stream.read_buf(head).await? == 0 {
            return Ok(false);
        }
        if end(head).is_some() || head.len() > MAX_HEAD {
            return Ok(true);
        }
        // A request begins with a method; do not wait for more of something else.
        if !head.first().is_some_and(u8::is_ascii_uppercase) {
            return Ok(false);
        }
    }
}

/// Bytes up to the empty line, if it is there.
fn end(head: &[u8]) -> Option<usize> {
    let bare = head
        .windows(2)
        .position(|two| two == b"\n\n")
        .map(|at| at + 2);
    let full = head
        .windows(3)
        .position(|three| three == b"\n\r\n")
        .map(|at| at + 3);
    bare.into_iter().chain(full).min()
}

fn check_head(head: &[u8]) -> Result<(), (StatusCode, &'static str)> {
    if end(head).is_none_or(|end| end > MAX_HEAD) {
        return Err((
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "request head over 16 KiB",
        ));
    }
    let mut words = request_line(head).split(|byte| *byte == b' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let version = words.next().unwrap_or_default();
    let well_formed = !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && target.first() == Some(&b'/')
        && matches!(version, b"HTTP/1.1" | b"HTTP/1.0")
        && words.next().is_none();
    if well_formed {
        Ok(())
    } else {
        Err((StatusCode::BAD_REQUEST, "not an HTTP/1.1 request"))
    }
}

fn request_line(head: &[u8]) -> &[u8] {
    head.split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default()
        .trim_ascii_end()
}

fn wants_events(head: &[u8]) -> bool {
    let line = request_line(head);
    line.starts_with(b"GET /v1/events ") || line.starts_with(b"GET /v1/events?")
}

async fn refuse(mut stream: UnixStream, status: StatusCode, why: &str, limit: Duration) {
    let body = error_body(
        ErrorKind::Invalid,
        &format!("request refused: {why}; speak HTTP/1.1 with JSON bodies"),
    );
    let sent = timeout(
        limit,
        stream.write_all(plain_error(status, &body).as_bytes()),
    )
    .await;
    tracing::debug!(%status, why, ?sent, "request refused at the door");
}

/// Sends every event from now on as a line of JSON, until the monitor goes or the server ends.
async fn watch_events(mut stream: UnixStream, mut host: Host) {
    let Ok(_place) = Arc::clone(&host.monitors).try_acquire_owned() else {
        let body = error_body(
            ErrorKind::Unavailable,
            &format!("events: {MAX_MONITORS} monitors are connected already; end one of them"),
        );
        let answer = plain_error(StatusCode::SERVICE_UNAVAILABLE, &body);
        let sent = timeout(host.limits.head, stream.write_all(answer.as_bytes())).await;
        tracing::debug!(?sent, "monitor refused");
        return;
    };
    let mut monitor = host.handle.monitor();
    let (mut from, mut to) = stream.split();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncache-control: no-cache\r\nconnection: close\r\n\r\n";
    let send = async {
        to.write_all(head.as_bytes()).await?;
        while let Some(event) = monitor.next().await {
            let mut line = serde_json::to_vec(&event)?;
            line.push(b'\n');
            to.write_all(&line).await?;
        }
        io::Result::Ok(())
    };
    let mut ignored = [0; 256];
    let hung_up = async { while matches!(from.read(&mut ignored).await, Ok(1..)) {} };
    tokio::select! {
        sent = send => tracing::debug!(?sent, "monitor ended"),
        () = hung_up => {}
        _ = host.ending.wait_for(|ending| *ending) => {}
    }
}

/// A connection whose request head was read already and is given to the router first. Ends with an error when its time
/// is over.
#[derive(Debug)]
pub(super) struct Visitor {
    head: Vec<u8>,
    read: usize,
    stream: UnixStream,
    time: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Visitor {
    fn in_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.time.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Visitor {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        let rest = self.head.get(self.read..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let part = rest.get(..buf.remaining()).unwrap_or(rest);
        buf.put_slice(part);
        let read = part.len();
        self.read += read;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.in_time(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
