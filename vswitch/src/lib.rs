//! A pure userspace virtual switch for Linux.
//!
//! The rooms, one on top of the other; none knows those above it:
//!
//! | room | what lives there |
//! |---|---|
//! | [`sys`] | all `unsafe`: one file per kernel facility |
//! | [`port`] | how frames come in and go out |
//! | [`datapath`] | the life of a frame; start at [`datapath::Ingress::forward`] |
//!
//! `ARCHITECTURE.md` beside this crate draws the whole house.

pub mod datapath;
pub mod port;
pub mod sys;
