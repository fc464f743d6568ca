//! Stub of the ports: only what the control plane names. Thrown away when the real room lands.
#![allow(missing_docs)]
use std::fmt;

#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct PortId(u16);
impl PortId {
    pub const fn new(id: u16) -> Self {
        Self(id)
    }
    pub const fn get(self) -> u16 {
        self.0
    }
}
impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortState {
    Up,
    Down,
    Gone,
}
