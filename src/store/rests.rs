//! Notes, in local state, of the packs on which manifests rest, all of them confirmed: what a later session
//! need not look up again. One that is lost costs that look-up.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::durable::Disk;
use crate::error::{Error, Result};
use crate::id::PageId;

/// Where they lie in local state.
const DIR: &str = "rests";

/// Most notes that are kept, and most bytes of them: each may list all packs of a store.
const NOTES_MAX: usize = 1024;
const BYTES_MAX: u64 = 32 << 20;

/// Returns the packs on which a manifest is noted to rest, relative to the store. They must still be
/// confirmed for that to mean anything.
pub(super) fn read(local: &Path, manifest: PageId) -> Option<Vec<PathBuf>> {
    let note = fs::read_to_string(local.join(DIR).join(manifest.to_string())).ok()?;
    Some(note.strip_suffix(".\n")?.lines().map(PathBuf::from).collect())
}

/// Notes on which packs a manifest rests, and drops the oldest notes where there are too many.
pub(super) fn write(disk: &Disk, local: &Path, manifest: PageId, packs: &BTreeSet<PathBuf>) -> Result<()> {
    let dir = local.join(DIR);
    fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
    let list: Vec<String> = packs.iter().map(|path| format!("{}\n", path.display())).collect();
    disk.write_local(&dir.join(manifest.to_string()), format!("{}.\n", list.concat()).as_bytes())?;
    drop_oldest(&dir, NOTES_MAX, BYTES_MAX);
    Ok(())
}

/// Removes the notes of manifests that rested on packs which are gone.
pub(crate) fn forget(local: &Path, gone: &HashSet<PathBuf>) {
    for entry in fs::read_dir(local.join(DIR)).into_iter().flatten().flatten() {
        let note = fs::read_to_string(entry.path()).unwrap_or_default();
        if note.lines().any(|line| gone.contains(Path::new(line))) {
            // One that stays is not believed, for its packs are not there.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Drops notes, the oldest first, down to half of what is allowed, so that it is rarely to be done.
fn drop_oldest(dir: &Path, count_max: usize, bytes_max: u64) {
    let notes = fs::read_dir(dir).into_iter().flatten().flatten();
    let look = |entry: fs::DirEntry| Some((entry.metadata().ok()?, entry.path()));
    let mut notes: Vec<_> = notes.filter_map(look).filter_map(|(meta, path)| Some((meta.modified().ok()?, meta.len(), path))).collect();
    let mut bytes: u64 = notes.iter().map(|(_, len, _)| len).sum();
    if notes.len() <= count_max && bytes <= bytes_max {
        return;
    }
    notes.sort();
    let mut count = notes.len();
    // The last is the one that was just written.
    for (_, len, path) in &notes[..count - 1] {
        if count <= count_max / 2 && bytes <= bytes_max / 2 {
            break;
        }
        // One that stays is dropped some day.
        let _ = fs::remove_file(path);
        (count, bytes) = (count - 1, bytes - len);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn notes(dir: &Path, lens: &[usize]) {
        for (number, len) in lens.iter().enumerate() {
            let path = dir.join(number.to_string());
            fs::write(&path, "x".repeat(*len)).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64);
            fs::File::open(&path).unwrap().set_modified(at).unwrap();
        }
    }

    fn left(dir: &Path) -> BTreeSet<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn the_oldest_go_where_there_are_too_many_or_too_much_of_them() {
        let dir = tempfile::tempdir().unwrap();
        notes(dir.path(), &[1; 8]);
        drop_oldest(dir.path(), 8, 8);
        assert_eq!(left(dir.path()).len(), 8);
        drop_oldest(dir.path(), 7, 8);
        assert_eq!(left(dir.path()), ["5", "6", "7"].map(str::to_owned).into());
        notes(dir.path(), &[10, 10, 100]);
        drop_oldest(dir.path(), 100, 50);
        assert!(left(dir.path()).contains("7") && !left(dir.path()).contains("0"), "{:?}", left(dir.path()));
    }

    #[test]
    fn the_note_that_was_just_written_stays() {
        let dir = tempfile::tempdir().unwrap();
        notes(dir.path(), &[10, 1000]);
        drop_oldest(dir.path(), 100, 50);
        assert_eq!(left(dir.path()), ["1".to_owned()].into());
    }
}
