//! The repo round a store, found by looking at files alone: git need not be asked, nor be there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::as_path;

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
}

impl Around {
    /// Finds the repo whose working tree a store lies in, by walking up.
    pub(crate) fn find(root: &Path) -> Option<Around> {
        let real = fs::canonicalize(root).ok()?;
        let above = real.parent()?;
        Around::above(above, Path::new(real.file_name()?))
    }

    /// Finds the repo whose working tree a directory lies in, for a store `below` it.
    pub(crate) fn above(dir: &Path, below: &Path) -> Option<Around> {
        let real = fs::canonicalize(dir).ok()?;
        let top = real.ancestors().find(|dir| dir.join(".git").exists())?;
        let dot_git = top.join(".git");
        let git_dir = if dot_git.is_dir() { dot_git } else { top.join(as_path(line_of(&dot_git)?.strip_prefix(b"gitdir: ")?)) };
        let common = line_of(&git_dir.join("commondir")).map_or_else(|| git_dir.clone(), |common| git_dir.join(as_path(&common)));
        let store = real.strip_prefix(top).ok()?.join(below);
        Some(Around { top: top.to_owned(), git_dir, common, store })
    }

    /// Whether it is a repo as far as can be seen.
    pub(crate) fn leads_here(&self) -> bool {
        self.git_dir.join("HEAD").exists() && self.common.join("objects").is_dir()
    }

    /// Whether the working tree is a linked one, which `git worktree remove` removes.
    pub(crate) fn is_linked(&self) -> bool {
        self.git_dir.join("commondir").exists()
    }

    /// Returns the place, outside of linked worktrees, of what those of their stores share that lie at `store`
    /// below the top: the store of the main worktree, or a directory of its own in that of git, where the repo is
    /// bare or lies elsewhere.
    pub(crate) fn shared(&self, store: &Path) -> Option<PathBuf> {
        let base = self.shared_base()?;
        Some(if base.join(".git").exists() { base.join(store) } else { base.join("artifacts").join(store) })
    }

    /// Returns the directory in which that place is made: the main working tree, or the directory of git.
    pub(crate) fn shared_base(&self) -> Option<PathBuf> {
        let common = fs::canonicalize(&self.common).ok()?;
        Some(self.main_top(&common).map_or_else(|| common.clone(), Path::to_owned))
    }

    /// Returns where the store lies in the working trees of the repo in which it is, this one among them.
    pub(crate) fn stores(&self) -> Vec<PathBuf> {
        let Ok(common) = fs::canonicalize(&self.common) else { return Vec::new() };
        let git_dirs = fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten().map(|entry| entry.path());
        let linked = git_dirs.filter_map(|git_dir| top_of(&git_dir).ok().flatten());
        // The main worktree of a repo that lies elsewhere is known from inside of it alone.
        let tops = linked.chain(self.main_top(&common).map(Path::to_owned)).chain([self.top.clone()]);
        let mut stores: Vec<PathBuf> = tops.filter_map(|top| fs::canonicalize(top.join(&self.store)).ok()).collect();
        stores.sort();
        stores.dedup();
        stores
    }

    fn main_top<'c>(&self, common: &'c Path) -> Option<&'c Path> {
        let says_bare = |name: &str| fs::read_to_string(common.join(name)).is_ok_and(|config| is_bare(&config));
        let is_bare = says_bare("config") || says_bare("config.worktree");
        common.parent().filter(|_| common.ends_with(".git") && !is_bare)
    }
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

fn line_of(path: &Path) -> Option<Vec<u8>> {
    let mut text = fs::read(path).ok()?;
    while text.pop_if(|last| matches!(last, b'\n' | b'\r')).is_some() {}
    Some(text)
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
