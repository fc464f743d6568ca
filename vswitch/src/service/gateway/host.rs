//! One gateway above Ethernet: an interface of smoltcp and its sockets, with what is under way.
//!
//! smoltcp answers echo requests, refuses what no socket takes, and keeps the sockets. Here questions are taken from
//! them and answers given back.
//!
//! A question that was passed on is *under way* until its answer is back, or will not come. Their number is bounded, in
//! all and for each address, so that one who asks without end takes nothing from the others. Over UDP what is more is
//! dropped; over TCP it waits.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    os::fd::RawFd,
    sync::Arc,
};

use hashbrown::HashMap;
use smoltcp::{
    iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet},
    socket::udp,
    time::Instant,
    wire::{HardwareAddress, IpCidr},
};

use super::{Ask, Question, Reply, Transport, link::Link, servant::Hub, stream::Streams};
use crate::{
    control::{
        name::ObjectId,
        services::{InsideGateway, Querier},
    },
    port::memory::MemoryEnd,
};

/// The port of DNS.
pub(super) const DNS: u16 = 53;

/// Frames that a gateway takes before others have their turn.
const BUDGET: usize = 64;

/// Questions under way for one gateway.
const MAX_UNDER_WAY: usize = 512;
/// Questions under way for one address.
const MAX_OF_ONE: usize = 64;

/// Datagrams and bytes that wait in the socket; it is emptied after every packet.
const DATAGRAMS: usize = 16;
const DATAGRAM_BYTES: usize = 16 * 1024;

/// Header of UDP, and the smallest ones of IP.
const UDP_LEN: usize = 8;
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;

/// Whom to ask, and where the answers go.
pub(super) struct Desk {
    pub(super) ask: Ask,
    pub(super) hub: Arc<Hub>,
}

/// The way back to whoever asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Back {
    pub(super) from: IpAddr,
    pub(super) by: By,
}

/// How the answer goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// A datagram.
    Datagram(udp::UdpMetadata),
    /// The connection of this number.
    Stream(u64),
}

/// Where questions are passed on, with all that goes with them.
pub(super) struct Counter<'a> {
    network: &'a ObjectId,
    gateway: usize,
    desk: &'a Desk,
    under_way: &'a mut UnderWay,
}

impl Counter<'_> {
    /// Whether one more question of this address may be passed on.
    pub(super) fn is_open(&self, from: IpAddr) -> bool {
        self.under_way.all < MAX_UNDER_WAY
            && self
                .under_way
                .of
                .get(&from)
                .is_none_or(|of| *of < MAX_OF_ONE)
    }

    /// Passes a question on.
    pub(super) fn ask(&mut self, message: Vec<u8>, transport: Transport, back: Back) {
        self.under_way.all += 1;
        *self.under_way.of.entry(back.from).or_default() += 1;
        let question = Question {
            message,
            from: Querier::Address(self.network.clone(), back.from),
            transport,
        };
        let reply = Reply {
            hub: Arc::clone(&self.desk.hub),
            gateway: self.gateway,
            back: Some(back),
        };
        (self.desk.ask)(question, reply);
    }
}

/// How many questions are under way.
#[derive(Debug, Default)]
struct UnderWay {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

impl UnderWay {
    fn end(&mut self, from: IpAddr) {
        self.all = self.all.saturating_sub(1);
        if let Some(of) = self.of.get_mut(&from) {
            *of -= 1;
            if *of == 0 {
                self.of.remove(&from);
            }
        }
    }
}

/// A gateway.
pub(super) struct Host {
    network: ObjectId,
    interface: Interface,
    link: Link,
    sockets: SocketSet<'static>,
    udp: SocketHandle,
    streams: Streams,
    under_way: UnderWay,
    /// When smoltcp has something to do.
    timer: Option<Instant>,
    now: Instant,
}

impl Host {
    /// Checked: it has at most as many addresses as smoltcp takes, and all of them are a host's.
    pub(super) fn new(gateway: &InsideGateway, end: Arc<MemoryEnd>) -> Self {
        let mut link = Link::new(end, gateway.mac, &gateway.addresses, gateway.mtu);
        let mut config = Config::new(HardwareAddress::Ip);
        // The first numbers of TCP's sequences come from it.
        config.random_seed = RandomState::new().hash_one(());
        let mut interface = Interface::new(config, &mut link, Instant::ZERO);
        interface.update_ip_addrs(|own| {
            for net in &gateway.addresses {
                let fits = own.push(IpCidr::new(net.addr().into(), net.prefix_len()));
                debug_assert!(fits.is_ok(), "the number of addresses was checked");
            }
        });
        let mut sockets = SocketSet::new(Vec::new());
        let buffer = |bytes| {
            udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; DATAGRAMS], vec![0; bytes])
        };
        let room = DATAGRAM_BYTES.max(link.mtu());
        let mut socket = udp::Socket::new(buffer(room), buffer(room));
        let bound = socket.bind(DNS);
        debug_assert!(bound.is_ok(), "a new socket, and no port 0");
        let udp = sockets.add(socket);
        let streams = Streams::new(&mut sockets);
        Self {
            network: gateway.network.clone(),
            interface,
            link,
            sockets,
            udp,
            streams,
            under_way: UnderWay::default(),
            timer: None,
            now: Instant::ZERO,
        }
    }

    /// What rings when frames come.
    pub(super) fn bell(&self) -> Option<RawFd> {
        self.link.end().descriptor()
    }

    /// When [`Self::serve`] is to be called though nothing came.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timer.into_iter().chain(self.streams.deadline()).min()
    }

    /// Takes frames, passes questions on, sends what is ready. Tells whether there is more to do at once. `gateway` is
    /// the number of this gateway.
    pub(super) fn serve(&mut self, gateway: usize, now: Instant, desk: &Desk) -> bool {
        self.now = now;
        self.link.allow(BUDGET);
        loop {
            let Self {
                interface,
                link,
                sockets,
                ..
            } = self;
            match interface.poll_ingress_single(now, link, sockets) {
                PollIngressSingleResult::None => break,
                PollIngressSingleResult::PacketProcessed => {}
                PollIngressSingleResult::SocketStateChanged => {
                    self.take_datagrams(gateway, desk);
                    if let Some(evicted) = self.streams.keep_listening(&mut self.sockets, now) {
                        self.flush();
                        self.sockets.remove(evicted);
                    }
                }
            }
        }
        let mut counter = Counter {
            network: &self.network,
            gateway,
            desk,
            under_way: &mut self.under_way,
        };
        self.streams.serve(&mut self.sockets, now, &mut counter);
        self.flush();
        self.streams.sweep(&mut self.sockets, now);
        self.timer = self.interface.poll_at(now, &self.sockets);
        self.link.is_spent()
    }

    /// Gives an answer back, or notes that there will be none.
    pub(super) fn answer(&mut self, back: Back, message: Option<Vec<u8>>, now: Instant) {
        self.now = now;
        self.under_way.end(back.from);
        match back.by {
            By::Stream(number) => self.streams.answer(number, message, now),
            By::Datagram(metadata) => {
                if let Some(message) = message
                    && message.len() <= self.room(back.from)
                {
                    self.send_datagram(&message, metadata);
                }
            }
        }
    }

    fn send_datagram(&mut self, message: &[u8], metadata: udp::UdpMetadata) {
        let full = |sockets: &mut SocketSet<'_>, udp| {
            (sockets.get_mut::<udp::Socket<'_>>(udp))
                .send_slice(message, metadata)
                .is_err()
        };
        if full(&mut self.sockets, self.udp) {
            self.flush();
            if full(&mut self.sockets, self.udp) {
                tracing::debug!("an answer does not fit the gateway's socket");
            }
        }
    }

    /// Longest answer to an address in one datagram.
    fn room(&self, to: IpAddr) -> usize {
        let header = if to.is_ipv4() { IPV4_LEN } else { IPV6_LEN };
        self.link.mtu().saturating_sub(header + UDP_LEN)
    }

    fn take_datagrams(&mut self, gateway: usize, desk: &Desk) {
        loop {
            let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.udp);
            let Ok((message, metadata)) = socket.recv() else {
                return;
            };
            let (message, from) = (message.to_vec(), metadata.endpoint.addr.into());
            // Nothing can be sent to port 0.
            if metadata.endpoint.port == 0 {
                continue;
            }
            let transport = Transport::Udp {
                room: self.room(from),
            };
            let mut counter = Counter {
                network: &self.network,
                gateway,
                desk,
                under_way: &mut self.under_way,
            };
            if counter.is_open(from) {
                let by = By::Datagram(metadata);
                counter.ask(message, transport, Back { from, by });
            }
        }
    }

    /// Sends all that may be sent now.
    fn flush(&mut self) {
        let Self {
            interface,
            link,
            sockets,
            now,
            ..
        } = self;
        while interface.poll_egress(*now, link, sockets) == PollResult::SocketStateChanged {}
    }
}
