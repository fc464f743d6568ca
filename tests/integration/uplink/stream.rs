//! Streams between containers and the LAN, through nothing but ports: what the switch does, without the
//! switch.

use super::*;
use cable::{End, only};
use mio::{Events, Interest, Poll, Token, unix::SourceFd};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, JoinHandle},
};
use vswitch::port::tap::{self, TapOptions};
use vswitch::sys::{Netns, TapFactory, netlink::LinkConfig};
use vswitch_tests::{Capture, Nic, transfer};

/// A container behind an uplink of its own.
struct Child {
    sandbox: Sandbox,
    uplink: Arc<Uplink>,
    stop: Arc<AtomicBool>,
    pump: Option<JoinHandle<()>>,
}

impl Child {
    /// Station `number` of the LAN's network.
    #[track_caller]
    fn behind(parent: &Sandbox, vlan: Option<u16>, number: u8) -> Self {
        let nic = Nic {
            network: "lan".to_owned(),
            ifname: "eth0".to_owned(),
            port: 0,
            mac: station(number.into()),
            ip4: Some(Ipv4Addr::new(198, 18, 60, number)),
            ip6: None,
        };
        let netns = Netns::create().must("a namespace");
        let sandbox = Sandbox::of(&format!("child {number}"), netns, Some(nic));
        let end = End::open(parent, vlan, only(&[sandbox.mac()]), false);
        end.uplink.add_address(sandbox.mac()).must("an address");
        let name = IfName::new("eth0").must("a name");
        let options = TapOptions {
            name: name.clone(),
            offload: true,
            mtu: 1500,
        };
        let factory = TapFactory::new().must("a factory");
        let tap = tap::open(&factory, &sandbox.netns, &options).must("a TAP");
        let config = LinkConfig {
            mac: Some(sandbox.mac().octets()),
            addresses: vec![format!("{}/24", sandbox.ip4()).parse().must("an address")],
            up: true,
            ..LinkConfig::new(name)
        };
        (sandbox.run(|| netlink::configure_link(&config))).must("the container's interface");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let End { port, uplink, .. } = end;
        Self {
            sandbox,
            uplink,
            stop,
            pump: Some(thread::spawn(move || pump([port, tap], &stopped))),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(pump) = self.pump.take() {
            let ended = pump.join();
            assert!(ended.is_ok() || thread::panicking(), "the pump panicked");
        }
    }
}

/// Takes all frames of each port to the other.
fn pump(mut ports: [Port; 2], stop: &AtomicBool) {
    let mut poll = Poll::new().must("an event loop");
    for (number, port) in ports.iter().enumerate() {
        let descriptor = port.rx.descriptor();
        (poll.registry())
            .register(
                &mut SourceFd(&descriptor),
                Token(number),
                Interest::READABLE,
            )
            .must("a registration");
    }
    let mut events = Events::with_capacity(8);
    let mut batch = Batch::new();
    while !stop.load(Ordering::Relaxed) {
        let moment = Some(Duration::from_millis(20));
        poll.poll(&mut events, moment).must("an event loop");
        let mut busy = [false; 2];
        for event in &events {
            busy[event.token().0] = true;
        }
        while busy != [false, false] {
            for from in 0..2 {
                if !busy[from] {
                    continue;
                }
                batch.clear();
                let drained = ports[from].rx.recv(&mut batch).must("a port");
                busy[from] = drained == Drained::No;
                let frames: Vec<&[u8]> = (0..batch.len()).map(|index| batch.get(index)).collect();
                let mut report = SendReport::default();
                ports[1 - from].tx.send(&frames, &mut report);
                assert_eq!(report.accounted(), frames.len() as u64);
                // What is lost is sent again; what is refused is a mistake.
                assert_eq!((report.refused, report.too_long), (0, 0), "{report:?}");
            }
        }
    }
}

const BYTES: u64 = 32 << 20;

#[test]
fn a_container_and_the_lan_exchange_superframes() {
    let cable = Cable::new();
    let address = format!("{}/24", cable.lan.ip4());
    let words = ["ip", "address", "add", &address, "dev", cable::IFNAME];
    cable.lan.exec(&words).done();
    let child = Child::behind(&cable.host, None, 10);
    transfer::tcp(&child.sandbox, &cable.lan, cable.lan.ip4(), BYTES);
    let sent = child.uplink.counts().sent;
    transfer::tcp(&cable.lan, &child.sandbox, child.sandbox.ip4(), BYTES);
    let heard = child.uplink.counts().heard;
    // One by one it would be 23 thousand each way, and half as many for acknowledgements.
    let singles = BYTES / 1448;
    assert!(sent < singles / 2, "{sent} frames sent");
    assert!(heard < singles / 2, "{heard} frames received");
    assert_eq!(child.uplink.counts().unreadable, 0);
}

#[test]
fn containers_on_a_vlan_exchange_superframes() {
    let cable = Cable::new();
    let here = Child::behind(&cable.host, Some(10), 10);
    let there = Child::behind(&cable.lan, Some(10), 11);
    for (from, to) in [(&here, &there), (&there, &here)] {
        transfer::tcp(&from.sandbox, &to.sandbox, to.sandbox.ip4(), BYTES);
    }
    let sent = here.uplink.counts().sent;
    assert!(sent < BYTES / 1448, "{sent} frames sent");
}

#[test]
fn a_stream_on_a_vlan_is_right_on_the_wire() {
    let cable = Cable::without_offload();
    let here = Child::behind(&cable.host, Some(10), 10);
    let there = Child::behind(&cable.lan, Some(10), 11);
    let capture = Capture::start(&cable.lan);
    transfer::tcp(
        &here.sandbox,
        &there.sandbox,
        there.sandbox.ip4(),
        1_000_000,
    );
    let trace = capture.finish();
    assert_eq!(trace.flaws(0), [] as [String; 0]);
    let child = here.sandbox.mac().octets();
    let from_child = (trace.frames().filter(|frame| frame[6..12] == child)).count();
    assert!(from_child > 600, "{from_child} frames");
    for frame in trace.frames() {
        assert_eq!(frame[12..14], [0x81, 0]);
        assert_eq!(frame[14..16], [0, 10]);
    }
}
