//! Published ports of a host with its own namespace, into sandboxes with theirs.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};
use vswitch::{
    control::{
        ControlError, ErrorKind,
        publish::Binding,
        sandbox::Place,
        services::{Home, Service},
    },
    service::proxy::Proxies,
    sys::{IfName, Netns, PortFault, TapFactory, TunOptions},
};
use vswitch_tests::{Lab, Must, Sandbox, Setup, deadline::SOON, eventually, transfer};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// A host with a sandbox on a network, and the proxies of the host.
struct Stage {
    proxies: Proxies,
    _runtime: Runtime,
    sandbox: Sandbox,
    lab: Lab,
}

type Published = Result<Vec<(u16, Service)>, ControlError>;

impl Stage {
    fn new(alone: bool) -> Self {
        let lab = Lab::start_with(&Setup {
            alone,
            ..Setup::default()
        });
        lab.network("lan", &[]);
        let sandbox = lab.join("lan", "web");
        let (runtime, proxies) = proxies();
        Self {
            proxies,
            _runtime: runtime,
            sandbox,
            lab,
        }
    }

    fn home(&self) -> Home {
        Home {
            place: Place::Path(self.lab.netns_path("web").into()),
            netns: Some(self.sandbox.netns.id().must("the namespace's ID")),
        }
    }

    /// Publishes ports of the sandbox at the host.
    fn publish(&self, text: &str) -> Published {
        let bindings = Binding::parse(text).must(text);
        let addresses = [self.sandbox.ip4(), self.sandbox.ip6()];
        let home = self.home();
        let publish = || self.proxies.publish_all(&bindings, &home, &addresses);
        self.lab.host().run(publish).must("the host")
    }

    /// A connection from the host itself.
    fn connect(&self, to: SocketAddr) -> TcpStream {
        connect(self.lab.host(), to)
    }

    /// A server in the sandbox, at its own address alone.
    fn listener(&self, address: IpAddr) -> (TcpListener, u16) {
        let listener = self.sandbox.run(|| TcpListener::bind((address, 0)));
        let listener = listener.must("a listener");
        let port = listener.local_addr().must("its address").port();
        (listener, port)
    }

    fn finish(self) {
        drop(self.proxies);
        self.lab.finish();
    }
}

/// As the daemon has them.
fn proxies() -> (Runtime, Proxies) {
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build();
    let runtime = runtime.must("a runtime");
    let proxies = Proxies::new(runtime.handle().clone());
    (runtime, proxies)
}

#[track_caller]
fn connect(from: &Netns, to: SocketAddr) -> TcpStream {
    let stream = from.run(|| TcpStream::connect_timeout(&to, SOON));
    patient(stream.must("the host").must("a connection"))
}

#[track_caller]
fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(SOON)).must("a timeout");
    stream
}

/// Each byte there and back again at once, and every one checked.
#[track_caller]
fn both_ways(client: TcpStream, container: TcpStream, bytes: u64) {
    let halves = [&client, &container].map(|end| end.try_clone().must("a second descriptor"));
    let [client_too, container_too] = halves;
    thread::scope(|scope| {
        scope.spawn(|| transfer::stream(client, container, bytes, "to the container"));
        scope.spawn(|| transfer::stream(container_too, client_too, bytes, "to the client"));
    });
}

#[test]
fn a_gibibyte_each_way_at_once_is_unchanged() {
    let stage = Stage::new(true);
    for (host, address, bytes) in [
        (V4, stage.sandbox.ip4(), 1 << 30),
        (V6, stage.sandbox.ip6(), 1 << 27),
    ] {
        let (listener, behind) = stage.listener(address);
        let published = stage.publish(&behind.to_string()).must("publish");
        let client = stage.connect(SocketAddr::new(host, published[0].0));
        let (container, from) = listener.accept().must("a client");
        // The container sees itself, as documented.
        assert_eq!(from.ip(), address);
        both_ways(client, container, bytes);
    }
    stage.finish();
}

/// Answers in capitals until told to end.
fn shout(socket: &UdpSocket) {
    let mut room = [0; 2000];
    loop {
        let (length, from) = socket.recv_from(&mut room).must("a question");
        if length == 0 {
            return;
        }
        let answer = room[..length].to_ascii_uppercase();
        socket.send_to(&answer, from).must("an answer");
    }
}

#[test]
fn datagrams_of_many_clients_are_answered_over_both_families() {
    let stage = Stage::new(false);
    let (ip4, ip6) = (stage.sandbox.ip4(), stage.sandbox.ip6());
    let bind = |ip: IpAddr, port| stage.sandbox.run(|| UdpSocket::bind((ip, port)));
    let server4 = bind(ip4, 0).must("a server");
    let behind = server4.local_addr().must("its address").port();
    let server6 = bind(ip6, behind).must("a server");
    let published = stage.publish(&format!("{behind}/udp")).must("publish");
    let port = published[0].0;
    thread::scope(|scope| {
        scope.spawn(|| shout(&server4));
        scope.spawn(|| shout(&server6));
        for round in 0..40 {
            for host in [V4, V6] {
                let client = (stage.lab.host()).run(|| UdpSocket::bind((host, 0)));
                let client = client.must("the host").must("a client");
                client.set_read_timeout(Some(SOON)).must("a timeout");
                client.connect((host, port)).must("the port");
                let mut room = [0; 100];
                for question in 0..5 {
                    let text = format!("question {round}.{question}");
                    client.send(text.as_bytes()).must("a question");
                    let length = client.recv(&mut room).must("an answer");
                    assert_eq!(room[..length], *text.to_uppercase().as_bytes());
                }
            }
        }
        for (server, ip) in [(&server4, ip4), (&server6, ip6)] {
            server.send_to(&[], (ip, behind)).must("the end");
        }
    });
    stage.finish();
}

#[test]
fn a_range_leads_port_by_port() {
    let stage = Stage::new(false);
    let serve = |port| {
        let listener = (stage.sandbox).run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)));
        listener.must("a listener")
    };
    let listeners: Vec<_> = (8000..8008).map(serve).collect();
    let published = stage.publish("9000-9007:8000-8007").must("publish");
    let ports: Vec<_> = published.iter().map(|(port, _)| *port).collect();
    assert_eq!(ports, (9000..9008).collect::<Vec<_>>());
    for (listener, port) in listeners.iter().zip(ports) {
        let mut client = stage.connect(SocketAddr::new(V4, port));
        let mut container = patient(listener.accept().must("a client").0);
        container.write_all(&port.to_be_bytes()).must("an answer");
        let mut said = [0; 2];
        client.read_exact(&mut said).must("an answer");
        assert_eq!(u16::from_be_bytes(said), port);
    }
    stage.finish();
}

#[test]
fn of_a_range_with_a_taken_port_nothing_stays() {
    let stage = Stage::new(false);
    let bind = |port| (stage.lab.host()).run(move || TcpListener::bind((V6, port)));
    let taken = bind(9002).must("the host").must("a listener");
    let error = stage.publish("9000-9003:8000-8003").map(drop);
    let error = error.expect_err("one of them is taken");
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains("9002/tcp"), "{error}");
    drop(taken);
    for port in 9000..9004 {
        bind(port).must("the host").must("a free port");
    }
    stage.publish("9000-9003:8000-8003").must("publish");
    stage.finish();
}

#[test]
fn the_clients_of_a_sandbox_that_is_gone_are_reset() {
    let stage = Stage::new(false);
    let published = stage.publish("127.0.0.1::80").must("publish");
    stage.lab.cli(&["sandbox", "rm", "--force", "web"]).done();
    let to = SocketAddr::new(V4, published[0].0);
    // The reset may come while the client is still connecting.
    let connect = || TcpStream::connect_timeout(&to, SOON)?.read(&mut [0]);
    let reset = (stage.lab.host().run(connect)).must("the host");
    let reset = reset.map_err(|error| error.kind());
    assert_eq!(reset, Err(io::ErrorKind::ConnectionReset));
    stage.finish();
}

#[test]
fn a_published_port_does_not_keep_the_namespace_alive() {
    let lab = Lab::start();
    let (_runtime, proxies) = proxies();
    let directory = tempfile::tempdir().must("a directory");
    let place = directory.path().join("pin");
    let netns = Netns::create().must("a namespace");
    netns.pin(&place).must("a pin");
    // Its descriptor, which is not of the namespace, tells when that ends.
    let ifname = IfName::new("eth0").must("a name");
    let factory = TapFactory::new().must("TAPs");
    let tap = factory.create(&netns, &ifname, TunOptions::default());
    let tap = tap.must("a device");
    let home = Home {
        place: Place::Path(place.clone()),
        netns: Some(netns.id().must("an ID")),
    };
    let listener = netns.run(|| TcpListener::bind((V4, 80)));
    let listener = listener.must("the namespace").must("a listener");
    let binding = Binding::parse("127.0.0.1::80").must("a binding")[0];
    let publish = || proxies.publish(&binding, &home, &[V4]);
    let (port, service) = lab.host().run(publish).must("the host").must("publish");
    let client = connect(lab.host(), SocketAddr::new(V4, port));
    let (mut container, _) = listener.accept().must("a client");
    drop(client);
    assert_eq!(container.read(&mut [0]).must("the end"), 0);
    drop((container, listener, netns));
    Netns::unpin(&place).must("no pin");
    eventually(SOON, "the namespace ends", || {
        let fault = tap.recv(&mut [0; 2000]).err();
        (fault.as_ref().map(PortFault::of) == Some(PortFault::Gone)).then_some(())
    });
    drop(service);
    Netns::release_directory(directory.path()).must("no mount");
    lab.finish();
}

#[test]
fn a_connection_costs_less_than_a_millisecond() {
    let stage = Stage::new(true);
    let (listener, behind) = stage.listener(stage.sandbox.ip4());
    let published = stage.publish(&behind.to_string()).must("publish");
    let to = SocketAddr::new(V4, published[0].0);
    let once = || {
        let start = Instant::now();
        let client = TcpStream::connect_timeout(&to, SOON).must("a connection");
        let container = listener.accept().must("a client");
        let took = start.elapsed();
        drop((client, container));
        took
    };
    let series = || {
        let mut times: Vec<_> = (0..100).map(|_| once()).collect();
        times.sort_unstable();
        println!("median {:?}, longest {:?}", times[50], times[99]);
        times[50]
    };
    // The namespace and the threads that enter it are within the time. Repeated, as nobody knows what else runs.
    let measured = (stage.lab.host()).run(|| (0..5).any(|_| series() < Duration::from_millis(1)));
    assert!(measured.must("the host"), "each time more");
    stage.finish();
}
