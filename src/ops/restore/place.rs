//! Where a version may be restored to, and what its file system is like.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::RestoreOptions;
use super::dest::{PROBE, temp_prefix};
use crate::error::{Error, Result};
use crate::lock;
use crate::quote::quote_path;
use crate::store::{STORE_DIR, Store};

/// What the folder beside DEST is called while it is filled.
pub(super) const PARTIAL_PREFIX: &str = ".art-partial-";

/// Refuses a place in the store, and for `checkout` one that holds what must not be emptied.
pub(super) fn check_dest(store: &Store, dest: &Path, options: &RestoreOptions) -> Result<()> {
    let root = store.root().canonicalize().map_err(|e| Error::io("read", store.root(), e))?;
    let place = real_place(dest).map_err(|e| Error::io("find", dest, e))?;
    if place.starts_with(&root) {
        return Err(Error::usage(format!("cannot restore into {}: it lies inside the store", quote_path(dest)))
            .hint("choose a directory outside `.artifacts`"));
    }
    if !options.exact || !dest.is_dir() {
        return Ok(());
    }
    let project = store.project().canonicalize().ok();
    let reason = if dest.join(STORE_DIR).exists() {
        "holds a store"
    } else if dest.join(".git").exists() {
        "holds a git repo"
    } else if project.is_some_and(|project| project.starts_with(&place)) {
        "holds the project's root"
    } else {
        return Ok(());
    };
    Err(Error::refused(format!("cannot check out into {}: it {reason}, and what the version does not have would go", quote_path(dest)))
        .hint("check out into a directory of its own, or use `art get`, which removes nothing"))
}

/// Returns where a path leads, also if the end of it is not there yet.
fn real_place(path: &Path) -> io::Result<PathBuf> {
    let mut place = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        if part == Component::ParentDir {
            place.pop();
        } else {
            place.push(part);
            place = place.canonicalize().unwrap_or(place);
        }
    }
    Ok(place)
}

/// Removes directories that killed restores left beside: unlocked and older than an hour.
pub(super) fn sweep_partial(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PARTIAL_PREFIX)) {
        let path = entry.path();
        let old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > crate::durable::TEMP_AGE_MAX));
        if old && fs::File::open(&path).is_ok_and(|dir| lock::try_lock(&dir, lock::Mode::Exclusive).is_ok()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Makes one name of all that a file system takes for one.
pub(super) type Fold = fn(&[u8]) -> Vec<u8>;

/// Finds out how a directory's file system folds names, by trying; none if it keeps them apart.
pub(super) fn folding(dir: &Path) -> Result<Option<Fold>> {
    use unicode_normalization::UnicodeNormalization;
    let probe = tempfile::Builder::new()
        .prefix(&format!("{}{PROBE}", temp_prefix()))
        .tempfile_in(dir)
        .map_err(|e| Error::io("write into", dir, e))?;
    let name = probe.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_there = |name: String| fs::symlink_metadata(dir.join(name)).is_ok();
    let case = is_there(name.replace("Probe", "pROBE"));
    let form = is_there(name.replace('é', "e\u{301}"));
    probe.close().map_err(|e| Error::io("remove a file from", dir, e))?;
    Ok(match (case, form) {
        (false, false) => None,
        (true, false) => Some(|bytes| String::from_utf8_lossy(bytes).to_lowercase().into_bytes()),
        (false, true) => Some(|bytes| String::from_utf8_lossy(bytes).nfd().collect::<String>().into_bytes()),
        (true, true) => Some(|bytes| String::from_utf8_lossy(bytes).nfd().collect::<String>().to_lowercase().into_bytes()),
    })
}
