//! The few shapes that the pictures are made of, and the frame around them.

/// Width of every picture: that of a README's text.
pub(super) const WIDTH: f64 = 840.0;

/// Size of the text, in units of the width.
const FONT_SIZE: f64 = 13.0;

/// Mean width of a letter, estimated: wide enough for figures and for most fonts without serifs.
const LETTER: f64 = 0.58 * FONT_SIZE;

/// Colours of candidates: on white and on dark. The first is for who is compared with, the second for this switch;
/// the others are told apart by the colour-blind as well (after Okabe and Ito).
const COLOURS: [(&str, &str); 8] = [
    ("#7d8590", "#8b949e"),
    ("#0969da", "#4493f8"),
    ("#d55e00", "#f0883e"),
    ("#009e73", "#3fb98f"),
    ("#b3478a", "#db87b8"),
    ("#b58900", "#e3b341"),
    ("#3a8fb7", "#79c0ff"),
    ("#6f42c1", "#b392f0"),
];

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Title,
    Heading,
    Plain,
    Faint,
    /// A floor that was missed.
    Bad,
}

impl Style {
    const fn class(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Heading => "heading",
            Self::Plain => "plain",
            Self::Faint => "faint",
            Self::Bad => "bad",
        }
    }
}

/// Where a text's given place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// The width that a text may need.
pub(super) fn width_of(text: &str) -> f64 {
    // No text here has more letters than 16 bits count.
    f64::from(u16::try_from(text.chars().count()).unwrap_or(u16::MAX)) * LETTER
}

/// A picture that is being drawn. Places are in pixels, from the upper left corner.
#[derive(Debug, Default)]
pub(super) struct Canvas(String);

impl Canvas {
    /// A text that stands on the line `y`.
    pub(super) fn text(&mut self, (x, y): (f64, f64), style: Style, anchor: Anchor, text: &str) {
        self.add(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" class="{}" text-anchor="{}">{}</text>"#,
            style.class(),
            anchor.name(),
            escape(text)
        ));
    }

    /// A bar in the colour of a candidate.
    pub(super) fn bar(&mut self, (x, y): (f64, f64), width: f64, height: f64, colour: usize) {
        let class = colour % COLOURS.len();
        self.add(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="2" class="c{class}"/>"#
        ));
    }

    /// A band behind a mark, in a faint shade of a candidate's colour.
    pub(super) fn band(&mut self, (x, y): (f64, f64), width: f64, height: f64, colour: usize) {
        let class = colour % COLOURS.len();
        self.add(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="b{class}"/>"#
        ));
    }

    /// A line in the colour of a candidate.
    pub(super) fn span(&mut self, from: (f64, f64), to: (f64, f64), colour: usize) {
        let class = colour % COLOURS.len();
        self.line_of(from, to, &format!("s{class}"));
    }

    /// A dot in the colour of a candidate, full or empty.
    pub(super) fn dot(&mut self, (x, y): (f64, f64), radius: f64, full: bool, colour: usize) {
        let class = colour % COLOURS.len();
        let kind = if full { "c" } else { "e" };
        self.add(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" class="{kind}{class}"/>"#
        ));
    }

    /// A thin line behind everything.
    pub(super) fn grid(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.line_of(from, to, "grid");
    }

    /// The spread of a figure.
    pub(super) fn whisker(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.line_of(from, to, "whisker");
    }

    /// Where something has to be.
    pub(super) fn mark(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.line_of(from, to, "mark");
    }

    fn line_of(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        self.add(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#
        ));
    }

    fn add(&mut self, shape: std::fmt::Arguments<'_>) {
        self.0 += &shape.to_string();
        self.0.push('\n');
    }

    /// The picture, `height` high, with what it shows in words for those who do not see it.
    pub(super) fn finish(self, height: f64, title: &str, description: &str) -> String {
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" width="{WIDTH}" height="{height:.0}" role="img" aria-labelledby="title description">
<title id="title">{}</title>
<desc id="description">{}</desc>
<style>
{}</style>
<rect width="{WIDTH}" height="{height:.0}" rx="6" class="page"/>
{}</svg>
"#,
            escape(title),
            escape(description),
            style(),
            self.0
        )
    }
}

/// All that `<` and `&` would do.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn style() -> String {
    let mut style = format!(
        "text {{ font: {FONT_SIZE}px system-ui, -apple-system, \"Segoe UI\", \"Noto Sans\", Helvetica, Arial, sans-serif; \
         font-variant-numeric: tabular-nums }}\n\
         text.title {{ font-size: 16px; font-weight: 600 }}\n\
         text.heading, text.bad {{ font-weight: 600 }}\n\
         .whisker {{ stroke-width: 1.5 }}\n\
         .mark {{ stroke-width: 2.5 }}\n\
         .grid {{ stroke-width: 1 }}\n"
    );
    for colour in 0..COLOURS.len() {
        style += &format!(
            ".s{colour} {{ stroke-width: 2.5 }} .e{colour} {{ stroke-width: 2.5 }} .b{colour} {{ fill-opacity: 0.3 }}\n"
        );
    }
    style += &theme(
        ["#ffffff", "#1f2328", "#59636e", "#d1242f", "#d8dee4"],
        |(light, _)| light,
    );
    style += "@media (prefers-color-scheme: dark) {\n";
    style += &theme(
        ["#0d1117", "#f0f6fc", "#9198a1", "#ff7b72", "#30363d"],
        |(_, dark)| dark,
    );
    style + "}\n"
}

/// The colours of page, text, faint text, alarm and grid, and of the candidates.
fn theme(
    [page, ink, faint, alarm, grid]: [&str; 5],
    of: impl Fn((&'static str, &'static str)) -> &'static str,
) -> String {
    let mut theme = format!(
        ".page {{ fill: {page} }}\n\
         text {{ fill: {ink} }}\n\
         text.faint {{ fill: {faint} }}\n\
         text.bad {{ fill: {alarm} }}\n\
         .whisker, .mark {{ stroke: {ink} }}\n\
         .grid {{ stroke: {grid} }}\n"
    );
    for (index, colours) in COLOURS.into_iter().enumerate() {
        let colour = of(colours);
        theme += &format!(
            ".c{index} {{ fill: {colour} }} .s{index} {{ stroke: {colour} }} \
             .e{index} {{ fill: {page}; stroke: {colour} }} .b{index} {{ fill: {colour} }}\n"
        );
    }
    theme
}

/// What every picture must be.
#[cfg(test)]
pub(super) fn check(svg: &str) {
    use std::collections::BTreeSet;

    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    for wanted in [
        "role=\"img\"",
        "<title id=\"title\">",
        "<desc id=\"description\">",
        "prefers-color-scheme: dark",
    ] {
        assert!(svg.contains(wanted), "{wanted} is missing");
    }
    for outside in ["<script", "href", "@import", "url("] {
        assert!(!svg.contains(outside), "{outside}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    let shapes: Vec<_> = svg.lines().filter(|line| line.contains("class=")).collect();
    for shape in &shapes {
        let closed = shape.ends_with("/>") || shape.ends_with("</text>");
        assert!(closed, "{shape}");
    }
    let used: BTreeSet<_> = (shapes.iter())
        .filter_map(|shape| shape.split("class=\"").nth(1)?.split('"').next())
        .collect();
    for class in used.into_iter().filter(|class| *class != "plain") {
        assert!(
            svg.contains(&format!(".{class} {{")) || svg.contains(&format!(".{class},")),
            "{class}"
        );
    }
}

/// The texts of a picture, with where they stand.
#[cfg(test)]
pub(super) fn texts(svg: &str) -> Vec<(f64, f64, String)> {
    let number = |line: &str, name: &str| -> f64 {
        let rest = line.split(&format!(" {name}=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    svg.lines()
        .filter(|line| line.starts_with("<text"))
        .map(|line| {
            let text = line.split('>').nth(1).unwrap().trim_end_matches("</text");
            (number(line, "x"), number(line, "y"), text.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_markup_is_text() {
        let mut canvas = Canvas::default();
        canvas.text((1.0, 2.0), Style::Plain, Anchor::Start, "a < b & c > d");
        let svg = canvas.finish(10.0, "<title>", "\"&\"");
        check(&svg);
        assert!(svg.contains(">a &lt; b &amp; c &gt; d</text>"), "{svg}");
        assert!(svg.contains(">&lt;title&gt;</title>"), "{svg}");
    }

    #[test]
    fn a_ninth_candidate_has_a_colour_as_well() {
        let mut canvas = Canvas::default();
        canvas.bar((0.0, 0.0), 1.0, 1.0, 8);
        canvas.dot((0.0, 0.0), 1.0, false, 9);
        check(&canvas.finish(10.0, "", ""));
    }

    #[test]
    fn every_colour_of_one_theme_has_its_like_in_the_other() {
        let style = style();
        let (light, dark) = style.split_once("@media").unwrap();
        for index in 0..COLOURS.len() {
            for part in [light, dark] {
                assert!(part.contains(&format!(".c{index} {{ fill:")), "{index}");
            }
        }
    }
}
