//! Local state: the folder under `local/` that belongs to this copy of the store.
//!
//! It is named at random and notes its own inode and time of birth. One that was copied along
//! with the store does not match: what it says was confirmed was confirmed elsewhere.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::error::{Error, Result};
use crate::lock::{Lock, Mode, Wait};
use crate::open::open_regular;
use crate::progress::Progress;

const NOTE: &str = "self";

/// Longest note, in bytes: it is two numbers.
const NOTE_LEN_MAX: u64 = 64;

/// Finds the local state of a store, if it has one that is its own. Writes nothing.
pub(crate) fn find(root: &Path) -> Result<Option<PathBuf>> {
    Ok(folders(root)?.into_iter().filter(|(_, own)| *own).map(|(path, _)| path).min())
}

/// Lists local state that was copied along with the store, and is not this copy's own.
pub(crate) fn strange(root: &Path) -> Result<Vec<PathBuf>> {
    Ok(folders(root)?.into_iter().filter(|(_, own)| !own).map(|(path, _)| path).collect())
}

/// Finds or makes the local state of a store, and removes folders that were copied along.
pub(crate) fn find_or_create(root: &Path, progress: &dyn Progress) -> Result<PathBuf> {
    if let Some(found) = find(root)? {
        return Ok(found);
    }
    let local = root.join("local");
    fs::create_dir_all(&local).map_err(|e| cannot_write(root, &local, e))?;
    let _guard = Lock::take(&local.join("guard"), Mode::Exclusive, Wait::Patiently, progress)?;
    for (path, own) in folders(root)? {
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
    // The locks are there from the start: on a full disk who frees space could not make them.
    for lock in ["lock", "number", "gc"] {
        fs::write(dir.join(lock), "").map_err(|e| Error::io("create", &dir, e))?;
    }
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

/// Lists the folders in `local/`, and whether each is this copy's own. One that cannot be looked at
/// is an error: taken for another's it would be removed under those who hold its locks.
fn folders(root: &Path) -> Result<Vec<(PathBuf, bool)>> {
    let local = root.join("local");
    let entries = match fs::read_dir(&local) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list", &local, e)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("list", &local, e))?;
        let path = entry.path();
        if entry.file_type().map_err(|e| Error::io("look at", &path, e))?.is_dir() {
            let own = is_own(&path).map_err(|e| Error::io("read", &path.join(NOTE), e))?;
            all.push((path, own));
        }
    }
    Ok(all)
}

fn is_own(dir: &Path) -> io::Result<bool> {
    match read_note(&dir.join(NOTE)).and_then(|note| Ok(note == self_note(dir)?.into_bytes())) {
        // Another writer may just have removed it.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result,
    }
}

/// Reads a note that came with the store: it may be a FIFO, or have no end.
fn read_note(path: &Path) -> io::Result<Vec<u8>> {
    let mut note = Vec::new();
    open_regular(path)?.take(NOTE_LEN_MAX).read_to_end(&mut note)?;
    Ok(note)
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
        assert_eq!(find(dir.path()).unwrap(), None);
        let made = find_or_create(dir.path(), &Silent).unwrap();
        assert_eq!(find_or_create(dir.path(), &Silent).unwrap(), made);

        let copied = dir.path().join("local/copied");
        fs::create_dir(&copied).unwrap();
        fs::copy(made.join(NOTE), copied.join(NOTE)).unwrap();
        // A folder whose maker was killed before it wrote the note.
        fs::create_dir(dir.path().join("local/unfinished")).unwrap();
        fs::remove_dir_all(&made).unwrap();
        assert_eq!(find(dir.path()).unwrap(), None);
        let again = find_or_create(dir.path(), &Silent).unwrap();
        assert!(again.exists() && !copied.exists() && !dir.path().join("local/unfinished").exists());
    }

    #[test]
    fn one_whose_note_cannot_be_read_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let made = find_or_create(dir.path(), &Silent).unwrap();
        fs::remove_file(made.join(NOTE)).unwrap();
        fs::create_dir(made.join(NOTE)).unwrap();
        find_or_create(dir.path(), &Silent).unwrap_err();
        assert!(made.exists());
    }
}
