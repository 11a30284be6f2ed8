//! Changed files, sorted by the stores that they lie in.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::format::record::Record;
use crate::id::RecordId;
use crate::refs::history::{History, Version};
use crate::store::files::{FileClass, StorePath};
use crate::store::git::hook::{ChangedFile, FileChange};
use crate::store::{STORE_DIR, Store};

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

    /// Returns what is equal for paths of those that mean one file.
    pub(super) fn added_keys(&self) -> HashSet<String> {
        self.added.iter().map(StorePath::key).collect()
    }

    /// Reads the histories of the artifacts that something was added to.
    pub(super) fn histories(&self, store: &Store) -> Result<Vec<History>> {
        let folder = |path: &StorePath| path.as_str().strip_prefix("refs/")?.split('/').next().map(str::to_ascii_lowercase);
        let folders: HashSet<String> = self.added.iter().filter_map(folder).collect();
        let artifacts = store.artifacts()?;
        let touched = artifacts.iter().filter(|name| folders.contains(&name.as_str().to_ascii_lowercase()));
        touched.map(|name| store.history(name)).collect()
    }
}

/// Returns where the record of a version lies.
pub(super) fn path_of(version: &Version) -> StorePath {
    StorePath::of_record(&Record::Version(Box::new(version.record.clone())), version.id)
}

/// Whether a path is that of a record with this id.
pub(super) fn has_id(path: &StorePath, id: RecordId) -> bool {
    path.name().rsplit('.').next().is_some_and(|digits| id.has_hex_prefix(digits))
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
