//! A client: a host of smoltcp behind a port, with its own ARP and neighbour discovery.

use std::time::Instant;

use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken},
    socket::{icmp, tcp, udp},
    time,
    wire::{EthernetAddress, HardwareAddress, IpCidr},
};
use vswitch_wire::{VNET_LEN, VnetHdr};

use super::*;

/// The client's end of its port.
struct Wire {
    end: MemoryEnd,
    mtu: usize,
    next: Option<Vec<u8>>,
}

struct Received(Vec<u8>);
struct Sending<'a>(&'a MemoryEnd);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0[VNET_LEN..])
    }
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = VnetHdr::NONE.to_bytes().to_vec();
        frame.resize(VNET_LEN + len, 0);
        let result = f(&mut frame[VNET_LEN..]);
        self.0.put(frame).unwrap();
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;
    fn receive(&mut self, _: time::Instant) -> Option<(Received, Sending<'_>)> {
        let frame = self.next.take().or_else(|| self.end.take())?;
        Some((Received(frame), Sending(&self.end)))
    }
    fn transmit(&mut self, _: time::Instant) -> Option<Sending<'_>> {
        Some(Sending(&self.end))
    }
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + 14;
        capabilities
    }
}

pub(super) struct Client {
    wire: Wire,
    interface: Interface,
    pub(super) sockets: SocketSet<'static>,
    start: Instant,
}

impl Client {
    pub(super) fn on(site: &Site, mtu: usize) -> Self {
        Self::behind(site.plug(OffloadSet::NONE), mtu)
    }

    pub(super) fn behind(end: MemoryEnd, mtu: usize) -> Self {
        let mut wire = Wire {
            end,
            mtu,
            next: None,
        };
        let address = EthernetAddress([2, 0, 0, 0, 0, 2]);
        let mut config = Config::new(HardwareAddress::Ethernet(address));
        config.random_seed = 42;
        let mut interface = Interface::new(config, &mut wire, time::Instant::ZERO);
        interface.update_ip_addrs(|own| {
            own.push(IpCidr::new(IpAddr::from(CLIENT4).into(), 24))
                .unwrap();
            own.push(IpCidr::new(IpAddr::from(CLIENT6).into(), 64))
                .unwrap();
        });
        Self {
            wire,
            interface,
            sockets: SocketSet::new(vec![]),
            start: Instant::now(),
        }
    }

    /// Turns the handle until `done`, sleeping until frames come or a timer is due.
    pub(super) fn until<T>(&mut self, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let micros = i64::try_from(self.start.elapsed().as_micros()).unwrap();
            let now = time::Instant::from_micros(micros);
            self.interface.poll(now, &mut self.wire, &mut self.sockets);
            if let Some(result) = done(self) {
                return result;
            }
            assert!(begun.elapsed() < PATIENCE, "nothing came in time");
            let delay = self.interface.poll_delay(now, &self.sockets);
            let patience = delay
                .map_or(PATIENCE, Duration::from)
                .min(Duration::from_millis(50));
            self.wire.next = self.wire.end.take_within(patience);
        }
    }

    pub(super) fn udp(&mut self, port: u16) -> SocketHandle {
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; 65_536]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).unwrap();
        self.sockets.add(socket)
    }

    pub(super) fn send(&mut self, socket: SocketHandle, to: IpAddr, port: u16, message: &[u8]) {
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(socket);
        socket.send_slice(message, (to, port)).unwrap();
    }

    pub(super) fn receive(&mut self, socket: SocketHandle) -> (Vec<u8>, udp::UdpMetadata) {
        self.until(|client| {
            let socket = client.sockets.get_mut::<udp::Socket<'_>>(socket);
            socket
                .recv()
                .ok()
                .map(|(message, from)| (message.to_vec(), from))
        })
    }

    pub(super) fn icmp(&mut self, endpoint: icmp::Endpoint) -> SocketHandle {
        let buffer =
            || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 8], vec![0; 65_536]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        socket.bind(endpoint).unwrap();
        self.sockets.add(socket)
    }

    pub(super) fn connect(&mut self, to: IpAddr, port: u16, from: u16) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 65_536]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket
            .connect(self.interface.context(), (to, port), from)
            .unwrap();
        self.sockets.add(socket)
    }

    pub(super) fn tcp(&mut self, socket: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(socket)
    }

    pub(super) fn established(&mut self, socket: SocketHandle) {
        self.until(|client| client.tcp(socket).may_send().then_some(()));
    }

    /// Sends all of it, and reads so many bytes.
    pub(super) fn exchange(
        &mut self,
        socket: SocketHandle,
        mut sent: &[u8],
        wanted: usize,
    ) -> Vec<u8> {
        let mut got = Vec::new();
        self.until(|client| {
            let socket = client.tcp(socket);
            if socket.can_send() {
                sent = &sent[socket.send_slice(sent).unwrap()..];
            }
            while socket.can_recv() {
                socket
                    .recv(|bytes| (bytes.len(), got.extend_from_slice(bytes)))
                    .unwrap();
            }
            (got.len() >= wanted).then_some(())
        });
        got
    }
}
