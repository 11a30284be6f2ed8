//! The only code that syncs and renames in a store, and what it knows to be on disk.
//!
//! A file is written to a temporary one, `fsync`ed, renamed into place without clobbering, and
//! its directory (and the parent of every new directory) is `fsync`ed; only then does it count.
//! What was made durable here is noted in a list in local state, so that a file which somebody
//! else copied in is told apart from one that this store's writers have confirmed: see
//! "Publishing" in `docs/durability.md`.

mod batch;
mod confirmed;
mod copy;
mod draft;
mod keep;
mod output;
mod reserve;
mod settle;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, RenameFlags, linkat, renameat_with};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::lock::{self, Mode};
use confirmed::{Confirmed, Look};
pub use copy::{CopyBy, FillError};
pub use draft::Draft;
pub use keep::Keep;
use keep::Unsynced;
pub(crate) use keep::{is_as_named, is_hash_named};
pub use output::{Existing, Output};
pub(crate) use reserve::Reserve;
pub(crate) use settle::settle_all;

/// Age from which an unlocked temporary file is litter.
pub const TEMP_AGE_MAX: Duration = Duration::from_secs(3600);

/// The disk below a store, for those who write: its layout says where what is published lies, `local`
/// holds the temporary files and the list of what is confirmed.
#[derive(Debug)]
pub struct Disk {
    layout: Layout,
    tmp: PathBuf,
    confirmed: Mutex<Confirmed>,
    keep: Option<Keep>,
    unsynced: Mutex<Unsynced>,
}

impl Disk {
    /// Takes the layout of a store, and the directory of its local state, which must be there.
    pub fn new(layout: impl Into<Layout>, local: &Path) -> Result<Disk> {
        let tmp = local.join("tmp");
        // A reader who asks what is confirmed makes no call that writes.
        if !tmp.is_dir() {
            fs::create_dir_all(&tmp).map_err(|e| Error::io("create", &tmp, e))?;
        }
        let confirmed = Confirmed::load(local.join("confirmed"))?;
        Ok(Disk { layout: layout.into(), tmp, confirmed: Mutex::new(confirmed), keep: None, unsynced: Mutex::default() })
    }

    /// Begins a file that will be published or put into local state.
    pub fn draft(&self) -> Result<Draft> {
        Draft::in_dir(&self.tmp)
    }

    /// Publishes a draft as `relative` to the root: durable and confirmed when this returns.
    ///
    /// If a file is there already, `is_good` says whether it is what it should be: then it is
    /// kept and confirmed, else replaced.
    pub fn publish(&self, draft: Draft, relative: &Path, is_good: impl FnOnce(&Path) -> Result<bool>) -> Result<()> {
        self.place(draft, relative, is_good)?;
        self.confirm(relative)
    }

    /// The same, but not confirmed: for a pack that somebody else wrote, of which only the whole was
    /// hashed, and not yet what it holds. Returns whether the draft has the name.
    pub fn place(&self, draft: Draft, relative: &Path, is_good: impl FnOnce(&Path) -> Result<bool>) -> Result<bool> {
        let draft = draft.synced()?;
        let path = self.layout.path(relative);
        self.make_parents(relative)?;
        let placed = self.rename(draft, &path, is_good)?;
        self.sync_parent(&path)?;
        self.keep(relative)?;
        Ok(placed)
    }

    /// Gives a synced draft its name, or syncs what is there; its directory is for the caller.
    fn rename(&self, draft: Draft, path: &Path, is_good: impl FnOnce(&Path) -> Result<bool>) -> Result<bool> {
        match rename_new(draft.temp.path(), path) {
            Ok(()) => draft.disarm(),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                if is_good(path)? {
                    drop(draft);
                    sync_file(path)?;
                    return Ok(false);
                }
                fs::rename(draft.temp.path(), path).map_err(|e| Error::io("publish", path, e))?;
                draft.disarm();
            }
            Err(e) => return Err(Error::io("publish", path, e)),
        }
        Ok(true)
    }

    /// Makes a directory, and those above it in the store, durably.
    pub fn make_dir(&self, relative: &Path) -> Result<()> {
        self.make_parents(&relative.join("x"))
    }

    /// Syncs the directories from the store's up to `base`, in which its names stand.
    pub fn sync_above(&self, base: &Path) -> Result<()> {
        let above = self.layout.root().ancestors().skip(1).take_while(|dir| dir.starts_with(base));
        above.filter(|dir| !dir.as_os_str().is_empty()).try_for_each(sync_dir)
    }

    /// Returns where a file of the store lies, or belongs if it is nowhere.
    pub fn path(&self, relative: &Path) -> PathBuf {
        self.layout.path(relative)
    }

    /// Makes a file durable that somebody else put there, once the caller has checked its bytes.
    pub fn adopt(&self, relative: &Path) -> Result<()> {
        let path = self.layout.path(relative);
        sync_file(&path)?;
        let base = self.layout.base(relative);
        for dir in relative.ancestors().skip(1) {
            sync_dir(&base.join(dir))?;
        }
        self.keep(relative)?;
        self.confirm(relative)
    }

    /// Whether the file was published or adopted here and looks as it did then.
    pub fn is_confirmed(&self, relative: &Path) -> bool {
        let noted = self.confirmed().looks.get(relative).copied();
        noted.is_some() && noted == Look::at(&self.layout.path(relative)).ok()
    }

    /// Counts the files below some directories of the store that were published or adopted here.
    pub fn count_confirmed(&self, below: &[&Path]) -> u64 {
        self.confirmed().looks.keys().filter(|path| below.iter().any(|dir| path.starts_with(dir))).count() as u64
    }

    /// Writes a file of local state whole: atomically, but not durably, for it can be lost.
    pub fn write_local(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut draft = self.draft()?;
        draft.write_all(bytes)?;
        draft.replace_local(path)
    }

    /// Moves a file of the store to `to`, without clobbering, and syncs both directories.
    pub fn move_aside(&self, from: &Path, to: &Path) -> Result<()> {
        if let Some(relative) = self.layout.relative(from) {
            self.confirmed().forget(relative);
            self.forget_own(relative)?;
        }
        rename_new(from, to).map_err(|e| Error::io("move aside", from, e))?;
        self.sync_parent(to)?;
        self.sync_parent(from)
    }

    /// Gives a file of the store, which is about to be replaced or removed, the name `to` as well,
    /// without clobbering, and syncs that directory. Where there are no hard links it is moved.
    pub fn link_aside(&self, from: &Path, to: &Path) -> Result<()> {
        let is_linked = |to: &Path| fs::symlink_metadata(from).ok().zip(fs::symlink_metadata(to).ok()).is_some_and(is_one_file);
        match fs::hard_link(from, to) {
            Ok(()) => self.sync_parent(to),
            Err(_) if is_linked(to) => self.sync_parent(to),
            Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => self.move_aside(from, to),
            Err(e) => Err(Error::io("link", from, e)),
        }
    }

    /// Removes files of the store, given relative to it, and syncs the directories they were in.
    /// One that is gone already is no failure.
    pub fn remove(&self, files: &[PathBuf]) -> Result<()> {
        // What makes them dispensable may have a second name by now that is not on disk.
        self.sync_kept()?;
        self.forget_kept(files.iter().map(PathBuf::as_path))?;
        self.remove_synced(files)
    }

    /// Removes a file of the store that is damaged and has a name in `quarantine/`.
    pub fn remove_damaged(&self, relative: &Path) -> Result<()> {
        self.sync_kept()?;
        self.forget_own(relative)?;
        self.remove_synced(&[relative.to_owned()])
    }

    fn remove_synced(&self, files: &[PathBuf]) -> Result<()> {
        let mut parents = BTreeSet::new();
        for relative in files {
            let path = self.layout.path(relative);
            self.confirmed().forget(relative);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io("remove", &path, e)),
                _ => parents.extend(path.parent().filter(|dir| dir.is_dir()).map(Path::to_owned)),
            }
        }
        parents.iter().try_for_each(|dir| sync_dir(dir))
    }

    /// Removes temporary files of writers that died: unlocked and older than an hour by the
    /// file system's own clock.
    pub fn sweep(&self) -> Result<()> {
        let left: Vec<_> = fs::read_dir(&self.tmp).into_iter().flatten().flatten().collect();
        if left.is_empty() {
            return Ok(());
        }
        let now = self.file_system_time()?;
        for entry in left {
            let stale = || -> io::Result<bool> {
                let age = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
                Ok(age > TEMP_AGE_MAX && lock::try_lock(&File::open(entry.path())?, Mode::Exclusive).is_ok())
            };
            if stale().unwrap_or(false) {
                // Another writer may sweep at the same time; the file is gone either way.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Asks the file system of the store what time it is, by making a file.
    pub fn file_system_time(&self) -> Result<SystemTime> {
        let draft = self.draft()?;
        let meta = draft.temp.as_file().metadata().map_err(|e| Error::io("look at", draft.temp.path(), e))?;
        meta.modified().map_err(|e| Error::io("look at", draft.temp.path(), e))
    }

    fn make_parents(&self, relative: &Path) -> Result<()> {
        let base = self.layout.base(relative);
        let mut missing = Vec::new();
        for dir in relative.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty()) {
            // A directory that another writer has just made may not be on disk yet.
            if self.is_confirmed_dir(&base.join(dir), dir) {
                break;
            }
            missing.push(dir);
        }
        for dir in missing.into_iter().rev() {
            let path = base.join(dir);
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("create", &path, e)),
            }
            self.sync_parent(&path)?;
            self.confirm_at(&path, dir)?;
        }
        Ok(())
    }

    fn is_confirmed_dir(&self, path: &Path, relative: &Path) -> bool {
        let noted = self.confirmed().looks.get(relative).copied();
        let inode = fs::symlink_metadata(path).map(|meta| meta.ino());
        noted.is_some_and(|look| inode.is_ok_and(|inode| inode == look.inode))
    }

    fn sync_parent(&self, path: &Path) -> Result<()> {
        sync_dir(path.parent().unwrap_or(self.layout.root()))
    }

    fn confirm(&self, relative: &Path) -> Result<()> {
        self.confirm_at(&self.layout.path(relative), relative)
    }

    fn confirm_at(&self, path: &Path, relative: &Path) -> Result<()> {
        let look = Look::at(path).map_err(|e| Error::io("look at", path, e))?;
        if self.has_to_wait(relative, look) {
            self.confirmed().looks.insert(relative.to_owned(), look);
            return Ok(());
        }
        self.confirmed().add(relative, look)
    }

    fn confirmed(&self) -> MutexGuard<'_, Confirmed> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_one_file((a, b): (fs::Metadata, fs::Metadata)) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Renames without clobbering; by a hard link where the file system lacks the flag.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => link_new(from, to),
        result => result.map_err(io::Error::from),
    }
}

fn link_new(from: &Path, to: &Path) -> io::Result<()> {
    match linkat(CWD, from, CWD, to, AtFlags::empty()) {
        // There are no links either, as on exFAT. A file of a store that comes in between has the same name,
        // and so the same bytes.
        Err(Errno::PERM | Errno::NOSYS | Errno::NOTSUP) => match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
            Err(e) => Err(e),
        },
        result => {
            result?;
            fs::remove_file(from)
        }
    }
}

fn sync_file(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|e| Error::io("sync", path, e))
}

pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    let result = File::open(path).and_then(|dir| dir.sync_all());
    match result {
        // Some file systems cannot sync a directory and say so; there is nothing more to do.
        Err(e) if matches!(e.raw_os_error(), Some(22 | 95)) => Ok(()),
        result => result.map_err(|e| Error::io("sync", path, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, Disk) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("local")).unwrap();
        let disk = Disk::new(dir.path(), &dir.path().join("local")).unwrap();
        (dir, disk)
    }

    fn draft_of(disk: &Disk, bytes: &[u8]) -> Draft {
        let mut draft = disk.draft().unwrap();
        draft.write_all(bytes).unwrap();
        draft
    }

    #[test]
    fn a_published_file_is_read_only_and_confirmed_also_after_reopening() {
        let (dir, disk) = disk();
        let name = Path::new("packs/ab/abc");
        disk.publish(draft_of(&disk, b"one"), name, |_| Ok(false)).unwrap();
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"one");
        assert_eq!(fs::metadata(dir.path().join(name)).unwrap().mode() & 0o222, 0);
        let again = Disk::new(dir.path(), &dir.path().join("local")).unwrap();
        assert!(again.is_confirmed(name) && !again.is_confirmed(Path::new("packs/ab/other")));
        assert_eq!(fs::read_dir(dir.path().join("local/tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_good_file_under_the_name_is_kept_and_a_bad_one_replaced() {
        let (dir, disk) = disk();
        let name = Path::new("packs/x");
        fs::create_dir(dir.path().join("packs")).unwrap();
        fs::write(dir.path().join(name), b"bad").unwrap();
        disk.publish(draft_of(&disk, b"good"), name, |_| Ok(false)).unwrap();
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"good");
        disk.publish(draft_of(&disk, b"other"), name, |_| Ok(true)).unwrap();
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"good");
        assert_eq!(fs::read_dir(dir.path().join("local/tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_was_linked_aside_keeps_its_name_until_it_is_replaced() {
        let (dir, disk) = disk();
        let (name, aside) = (dir.path().join("x"), dir.path().join("aside"));
        fs::write(&name, b"bad").unwrap();
        disk.link_aside(&name, &aside).unwrap();
        disk.link_aside(&name, &aside).unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"bad");
        disk.publish(draft_of(&disk, b"good"), Path::new("x"), |_| Ok(false)).unwrap();
        assert_eq!((fs::read(&name).unwrap(), fs::read(&aside).unwrap()), (b"good".to_vec(), b"bad".to_vec()));
        disk.link_aside(&name, &aside).unwrap_err();
        // A directory cannot be linked.
        fs::create_dir(dir.path().join("dir")).unwrap();
        disk.link_aside(&dir.path().join("dir"), &dir.path().join("moved")).unwrap();
        assert!(dir.path().join("moved").is_dir() && !dir.path().join("dir").exists());
    }

    #[test]
    fn a_file_written_again_by_others_is_not_confirmed() {
        let (dir, disk) = disk();
        let name = Path::new("packs/x");
        disk.publish(draft_of(&disk, b"one"), name, |_| Ok(false)).unwrap();
        fs::remove_file(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name), b"oneone").unwrap();
        assert!(!disk.is_confirmed(name));
        disk.adopt(name).unwrap();
        assert!(disk.is_confirmed(name));
    }

    #[test]
    fn a_removed_file_that_comes_back_is_not_confirmed_whatever_its_times() {
        let (dir, disk) = disk();
        let name = Path::new("packs/x");
        disk.publish(draft_of(&disk, b"one"), name, |_| Ok(false)).unwrap();
        let (path, aside) = (dir.path().join(name), dir.path().join("aside"));
        // The same inode with the same bytes and times: only the change time tells.
        fs::hard_link(&path, &aside).unwrap();
        assert!(!disk.is_confirmed(name));
        disk.adopt(name).unwrap();
        assert!(disk.is_confirmed(name));
        disk.remove(&[name.to_owned()]).unwrap();
        fs::rename(&aside, &path).unwrap();
        let again = Disk::new(dir.path(), &dir.path().join("local")).unwrap();
        assert!(!disk.is_confirmed(name) && !again.is_confirmed(name));
    }

    #[test]
    fn a_torn_line_of_the_list_is_passed_over() {
        let (dir, disk) = disk();
        disk.publish(draft_of(&disk, b"one"), Path::new("a/x"), |_| Ok(false)).unwrap();
        let list = dir.path().join("local/confirmed");
        let mut bytes = fs::read(&list).unwrap();
        bytes.extend_from_slice(b"\n3 12");
        fs::write(&list, bytes).unwrap();
        let disk = Disk::new(dir.path(), &dir.path().join("local")).unwrap();
        disk.publish(draft_of(&disk, b"two"), Path::new("a/y"), |_| Ok(false)).unwrap();
        let disk = Disk::new(dir.path(), &dir.path().join("local")).unwrap();
        assert!(disk.is_confirmed(Path::new("a/x")) && disk.is_confirmed(Path::new("a/y")));
    }

    #[test]
    fn only_old_and_unlocked_temporary_files_are_swept() {
        let (dir, disk) = disk();
        let old = SystemTime::now() - Duration::from_secs(7200);
        let tmp = dir.path().join("local/tmp");
        for name in ["old", "old-locked"] {
            File::create(tmp.join(name)).unwrap().set_modified(old).unwrap();
        }
        File::create(tmp.join("new")).unwrap();
        let held = File::open(tmp.join("old-locked")).unwrap();
        lock::try_lock(&held, Mode::Exclusive).unwrap();
        disk.sweep().unwrap();
        assert!(!tmp.join("old").exists() && tmp.join("old-locked").exists() && tmp.join("new").exists());
    }
}
