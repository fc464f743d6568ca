//! The switch: ports, data path, control plane and front-ends.

pub mod api;
pub mod control;
pub mod port;
