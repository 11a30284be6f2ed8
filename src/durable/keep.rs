//! Second names, in a folder that nothing cleans, for files that somebody may remove whom nobody
//! asked: hard links, or copies where there are none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::confirmed::Look;
use super::{CopyBy, Disk, FillError, is_one_file, sync_dir};
use crate::error::{Error, Result};

/// Longest file that gets a second name by copying, in bytes: more than any file of a store has.
const COPY_LEN_MAX: u64 = 1 << 30;

/// Which files get a second name, and where.
#[derive(Clone, Debug)]
pub struct Keep {
    /// The folder.
    pub dir: PathBuf,
    /// Directories, below the root, of files that come before the record which names them: their
    /// second names are on disk when the record's is.
    pub packs: &'static [&'static str],
    /// Directories of records.
    pub records: &'static [&'static str],
}

impl Keep {
    fn is_record(&self, relative: &Path) -> bool {
        self.records.iter().any(|dir| relative.starts_with(dir))
    }

    /// Returns the second name of a file below a root.
    fn name(&self, root: &Path, relative: &Path) -> Option<PathBuf> {
        let has_one = self.is_record(relative) || self.packs.iter().any(|dir| relative.starts_with(dir));
        let has_one = has_one && !root.join(relative).starts_with(&self.dir);
        relative.file_name().filter(|_| has_one).map(|name| self.dir.join(name))
    }
}

impl Disk {
    /// Gives second names to what is published and adopted from here on.
    #[must_use]
    pub fn keeping(self, keep: Option<Keep>) -> Disk {
        Disk { keep, ..self }
    }

    /// Gives a file its second name, if it is of those that have one. To be called before the file
    /// is confirmed: a link changes how it looks.
    pub(super) fn keep(&self, relative: &Path) -> Result<()> {
        self.link_kept(relative)?;
        let is_record = self.keep.as_ref().is_some_and(|keep| keep.is_record(relative));
        if is_record { self.sync_kept() } else { Ok(()) }
    }

    /// The same, not yet on disk.
    pub(super) fn link_kept(&self, relative: &Path) -> Result<()> {
        let Some(keep) = &self.keep else { return Ok(()) };
        let Some(to) = keep.name(&self.root, relative) else { return Ok(()) };
        let from = self.root.join(relative);
        if let Ok(there) = fs::symlink_metadata(&to) {
            let file = fs::symlink_metadata(&from).map_err(|e| Error::io("look at", &from, e))?;
            if is_one_file((there, file)) {
                // By a try that may have been killed before it was on disk.
                self.is_keep_synced.store(false, Ordering::Relaxed);
                return Ok(());
            }
            // Of a file that was damaged, or that git has written again.
            fs::remove_file(&to).map_err(|e| Error::io("remove", &to, e))?;
        }
        self.make_keep_dir(&keep.dir)?;
        self.link_or_copy(&from, &to)?;
        self.is_keep_synced.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Gives second names to files that are there, durably.
    pub fn keep_all<'p>(&self, files: impl Iterator<Item = &'p Path>) -> Result<()> {
        for relative in files {
            let is_confirmed = self.is_confirmed(relative);
            self.link_kept(relative)?;
            if is_confirmed {
                self.confirm(relative)?;
            }
        }
        self.sync_kept()
    }

    /// Makes the second names durable.
    pub(super) fn sync_kept(&self) -> Result<()> {
        match &self.keep {
            Some(keep) if !self.is_keep_synced.swap(true, Ordering::Relaxed) => sync_dir(&keep.dir),
            _ => Ok(()),
        }
    }

    /// Takes the second name from a file that is about to be removed for good.
    pub(super) fn forget_kept(&self, relative: &Path) {
        if let Some(name) = self.keep.as_ref().and_then(|keep| keep.name(&self.root, relative)) {
            // One that stays is put back some day, and removed again.
            let _ = fs::remove_file(name);
        }
    }

    /// Gives a file that is gone its first name again; the caller has checked its bytes.
    pub fn put_back(&self, kept: &Path, relative: &Path) -> Result<()> {
        let path = self.root.join(relative);
        self.make_parents(relative)?;
        if fs::symlink_metadata(&path).is_err() {
            self.link_or_copy(kept, &path)?;
        }
        self.sync_parent(&path)?;
        self.confirm(relative)
    }

    /// Takes the second name from a file that is safe without it. Nobody else may be writing: the
    /// file looks different afterwards.
    pub fn drop_kept(&self, kept: &Path, relative: &Path) -> Result<()> {
        let path = self.root.join(relative);
        let before = Look::at(&path).ok().filter(|_| self.is_confirmed(relative));
        match fs::remove_file(kept) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io("remove", kept, e)),
            _ => {}
        }
        match before.zip(Look::at(&path).ok()) {
            Some((before, after)) if before.has_bytes_of(&after) => self.confirm(relative),
            _ => Ok(()),
        }
    }

    fn make_keep_dir(&self, dir: &Path) -> Result<()> {
        match dir.strip_prefix(&self.root) {
            Ok(relative) => self.make_dir(relative),
            Err(_) if dir.is_dir() => Ok(()),
            Err(_) => {
                fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
                dir.parent().map_or(Ok(()), sync_dir)
            }
        }
    }

    fn link_or_copy(&self, from: &Path, to: &Path) -> Result<()> {
        match fs::hard_link(from, to) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            // No links at all, none between two disks, or too many of this file.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::PermissionDenied
                        | io::ErrorKind::Unsupported
                        | io::ErrorKind::CrossesDevices
                        | io::ErrorKind::TooManyLinks
                ) => {}
            Err(e) => return Err(Error::io("link", from, e)),
        }
        let mut draft = self.draft()?;
        let source = fs::File::open(from).map_err(|e| Error::io("read", from, e))?;
        match draft.fill_from_file(&source, COPY_LEN_MAX, CopyBy::Kernel) {
            Ok(_) => {}
            Err(FillError::Draft(error)) => return Err(error),
            Err(FillError::Source(e)) => return Err(Error::io("read", from, e)),
            Err(FillError::TooLong) => return Err(Error::failed("cannot copy a file: it is longer than any of a store")),
        }
        let draft = draft.synced()?;
        match draft.replace_local(to) {
            Ok(()) => Ok(()),
            // The two lie on different disks.
            Err(_) => fs::copy(from, to).map(drop).map_err(|e| Error::io("copy", from, e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: (&[&str], &[&str]) = (&["meta"], &["refs"]);

    fn disk(dir: &Path) -> Disk {
        fs::create_dir_all(dir.join("local")).unwrap();
        let keep = Keep { dir: dir.join("kept"), packs: KEEP.0, records: KEEP.1 };
        Disk::new(dir, &dir.join("local")).unwrap().keeping(Some(keep))
    }

    fn publish(disk: &Disk, path: &str, bytes: &[u8]) {
        let mut draft = disk.draft().unwrap();
        draft.write_all(bytes).unwrap();
        disk.publish(draft, Path::new(path), |_| Ok(false)).unwrap();
    }

    #[test]
    fn what_is_published_has_a_second_name_and_is_confirmed_with_it_and_without() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path());
        publish(&disk, "meta/m", b"pages");
        publish(&disk, "refs/r", b"record");
        publish(&disk, "packs/p", b"chunks");
        let kept = |name: &str| dir.path().join("kept").join(name);
        assert!(kept("m").exists() && kept("r").exists() && !kept("p").exists());
        for path in ["meta/m", "refs/r", "packs/p"] {
            assert!(disk.is_confirmed(Path::new(path)), "{path}");
        }
        disk.drop_kept(&kept("m"), Path::new("meta/m")).unwrap();
        assert!(!kept("m").exists() && disk.is_confirmed(Path::new("meta/m")));
        // One that somebody has written again is not confirmed by the way.
        fs::remove_file(dir.path().join("refs/r")).unwrap();
        fs::write(dir.path().join("refs/r"), "other!").unwrap();
        disk.drop_kept(&kept("r"), Path::new("refs/r")).unwrap();
        assert!(!disk.is_confirmed(Path::new("refs/r")));
    }

    #[test]
    fn what_is_gone_is_put_back_and_what_is_removed_for_good_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path());
        publish(&disk, "refs/r", b"record");
        fs::remove_dir_all(dir.path().join("refs")).unwrap();
        disk.put_back(&dir.path().join("kept/r"), Path::new("refs/r")).unwrap();
        assert_eq!(fs::read(dir.path().join("refs/r")).unwrap(), b"record");
        assert!(disk.is_confirmed(Path::new("refs/r")));
        disk.remove(&[PathBuf::from("refs/r")]).unwrap();
        assert!(!dir.path().join("kept/r").exists());
    }

    #[test]
    fn a_second_name_that_a_killed_try_left_is_synced_before_the_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path());
        publish(&disk, "refs/r", b"record");
        assert!(disk.is_keep_synced.load(Ordering::Relaxed));
        disk.link_kept(Path::new("refs/r")).unwrap();
        assert!(!disk.is_keep_synced.load(Ordering::Relaxed));
    }

    #[test]
    fn a_file_that_replaces_another_takes_its_second_name() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path());
        publish(&disk, "meta/m", b"damaged");
        publish(&disk, "meta/m", b"good");
        assert_eq!(fs::read(dir.path().join("kept/m")).unwrap(), b"good");
    }
}
