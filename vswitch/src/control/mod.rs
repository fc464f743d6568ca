//! The control plane: the only writer.

pub mod command;
pub mod error;
pub mod view;

pub use command::{Command, Reply};
pub use error::{ControlError, ErrorKind};
