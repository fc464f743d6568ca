//! What the control plane answers when it refuses or fails: one kind for programs, one line for people.
//!
//! The line says what was asked for, why it cannot be done and what to do about it. The kind is the part that a
//! front-end translates: an HTTP status, a CNI error code, a Docker plugin error.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a command was not carried out, as far as a program needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The object that was named does not exist.
    NotFound,
    /// The request collides with something that exists: a name, a subnet, an address, an interface.
    Conflict,
    /// The request can never be right as it stands.
    Invalid,
    /// What is asked for cannot be had here or now: not built yet, exhausted, missing on this machine.
    Unavailable,
    /// The switch or the kernel failed at something that should have worked.
    Internal,
}

/// A refused or failed command.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct ControlError {
    /// For programs.
    pub kind: ErrorKind,
    /// For people: one line, "what: why; what to do".
    pub message: String,
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ControlError {
    /// An error of the given kind. Line breaks in the text become spaces, so that it stays one line whatever
    /// a lower storey put into it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let mut message: String = message.into();
        if message.contains(['\n', '\r']) {
            message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        Self { kind, message }
    }

    /// The object does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Something that exists is in the way.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// The request is wrong in itself.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// It cannot be had here or now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// Something that should have worked did not.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
}
