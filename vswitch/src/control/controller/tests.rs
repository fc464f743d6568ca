//! The controller over a fake kernel and a real switch.

mod endpoints;
mod fdb;
mod gateways;
mod guests;
mod macvlan;
mod overlay;
mod restore;
mod shapes;
mod superseded;
mod upkeep;
mod yielding;

use std::{path::PathBuf, sync::Mutex, time::Duration};

use serde_json::{Value, json};

use super::*;
use crate::{
    control::{
        ErrorKind, Upkeep,
        command::{Connect, Disconnect, FdbAdd, FdbFlush, FdbRemove, NetworkCreate, SandboxCreate},
        testing::{FakeKernel, Step, controller, controller_over},
        view::{Connected, EventKind, FdbKind, LinkState},
    },
    datapath::SwitchEvent,
    port::PortState,
};

type Fake = Controller<FakeKernel>;

fn lab(name: &str) -> Command {
    Command::NetworkCreate(NetworkCreate {
        name: name.to_owned(),
        subnets: vec!["198.18.0.0/24".parse().unwrap()],
        options: [("gateway".to_owned(), "off".to_owned())].into(),
        ..NetworkCreate::default()
    })
}

fn sandbox(name: &str) -> Command {
    Command::SandboxCreate(SandboxCreate {
        name: name.to_owned(),
    })
}

fn to(sandbox: &str) -> Connect {
    Connect {
        sandbox: sandbox.to_owned(),
        ..Connect::default()
    }
}

fn connect(c: &mut Fake, network: &str, connect: Connect) -> Result<Connected, ControlError> {
    match c.apply(Command::Connect {
        network: network.to_owned(),
        connect,
    })? {
        Reply::Connected(connected) => Ok(*connected),
        other => panic!("{other:?}"),
    }
}

fn disconnect(c: &mut Fake, network: &str, sandbox: &str) -> Result<Reply, ControlError> {
    let disconnect = Disconnect {
        sandbox: sandbox.to_owned(),
    };
    c.apply(Command::Disconnect {
        network: network.to_owned(),
        disconnect,
    })
}

fn ip(connected: &Connected) -> String {
    connected.interface.ipv4.unwrap().addr().to_string()
}

fn names(c: &mut Fake, command: Command) -> Vec<String> {
    match c.apply(command).unwrap() {
        Reply::Networks(list) => list.into_iter().map(|n| n.name).collect(),
        Reply::Sandboxes(list) => list.into_iter().map(|s| s.name).collect(),
        Reply::Ports(list) => list.into_iter().map(|p| p.name).collect(),
        other => panic!("{other:?}"),
    }
}

fn refusal(c: &mut Fake, command: Command) -> ControlError {
    let error = c.apply(command).unwrap_err();
    assert!(
        !error.message.contains('\n') && error.message.contains(": "),
        "what: why; what to do: {error}"
    );
    error
}

/// A network `lab` with the sandboxes `a` (namespace 1) and `b` (namespace 2), not connected.
fn prepared() -> (Fake, FakeKernel) {
    let (mut c, kernel) = controller();
    for command in [lab("lab"), sandbox("a"), sandbox("b")] {
        c.apply(command).unwrap();
    }
    (c, kernel)
}

/// Waits for the next event of the switch that `wanted` accepts.
fn event(c: &Fake, wanted: impl Fn(&SwitchEvent) -> bool) -> SwitchEvent {
    let events = c.switch.events();
    loop {
        let event = events
            .recv_timeout(Duration::from_secs(10))
            .expect("an event within 10 s");
        if wanted(&event) {
            return event;
        }
    }
}

/// Lets the station behind a device send a broadcast, and waits until it is learned.
fn speak(c: &Fake, kernel: &FakeKernel, netns: u64, mac: [u8; 6]) {
    let mut frame = vec![0; 12];
    frame.extend([0xff; 6]);
    frame.extend(mac);
    frame.extend([0x88, 0xb5]);
    frame.resize(12 + 60, 0);
    kernel.device(netns, "eth0", |end| end.put(frame).unwrap());
    event(
        c,
        |event| matches!(event, SwitchEvent::Learned { mac: m, .. } if m.octets() == mac),
    );
}

#[test]
fn predefined_networks_are_always_there() {
    let (mut c, _) = controller();
    assert_eq!(
        names(&mut c, Command::NetworkList),
        ["bridge", "host", "none"]
    );
    for name in ["bridge", "host", "none"] {
        let error = refusal(
            &mut c,
            Command::NetworkRemove {
                network: name.to_owned(),
            },
        );
        assert!(error.message.contains("predefined"), "{error}");
        assert!(refusal(&mut c, lab(name)).message.contains("predefined"));
    }
    c.apply(sandbox("a")).unwrap();
    for name in ["host", "none"] {
        let network = name.to_owned();
        assert_eq!(
            refusal(
                &mut c,
                Command::Connect {
                    network,
                    connect: to("a")
                }
            )
            .kind,
            ErrorKind::Invalid
        );
    }
    assert_eq!(
        ip(&connect(&mut c, "bridge", to("a")).unwrap()),
        "172.17.0.2"
    );
}

#[test]
fn without_an_automatic_subnet_the_daemon_still_starts() {
    let kernel = FakeKernel::default();
    kernel.world(|world| {
        world.host = vec![
            "172.16.0.0/12".parse().unwrap(),
            "192.168.0.0/16".parse().unwrap(),
        ];
    });
    let mut c = controller_over(kernel);
    assert_eq!(names(&mut c, Command::NetworkList).len(), 3);
    c.apply(sandbox("a")).unwrap();
    assert_eq!(
        connect(&mut c, "bridge", to("a")).unwrap().interface.ipv4,
        None
    );
}

#[test]
fn networks_are_refused_for_good_reasons() {
    let (mut c, _) = prepared();
    assert_eq!(refusal(&mut c, lab("lab")).kind, ErrorKind::Conflict);
    let error = refusal(&mut c, lab("other"));
    assert!(
        error
            .message
            .contains("overlaps 198.18.0.0/24 of network lab"),
        "{error}"
    );
    let driver = |driver: &str| NetworkCreate {
        name: "x".to_owned(),
        driver: driver.to_owned(),
        ..NetworkCreate::default()
    };
    assert_eq!(
        refusal(&mut c, Command::NetworkCreate(driver("what"))).kind,
        ErrorKind::Invalid
    );
    assert_eq!(
        names(&mut c, Command::NetworkList),
        ["bridge", "host", "lab", "none"]
    );
}

#[test]
fn a_network_with_endpoints_stays() {
    let (mut c, _) = prepared();
    connect(&mut c, "lab", to("a")).unwrap();
    let remove = || Command::NetworkRemove {
        network: "lab".to_owned(),
    };
    let error = refusal(&mut c, remove());
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(
        error.message.contains("vswitch network disconnect lab a"),
        "{error}"
    );
    let Reply::Pruned(pruned) = c.apply(Command::NetworkPrune).unwrap() else {
        panic!()
    };
    assert!(pruned.networks.is_empty());
    disconnect(&mut c, "lab", "a").unwrap();
    let Reply::Pruned(pruned) = c.apply(Command::NetworkPrune).unwrap() else {
        panic!()
    };
    assert_eq!(pruned.networks, ["lab"]);
    assert_eq!(refusal(&mut c, remove()).kind, ErrorKind::NotFound);
}

#[test]
fn sandboxes_are_removed_when_unconnected_or_forced() {
    let (mut c, kernel) = prepared();
    assert_eq!(refusal(&mut c, sandbox("a")).kind, ErrorKind::Conflict);
    assert_eq!(refusal(&mut c, sandbox("pid:1")).kind, ErrorKind::Invalid);
    connect(&mut c, "lab", to("a")).unwrap();
    connect(&mut c, "bridge", to("a")).unwrap();
    let remove = |force| Command::SandboxRemove {
        sandbox: "a".to_owned(),
        force,
    };
    assert_eq!(refusal(&mut c, remove(false)).kind, ErrorKind::Conflict);
    assert_eq!(kernel.devices().len(), 2);
    c.apply(remove(true)).unwrap();
    assert!(kernel.devices().is_empty());
    assert_eq!(kernel.world(|world| world.pins.len()), 1);
    assert_eq!(names(&mut c, Command::SandboxList), ["b"]);
    // What cannot be undone is told, the rest goes on.
    kernel.world(|world| world.fail.insert(Step::Unpin));
    let remove = Command::SandboxRemove {
        sandbox: "b".to_owned(),
        force: false,
    };
    let Reply::Disconnected(reply) = c.apply(remove).unwrap() else {
        panic!()
    };
    assert_eq!(reply.warnings.len(), 1);
    assert!(names(&mut c, Command::SandboxList).is_empty());
}

#[test]
fn a_sandbox_that_cannot_be_made_leaves_no_pin() {
    let (mut c, kernel) = controller();
    for step in [Step::CreateNetns, Step::Identify] {
        kernel.world(|world| world.fail = [step].into());
        c.apply(sandbox("x")).unwrap_err();
        assert!(kernel.world(|world| world.pins.is_empty()), "{step:?}");
        assert!(names(&mut c, Command::SandboxList).is_empty());
    }
}

fn added(mac: &str, port: &str) -> FdbAdd {
    FdbAdd {
        mac: mac.parse().unwrap(),
        port: Some(port.to_owned()),
        remote: None,
        vlan: None,
        kind: FdbKind::Static,
    }
}
