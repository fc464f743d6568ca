//! A document with generated sections between marks.

use anyhow::{Result, bail};

/// The mark before the section `name`. Markdown shows neither mark.
fn begin(name: &str) -> String {
    format!(
        "<!-- begin generated: {name} (vswitch-perf results; changes between the marks are lost) -->\n"
    )
}

fn end(name: &str) -> String {
    format!("<!-- end generated: {name} -->\n")
}

/// The document with `section` in place of what is between the marks of `name`; at the end, where there are none.
///
/// # Errors
/// When the marks are not a pair.
pub(super) fn put(document: &str, name: &str, section: &str) -> Result<String> {
    let (begin, end) = (begin(name), end(name));
    match (positions(document, &begin), positions(document, &end)) {
        (from, to) if from.is_empty() && to.is_empty() => {
            let gap = match document {
                "" => "",
                _ if document.ends_with("\n\n") => "",
                _ if document.ends_with('\n') => "\n",
                _ => "\n\n",
            };
            Ok(format!("{document}{gap}{begin}\n{section}\n{end}"))
        }
        (from, to) => match (&from[..], &to[..]) {
            ([from], [to]) if from + begin.len() <= *to => {
                let (before, after) = (&document[..*from], &document[to + end.len()..]);
                Ok(format!("{before}{begin}\n{section}\n{end}{after}"))
            }
            _ => bail!(
                "the section {name:?} has to have one mark at its beginning and one at its end, and has {} and {}: put \
                 them right by hand",
                from.len(),
                to.len()
            ),
        },
    }
}

/// Where `mark` is, at the beginning of a line.
fn positions(document: &str, mark: &str) -> Vec<usize> {
    (document.match_indices(mark))
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || document[..*at].ends_with('\n'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_section_stands_at_the_end() {
        let (begin, end) = (begin("bridge"), end("bridge"));
        for above in ["# Results\n\nBy hand.", "By hand.\n", "By hand.  \n\n"] {
            let document = put(above, "bridge", "table\n").unwrap();
            let rest = document.strip_prefix(above).unwrap();
            assert_eq!(rest.trim_start(), format!("{begin}\ntable\n\n{end}"));
            assert!(document.contains(&format!("\n\n{begin}")), "{document}");
        }
    }

    #[test]
    fn what_people_wrote_around_a_section_stays_to_the_letter() {
        let (above, below) = ("# Results\n\nabove  \n", "\nbelow\n\n\n");
        let first = put(above, "a", "old\n").unwrap() + below;
        let both = put(&first, "b", "other\n").unwrap();
        let document = put(&both, "a", "new\n").unwrap();
        assert!(document.starts_with(above), "{document}");
        assert!(document.contains(below), "{document}");
        assert!(
            document.contains("\nnew\n") && !document.contains("old"),
            "{document}"
        );
        assert!(document.contains("\nother\n"), "{document}");
        assert_eq!(put(&document, "a", "new\n").unwrap(), document);
    }

    #[test]
    fn one_name_may_be_the_beginning_of_another() {
        let document = put("", "bridge", "one\n").unwrap();
        let document = put(&document, "bridge-mtu", "two\n").unwrap();
        let document = put(&document, "bridge", "three\n").unwrap();
        assert!(
            document.contains("three") && document.contains("two") && !document.contains("one")
        );
    }

    #[test]
    fn marks_that_are_no_pair_are_refused() {
        let (begin, end) = (begin("a"), end("a"));
        for document in [
            begin.clone(),
            end.clone(),
            format!("{end}{begin}"),
            format!("{begin}{end}{begin}{end}"),
        ] {
            assert!(put(&document, "a", "x").is_err(), "{document}");
        }
    }
}
