//! The server over a real unix socket and a fake kernel; no root needed.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Instant,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::oneshot,
    task::JoinHandle,
};

use super::*;
use crate::{
    api::{
        Client, ClientError, ControlSocket,
        types::{
            Connect, ErrorBody, ErrorKind, EventKind, FdbAdd, FdbFlush, FdbKind, FdbRemove,
            NetworkCreate,
        },
    },
    control::testing::{FakeKernel, controller, loopback},
};

/// A running server.
struct Running {
    directory: TempDir,
    kernel: FakeKernel,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
    _socket: ControlSocket,
}

impl Running {
    async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (socket, listener) = ControlSocket::bind(&directory.path().join("run/v.sock")).unwrap();
        let (controller, kernel) = controller();
        let handle = Handle::new(Arc::new(Mutex::new(controller)));
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or_default() };
        let task = tokio::spawn(serve(
            listener,
            handle,
            Engine::new("/nonexistent/docker.sock"),
            limits,
            stopped,
        ));
        Self {
            directory,
            kernel,
            stop: Some(stop),
            task,
            _socket: socket,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("run/v.sock")
    }

    async fn client(&self) -> Client {
        Client::connect(self.path()).await.unwrap()
    }

    /// Sends bytes and reads until the server closes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.path()).await.unwrap();
        // The server may refuse, and close, before it has read all of it.
        let sent = stream.write_all(bytes).await;
        let mut reply = Vec::new();
        let read = stream.read_to_end(&mut reply).await;
        assert!(!reply.is_empty(), "no reply: {sent:?} {read:?}");
        String::from_utf8(reply).unwrap()
    }

    async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.task).await.unwrap().unwrap();
    }
}

/// Status and error of a raw reply.
fn error(reply: &str) -> (u16, ErrorBody) {
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(
        head.to_ascii_lowercase().contains("connection: close"),
        "{head}"
    );
    assert!(
        head.to_ascii_lowercase()
            .contains("content-type: application/json"),
        "{head}"
    );
    let body: ErrorBody = serde_json::from_str(body).unwrap();
    assert!(
        !body.error.contains('\n') && body.error.contains(": "),
        "{}",
        body.error
    );
    (head[9..12].parse().unwrap(), body)
}

fn lab() -> NetworkCreate {
    NetworkCreate {
        name: "lab".to_owned(),
        subnets: vec!["198.18.0.0/24".parse().unwrap()],
        options: [("gateway".to_owned(), "off".to_owned())].into(),
        ..NetworkCreate::default()
    }
}

fn to(sandbox: &str) -> Connect {
    Connect {
        sandbox: sandbox.to_owned(),
        ..Connect::default()
    }
}

#[tokio::test]
async fn every_call_of_the_client_works() {
    let mut running = Running::start().await;
    let client = running.client().await;
    assert_eq!(client.networks().await.unwrap().len(), 3);
    let created = client.create_network(&lab()).await.unwrap();
    assert_eq!(created.id.len(), 64);
    client.create_sandbox("a").await.unwrap();
    assert_eq!(client.sandboxes().await.unwrap()[0].name, "a");
    let connected = client.connect_endpoint("lab", &to("a")).await.unwrap();
    assert_eq!(
        connected.interface.ipv4.unwrap().to_string(),
        "198.18.0.2/24"
    );
    running.kernel.process(42);
    client.connect_endpoint("lab", &to("pid:42")).await.unwrap();
    assert_eq!(client.sandbox("pid:42").await.unwrap().interfaces.len(), 1);
    assert_eq!(
        client.sandbox("a").await.unwrap().interfaces[0].interface,
        connected.interface
    );
    assert_eq!(client.network("lab").await.unwrap().containers.len(), 2);
    assert_eq!(client.ports().await.unwrap().len(), 2);
    assert_eq!(
        client.port("a/eth0").await.unwrap(),
        client.port("0").await.unwrap()
    );
    use_fdb(&client).await;
    let status = client.status().await.unwrap();
    assert_eq!((status.networks, status.ports, status.sandboxes), (4, 2, 2));
    client.disconnect_endpoint("lab", "pid:42").await.unwrap();
    let error = client.remove_sandbox("a", false).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Conflict));
    client.remove_sandbox("a", true).await.unwrap();
    client.remove_network("lab").await.unwrap();
    assert_eq!(
        client.remove_network("lab").await.unwrap_err().kind(),
        Some(ErrorKind::NotFound)
    );
    client.create_network(&lab()).await.unwrap();
    use_peers(&client).await;
    assert_eq!(
        client.prune_networks().await.unwrap().networks,
        ["blue", "lab"]
    );
    running.stop().await;
    assert!(matches!(
        client.status().await.unwrap_err(),
        ClientError::Broken(_) | ClientError::Unreachable { .. }
    ));
}

async fn use_peers(client: &Client) {
    let (local, peer) = (loopback(), loopback());
    let options = [
        ("vni", "42".to_owned()),
        ("local", local.to_string()),
        ("gateway", "off".to_owned()),
    ];
    let blue = NetworkCreate {
        name: "blue".to_owned(),
        driver: "overlay".to_owned(),
        options: options.map(|(key, value)| (key.to_owned(), value)).into(),
        ..NetworkCreate::default()
    };
    client.create_network(&blue).await.unwrap();
    client.add_peer("blue", peer).await.unwrap();
    assert_eq!(client.peers("blue").await.unwrap()[0].ip, peer);
    client.remove_peer("blue", peer).await.unwrap();
    assert!(client.peers("blue").await.unwrap().is_empty());
    let error = client.add_peer("lab", peer).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Invalid));
}

async fn use_fdb(client: &Client) {
    let mac = "02:00:00:00:00:05".parse().unwrap();
    let add = FdbAdd {
        mac,
        port: Some("a/eth0".to_owned()),
        remote: None,
        vlan: None,
        kind: FdbKind::Sticky,
    };
    client.fdb_add("lab", &add).await.unwrap();
    assert_eq!(client.fdb("lab").await.unwrap()[0].kind, FdbKind::Sticky);
    assert_eq!(client.fdb_stats("lab").await.unwrap().pinned, 1);
    client
        .fdb_remove("lab", &FdbRemove { mac, vlan: None })
        .await
        .unwrap();
    assert_eq!(
        client
            .fdb_flush("lab", &FdbFlush::default())
            .await
            .unwrap()
            .flushed,
        0
    );
}

#[tokio::test]
async fn monitors_see_every_event_until_the_server_ends() {
    let mut running = Running::start().await;
    let client = running.client().await;
    let (mut one, mut two) = (
        client.events().await.unwrap(),
        client.events().await.unwrap(),
    );
    let created = client.create_network(&lab()).await.unwrap();
    for monitor in [&mut one, &mut two] {
        let event = monitor.next().await.unwrap().unwrap();
        let id = created.id.clone();
        assert_eq!(
            event.what,
            EventKind::NetworkCreate {
                network: "lab".to_owned(),
                id
            }
        );
        assert!(event.time.ends_with('Z'), "{}", event.time);
    }
    running.stop().await;
    assert!(one.next().await.is_none());
}

#[tokio::test]
async fn a_monitor_sees_lines_of_json_with_time_and_type() {
    let running = Running::start().await;
    let mut stream = UnixStream::connect(running.path()).await.unwrap();
    stream
        // HTTP/1.0 knows no chunks: the lines come as they are.
        .write_all(b"GET /v1/events HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut seen = String::new();
    let mut read = async |until: &str| {
        while !seen.contains(until) {
            let mut part = [0; 1024];
            let length = stream.read(&mut part).await.unwrap();
            assert!(length > 0, "{seen}");
            seen.push_str(std::str::from_utf8(&part[..length]).unwrap());
        }
        seen.clone()
    };
    read("\r\n\r\n").await;
    running.client().await.create_sandbox("a").await.unwrap();
    let seen = read("}\n").await;
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("200 OK") && head.contains("application/x-ndjson"),
        "{head}"
    );
    let event: Value = serde_json::from_str(body.trim()).unwrap();
    assert_eq!(
        (&event["type"], &event["sandbox"]),
        (&Value::from("sandbox-create"), &Value::from("a"))
    );
    assert!(event["time"].is_string());
}

#[tokio::test]
async fn what_is_not_a_request_is_refused_at_once() {
    let running = Running::start().await;
    let long = [
        b"GET /".to_vec(),
        vec![b'x'; 20_000],
        b" HTTP/1.1\r\n\r\n".to_vec(),
    ]
    .concat();
    let cases: [(&[u8], u16); 9] = [
        (b"\x16\x03\x01\x02\x00garbage\xff\xfe", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET /v1/status HTTP/9.9\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /v1/status HTTP/1.1\r\nno colon here\r\n\r\n", 400),
        (&long, 431),
        (b"GET /v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n", 404),
        (b"PATCH /v1/networks HTTP/1.1\r\nhost: x\r\n\r\n", 405),
        (b"DELETE /v1/events HTTP/1.1\r\nhost: x\r\n\r\n", 405),
    ];
    for (bytes, status) in cases {
        let reply = running.raw(bytes).await;
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status} ")),
            "{shown}: {reply}"
        );
        // What is no HTTP is answered by hyper itself, without a body.
        if matches!(status, 404 | 405) {
            assert_eq!(error(&reply).0, status);
        }
    }
    assert_eq!(running.client().await.networks().await.unwrap().len(), 3);
}

#[tokio::test]
async fn garbage_behind_a_request_is_not_looked_at() {
    let running = Running::start().await;
    let request = b"GET /v1/ports HTTP/1.1\r\nhost: x\r\n\r\n";
    let pipelined: [&[u8]; 2] = [
        b"\x16\x03\x01\x02\x00garbage\xff\xfe",
        b"DELETE /v1/sandboxes/a HTTP/1.1\r\nhost: x\r\n\r\n",
    ];
    running.client().await.create_sandbox("a").await.unwrap();
    for more in pipelined {
        let reply = running.raw(&[request, more].concat()).await;
        assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
        assert!(reply.ends_with("\r\n\r\n[]"), "{reply}");
    }
    assert_eq!(running.client().await.sandboxes().await.unwrap().len(), 1);
}

fn post(target: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[tokio::test]
async fn wrong_bodies_are_explained() {
    let running = Running::start().await;
    for (body, hint) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "expected struct"),
        (
            r#"{"name": "x", "colour": "red"}"#,
            "unknown field `colour`",
        ),
        (r#"{"name": 7}"#, "invalid type"),
        (r#"{"name": "x", "subnets": ["198.18.0.0/99"]}"#, "subnets"),
    ] {
        let (status, body) = error(&running.raw(&post("/v1/networks", body)).await);
        assert_eq!((status, body.kind), (400, ErrorKind::Invalid));
        assert!(
            hint == "subnets" || hint == "expected struct" || body.error.contains(hint),
            "{}",
            body.error
        );
    }
    let (status, body) = error(
        &running
            .raw(b"DELETE /v1/sandboxes/a?fore=true HTTP/1.1\r\nhost: x\r\n\r\n")
            .await,
    );
    assert_eq!(status, 400);
    assert!(body.error.contains("force=true"));
    let (status, _) = error(
        &running
            .raw(b"GET /v1/networks/%ff HTTP/1.1\r\nhost: x\r\n\r\n")
            .await,
    );
    assert_eq!(status, 400);
    assert_eq!(running.client().await.networks().await.unwrap().len(), 3);
}

#[tokio::test]
async fn huge_bodies_are_refused_without_reading_them() {
    let running = Running::start().await;
    let announced = b"POST /v1/networks HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\n\r\n{";
    assert_eq!(error(&running.raw(announced).await).0, 413);
    let overflow = b"POST /v1/networks HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n{";
    assert!(running.raw(overflow).await.starts_with("HTTP/1.1 4"));
    // Without an announcement the body is read up to the limit.
    let mut chunked =
        b"POST /v1/networks HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        chunked.extend(b"10000\r\n");
        chunked.resize(chunked.len() + 0x10000, b' ');
        chunked.extend(b"\r\n");
    }
    assert_eq!(error(&running.raw(&chunked).await).0, 413);
    let torn =
        b"POST /v1/networks HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno number\r\n";
    assert_eq!(error(&running.raw(torn).await).0, 400);
    // The client hears why, too.
    let name = "x".repeat(4 << 20);
    let refused = running.client().await.create_sandbox(&name).await;
    assert_eq!(refused.unwrap_err().kind(), Some(ErrorKind::Invalid));
    assert_eq!(running.client().await.networks().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_slow_head_and_a_slow_body_run_out_of_time() {
    let (short, long) = (Duration::from_millis(300), Duration::from_secs(600));
    let slow_head = Limits {
        head: short,
        visit: long,
    };
    let slow_body = Limits {
        head: long,
        visit: short,
    };
    let head = "GET /v1/status HTTP/1.1\r\nhost: x\r\n";
    let body = "POST /v1/networks HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    for (bytes, limits) in [("", slow_head), (head, slow_head), (body, slow_body)] {
        let running = Running::with(limits).await;
        let started = Instant::now();
        let mut stream = UnixStream::connect(running.path()).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        // What matters is that the connection ends.
        let mut reply = Vec::new();
        let ended = stream.read_to_end(&mut reply);
        let ended = timeout(Duration::from_secs(30), ended)
            .await
            .expect("an end");
        assert!(started.elapsed() >= short, "{bytes}: {ended:?}");
    }
    assert_eq!(Limits::default().head, Duration::from_secs(5));
}

#[tokio::test]
async fn idle_connections_and_monitors_keep_nobody_out_for_good() {
    let running = Running::start().await;
    let client = running.client().await;
    let mut monitors = Vec::new();
    for _ in 0..64 {
        monitors.push(client.events().await.unwrap());
    }
    let refused = client.events().await.unwrap_err();
    assert_eq!(refused.kind(), Some(ErrorKind::Unavailable));
    assert_eq!(client.networks().await.unwrap().len(), 3);
    let mut idle = Vec::new();
    for _ in 0..64 {
        let mut stream = UnixStream::connect(running.path()).await.unwrap();
        stream.write_all(b"GET ").await.unwrap();
        idle.push(stream);
    }
    let waiting = tokio::spawn(async move { client.networks().await });
    // One place becomes free, and the one that waits gets it long before any time is over.
    let started = Instant::now();
    idle.pop();
    assert_eq!(waiting.await.unwrap().unwrap().len(), 3);
    assert!(started.elapsed() < Duration::from_secs(4));
    // So does the place of a monitor that hangs up.
    monitors.pop();
    let client = running.client().await;
    let seen = async {
        while client.events().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), seen).await.unwrap();
}

#[tokio::test]
async fn many_clients_at_once() {
    let running = Running::start().await;
    let client = running.client().await;
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.create_sandbox(&format!("s{n}")).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(client.sandboxes().await.unwrap().len(), 200);
}
