//! What can be bound, what is refused, and that the end of a port frees it.

use std::{
    io,
    net::{TcpListener, UdpSocket},
};

use rustix::io::Errno;

use super::{super::front::refused, *};
use crate::control::{ControlError, ErrorKind};

fn binding(text: &str) -> Binding {
    Binding::parse(text).unwrap()[0]
}

fn publish(stage: &Stage, text: &str) -> Result<(u16, Service), ControlError> {
    stage.proxies.publish(&binding(text), &home(), &[V4])
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(
    refusal: Result<T, ControlError>,
    kind: ErrorKind,
    says: &[&str],
) {
    let error = refusal.unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    for part in says {
        assert!(error.message.contains(part), "{error}");
    }
}

#[test]
fn a_port_that_somebody_else_has_is_a_conflict() {
    let stage = Stage::new();
    let (_tcp, port) = listener(V4);
    let _udp = UdpSocket::bind((V4, port)).unwrap();
    for protocol in ["tcp", "udp"] {
        let text = format!("127.0.0.1:{port}:80/{protocol}");
        let says = [text.as_str(), "taken", "ss -l"];
        assert_refused(publish(&stage, &text), ErrorKind::Conflict, &says);
        // On all addresses as well.
        let text = format!("{port}:80/{protocol}");
        assert_refused(publish(&stage, &text), ErrorKind::Conflict, &says[1..]);
    }
    // Our own are no exception.
    let (to, _service) = stage.publish(Transport::Udp, 80);
    let again = publish(&stage, &format!("{to}:81/udp"));
    assert_refused(again, ErrorKind::Conflict, &["taken"]);
}

#[test]
fn a_port_that_is_taken_in_one_family_is_not_kept_in_the_other() {
    let stage = Stage::new();
    let (_taken, port) = listener(V6);
    let refusal = publish(&stage, &format!("{port}:80"));
    assert_refused(refusal, ErrorKind::Conflict, &["taken"]);
    TcpListener::bind((V4, port)).unwrap();
}

#[test]
fn an_address_that_is_not_the_hosts_is_invalid() {
    let stage = Stage::new();
    for (text, ip) in [
        ("198.18.77.77:0:80", "198.18.77.77"),
        ("[2001:2::77]::80/udp", "2001:2::77"),
        // Without the interface it is none.
        ("[fe80::77]::80", "fe80::77"),
    ] {
        let text = text.replace(":0:", "::");
        let says = [ip, "ip address"];
        assert_refused(publish(&stage, &text), ErrorKind::Invalid, &says);
    }
}

#[test]
fn an_endpoint_without_address_or_port_cannot_be_led_to() {
    let stage = Stage::new();
    let nowhere = stage.proxies.publish(&binding("80"), &home(), &[]);
    assert_refused(nowhere, ErrorKind::Invalid, &["no address"]);
    let zero = Binding {
        container_port: 0,
        ..binding("80")
    };
    let zero = stage.proxies.publish(&zero, &home(), &[V4]);
    assert_refused(zero, ErrorKind::Invalid, &["1 to 65535"]);
}

#[test]
fn rights_and_limits_are_named_with_their_remedy() {
    for (errno, kind, says) in [
        (
            Errno::ACCESS,
            ErrorKind::Unavailable,
            "CAP_NET_BIND_SERVICE",
        ),
        (Errno::MFILE, ErrorKind::Unavailable, "ulimit -n"),
        (Errno::AFNOSUPPORT, ErrorKind::Unavailable, "no IPv4"),
        (Errno::IO, ErrorKind::Internal, "cannot be opened"),
    ] {
        let refusal = Err::<(), _>(refused(&binding("80:80"), 80, &errno.into()));
        assert_refused(refusal, kind, &["publish 80:80/tcp: ", says]);
    }
}

#[test]
fn without_an_address_one_free_port_serves_both_families() {
    let stage = Stage::new();
    let (listener, behind) = listener(V4);
    let published = publish(&stage, &format!("{behind}"));
    let (port, _service) = published.unwrap();
    for ip in [V4, V6] {
        let mut client = connect(SocketAddr::new(ip, port));
        let mut container = patient(listener.accept().unwrap().0);
        round_trip(&mut client, &mut container);
    }
    let (port, _service) = publish(&stage, "53/udp").unwrap();
    for ip in [V4, V6] {
        let taken = UdpSocket::bind((ip, port)).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}

#[test]
fn connections_that_are_still_waiting_to_be_forgotten_are_in_nobodys_way() {
    let stage = Stage::new();
    let (before, port) = listener(V4);
    let mut client = connect(before.local_addr().unwrap());
    // Who closes first keeps the connection in TIME_WAIT.
    drop(before.accept().unwrap());
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop((client, before));
    let published = publish(&stage, &format!("127.0.0.1:{port}:80"));
    assert_eq!(published.unwrap().0, port);
}

#[test]
fn a_port_is_free_when_its_service_is_gone_and_all_that_it_carried_is_cut() {
    let stage = Stage::new();
    for _ in 0..20 {
        let (mut client, mut container, service) = pair(&stage);
        round_trip(&mut client, &mut container);
        let to = client.peer_addr().unwrap();
        drop(service);
        let (port, _again) = publish(&stage, &format!("{to}:80")).unwrap();
        assert_eq!(port, to.port());
        assert!(is_reset(&mut client) && is_reset(&mut container));
        let (to, service) = stage.publish(Transport::Udp, 53);
        drop(service);
        UdpSocket::bind(to).unwrap();
    }
}

#[test]
fn of_a_range_all_ports_are_published_or_none() {
    let stage = Stage::new();
    let (taken, last) = listener(V4);
    let first = last - 2;
    let range = format!("127.0.0.1:{first}-{last}:80-82");
    let bindings = Binding::parse(&range).unwrap();
    let all = || stage.proxies.publish_all(&bindings, &home(), &[V4]);
    assert_refused(all(), ErrorKind::Conflict, &["taken"]);
    drop(taken);
    // Another test may have got one of them meanwhile; the refusal has left none behind then, either.
    if let Ok(published) = all() {
        let ports: Vec<_> = published.iter().map(|(port, _)| *port).collect();
        assert_eq!(ports, [first, first + 1, last]);
    }
    for port in first..last {
        eventually("the port is free", || TcpListener::bind((V4, port)).is_ok());
    }
}
