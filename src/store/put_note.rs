//! Notes, in local state, of packs whose version is not recorded yet.
//!
//! While a put runs it holds the lock of its note, and what the note lists is not to be touched.
//! A note that nobody holds tells which packs a put has left behind: nothing will name them,
//! unless the put is run again. A note that is lost costs disk, never data.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::lock::{self, Mode};

/// The note of one session.
#[derive(Debug)]
pub(super) struct PutNote {
    dir: PathBuf,
    note: Mutex<Option<Note>>,
}

/// A note whose lock is held.
#[derive(Debug)]
struct Note {
    file: File,
    path: PathBuf,
    packs: Vec<PathBuf>,
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
        PutNote { dir: local.join("puts"), note: Mutex::default() }
    }

    /// Notes a pack that is about to be published.
    pub(super) fn add(&self, pack: &Path) -> Result<()> {
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        let note = match &mut *note {
            Some(note) => note,
            none => none.insert(Note::make(&self.dir)?),
        };
        note.file.write_all(&line(pack)).map_err(|e| Error::io("write", &note.path, e))?;
        note.packs.push(pack.to_owned());
        Ok(())
    }

    /// Drops the note: a record names all of `named` now. What the put has stored besides, in a try that
    /// came to nothing, is left behind; `write` puts a note of it in this one's place.
    pub(super) fn end(&self, named: &BTreeSet<PathBuf>, write: impl FnMut(&Path, &[u8]) -> Result<()>) -> Result<()> {
        let note = self.note.lock().unwrap_or_else(PoisonError::into_inner).take();
        note.map_or(Ok(()), |note| without(&note.path, &note.packs, named, write))
    }
}

impl Note {
    /// Makes a note that is held before anybody can take it for one that nobody holds.
    fn make(dir: &Path) -> Result<Note> {
        fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        loop {
            let made = tempfile::Builder::new().prefix("put-").tempfile_in(dir).map_err(|e| Error::io("create a file in", dir, e))?;
            let locked = lock::try_lock(made.as_file(), Mode::Exclusive);
            // Who reads the notes has looked at it before it was locked, and a sweep may have removed it.
            let is_seen = locked.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock) || !made.path().exists();
            if !is_seen {
                let (file, path) = made.keep().map_err(|e| Error::io("create a file in", dir, e.error))?;
                return Ok(Note { file, path, packs: Vec::new() });
            }
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
            if !held && result.is_ok() && noted.iter().any(|pack| packs.contains(pack)) {
                result = without(note, &noted, packs, &mut write);
            }
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

/// Takes packs out of a note; one that lists nothing any more goes.
fn without(note: &Path, noted: &[PathBuf], packs: &BTreeSet<PathBuf>, mut write: impl FnMut(&Path, &[u8]) -> Result<()>) -> Result<()> {
    let left: Vec<u8> = noted.iter().filter(|pack| !packs.contains(*pack)).flat_map(|pack| line(pack)).collect();
    if left.is_empty() {
        // One that stays lists packs that a record names.
        let _ = fs::remove_file(note);
        return Ok(());
    }
    write(note, &left)
}

fn line(pack: &Path) -> Vec<u8> {
    [pack.as_os_str().as_bytes(), b"\n"].concat()
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
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn packs_are_running_until_the_session_ends_and_then_left_behind_or_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (recorded, killed) = (PutNote::new(dir.path()), PutNote::new(dir.path()));
        recorded.add(Path::new("packs/ab/one")).unwrap();
        killed.add(Path::new("packs/cd/two")).unwrap();
        killed.add(Path::new("packs/cd/three")).unwrap();
        assert_eq!(PutNotes::read(dir.path()).running.len(), 3);
        recorded.end(&BTreeSet::from([PathBuf::from("packs/ab/one")]), |_, _| panic!("nothing is left")).unwrap();
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

    #[test]
    fn what_a_try_stored_that_came_to_nothing_is_left_behind_when_the_next_is_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let note = PutNote::new(dir.path());
        for pack in ["packs/ab/first", "packs/ab/both", "packs/ab/second"] {
            note.add(Path::new(pack)).unwrap();
        }
        let named = ["packs/ab/both", "packs/ab/second"].map(PathBuf::from).into();
        note.end(&named, |note, lines| fs::write(note, lines).map_err(|e| Error::io("write", note, e))).unwrap();
        let notes = PutNotes::read(dir.path());
        assert_eq!((notes.running.len(), notes.left_behind), (0, [PathBuf::from("packs/ab/first")].into()));
    }

    #[test]
    fn a_note_is_held_from_the_start_though_others_look_at_it_and_sweep() {
        let dir = tempfile::tempdir().unwrap();
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Relaxed) {
                    PutNotes::sweep(dir.path(), |_| false);
                }
            });
            for _ in 0..2000 {
                let note = PutNote::new(dir.path());
                note.add(Path::new("packs/ab/one")).unwrap();
                let running = PutNotes::read(dir.path()).running.len();
                is_done.store(running != 1, Relaxed);
                assert_eq!(running, 1);
                note.end(&[PathBuf::from("packs/ab/one")].into(), |_, _| Ok(())).unwrap();
            }
            is_done.store(true, Relaxed);
        });
    }
}
