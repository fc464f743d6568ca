//! An idle switch costs nothing.

use std::time::Duration;
use vswitch_tests::{Lab, Must as _, Setup, Sniffer, deadline, frames, frames::Raw};
use vswitch_wire::MacAddr;

#[test]
fn sixty_four_idle_ports_cost_no_processor_and_little_memory() {
    let lab = Lab::start_with(&Setup {
        alone: true,
        ..Setup::default()
    });
    lab.quiet("lan", &[]);
    let all = lab.join_all("lan", 64);
    // Every station is known, so that there is something to keep.
    let sniffer = Sniffer::start(&all[0]);
    for sandbox in &all[1..] {
        let hello = frames::marker(MacAddr::BROADCAST, sandbox.mac());
        Raw::open(sandbox).send(&hello);
        sniffer.expect_frame(&hello);
    }
    drop(sniffer);
    assert!(lab.fdb("lan").len() >= 63);
    // The runtime's threads for what blocks end after 10 s; their end is not idleness.
    let daemon = lab.daemon();
    deadline::eventually(Duration::from_secs(30), "the threads end", || {
        (daemon.threads() <= 9).then_some(())
    });
    let before = daemon.ticks();
    deadline::measure_for(Duration::from_secs(10));
    let ticks = daemon.ticks() - before;
    let resident = daemon.resident();
    println!("{ticks} ticks of 10 ms in 10 s, {resident} KiB resident");
    assert!(ticks <= 1, "{ticks} ticks in 10 s of idleness");
    assert!(resident < 32 << 10, "{resident} KiB");
    // Idle, not dead.
    let status = lab.json(&["status"]);
    assert_eq!(status["ports"].as_u64().must("ports"), 64);
    lab.finish();
}
