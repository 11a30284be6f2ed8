//! How things are counted and named in what is told.

use std::path::Path;

use crate::quote::quote_path;

/// Things that are named; the rest is counted.
const NAMED_MAX: usize = 3;

/// Counts things: `1 file`, `2 files`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Names some things, and counts the others.
pub(super) fn some<S: AsRef<str>>(all: &[S]) -> String {
    let named: Vec<&str> = all.iter().take(NAMED_MAX).map(AsRef::as_ref).collect();
    match all.len().saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Names some paths, and counts the others.
pub(super) fn some_paths<P: AsRef<Path>>(all: &[P]) -> String {
    some(&all.iter().map(|path| quote_path(path.as_ref())).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_things_are_counted() {
        assert_eq!((count(1, "file"), count(2, "file")), ("1 file".into(), "2 files".into()));
        assert_eq!((some(&["a"]), some(&["a", "b", "c", "d", "e"])), ("a".into(), "a, b, c and 2 more".into()));
    }
}
