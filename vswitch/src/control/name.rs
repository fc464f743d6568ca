//! Names, IDs, and what a reference to an object means.
//!
//! As in Docker a reference is, in this order: an exact name, a full ID, a prefix of exactly one ID. A prefix of several
//! IDs is an error, never a guess.

use std::{fmt, fs::File, io::Read};

use serde::{Deserialize, Serialize};

use super::ControlError;

/// Longest name of a network or sandbox: what fits a DNS label.
pub const MAX_NAME: usize = 63;

const ID_BYTES: usize = 32;

/// Checks a name against `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, 1 to 63 characters.
///
/// # Errors
/// Invalid, with the rule. `what` is "network" or "sandbox".
pub fn check(what: &str, name: &str) -> Result<(), ControlError> {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if first && rest && name.len() <= MAX_NAME {
        return Ok(());
    }
    Err(ControlError::invalid(format!(
        "{what} name {name:?}: not a valid name; use 1 to {MAX_NAME} of a-z A-Z 0-9 _ . - and start with a letter or digit"
    )))
}

/// The ID of an object: 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId(String);

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.0
    }
}

impl TryFrom<String> for ObjectId {
    type Error = ControlError;

    fn try_from(text: String) -> Result<Self, ControlError> {
        Self::parse(&text)
    }
}

impl ObjectId {
    /// A new random ID, from the kernel's random number generator.
    ///
    /// # Errors
    /// Internal, when `/dev/urandom` cannot be read.
    pub fn random() -> Result<Self, ControlError> {
        let mut bytes = [0; ID_BYTES];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .map_err(|error| {
                ControlError::internal(format!(
                    "cannot make an ID: /dev/urandom: {error}; make the device node"
                ))
            })?;
        Ok(Self::from_bytes(bytes))
    }

    /// The ID with these bytes.
    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The ID that somebody else made: 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// Invalid, with the rule.
    pub fn parse(text: &str) -> Result<Self, ControlError> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 2 * ID_BYTES && text.bytes().all(digit) {
            return Ok(Self(text.to_owned()));
        }
        Err(ControlError::invalid(format!(
            "ID {text:?}: not an ID; an ID has {} lower-case hexadecimal digits",
            2 * ID_BYTES
        )))
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, which people are shown.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// Finds the object that `reference` means among `(id, name)` pairs.
///
/// # Errors
/// Not-found, or conflict where a prefix fits several IDs. `what` is "network" or "sandbox".
pub fn resolve<'a>(
    what: &str,
    reference: &str,
    objects: impl Iterator<Item = (&'a ObjectId, &'a str)> + Clone,
) -> Result<ObjectId, ControlError> {
    if let Some((id, _)) = objects.clone().find(|(_, name)| *name == reference) {
        return Ok(id.clone());
    }
    if let Some((id, _)) = objects.clone().find(|(id, _)| id.as_str() == reference) {
        return Ok(id.clone());
    }
    let mut candidates =
        objects.filter(|(id, _)| !reference.is_empty() && id.as_str().starts_with(reference));
    match (candidates.next(), candidates.next()) {
        (Some((id, _)), None) => Ok(id.clone()),
        (Some((one, first)), Some((two, second))) => Err(ControlError::conflict(format!(
            "{what} {reference:?}: ambiguous, {} ({first}) and {} ({second}) begin so; give more digits of the ID",
            one.short(),
            two.short(),
        ))),
        (None, _) => Err(ControlError::not_found(format!(
            "{what} {reference:?}: no such {what}; `vswitch {what} ls` lists them"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ErrorKind;

    fn id(first: u8, second: u8) -> ObjectId {
        let mut bytes = [0; ID_BYTES];
        (bytes[0], bytes[1]) = (first, second);
        ObjectId::from_bytes(bytes)
    }

    #[test]
    fn names_follow_the_rule() {
        for good in ["a", "0", "web-1", "a.b_c", &"x".repeat(63)] {
            check("network", good).unwrap();
        }
        for bad in [
            "",
            "-a",
            ".a",
            "_a",
            "a b",
            "a/b",
            "ä",
            "pid:1",
            "a\nb",
            &"x".repeat(64),
        ] {
            let error = check("network", bad).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{bad:?}");
            assert!(!error.message.contains('\n'));
        }
    }

    #[test]
    fn ids_are_random_and_full_length() {
        let (a, b) = (ObjectId::random().unwrap(), ObjectId::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 64);
        assert!(a.as_str().bytes().all(|c| c.is_ascii_hexdigit()));
        assert_eq!(a.short().len(), 12);
    }

    #[test]
    fn exact_name_then_full_id_then_unique_prefix() {
        let (a, b, c) = (id(0xab, 0xcd), id(0xab, 0xce), id(0x12, 0));
        // The second object's name is the first one's full ID, the third one's name is a prefix of both.
        let name = a.as_str().to_owned();
        let objects = [(&a, "web"), (&b, name.as_str()), (&c, "ab")];
        let find = |reference: &str| resolve("network", reference, objects.iter().copied());
        assert_eq!(find("web").unwrap(), a);
        assert_eq!(find(&name).unwrap(), b, "a name wins over an ID");
        assert_eq!(find("ab").unwrap(), c, "a name wins over a prefix");
        assert_eq!(find(b.as_str()).unwrap(), b);
        assert_eq!(find("abce").unwrap(), b);
        assert_eq!(find("1").unwrap(), c);
        assert_eq!(find("abc").unwrap_err().kind, ErrorKind::Conflict);
        assert_eq!(find("ff").unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(find("").unwrap_err().kind, ErrorKind::NotFound);
    }
}
