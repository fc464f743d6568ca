//! Places that a front-end has forgotten.

use super::*;
use crate::control::{
    guest::{Guest, GuestReply, Reserve, Reserved},
    name::ObjectId,
};

fn id(byte: u8) -> ObjectId {
    ObjectId::from_bytes([byte; 32])
}

fn prepared() -> Fake {
    let (mut c, kernel) = controller();
    kernel.process(std::process::id());
    let create = NetworkCreate {
        subnets: vec!["198.18.0.0/24".parse().unwrap()],
        ..NetworkCreate::default()
    };
    c.guest(Guest::NetworkCreate { id: id(1), create }).unwrap();
    c
}

fn reserve(
    c: &mut Fake,
    endpoint: u8,
    ip: &str,
    mac: Option<&str>,
) -> Result<Reserved, ControlError> {
    match c.guest(Guest::Reserve(Reserve {
        network: id(1),
        endpoint: id(endpoint),
        ip: Some(ip.parse().unwrap()),
        ip6: None,
        mac_address: mac.map(|mac| mac.parse().unwrap()),
        options: [].into(),
    }))? {
        GuestReply::Reserved(reserved) => Ok(reserved),
        other => panic!("{other:?}"),
    }
}

fn places(c: &mut Fake) -> Vec<ObjectId> {
    match c.guest(Guest::Reserved { network: id(1) }).unwrap() {
        GuestReply::Places(places) => places,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_address_that_is_given_again_is_the_new_ones() {
    let mut c = prepared();
    let mac = "02:00:00:00:00:07";
    reserve(&mut c, 7, "198.18.0.7", Some(mac)).unwrap();
    reserve(&mut c, 8, "198.18.0.8", None).unwrap();
    let join = Guest::Join {
        endpoint: id(7),
        sandbox: "/run/docker/netns/c7".into(),
    };
    c.guest(join).unwrap();
    // With the MAC address of the former, too.
    let again = reserve(&mut c, 9, "198.18.0.7", Some(mac)).unwrap();
    assert_eq!(again.mac_address.to_string(), mac);
    assert_eq!(places(&mut c), [id(8), id(9)]);
    let Reply::Sandboxes(left) = c.apply(Command::SandboxList).unwrap() else {
        panic!("no list");
    };
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_refused_supersedes_nothing() {
    let mut c = prepared();
    reserve(&mut c, 7, "198.18.0.7", Some("02:00:00:00:00:07")).unwrap();
    // Another one has the MAC address, the address is the gateway's, or none of the network's.
    for (ip, mac) in [
        ("198.18.0.8", Some("02:00:00:00:00:07")),
        ("198.18.0.1", None),
        ("198.18.1.7", None),
        ("198.18.0.7", Some("01:00:00:00:00:01")),
    ] {
        reserve(&mut c, 9, ip, mac).unwrap_err();
        assert_eq!(places(&mut c), [id(7)], "{ip} {mac:?}");
    }
    // On another network it is another address.
    assert!(matches!(
        c.guest(Guest::Reserved { network: id(2) }).unwrap(),
        GuestReply::Places(places) if places.is_empty()
    ));
}
