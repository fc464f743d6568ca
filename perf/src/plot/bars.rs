//! Medians as bars, with their spread: a group for each load, a bar for each candidate.

use super::scale::{Linear, figure, tick};
use super::svg::{Anchor, Canvas, Style, WIDTH, width_of};
use crate::report::{Better, Spread};

/// A picture of one unit.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    /// What is shown.
    pub(crate) title: String,
    /// Where and how it was measured.
    pub(crate) subtitle: String,
    /// Of all figures.
    pub(crate) unit: String,
    /// Which direction is the good one.
    pub(crate) better: Better,
    /// Names; their order decides their colours.
    pub(crate) candidates: Vec<String>,
    /// Loads, from top to bottom.
    pub(crate) groups: Vec<Group>,
}

/// A load.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Its name.
    pub(crate) label: String,
    /// From top to bottom.
    pub(crate) bars: Vec<Bar>,
}

/// What one candidate reached.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// Its place among the names.
    pub(crate) candidate: usize,
    /// Median and extremes.
    pub(crate) value: Spread,
    /// Whether more could not have been found out.
    pub(crate) at_least: bool,
    /// The ratio to the baseline; none for the baseline itself.
    pub(crate) ratio: Option<f64>,
    /// What it has to reach, if anything.
    pub(crate) floor: Option<Floor>,
}

/// A bound on the ratio.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    /// The bound.
    pub(crate) ratio: f64,
    /// The figure at which it lies; none where the baseline has none.
    pub(crate) at: Option<f64>,
    /// Whether it was kept.
    pub(crate) met: bool,
}

const MARGIN: f64 = 16.0;
/// Where the first group begins.
const TOP: f64 = 72.0;
/// From the baseline of a group's name to its first bar.
const HEADING: f64 = 9.0;
const BAR: f64 = 14.0;
/// From one bar to the next.
const STEP: f64 = 19.0;
/// From the last bar of a group to the name of the next one.
const GAP: f64 = 24.0;
/// Below the last group: numbers and name of the axis.
const BOTTOM: f64 = 48.0;
/// From a bar's end to the text behind it, and from its figure to its floor.
const BESIDE: f64 = 8.0;
const BETWEEN: f64 = 8.0;
/// Half of a whisker's end.
const CAP: f64 = 4.0;

impl Bar {
    /// The figure of whatever of it lies furthest out.
    fn reach(&self) -> f64 {
        let floor = self.floor.and_then(|floor| floor.at);
        self.value.max.max(floor.unwrap_or(0.0))
    }

    /// What stands behind the bar.
    fn label(&self) -> String {
        let mut label = if self.at_least { "≥ " } else { "" }.to_owned();
        label += &figure(self.value.median);
        if let Some(ratio) = self.ratio {
            label += &format!("  ×{ratio:.2}");
        }
        label
    }
}

impl Floor {
    /// What stands behind that.
    fn label(&self, better: Better) -> String {
        let bound = match better {
            Better::More => "≥",
            Better::Less => "≤",
        };
        let outcome = if self.met { "met" } else { "MISSED" };
        format!("{bound} {:.2} {outcome}", self.ratio)
    }
}

/// Where things are from left to right.
struct Columns {
    axis: Linear,
    left: f64,
    right: f64,
}

impl Columns {
    fn x(&self, value: f64) -> f64 {
        self.left + self.axis.place(value) * (self.right - self.left)
    }
}

impl Bars {
    /// The picture.
    pub(crate) fn draw(&self) -> String {
        let mut canvas = Canvas::default();
        canvas.text((MARGIN, 28.0), Style::Title, Anchor::Start, &self.title);
        canvas.text((MARGIN, 47.0), Style::Faint, Anchor::Start, &self.subtitle);
        let columns = self.columns();
        let end = TOP + self.height();
        self.draw_axis(&mut canvas, &columns, end);
        let mut y = TOP;
        for group in &self.groups {
            canvas.text((MARGIN, y), Style::Heading, Anchor::Start, &group.label);
            y += HEADING;
            for bar in &group.bars {
                self.draw_bar(&mut canvas, &columns, y, bar);
                y += STEP;
            }
            y += GAP;
        }
        canvas.finish(end + BOTTOM, &self.title, &self.describe())
    }

    /// Of all groups, from the first name to the last bar.
    fn height(&self) -> f64 {
        let groups = self.groups.iter().map(|group| {
            let bars = u16::try_from(group.bars.len()).unwrap_or(u16::MAX);
            HEADING + STEP * f64::from(bars) + GAP
        });
        groups.sum::<f64>() - GAP
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }

    fn name(&self, bar: &Bar) -> &str {
        self.candidates.get(bar.candidate).map_or("", |name| name)
    }

    /// As wide as the text behind every bar allows, which is the less the longer the bar is.
    fn columns(&self) -> Columns {
        let names = self.bars().map(|bar| width_of(self.name(bar)));
        let left = MARGIN + names.fold(0.0, f64::max) + 8.0;
        let axis = Linear::up_to(self.bars().map(Bar::reach).fold(0.0, f64::max));
        let room = self.bars().map(|bar| {
            let floor = bar
                .floor
                .map(|floor| BETWEEN + width_of(&floor.label(self.better)));
            let label = BESIDE + width_of(&bar.label()) + floor.unwrap_or(0.0);
            (WIDTH - MARGIN - left - label) / axis.place(bar.reach())
        });
        // Half of the last number stands beyond the axis.
        let right = left + room.fold(WIDTH - 2.0 * MARGIN - left, f64::min);
        Columns { axis, left, right }
    }

    fn draw_axis(&self, canvas: &mut Canvas, columns: &Columns, end: f64) {
        for value in columns.axis.ticks() {
            let x = columns.x(value);
            canvas.grid((x, TOP - 8.0), (x, end));
            canvas.text((x, end + 16.0), Style::Faint, Anchor::Middle, &tick(value));
        }
        let better = match self.better {
            Better::More => "more is better",
            Better::Less => "less is better",
        };
        let mut name = format!("{}, {better}", self.unit);
        if self.bars().any(|bar| bar.floor.is_some()) {
            name += "; upright marks: floors";
        }
        let middle = f64::midpoint(columns.left, columns.right);
        canvas.text((middle, end + 35.0), Style::Faint, Anchor::Middle, &name);
    }

    fn draw_bar(&self, canvas: &mut Canvas, columns: &Columns, y: f64, bar: &Bar) {
        let (middle, foot) = (y + BAR / 2.0, y + BAR - 2.5);
        let name = self.name(bar);
        canvas.text((columns.left - 8.0, foot), Style::Plain, Anchor::End, name);
        let length = columns.x(bar.value.median) - columns.left;
        canvas.bar((columns.left, y), length, BAR, bar.candidate);
        let (from, to) = (columns.x(bar.value.min), columns.x(bar.value.max));
        if bar.value.max > bar.value.min {
            canvas.whisker((from, middle), (to, middle));
            for x in [from, to] {
                canvas.whisker((x, middle - CAP), (x, middle + CAP));
            }
        }
        if let Some(at) = bar.floor.and_then(|floor| floor.at) {
            let x = columns.x(at);
            canvas.mark((x, y - 2.0), (x, y + BAR + 2.0));
        }
        self.draw_labels(canvas, columns, foot, bar);
    }

    /// The figure stands behind the whisker where it fits before a mark that lies further out, else behind the mark.
    fn draw_labels(&self, canvas: &mut Canvas, columns: &Columns, foot: f64, bar: &Bar) {
        let label = bar.label();
        let outside = columns.x(bar.reach()) + BESIDE;
        let inside = columns.x(bar.value.max) + BESIDE;
        let fits = inside + width_of(&label) + BESIDE <= outside;
        let at = if fits { inside } else { outside };
        canvas.text((at, foot), Style::Plain, Anchor::Start, &label);
        if let Some(floor) = &bar.floor {
            let style = if floor.met { Style::Faint } else { Style::Bad };
            let at = if fits {
                outside
            } else {
                outside + width_of(&label) + BETWEEN
            };
            canvas.text((at, foot), style, Anchor::Start, &floor.label(self.better));
        }
    }

    /// All of it in words.
    fn describe(&self) -> String {
        let mut text = format!("{}. ", self.subtitle);
        for group in &self.groups {
            text += &format!("{}: ", group.label);
            let bars = group.bars.iter().map(|bar| {
                let Spread { median, min, max } = bar.value;
                let least = if bar.at_least { "at least " } else { "" };
                let mut said =
                    format!("{} {least}{} {}", self.name(bar), figure(median), self.unit);
                if max > min {
                    said += &format!(" ({} to {})", figure(min), figure(max));
                }
                if let Some(ratio) = bar.ratio {
                    said += &format!(", {ratio:.2} of the baseline");
                }
                if let Some(floor) = &bar.floor {
                    said += &format!(", {}", floor.label(self.better));
                }
                said
            });
            text += &bars.collect::<Vec<_>>().join("; ");
            text += ". ";
        }
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests;
