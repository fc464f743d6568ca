//! Tells the program what it was built by: counts of instructions mean nothing without it.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let compiler = env::var("RUSTC")
        .ok()
        .and_then(|rustc| Command::new(rustc).arg("--version").output().ok())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=BUILT_BY={}", compiler.trim());
    for (name, from) in [
        ("BUILT_FOR", "TARGET"),
        ("BUILT_WITH_FEATURES", "CARGO_CFG_TARGET_FEATURE"),
        ("BUILT_AT_LEVEL", "OPT_LEVEL"),
    ] {
        let value = env::var(from).unwrap_or_default();
        println!("cargo:rustc-env={name}={value}");
    }
}
