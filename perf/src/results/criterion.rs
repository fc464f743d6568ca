//! What criterion leaves behind: a directory for each case, with the times of all samples.
//!
//! Of a case `group/name` the files are `group/name-made-fit-for-a-file/new/benchmark.json` and `sample.json`; the
//! first holds the name as it was given. The benches put an [`Origin`] beside them when they begin; what is older is
//! of another run, of which nobody knows where it was, and is left out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use vswitch_micro::Origin;

use crate::report::Spread;

/// The time of a run of each case, in nanoseconds: median and extremes of the samples.
pub(super) type Timings = BTreeMap<String, Spread>;

/// `benchmark.json`; there is more in it.
#[derive(Debug, Deserialize)]
struct Benchmark {
    full_id: String,
}

/// `sample.json`: how many runs each sample had, and how long it took, in nanoseconds.
#[derive(Debug, Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

impl Sample {
    fn spread(&self) -> Option<Spread> {
        let times: Vec<_> = (self.iters.iter().zip(&self.times))
            .map(|(runs, time)| time / runs)
            .filter(|time| time.is_finite())
            .collect();
        Spread::of(&times)
    }
}

/// Whether a directory is criterion's.
pub(super) fn is_here(directory: &Path) -> bool {
    directory.join(Origin::FILE).is_file()
}

/// Reads the last run.
///
/// # Errors
/// When something there cannot be read, or nothing is.
pub(super) fn read(directory: &Path) -> Result<(Origin, Timings)> {
    let origin_path = directory.join(Origin::FILE);
    let begun = fs::metadata(&origin_path)
        .and_then(|file| file.modified())
        .with_context(|| format!("cannot read {}", origin_path.display()))?;
    let origin = json(&origin_path)?;
    let mut timings = Timings::new();
    for group in directories(directory)? {
        for case in directories(&group)? {
            let path = case.join("new").join("sample.json");
            // Criterion's own summaries have none.
            let Ok(file) = fs::metadata(&path) else {
                continue;
            };
            if file.modified()? < begun {
                continue;
            }
            let sample: Sample = json(&path)?;
            let benchmark: Benchmark = json(&path.with_file_name("benchmark.json"))?;
            let spread = (sample.spread())
                .with_context(|| format!("{} has no times in it", path.display()))?;
            timings.insert(benchmark.full_id, spread);
        }
    }
    ensure!(
        !timings.is_empty(),
        "{} has no times of its last run: let `cargo bench -p vswitch-perf` come to its end",
        directory.display()
    );
    Ok((origin, timings))
}

fn directories(path: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut directories = Vec::new();
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            directories.push(entry.path());
        }
    }
    Ok(directories)
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is not as it was expected: was it written by another version?",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn case(directory: &Path, name: &str, times: &str) -> std::path::PathBuf {
        let new = directory.join(name).join("new");
        fs::create_dir_all(&new).unwrap();
        let benchmark = format!("{{\"group_id\": \"x\", \"full_id\": \"{name}/1\"}}");
        fs::write(new.join("benchmark.json"), benchmark).unwrap();
        let sample =
            format!("{{\"sampling_mode\": \"Flat\", \"iters\": [1, 2, 4], \"times\": {times}}}");
        fs::write(new.join("sample.json"), sample).unwrap();
        new.join("sample.json")
    }

    #[test]
    fn times_are_per_run_and_those_of_an_earlier_run_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        assert!(!is_here(directory));
        Origin::now(Vec::new()).unwrap().write(directory).unwrap();
        assert!(is_here(directory));
        assert!(read(directory).is_err(), "nothing was timed");

        case(directory, "fdb/hit", "[10.0, 24.0, 44.0]");
        let old = case(directory, "fdb/miss", "[1.0, 2.0, 4.0]");
        let before = SystemTime::now() - Duration::from_secs(3600);
        fs::File::open(old).unwrap().set_modified(before).unwrap();
        fs::create_dir_all(directory.join("fdb/report")).unwrap();
        let (_, timings) = read(directory).unwrap();
        let expected = Spread {
            median: 11.0,
            min: 10.0,
            max: 12.0,
        };
        assert_eq!(timings, Timings::from([("fdb/hit/1".to_owned(), expected)]));

        case(directory, "fdb/none", "[]");
        assert!(read(directory).is_err());
    }
}
