//! Front-ends: each only translates its own language into a [`Command`](crate::control::Command).

pub mod client;
pub mod daemon;
pub mod types;

pub use client::{Client, ClientError, EventStream};
