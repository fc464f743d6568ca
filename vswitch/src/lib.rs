//! A pure userspace virtual switch for Linux.
//!
//! The rooms, one on top of the other; none knows those above it:
//!
//! | room | what lives there |
//! |---|---|
//! | [`api`] | front-ends, each only a translation to a command |
//! | [`service`] | what the switch serves itself: names, gateways, published ports |
//! | [`control`] | the only writer: networks, sandboxes, endpoints, addresses |
//! | [`datapath`] | the life of a frame; start at [`datapath::Ingress::forward`] |
//! | [`port`] | how frames come in and go out |
//! | [`sys`] | all `unsafe`: one file per kernel facility |
//!
//! `ARCHITECTURE.md` beside this crate draws the whole house.

pub mod api;
pub mod control;
pub mod datapath;
pub mod port;
pub mod service;
pub mod sys;

#[cfg(test)]
mod testing;
