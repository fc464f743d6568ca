//! Hostile networks: what is bounded, and that the thread sleeps again.

use std::time::Instant;

use smoltcp::{
    socket::{tcp, udp},
    time,
};

use super::client::Client;
use super::frames::{ACK, RST, SYN, Segment, arp, ethernet};
use super::*;
use crate::port::Batch;

/// Waits until the thread did not wake for a quarter of a second.
fn sleeps(site: &Site) {
    let begun = Instant::now();
    loop {
        let before = site.turns();
        thread::sleep(Duration::from_millis(250));
        if site.turns() == before {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "it does not sleep"
        );
    }
}

/// Asks again where a question was lost to a full queue.
fn is_answered(site: &Site) {
    let mut client = Client::on(site, 1500);
    let socket = client.udp(5000);
    let mut asked: Option<Instant> = None;
    client.until(|client| {
        if asked.is_none_or(|asked| asked.elapsed() > Duration::from_millis(500)) {
            client.send(socket, GATEWAY4.into(), 53, &[1, 2]);
            asked = Some(Instant::now());
        }
        let socket = client.sockets.get_mut::<udp::Socket<'_>>(socket);
        socket
            .recv()
            .ok()
            .map(|(answer, _)| assert_eq!(answer, [2, 1]))
    });
}

#[test]
fn the_thread_sleeps_when_there_is_nothing_to_do() {
    let site = Site::silent();
    sleeps(&site);
    is_answered(&site);
    sleeps(&site);
}

/// Numbers that look random and are the same every time.
fn noise() -> impl Iterator<Item = u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[3]
    })
}

#[test]
fn floods_pass_and_it_still_answers() {
    let site = Site::silent();
    let end = site.plug(OffloadSet::NONE);
    let mut noise = noise();
    for round in 0..3000u16 {
        let [high, low] = round.to_be_bytes();
        let somebody = MacAddr::new([2, 1, 0, 0, high, low]);
        let address = Ipv4Addr::new(198, 18, 0, low);
        let target = if round % 2 == 0 {
            GATEWAY4
        } else {
            Ipv4Addr::new(198, 18, high, low)
        };
        end.put(arp(1, MacAddr::BROADCAST, somebody, address, target))
            .unwrap();
        let kind = [0x0800, 0x86dd, 0x0806][usize::from(round) % 3];
        let length = usize::from(noise.next().unwrap());
        let mut payload: Vec<u8> = noise.by_ref().take(length).collect();
        end.put(ethernet(GATEWAY, somebody, kind, &payload))
            .unwrap();
        // Almost sound.
        if payload.len() > 40 {
            payload[0] = 0x45;
            payload[2..4].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            payload[6..8].fill(0);
            payload[9] = [1, 6, 17][usize::from(low) % 3];
            payload[10..12].fill(0);
            payload[12..16].copy_from_slice(&address.octets());
            payload[16..20].copy_from_slice(&GATEWAY4.octets());
            let sum = vswitch_wire::Sum::new().add_bytes(&payload[..20]).finish();
            payload[10..12].copy_from_slice(&sum.to_be_bytes());
            end.put(ethernet(GATEWAY, somebody, 0x0800, &payload))
                .unwrap();
        }
    }
    is_answered(&site);
    sleeps(&site);
}

#[test]
fn a_flood_of_syns_is_bounded_and_drives_out_itself() {
    let site = Site::silent();
    let mut client = Client::on(&site, 1500);
    let patient = client.connect(GATEWAY4.into(), 53, 40_000);
    client.established(patient);
    let end = site.plug(OffloadSet::NONE);
    for number in 0..2000u16 {
        let syn = Segment {
            src_port: 1024 + number,
            seq: number.into(),
            ack: 0,
            flags: SYN,
        };
        end.put(syn.frame(Ipv4Addr::new(198, 18, 0, 77), &[], false))
            .unwrap();
    }
    // The one that was there before still is.
    assert_eq!(client.exchange(patient, &[0, 2, 7, 8], 4), [0, 2, 8, 7]);
    let fresh = client.connect(GATEWAY4.into(), 53, 40_001);
    client.established(fresh);
    assert_eq!(client.exchange(fresh, &[0, 1, 7], 3), [0, 1, 7]);
    sleeps(&site);
}

#[test]
fn the_connection_that_was_idle_for_longest_makes_room() {
    let site = Site::silent();
    let mut client = Client::on(&site, 1500);
    let sockets: Vec<_> = (0..31)
        .map(|number| {
            let socket = client.connect(GATEWAY4.into(), 53, 40_000 + number);
            client.established(socket);
            assert_eq!(client.exchange(socket, &[0, 1, 7], 3), [0, 1, 7]);
            socket
        })
        .collect();
    // The first has something to say again: the second is the oldest now.
    client.exchange(sockets[0], &[0, 1, 7], 3);
    let last = client.connect(GATEWAY4.into(), 53, 41_000);
    client.established(last);
    assert_eq!(client.exchange(last, &[0, 1, 9], 3), [0, 1, 9]);
    client.until(|client| (client.tcp(sockets[1]).state() == tcp::State::Closed).then_some(()));
    for (number, socket) in sockets.iter().enumerate() {
        let state = client.tcp(*socket).state();
        assert_eq!(
            state == tcp::State::Established,
            number != 1,
            "{number}: {state}"
        );
    }
}

#[test]
fn one_that_asks_without_end_leaves_room_for_others() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&kept);
    let ask: Ask = Arc::new(
        move |question: Question, reply: Reply| match question.message[..] {
            [0] => keeper.lock().unwrap().push(reply),
            _ => reply.send(question.message),
        },
    );
    let site = Site::new(ask, 1500);
    let mut client = Client::on(&site, 1500);
    let socket = client.udp(5000);
    for _ in 0..4 {
        for _ in 0..50 {
            client.send(socket, GATEWAY4.into(), 53, &[0]);
        }
        client.until(|client| {
            let socket = client.sockets.get_mut::<udp::Socket<'_>>(socket);
            (socket.send_queue() == 0).then_some(())
        });
    }
    // The same station by its other address.
    client.send(socket, GATEWAY6.into(), 53, &[5]);
    assert_eq!(client.receive(socket).0, [5]);
    assert_eq!(kept.lock().unwrap().len(), 64);
    kept.lock().unwrap().clear();
    client.send(socket, GATEWAY4.into(), 53, &[6]);
    client.until(|client| {
        let socket = client.sockets.get_mut::<udp::Socket<'_>>(socket);
        socket.recv().ok().map(drop)
    });
}

/// A gateway without its thread, at a time that the test says.
struct Bare {
    host: Host,
    port: Port,
    desk: host::Desk,
    _gateways: Gateways,
}

impl Bare {
    fn new() -> Self {
        let gateways = Gateways::new(Oracle::default().ask());
        let hub = gateways.hub().unwrap();
        let (port, end) = memory::cable(1500, QUEUE).unwrap();
        let desk = host::Desk {
            ask: Arc::clone(&gateways.ask),
            hub,
        };
        Self {
            host: Host::new(&gateway(1, 1500), Arc::new(end)),
            port,
            desk,
            _gateways: gateways,
        }
    }

    /// Gives it frames at a second, and takes the segments that it sends.
    fn at(&mut self, second: i64, frames: &[Vec<u8>]) -> Vec<Segment> {
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let mut report = crate::port::SendReport::default();
        self.port.tx.send(&frames, &mut report);
        let now = time::Instant::from_secs(second);
        while self.host.serve(0, now, &self.desk) {}
        let mut batch = Batch::new();
        self.port.rx.recv(&mut batch).unwrap();
        (0..batch.len())
            .filter_map(|index| Some(Segment::of(batch.get(index))?.0))
            .collect()
    }
}

#[test]
fn idle_connections_are_closed_and_forgotten() {
    let mut bare = Bare::new();
    let syn = Segment {
        src_port: 4000,
        seq: 100,
        ack: 0,
        flags: SYN,
    };
    let answers = bare.at(1, &[syn.frame(CLIENT4, &[], false)]);
    assert_eq!(answers.len(), 1);
    let ack = Segment {
        seq: 101,
        ack: answers[0].seq.wrapping_add(1),
        flags: ACK,
        ..syn
    };
    assert!(bare.at(1, &[ack.frame(CLIENT4, &[], false)]).is_empty());
    assert_eq!(bare.host.deadline(), Some(time::Instant::from_secs(11)));
    let fin = bare.at(11, &[]);
    assert_eq!(fin.iter().map(|segment| segment.flags & 1).sum::<u8>(), 1);
    // The peer says nothing at all: it is over, and nothing is left to do.
    bare.at(21, &[]);
    assert_eq!(bare.host.deadline(), None);
    let reset = bare.at(22, &[ack.frame(CLIENT4, &[], false)]);
    assert_eq!(reset[0].flags & RST, RST, "it is not known any more");
}

#[test]
fn connections_that_are_never_established_are_forgotten() {
    let mut bare = Bare::new();
    for number in 0..100 {
        let syn = Segment {
            src_port: 4000 + number,
            seq: 100,
            ack: 0,
            flags: SYN,
        };
        let answers = bare.at(1, &[syn.frame(CLIENT4, &[], false)]);
        assert_eq!(
            answers
                .iter()
                .map(|answer| answer.flags)
                .collect::<Vec<_>>(),
            [SYN | ACK]
        );
    }
    assert!(bare.host.deadline().is_some());
    bare.at(11, &[]);
    assert_eq!(bare.host.deadline(), None);
}
