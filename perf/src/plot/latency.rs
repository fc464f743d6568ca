//! Times of requests and responses: their median and what one in a hundred and one in a thousand exceed.
//!
//! The axis is logarithmic: the slowest are often ten times as slow as most, and both have to be seen.

use super::scale::{Logarithmic, figure, tick};
use super::svg::{Anchor, Canvas, Style, WIDTH, width_of};
use crate::report::Spread;

/// A picture of one unit.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    /// What is shown.
    pub(crate) title: String,
    /// Where and how it was measured.
    pub(crate) subtitle: String,
    /// Of all times.
    pub(crate) unit: String,
    /// Names; their order decides their colours.
    pub(crate) candidates: Vec<String>,
    /// Loads, from top to bottom: their names, and the candidates that have them.
    pub(crate) groups: Vec<(String, Vec<Percentiles>)>,
}

/// The times of one candidate, each with its spread over the rounds.
#[derive(Clone, Debug)]
pub(crate) struct Percentiles {
    /// Its place among the names.
    pub(crate) candidate: usize,
    /// The median.
    pub(crate) p50: Spread,
    /// What one in a hundred exceeds, if known.
    pub(crate) p99: Option<Spread>,
    /// What one in a thousand exceeds, if known.
    pub(crate) p999: Option<Spread>,
}

const MARGIN: f64 = 16.0;
const TOP: f64 = 98.0;
const HEADING: f64 = 14.0;
const STEP: f64 = 22.0;
const GAP: f64 = 20.0;
/// Height of the bands.
const BAND: f64 = 9.0;
const BOTTOM: f64 = 46.0;
/// From the middle of a line to the foot of its text.
const FOOT: f64 = 4.5;

/// The three marks, from the fastest to the slowest.
#[derive(Clone, Copy, Debug)]
enum Mark {
    P50,
    P99,
    P999,
}

impl Mark {
    const ALL: [Self; 3] = [Self::P50, Self::P99, Self::P999];

    const fn name(self) -> &'static str {
        match self {
            Self::P50 => "median",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
        }
    }

    fn draw(self, canvas: &mut Canvas, x: f64, y: f64, colour: usize) {
        match self {
            Self::P50 => canvas.dot((x, y), 5.5, true, colour),
            Self::P99 => canvas.bar((x - 2.0, y - 7.0), 4.0, 14.0, colour),
            Self::P999 => canvas.dot((x, y), 5.0, false, colour),
        }
    }
}

impl Percentiles {
    fn of(&self, mark: Mark) -> Option<Spread> {
        match mark {
            Mark::P50 => Some(self.p50),
            Mark::P99 => self.p99,
            Mark::P999 => self.p999,
        }
    }

    fn spreads(&self) -> impl Iterator<Item = Spread> {
        Mark::ALL.into_iter().filter_map(|mark| self.of(mark))
    }

    /// The times, from the fastest to the slowest.
    fn label(&self) -> String {
        let times: Vec<_> = self.spreads().map(|time| figure(time.median)).collect();
        times.join(" / ")
    }
}

/// Where things are from left to right.
struct Columns {
    axis: Logarithmic,
    left: f64,
    right: f64,
}

impl Columns {
    fn x(&self, time: f64) -> f64 {
        self.left + self.axis.place(time) * (self.right - self.left)
    }
}

impl Latency {
    /// The picture.
    pub(crate) fn draw(&self) -> String {
        let mut canvas = Canvas::default();
        canvas.text((MARGIN, 28.0), Style::Title, Anchor::Start, &self.title);
        canvas.text((MARGIN, 47.0), Style::Faint, Anchor::Start, &self.subtitle);
        draw_key(&mut canvas);
        let columns = self.columns();
        let end = TOP + self.height();
        self.draw_axis(&mut canvas, &columns, end);
        let mut y = TOP;
        for (label, lines) in &self.groups {
            canvas.text((MARGIN, y), Style::Heading, Anchor::Start, label);
            y += HEADING;
            for line in lines {
                self.draw_line(&mut canvas, &columns, y, line);
                y += STEP;
            }
            y += GAP;
        }
        canvas.finish(end + BOTTOM, &self.title, &self.describe())
    }

    fn height(&self) -> f64 {
        let groups = self.groups.iter().map(|(_, lines)| {
            let lines = u16::try_from(lines.len()).unwrap_or(u16::MAX);
            HEADING + STEP * f64::from(lines) + GAP
        });
        groups.sum::<f64>() - GAP
    }

    fn lines(&self) -> impl Iterator<Item = &Percentiles> {
        self.groups.iter().flat_map(|(_, lines)| lines)
    }

    fn name(&self, line: &Percentiles) -> &str {
        self.candidates.get(line.candidate).map_or("", |name| name)
    }

    fn columns(&self) -> Columns {
        let names = self.lines().map(|line| width_of(self.name(line)));
        let labels = self.lines().map(|line| width_of(&line.label()));
        let smallest = (self.lines().flat_map(Percentiles::spreads))
            .map(|time| time.min)
            .fold(f64::INFINITY, f64::min);
        let largest = (self.lines().flat_map(Percentiles::spreads))
            .map(|time| time.max)
            .fold(0.0, f64::max);
        Columns {
            axis: Logarithmic::between(smallest, largest),
            left: MARGIN + names.fold(0.0, f64::max) + 8.0,
            right: WIDTH - MARGIN - labels.fold(0.0, f64::max) - 12.0,
        }
    }

    fn draw_axis(&self, canvas: &mut Canvas, columns: &Columns, end: f64) {
        for time in columns.axis.ticks() {
            let x = columns.x(time);
            canvas.grid((x, TOP - 8.0), (x, end));
            canvas.text((x, end + 16.0), Style::Faint, Anchor::Middle, &tick(time));
        }
        let name = format!(
            "{}, less is better; bands reach from the best round to the worst",
            self.unit
        );
        let middle = f64::midpoint(columns.left, columns.right);
        canvas.text((middle, end + 35.0), Style::Faint, Anchor::Middle, &name);
    }

    fn draw_line(&self, canvas: &mut Canvas, columns: &Columns, y: f64, line: &Percentiles) {
        let name = self.name(line);
        let foot = y + FOOT;
        canvas.text((columns.left - 8.0, foot), Style::Plain, Anchor::End, name);
        let times: Vec<_> = line.spreads().map(|time| columns.x(time.median)).collect();
        if let [first, .., last] = times[..] {
            canvas.span((first, y), (last, y), line.candidate);
        }
        for time in line.spreads() {
            let (from, to) = (columns.x(time.min), columns.x(time.max));
            canvas.band((from, y - BAND / 2.0), to - from, BAND, line.candidate);
        }
        for mark in Mark::ALL {
            if let Some(time) = line.of(mark) {
                mark.draw(canvas, columns.x(time.median), y, line.candidate);
            }
        }
        canvas.text(
            (columns.right + 12.0, foot),
            Style::Plain,
            Anchor::Start,
            &line.label(),
        );
    }

    /// All of it in words.
    fn describe(&self) -> String {
        let mut text = format!("{}. ", self.subtitle);
        for (label, lines) in &self.groups {
            let said = lines.iter().map(|line| {
                let times = Mark::ALL.into_iter().filter_map(|mark| {
                    let time = line.of(mark)?;
                    Some(format!("{} {}", mark.name(), figure(time.median)))
                });
                let times: Vec<_> = times.collect();
                format!("{} {} {}", self.name(line), times.join(", "), self.unit)
            });
            text += &format!("{label}: {}. ", said.collect::<Vec<_>>().join("; "));
        }
        text.trim_end().to_owned()
    }
}

/// What the marks mean.
fn draw_key(canvas: &mut Canvas) {
    let (mut x, y) = (MARGIN + 6.0, 66.0);
    for mark in Mark::ALL {
        mark.draw(canvas, x, y, 0);
        canvas.text(
            (x + 12.0, y + FOOT),
            Style::Faint,
            Anchor::Start,
            mark.name(),
        );
        x += 12.0 + width_of(mark.name()) + 24.0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::svg::{check, texts};
    use super::*;

    fn around(median: f64) -> Spread {
        Spread {
            median,
            min: median * 0.9,
            max: median * 1.3,
        }
    }

    fn latency() -> Latency {
        let line = |candidate, p50, p99, p999: Option<f64>| Percentiles {
            candidate,
            p50: around(p50),
            p99: Some(around(p99)),
            p999: p999.map(around),
        };
        Latency {
            title: "bridge, host to host, MTU 1500: request and response".to_owned(),
            subtitle: "5 rounds of 3 s".to_owned(),
            unit: "µs".to_owned(),
            candidates: ["kernel-bridge", "vswitch"].map(str::to_owned).to_vec(),
            groups: vec![(
                "udp-rr".to_owned(),
                vec![line(0, 29.7, 60.0, Some(410.0)), line(1, 31.3, 85.0, None)],
            )],
        }
    }

    #[test]
    fn every_line_has_its_times_in_writing() {
        let svg = latency().draw();
        check(&svg);
        let texts: Vec<_> = texts(&svg).into_iter().map(|(_, _, text)| text).collect();
        for wanted in [
            "29.7 / 60.0 / 410",
            "31.3 / 85.0",
            "vswitch",
            "p99.9",
            "100",
        ] {
            assert!(
                texts.iter().any(|text| text == wanted),
                "{wanted}: {texts:?}"
            );
        }
        assert!(
            svg.contains("kernel-bridge median 29.7, p99 60.0, p99.9 410 µs"),
            "{svg}"
        );
    }

    #[test]
    fn times_of_all_rounds_are_on_the_axis() {
        let columns = latency().columns();
        for time in [29.7 * 0.9, 410.0 * 1.3] {
            let x = columns.x(time);
            assert!(x > columns.left && x < columns.right, "{x}");
        }
        for (x, _, text) in texts(&latency().draw()) {
            assert!(x > 0.0 && x < WIDTH, "{text} at {x}");
        }
    }

    #[test]
    fn nothing_to_show_is_a_picture_all_the_same() {
        let mut latency = latency();
        latency.groups.clear();
        check(&latency.draw());
    }
}
