//! The name of a network interface, checked once.
//!
//! `dev_valid_name()` of the kernel (net/core/dev.c) wants 1 to 15 bytes (`IFNAMSIZ` less the NUL),
//! not `.` or `..`, without `/`, `:` or white space. Three things more are refused here:
//!
//! - `%`: the kernel takes `tap%d` for a template and would pick another name than the one asked for.
//! - `all` and `default`: the kernel refuses them too (they are directories of
//!   `/proc/sys/net/ipv{4,6}/conf`), but only where sysctl is built in.
//! - what is not printable ASCII: white space in the kernel's Latin-1 table includes bytes that are
//!   halves of UTF-8 sequences, so that most such names fail in ways nobody can explain.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The longest name in bytes: `IFNAMSIZ` (16) less the terminating NUL.
const MAX_LEN: usize = 15;

/// A name that the kernel accepts for an interface, e.g. `eth0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IfName(String);

/// Why a text is no [`IfName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IfNameError {
    /// Nothing at all.
    #[error("an interface name must not be empty: give it 1 to 15 characters, e.g. `eth0`")]
    Empty,
    /// More than 15 bytes.
    #[error("interface name `{name}` has {len} bytes, the kernel allows 15: shorten it")]
    TooLong {
        /// What was given.
        name: String,
        /// Its length in bytes.
        len: usize,
    },
    /// `.`, `..`, `all` or `default`.
    #[error("interface name `{name}` is reserved by the kernel: choose another, e.g. `eth0`")]
    Reserved {
        /// What was given.
        name: String,
    },
    /// A character that no interface name may have.
    #[error(
        "interface name `{name}` contains {bad:?}: use letters, digits and `-_.` (no space, `/`, `:` or `%`)"
    )]
    BadCharacter {
        /// What was given.
        name: String,
        /// The first offending character.
        bad: char,
    },
}

impl From<IfName> for String {
    fn from(name: IfName) -> Self {
        name.0
    }
}

impl IfName {
    /// Checks `name`.
    ///
    /// # Errors
    ///
    /// [`IfNameError`] says which rule is broken and what to do.
    pub fn new(name: impl Into<String>) -> Result<Self, IfNameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(IfNameError::Empty);
        }
        if name.len() > MAX_LEN {
            let len = name.len();
            return Err(IfNameError::TooLong { name, len });
        }
        if matches!(name.as_str(), "." | ".." | "all" | "default") {
            return Err(IfNameError::Reserved { name });
        }
        let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '%');
        if let Some(bad) = name.chars().find(|&c| !allowed(c)) {
            return Err(IfNameError::BadCharacter { name, bad });
        }
        Ok(Self(name))
    }

    /// The loopback interface, `lo`, which every namespace has.
    #[must_use]
    pub fn loopback() -> Self {
        Self("lo".to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as `ifr_name` of `struct ifreq`: padded with NUL, at least one of them.
    #[must_use]
    pub fn to_ifr_name(&self) -> [u8; MAX_LEN + 1] {
        let mut out = [0; MAX_LEN + 1];
        for (to, from) in out.iter_mut().zip(self.0.bytes()) {
            *to = from;
        }
        out
    }

    /// Reads `ifr_name` back, up to its first NUL.
    ///
    /// # Errors
    ///
    /// The kernel may hold names (made by others) that an [`IfName`] cannot.
    pub fn from_ifr_name(raw: &[u8; MAX_LEN + 1]) -> Result<Self, IfNameError> {
        let len = raw.iter().position(|&b| b == 0).unwrap_or(raw.len());
        Self::new(String::from_utf8_lossy(&raw[..len]))
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for IfName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for IfName {
    type Err = IfNameError;

    fn from_str(s: &str) -> Result<Self, IfNameError> {
        Self::new(s)
    }
}

impl TryFrom<String> for IfName {
    type Error = IfNameError;

    fn try_from(s: String) -> Result<Self, IfNameError> {
        Self::new(s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_pass() {
        for name in ["lo", "eth0", "br-lan.12", "a", "vs_0123456789ab", "@~!"] {
            assert_eq!(
                IfName::new(name).map(|n| n.to_string()),
                Ok(name.to_owned())
            );
        }
    }

    #[test]
    fn every_rule_of_the_kernel_is_checked() {
        assert_eq!(IfName::new(""), Err(IfNameError::Empty));
        for name in [".", "..", "all", "default"] {
            assert!(
                matches!(IfName::new(name), Err(IfNameError::Reserved { .. })),
                "{name}"
            );
        }
        for (name, bad) in [
            ("a/b", '/'),
            ("a b", ' '),
            ("a\tb", '\t'),
            ("a:0", ':'),
            ("tap%d", '%'),
            ("a\0", '\0'),
            ("té", 'é'),
        ] {
            let name = name.to_owned();
            assert_eq!(
                IfName::new(name.clone()),
                Err(IfNameError::BadCharacter { name, bad })
            );
        }
    }

    #[test]
    fn the_limit_counts_bytes() {
        assert!(IfName::new("x".repeat(15)).is_ok());
        assert!(matches!(
            IfName::new("x".repeat(16)),
            Err(IfNameError::TooLong { len: 16, .. })
        ));
        // 8 characters, 16 bytes
        assert!(matches!(
            IfName::new("é".repeat(8)),
            Err(IfNameError::TooLong { len: 16, .. })
        ));
    }

    #[test]
    fn ifr_name_goes_there_and_back() {
        for name in ["lo", "vs_0123456789ab"] {
            let name = IfName::new(name).unwrap();
            assert_eq!(IfName::from_ifr_name(&name.to_ifr_name()), Ok(name));
        }
        assert_eq!(IfName::from_ifr_name(&[0; 16]), Err(IfNameError::Empty));
    }

    #[test]
    fn errors_are_one_line_with_a_remedy() {
        for bad in ["", ".", "a b", "0123456789abcdef"] {
            let text = IfName::new(bad).unwrap_err().to_string();
            assert!(!text.contains('\n') && text.contains(": "), "{text}");
        }
    }
}
