//! Local state: the folder under `local/` that belongs to this copy of the store.
//!
//! It is named at random and notes its own inode and time of birth. One that was copied along
//! with the store does not match: what it says was confirmed was confirmed elsewhere.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::error::{Error, Result};
use crate::lock::{Lock, Mode, Wait};
use crate::progress::Progress;

const NOTE: &str = "self";

/// Finds the local state of a store, if it has one that is its own. Writes nothing.
pub(crate) fn find(root: &Path) -> Option<PathBuf> {
    folders(root).into_iter().filter(|(_, own)| *own).map(|(path, _)| path).min()
}

/// Finds or makes the local state of a store, and removes folders that were copied along.
pub(crate) fn find_or_create(root: &Path, progress: &dyn Progress) -> Result<PathBuf> {
    if let Some(found) = find(root) {
        return Ok(found);
    }
    let local = root.join("local");
    fs::create_dir_all(&local).map_err(|e| cannot_write(root, &local, e))?;
    let _guard = Lock::take(&local.join("guard"), Mode::Exclusive, Wait::Patiently, progress)?;
    for (path, own) in folders(root) {
        if own {
            return Ok(path);
        }
        // Its locks cannot be held by anyone: who opens this store does not use it.
        let _ = fs::remove_dir_all(path);
    }
    let dir = tempfile::Builder::new().prefix("l").rand_bytes(11).tempdir_in(&local).map_err(|e| cannot_write(root, &local, e))?;
    let dir = dir.keep();
    let note = dir.join(NOTE);
    let own = self_note(&dir).map_err(|e| Error::io("look at", &dir, e))?;
    fs::write(&note, own).map_err(|e| Error::io("write", &note, e))?;
    Ok(dir)
}

/// Says of a store that may not be written to that it is so, whatever failed because of it.
pub(super) fn told_if_read_only(root: &Path, path: &Path, error: Error) -> Error {
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(kind @ (io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)) => cannot_write(root, path, kind.into()),
        _ => error,
    }
}

fn cannot_write(root: &Path, path: &Path, error: io::Error) -> Error {
    let shown = crate::quote::quote_path(root);
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            Error::failed(format!("cannot write to the store {shown}: it is read-only"))
                .hint("commands that only read work here; to store something, copy the store to where you may write")
                .because(error)
        }
        _ => Error::io("create", path, error),
    }
}

fn folders(root: &Path) -> Vec<(PathBuf, bool)> {
    let Ok(entries) = fs::read_dir(root.join("local")) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .filter_map(|path| fs::read_to_string(path.join(NOTE)).ok().map(|note| (is_own(&path, &note), path)))
        .map(|(own, path)| (path, own))
        .collect()
}

fn is_own(dir: &Path, note: &str) -> bool {
    self_note(dir).is_ok_and(|own| own == note)
}

/// Returns the inode of a folder and, where the file system keeps it, its time of birth.
fn self_note(dir: &Path) -> io::Result<String> {
    let meta = fs::symlink_metadata(dir)?;
    let born = meta.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_nanos());
    Ok(format!("{} {born}\n", meta.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn it_is_made_once_and_a_copy_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(find(dir.path()), None);
        let made = find_or_create(dir.path(), &Silent).unwrap();
        assert_eq!(find_or_create(dir.path(), &Silent).unwrap(), made);

        let copied = dir.path().join("local/copied");
        fs::create_dir(&copied).unwrap();
        fs::copy(made.join(NOTE), copied.join(NOTE)).unwrap();
        fs::remove_dir_all(&made).unwrap();
        assert_eq!(find(dir.path()), None);
        let again = find_or_create(dir.path(), &Silent).unwrap();
        assert!(again.exists() && !copied.exists());
    }
}
