//! Datagrams from anywhere, at a tunnel endpoint that is being changed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vswitch_fuzz::decapsulate::run(bytes));
