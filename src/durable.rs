//! The only code that syncs and renames in a store, and what it knows to be on disk.
//!
//! A file is written to a temporary one, `fsync`ed, renamed into place without clobbering, and
//! its directory (and the parent of every new directory) is `fsync`ed; only then does it count.
//! What was made durable here is noted in a list in local state, so that a file which somebody
//! else copied in is told apart from one that this store's writers have confirmed: see
//! "Publishing" in `docs/durability.md`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::lock::{self, Mode};
use crate::quote::quote_path;

/// Age from which an unlocked temporary file is litter.
pub const TEMP_AGE_MAX: Duration = Duration::from_secs(3600);

/// The disk below a store, for those who write: `root` holds what is published, `local` the
/// temporary files and the list of what is confirmed.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    tmp: PathBuf,
    confirmed: Mutex<Confirmed>,
}

/// A temporary file that is being written; removed when dropped, unless published.
#[derive(Debug)]
pub struct Draft {
    temp: NamedTempFile,
}

/// What a confirmed file looked like when it was confirmed; if it looks different, somebody has
/// written it again and it is not confirmed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    len: u64,
    inode: u64,
    mtime_ns: i128,
}

#[derive(Debug)]
struct Confirmed {
    list: PathBuf,
    looks: HashMap<PathBuf, Look>,
}

impl Disk {
    /// Takes the directories of a store and of its local state, which must be there.
    pub fn new(root: &Path, local: &Path) -> Result<Disk> {
        let tmp = local.join("tmp");
        fs::create_dir_all(&tmp).map_err(|e| Error::io("create", &tmp, e))?;
        let confirmed = Confirmed::load(local.join("confirmed"))?;
        Ok(Disk { root: root.to_owned(), tmp, confirmed: Mutex::new(confirmed) })
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
        let draft = draft.synced()?;
        let path = self.root.join(relative);
        self.make_parents(relative)?;
        match rename_new(draft.temp.path(), &path) {
            Ok(()) => draft.disarm(),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                if is_good(&path)? {
                    drop(draft);
                    sync_file(&path)?;
                } else {
                    fs::rename(draft.temp.path(), &path).map_err(|e| Error::io("publish", &path, e))?;
                    draft.disarm();
                }
            }
            Err(e) => return Err(Error::io("publish", &path, e)),
        }
        self.sync_parent(&path)?;
        self.confirm(relative)
    }

    /// Makes a directory, and those above it in the store, durably.
    pub fn make_dir(&self, relative: &Path) -> Result<()> {
        self.make_parents(&relative.join("x"))
    }

    /// Syncs the directories from the store's up to `base`, in which its names stand.
    pub fn sync_above(&self, base: &Path) -> Result<()> {
        let above = self.root.ancestors().skip(1).take_while(|dir| dir.starts_with(base));
        above.filter(|dir| !dir.as_os_str().is_empty()).try_for_each(sync_dir)
    }

    /// Makes a file durable that somebody else put there, once the caller has checked its bytes.
    pub fn adopt(&self, relative: &Path) -> Result<()> {
        let path = self.root.join(relative);
        sync_file(&path)?;
        for dir in relative.ancestors().skip(1) {
            sync_dir(&self.root.join(dir))?;
        }
        self.confirm(relative)
    }

    /// Whether the file was published or adopted here and looks as it did then.
    pub fn is_confirmed(&self, relative: &Path) -> bool {
        let noted = self.confirmed().looks.get(relative).copied();
        noted.is_some() && noted == Look::at(&self.root.join(relative)).ok()
    }

    /// Writes a file of local state whole: atomically, but not durably, for it can be lost.
    pub fn write_local(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut draft = self.draft()?;
        draft.write_all(bytes)?;
        draft.replace_local(path)
    }

    /// Moves a file of the store to `to`, without clobbering, and syncs both directories.
    pub fn move_aside(&self, from: &Path, to: &Path) -> Result<()> {
        rename_new(from, to).map_err(|e| Error::io("move aside", from, e))?;
        self.sync_parent(from)?;
        self.sync_parent(to)
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
        let mut missing = Vec::new();
        for dir in relative.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty()) {
            // A directory that another writer has just made may not be on disk yet.
            if self.is_confirmed_dir(dir) {
                break;
            }
            missing.push(dir);
        }
        for dir in missing.into_iter().rev() {
            let path = self.root.join(dir);
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("create", &path, e)),
            }
            self.sync_parent(&path)?;
            self.confirm(dir)?;
        }
        Ok(())
    }

    fn is_confirmed_dir(&self, relative: &Path) -> bool {
        let noted = self.confirmed().looks.get(relative).copied();
        let inode = fs::symlink_metadata(self.root.join(relative)).map(|meta| meta.ino());
        noted.is_some_and(|look| inode.is_ok_and(|inode| inode == look.inode))
    }

    fn sync_parent(&self, path: &Path) -> Result<()> {
        sync_dir(path.parent().unwrap_or(&self.root))
    }

    fn confirm(&self, relative: &Path) -> Result<()> {
        let path = self.root.join(relative);
        let look = Look::at(&path).map_err(|e| Error::io("look at", &path, e))?;
        self.confirmed().add(relative, look)
    }

    fn confirmed(&self) -> MutexGuard<'_, Confirmed> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Draft {
    /// Begins a file in a directory on the file system where it will stay; read-only for
    /// everyone (less the umask) once its writer has closed it.
    pub fn in_dir(dir: &Path) -> Result<Draft> {
        let temp = tempfile::Builder::new()
            .prefix("tmp-")
            .permissions(Permissions::from_mode(0o444))
            .tempfile_in(dir)
            .map_err(|e| Error::io("create a temporary file in", dir, e))?;
        // A fresh file is free, unless a sweep looks at it just now, which it leaves alone.
        let _ = lock::try_lock(temp.as_file(), Mode::Exclusive);
        Ok(Draft { temp })
    }

    /// Appends bytes.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.temp.as_file_mut().write_all(bytes).map_err(|e| Error::io("write", self.temp.path(), e))
    }

    /// Writes bytes over what was written at an offset.
    pub fn write_at(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
        self.temp.as_file().write_all_at(bytes, offset).map_err(|e| Error::io("write", self.temp.path(), e))
    }

    /// Puts the file at a path of local state, over what may be there; atomic, not durable.
    pub fn replace_local(self, path: &Path) -> Result<()> {
        fs::rename(self.temp.path(), path).map_err(|e| Error::io("write", path, e))?;
        self.disarm();
        Ok(())
    }

    /// Syncs the bytes. After a failed `fsync` the pages of this file may count as clean though
    /// they are not on disk, so the bytes go into a new file, once.
    fn synced(self) -> Result<Draft> {
        let Err(first) = self.temp.as_file().sync_all() else { return Ok(self) };
        let dir = self.temp.path().parent().unwrap_or(Path::new(".")).to_owned();
        let again = || -> Result<Draft> {
            let mut draft = Draft::in_dir(&dir)?;
            let mut source = File::open(self.temp.path()).map_err(|e| Error::io("read", self.temp.path(), e))?;
            let before = blake3::Hasher::new().update_reader(&mut source).map_err(|e| Error::io("read", self.temp.path(), e))?.finalize();
            let mut source = File::open(self.temp.path()).map_err(|e| Error::io("read", self.temp.path(), e))?;
            let mut tee = Tee { file: draft.temp.as_file_mut(), hasher: blake3::Hasher::new() };
            io::copy(&mut source, &mut tee).map_err(|e| Error::io("write", self.temp.path(), e))?;
            if tee.hasher.finalize() != before {
                return Err(Error::failed("cannot write a file again after a failed sync: its bytes changed"));
            }
            draft.temp.as_file().sync_all().map_err(|e| Error::io("sync", draft.temp.path(), e))?;
            Ok(draft)
        };
        again().map_err(|error| error.within(format!("cannot sync {}: {first}", quote_path(self.temp.path()))))
    }

    fn disarm(self) {
        // The name is gone, so removing it is all that must not happen.
        let mut temp = self.temp;
        temp.disable_cleanup(true);
    }
}

struct Tee<'a> {
    file: &'a mut File,
    hasher: blake3::Hasher,
}

impl Write for Tee<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Look {
    fn at(path: &Path) -> io::Result<Look> {
        let meta = fs::symlink_metadata(path)?;
        let mtime_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Ok(Look { len: meta.len(), inode: meta.ino(), mtime_ns })
    }
}

// One line each: `LEN INODE MTIME_NS PATH`, a path with a newline in it left out. The last line
// wins; one that was cut short by a crash does not parse and is passed over.
impl Confirmed {
    fn load(list: PathBuf) -> Result<Confirmed> {
        let bytes = match fs::read(&list) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Error::io("read", &list, e)),
        };
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        let looks = bytes[..whole].split(|&b| b == b'\n').filter_map(parse_line).collect();
        Ok(Confirmed { list, looks })
    }

    fn add(&mut self, relative: &Path, look: Look) -> Result<()> {
        self.looks.insert(relative.to_owned(), look);
        let mut line = format!("\n{} {} {} ", look.len, look.inode, look.mtime_ns).into_bytes();
        line.extend_from_slice(relative.as_os_str().as_bytes());
        line.push(b'\n');
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.list)
            .and_then(|mut file| file.write_all(&line))
            .map_err(|e| Error::io("write", &self.list, e))
    }
}

fn parse_line(line: &[u8]) -> Option<(PathBuf, Look)> {
    let mut fields = line.splitn(4, |&b| b == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok();
    let (len, inode, mtime_ns) = (number()?.parse().ok()?, number()?.parse().ok()?, number()?.parse().ok()?);
    let path = OsString::from_vec(fields.next()?.to_vec());
    Some((PathBuf::from(path), Look { len, inode, mtime_ns }))
}

/// Renames without clobbering; by a hard link where the file system lacks the flag.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        result => result.map_err(io::Error::from),
    }
}

fn sync_file(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|e| Error::io("sync", path, e))
}

fn sync_dir(path: &Path) -> Result<()> {
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
