//! The container's side: sockets made inside the sandbox's namespace, connected to the container's own address.
//!
//! The namespace is opened, compared, entered for one `socket(2)` and closed again. With the threads for that a
//! connection takes some tenths of a millisecond, and between two connections nothing keeps the namespace alive.
//!
//! Client and server are one host here. Where nobody listens the kernel may choose the very port that is asked as the
//! client's own, and a TCP socket then connects to itself (simultaneous open), a UDP socket hears its own echo. Such a
//! socket counts as refused.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use tokio::{
    net::{TcpSocket, TcpStream, UdpSocket},
    sync::Semaphore,
    task::spawn_blocking,
    time::timeout,
};

use crate::{
    control::{ControlError, publish::Binding, services::Home},
    sys::Netns,
};

/// Where the clients of a port are led.
#[derive(Debug)]
pub(super) struct Backend {
    home: Arc<Home>,
    port: u16,
    /// At most one of each family, and one at least.
    addresses: Vec<IpAddr>,
    /// Places for those that enter a namespace.
    entries: Arc<Semaphore>,
}

impl Backend {
    pub(super) fn new(
        binding: &Binding,
        home: &Home,
        addresses: &[IpAddr],
        entries: Arc<Semaphore>,
    ) -> Result<Self, ControlError> {
        let first = |v6| addresses.iter().find(move |ip| ip.is_ipv6() == v6);
        let addresses: Vec<_> = first(false)
            .into_iter()
            .chain(first(true))
            .copied()
            .collect();
        if addresses.is_empty() {
            return Err(ControlError::invalid(format!(
                "publish {binding}: the endpoint has no address to lead to; connect it to a network with a subnet"
            )));
        }
        if binding.container_port == 0 {
            return Err(ControlError::invalid(format!(
                "publish {binding}: the container's port is 0; give one from 1 to 65535"
            )));
        }
        Ok(Self {
            home: Arc::new(home.clone()),
            port: binding.container_port,
            addresses,
            entries,
        })
    }

    /// A connection to the container, for a client of that address. The other family is tried where the client's own
    /// refuses: few servers listen on both.
    pub(super) async fn connect(
        &self,
        client: SocketAddr,
        patience: Duration,
    ) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::ConnectionRefused);
        for target in self.targets(client) {
            match timeout(patience, self.connect_to(target)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }

    async fn connect_to(&self, target: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.socket(target, Type::STREAM).await?;
        let stream = TcpSocket::from_std_stream(socket.into())
            .connect(target)
            .await?;
        not_itself(stream.local_addr()?, target)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A socket towards the container for one client of a UDP port.
    pub(super) async fn flow(&self, client: SocketAddr) -> io::Result<UdpSocket> {
        let target = self.targets(client).next();
        let target = target.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let socket = self.socket(target, Type::DGRAM).await?;
        socket.connect(&target.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        not_itself(socket.local_addr()?, target)?;
        Ok(socket)
    }

    /// Where to try, the client's family first.
    fn targets(&self, client: SocketAddr) -> impl Iterator<Item = SocketAddr> {
        let own = move |ip: &&IpAddr| ip.is_ipv6() == client.is_ipv6();
        let other = move |ip: &&IpAddr| ip.is_ipv6() != client.is_ipv6();
        let addresses = self.addresses.iter();
        (addresses.clone().filter(own).chain(addresses.filter(other)))
            .map(|ip| SocketAddr::new(*ip, self.port))
    }

    /// A socket inside the namespace.
    async fn socket(&self, target: SocketAddr, kind: Type) -> io::Result<Socket> {
        let place = Arc::clone(&self.entries).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let home = Arc::clone(&self.home);
        let made = spawn_blocking(move || {
            let _place = place;
            inside(&home, || {
                Socket::new(Domain::for_address(target), kind, None)
            })
        });
        let socket = made.await.map_err(io::Error::other)??;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Runs `f` in the namespace, if it is still the same. Blocks.
fn inside<T: Send>(home: &Home, f: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    // One's own needs no right to be entered.
    let here = Netns::current().and_then(|netns| netns.id());
    if home.netns == Some(here.map_err(io::Error::other)?) {
        return f();
    }
    let netns = Netns::open(&home.place.path()).map_err(io::Error::other)?;
    if !home.is(netns.id().map_err(io::Error::other)?) {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "another namespace is at {} by now",
                home.place.path().display()
            ),
        ));
    }
    netns.run(f).map_err(io::Error::other)?
}

fn not_itself(own: SocketAddr, target: SocketAddr) -> io::Result<()> {
    if own == target {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(())
}
