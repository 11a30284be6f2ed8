//! Which part of a store git commits: told by the rules that the store has for git, or by its guard.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::{KEEP_DIR, is_guarded, read};
use crate::error::{Error, Result};

/// The file of a store that says what git ignores.
pub(crate) const IGNORE_FILE: &str = ".gitignore";

/// Which part of a store git commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GitMode {
    /// Records and meta packs; data packs travel by copying.
    #[default]
    Split,
    /// Data packs too.
    All,
    /// Nothing.
    None,
}

pub(super) const RULES_ALL: &str = "\
# Written by `art init --git=all`: records, meta packs and data packs are committed.
!*
/local/
/quarantine/
/packs/keep/
";

/// The same as it was written before there were second names.
pub(super) const RULES_ALL_BEFORE: &str = "\
# Written by `art init --git=all`: records, meta packs and data packs are committed.
!*
/local/
/quarantine/
";

const RULES_SPLIT: &str = "\
# Written by `art init`: records and meta packs are committed, data packs travel by copying.
!*
/local/
/quarantine/
/packs/
";

const RULES_NONE: &str = "\
# Written by `art init --git=none`: nothing is committed.
*
";

impl GitMode {
    /// All of them.
    pub(crate) const ALL: [GitMode; 3] = [GitMode::Split, GitMode::All, GitMode::None];

    /// Names it as `art init --git` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            GitMode::Split => "split",
            GitMode::All => "all",
            GitMode::None => "none",
        }
    }

    /// Returns the text of the store's `.gitignore`.
    pub(crate) fn rules(self) -> &'static str {
        match self {
            GitMode::Split => RULES_SPLIT,
            GitMode::All => RULES_ALL,
            GitMode::None => RULES_NONE,
        }
    }

    /// Tells the mode by a store's `.gitignore`, where that leaves room for a guard.
    fn of_rules(text: &str) -> Option<GitMode> {
        let has = |rule: &str| text.lines().any(|line| line.trim_end() == rule);
        match () {
            () if has("!*") && has("/packs/") => Some(GitMode::Split),
            () if has("!*") && has("/packs/keep/") || text == RULES_ALL_BEFORE => Some(GitMode::All),
            () if has("*") && !has("!*") => Some(GitMode::None),
            () => None,
        }
    }

    /// Where the guard stands, relative to the store.
    pub(super) fn place(self) -> &'static Path {
        Path::new(match self {
            GitMode::Split => "packs",
            GitMode::All => KEEP_DIR,
            GitMode::None => "",
        })
    }

    /// Tells the mode by the guard: `git clean` may have left nothing else.
    pub(crate) fn of_guard(root: &Path) -> Result<Option<GitMode>> {
        // From the outside in: where git tracks files, one stands further in too.
        for mode in [GitMode::None, GitMode::Split, GitMode::All] {
            if is_guarded(&root.join(mode.place()))? {
                return Ok(Some(mode));
            }
        }
        Ok(None)
    }
}

/// Tells by a store's `.gitignore` what git commits, where that leaves room for a guard; where it is no file, or
/// gone, by the guard.
pub(crate) fn mode_of(root: &Path) -> Result<Option<GitMode>> {
    match read_rules(root) {
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => GitMode::of_guard(root),
        rules => mode_by(root, rules.map_err(|e| unread(root, e))?.as_deref()),
    }
}

/// Tells the same by the text of that `.gitignore`.
pub(super) fn mode_by(root: &Path, rules: Option<&str>) -> Result<Option<GitMode>> {
    rules.map_or_else(|| GitMode::of_guard(root), |rules| Ok(GitMode::of_rules(rules)))
}

/// Reads a store's `.gitignore`; none if it is not there.
pub(super) fn read_rules(root: &Path) -> io::Result<Option<String>> {
    match read(&root.join(IGNORE_FILE)) {
        Ok(rules) => Ok(Some(String::from_utf8_lossy(&rules).into_owned())),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

pub(super) fn unread(root: &Path, error: io::Error) -> Error {
    Error::io("read", &root.join(IGNORE_FILE), error).hint("see `art doctor`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_tell_the_mode_and_those_of_others_tell_none() {
        for mode in GitMode::ALL {
            assert_eq!(GitMode::of_rules(mode.rules()), Some(mode));
        }
        assert_eq!(GitMode::of_rules("/local/\n"), None);
        assert_eq!(GitMode::of_rules(RULES_ALL_BEFORE), Some(GitMode::All));
    }
}
