//! Pictures of results: pure functions from data to the text of an SVG.
//!
//! - **Where they are looked at**: beside Markdown, at the width of a README ([`svg::WIDTH`]), on white and on dark
//!   pages. Each picture carries both sets of colours and its own background, since the page's colours and the ones
//!   that the browser prefers need not be the same.
//! - **Nothing from outside**: no fonts, no scripts, no links. The width of a text is therefore estimated, never known,
//!   and what is beside a text leaves it room.
//! - **Not by colour alone**: every bar and every line has its name and its figure in writing, and the picture's
//!   description says all of it in words.
//! - Bars lie: there are many candidates and their names are long, and no text has to be turned.

mod bars;
mod latency;
mod scale;
mod svg;

pub(crate) use bars::{Bar, Bars, Floor, Group};
pub(crate) use latency::{Latency, Percentiles};
pub(crate) use scale::figure;
