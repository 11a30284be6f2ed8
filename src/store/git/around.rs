//! The repo round a store, found by looking at files alone: git need not be asked, nor be there.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::as_path;
use crate::error::{Error, Result};
use crate::open::entries_in;

/// The repo in whose working tree a store lies.
#[derive(Clone, Debug)]
pub(crate) struct Around {
    /// The top of the working tree.
    pub(crate) top: PathBuf,
    /// What belongs to this working tree.
    pub(crate) git_dir: PathBuf,
    /// What belongs to all.
    pub(crate) common: PathBuf,
    /// Where the store lies below the top.
    pub(crate) store: PathBuf,
    /// Whether the working tree is a linked one, which `git worktree remove` removes.
    pub(crate) is_linked: bool,
    /// Whether the repo says that it has no main working tree.
    is_bare: bool,
}

impl Around {
    /// Finds the repo whose working tree a store lies in, by walking up.
    ///
    /// # Errors
    ///
    /// If what says so cannot be read: taken for absent, packs would be put where `git worktree remove` takes
    /// them.
    pub(crate) fn find(root: &Path) -> Result<Option<Around>> {
        let real = real(root)?;
        match real.as_deref().and_then(|real| Some((real.parent()?, real.file_name()?))) {
            Some((above, name)) => Around::above(above, Path::new(name)),
            None => Ok(None),
        }
    }

    /// Finds the repo whose working tree a directory lies in, for a store `below` it.
    pub(crate) fn above(dir: &Path, below: &Path) -> Result<Option<Around>> {
        let Some(real) = real(dir)? else { return Ok(None) };
        for top in real.ancestors() {
            let dot_git = top.join(".git");
            // Another's repo that we may not look into is none of ours.
            let Some(meta) = found(fs::metadata(&dot_git)).or_else(none_if_denied).map_err(|e| Error::io("look at", &dot_git, e))? else {
                continue;
            };
            let store = real.strip_prefix(top).unwrap_or(Path::new("")).join(below);
            let top = top.to_owned();
            if meta.is_dir() {
                return Ok(Some(Around { top, common: dot_git.clone(), git_dir: dot_git, store, is_linked: false, is_bare: false }));
            }
            let line = line_of(&dot_git)?;
            let Some(git_dir) = line.as_deref().and_then(|line| line.strip_prefix(b"gitdir: ")) else { return Ok(None) };
            let git_dir = top.join(as_path(git_dir));
            let commondir = line_of(&git_dir.join("commondir"))?;
            let is_linked = commondir.is_some();
            let common = commondir.map_or_else(|| git_dir.clone(), |common| git_dir.join(as_path(&common)));
            let is_bare = is_linked && (says_bare(&common.join("config"))? || says_bare(&common.join("config.worktree"))?);
            return Ok(Some(Around { top, git_dir, common, store, is_linked, is_bare }));
        }
        Ok(None)
    }

    /// Whether its main working tree names git's directory by a file, as that of a submodule does.
    pub(crate) fn is_apart(&self) -> bool {
        !self.is_linked && self.git_dir != self.top.join(".git")
    }

    /// Whether it is a repo as far as can be seen.
    pub(crate) fn leads_here(&self) -> bool {
        self.git_dir.join("HEAD").exists() && self.common.join("objects").is_dir()
    }

    /// Returns the place, outside of linked worktrees, of what those of their stores share that lie at `store`
    /// below the top: the store of the main worktree, or a directory of its own in that of git, where the repo is
    /// bare or lies elsewhere.
    pub(crate) fn shared(&self, store: &Path) -> Result<Option<PathBuf>> {
        let Some(base) = self.shared_base()? else { return Ok(None) };
        Ok(Some(if is_top(&base)? { base.join(store) } else { base.join("artifacts").join(store) }))
    }

    /// Returns the top of the main working tree, where there is one and it is known.
    pub(crate) fn main(&self) -> Result<Option<PathBuf>> {
        let Some(base) = self.shared_base()? else { return Ok(None) };
        Ok(if is_top(&base)? { Some(base) } else { None })
    }

    /// Returns the directory in which that place is made: the main working tree, or the directory of git.
    pub(crate) fn shared_base(&self) -> Result<Option<PathBuf>> {
        Ok(real(&self.common)?.map(|common| self.main_top(&common).map_or_else(|| common.clone(), Path::to_owned)))
    }

    /// Lists what belongs to each of the working trees, and to all.
    pub(crate) fn git_dirs(&self) -> Result<BTreeSet<PathBuf>> {
        let linked = entries_in(&self.common.join("worktrees"))?.into_iter().map(|entry| entry.path());
        Ok(linked.chain([self.git_dir.clone(), self.common.clone()]).collect())
    }

    /// Returns where the store lies in the working trees of the repo in which it is, this one among them.
    pub(crate) fn stores(&self) -> Vec<PathBuf> {
        let real = |top: &Path| fs::canonicalize(top.join(&self.store)).ok();
        // Where git's directory is somewhere else now, this one is the only one known.
        let Ok(common) = fs::canonicalize(&self.common) else { return real(&self.top).into_iter().collect() };
        let git_dirs = fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten().map(|entry| entry.path());
        let linked = git_dirs.filter_map(|git_dir| top_of(&git_dir).ok().flatten());
        // The main worktree of a repo that lies elsewhere is known from inside of it alone.
        let tops = linked.chain(self.main_top(&common).map(Path::to_owned)).chain([self.top.clone()]);
        let mut stores: Vec<PathBuf> = tops.filter_map(|top| real(&top)).collect();
        stores.sort();
        stores.dedup();
        stores
    }

    fn main_top<'c>(&self, common: &'c Path) -> Option<&'c Path> {
        common.parent().filter(|_| common.ends_with(".git") && !self.is_bare)
    }
}

/// Whether a directory is the top of a working tree.
fn is_top(dir: &Path) -> Result<bool> {
    let dot_git = dir.join(".git");
    Ok(found(fs::metadata(&dot_git)).map_err(|e| Error::io("look at", &dot_git, e))?.is_some())
}

fn says_bare(config: &Path) -> Result<bool> {
    Ok(text_of(config)?.is_some_and(|text| is_bare(&String::from_utf8_lossy(&text))))
}

/// Whether a repo's configuration says that it has no main worktree.
fn is_bare(config: &str) -> bool {
    let mut in_core = false;
    config.lines().map(|line| line.trim().to_ascii_lowercase()).any(|line| {
        if line.starts_with('[') {
            in_core = line.starts_with("[core]");
        }
        in_core
            && line
                .strip_prefix("bare")
                .map(str::trim_start)
                .and_then(|rest| rest.strip_prefix('='))
                .is_some_and(|value| value.trim() == "true")
    })
}

/// Reads where the working tree is that a directory in `worktrees/` of a repo belongs to, there or not; none
/// where it does not say.
pub(super) fn top_of(git_dir: &Path) -> io::Result<Option<PathBuf>> {
    let back = match fs::read(git_dir.join("gitdir")) {
        Ok(back) => back,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(e),
    };
    Ok(git_dir.join(as_path(back.trim_ascii_end())).parent().map(Path::to_owned))
}

fn line_of(path: &Path) -> Result<Option<Vec<u8>>> {
    let mut text = text_of(path)?;
    while text.as_mut().and_then(|text| text.pop_if(|last| matches!(last, b'\n' | b'\r'))).is_some() {}
    Ok(text)
}

/// Reads a file of git's; none if it is not there.
fn text_of(path: &Path) -> Result<Option<Vec<u8>>> {
    found(fs::read(path)).map_err(|e| Error::io("read", path, e))
}

fn real(path: &Path) -> Result<Option<PathBuf>> {
    found(fs::canonicalize(path)).or_else(none_if_denied).map_err(|e| Error::io("find", path, e))
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

fn none_if_denied<T>(error: io::Error) -> io::Result<Option<T>> {
    if error.kind() == io::ErrorKind::PermissionDenied { Ok(None) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::is_bare;

    #[test]
    fn a_configuration_tells_whether_the_repo_is_bare() {
        assert!(is_bare("[core]\n\trepositoryformatversion = 0\n\tBare = true\n[remote]\n"));
        assert!(!is_bare("[core]\n\tbare = false\n"));
        assert!(!is_bare("[other]\nbare = true\n[core]\n\tbarest = true\n"));
    }
}
