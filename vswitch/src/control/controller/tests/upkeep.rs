//! What happens without a command.

use super::*;

#[test]
fn a_killed_namespace_takes_its_endpoint_along() {
    let (mut c, kernel) = prepared();
    kernel.process(42);
    let port = connect(&mut c, "lab", to("pid:42")).unwrap().interface.port;
    connect(&mut c, "lab", to("a")).unwrap();
    let mut monitor = c.events().subscribe();
    kernel.kill(42);
    let gone = event(&c, |event| matches!(event, SwitchEvent::PortGone(_)));
    assert_eq!(gone, SwitchEvent::PortGone(port));
    c.on_switch_event(gone);
    assert_eq!(names(&mut c, Command::PortList), ["a/eth0"]);
    assert_eq!(names(&mut c, Command::SandboxList), ["a", "b"]);
    let mut kinds = Vec::new();
    while let Some(event) = monitor.try_next() {
        kinds.push(
            serde_json::to_value(event).unwrap()["type"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(
        kinds,
        ["port-gone", "endpoint-disconnect", "sandbox-remove"]
    );
    // The number was given to another port meanwhile: a late event does not harm it.
    assert_eq!(
        connect(&mut c, "lab", to("b")).unwrap().interface.port,
        port
    );
    c.on_switch_event(gone);
    assert_eq!(names(&mut c, Command::PortList), ["b/eth0", "a/eth0"]);
    // The lease came back: 198.18.0.2 is the last that is used again.
    assert_eq!(
        c.network("lab")
            .unwrap()
            .pools()
            .map(|pool| pool.leased())
            .sum::<usize>(),
        2
    );
}

#[test]
fn a_named_sandbox_goes_when_its_namespace_was_taken_away() {
    let (mut c, kernel) = prepared();
    connect(&mut c, "lab", to("a")).unwrap();
    kernel.world(|world| world.processes.insert(7, 1));
    kernel.world(|world| world.pins.retain(|_, netns| *netns != 1));
    assert_eq!(
        connect(&mut c, "bridge", to("a")).unwrap_err().kind,
        ErrorKind::NotFound
    );
    kernel.kill(7);
    let gone = event(&c, |event| matches!(event, SwitchEvent::PortGone(_)));
    c.on_switch_event(gone);
    assert_eq!(names(&mut c, Command::SandboxList), ["b"]);
}

#[test]
fn stale_pins_are_removed_at_the_start() {
    let kernel = FakeKernel::default();
    kernel.world(|world| {
        world.pins.insert(PathBuf::from("/run/test/netns/old"), 9);
        world.pins.insert(PathBuf::from("/run/other/netns/old"), 10);
    });
    let mut c = controller_over(kernel.clone());
    let left = kernel.world(|world| world.pins.keys().cloned().collect::<Vec<_>>());
    assert_eq!(left, [PathBuf::from("/run/other/netns/old")]);
    c.apply(sandbox("old")).unwrap();
}

#[test]
fn shutting_down_leaves_nothing_even_if_something_fails() {
    let (mut c, kernel) = prepared();
    kernel.process(42);
    for who in ["a", "b", "pid:42"] {
        connect(&mut c, "lab", to(who)).unwrap();
    }
    kernel.world(|world| world.fail.insert(Step::OpenNetns));
    c.shut_down();
    assert!(kernel.devices().is_empty());
    assert!(kernel.world(|world| world.pins.is_empty()));
    assert!(names(&mut c, Command::SandboxList).is_empty());
}

#[test]
fn sweeping_goes_on_only_while_something_ages() {
    let (mut c, kernel) = prepared();
    connect(&mut c, "lab", to("a")).unwrap();
    assert_eq!(c.sweep(), None);
    c.apply(Command::FdbAdd {
        network: "lab".to_owned(),
        add: added("02:00:00:00:00:05", "0"),
    })
    .unwrap();
    assert_eq!(c.sweep(), None, "a static entry does not age");
    speak(&c, &kernel, 1, [2, 0, 0, 0, 0, 1]);
    assert_eq!(c.sweep(), Some(Duration::from_secs(30)));
    let quick = NetworkCreate {
        name: "quick".to_owned(),
        options: [("ageing", "10"), ("gateway", "off")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..NetworkCreate::default()
    };
    c.apply(Command::NetworkCreate(quick)).unwrap();
    connect(&mut c, "quick", to("b")).unwrap();
    let sticky = FdbAdd {
        kind: FdbKind::Sticky,
        ..added("02:00:00:00:00:06", "b/eth0")
    };
    c.apply(Command::FdbAdd {
        network: "quick".to_owned(),
        add: sticky,
    })
    .unwrap();
    assert_eq!(
        c.sweep(),
        Some(Duration::from_secs(1)),
        "a sticky entry ages"
    );
}

#[tokio::test]
async fn the_upkeep_tells_monitors_and_ends() {
    let (mut c, kernel) = prepared();
    kernel.process(42);
    let port = connect(&mut c, "lab", to("pid:42")).unwrap().interface.port;
    let mut monitor = c.events().subscribe();
    let c = Arc::new(Mutex::new(c));
    let upkeep = Upkeep::start(&c).unwrap();
    let mut frame = vec![0; 12 + 60];
    frame[12..24].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9]);
    kernel.device(3, "eth0", |end| end.put(frame).unwrap());
    let next = async |monitor: &mut crate::control::Monitor| {
        tokio::time::timeout(Duration::from_secs(10), monitor.next())
            .await
            .unwrap()
            .unwrap()
            .what
    };
    let learned = next(&mut monitor).await;
    let mac = "02:00:00:00:00:09".parse().unwrap();
    assert_eq!(
        learned,
        EventKind::FdbLearned {
            network: "lab".to_owned(),
            mac,
            port,
            remote: None
        }
    );
    kernel.kill(42);
    assert!(matches!(
        next(&mut monitor).await,
        EventKind::PortGone { .. }
    ));
    drop(upkeep);
    assert_eq!(Arc::strong_count(&c), 1, "the thread has ended");
}

#[tokio::test]
async fn a_port_that_is_gone_is_removed_though_its_event_was_lost() {
    let (mut c, kernel) = prepared();
    kernel.process(42);
    for who in ["a", "b", "pid:42"] {
        connect(&mut c, "lab", to(who)).unwrap();
    }
    c.reconcile();
    assert_eq!(names(&mut c, Command::PortList).len(), 3, "all are well");
    // More stations than the queue has room for.
    let stations = 3000u16;
    for number in 0..stations {
        let mut frame = vec![0; 12 + 60];
        frame[12..22].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 1]);
        frame[22..24].copy_from_slice(&number.to_be_bytes());
        kernel.device(1, "eth0", |end| end.put(frame).unwrap());
    }
    for _ in 0..stations {
        let arrived = kernel.device(2, "eth0", |end| end.take_within(Duration::from_secs(10)));
        arrived.expect("every frame arrives");
    }
    assert!(c.switch.events_lost() > 0);
    kernel.kill(42);
    // Taken from the queue, which is as good as lost, with all that was before it.
    event(&c, |event| matches!(event, SwitchEvent::PortGone(_)));
    let mut monitor = c.events().subscribe();
    let c = Arc::new(Mutex::new(c));
    let upkeep = Upkeep::start(&c).unwrap();
    let mut frame = vec![0; 12 + 60];
    frame[12..24].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9]);
    kernel.device(1, "eth0", |end| end.put(frame).unwrap());
    let gone = async {
        while !matches!(
            monitor.next().await.unwrap().what,
            EventKind::PortGone { .. }
        ) {}
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("the port is found to be gone");
    let left = names(&mut c.lock().unwrap(), Command::PortList);
    assert_eq!(left, ["a/eth0", "b/eth0"]);
    drop(upkeep);
}
