//! The section of the benches: what a frame takes in memory, beside `memcpy` and the bounds of the project.

use vswitch_micro::{Case, Origin, catalogue};

use super::criterion::Timings;
use super::markdown::{Align, Table};
use super::{Plot, Section};
use crate::plot::{Bar, Bars, Group, figure};
use crate::report::{Better, Spread};

/// The group of cases that has a picture.
const FDB: &str = "fdb";

/// A case and how long a run of it took.
struct Timed<'a> {
    case: &'a Case,
    run: Spread,
}

impl Timed<'_> {
    /// Nanoseconds of a frame.
    fn frame(&self) -> Spread {
        let frames = number(self.case.frames);
        let Spread { median, min, max } = self.run;
        Spread {
            median: median / frames,
            min: min / frames,
            max: max / frames,
        }
    }

    /// Bytes in a nanosecond, which are gigabytes in a second.
    fn speed(&self) -> Option<f64> {
        Some(number(self.case.bytes?) / self.run.median)
    }

    /// How the bounds were kept, if there are any.
    fn bounds(&self) -> Option<String> {
        let bound = self.case.bound?;
        let reached = self.frame().median;
        let floor = if reached <= bound.floor {
            "met"
        } else {
            "**MISSED**"
        };
        let goal = if reached <= bound.goal {
            "met"
        } else {
            "missed"
        };
        Some(format!(
            "floor {} ns {floor}, goal {} ns {goal}",
            bound.floor, bound.goal
        ))
    }
}

/// The section of a run of the benches. Cases that did not run are left out, and so is what is no case any more.
pub(super) fn section(origin: &Origin, timings: &Timings) -> Section {
    let cases = catalogue();
    let timed: Vec<_> = (cases.iter())
        .filter_map(|case| {
            let run = *timings.get(&case.id())?;
            Some(Timed { case, run })
        })
        .collect();
    let mut text = format!(
        "## micro: measured {}\n\n",
        origin.date.split('T').next().unwrap_or_default()
    );
    text += &provenance(origin);
    text += &bounds(&timed);
    let plots: Vec<_> = plot(&timed).into_iter().collect();
    for plot in &plots {
        text += &plot.shown();
    }
    text += &table(&timed);
    Section {
        name: "micro".to_owned(),
        markdown: text,
        plots,
    }
}

/// The forwarding database by its size, if it was timed.
fn plot(timed: &[Timed<'_>]) -> Option<Plot> {
    let mut kinds: Vec<&str> = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    for one in timed.iter().filter(|one| one.case.group == FDB) {
        let Some((kind, size)) = one.case.name.split_once('/') else {
            continue;
        };
        let known = kinds.iter().position(|name| *name == kind);
        let candidate = known.unwrap_or(kinds.len());
        if known.is_none() {
            kinds.push(kind);
        }
        let bar = Bar {
            candidate,
            value: one.frame(),
            at_least: false,
            ratio: None,
            floor: None,
        };
        let label = format!("{size} stations");
        match groups.iter_mut().find(|group| group.label == label) {
            Some(group) => group.bars.push(bar),
            None => groups.push(Group {
                label,
                bars: vec![bar],
            }),
        }
    }
    let what = "forwarding database: time of a lookup, or of learning a station";
    let bars = Bars {
        title: what.to_owned(),
        subtitle: "medians of criterion's samples, whiskers from the least to the most".to_owned(),
        unit: "ns".to_owned(),
        better: Better::Less,
        candidates: kinds.into_iter().map(str::to_owned).collect(),
        groups,
    };
    (!bars.groups.is_empty()).then(|| Plot {
        file: "micro-fdb.svg".to_owned(),
        what: what.to_owned(),
        svg: bars.draw(),
    })
}

fn provenance(origin: &Origin) -> String {
    let Origin {
        date,
        build,
        kernel,
        cores,
        busy,
        arguments,
    } = origin;
    // Cargo's own, which it gives by itself.
    let arguments: Vec<_> = arguments
        .iter()
        .filter(|argument| *argument != "--bench")
        .collect();
    let mut command = "cargo bench -p vswitch-perf".to_owned();
    if !arguments.is_empty() {
        command += " --";
    }
    for argument in arguments {
        command += " ";
        command += argument;
    }
    format!(
        "One of {cores} cores of {}, Linux {kernel}, {date}; load average before: {busy}. {}, optimisation {}, for {} \
         with {}. Medians of criterion's samples; in brackets the least and the most. What the cases are is said in \
         `perf/src/micro`. To repeat it:\n\n```sh\n{command}\n```\n\n",
        build.processor, build.compiler, build.level, build.target, build.features
    )
}

fn bounds(timed: &[Timed<'_>]) -> String {
    let mut text = String::new();
    for one in timed {
        if let Some(bounds) = one.bounds() {
            let frame = one.frame();
            text += &format!(
                "- `{}`: {} ns a frame, {} M/s: {bounds}\n",
                one.case.id(),
                figure(frame.median),
                figure(1e3 / frame.median)
            );
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn table(timed: &[Timed<'_>]) -> String {
    let mut table = (Table::new().column("case", Align::Left))
        .column("ns a frame", Align::Right)
        .column("M frames/s", Align::Right)
        .column("GB/s", Align::Right)
        .column("of `memcpy`", Align::Right)
        .column("bounds", Align::Left);
    for one in timed {
        let frame = one.frame();
        let limit = (one.case.limit).and_then(|size| {
            let id = format!("memcpy/{size}");
            timed.iter().find(|other| other.case.id() == id)?.speed()
        });
        let share = (one.speed().zip(limit))
            .map(|(speed, limit)| format!("{:.0} %", 100.0 * speed / limit));
        table.row([
            format!("`{}`", one.case.id()),
            format!(
                "{} ({}–{})",
                figure(frame.median),
                figure(frame.min),
                figure(frame.max)
            ),
            figure(1e3 / frame.median),
            one.speed().map(figure).unwrap_or_default(),
            share.unwrap_or_default(),
            one.bounds().unwrap_or_default(),
        ]);
    }
    table.render()
}

/// Counts here are far below the 53 bits that a double holds.
#[expect(clippy::cast_precision_loss, reason = "see above")]
const fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timings(times: &[(&str, f64)]) -> Timings {
        let spread = |median| Spread {
            median,
            min: median / 2.0,
            max: median * 2.0,
        };
        (times.iter())
            .map(|(name, median)| ((*name).to_owned(), spread(*median)))
            .collect()
    }

    fn markdown(times: &[(&str, f64)]) -> String {
        let origin = Origin::now(vec!["--bench".to_owned(), "fdb".to_owned()]).unwrap();
        section(&origin, &timings(times)).markdown
    }

    #[test]
    fn a_run_is_divided_by_its_frames_and_held_against_its_bounds() {
        let text = markdown(&[
            ("fdb/hit-random/1000000", 128.0 * 25.0),
            ("gone/since", 1.0),
        ]);
        for wanted in [
            "```sh\ncargo bench -p vswitch-perf -- fdb\n```",
            "- `fdb/hit-random/1000000`: 25.0 ns a frame, 40.0 M/s: floor 40 ns met, goal 20 ns missed\n",
            "| `fdb/hit-random/1000000` | 25.0 (12.5–50.0) | 40.0 |  |  | floor 40 ns met, goal 20 ns missed |",
        ] {
            assert!(text.contains(wanted), "{wanted}:\n{text}");
        }
        assert!(!text.contains("gone"));
        let slow = markdown(&[("forward/memory-port-unicast", 128.0 * 101.0)]);
        assert!(
            slow.contains("floor 100 ns **MISSED**, goal 50 ns missed"),
            "{slow}"
        );
    }

    #[test]
    fn the_forwarding_database_has_a_picture_by_its_size() {
        let origin = Origin::now(Vec::new()).unwrap();
        let times = [
            ("fdb/hit-hot/1000", 128.0 * 5.0),
            ("fdb/hit-random/1000", 128.0 * 7.0),
            ("fdb/hit-hot/1000000", 128.0 * 6.0),
        ];
        let section = section(&origin, &timings(&times));
        let [plot] = &section.plots[..] else {
            panic!("{} pictures", section.plots.len());
        };
        assert!(section.markdown.contains("(plots/micro-fdb.svg)"));
        for wanted in [
            ">1000 stations<",
            ">hit-random<",
            ">7.00<",
            "ns, less is better",
        ] {
            assert!(plot.svg.contains(wanted), "{wanted}");
        }
        assert!(!markdown(&[("memcpy/64", 1.0)]).contains("!["));
    }

    #[test]
    fn speed_is_told_as_a_share_of_copying() {
        let text = markdown(&[("memcpy/1500", 50.0), ("checksum/1500", 100.0)]);
        assert!(
            text.contains("| `checksum/1500` | 100 (50.0–200) | 10.0 | 15.0 | 50 % |  |"),
            "{text}"
        );
        let alone = markdown(&[("checksum/1500", 100.0)]);
        assert!(alone.contains("| 10.0 | 15.0 |  |  |"), "{alone}");
    }
}
