//! What a hostile sandbox can do: connections by the thousand, queries cut off, noise. Others are answered all the while.

use std::{net::Shutdown, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::SockRef;

use super::*;

/// How many connections it opens and leaves alone.
const IDLE: usize = 10_000;

/// From where.
const IDLER: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
const NOISY: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 2);

/// Raises the limit on open files as far as it goes; how many connections of the test it is enough for.
fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    // The rest is for the server and the tests beside this one.
    let most = limit
        .maximum
        .map_or(usize::MAX, |most| usize::try_from(most).unwrap());
    most.saturating_sub(2000).clamp(100, IDLE)
}

fn is_open(client: &TcpStream) -> bool {
    client.set_nonblocking(true).unwrap();
    let peeked = client.peek(&mut [0]);
    peeked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn ten_thousand_idle_connections_lock_nobody_out_and_take_bounded_descriptors() {
    let limits = Limits::default();
    let server = Server::new(vec![], limits);
    let at_once = connections();
    let mut opened = 0;
    while opened < IDLE {
        let wave = at_once.min(IDLE - opened);
        let mut idle = Vec::with_capacity(wave);
        for number in 0..wave {
            idle.push(connect_from(IDLER, server.at));
            if number % 500 == 0 {
                assert!(is_web(&server.ask_tcp(&web())), "after {number}");
                assert!(is_web(&server.ask_udp(&web())), "after {number}");
            }
        }
        // The last one is the newest guest, so all before it were let in, and all but the newest were shown out.
        assert!(is_web(&server.ask_tcp(&web())));
        let open = idle.iter().filter(|client| is_open(client)).count();
        assert!(open < limits.guests, "{open} of {wave} are still connected");
        opened += wave;
    }
    assert!(is_web(&server.ask_tcp(&web())));
}

#[test]
fn cut_queries_resets_and_noise_do_not_disturb_others() {
    let server = Server::new(vec![], Limits::default());
    let at = server.at;
    let noise = |seed: u64| {
        let mut state = seed.wrapping_mul(2) + 1;
        move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            state.to_be_bytes()[0]
        }
    };
    thread::scope(|scope| {
        let flood = scope.spawn(move || {
            for number in 0..1000_u64 {
                let mut client = connect_from(NOISY, at);
                let mut byte = noise(number);
                let bytes: Vec<u8> = match number % 3 {
                    0 => framed(&web())[..7].to_vec(),
                    1 => (0..40).map(|_| byte()).collect(),
                    _ => framed(&(0..40).map(|_| byte()).collect::<Vec<_>>()),
                };
                client.write_all(&bytes).unwrap();
                if number % 2 == 0 {
                    // Closing it now sends a reset.
                    SockRef::from(&client)
                        .set_linger(Some(Duration::ZERO))
                        .unwrap();
                } else {
                    client.shutdown(Shutdown::Both).unwrap();
                }
            }
        });
        let datagrams = scope.spawn(move || {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            for number in 0..5000_u64 {
                let mut byte = noise(number);
                let bytes: Vec<u8> = (0..number % 64).map(|_| byte()).collect();
                client.send_to(&bytes, at).unwrap();
            }
        });
        for _ in 0..50 {
            assert!(is_web(&server.ask_tcp(&web())));
        }
        flood.join().unwrap();
        datagrams.join().unwrap();
    });
    assert!(is_web(&server.ask_tcp(&web())));
    assert!(is_web(&server.ask_udp(&web())));
}
