//! Stores in linked worktrees of git: what git does not commit of them outlives the worktree, for it lies in
//! the store of the main worktree, or in git's directory where there is none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::git::around::Around;
use super::guard::{self, GitMode};
use super::{STORE_DIR, local};
use crate::error::Result;
use crate::format::pack::PackClass;
use crate::layout::Layout;
use crate::pack::reader;
use crate::progress::Progress;

/// Says where the files of the store at `root` lie. One on another disk than the main worktree, or where the
/// two commit different parts, is on its own.
///
/// Cost: a few looks at the directories above it, where no repo with linked worktrees is round it.
pub(crate) fn layout_of(root: &Path) -> Result<Layout> {
    let around = match Around::find(root) {
        // Who may not see what git knows may still read what lies here; writers are told when they look for the guard.
        Err(error) if error.is_denied() => None,
        around => around?,
    };
    let Some(repo) = linked(around) else { return Ok(Layout::of_one(root)) };
    guard::mode_of(root)?.map_or_else(|| Ok(Layout::of_one(root)), |mode| layout_in(root, &repo, mode))
}

/// Says the same of a store of which the repo round it and what git commits are known.
pub(super) fn layout_in(root: &Path, repo: &Around, mode: GitMode) -> Result<Layout> {
    let shared = if repo.is_linked && mode == GitMode::Split { repo.shared(&repo.store)? } else { None };
    Ok(match shared {
        Some(shared) if matches!(guard::mode_of(&shared)?, None | Some(GitMode::Split)) && is_one_disk(root, &shared) => {
            Layout::sharing(root, &shared)
        }
        _ => Layout::of_one(root),
    })
}

fn linked(repo: Option<Around>) -> Option<Around> {
    repo.filter(|repo| repo.is_linked)
}

/// Tells of a store in a linked worktree that has data packs there, which `git worktree remove` would take
/// along; returns where they are safe.
pub fn place_of_packs_at_stake(root: &Path) -> Result<Option<PathBuf>> {
    let Some(repo) = linked(Around::find(root)?) else { return Ok(None) };
    let is_safe = guard::mode_of(root)? == Some(GitMode::All) || reader::list(&Layout::of_one(root), PackClass::Data)?.is_empty();
    Ok(repo.shared(&repo.store)?.filter(|_| !is_safe))
}

/// Finds or makes the directory with the locks of a store whose local state is given: one that shares its
/// packs shares the locks, too.
pub(crate) fn locks(layout: &Layout, local: &Path, progress: &dyn Progress) -> Result<PathBuf> {
    match layout.shared() {
        Some(shared) => local::find_or_create(shared, progress),
        None => Ok(local.to_owned()),
    }
}

/// Finds the same directory if it is there, without making it.
pub(crate) fn find_locks(layout: &Layout) -> Result<Option<PathBuf>> {
    local::find(layout.shared().unwrap_or(layout.root()))
}

/// Finds the store of a directory in a linked worktree which has none, because git commits nothing of it:
/// it lies in the main worktree, or in git's directory, at the same place.
pub(crate) fn find_elsewhere(from: &Path) -> Result<Option<PathBuf>> {
    let Some(repo) = linked(Around::above(from, Path::new(STORE_DIR))?) else { return Ok(None) };
    for dir in repo.store.ancestors().skip(1) {
        let place = repo.shared(&dir.join(STORE_DIR))?;
        if let Some(place) = place
            && guard::mode_of(&place)? == Some(GitMode::None)
        {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Returns the place of a new store of which git commits nothing, if it is not the one that was asked for.
pub(crate) fn place_elsewhere(root: &Path) -> Result<Option<PathBuf>> {
    let Some((dir, name)) = root.parent().zip(root.file_name()) else { return Ok(None) };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    linked(Around::above(dir, Path::new(name))?).map_or(Ok(None), |repo| repo.shared(&repo.store))
}

/// Whether a directory lies in a linked worktree which has the store at `root`, that lies elsewhere.
pub(crate) fn is_elsewhere(root: &Path, from: &Path) -> bool {
    find_elsewhere(from).ok().flatten().is_some_and(|place| fs::canonicalize(root).is_ok_and(|real| real == place))
}

/// Whether a file can be moved from one directory to the other, which need not be there yet.
fn is_one_disk(root: &Path, other: &Path) -> bool {
    let disk = |path: &Path| path.ancestors().find_map(|dir| fs::metadata(dir).ok()).map(|meta| meta.dev());
    disk(root) == disk(other)
}
