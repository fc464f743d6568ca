//! Connections: many queries on one, patience, who has to go for a newcomer.

use super::*;

fn limits() -> Limits {
    Limits {
        idle: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[test]
fn queries_in_one_go_and_in_pieces_are_all_answered() {
    let server = Server::new(vec![], Limits::default());
    let mut client = server.tcp();
    let many = framed(&web()).repeat(100);
    client.write_all(&many).unwrap();
    for _ in 0..100 {
        assert!(is_web(&read_reply(&mut client)));
    }
    for piece in framed(&web()).chunks(3) {
        client.write_all(piece).unwrap();
        client.flush().unwrap();
    }
    assert!(is_web(&read_reply(&mut client)));
}

#[test]
fn an_answer_from_here_does_not_wait_for_one_from_outside() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::new(vec![upstream.local_addr().unwrap()], Limits::default());
    let mut client = server.tcp();
    let outside = query("example.com", RecordType::A);
    let both = [framed(&outside), framed(&web())].concat();
    client.write_all(&both).unwrap();
    assert!(is_web(&read_reply(&mut client)));
    drop(upstream);
    let reply = read_reply(&mut client);
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn a_client_that_ends_its_side_still_gets_its_answers() {
    let server = Server::new(vec![], Limits::default());
    let mut client = server.tcp();
    let outside = query("example.com", RecordType::A);
    client.write_all(&framed(&outside)).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let reply = read_reply(&mut client);
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    assert!(is_closed(&mut client));
}

#[test]
fn who_asks_nothing_for_too_long_is_disconnected() {
    let server = Server::new(vec![], limits());
    let begun = Instant::now();
    let mut silent = server.tcp();
    let mut slow = server.tcp();
    slow.write_all(&framed(&web())[..5]).unwrap();
    let mut after = server.tcp();
    after.write_all(&framed(&web())).unwrap();
    assert!(is_web(&read_reply(&mut after)));
    // What is no query keeps no connection.
    let mut response = web();
    response[2] |= 0x80;
    after.write_all(&framed(&response)).unwrap();
    for client in [&mut silent, &mut slow, &mut after] {
        assert!(is_closed(client));
    }
    assert!(begun.elapsed() >= limits().idle);
}

#[test]
fn a_length_that_is_none_of_a_query_ends_the_connection() {
    let server = Server::new(vec![], Limits::default());
    for length in [0_u16, 11, 4097, 65_535] {
        let mut client = server.tcp();
        client.write_all(&length.to_be_bytes()).unwrap();
        client.write_all(&[0; 20]).unwrap();
        assert!(is_closed(&mut client), "{length}");
    }
}

#[test]
fn who_reads_no_replies_is_not_read_from_and_disconnected() {
    let server = Server::new(vec![], limits());
    let mut client = server.tcp();
    client.set_write_timeout(Some(SOON)).unwrap();
    let many = framed(&web()).repeat(1000);
    // A server that took them all would never let this fail.
    let failed = (0..10_000).find_map(|_| client.write_all(&many).err());
    let kind = failed.map(|error| error.kind());
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    assert!(
        matches!(kind, Some(ConnectionReset | BrokenPipe)),
        "{kind:?}"
    );
}

#[test]
fn a_newcomer_takes_the_place_of_the_longest_silent() {
    let limits = Limits {
        guests: 3,
        ..Limits::default()
    };
    let server = Server::new(vec![], limits);
    let mut guests: Vec<TcpStream> = (0..3).map(|_| server.tcp()).collect();
    // The first is the last that asked, and all were let in.
    for guest in guests.iter_mut().rev() {
        guest.write_all(&framed(&web())).unwrap();
        assert!(is_web(&read_reply(guest)));
    }
    let mut newcomer = server.tcp();
    newcomer.write_all(&framed(&web())).unwrap();
    assert!(is_web(&read_reply(&mut newcomer)));
    assert!(is_closed(&mut guests[2]));
    for guest in &mut guests[..2] {
        guest.write_all(&framed(&web())).unwrap();
        assert!(is_web(&read_reply(guest)));
    }
}

#[test]
fn a_query_in_progress_is_not_given_up_for_a_newcomer_if_somebody_is_idle() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let limits = Limits {
        guests: 2,
        ..Limits::default()
    };
    let server = Server::new(vec![upstream.local_addr().unwrap()], limits);
    let mut busy = server.tcp();
    busy.write_all(&framed(&query("example.com", RecordType::A)))
        .unwrap();
    let (outside, _) = upstream.accept().unwrap();
    let mut idle = server.tcp();
    idle.write_all(&framed(&web())).unwrap();
    assert!(is_web(&read_reply(&mut idle)));
    let _newcomer = server.tcp();
    assert!(is_closed(&mut idle));
    drop(outside);
    let reply = read_reply(&mut busy);
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn who_has_most_connections_loses_one_first() {
    let limits = Limits {
        guests: 4,
        ..Limits::default()
    };
    let server = Server::new(vec![], limits);
    let from = |last: u8| {
        let mut client = connect_from(Ipv4Addr::new(127, 0, 2, last), server.at);
        client.write_all(&framed(&web())).unwrap();
        assert!(is_web(&read_reply(&mut client)));
        client
    };
    let mut modest = from(1);
    let _greedy: Vec<TcpStream> = (0..20).map(|_| from(2)).collect();
    modest.write_all(&framed(&web())).unwrap();
    assert!(is_web(&read_reply(&mut modest)));
}
