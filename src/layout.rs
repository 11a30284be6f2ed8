//! Where the files of a store lie.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of a store that it may share with others.
const SHARED: [&str; 2] = ["packs", "quarantine"];

/// Where the files of a store lie: all below one directory, but for a store in a linked worktree of git. That
/// has its data packs, and what was moved aside, in a place of all worktrees, so that they outlive it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    shared: Option<PathBuf>,
}

impl Layout {
    /// Lays a store out below one directory.
    pub fn of_one(root: &Path) -> Layout {
        Layout { root: root.to_owned(), shared: None }
    }

    /// Lays a store out of which some lies in a place that others use, too.
    pub fn sharing(root: &Path, shared: &Path) -> Layout {
        Layout { root: root.to_owned(), shared: Some(shared.to_owned()) }
    }

    /// Returns the store's own directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the place that is shared, if there is one.
    pub fn shared(&self) -> Option<&Path> {
        self.shared.as_deref()
    }

    /// Returns the directory below which a file lies, or belongs if it is nowhere.
    pub fn base(&self, relative: &Path) -> &Path {
        let belongs = self.home(relative);
        let is_own = |root: &Path| fs::symlink_metadata(root.join(relative)).is_ok();
        // What somebody has copied into a worktree counts, too.
        if belongs != self.root && is_own(&self.root) { &self.root } else { belongs }
    }

    /// Returns where a file lies, or belongs if it is nowhere.
    pub fn path(&self, relative: &Path) -> PathBuf {
        self.base(relative).join(relative)
    }

    /// Returns where a folder that the store itself makes belongs.
    pub fn folder(&self, relative: &Path) -> PathBuf {
        self.home(relative).join(relative)
    }

    /// Yields the directories below which a folder may be.
    pub fn bases<'l>(&'l self, relative: &Path) -> impl Iterator<Item = &'l Path> + use<'l> {
        let home = self.home(relative);
        [home].into_iter().chain(Some(self.root.as_path()).filter(|root| *root != home))
    }

    /// Yields the places in which a folder may be.
    pub fn folders<'l>(&'l self, relative: &'l Path) -> impl Iterator<Item = PathBuf> + 'l {
        self.bases(relative).map(move |base| base.join(relative))
    }

    /// Returns the path of a file relative to the store, given where it lies.
    pub fn relative<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        [Some(&self.root), self.shared.as_ref()].into_iter().flatten().find_map(|base| path.strip_prefix(base).ok())
    }

    fn home(&self, relative: &Path) -> &Path {
        match &self.shared {
            Some(shared) if SHARED.iter().any(|folder| relative.starts_with(folder)) => shared,
            _ => &self.root,
        }
    }
}

impl From<&Path> for Layout {
    fn from(root: &Path) -> Layout {
        Layout::of_one(root)
    }
}

impl From<&PathBuf> for Layout {
    fn from(root: &PathBuf) -> Layout {
        Layout::of_one(root)
    }
}

impl From<&Layout> for Layout {
    fn from(layout: &Layout) -> Layout {
        layout.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_lies_there_unless_the_store_has_it_itself() {
        let dir = tempfile::tempdir().unwrap();
        let (own, shared) = (dir.path().join("own"), dir.path().join("shared"));
        let (layout, alone) = (Layout::sharing(&own, &shared), Layout::of_one(&own));
        let (pack, pages) = (Path::new("packs/ab/x"), Path::new("meta/ab/x"));
        assert_eq!((layout.path(pack), layout.path(pages)), (shared.join(pack), own.join(pages)));
        assert_eq!(alone.path(pack), own.join(pack));
        fs::create_dir_all(own.join("packs/ab")).unwrap();
        fs::write(own.join(pack), "copied here").unwrap();
        assert_eq!(layout.path(pack), own.join(pack));
        assert_eq!(layout.path(Path::new("packs/ab/y")), shared.join("packs/ab/y"));
        assert_eq!(layout.folder(Path::new("packs/ab")), shared.join("packs/ab"));
        assert_eq!(layout.folders(Path::new("packs")).collect::<Vec<_>>(), [shared.join("packs"), own.join("packs")]);
        assert_eq!(layout.folders(Path::new("meta")).collect::<Vec<_>>(), [own.join("meta")]);
    }
}
