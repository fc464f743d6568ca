//! virtio-net headers and the frames behind them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vswitch_fuzz::vnet::run(bytes));
