//! Opening what somebody else may have put there.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, retry_on_intr};

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
