//! Real sockets on loopback; the sandbox is the namespace of the test itself, which needs no right.

mod bindings;
mod tcp;
mod udp;

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};

use super::{Limits, Proxies};
use crate::{
    control::{
        publish::{Binding, Transport},
        sandbox::Place,
        services::{Home, Service},
    },
    sys::Netns,
};

/// Time for what should happen at once.
const SOON: Duration = Duration::from_secs(20);

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Published ports, and the runtime that carries them.
struct Stage {
    proxies: Proxies,
    _runtime: Runtime,
}

impl Stage {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        let proxies = Proxies::with_limits(runtime.handle().clone(), limits);
        Self {
            proxies,
            _runtime: runtime,
        }
    }

    /// Publishes a port at a free one of 127.0.0.1.
    fn publish(&self, protocol: Transport, container_port: u16) -> (SocketAddr, Service) {
        let binding = Binding {
            host_ip: Some(V4),
            host_port: 0,
            container_port,
            protocol,
        };
        let published = self.proxies.publish(&binding, &home(), &[V4, V6]);
        let (port, service) = published.unwrap();
        (SocketAddr::new(V4, port), service)
    }
}

/// The namespace that the tests run in.
fn home() -> Home {
    Home {
        place: Place::Pid(std::process::id()),
        netns: Some(Netns::current().unwrap().id().unwrap()),
    }
}

/// A listener of the container's, at a free port.
fn listener(ip: IpAddr) -> (TcpListener, u16) {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A connection with time limits.
fn connect(to: SocketAddr) -> TcpStream {
    patient(TcpStream::connect_timeout(&to, SOON).unwrap())
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

/// Both ends of a published connection: the client's and the container's.
fn pair(stage: &Stage) -> (TcpStream, TcpStream, Service) {
    let (listener, port) = listener(V4);
    let (to, service) = stage.publish(Transport::Tcp, port);
    let client = connect(to);
    let (container, _) = listener.accept().unwrap();
    (client, patient(container), service)
}

/// Whether the other side has cut the connection, not ended it.
fn is_reset(stream: &mut TcpStream) -> bool {
    let read = stream.read(&mut [0; 64]).map_err(|error| error.kind());
    read == Err(io::ErrorKind::ConnectionReset)
}

/// Whether a new client is reset, be it while it is still connecting.
fn is_refused(to: SocketAddr) -> bool {
    match TcpStream::connect_timeout(&to, SOON) {
        Ok(stream) => is_reset(&mut patient(stream)),
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

fn round_trip(client: &mut TcpStream, container: &mut TcpStream) {
    for (text, from, to) in [(b"question", 0, 1), (b"answer!!", 1, 0)] {
        let ends = [&mut *client, &mut *container];
        let mut got = [0; 8];
        let [a, b] = ends;
        let (writer, reader) = if from < to { (a, b) } else { (b, a) };
        writer.write_all(text).unwrap();
        reader.read_exact(&mut got).unwrap();
        assert_eq!(&got, text);
    }
}

#[track_caller]
fn eventually(what: &str, mut ask: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !ask() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
