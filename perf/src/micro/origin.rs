//! Where figures come from: what was built, by what, and on which machine it ran.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// What a program's speed depends on beside its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// What `rustc --version` says.
    pub compiler: String,
    /// Target triple.
    pub target: String,
    /// Features of the processor that the compiler may use.
    pub features: String,
    /// Level of optimisation.
    pub level: String,
    /// The processor, for which the C library chooses how it copies.
    pub processor: String,
}

impl Build {
    /// Of this program, on this machine.
    ///
    /// # Errors
    /// When the kernel does not tell the processor.
    pub fn this() -> Result<Self> {
        let cpuinfo = read("/proc/cpuinfo")?;
        let model = (cpuinfo.lines())
            .find_map(|line| line.strip_prefix("model name"))
            .unwrap_or("unknown");
        Ok(Self {
            compiler: env!("BUILT_BY").to_owned(),
            target: env!("BUILT_FOR").to_owned(),
            features: env!("BUILT_WITH_FEATURES").to_owned(),
            level: env!("BUILT_AT_LEVEL").to_owned(),
            processor: model.trim_start_matches([' ', '\t', ':']).to_owned(),
        })
    }
}

/// A run of the benches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// When it began, as RFC 3339 has it, in UTC.
    pub date: String,
    /// What was built.
    pub build: Build,
    /// The kernel's release.
    pub kernel: String,
    /// Cores of the machine.
    pub cores: usize,
    /// The load average of the minute before: whether others had work.
    pub busy: String,
    /// Arguments of the run, such as which cases were wanted.
    pub arguments: Vec<String>,
}

impl Origin {
    /// The file beside criterion's results that holds it.
    pub const FILE: &str = "origin.json";

    /// Of a run that begins now.
    ///
    /// # Errors
    /// When the kernel does not tell what machine this is.
    pub fn now(arguments: Vec<String>) -> Result<Self> {
        let load = read("/proc/loadavg")?;
        Ok(Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            build: Build::this()?,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            busy: load.split(' ').next().unwrap_or_default().to_owned(),
            arguments,
        })
    }

    /// Writes it into the directory of criterion's results.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(Self::FILE);
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_knows_where_it_comes_from() {
        let origin = Origin::now(vec!["fdb".to_owned()]).unwrap();
        assert!(origin.build.compiler.starts_with("rustc "), "{origin:?}");
        assert!(origin.build.target.contains('-') && origin.cores > 0);
        assert!(origin.date.ends_with('Z') && origin.busy.parse::<f64>().is_ok());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("not").join("there");
        let origin = Origin::now(Vec::new()).unwrap();
        origin.write(&inner).unwrap();
        let text = fs::read_to_string(inner.join(Origin::FILE)).unwrap();
        assert_eq!(serde_json::from_str::<Origin>(&text).unwrap(), origin);
    }
}
