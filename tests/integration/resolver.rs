//! The DNS server's sockets inside a sandbox's namespace. What it answers is tested beside its code; here is what needs
//! a namespace: the address 127.0.0.11, which no interface has, and the way in and out. Needs root (CAP_NET_ADMIN,
//! CAP_SYS_ADMIN).

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::{
    io::{Read as _, Write as _},
    net::{TcpStream, UdpSocket},
    os::fd::{AsFd as _, AsRawFd as _},
    time::Duration,
};

use tokio::runtime::Runtime;
use vswitch::{
    control::{
        ErrorKind,
        name::ObjectId,
        sandbox::Place,
        services::{Directory, Home, Station, Zone},
    },
    service::dns::{Dns, PORT, RESOLVER, Upstreams},
    sys::{IfName, Netns, netlink},
};

/// A query for the address of `web`, under the ID 0x1234, with RD.
const QUERY: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x03web\0\0\x01\0\x01";
/// The address that it has.
const WEB: [u8; 4] = [198, 18, 0, 2];
/// Longest wait for a reply.
const SOON: Duration = Duration::from_secs(5);

fn directory(sandbox: &ObjectId) -> Directory {
    let station = Station {
        sandbox: sandbox.clone(),
        name: "web".to_owned(),
        aliases: vec![],
        addresses: vec![WEB.into()],
        gateway_priority: 0,
    };
    let zone = Zone {
        name: "front".to_owned(),
        internal: false,
        named: true,
        stations: vec![station],
    };
    Directory {
        zones: [(ObjectId::random().unwrap(), zone)].into(),
    }
}

/// Asks inside of the namespace, by UDP and TCP. The address is the end of the reply.
fn ask(netns: &Netns) {
    let replies = netns.run(|| {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_read_timeout(Some(SOON)).unwrap();
        udp.connect((RESOLVER, PORT)).unwrap();
        udp.send(QUERY).unwrap();
        let mut by_udp = vec![0; 512];
        let length = udp.recv(&mut by_udp).unwrap();
        by_udp.truncate(length);

        let mut tcp = TcpStream::connect((RESOLVER, PORT)).unwrap();
        tcp.set_read_timeout(Some(SOON)).unwrap();
        let length = u16::try_from(QUERY.len()).unwrap().to_be_bytes();
        tcp.write_all(&[&length, QUERY].concat()).unwrap();
        let mut length = [0; 2];
        tcp.read_exact(&mut length).unwrap();
        let mut by_tcp = vec![0; u16::from_be_bytes(length).into()];
        tcp.read_exact(&mut by_tcp).unwrap();
        [by_udp, by_tcp]
    });
    for reply in replies.unwrap() {
        assert_eq!(reply[..2], QUERY[..2]);
        assert!(reply.ends_with(&WEB), "{reply:02x?}");
    }
}

#[test]
fn a_sandbox_asks_at_127_0_0_11_and_only_as_long_as_it_is_served() {
    let runtime = Runtime::new().unwrap();
    let dns = Dns::new(runtime.handle().clone(), Upstreams::Fixed(vec![]));
    let sandbox = ObjectId::random().unwrap();
    dns.tell(directory(&sandbox));

    let netns = Netns::create().unwrap();
    let loopback = IfName::loopback();
    netns
        .run(|| netlink::set_link_down(&loopback))
        .unwrap()
        .unwrap();
    let home = Home {
        place: Place::Path(format!("/proc/self/fd/{}", netns.as_fd().as_raw_fd()).into()),
        netns: Some(netns.id().unwrap()),
    };
    let service = dns.resolver(&home, &sandbox).unwrap();
    ask(&netns);
    let taken = dns.resolver(&home, &sandbox).unwrap_err();
    assert_eq!(taken.kind, ErrorKind::Conflict, "{taken}");
    assert!(taken.message.contains("127.0.0.11:53"), "{taken}");

    drop(service);
    let connected = netns.run(|| TcpStream::connect((RESOLVER, PORT)).map(drop));
    let refused = connected.unwrap().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let _again = dns.resolver(&home, &sandbox).unwrap();
    ask(&netns);
}
