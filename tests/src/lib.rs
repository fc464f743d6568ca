//! The harness of the integration tests: a host of one's own with the real daemon in it, sandboxes,
//! captures, raw frames, checked streams; and several such hosts on an underlay.
//!
//! - [`Lab`] is a host: a fresh network namespace and a directory with the control socket. Its end is
//!   a test in itself (see [`lab`]).
//! - [`Hosts`] are several labs, on an [`Underlay`] that is a wire or bad on purpose; [`KernelVtep`] is what
//!   they are compared with, and [`Capture`] what a decoder says of their packets.
//! - [`Outside`] is what a host's uplink leads to, with a DNS server [`Upstream`]; [`dig`](mod@dig) asks for names.
//! - [`Lan`] is a physical network with a host whose card macvlan networks have as their parent;
//!   [`kernel_macvlan`] is what they are compared with, frame by frame by an [`Observer`].
//! - [`Docker`] is Docker's own engine in a lab, with the lab's daemon as a plugin.
//! - Nothing sleeps in the hope that something has happened: [`eventually`] asks until it has, and
//!   what must *not* happen is proved by a marker that comes after it (see [`sniffer`]).
//! - A failed assertion of the harness panics at the caller's line; [`Must`] makes a panic of an error
//!   that would be the fault of the machine or of the harness.
//! - Tests run in parallel threads. Those that measure hold the machine alone (see [`guard`]).

pub mod bench;
pub mod capture;
pub mod cli;
pub mod daemon;
pub mod deadline;
pub mod dig;
pub mod docker;
mod etc;
pub mod frames;
pub mod guard;
pub mod hostile;
pub mod hosts;
pub mod http;
pub mod icmp;
pub mod ip;
pub mod iperf;
pub mod kernel_macvlan;
pub mod kernel_vtep;
pub mod lab;
pub mod lan;
mod leftovers;
pub mod monitor;
pub mod mounts;
pub mod neighbours;
pub mod observer;
pub mod outside;
pub mod pattern;
pub mod peers;
pub mod procfs;
pub mod sandbox;
pub mod sniffer;
mod tcpdump;
pub mod transfer;
pub mod udp;
pub mod underlay;
pub mod upstream;
mod world;

pub use capture::Capture;
pub use cli::Output;
pub use deadline::{Must, eventually};
pub use docker::Docker;
pub use hosts::{Hosts, Overlay};
pub use kernel_vtep::KernelVtep;
pub use lab::{Lab, Setup};
pub use lan::Lan;
pub use monitor::Monitor;
pub use observer::Observer;
pub use outside::Outside;
pub use sandbox::{Nic, Sandbox};
pub use sniffer::Sniffer;
pub use underlay::Underlay;
pub use upstream::Upstream;
