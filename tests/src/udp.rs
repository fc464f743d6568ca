//! A checked stream over UDP: datagrams of many sizes, each of which must arrive, once, in order and
//! unchanged.
//!
//! UDP has no flow control, so the sender waits for the receiver's word after every few datagrams: what
//! is lost then was not lost in a full socket buffer.

use crate::{Must, Sandbox, deadline::uninterrupted, pattern::Pattern, sandbox::command_of};
use std::{
    collections::BTreeSet,
    io::Write as _,
    net::{IpAddr, SocketAddr, UdpSocket},
    process::Stdio,
    thread,
    time::Duration,
};

/// Datagrams under way at once: 32 of 9000 bytes are well below the default receive buffer.
const WINDOW: u32 = 16;
/// A stall of this length is a loss.
const STALL: Duration = Duration::from_secs(10);

/// Sends `count` datagrams of up to `longest` bytes and checks each.
///
/// # Panics
/// When one is lost, doubled, out of order or changed.
#[track_caller]
pub fn checked(from: &Sandbox, to: &Sandbox, address: IpAddr, count: u32, longest: usize) {
    let (client, server) = pair(from, to, address);
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(STALL)).must("a timeout");
    }
    let (sent, received) = thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(&server, count, longest));
        let sent = send(&client, count, longest);
        (
            sent,
            receiver
                .join()
                .unwrap_or_else(|_| Err("panicked".to_owned())),
        )
    });
    assert_eq!(
        (sent, received),
        (Ok(()), Ok(())),
        "UDP from {} to {address}",
        from.name
    );
}

/// A client that is connected to a server at `address`.
#[track_caller]
fn pair(from: &Sandbox, to: &Sandbox, address: IpAddr) -> (UdpSocket, UdpSocket) {
    let server = to.run(|| UdpSocket::bind(SocketAddr::new(address, 0)));
    let server = server.must("a UDP socket");
    let any: IpAddr = match address {
        IpAddr::V4(_) => [0; 4].into(),
        IpAddr::V6(_) => [0; 16].into(),
    };
    let client = from.run(|| UdpSocket::bind(SocketAddr::new(any, 0)));
    let client = client.must("a UDP socket");
    let target = server.local_addr().must("its address");
    client.connect(target).must("a route");
    (client, server)
}

/// What came of the datagrams of [`lossy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrivals {
    /// Different ones that arrived.
    pub different: u32,
    /// All, those that came twice counted twice.
    pub all: u32,
    /// Those that came after one with a higher number.
    pub overtaken: u32,
}

/// Sends `count` datagrams of up to `longest` bytes over a way that may lose, double and reorder them.
///
/// # Panics
/// When one arrives changed.
#[track_caller]
#[must_use]
pub fn lossy(
    from: &Sandbox,
    to: &Sandbox,
    address: IpAddr,
    count: u32,
    longest: usize,
) -> Arrivals {
    let (client, server) = pair(from, to, address);
    // Far longer than the way takes, so that what has not come then is lost.
    (server.set_read_timeout(Some(Duration::from_millis(200)))).must("a timeout");
    let mut seen = BTreeSet::new();
    let mut arrivals = Arrivals {
        different: 0,
        all: 0,
        overtaken: 0,
    };
    let mut room = vec![0; 1 << 16];
    for number in 0..count {
        client.send(&datagram(number, longest)).must("send");
        if (number + 1) % LOSSY_WINDOW != 0 && number + 1 != count {
            continue;
        }
        while let Ok(length) = server.recv(&mut room) {
            let claimed = room.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
            let claimed = claimed.filter(|claimed| *claimed < count).must("a number");
            let sent = datagram(claimed, longest);
            assert_eq!(room[..length], sent, "{claimed} is changed");
            arrivals.all += 1;
            arrivals.overtaken += u32::from(seen.last().is_some_and(|last| *last > claimed));
            seen.insert(claimed);
        }
    }
    arrivals.different = u32::try_from(seen.len()).unwrap_or(u32::MAX);
    arrivals
}

/// Datagrams of [`lossy`] under way at once; they find room in the default receive buffer.
const LOSSY_WINDOW: u32 = 100;

/// Bytes of each datagram of [`segmented`].
const SEGMENT: usize = 1200;
/// Datagrams of one send, and all: together well below the default receive buffer.
const SEGMENTS: usize = 8;
const ALL: u32 = 80;

/// A UDP socket with `UDP_SEGMENT` (udp(7)): each write is many datagrams, which the kernel hands to the
/// device as one. Perl, because the option cannot be set from Rust without `unsafe`.
const SEGMENTING: &str = r#"
    use Socket qw(:DEFAULT inet_pton AF_INET6 pack_sockaddr_in6);
    my ($address, $port, $segment, $size) = @ARGV;
    binmode STDIN;
    my $six = $address =~ /:/;
    my $family = $six ? AF_INET6 : AF_INET;
    my $ip = inet_pton($family, $address);
    socket(my $s, $family, SOCK_DGRAM, 0) or die "socket: $!";
    setsockopt($s, 17, 103, pack("i", $segment)) or die "UDP_SEGMENT: $!";
    connect($s, $six ? pack_sockaddr_in6($port, $ip) : pack_sockaddr_in($port, $ip)) or die "$!";
    while (read(STDIN, my $bytes, $size) == $size) {
        defined(send($s, $bytes, 0)) or die "send: $!";
    }
"#;

/// Sends datagrams that leave the sender's stack as superframes (USO) and checks each. Gives how many
/// there are.
///
/// # Panics
/// When one is lost, doubled, out of order or changed.
#[track_caller]
pub fn segmented(from: &Sandbox, to: &Sandbox, address: IpAddr) -> u32 {
    let server = to.run(|| UdpSocket::bind(SocketAddr::new(address, 0)));
    let server = server.must("a UDP socket");
    server.set_read_timeout(Some(STALL)).must("a timeout");
    let port = server.local_addr().must("its address").port().to_string();
    let words = [
        "perl",
        "-e",
        SEGMENTING,
        &address.to_string(),
        &port,
        &SEGMENT.to_string(),
        &(SEGMENT * SEGMENTS).to_string(),
    ];
    let mut perl = from.spawn(command_of(&words).stdin(Stdio::piped()));
    let bytes: Vec<u8> = (0..ALL).flat_map(segment).collect();
    let mut stdin = perl.stdin.take().must("perl's stdin");
    stdin.write_all(&bytes).must("perl's stdin");
    drop(stdin);
    assert!(perl.wait().must("wait for perl").success());
    let mut room = [0; 2 * SEGMENT];
    for number in 0..ALL {
        let length = uninterrupted(|| server.recv(&mut room)).must(&format!("datagram {number}"));
        if room[..length] != segment(number) {
            let claimed = room.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
            panic!("instead of {number} came {claimed:?}, {length} bytes, or it is changed");
        }
    }
    ALL
}

/// What datagram `number` of [`segmented`] is: its number, then bytes that follow from it.
fn segment(number: u32) -> Vec<u8> {
    let mut bytes = vec![0; SEGMENT];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Pattern::new(number.into()).fill(&mut bytes[4..]);
    bytes
}

/// What datagram `number` is: its number, then bytes that follow from it.
fn datagram(number: u32, longest: usize) -> Vec<u8> {
    let mut pattern = Pattern::new(number.into());
    let span = (longest - 4) as u64 + 1;
    let length = usize::try_from(pattern.below(span)).unwrap_or(0);
    let mut bytes = vec![0; 4 + length];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    pattern.fill(&mut bytes[4..]);
    bytes
}

fn send(socket: &UdpSocket, count: u32, longest: usize) -> Result<(), String> {
    let mut word = [0; 4];
    for number in 0..count {
        socket
            .send(&datagram(number, longest))
            .map_err(|e| format!("send {number}: {e}"))?;
        if (number + 1) % WINDOW == 0 {
            uninterrupted(|| socket.recv(&mut word))
                .map_err(|e| format!("no word after {number}: {e}"))?;
        }
    }
    Ok(())
}

fn receive(socket: &UdpSocket, count: u32, longest: usize) -> Result<(), String> {
    let mut room = vec![0; 1 << 16];
    for number in 0..count {
        let (length, from) = uninterrupted(|| socket.recv_from(&mut room))
            .map_err(|e| format!("no {number}: {e}"))?;
        if room[..length] != datagram(number, longest) {
            let claimed = room.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
            return Err(format!(
                "instead of {number} came {claimed:?}, {length} bytes, or it is changed"
            ));
        }
        if (number + 1) % WINDOW == 0 {
            socket
                .send_to(&number.to_be_bytes(), from)
                .map_err(|e| format!("word: {e}"))?;
        }
    }
    Ok(())
}
