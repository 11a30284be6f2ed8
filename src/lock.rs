//! Kernel file locks between processes (`flock`), the one place that calls fs2.
//!
//! fs2 is called by full path: `std::fs::File` has methods of the same names, which would win
//! silently. A lock's file may be deleted under its holder (somebody removes `local/`), which
//! would let a second holder in; [`Lock::check`] tells before something is published.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::quote::quote_path;

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Together with other shared holders.
    Shared,
    /// Alone.
    Exclusive,
}

/// What to do when another process holds the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Wait, and say so after a second.
    #[default]
    Patiently,
    /// Fail at once with [`ErrorKind::Busy`].
    Not,
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    is_inherited: bool,
}

impl Drop for Lock {
    /// Gives the lock back at once. Closing the file alone would leave it with a process that another
    /// thread is just starting, which has all open files until it becomes the other program.
    fn drop(&mut self) {
        if !self.is_inherited {
            let _ = fs2::FileExt::unlock(&self.file);
        }
    }
}

impl Lock {
    /// Takes the lock on `path`, which is made if it is not there.
    pub fn take(path: &Path, mode: Mode, wait: Wait, progress: &dyn Progress) -> Result<Lock> {
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        Lock::take_opened(open, path, mode, wait, progress)
    }

    /// Takes the lock on `path` together with others and writes nothing, not even the file; none if
    /// it is not there, for then nobody holds it.
    pub fn share_existing(path: &Path, wait: Wait, progress: &dyn Progress) -> Result<Option<Lock>> {
        match Lock::take_opened(|| File::open(path), path, Mode::Shared, wait, progress) {
            Ok(lock) => Ok(Some(lock)),
            Err(_) if !path.exists() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn take_opened(open: impl Fn() -> io::Result<File>, path: &Path, mode: Mode, wait: Wait, progress: &dyn Progress) -> Result<Lock> {
        let mut started = None;
        loop {
            let file = open().map_err(|e| Error::io("open the lock", path, e))?;
            match try_lock(&file, mode) {
                Ok(()) => {
                    let lock = Lock { file, path: path.to_owned(), is_inherited: false };
                    // Between open and lock somebody may have replaced the file.
                    if lock.check().is_ok() {
                        return Ok(lock);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    if wait == Wait::Not {
                        return Err(Error::new(ErrorKind::Busy, format!("cannot lock {}: another process holds it", quote_path(path)))
                            .hint("run the command again without `--no-wait`, or when the other one is done"));
                    }
                    wait_a_little(&mut started, path, progress);
                }
                Err(e) => return Err(Error::io("lock", path, e)),
            }
        }
    }

    /// Lets processes that are started from here on keep the lock for as long as they last.
    pub fn inherit(&mut self) -> Result<()> {
        self.is_inherited = true;
        rustix::io::fcntl_setfd(&self.file, rustix::io::FdFlags::empty()).map_err(|e| Error::io("keep the lock", &self.path, e.into()))
    }

    /// Fails if the lock's file is no longer the one at its path: then others may hold it too.
    pub fn check(&self) -> Result<()> {
        let held = self.file.metadata().map_err(|e| Error::io("look at the lock", &self.path, e))?;
        match std::fs::symlink_metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == (held.dev(), held.ino()) => Ok(()),
            _ => Err(Error::failed(format!("lost the lock {}: its file was removed meanwhile", quote_path(&self.path)))
                .hint("run the command again, and leave `local/` alone while it runs")),
        }
    }
}

/// Takes a lock on an open file if nobody else holds it; for temporary files in use.
pub fn try_lock(file: &File, mode: Mode) -> io::Result<()> {
    let result = match mode {
        Mode::Shared => fs2::FileExt::try_lock_shared(file),
        Mode::Exclusive => fs2::FileExt::try_lock_exclusive(file),
    };
    match result {
        Err(e) if e.raw_os_error() == fs2::lock_contended_error().raw_os_error() => Err(io::ErrorKind::WouldBlock.into()),
        other => other,
    }
}

fn wait_a_little(started: &mut Option<(Instant, bool)>, path: &Path, progress: &dyn Progress) {
    let (since, told) = started.get_or_insert((Instant::now(), false));
    if !*told && since.elapsed() >= Duration::from_secs(1) {
        progress.waiting(&path.display().to_string());
        *told = true;
    }
    // Polling keeps the wait interruptible and lets a removed lock file be noticed.
    std::thread::sleep(Duration::from_millis(if since.elapsed().as_millis() < 100 { 1 } else { 10 }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn exclusive_shuts_others_out_and_shared_lets_shared_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path, Mode::Shared, Wait::Not, &Silent).unwrap();
        let second = Lock::take(&path, Mode::Shared, Wait::Not, &Silent).unwrap();
        let refused = Lock::take(&path, Mode::Exclusive, Wait::Not, &Silent).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Busy);
        drop((first, second));
        let alone = Lock::take(&path, Mode::Exclusive, Wait::Not, &Silent).unwrap();
        assert_eq!(Lock::take(&path, Mode::Shared, Wait::Not, &Silent).unwrap_err().kind(), ErrorKind::Busy);
        drop(alone);
    }

    #[test]
    fn a_lock_that_is_there_is_shared_without_writing_anything() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(Lock::share_existing(&path, Wait::Not, &Silent).unwrap().is_none() && !path.exists());
        let alone = Lock::take(&path, Mode::Exclusive, Wait::Not, &Silent).unwrap();
        assert_eq!(Lock::share_existing(&path, Wait::Not, &Silent).unwrap_err().kind(), ErrorKind::Busy);
        drop(alone);
        let shared = Lock::share_existing(&path, Wait::Not, &Silent).unwrap().unwrap();
        assert_eq!(Lock::take(&path, Mode::Exclusive, Wait::Not, &Silent).unwrap_err().kind(), ErrorKind::Busy);
        drop(shared);
    }

    #[test]
    fn a_lock_is_given_back_though_its_file_is_still_open_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let mut lock = Lock::take(&path, Mode::Exclusive, Wait::Not, &Silent).unwrap();
        let same = lock.file.try_clone().unwrap();
        drop(lock);
        lock = Lock::take(&path, Mode::Exclusive, Wait::Not, &Silent).unwrap();
        drop(same);
        let same = lock.file.try_clone().unwrap();
        lock.inherit().unwrap();
        drop(lock);
        assert_eq!(Lock::take(&path, Mode::Shared, Wait::Not, &Silent).unwrap_err().kind(), ErrorKind::Busy);
        drop(same);
        Lock::take(&path, Mode::Exclusive, Wait::Not, &Silent).unwrap();
    }

    #[test]
    fn a_removed_lock_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::take(&path, Mode::Exclusive, Wait::Not, &Silent).unwrap();
        lock.check().unwrap();
        std::fs::remove_file(&path).unwrap();
        lock.check().unwrap_err();
        let _other = Lock::take(&path, Mode::Exclusive, Wait::Not, &Silent).unwrap();
        lock.check().unwrap_err();
    }
}
