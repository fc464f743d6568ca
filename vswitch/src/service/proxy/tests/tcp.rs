//! What a connection to a published port is like, from both ends.

use std::net::Shutdown;

use socket2::SockRef;

use super::*;

/// Bytes of a long transfer.
const LONG: usize = 64 << 20;

/// The byte at a place of the stream; neighbours, pages and pipes full of them differ.
fn byte(at: usize) -> u8 {
    let [a, b, c, ..] = at.to_le_bytes();
    a ^ b.wrapping_mul(31) ^ c.wrapping_mul(101)
}

fn send_long(mut to: TcpStream) {
    for chunk in 0..LONG / 65_536 {
        let start = chunk * 65_536;
        let bytes: Vec<_> = (start..start + 65_536).map(byte).collect();
        to.write_all(&bytes).unwrap();
    }
    to.shutdown(Shutdown::Write).unwrap();
}

fn receive_long(mut from: TcpStream) {
    let (mut at, mut room) = (0, vec![0; 100_000]);
    loop {
        let length = from.read(&mut room).unwrap();
        if length == 0 {
            break;
        }
        let right = (at..).zip(&room[..length]).all(|(at, b)| byte(at) == *b);
        assert!(right, "a wrong byte behind {at}");
        at += length;
    }
    assert_eq!(at, LONG);
}

fn long_both_ways(stage: &Stage) {
    let (client, container, _service) = pair(stage);
    thread::scope(|scope| {
        for end in [client, container] {
            let other = end.try_clone().unwrap();
            scope.spawn(|| send_long(end));
            scope.spawn(|| receive_long(other));
        }
    });
}

#[test]
fn a_long_transfer_arrives_whole_both_ways_at_once() {
    long_both_ways(&Stage::new());
}

#[test]
fn so_it_does_where_the_kernel_does_not_splice() {
    let stage = Stage::new();
    stage.proxies.0.carriers.refuse_splice();
    long_both_ways(&stage);
}

#[test]
fn whoever_has_said_all_is_still_answered() {
    let stage = Stage::new();
    for first in [0, 1] {
        let (client, container, _service) = pair(&stage);
        let mut ends = [client, container];
        if first == 1 {
            ends.reverse();
        }
        let [mut asking, mut answering] = ends;
        asking.write_all(b"question").unwrap();
        asking.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        answering.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "question");
        let answer = "answer".repeat(100_000);
        answering.write_all(answer.as_bytes()).unwrap();
        drop(answering);
        heard.clear();
        asking.read_to_string(&mut heard).unwrap();
        assert!(heard == answer);
    }
}

#[test]
fn a_container_that_refuses_resets_the_client() {
    let stage = Stage::new();
    let (closed, port) = listener(V4);
    drop(closed);
    let (to, _service) = stage.publish(Transport::Tcp, port);
    assert!(is_refused(to));
}

#[test]
fn another_namespace_at_the_place_is_not_entered() {
    let stage = Stage::new();
    let (_listener, port) = listener(V4);
    let mut home = home();
    home.netns.as_mut().unwrap().ino += 1;
    let binding = Binding::parse(&format!("127.0.0.1::{port}")).unwrap()[0];
    let published = stage.proxies.publish(&binding, &home, &[V4]);
    let (port, _service) = published.unwrap();
    assert!(is_refused(SocketAddr::new(V4, port)));
}

#[test]
fn a_reset_is_passed_on_both_ways() {
    let stage = Stage::new();
    for first in [0, 1] {
        let (client, container, _service) = pair(&stage);
        let mut ends = [client, container];
        if first == 1 {
            ends.reverse();
        }
        let [mut cutting, mut other] = ends;
        round_trip(&mut cutting, &mut other);
        SockRef::from(&cutting)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(cutting);
        assert!(is_reset(&mut other));
    }
}

#[test]
fn a_client_that_vanishes_after_its_end_is_told_to_a_silent_container() {
    let stage = Stage::new();
    let (client, mut container, _service) = pair(&stage);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(container.read(&mut [0]).unwrap(), 0);
    SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    eventually("the container is told", || {
        container.take_error().unwrap().is_some()
    });
}

#[test]
fn the_last_words_of_a_container_that_takes_no_more_arrive() {
    let stage = Stage::new();
    for _ in 0..100 {
        let (mut client, mut container, _service) = pair(&stage);
        client.write_all(&[0; 1000]).unwrap();
        container.read_exact(&mut [0; 10]).unwrap();
        container.write_all(b"enough").unwrap();
        // With something unread this is RST.
        drop(container);
        let mut heard = [0; 6];
        client.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"enough");
        assert!(is_reset(&mut client));
    }
}

#[test]
fn a_server_of_the_other_family_serves_too() {
    let stage = Stage::new();
    let (listener, port) = listener(V6);
    let (to, _service) = stage.publish(Transport::Tcp, port);
    let mut client = connect(to);
    let mut container = patient(listener.accept().unwrap().0);
    round_trip(&mut client, &mut container);
}

#[test]
fn more_connections_than_allowed_are_reset_until_one_ends() {
    let stage = Stage::with(Limits {
        connections: 1,
        ..Limits::default()
    });
    let (listener, port) = listener(V4);
    let (to, _service) = stage.publish(Transport::Tcp, port);
    let mut first = connect(to);
    let mut container = patient(listener.accept().unwrap().0);
    round_trip(&mut first, &mut container);
    assert!(is_refused(to));
    drop((first, container));
    listener.set_nonblocking(true).unwrap();
    eventually("the place is free", || {
        let next = TcpStream::connect_timeout(&to, SOON);
        // Who has a place is led to the container, who has none never.
        next.is_ok_and(|next| {
            let next = patient(next);
            let waiting = Duration::from_millis(500);
            next.set_read_timeout(Some(waiting)).unwrap();
            let kept = (&next).read(&mut [0]).map_err(|error| error.kind());
            kept == Err(io::ErrorKind::WouldBlock) && listener.accept().is_ok()
        })
    });
}
