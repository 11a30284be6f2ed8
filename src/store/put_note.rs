//! Notes, in local state, of packs whose version is not recorded yet.
//!
//! While a put runs it holds the lock of its note, and what the note lists is not to be touched.
//! A note that nobody holds tells which packs a put has left behind: nothing will name them,
//! unless the put is run again. A note that is lost costs disk, never data.
//!
//! A note is only ever appended to: a line names a pack, or strikes one out after a `-`, for good. What
//! versions name is kept whatever a note says; a pack is struck out so that it is also kept while their
//! records are away. Nothing here is synced, and each gc strikes out again what it finds in use.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
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
        let (file, path) = match &mut *open {
            Some(open) => open,
            none => none.insert(make(&self.dir)?),
        };
        file.write_all(&[pack.as_os_str().as_bytes(), b"\n"].concat()).map_err(|e| Error::io("write", path, e))
    }

    /// Strikes out what a record names now, and gives the note up. What it still lists, of a try that came to
    /// nothing, is left behind.
    pub(super) fn end(&self, named: &BTreeSet<PathBuf>) {
        if let Some((_held, path)) = self.file.lock().unwrap_or_else(PoisonError::into_inner).take() {
            strike(&path, named, Then::Remove);
        }
    }
}

impl PutNotes {
    /// Reads the notes in a folder of local state.
    pub fn read(local: &Path) -> PutNotes {
        let mut notes = PutNotes::default();
        each(local, |held, note| match held {
            // The put may rest on what others have recorded, too.
            true => notes.running.extend(named_and_struck(note).0),
            false => notes.left_behind.extend(listed(note)),
        });
        notes
    }

    /// Strikes packs out of all notes: versions rest on them, whoever stored them.
    pub fn strike(local: &Path, packs: &BTreeSet<PathBuf>) {
        each(local, |held, note| strike(note, packs, if held { Then::Keep } else { Then::Remove }));
    }

    /// Removes notes that nobody holds and of whose packs none `is_here`.
    pub fn sweep(local: &Path, is_here: impl Fn(&Path) -> bool) {
        each(local, |held, note| {
            if !held && !listed(note).iter().any(|pack| is_here(pack)) {
                let _ = fs::remove_file(note);
            }
        });
    }
}

/// Makes a note that is held before anybody can take it for one that nobody holds.
fn make(dir: &Path) -> Result<(File, PathBuf)> {
    fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
    loop {
        let made =
            tempfile::Builder::new().prefix("put-").append(true).tempfile_in(dir).map_err(|e| Error::io("create a file in", dir, e))?;
        let locked = lock::try_lock(made.as_file(), Mode::Exclusive);
        // Who reads the notes may have looked at it before it was locked, and a sweep have removed it.
        let is_seen = locked.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock) || !made.path().exists();
        if !is_seen {
            return made.keep().map_err(|e| Error::io("create a file in", dir, e.error));
        }
    }
}

/// What becomes of a note that lists nothing any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Keep,
    Remove,
}

/// Strikes packs out of a note. One in which that cannot be said goes: its packs are nobody's then.
fn strike(note: &Path, packs: &BTreeSet<PathBuf>, then: Then) {
    let (struck, left): (Vec<PathBuf>, Vec<PathBuf>) = listed(note).into_iter().partition(|pack| packs.contains(pack));
    // What stands before may have been cut short.
    let lines: Vec<u8> = struck.iter().flat_map(|pack| [b"\n-", pack.as_os_str().as_bytes(), b"\n"].concat()).collect();
    let is_over = left.is_empty() && then == Then::Remove;
    if is_over || !lines.is_empty() && append(note, &lines).is_err() {
        let _ = fs::remove_file(note);
    }
}

fn append(note: &Path, lines: &[u8]) -> io::Result<()> {
    OpenOptions::new().append(true).open(note)?.write_all(lines)
}

/// Returns the packs that a note lists and that are not struck out.
fn listed(note: &Path) -> HashSet<PathBuf> {
    let (named, struck) = named_and_struck(note);
    named.difference(&struck).cloned().collect()
}

/// Returns the packs that a note names, and those that are struck out.
fn named_and_struck(note: &Path) -> (HashSet<PathBuf>, HashSet<PathBuf>) {
    let bytes = fs::read(note).unwrap_or_default();
    // A line that was cut short by a crash names no pack.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(&[][..], |end| &bytes[..end]);
    let pack = |line: &[u8]| PathBuf::from(OsStr::from_bytes(line));
    let (mut named, mut struck) = (HashSet::new(), HashSet::new());
    for line in whole.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        match line.strip_prefix(b"-") {
            Some(line) => struck.insert(pack(line)),
            None => named.insert(pack(line)),
        };
    }
    (named, struck)
}

/// Takes each note, and whether somebody holds it.
fn each(local: &Path, mut take: impl FnMut(bool, &Path)) {
    for entry in fs::read_dir(local.join("puts")).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        // Looked at before it is read: one that ends meanwhile counts as running.
        let held = lock::try_lock(&file, Mode::Shared).is_err();
        take(held, &path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    fn set(packs: &[&str]) -> BTreeSet<PathBuf> {
        packs.iter().map(PathBuf::from).collect()
    }

    fn left_behind(dir: &Path) -> BTreeSet<PathBuf> {
        PutNotes::read(dir).left_behind.into_iter().collect()
    }

    #[test]
    fn packs_are_running_until_the_session_ends_and_then_left_behind_or_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (recorded, killed) = (PutNote::new(dir.path()), PutNote::new(dir.path()));
        recorded.add(Path::new("packs/ab/one")).unwrap();
        killed.add(Path::new("packs/cd/two")).unwrap();
        killed.add(Path::new("packs/cd/three")).unwrap();
        assert_eq!(PutNotes::read(dir.path()).running.len(), 3);
        recorded.end(&set(&["packs/ab/one"]));
        drop(killed);
        let notes = PutNotes::read(dir.path());
        assert!(notes.running.is_empty() && notes.left_behind.len() == 2);
        PutNotes::strike(dir.path(), &set(&["packs/cd/three"]));
        assert_eq!(left_behind(dir.path()), set(&["packs/cd/two"]));
        PutNotes::sweep(dir.path(), |pack| pack.ends_with("two"));
        assert_eq!(PutNotes::read(dir.path()).left_behind.len(), 1);
        PutNotes::sweep(dir.path(), |_| false);
        assert_eq!(fs::read_dir(dir.path().join("puts")).unwrap().count(), 0);
    }

    #[test]
    fn what_a_try_stored_that_came_to_nothing_is_left_behind_when_the_next_is_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let note = PutNote::new(dir.path());
        for pack in ["packs/ab/first", "packs/ab/both", "packs/ab/second"] {
            note.add(Path::new(pack)).unwrap();
        }
        note.end(&set(&["packs/ab/both", "packs/ab/second"]));
        assert_eq!((PutNotes::read(dir.path()).running.len(), left_behind(dir.path())), (0, set(&["packs/ab/first"])));
        PutNotes::strike(dir.path(), &set(&["packs/ab/first"]));
        assert_eq!(fs::read_dir(dir.path().join("puts")).unwrap().count(), 0);
    }

    #[test]
    fn what_others_have_recorded_meanwhile_is_not_left_behind_by_a_put_that_runs() {
        for is_killed in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let note = PutNote::new(dir.path());
            note.add(Path::new("packs/ab/reused")).unwrap();
            PutNotes::strike(dir.path(), &set(&["packs/ab/reused"]));
            note.add(Path::new("packs/ab/more")).unwrap();
            note.add(Path::new("packs/ab/reused")).unwrap();
            assert_eq!(PutNotes::read(dir.path()).running, ["packs/ab/more", "packs/ab/reused"].map(PathBuf::from).into());
            match is_killed {
                true => drop(note),
                false => note.end(&set(&["packs/ab/new"])),
            }
            assert_eq!(left_behind(dir.path()), set(&["packs/ab/more"]));
        }
    }

    #[test]
    fn a_line_that_was_cut_short_names_nothing_and_hides_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("puts")).unwrap();
        fs::write(dir.path().join("puts/put-1"), "packs/ab/one\npacks/ab/two\npacks/cd/th").unwrap();
        assert_eq!(left_behind(dir.path()), set(&["packs/ab/one", "packs/ab/two"]));
        PutNotes::strike(dir.path(), &set(&["packs/ab/one"]));
        assert_eq!(left_behind(dir.path()), set(&["packs/ab/two", "packs/cd/th"]));
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
                note.end(&set(&["packs/ab/one"]));
            }
            is_done.store(true, Relaxed);
        });
    }
}
