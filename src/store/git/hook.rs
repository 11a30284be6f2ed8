//! What a hook of git asks git. Unlike all else here this goes by the environment, which git sets for its
//! hooks: the index may be one that is made for one commit, and the repo one that only `GIT_DIR` names.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{as_path, line, output, path, plain_git, unexpected};
use crate::error::Result;

/// A file that one state has and another has not, or has differently, relative to the top of the working tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangedFile {
    pub(crate) path: PathBuf,
    pub(crate) change: FileChange,
}

/// How a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Modified,
}

/// Finds the top of the working tree that a directory is in.
pub(crate) fn top(dir: &Path) -> Result<PathBuf> {
    Ok(path(line(plain_git().current_dir(dir).args(["rev-parse", "--show-toplevel"]))?))
}

/// Finds the directory of the repo's hooks, as `core.hooksPath` says.
pub(crate) fn hooks_dir(top: &Path) -> Result<PathBuf> {
    // A relative path is one from the top.
    Ok(top.join(path(line(plain_git().current_dir(top).args(["rev-parse", "--git-path", "hooks"]))?)))
}

/// Lists what the next commit changes.
pub(crate) fn staged(dir: &Path) -> Result<Vec<ChangedFile>> {
    changed(dir, &["diff", "--cached", "--no-relative", "--no-ext-diff", "--ignore-submodules"])
}

/// Lists what differs between two commits.
pub(crate) fn between(dir: &Path, old: &str, new: &str) -> Result<Vec<ChangedFile>> {
    changed(dir, &["diff-tree", "-r", old, new])
}

/// Names the commit that something names; none if nothing does.
pub(crate) fn commit(dir: &Path, name: &str) -> Option<String> {
    let asked = format!("{name}^{{commit}}");
    let told = line(plain_git().current_dir(dir).args(["rev-parse", "--quiet", "--verify", &asked])).ok()?;
    String::from_utf8(told).ok()
}

/// Whether commits are being put on others, so that what is gone will come back.
pub(crate) fn is_rebasing(dir: &Path) -> Result<bool> {
    let told = output(plain_git().current_dir(dir).args(["rev-parse", "--git-path", "rebase-merge", "--git-path", "rebase-apply"]))?;
    Ok(told.split(|&b| b == b'\n').any(|state| !state.is_empty() && dir.join(as_path(state)).exists()))
}

/// Lists the files that the index has at some paths from the top or below them.
pub(crate) fn indexed(top: &Path, paths: &[PathBuf]) -> Result<HashSet<PathBuf>> {
    let told = output(plain_git().current_dir(top).args(["ls-files", "-z", "--"]).args(paths))?;
    Ok(super::paths(&told).collect())
}

/// Lists the files that the index has, as added ones.
pub(crate) fn all(top: &Path) -> Result<Vec<ChangedFile>> {
    Ok(indexed(top, &[])?.into_iter().map(|path| ChangedFile { path, change: FileChange::Added }).collect())
}

fn changed(dir: &Path, args: &[&str]) -> Result<Vec<ChangedFile>> {
    let told = output(plain_git().current_dir(dir).args(args).args(["--name-status", "-z", "--no-renames"]))?;
    let fields: Vec<&[u8]> = told.split(|&b| b == 0).collect();
    let mut files = Vec::new();
    for pair in fields.chunks_exact(2) {
        let change = match pair[0] {
            b"A" => FileChange::Added,
            b"D" => FileChange::Removed,
            [_] => FileChange::Modified,
            _ => return Err(unexpected("diff")),
        };
        files.push(ChangedFile { path: as_path(pair[1]).to_owned(), change });
    }
    Ok(files)
}
