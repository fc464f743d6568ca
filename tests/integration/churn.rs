//! Sandboxes that come and go, by the thousand, in every way, while others talk: nothing is left of
//! them, and nobody else notices.

use std::{
    fs,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::Duration,
};
use vswitch::sys::Netns;
use vswitch_tests::{
    Lab, Must as _, Sandbox, deadline::SOON, eventually, frames, frames::Raw, icmp,
    pattern::Pattern, udp,
};

/// Cycles of each of the two churning threads.
const CYCLES: u32 = 500;
/// Cycles after which memory is looked at for the first time: buffers have their size by then.
const WARM: u32 = 100;

#[test]
fn a_thousand_comings_and_goings_leave_nothing_and_disturb_nobody() {
    let lab = Lab::start();
    // Five addresses: two for those that talk, two for those that come and go, one to spare. A lease
    // that is not given back is missed at once.
    let words = ["network", "create", "lan", "--subnet", "198.18.99.0/29"];
    lab.cli(&[&words[..], &["-o", "gateway=off"]].concat())
        .done();
    let (a, b) = (lab.join("lan", "a"), lab.join("lan", "b"));
    icmp::answers(&a, &[b.ip4()]);
    let descriptors = lab.daemon().descriptors();

    let done = AtomicBool::new(false);
    let cycles = AtomicU32::new(0);
    let warm = thread::scope(|scope| {
        scope.spawn(|| {
            // Every datagram arrives, in order and unchanged, or this panics.
            while !done.load(Ordering::Relaxed) {
                udp::checked(&a, &b, b.ip4(), 512, 1400);
            }
        });
        let churners = [1, 2].map(|seed| {
            let (lab, cycles) = (&lab, &cycles);
            scope.spawn(move || Churner::new(lab, seed).run(cycles))
        });
        let memory = || (cycles.load(Ordering::Relaxed) >= WARM).then(|| lab.daemon().resident());
        let warm = eventually(Duration::from_secs(120), "the first cycles", memory);
        let ends = churners.map(thread::ScopedJoinHandle::join);
        done.store(true, Ordering::Relaxed);
        for end in ends {
            end.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        warm
    });
    icmp::answers(&a, &[b.ip4()]);
    nothing_is_left(&lab, descriptors);
    let grown = lab.daemon().resident().saturating_sub(warm);
    println!("resident: {warm} KiB after {WARM} cycles, {grown} KiB more at the end");
    // Less than a page for each cycle: a port's counters alone, leaked, are more.
    assert!(grown < 2 << 10, "grown by {grown} KiB from {warm} KiB");
    Netns::release_directory(&lab.dir().join("foreign")).must("our own pins");
    lab.finish();
}

#[track_caller]
fn nothing_is_left(lab: &Lab, descriptors: usize) {
    let daemon = lab.daemon();
    eventually(SOON, "only the two that talk are left", || {
        let status = lab.json(&["status"]);
        (status["ports"] == 2 && status["sandboxes"] == 2).then_some(())
    });
    let inspected = lab.json(&["network", "inspect", "lan"]);
    let containers = inspected[0]["Containers"].as_object();
    assert_eq!(
        containers.map(serde_json::Map::len),
        Some(2),
        "{inspected:#}"
    );
    // All three spare addresses can be had.
    for name in ["x", "y", "z"] {
        lab.join("lan", name);
    }
    lab.cli(&["sandbox", "rm", "--force", "x", "y", "z"]).done();
    eventually(SOON, "the descriptors are closed", || {
        // A visitor of before may have been counted who is gone now; a leak would be hundreds.
        (daemon.descriptors() <= descriptors).then_some(())
    });
    // Main, two workers, upkeep, the watch on links, two of each runtime; their threads for what blocks end after 10 s.
    eventually(Duration::from_secs(30), "the threads end", || {
        (daemon.threads() <= 9).then_some(())
    });
    let pins = lab.dir().join("netns");
    let mut names: Vec<_> = (fs::read_dir(&pins).must("the pins").flatten())
        .map(|pin| pin.file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["a", "b"]);
}

/// One of those that come and go.
struct Churner<'a> {
    lab: &'a Lab,
    name: String,
    chance: Pattern,
}

impl<'a> Churner<'a> {
    fn new(lab: &'a Lab, seed: u64) -> Self {
        Self {
            lab,
            name: format!("churn{seed}"),
            chance: Pattern::new(seed),
        }
    }

    fn run(&mut self, cycles: &AtomicU32) {
        for _ in 0..CYCLES {
            match self.chance.below(5) {
                0 => self.by_the_book(),
                1 => self.by_force(),
                2 => self.device_deleted(),
                3 => self.namespace_unpinned(),
                _ => self.process_killed(),
            }
            cycles.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A new sandbox that speaks, or not.
    fn join(&mut self) -> Sandbox {
        // Not the lab's `join`, which would remember every one of them.
        self.lab.cli(&["sandbox", "create", &self.name]).done();
        let nic = self.lab.connect("lan", &self.name, &[]);
        let path = self.lab.dir().join("netns").join(&self.name);
        let sandbox = Sandbox::open(&self.name, &path, Some(nic));
        self.speak(&sandbox);
        sandbox
    }

    fn speak(&mut self, sandbox: &Sandbox) {
        if self.chance.below(2) == 0 {
            let frame = frames::unique(vswitch_wire::MacAddr::BROADCAST, sandbox.mac());
            Raw::open(sandbox).send(&frame);
        }
    }

    fn by_the_book(&mut self) {
        self.join();
        self.lab
            .cli(&["network", "disconnect", "lan", &self.name])
            .done();
        self.lab.cli(&["sandbox", "rm", &self.name]).done();
    }

    fn by_force(&mut self) {
        let sandbox = self.join();
        // Somebody is inside.
        let mut sleeper = sandbox.spawn(Command::new("sleep").arg("60"));
        self.lab
            .cli(&["sandbox", "rm", "--force", &self.name])
            .done();
        sleeper.kill().must("kill");
        sleeper.wait().must("wait");
    }

    fn device_deleted(&mut self) {
        let sandbox = self.join();
        sandbox.exec(&["ip", "link", "del", "eth0"]).done();
        self.lab
            .cli(&["sandbox", "rm", "--force", &self.name])
            .done();
    }

    /// A namespace of somebody else that loses its path, and with it its life.
    fn namespace_unpinned(&mut self) {
        let path = self.lab.dir().join("foreign").join(&self.name);
        let netns = Netns::create().must("a namespace");
        netns.pin(&path).must("pin");
        let reference = format!("netns:{}", path.display());
        let nic = self.lab.connect("lan", &reference, &[]);
        self.speak(&Sandbox::of(&self.name, netns, Some(nic)));
        Netns::unpin(&path).must("unpin");
        self.gone(&reference);
    }

    /// A process with a namespace of its own that dies.
    fn process_killed(&mut self) {
        let netns = Netns::create().must("a namespace");
        let mut command = Command::new("sleep");
        command.arg("60").stdin(Stdio::null());
        let mut process = vswitch::sys::spawn_in(&netns, &mut command).must("a process");
        let reference = format!("pid:{}", process.id());
        let nic = self.lab.connect("lan", &reference, &[]);
        self.speak(&Sandbox::of(&self.name, netns, Some(nic)));
        process.kill().must("kill");
        process.wait().must("wait");
        self.gone(&reference);
    }

    /// Waits until the switch has noticed, so that the lease is free for the next one.
    fn gone(&self, reference: &str) {
        eventually(SOON, "the sandbox is forgotten", || {
            let known = self.lab.json(&["sandbox", "ls"]);
            let mut names = known.as_array().into_iter().flatten();
            (!names.any(|sandbox| sandbox["name"] == *reference)).then_some(())
        });
    }
}
