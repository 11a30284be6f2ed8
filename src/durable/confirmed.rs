//! Lists, in local state, of what is known to be on disk, and how it looked then.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What a confirmed file looked like when it was confirmed; if it looks different, somebody has
/// written it again and it is not confirmed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) len: u64,
    pub(super) inode: u64,
    mtime_ns: i128,
    /// When the file was last changed in any way; no program can set it.
    ctime_ns: i128,
}

#[derive(Debug)]
pub(super) struct Confirmed {
    list: PathBuf,
    pub(super) looks: HashMap<PathBuf, Look>,
}

impl Look {
    pub(super) fn at(path: &Path) -> io::Result<Look> {
        let meta = fs::symlink_metadata(path)?;
        let ns = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        let (mtime_ns, ctime_ns) = (ns(meta.mtime(), meta.mtime_nsec()), ns(meta.ctime(), meta.ctime_nsec()));
        Ok(Look { len: meta.len(), inode: meta.ino(), mtime_ns, ctime_ns })
    }

    /// Whether the two are of one file that was not written to between them.
    pub(super) fn has_bytes_of(&self, other: &Look) -> bool {
        (self.len, self.inode, self.mtime_ns) == (other.len, other.inode, other.mtime_ns)
    }
}

// One line each: `LEN INODE MTIME_NS CTIME_NS PATH`, a path with a newline in it left out. The last line
// wins; one that was cut short by a crash does not parse and is passed over.
impl Confirmed {
    pub(super) fn load(list: PathBuf) -> Result<Confirmed> {
        let bytes = match fs::read(&list) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Error::io("read", &list, e)),
        };
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        let looks = bytes[..whole].split(|&b| b == b'\n').filter_map(parse_line).collect();
        Ok(Confirmed { list, looks })
    }

    /// Takes a file off the list: what comes under its name later is another's.
    pub(super) fn forget(&mut self, relative: &Path) {
        if self.looks.contains_key(relative) {
            // No file looks like this. On a full disk the line is lost; then the change time tells.
            let _ = self.add(relative, Look { len: 0, inode: 0, mtime_ns: 0, ctime_ns: 0 });
            self.looks.remove(relative);
        }
    }

    pub(super) fn add(&mut self, relative: &Path, look: Look) -> Result<()> {
        self.add_all(&[(relative, look)])
    }

    pub(super) fn add_all(&mut self, files: &[(&Path, Look)]) -> Result<()> {
        let mut lines = Vec::new();
        for (relative, look) in files {
            self.looks.insert(relative.to_path_buf(), *look);
            lines.extend_from_slice(format!("\n{} {} {} {} ", look.len, look.inode, look.mtime_ns, look.ctime_ns).as_bytes());
            lines.extend_from_slice(relative.as_os_str().as_bytes());
            lines.push(b'\n');
        }
        if lines.is_empty() {
            return Ok(());
        }
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.list)
            .and_then(|mut file| file.write_all(&lines))
            .map_err(|e| Error::io("write", &self.list, e))
    }
}

fn parse_line(line: &[u8]) -> Option<(PathBuf, Look)> {
    let mut fields = line.splitn(5, |&b| b == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok();
    let (len, inode) = (number()?.parse().ok()?, number()?.parse().ok()?);
    let (mtime_ns, ctime_ns) = (number()?.parse().ok()?, number()?.parse().ok()?);
    let path = OsString::from_vec(fields.next()?.to_vec());
    Some((PathBuf::from(path), Look { len, inode, mtime_ns, ctime_ns }))
}
