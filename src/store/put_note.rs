//! Notes, in local state, of packs whose version is not recorded yet.
//!
//! While a put runs it holds the lock of its note, and what the note lists is not to be touched.
//! A note that nobody holds tells which packs a put has left behind: nothing will name them,
//! unless the put is run again. A note that is lost costs disk, never data.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::lock::{self, Mode};

/// The note of one session.
#[derive(Debug)]
pub(super) struct PutNote {
    dir: PathBuf,
    file: Mutex<Option<(File, PathBuf)>>,
}

/// What the notes of a store say, by the paths of packs relative to the store.
#[derive(Debug, Default)]
pub struct PutNotes {
    /// Packs of puts that are still running.
    pub running: HashSet<PathBuf>,
    /// Packs of puts that ended without a record.
    pub left_behind: HashSet<PathBuf>,
}

impl PutNote {
    pub(super) fn new(local: &Path) -> PutNote {
        PutNote { dir: local.join("puts"), file: Mutex::default() }
    }

    /// Notes a pack that is about to be published.
    pub(super) fn add(&self, pack: &Path) -> Result<()> {
        let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            fs::create_dir_all(&self.dir).map_err(|e| Error::io("create", &self.dir, e))?;
            let made =
                tempfile::Builder::new().prefix("put-").tempfile_in(&self.dir).map_err(|e| Error::io("create a file in", &self.dir, e))?;
            // Nobody else knows the file yet, but for a sweep, which only looks.
            let _ = lock::try_lock(made.as_file(), Mode::Exclusive);
            let (file, path) = made.keep().map_err(|e| Error::io("create a file in", &self.dir, e.error))?;
            *open = Some((file, path));
        }
        let Some((file, path)) = open.as_mut() else { return Ok(()) };
        file.write_all(&[pack.as_os_str().as_bytes(), b"\n"].concat()).map_err(|e| Error::io("write", path, e))
    }

    /// Drops the note: what it lists is named by a record now.
    pub(super) fn clear(&self) {
        if let Some((_, path)) = self.file.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = fs::remove_file(path);
        }
    }
}

impl PutNotes {
    /// Reads the notes in a folder of local state.
    pub fn read(local: &Path) -> PutNotes {
        let mut notes = PutNotes::default();
        each(local, |held, packs, _| if held { notes.running.extend(packs) } else { notes.left_behind.extend(packs) });
        notes
    }

    /// Takes packs out of the notes that nobody holds; `write` puts a note's new text in its place.
    pub fn forget(local: &Path, packs: &BTreeSet<PathBuf>, mut write: impl FnMut(&Path, &[u8]) -> Result<()>) -> Result<()> {
        let mut result = Ok(());
        each(local, |held, noted, note| {
            let left: Vec<&PathBuf> = noted.iter().filter(|pack| !packs.contains(*pack)).collect();
            if held || left.len() == noted.len() || result.is_err() {
                return;
            }
            let lines: Vec<u8> = left.iter().flat_map(|pack| [pack.as_os_str().as_bytes(), b"\n"].concat()).collect();
            result = write(note, &lines);
        });
        result
    }

    /// Removes notes that nobody holds and of whose packs none `is_here`.
    pub fn sweep(local: &Path, is_here: impl Fn(&Path) -> bool) {
        each(local, |held, packs, note| {
            if !held && !packs.iter().any(|pack| is_here(pack)) {
                let _ = fs::remove_file(note);
            }
        });
    }
}

fn each(local: &Path, mut take: impl FnMut(bool, Vec<PathBuf>, &Path)) {
    for entry in fs::read_dir(local.join("puts")).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        // Looked at before it is read: one that ends meanwhile counts as running.
        let held = lock::try_lock(&file, Mode::Shared).is_err();
        // A line that was cut short by a crash names no pack.
        let lines = fs::read_to_string(&path).unwrap_or_default();
        let whole = lines.rfind('\n').map_or("", |end| &lines[..end]);
        take(held, whole.lines().map(PathBuf::from).collect(), &path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_are_running_until_the_session_ends_and_then_left_behind_or_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (recorded, killed) = (PutNote::new(dir.path()), PutNote::new(dir.path()));
        recorded.add(Path::new("packs/ab/one")).unwrap();
        killed.add(Path::new("packs/cd/two")).unwrap();
        killed.add(Path::new("packs/cd/three")).unwrap();
        assert_eq!(PutNotes::read(dir.path()).running.len(), 3);
        recorded.clear();
        drop(killed);
        let notes = PutNotes::read(dir.path());
        assert!(notes.running.is_empty() && notes.left_behind.len() == 2);
        let reused = BTreeSet::from([PathBuf::from("packs/cd/three")]);
        let write = |note: &Path, lines: &[u8]| fs::write(note, lines).map_err(|e| Error::io("write", note, e));
        PutNotes::forget(dir.path(), &reused, write).unwrap();
        assert_eq!(PutNotes::read(dir.path()).left_behind, HashSet::from([PathBuf::from("packs/cd/two")]));
        PutNotes::sweep(dir.path(), |pack| pack.ends_with("two"));
        assert_eq!(PutNotes::read(dir.path()).left_behind.len(), 1);
        PutNotes::sweep(dir.path(), |_| false);
        assert_eq!(PutNotes::read(dir.path()).left_behind.len(), 0);
    }
}
