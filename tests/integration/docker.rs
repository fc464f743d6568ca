//! Docker's engine with the switch as its network driver: the real `dockerd`, on a host without a bridge, without veths,
//! without netfilter.

mod networks;

use vswitch_tests::{Lab, Setup};

/// A lab whose daemon is a plugin.
fn lab() -> Lab {
    Lab::start_with(&Setup {
        docker: true,
        ..Setup::default()
    })
}
