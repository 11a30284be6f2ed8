//! Opening, looking at and listing what somebody else may have put there.

use std::fs::{self, DirEntry, File, Metadata};
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, retry_on_intr};

use crate::error::{Error, Result};

/// Opens a file that must be a regular one: a FIFO in its place must not hang its reader.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let is_none = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match retry_on_intr(|| open(path, flags, Mode::empty())) {
        Ok(fd) => File::from(fd),
        // A link, and a socket or a device that nobody serves.
        Err(Errno::LOOP | Errno::NXIO) => return Err(is_none()),
        Err(e) => return Err(e.into()),
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(is_none()) }
}

/// Looks at a file or link; none if nothing is there.
pub(crate) fn look_at(path: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(e) if is_absent(&e) => Ok(None),
        Err(e) => Err(Error::io("look at", path, e)),
    }
}

/// Lists a directory; nothing if it is not there.
pub(crate) fn entries_in(dir: &Path) -> Result<Vec<DirEntry>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if is_absent(&e) => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list", dir, e)),
    };
    entries.map(|entry| entry.map_err(|e| Error::io("list", dir, e))).collect()
}

/// Lists the names in a directory that are text; none if it is not there.
pub(crate) fn names_in(dir: &Path) -> Result<Vec<String>> {
    Ok(entries_in(dir)?.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
