//! `art init`: makes a store, ready for a git repo round it.
//!
//! The file `format` is written last, so a directory without it is no store yet, and an init
//! that was killed can be run again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::durable::Disk;
use crate::error::{Error, Result};
use crate::format::FORMAT_LINE;
use crate::format::record::Time;
use crate::lock::{Lock, Mode, Wait};
use crate::open::look_at;
use crate::ops::wording::count;
use crate::progress::Progress;
use crate::quote::quote_path;
use crate::store::git::tree::untracking;
pub use crate::store::guard::GitMode;
use crate::store::guard::{Guard, IGNORE_FILE, read, write};
use crate::store::session::Session;
use crate::store::worktrees::{self, layout_of, place_elsewhere};
use crate::store::{FORMAT_FILE, STORE_DIR, Store, local};

/// How a new store is set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct InitOptions {
    /// What git shall commit; not given, a new store gets [`GitMode::Split`] and one that is
    /// there keeps what it has.
    pub git: Option<GitMode>,
}

/// What [`init`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitOutcome {
    /// The store's directory.
    pub root: PathBuf,
    /// Whether there was no store there before.
    pub created: bool,
    /// Whether the store lies in the working tree of a git repo.
    pub in_git: bool,
    /// What that repo commits, as far as the store's rules tell.
    pub git: Option<GitMode>,
    /// The files that were missing in a store that was there, or changed as asked.
    pub mended: Vec<&'static str>,
}

/// What git must not do to the store's files, over whatever rules the repo has.
// `!working-tree-encoding`, because git does not take that attribute unset with a `-`.
pub(crate) const ATTRIBUTES: &str = "\
# Written by `art init`: git must store these files byte for byte.
* -text -diff -merge -filter -ident !working-tree-encoding
/packs/** -delta
/meta/** -delta
/refs/** diff
/runs/** diff
/gc/** diff
";

/// Makes a store in the directory `root` (its own, such as `project/.artifacts`), and the
/// directories above it. In a store that is there it only mends the files for git. One in a linked worktree
/// of which git commits nothing is made in the main worktree instead.
pub fn init(root: &Path, options: &InitOptions, progress: &dyn Progress) -> Result<InitOutcome> {
    let elsewhere = if options.git == Some(GitMode::None) { place_elsewhere(root)? } else { None };
    let root = elsewhere.as_deref().unwrap_or(root);
    let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if parent.components().any(|part| part.as_os_str() == STORE_DIR) {
        return Err(Error::refused(format!("cannot make a store inside another: {}", quote_path(root)))
            .hint("choose a directory outside `.artifacts`"));
    }
    // The nearest directory that is there: from the store up to it all names must be on disk.
    let base = parent.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("."));
    fs::create_dir_all(root).map_err(|e| cannot_create(root, root, e))?;
    let local = local::find_or_create(root, progress)?;
    let alone = Lock::take(&local.join("number"), Mode::Exclusive, Wait::Patiently, progress)?;
    let created = look_at(&root.join(FORMAT_FILE))?.is_none();
    if !created {
        // Of another format or damaged: it says so, and nothing is written.
        Store::open(root)?;
    }
    let mut mended = Vec::new();
    let mode = options.git.map_or_else(|| GitMode::of_guard(root), |mode| Ok(Some(mode)))?;
    let rules = mode.unwrap_or_default().rules();
    let disk = Disk::new(root, &local)?;
    for (name, content, overwrite) in [(".gitattributes", ATTRIBUTES, false), (IGNORE_FILE, rules, options.git.is_some())] {
        let path = root.join(name);
        // What git would not read as rules, such as a link, is replaced.
        let there = match read(&path) {
            Ok(there) => Some(there),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => None,
            Err(e) => return Err(Error::io("read", &path, e)),
        };
        if there.is_none() || (overwrite && there.as_deref() != Some(content.as_bytes())) {
            write(&disk, Path::new(name), content)?;
            mended.push(name);
        }
    }
    // What git commits is known now, and by it where the packs lie.
    let layout = layout_of(root)?;
    let locks = worktrees::locks(&layout, &local, progress)?;
    let disk = Disk::new(&layout, &local)?;
    if !created && !disk.is_confirmed(Path::new(FORMAT_FILE)) {
        disk.adopt(Path::new(FORMAT_FILE))?;
    }
    for dir in ["packs", "meta", "refs"] {
        disk.make_dir(Path::new(dir))?;
    }
    if created {
        // A store is one from here on, so where it lies must be on disk before.
        disk.sync_above(base)?;
        write(&disk, Path::new(FORMAT_FILE), FORMAT_LINE)?;
        mended.clear();
    }
    drop(alone);
    let mut guard = Guard::of(root)?;
    if let Some(guard) = &mut guard {
        let tended = guard.tend(&local, &locks, progress)?;
        if let Some(error) = tended.trouble {
            return Err(error);
        }
        if guard.stands()? && !guard.is_excluded()? {
            guard.exclude()?;
        }
        if !tended.gone.is_empty() {
            // A writer puts back what is gone before it does anything else; this one writes no record.
            let now = Time(jiff::Timestamp::UNIX_EPOCH);
            let context = Context { now, git: None, run: None, threads: 1, wait: Wait::Patiently, progress };
            drop(Session::begin(&Store::open(root)?, &context)?);
        }
        if mended.contains(&IGNORE_FILE) {
            warn_of_tracked(root, guard, progress);
        }
    }
    let git = guard.map(|guard| guard.mode());
    Ok(InitOutcome { root: root.to_owned(), created, in_git: is_in_git(root), git, mended })
}

/// Warns if git tracks files, of another mode's time, where it is to commit none.
fn warn_of_tracked(root: &Path, guard: &Guard, progress: &dyn Progress) {
    let folder: PathBuf = root.join(guard.place()).components().collect();
    let shown = quote_path(&folder);
    match guard.tracked(guard.place()) {
        Ok(files) if files.is_empty() => {}
        Ok(files) => progress.warn(&format!(
            "git goes on tracking {} in {shown}: to end that run `{}`",
            count(files.len(), "file"),
            untracking(&folder)
        )),
        Err(error) => progress.warn(&format!("cannot tell whether git tracks files in {shown}: {error}")),
    }
}

fn is_in_git(root: &Path) -> bool {
    // Every part of a path may be a link; git goes by the real one.
    fs::canonicalize(root).is_ok_and(|real| real.ancestors().skip(1).any(|dir| dir.join(".git").exists()))
}

fn cannot_create(root: &Path, path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            Error::refused(format!("cannot make a store at {}: a file is in the way", quote_path(root))).because(error)
        }
        _ => Error::io("create", path, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::progress::Silent;

    fn make(root: &Path, git: Option<GitMode>) -> Result<InitOutcome> {
        init(root, &InitOptions { git }, &Silent)
    }

    #[test]
    fn a_store_is_made_with_the_directories_above_it_and_opens() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/b").join(STORE_DIR);
        let outcome = make(&root, None).unwrap();
        assert!(outcome.created && !outcome.in_git);
        Store::open(&root).unwrap();
        for made in ["packs", "meta", "refs", ".gitattributes", ".gitignore"] {
            assert!(root.join(made).exists(), "{made}");
        }
    }

    #[test]
    fn a_second_init_changes_nothing_but_mends_and_switches() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(STORE_DIR);
        make(&root, Some(GitMode::All)).unwrap();
        let again = make(&root, None).unwrap();
        assert!(!again.created && again.mended.is_empty());
        assert_eq!(fs::read_to_string(root.join(".gitignore")).unwrap(), GitMode::All.rules());
        fs::remove_file(root.join(".gitattributes")).unwrap();
        assert_eq!(make(&root, None).unwrap().mended, [".gitattributes"]);
        assert_eq!(make(&root, Some(GitMode::None)).unwrap().mended, [".gitignore"]);
        assert_eq!(fs::read_to_string(root.join(".gitignore")).unwrap(), GitMode::None.rules());
    }

    #[test]
    fn an_init_that_was_killed_is_finished_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(STORE_DIR);
        make(&root, None).unwrap();
        fs::remove_file(root.join("format")).unwrap();
        assert!(make(&root, None).unwrap().created);
        Store::open(&root).unwrap();
    }

    #[test]
    fn other_formats_and_places_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(STORE_DIR);
        make(&root, None).unwrap();
        assert_eq!(make(&root.join("x").join(STORE_DIR), None).unwrap_err().kind(), ErrorKind::Refused);
        fs::remove_file(root.join("format")).unwrap();
        fs::write(root.join("format"), "artstore 2\n").unwrap();
        assert_eq!(make(&root, None).unwrap_err().kind(), ErrorKind::Damaged);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(make(&file.join(STORE_DIR), None).unwrap_err().kind(), ErrorKind::Refused);
    }
}
