//! Times every case of the catalogue with criterion: `cargo bench -p vswitch-perf`, or with `-- fdb` those whose name
//! has "fdb" in it.
//!
//! Criterion prints the time of a run, which is a batch or a superframe, and frames and bytes a second. What a single
//! frame takes, beside `memcpy` and the bounds of the project, is told by `vswitch-perf results target/criterion`.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::Result;
use criterion::{Bencher, Criterion, SamplingMode, Throughput};
use vswitch_micro::{Case, Work, catalogue};

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for case in catalogue() {
        measure(&mut criterion, &case)?;
    }
    criterion.final_summary();
    Ok(())
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
