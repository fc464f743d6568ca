//! Docker's IDs as ours.
//!
//! The engine's own IDs have the form of ours, 64 hexadecimal digits. Those of Swarm have not: 25 letters and digits.
//! Such an ID becomes the one whose bytes its characters are, so that nothing has to be remembered to recognise it.

use crate::control::{ControlError, name::ObjectId};

/// The ID that an ID of Docker's means. `what` is "network" or "endpoint".
pub(super) fn id(what: &str, text: &str) -> Result<ObjectId, ControlError> {
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_alphanumeric()) {
        return Err(not_one(what, text));
    }
    let mut bytes = [0; 32];
    if text.len() < bytes.len() {
        for (byte, c) in bytes.iter_mut().zip(text.bytes()) {
            *byte = c;
        }
        return Ok(ObjectId::from_bytes(bytes));
    }
    ObjectId::parse(text).map_err(|_| not_one(what, text))
}

fn not_one(what: &str, text: &str) -> ControlError {
    let shown: String = text.chars().take(80).collect();
    ControlError::invalid(format!(
        "{what} ID {shown:?}: not an ID of Docker's; this socket is for Docker's engine, use `vswitch` instead"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_own_stay_as_they_are() {
        let own = "f731a22de4eada58d55b4a539b88ef7ee01eb4d575670f0a34284bb96ed7d3c4";
        assert_eq!(id("network", own).unwrap().as_str(), own);
    }

    #[test]
    fn those_of_swarm_are_told_apart() {
        let one = id("network", "z1xyq9k5fm8v0jfg4gl6m2a1p").unwrap();
        let other = id("network", "z1xyq9k5fm8v0jfg4gl6m2a1q").unwrap();
        assert_ne!(one, other);
        assert_eq!(one, id("network", "z1xyq9k5fm8v0jfg4gl6m2a1p").unwrap());
    }

    #[test]
    fn all_else_is_refused() {
        let upper = "F".repeat(64);
        let long = "f".repeat(65);
        for text in ["", "a b", "../x", "\0", "ä", &upper, &long, &"x".repeat(64)] {
            let error = id("network", text).unwrap_err();
            assert!(error.message.starts_with("network ID "), "{error}");
        }
    }
}
