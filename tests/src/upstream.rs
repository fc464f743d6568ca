//! A DNS server outside, as small as can be: it knows names below `example.`, and remembers what it was asked.
//!
//! Every name below `example.` has the address [`ADDRESS`], whatever the type that is asked for is answered with; all
//! others do not exist. By UDP and TCP, a thread each, which end with the value.

use crate::{Must, Sandbox};
use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// What every name below `example.` has.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 200, 99);
/// Port of DNS.
const PORT: u16 = 53;

/// A running server.
#[derive(Debug)]
pub struct Upstream {
    home: Sandbox,
    at: SocketAddr,
    state: Arc<State>,
    threads: Vec<thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    asked: Mutex<Vec<(String, u16)>>,
    ends: AtomicBool,
}

impl Upstream {
    /// Starts it at an address of the sandbox.
    ///
    /// # Panics
    /// When the address is not there.
    #[must_use]
    pub fn start(home: &Sandbox, address: IpAddr) -> Self {
        let at = SocketAddr::new(address, PORT);
        let sockets =
            home.run(|| Ok::<_, io::Error>((UdpSocket::bind(at)?, TcpListener::bind(at)?)));
        let (udp, tcp) = sockets.must("the server's sockets");
        let state = Arc::new(State::default());
        let (by_udp, by_tcp) = (Arc::clone(&state), Arc::clone(&state));
        let threads = vec![
            thread::spawn(move || by_udp.serve_udp(&udp)),
            thread::spawn(move || by_tcp.serve_tcp(&tcp)),
        ];
        Self {
            home: home.clone(),
            at,
            state,
            threads,
        }
    }

    /// The questions since the last call: name in lower case with its last dot, and type.
    #[must_use]
    pub fn asked(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut *self.state.lock())
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Release);
        // Something to wake up for.
        self.home.run(|| {
            let waker = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0));
            let _sent = waker.and_then(|socket| socket.send_to(b"", self.at));
            drop(TcpStream::connect(self.at));
        });
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, u16)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }

    fn serve_udp(&self, socket: &UdpSocket) {
        let mut room = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut room) {
            if self.ends() {
                break;
            }
            if let Some(reply) = self.reply(&room[..length]) {
                let _sent = socket.send_to(&reply, from);
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            if self.ends() {
                break;
            }
            // One after the other: whoever asks here ends the connection soon.
            let _ended = self.converse(stream);
        }
    }

    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut query = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut query)?;
            if let Some(reply) = self.reply(&query) {
                let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
                stream.write_all(&[&length.to_be_bytes(), &reply[..]].concat())?;
            }
        }
    }

    /// The reply (RFC 1035 4.1) to a query of one question.
    fn reply(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (header, mut rest) = query.split_at_checked(12)?;
        let mut name = String::new();
        while let Some((length, after)) = rest.split_first()
            && *length > 0
        {
            let (label, after) = after.split_at_checked((*length).into())?;
            name.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
            name.push('.');
            rest = after;
        }
        let kind = u16::from_be_bytes(*rest.get(1..3)?.first_chunk()?);
        let question = &query[12..query.len() - rest.len() + 5];
        let known = name.ends_with(".example.");
        self.lock().push((name, kind));
        let mut reply = header[..2].to_vec();
        // QR, the client's RD; RA, and NXDOMAIN for what is not known.
        reply.extend([0x80 | (header[2] & 1), if known { 0x80 } else { 0x83 }]);
        let answers = u8::from(known && kind == 1);
        reply.extend([0, 1, 0, answers, 0, 0, 0, 0]);
        reply.extend(question);
        if answers == 1 {
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            reply.extend(ADDRESS.octets());
        }
        Some(reply)
    }
}
