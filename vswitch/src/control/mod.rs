//! The control plane: networks, sandboxes, endpoints, addresses, and the only hand that changes them.
//!
//! Front-ends translate what they are asked into a [`Command`]; [`Controller::apply`] carries it out and returns a
//! [`Reply`] or a [`ControlError`] of one line. What is decided and what is done are kept apart: decisions are pure code
//! over plain data and are tested as such, everything that asks the kernel for something is in [`kernel`].
//!
//! | file | what |
//! |---|---|
//! | `command`, `view`, `error` | what is asked, shown, refused: at once the JSON of the control socket |
//! | `name` | names, IDs, what a reference means |
//! | `options` | driver options |
//! | `ipam`, `subnets` | addresses of a subnet; which subnets a network gets |
//! | `network`, `sandbox`, `endpoint` | the objects and their rules |
//! | `overlay` | tunnels to other hosts |
//! | `macvlan` | segments of the host's own physical networks |
//! | `kernel` | namespaces and devices |
//! | `attach` | making and removing an endpoint, as a transaction |
//! | `controller` | the state, the commands, and the upkeep |
//! | `events`, `stamp` | what monitors are told, and when it was |
//! | `guest` | commands of front-ends that bring objects of their own |
//! | `reservation` | endpoints of such front-ends before and after they have a device |
//! | `publish` | published ports |
//! | `services` | what the switch serves itself, as control asks for it |
//! | `state`, `store` | what outlives the daemon, and where it is kept |
//! | `handle` | the asynchronous door for front-ends |
//!
//! # Threads
//! One mutex around one [`Controller`]. Commands come from threads that may block; the upkeep thread takes the same
//! lock for a moment for each event of the switch. Workers of the data path never wait for any of them.
//!
//! # What an interface gets
//! Its MAC, the network's MTU, and one address of each family that the network has. A network without an IPv6 subnet
//! switches IPv6 off on its interfaces, as Docker does, so that no link-local address appears that nobody asked for.
//! On a macvlan network with a parent the gateway is a router outside, and the default route leads to it, unless the
//! sandbox has one already. Elsewhere there is none: the gateway's address is reserved and shown, but nothing answers
//! there yet.

pub mod command;
pub mod endpoint;
pub mod error;
pub mod events;
pub mod guest;
pub mod ipam;
pub mod kernel;
pub mod macvlan;
pub mod name;
pub mod network;
pub mod options;
pub mod overlay;
pub mod publish;
pub mod sandbox;
pub mod services;
pub mod stamp;
pub mod state;
pub mod store;
pub mod subnets;
pub mod view;

mod attach;
mod controller;
mod handle;
mod reservation;

#[cfg(test)]
pub(crate) mod testing;

pub use command::{Command, Reply};
pub use controller::{Controller, Parts, Upkeep};
pub use error::{ControlError, ErrorKind};
pub use events::{EventHub, Monitor};
pub use handle::Handle;
