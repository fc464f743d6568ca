//! Times every case of the catalogue with criterion: `cargo bench -p vswitch-perf`, or with `-- fdb` those whose name
//! has "fdb" in it.
//!
//! Criterion prints the time of a run, which is a batch or a superframe, and frames and bytes a second. What a single
//! frame takes, beside `memcpy` and the bounds of the project, is told by `vswitch-perf results target/criterion`.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use criterion::{Bencher, Criterion, SamplingMode, Throughput};
use vswitch_micro::{Case, Origin, Work, catalogue};

fn main() -> Result<()> {
    let directory = results()?;
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // Cargo says so when it is to measure; otherwise each case runs once, as a test.
    let has = |name| arguments.iter().any(|argument| argument == name);
    if has("--bench") && !has("--list") {
        Origin::now(arguments)?.write(&directory)?;
    }
    let mut criterion = Criterion::default()
        .output_directory(&directory)
        .configure_from_args();
    for case in catalogue() {
        measure(&mut criterion, &case)?;
    }
    criterion.final_summary();
    Ok(())
}

/// `criterion` in Cargo's target directory, in which this program lies as `release/deps/micro-...`.
fn results() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target =
        (program.ancestors().nth(3)).context("this program is not in a target directory")?;
    Ok(target.join("criterion"))
}

fn measure(criterion: &mut Criterion, case: &Case) -> Result<()> {
    let mut group = criterion.benchmark_group(case.group);
    group.throughput(throughput(case));
    if case.frames > 100_000 {
        // Tens of milliseconds a run.
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
    }
    // Made when criterion asks for it, which it does not where the name is not wanted, and kept from sample to sample.
    let work: RefCell<Option<Result<Box<dyn Work>>>> = RefCell::new(None);
    group.bench_function(&case.name, |bencher| {
        let mut made = work.borrow_mut();
        if let Ok(work) = made.get_or_insert_with(|| case.make()) {
            time(bencher, &mut **work);
        } else {
            // What went wrong is told below; criterion wants something to have been timed.
            bencher.iter(|| ());
        }
    });
    group.finish();
    match work.into_inner() {
        Some(Err(error)) => Err(error.context(case.id())),
        Some(Ok(_)) | None => Ok(()),
    }
}

const fn throughput(case: &Case) -> Throughput {
    let elements = case.frames;
    match case.bytes {
        Some(bytes) => Throughput::ElementsAndBytes { elements, bytes },
        None => Throughput::Elements(elements),
    }
}

fn time(bencher: &mut Bencher<'_>, work: &mut dyn Work) {
    if !work.is_staged() {
        bencher.iter(|| work.run());
        return;
    }
    bencher.iter_custom(|runs| {
        let mut total = Duration::ZERO;
        for _ in 0..runs {
            work.stage();
            let start = Instant::now();
            work.run();
            total += start.elapsed();
        }
        total
    });
}
