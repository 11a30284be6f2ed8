//! Second names, in a folder that nothing cleans, for files that somebody may remove whom nobody
//! asked: hard links, or copies where there are none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use super::confirmed::Look;
use super::{CopyBy, Disk, FillError, is_one_file, sync_dir, sync_file};
use crate::error::{Error, Result};
use crate::open::{look_at, open_regular};

/// Longest file that gets a second name by copying, in bytes: more than any file of a store has.
const COPY_LEN_MAX: u64 = 1 << 30;

/// Packs whose second names wait for one sync: a killed put has so many hashed again.
const WAITING_MAX: usize = 16;

/// Which files get a second name, and where.
#[derive(Clone, Debug)]
pub struct Keep {
    /// The folder, in the store or in what it shares.
    pub dir: PathBuf,
    /// Directories, below the root, of files that come before the record which names them: their
    /// second names are on disk when the record's is.
    pub packs: &'static [&'static str],
    /// Directories of records.
    pub records: &'static [&'static str],
    /// Directories of files that may have one from a time when other files got them.
    pub ever: &'static [&'static str],
}

/// Second names that may not be on disk yet.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    is_any: bool,
    /// Files that count as confirmed for others once they are.
    waiting: Vec<(PathBuf, Look)>,
}

impl Keep {
    fn is_record(&self, relative: &Path) -> bool {
        self.records.iter().any(|dir| relative.starts_with(dir))
    }

    /// Whether a file below the root gets one.
    pub fn has(&self, relative: &Path) -> bool {
        self.is_record(relative) || self.packs.iter().any(|dir| relative.starts_with(dir))
    }

    /// Returns the second name of a file below a root.
    fn name(&self, root: &Path, relative: &Path) -> Option<PathBuf> {
        let has_one = self.has(relative) && !root.join(relative).starts_with(&self.dir);
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
        let is_record = self.keep.as_ref().is_some_and(|keep| keep.is_record(relative));
        if is_record {
            // A record that is brought back without its packs would be a version without its bytes.
            self.sync_kept()?;
        }
        self.link_kept(relative)?;
        let is_due = is_record || self.unsynced().waiting.len() >= WAITING_MAX;
        if is_due { self.sync_kept() } else { Ok(()) }
    }

    /// The same, not yet on disk.
    pub(super) fn link_kept(&self, relative: &Path) -> Result<()> {
        let Some(keep) = &self.keep else { return Ok(()) };
        let Some(to) = keep.name(self.layout.root(), relative) else { return Ok(()) };
        let from = self.layout.path(relative);
        if let Some(there) = look_at(&to)? {
            let file = fs::symlink_metadata(&from).map_err(|e| Error::io("look at", &from, e))?;
            if is_one_file((there, file)) {
                // By a try that may have been killed before it was on disk.
                self.unsynced().is_any = true;
                return Ok(());
            }
            // Of a file that was damaged, or that git has written again; what is not what its name says, and was
            // not checked, does not replace what may be the last good one.
            if !is_good(&from)? {
                return Ok(());
            }
            self.link_over(&from, &to)?;
        } else {
            self.layout.relative(&keep.dir).map_or(Ok(()), |dir| self.make_dir(dir))?;
            self.link_or_copy(&from, &to)?;
        }
        self.unsynced().is_any = true;
        Ok(())
    }

    /// Has `link` give second names to files: to records once those of packs are on disk, as in
    /// [`Disk::keep`].
    pub(super) fn link_in_order<'p>(&self, files: impl Iterator<Item = &'p Path>, link: impl Fn(&'p Path) -> Result<()>) -> Result<()> {
        let is_record = |relative: &&Path| self.keep.as_ref().is_some_and(|keep| keep.is_record(relative));
        let (records, packs): (Vec<&Path>, Vec<&Path>) = files.partition(is_record);
        packs.into_iter().try_for_each(&link)?;
        if !records.is_empty() {
            self.sync_kept()?;
        }
        records.into_iter().try_for_each(link)
    }

    /// Gives second names to files that are there, durably.
    pub fn keep_all<'p>(&self, files: impl Iterator<Item = &'p Path>) -> Result<()> {
        self.link_in_order(files, |relative| {
            let is_confirmed = self.is_confirmed(relative);
            self.link_kept(relative)?;
            if is_confirmed { self.confirm(relative) } else { Ok(()) }
        })?;
        self.sync_kept()
    }

    /// Makes the second names durable, and notes the files that waited for it as confirmed. Every
    /// record does so by the way; who acknowledges something without one calls it.
    pub fn sync_kept(&self) -> Result<()> {
        let Some(keep) = &self.keep else { return Ok(()) };
        // Held throughout: another thread's sync must have ended before this one relies on it.
        let mut unsynced = self.unsynced();
        if !unsynced.is_any {
            return Ok(());
        }
        sync_dir(&keep.dir)?;
        unsynced.is_any = false;
        let waiting = std::mem::take(&mut unsynced.waiting);
        let files: Vec<(&Path, Look)> = waiting.iter().map(|(path, look)| (path.as_path(), *look)).collect();
        self.confirmed().add_all(&files)
    }

    /// Whether a file is to be noted as confirmed only with the next sync of second names.
    pub(super) fn has_to_wait(&self, relative: &Path, look: Look) -> bool {
        let has_one = self.has_second_name(relative);
        let mut unsynced = self.unsynced();
        let has_to_wait = has_one && unsynced.is_any;
        if has_to_wait {
            unsynced.waiting.push((relative.to_owned(), look));
        }
        has_to_wait
    }

    /// Whether a file is of those that get a second name.
    pub(super) fn has_second_name(&self, relative: &Path) -> bool {
        self.keep.as_ref().is_some_and(|keep| keep.name(self.layout.root(), relative).is_some())
    }

    fn unsynced(&self) -> MutexGuard<'_, Unsynced> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the second names from files that are about to be removed for good, durably: one that stayed
    /// would be told as gone from its place, and put back.
    pub(super) fn forget_kept<'p>(&self, files: impl Iterator<Item = &'p Path>) -> Result<()> {
        let Some(keep) = &self.keep else { return Ok(()) };
        let has_one =
            |relative: &Path| keep.ever.iter().any(|dir| relative.starts_with(dir)) && !self.layout.path(relative).starts_with(&keep.dir);
        let mut is_any = false;
        for relative in files {
            self.unsynced().waiting.retain(|(path, _)| path != relative);
            if let Some(name) = relative.file_name().filter(|_| has_one(relative)) {
                is_any |= remove_kept(&keep.dir.join(name))?;
            }
        }
        if is_any { sync_dir(&keep.dir) } else { Ok(()) }
    }

    /// Takes the second name from a file that is moved aside, if it is one of this very file, or damaged: that of
    /// another may be the last good one of its name.
    pub(super) fn forget_own(&self, relative: &Path) -> Result<()> {
        let Some((keep, name)) = self.keep.as_ref().zip(relative.file_name()) else { return Ok(()) };
        let to = keep.dir.join(name);
        let Some(meta) = look_at(&to)? else { return Ok(()) };
        let is_own = look_at(&self.layout.path(relative))?.is_some_and(|file| is_one_file((meta, file)));
        if is_own || !is_good(&to)? { self.forget_kept([relative].into_iter()) } else { Ok(()) }
    }

    /// Gives a file that is gone its first name again; the caller has checked its bytes, and syncs
    /// second names in the end. It does not count as confirmed: nobody may have looked at what a pack of
    /// another store says that it holds.
    pub fn put_back(&self, kept: &Path, relative: &Path) -> Result<()> {
        let path = self.layout.path(relative);
        self.make_parents(relative)?;
        if fs::symlink_metadata(&path).is_err() {
            self.link_or_copy(kept, &path)?;
        }
        sync_file(&path)?;
        self.sync_parent(&path)?;
        // By a try that may have been killed before it was on disk.
        self.unsynced().is_any = true;
        Ok(())
    }

    /// Takes the second name from a file that is safe without it, unless something damaged is in its place.
    /// Nobody else may be writing: the file looks different afterwards.
    pub fn drop_kept(&self, kept: &Path, relative: &Path) -> Result<()> {
        let path = self.layout.path(relative);
        if let Some((there, meta)) = look_at(&path)?.zip(look_at(kept)?)
            && !is_one_file((there, meta))
            && !is_good(&path)?
        {
            return Ok(());
        }
        let before = Look::at(&path).ok().filter(|_| self.is_confirmed(relative));
        remove_kept(kept)?;
        match before.zip(Look::at(&path).ok()) {
            Some((before, after)) if before.has_bytes_of(&after) => self.confirm(relative),
            _ => Ok(()),
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
        self.copy_over(from, to)
    }

    /// Gives a name to a file in place of another.
    fn link_over(&self, from: &Path, to: &Path) -> Result<()> {
        let link = tempfile::Builder::new().prefix("tmp-").make_in(&self.tmp, |path| fs::hard_link(from, path));
        if link.is_ok_and(|link| fs::rename(link.path(), to).is_ok()) {
            return Ok(());
        }
        self.copy_over(from, to)
    }

    fn copy_over(&self, from: &Path, to: &Path) -> Result<()> {
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
            // The two lie on different disks. What is there may be another name of some file.
            Err(_) => {
                let _ = fs::remove_file(to);
                fs::copy(from, to).map_err(|e| Error::io("copy", from, e))?;
                sync_file(to)
            }
        }
    }
}

/// Removes a second name; says whether there was one.
fn remove_kept(at: &Path) -> Result<bool> {
    match fs::remove_file(at) {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(Error::io("remove", at, e)),
    }
}

/// Whether there is a file whose bytes are as its name says.
fn is_good(path: &Path) -> Result<bool> {
    match is_as_named(path) {
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(false),
        is_good => is_good.map_err(|e| Error::io("read", path, e)),
    }
}

/// Whether the bytes of a regular file are as its name says.
pub(crate) fn is_as_named(path: &Path) -> io::Result<bool> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(open_regular(path)?)?;
    Ok(is_hash_named(hasher.finalize(), path))
}

/// Whether a hash begins as the name of a file, or the last part of it, says.
pub(crate) fn is_hash_named(hash: blake3::Hash, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digits = name.rsplit('.').next().unwrap_or_default();
    !digits.is_empty() && hash.to_hex().starts_with(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: (&[&str], &[&str]) = (&["meta"], &["refs"]);

    fn disk(dir: &Path) -> Disk {
        fs::create_dir_all(dir.join("local")).unwrap();
        let keep = Keep { dir: dir.join("kept"), packs: KEEP.0, records: KEEP.1, ever: &["meta", "refs", "packs"] };
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
        assert!(!disk.is_confirmed(Path::new("refs/r")), "nobody has adopted it");
        disk.remove(&[PathBuf::from("refs/r")]).unwrap();
        assert!(!dir.path().join("kept/r").exists());
    }

    #[test]
    fn a_second_name_that_a_killed_try_left_is_synced_before_the_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path());
        publish(&disk, "refs/r", b"record");
        assert!(!disk.unsynced().is_any);
        disk.link_kept(Path::new("refs/r")).unwrap();
        assert!(disk.unsynced().is_any);
    }

    #[test]
    fn a_pack_is_confirmed_for_others_once_its_second_name_is_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path());
        let others = |path: &str| Disk::new(dir.path(), &dir.path().join("local")).unwrap().is_confirmed(Path::new(path));
        publish(&disk, "meta/m", b"pages");
        publish(&disk, "packs/p", b"chunks");
        assert!(disk.is_confirmed(Path::new("meta/m")) && !others("meta/m"));
        assert!(others("packs/p"), "it has none");
        publish(&disk, "refs/r", b"record");
        assert!(others("meta/m") && others("refs/r"));
        // What is removed meanwhile is not confirmed later.
        publish(&disk, "meta/n", b"more");
        let aside = dir.path().join("aside");
        disk.move_aside(&dir.path().join("meta/n"), &aside).unwrap();
        disk.sync_kept().unwrap();
        assert!(
            fs::read_to_string(dir.path().join("local/confirmed"))
                .unwrap()
                .lines()
                .all(|line| !line.ends_with("meta/n") || line.starts_with("0 0"))
        );
        // Of many packs not all wait for a record, nor what goes when others are removed.
        let last = format!("meta/{}", WAITING_MAX + 1);
        (0..WAITING_MAX + 2).for_each(|at| publish(&disk, &format!("meta/{at}"), b"pages"));
        assert!(others("meta/0") && !others(&last));
        disk.remove(&[PathBuf::from("meta/0")]).unwrap();
        assert!(others(&last));
    }

    #[test]
    fn a_file_that_replaces_another_takes_its_second_name() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path());
        let name = blake3::hash(b"good").to_hex().to_string();
        let (path, kept) = (format!("meta/{name}"), dir.path().join("kept").join(&name));
        publish(&disk, &path, b"damaged");
        publish(&disk, &path, b"good");
        assert_eq!(fs::read(&kept).unwrap(), b"good");
        assert_eq!(fs::read_dir(dir.path().join("local/tmp")).unwrap().count(), 0);
        // Where there are no links, or none between the two.
        fs::write(dir.path().join("other"), "other").unwrap();
        disk.copy_over(&dir.path().join("other"), &kept).unwrap();
        assert_eq!(fs::read(&kept).unwrap(), b"other");
        assert_eq!(fs::read(dir.path().join(path)).unwrap(), b"good");
    }

    #[test]
    fn what_is_damaged_in_its_place_does_not_replace_a_second_name() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path());
        let hash = blake3::hash(b"good").to_hex();
        for name in [format!("meta/{hash}"), format!("refs/7.{}", &hash[..16])] {
            let path = Path::new(&name);
            publish(&disk, &name, b"good");
            let kept = dir.path().join("kept").join(path.file_name().unwrap());
            for bytes in ["", "torn", "good"] {
                // As git does it after a power cut.
                fs::remove_file(dir.path().join(path)).unwrap();
                fs::write(dir.path().join(path), bytes).unwrap();
                disk.settle([path].into_iter(), |_| std::collections::HashSet::new()).unwrap();
                disk.keep_all([path].into_iter()).unwrap();
                assert_eq!(fs::read(&kept).unwrap(), b"good");
            }
            assert!(is_one_file((fs::metadata(&kept).unwrap(), fs::metadata(dir.path().join(path)).unwrap())), "{name}");
        }
    }

    #[test]
    fn what_is_removed_loses_a_second_name_of_another_time_and_what_is_no_file_of_the_store_none() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path());
        ["kept", "aside"].iter().for_each(|name| fs::create_dir(dir.path().join(name)).unwrap());
        publish(&disk, "packs/p", b"chunks");
        ["kept/p", "aside/p"].iter().for_each(|to| fs::hard_link(dir.path().join("packs/p"), dir.path().join(to)).unwrap());
        disk.remove(&[PathBuf::from("aside/p")]).unwrap();
        assert!(dir.path().join("kept/p").exists());
        disk.remove(&[PathBuf::from("packs/p")]).unwrap();
        assert!(!dir.path().join("kept/p").exists());
    }

    #[test]
    fn records_are_linked_once_the_second_names_of_packs_are_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path());
        for path in ["refs/r", "meta/m", "refs/s", "meta/n"] {
            fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(path), path).unwrap();
        }
        let linked = std::cell::RefCell::new(Vec::new());
        let link = |path: &'static Path| {
            linked.borrow_mut().push((path.to_str().unwrap(), disk.unsynced().is_any));
            disk.link_kept(path)
        };
        disk.link_in_order(["refs/r", "meta/m", "refs/s", "meta/n"].map(Path::new).into_iter(), link).unwrap();
        assert_eq!(linked.into_inner(), [("meta/m", false), ("meta/n", true), ("refs/r", false), ("refs/s", true)]);
    }

    #[test]
    fn a_file_whose_second_name_cannot_be_removed_stays() {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk(dir.path());
        publish(&disk, "refs/r", b"record");
        fs::remove_file(dir.path().join("kept/r")).unwrap();
        fs::create_dir(dir.path().join("kept/r")).unwrap();
        disk.remove(&[PathBuf::from("refs/r")]).unwrap_err();
        disk.move_aside(&dir.path().join("refs/r"), &dir.path().join("aside")).unwrap_err();
        assert!(dir.path().join("refs/r").exists());
    }
}
