//! What all lists have in common, as with Docker's.

use clap::Args;

/// How a list is shown.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct List {
    /// Only the IDs
    #[arg(short, long, conflicts_with = "format")]
    pub(crate) quiet: bool,

    /// Show the whole IDs
    #[arg(long)]
    pub(crate) no_trunc: bool,

    /// `table`, `json` or a Go template, such as '{{.Name}}' or 'table {{.ID}}\t{{.Name}}'
    ///
    /// With a template each object is a line; functions: those of Go's text/template, and json, join, split,
    /// lower, upper. A wrong field is answered with those that there are.
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) format: Option<String>,
}
