//! Sandboxes: network namespaces that endpoints live in, and how they are referred to.
//!
//! A named sandbox is a namespace of ours, pinned at `RUNDIR/netns/NAME` and alive until it is removed. A foreign one is
//! somebody else's namespace, known by device and inode of its nsfs file from its first endpoint to its last. Nothing of
//! ours keeps a foreign namespace alive: it is opened for each operation and closed again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    ControlError,
    name::ObjectId,
    view::{SandboxKind, SandboxSummary},
};
use crate::sys::NetnsId;

/// A reference to a sandbox, as a person writes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SandboxRef {
    /// Name, ID or unique ID prefix.
    Name(String),
    /// A namespace that need not be ours.
    Place(Place),
}

/// Where a namespace can be opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Place {
    /// That of a process: `pid:N`.
    Pid(u32),
    /// An nsfs file: `netns:/path`.
    Path(PathBuf),
}

impl Place {
    /// A path that `nsenter --net=PATH` understands.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Pid(pid) => format!("/proc/{pid}/ns/net").into(),
            Self::Path(path) => path.clone(),
        }
    }
}

impl SandboxRef {
    /// Reads a reference. `docker:CONTAINER` is the name of a sandbox that is known; with `@PID` behind it, which a
    /// front-end adds that has asked Docker, it is also a place.
    ///
    /// # Errors
    /// Invalid, with the forms that there are.
    pub fn parse(text: &str) -> Result<Self, ControlError> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Ok(Self::Name(text.to_owned()));
        };
        match scheme {
            "pid" => rest
                .parse()
                .ok()
                .filter(|pid| *pid > 0)
                .map(|pid| Self::Place(Place::Pid(pid)))
                .ok_or_else(|| {
                    ControlError::invalid(format!(
                        "sandbox {text}: not a process ID; write pid:1234"
                    ))
                }),
            "netns" if Path::new(rest).is_absolute() => Ok(Self::Place(Place::Path(rest.into()))),
            "netns" => Err(ControlError::invalid(format!(
                "sandbox {text}: not an absolute path; write netns:/run/netns/NAME"
            ))),
            "docker" => Ok(match rest.split_once('@') {
                Some((_, pid)) => Self::parse(&format!("pid:{pid}"))?,
                None => Self::Name(text.to_owned()),
            }),
            _ => Err(ControlError::invalid(format!(
                "sandbox {text:?}: not a sandbox; give a name, an ID, pid:N, netns:/path or docker:CONTAINER"
            ))),
        }
    }
}

/// What a sandbox is called that is first known by this reference.
pub fn known_as(reference: &str) -> &str {
    let docker = reference.starts_with("docker:");
    let name = reference.split_once('@').filter(|_| docker);
    name.map_or(reference, |(name, _)| name)
}

/// A sandbox that is known.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// ID.
    pub id: ObjectId,
    /// Name; of a foreign one the reference by which it was first known.
    pub name: String,
    /// Ours or not.
    pub kind: SandboxKind,
    /// Where to open it.
    pub place: Place,
    /// What tells it from others; none while a front-end has yet to make its namespace.
    pub netns: Option<NetnsId>,
    /// RFC 3339.
    pub created: String,
}

impl Sandbox {
    /// A line of `sandbox ls`.
    pub fn summary(&self, networks: Vec<String>) -> SandboxSummary {
        SandboxSummary {
            id: self.id.to_string(),
            name: self.name.clone(),
            kind: self.kind,
            path: self.place.path(),
            created: self.created.clone(),
            networks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ErrorKind;

    #[test]
    fn references_are_read() {
        let parse = |text| SandboxRef::parse(text).unwrap();
        assert_eq!(parse("web"), SandboxRef::Name("web".to_owned()));
        assert_eq!(parse("pid:42"), SandboxRef::Place(Place::Pid(42)));
        assert_eq!(
            parse("netns:/run/netns/x"),
            SandboxRef::Place(Place::Path("/run/netns/x".into()))
        );
        assert_eq!(parse("docker:web@42"), SandboxRef::Place(Place::Pid(42)));
        assert_eq!(
            parse("docker:web"),
            SandboxRef::Name("docker:web".to_owned())
        );
        assert_eq!(known_as("docker:web@42"), "docker:web");
        assert_eq!(known_as("netns:/run/a@b"), "netns:/run/a@b");
        assert_eq!(Place::Pid(42).path(), Path::new("/proc/42/ns/net"));
    }

    #[test]
    fn wrong_references_say_what_is_right() {
        for (text, kind, hint) in [
            ("pid:0", ErrorKind::Invalid, "pid:1234"),
            ("pid:-1", ErrorKind::Invalid, "pid:1234"),
            ("pid:x", ErrorKind::Invalid, "pid:1234"),
            ("netns:relative", ErrorKind::Invalid, "absolute"),
            ("netns:", ErrorKind::Invalid, "absolute"),
            ("docker:web@x", ErrorKind::Invalid, "pid:1234"),
            ("ftp:x", ErrorKind::Invalid, "netns:/path"),
        ] {
            let error = SandboxRef::parse(text).unwrap_err();
            assert_eq!(error.kind, kind, "{text}");
            assert!(error.message.contains(hint), "{error}");
        }
    }
}
