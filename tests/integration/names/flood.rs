//! Whoever does harm to the resolvers gains nothing, and costs nothing once it is over.

use super::*;
use std::{
    collections::VecDeque,
    io::Write as _,
    net::{SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};
use vswitch_tests::{Must as _, deadline, procfs::Process};

const CONNECTIONS: usize = 10_000;
/// What the harness itself holds at once.
const KEPT: usize = 700;

/// Asserts that a window of a fifth of a second, within the next second, costs the daemon no processor time to speak of.
#[track_caller]
fn becomes_idle(daemon: Process) {
    const WINDOW: Duration = Duration::from_millis(200);
    let start = Instant::now();
    let mut before = daemon.ticks();
    while start.elapsed() < Duration::from_secs(1) {
        deadline::measure_for(WINDOW);
        let now = daemon.ticks();
        if now - before <= 1 {
            return;
        }
        before = now;
    }
    panic!("the daemon is busy a second after the flood");
}

/// Bytes without a plan, the same each time (SplitMix64).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut byte = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 32).to_le_bytes()[0]
    };
    (0..length).map(|_| byte()).collect()
}

/// Opens very many connections that say nothing, the oldest of which are given up with a reset, and sends noise.
fn flood(from: &Sandbox, server: SocketAddr) {
    from.run(|| {
        let mut kept = VecDeque::new();
        for number in 0..CONNECTIONS {
            // A listener whose backlog is full for a moment answers the second SYN.
            let stream = TcpStream::connect_timeout(&server, deadline::SOON);
            let mut stream = stream.must("a connection");
            let seed = u64::try_from(number).must("a number");
            match number % 4 {
                // A length, and less than that: half a query. It may be closed already.
                0 => drop(stream.write(&[0, 40, 0x12, 0x34])),
                1 => drop(stream.write(&noise(seed, 64))),
                _ => {}
            }
            kept.push_back(stream);
            if kept.len() > KEPT {
                let old = kept.pop_front().map(socket2::Socket::from);
                let reset = old.map(|old| old.set_linger(Some(Duration::ZERO)));
                drop(reset);
            }
        }
        let udp = UdpSocket::bind(if server.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        });
        let udp = udp.must("a socket");
        for seed in 0..1000 {
            let length = usize::try_from(seed % 100).must("a length");
            let _sent = udp.send_to(&noise(seed, length), server);
        }
    });
}

#[test]
fn ten_thousand_connections_that_say_nothing_cost_nothing() {
    let stage = Stage::with(true);
    stage.lab.subnet("lan", 1, &["gateway=host"]);
    let asker = stage.join("lan", "asker", &[]);
    let web = stage.join("lan", "web", &[]);
    let daemon = stage.lab.daemon();
    let before = daemon.descriptors();
    for server in servers(&asker) {
        flood(&asker, SocketAddr::new(server, 53));
        becomes_idle(daemon);
        // 256 connections of a listener at most, and what is on its way.
        let now = daemon.descriptors();
        assert!(
            now < before + 3 * 256 + 300,
            "{server}: {before} became {now}"
        );
    }
    let _noise = stage.upstream.asked();
    stage.told(&asker, &["web", "A"], &[&web.ip4().to_string()]);
    stage.told(&asker, &["web", "A", "+tcp"], &[&web.ip4().to_string()]);
    stage.finish();
}

#[test]
fn the_switch_itself_as_gateway_bears_it_too() {
    let stage = Stage::with(true);
    let words = [
        "network",
        "create",
        "vault",
        "--internal",
        "--subnet",
        "198.18.1.0/24",
    ];
    stage.lab.cli(&words).done();
    let asker = stage.join("vault", "asker", &[]);
    let daemon = stage.lab.daemon();
    let before = daemon.descriptors();
    let gateway = servers(&asker)[1];
    // Its few places are taken by whoever came last, so that connecting may be refused: what counts is the end.
    asker.run(|| {
        let server = SocketAddr::new(gateway, 53);
        let mut kept = VecDeque::new();
        for number in 0..CONNECTIONS {
            let Ok(mut stream) = TcpStream::connect_timeout(&server, Duration::from_millis(200))
            else {
                continue;
            };
            let seed = u64::try_from(number).must("a number");
            let _sent = stream.write(&noise(seed, 32));
            kept.push_back(stream);
            if kept.len() > KEPT {
                let old = kept.pop_front().map(socket2::Socket::from);
                let reset = old.map(|old| old.set_linger(Some(Duration::ZERO)));
                drop(reset);
            }
        }
    });
    becomes_idle(daemon);
    assert!(daemon.descriptors() < before + 300);
    stage.told(&asker, &["asker", "A"], &[&asker.ip4().to_string()]);
    stage.finish();
}
