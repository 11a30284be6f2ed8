//! Changed files, sorted by the stores that they lie in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::store::STORE_DIR;
use crate::store::files::{FileClass, StorePath};
use crate::store::git::hook::{ChangedFile, FileChange};

/// What changed of a store.
#[derive(Default)]
pub(super) struct StoreChanges {
    pub(super) added: Vec<StorePath>,
    pub(super) removed: Vec<StorePath>,
}

impl StoreChanges {
    /// Sorts files by their stores, of which it returns where they lie from the top of the working tree.
    pub(super) fn by_store(files: &[ChangedFile]) -> BTreeMap<PathBuf, StoreChanges> {
        let mut stores = BTreeMap::<PathBuf, StoreChanges>::new();
        for file in files {
            let Some((store, path)) = split(&file.path) else { continue };
            let changes = stores.entry(store).or_default();
            match file.change {
                // A file of a store that changes is damaged, which is not looked for here.
                FileChange::Added | FileChange::Modified => changes.added.push(path),
                FileChange::Removed => changes.removed.push(path),
            }
        }
        stores
    }

    /// Returns those of a class that were added.
    pub(super) fn added_of(&self, class: FileClass) -> impl Iterator<Item = &StorePath> {
        self.added.iter().filter(move |path| path.class() == class)
    }
}

/// Splits a path into that of a store and the rest, if a file that travels may lie there.
fn split(path: &Path) -> Option<(PathBuf, StorePath)> {
    let depth = path.iter().position(|part| part == STORE_DIR)? + 1;
    let store: PathBuf = path.iter().take(depth).collect();
    let rest = path.strip_prefix(&store).ok()?.to_str()?;
    Some((store, StorePath::parse(rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sorted_by_their_stores() {
        let changed = |path: &str, change| ChangedFile { path: path.into(), change };
        let files = [
            changed("a/.artifacts/refs/d/versions/0.0123456789abcdef", FileChange::Added),
            changed(".artifacts/gc/0123456789abcdef", FileChange::Removed),
            changed(".artifacts/format", FileChange::Added),
            changed("refs/d/versions/0.0123456789abcdef", FileChange::Added),
        ];
        let stores = StoreChanges::by_store(&files);
        assert_eq!(stores.keys().collect::<Vec<_>>(), [Path::new(".artifacts"), Path::new("a/.artifacts")]);
        assert_eq!(stores[Path::new("a/.artifacts")].added_of(FileClass::Version).count(), 1);
        assert_eq!((stores[Path::new(".artifacts")].added.len(), stores[Path::new(".artifacts")].removed.len()), (0, 1));
    }
}
