//! `quarantine/`, where damaged files are moved to: names in it, and the files in a pack's place that
//! never became packs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Store;
use super::session::Session;
use crate::context::Context;
use crate::durable::TEMP_AGE_MAX;
use crate::error::{Error, Result};
use crate::format::pack::{PackClass, PackError};
use crate::id::PackId;
use crate::index::Index;
use crate::layout::Layout;
use crate::lock::Wait;
use crate::pack::pack_path;
use crate::pack::reader::{Opened, Pack};
use crate::quote::quote_path;

/// Where it lies in a store.
pub(crate) const QUARANTINE: &str = "quarantine";

/// What stands between the name of a file in `quarantine/` and a number that tells it from others
/// of this name.
pub(crate) const COPY_MARK: char = '~';

/// Returns a name in `quarantine/` for a file of the store that nothing else has: one that the file
/// has already, because a repair was killed, will do.
pub(crate) fn free_name(layout: &Layout, path: &Path) -> PathBuf {
    let first = Path::new(QUARANTINE).join(path);
    let name = first.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let numbered = (1..).map(|number: u64| first.with_file_name(format!("{name}{COPY_MARK}{number}")));
    let mut names = std::iter::once(first.clone()).chain(numbered);
    let file = |path: &Path| fs::symlink_metadata(layout.path(path)).map(|meta| (meta.dev(), meta.ino())).ok();
    let own = file(path);
    names.find(|name| file(name).is_none_or(|file| Some(file) == own)).unwrap_or(first)
}

/// Moves files in a pack's place that never became whole packs, and that nothing has written to for
/// an hour, to `quarantine/`, so that the copy can be run again. Leaves them to the next writer
/// while others write, for these may just put a whole pack in their place.
pub(crate) fn move_torn_packs(store: &Store, context: &Context<'_>) {
    let torn = |class| store.index_if_open(class).map(Index::not_arrived).unwrap_or_default().into_iter().map(move |(id, _)| (class, id));
    let torn: Vec<(PackClass, PackId)> = torn(PackClass::Data).chain(torn(PackClass::Meta)).collect();
    if torn.is_empty() {
        return;
    }
    let at_once = Context { wait: Wait::Not, git: None, ..*context };
    let Ok(session) = Session::begin_alone(store, &at_once) else { return };
    for (class, id) in torn {
        match move_torn(&session, class, id) {
            Ok(None) => {}
            Ok(Some(why)) => {
                let path = store.layout().path(&pack_path(class, id));
                context.progress.warn(&format!("moved {} to `{QUARANTINE}/`, for {why}: copy it again", quote_path(&path)));
            }
            // What was stored is stored.
            Err(error) => context.progress.warn(&format!("cannot move a file aside that is no whole pack: {error}")),
        }
    }
}

/// Moves one if it is torn; says what it lacks.
fn move_torn(session: &Session<'_>, class: PackClass, id: PackId) -> Result<Option<PackError>> {
    let (layout, relative) = (session.store().layout(), pack_path(class, id));
    // It may have arrived, or been stored again, since it was listed.
    let Opened::NotArrived(why) = Pack::open(layout, class, id) else { return Ok(None) };
    if matches!(why, PackError::Unreadable(_) | PackError::Version(_)) {
        // It may well be whole.
        return Ok(None);
    }
    let path = layout.path(&relative);
    let now = session.disk().file_system_time()?;
    let changed = fs::symlink_metadata(&path).and_then(|meta| meta.modified()).map_err(|e| Error::io("look at", &path, e))?;
    if now.duration_since(changed).unwrap_or_default() <= TEMP_AGE_MAX {
        return Ok(None);
    }
    let to = free_name(layout, &relative);
    session.disk().make_dir(to.parent().unwrap_or(&to))?;
    session.disk().move_aside(&path, &layout.path(&to))?;
    Ok(Some(why))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::format::record::Time;
    use crate::progress::Silent;

    fn context() -> Context<'static> {
        Context { now: Time(jiff::Timestamp::UNIX_EPOCH), git: None, run: None, threads: 1, wait: Wait::Not, progress: &Silent }
    }

    /// Makes a store with an old file in a pack's place; returns where it lies.
    fn store_with(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("format"), crate::format::FORMAT_LINE).unwrap();
        let path = dir.path().join(pack_path(PackClass::Data, PackId::of(b"a pack")));
        write(&path, bytes);
        (dir, path)
    }

    fn write(path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        File::open(path).unwrap().set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    }

    /// Does what the next put does.
    fn move_torn_packs_of(root: &Path) {
        let store = Store::open(root).unwrap();
        store.index(PackClass::Data).unwrap();
        move_torn_packs(&store, &context());
    }

    #[test]
    fn what_is_torn_again_gets_a_name_of_its_own() {
        let (dir, path) = store_with(b"torn");
        move_torn_packs_of(dir.path());
        assert!(!path.exists());
        write(&path, b"torn elsewhere");
        move_torn_packs_of(dir.path());
        let aside =
            |mark: &str| fs::read(format!("{}{mark}", dir.path().join(QUARANTINE).join(path.strip_prefix(dir.path()).unwrap()).display()));
        assert_eq!((aside("").unwrap(), aside("~1").unwrap()), (b"torn".to_vec(), b"torn elsewhere".to_vec()));
        assert!(!path.exists());
    }

    #[test]
    fn nothing_is_moved_while_others_write() {
        let (dir, path) = store_with(b"torn");
        let (store, context) = (Store::open(dir.path()).unwrap(), context());
        let other = Session::begin(&store, &context).unwrap();
        move_torn_packs_of(dir.path());
        assert!(path.exists());
        drop(other);
        move_torn_packs_of(dir.path());
        assert!(!path.exists());
    }

    #[test]
    fn what_cannot_be_read_may_be_whole_and_stays() {
        let (dir, path) = store_with(b"");
        fs::remove_file(&path).unwrap();
        // Opening it to read the table fails.
        fs::create_dir(&path).unwrap();
        File::open(&path).unwrap().set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
        move_torn_packs_of(dir.path());
        assert!(path.exists());
    }
}
