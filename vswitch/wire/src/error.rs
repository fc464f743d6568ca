//! Why bytes could not be read as what they should be.
//!
//! One type for every header, `Copy` and without allocation, so that it can travel in a drop reason.
//! A parser never panics and never guesses: it returns the header's name, what it needed and what it found.

/// A header that cannot be read, with the reason. Lengths in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes end before the header (or what it announces) does.
    #[error("{what} is cut short: {need} bytes needed, {have} are there")]
    Truncated {
        /// The header, as the standards call it.
        what: &'static str,
        /// How many bytes it would take.
        need: usize,
        /// How many there are.
        have: usize,
    },
    /// A length field contradicts the header that carries it.
    #[error("{what} has the impossible value {value}")]
    BadLength {
        /// The length field.
        what: &'static str,
        /// Its value, in the field's own unit.
        value: usize,
    },
    /// The version nibble is not the one the EtherType promised.
    #[error("{what} carries version {version}")]
    BadVersion {
        /// The header.
        what: &'static str,
        /// What its version field says.
        version: u8,
    },
    /// The frame's EtherType is neither IPv4 nor IPv6.
    #[error("not an IP packet")]
    NotIp,
    /// More IPv6 extension headers than a sane sender writes.
    #[error("more than {limit} IPv6 extension headers")]
    TooManyHeaders {
        /// How many are walked.
        limit: usize,
    },
}
