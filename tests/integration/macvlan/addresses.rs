//! Frames that are for nobody: counted under their reason, and the books close.

use super::{create, join};
use vswitch_tests::{
    Lan, Sniffer,
    frames::{self, Raw, station},
    lan::SUBNET,
};

#[test]
fn a_frame_of_an_internal_network_for_nobody_is_counted() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "inside", SUBNET, &[]);
    let [a, b] =
        [100, 101].map(|number| join(&lab, "inside", &format!("c{number}"), SUBNET, number));
    let sniffer = Sniffer::start(&b);
    let before = lab.drops(&a, "macvlan_nobody");
    let mut raw = Raw::open(&a);
    // Nobody's address, and one's own.
    for dst in [station(0x00ff_fff3), a.mac()] {
        raw.send(&frames::unique(dst, a.mac()));
    }
    let marker = frames::marker(b.mac(), a.mac());
    raw.send(&marker);
    assert_eq!(sniffer.until(&marker), Vec::<Vec<u8>>::new());
    assert_eq!(lab.drops(&a, "macvlan_nobody") - before, 2);
    drop(sniffer);
    lab.finish();
}
