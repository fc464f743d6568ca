//! A case: what it is called, how much one run of it is, what is asked of it, and how to make it.

use anyhow::Result;

use crate::{fdb, forward, offload, parse, tunnel};

/// What is run over and over.
pub trait Work {
    /// Whether [`Self::stage`] has to be called before each run.
    fn is_staged(&self) -> bool {
        false
    }

    /// Puts things where the next run begins. It is not measured.
    fn stage(&mut self) {}

    /// One run: as many frames as the case says.
    fn run(&mut self);
}

/// What one frame may cost at most, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// What is aimed at.
    pub goal: f64,
    /// What has to be.
    pub floor: f64,
}

/// The making of a [`Work`]: expensive where a table of a million is filled, so it is put off until it is needed.
type Make = Box<dyn Fn() -> Result<Box<dyn Work>>>;

/// Something to measure.
pub struct Case {
    /// What kind of thing it is.
    pub group: &'static str,
    /// Which of its kind, with its size behind a slash where there are several.
    pub name: String,
    /// Frames of one run.
    pub frames: u64,
    /// Bytes of one run, virtio-net headers not counted; none where no bytes are gone through.
    pub bytes: Option<u64>,
    /// The `memcpy` that is the limit of a case with bytes: the size of what is in the cache at a time.
    pub limit: Option<usize>,
    /// What the project asks of it, if anything.
    pub bound: Option<Bound>,
    make: Make,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Case").field(&self.id()).finish()
    }
}

impl Case {
    pub(crate) fn new<W: Work + 'static>(
        group: &'static str,
        name: impl Into<String>,
        frames: usize,
        make: impl Fn() -> Result<W> + 'static,
    ) -> Self {
        Self {
            group,
            name: name.into(),
            frames: frames as u64,
            bytes: None,
            limit: None,
            bound: None,
            make: Box::new(move || Ok(Box::new(make()?))),
        }
    }

    /// One run goes through so many bytes, `limit` of them in one piece.
    pub(crate) fn bytes(self, bytes: usize, limit: usize) -> Self {
        Self {
            bytes: Some(bytes as u64),
            limit: Some(limit),
            ..self
        }
    }

    pub(crate) fn at_most(self, goal: f64, floor: f64) -> Self {
        let bound = Some(Bound { goal, floor });
        Self { bound, ..self }
    }

    /// Group and name: what criterion calls it.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }

    /// Makes what is to be run.
    ///
    /// # Errors
    /// When the kernel gives no event descriptor for a port.
    pub fn make(&self) -> Result<Box<dyn Work>> {
        (self.make)()
    }
}

/// All cases, in the order in which they are told of.
#[must_use]
pub fn catalogue() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(offload::memcpy());
    cases.extend(parse::cases());
    cases.extend(fdb::cases());
    cases.extend(forward::cases());
    cases.extend(offload::cases());
    cases.extend(tunnel::cases());
    cases
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_cases_have_one_name() {
        let cases = catalogue();
        let names: BTreeSet<_> = cases.iter().map(Case::id).collect();
        assert_eq!(names.len(), cases.len());
    }

    #[test]
    fn every_limit_is_a_case_of_its_own() {
        let cases = catalogue();
        for case in &cases {
            assert_eq!(case.bytes.is_some(), case.limit.is_some());
            let limit = case.limit.map(|size| format!("memcpy/{size}"));
            let known = limit.is_none_or(|limit| cases.iter().any(|case| case.id() == limit));
            assert!(known, "{case:?}");
        }
    }

    #[test]
    fn a_floor_is_easier_than_its_goal() {
        let bounds: Vec<_> = catalogue().iter().filter_map(|case| case.bound).collect();
        assert!(!bounds.is_empty());
        assert!(bounds.iter().all(|bound| bound.goal < bound.floor));
    }
}
