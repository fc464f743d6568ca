//! A pure userspace virtual switch for Linux.
//!
//! The rooms, one on top of the other; none knows those above it:
//!
//! | room | what lives there |
//! |---|---|
//! | [`sys`] | all `unsafe`: one file per kernel facility |
//! | [`port`] | how frames come in and go out |
//! | [`datapath`] | the life of a frame; start at [`datapath::Ingress::forward`] |
//! | [`proto`] | control protocols as state machines without I/O |
//! | [`control`] | the only writer: networks, sandboxes, endpoints, addresses |
//! | [`service`] | what the switch answers itself |
//! | [`api`] | front-ends: the control socket, its client, the daemon |
//!
//! `ARCHITECTURE.md` beside this crate draws the whole house.

pub mod api;
pub mod control;
pub mod datapath;
pub mod port;
pub mod proto;
pub mod service;
pub mod sys;
