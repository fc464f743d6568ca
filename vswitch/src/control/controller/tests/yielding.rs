//! The predefined network and those that want its subnet.

use super::*;

fn with_subnet(name: &str, subnet: &str) -> Command {
    Command::NetworkCreate(NetworkCreate {
        name: name.to_owned(),
        subnets: vec![subnet.parse().unwrap()],
        options: [("gateway".to_owned(), "off".to_owned())].into(),
        ..NetworkCreate::default()
    })
}

fn subnet(c: &mut Fake, network: &str) -> String {
    let network = network.to_owned();
    match c.apply(Command::NetworkInspect { network }).unwrap() {
        Reply::Network(found) => found.ipam.config[0].subnet.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_gives_way_while_nobody_uses_it() {
    let (mut c, _) = controller();
    assert_eq!(subnet(&mut c, "bridge"), "172.17.0.0/16");
    c.apply(with_subnet("first", "172.17.0.0/16")).unwrap();
    assert_eq!(subnet(&mut c, "bridge"), "172.18.0.0/16");
    // Whatever part of it: and the rest of what is wanted is not taken either.
    c.apply(with_subnet("second", "172.18.3.0/24")).unwrap();
    assert_eq!(subnet(&mut c, "bridge"), "172.19.0.0/16");
    c.apply(with_subnet("third", "172.19.0.0/16")).unwrap();
    assert_eq!(subnet(&mut c, "bridge"), "172.20.0.0/16");
}

#[test]
fn it_stays_where_it_is_used_or_the_other_is_refused() {
    let (mut c, kernel) = controller();
    let bad = |subnet: &str| match with_subnet("bad", subnet) {
        Command::NetworkCreate(mut create) => {
            create.options.insert("colour".to_owned(), "red".to_owned());
            Command::NetworkCreate(create)
        }
        other => other,
    };
    refusal(&mut c, bad("172.17.0.0/16"));
    assert_eq!(subnet(&mut c, "bridge"), "172.17.0.0/16");
    kernel.process(42);
    connect(&mut c, "bridge", to("pid:42")).unwrap();
    let error = refusal(&mut c, with_subnet("late", "172.17.0.0/16"));
    assert!(error.message.contains("of network bridge"), "{error}");
    assert_eq!(subnet(&mut c, "bridge"), "172.17.0.0/16");
}
