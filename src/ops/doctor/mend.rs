//! Words and counts of what is told and of the commands that mend it.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::quote::{for_shell, is_unseen, quote_path};

/// Things that are named; the rest is counted.
const NAMED_MAX: usize = 3;

/// Makes a path a word of a command for a shell.
pub(super) fn word(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        return path.display().to_string();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(is_unseen) => String::from_utf8_lossy(&for_shell(bytes)).into_owned(),
        // What a terminal would act on is not printed.
        _ => format!("\"$(printf '{}')\"", bytes.iter().map(|byte| format!("\\{byte:03o}")).collect::<String>()),
    }
}

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
    fn words_are_quoted_where_a_shell_would_read_more_into_them() {
        assert_eq!(word(Path::new(".artifacts/refs/a-b")), ".artifacts/refs/a-b");
        assert_eq!(word(Path::new("it's $HOME")), r"'it'\''s $HOME'");
        assert_eq!(word(Path::new("")), "''");
        assert_eq!(word(Path::new("a\x1b")), r#""$(printf '\141\033')""#);
    }

    #[test]
    fn many_things_are_counted() {
        assert_eq!((count(1, "file"), count(2, "file")), ("1 file".into(), "2 files".into()));
        assert_eq!((some(&["a"]), some(&["a", "b", "c", "d", "e"])), ("a".into(), "a, b, c and 2 more".into()));
    }
}
