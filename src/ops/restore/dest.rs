//! The directory that is restored into, by file descriptors: no step through a symlink, no way
//! out. A directory is opened component by component without following links, so what is written
//! lies below the root even if somebody swaps directories for links meanwhile.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawMode, Stat};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::format::path::EntryPath;
use crate::quote::quote;

const DIR_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Directories that are held open at once: a path may have more than a process may open.
const OPEN_DIRS_MAX: usize = 64;

/// A directory to restore into, as one thread sees it: it remembers the directories it is in.
#[derive(Debug)]
pub(in crate::ops) struct Dest {
    path: PathBuf,
    root: OwnedFd,
    /// The directory last used: each component with its descriptor; the last, if there are
    /// [`OPEN_DIRS_MAX`], is all components that remain.
    open: Vec<(Vec<u8>, OwnedFd)>,
}

/// What is at a path.
#[derive(Debug)]
pub(in crate::ops) enum There {
    Nothing,
    File(Stat),
    Symlink(Vec<u8>),
    Dir,
    /// A FIFO, socket or device.
    Special,
    /// Something that is not a directory stands where a directory above the path should be.
    Blocked,
}

impl Dest {
    /// Opens a directory. Links in its own path are followed: the user named it.
    pub(in crate::ops) fn open(path: &Path) -> Result<Dest> {
        let root = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|e| Error::io("open", path, e.into()))?;
        Ok(Dest { path: path.to_owned(), root, open: Vec::new() })
    }

    /// Opens the same directory once more, for another thread.
    pub(in crate::ops) fn again(&self) -> Result<Dest> {
        let root = self.root.try_clone().map_err(|e| Error::io("open", &self.path, e))?;
        Ok(Dest { path: self.path.clone(), root, open: Vec::new() })
    }

    /// Returns where a path lies, for messages.
    pub(in crate::ops) fn shown(&self, path: &EntryPath) -> PathBuf {
        self.path.join(OsStr::from_bytes(path.as_bytes()))
    }

    /// Looks at a path without following a link.
    pub(in crate::ops) fn look(&mut self, path: &EntryPath) -> Result<There> {
        let (dir, name) = path.split_name();
        let parent = match self.dir(dir, false) {
            Ok(parent) => parent,
            Err(Errno::NOENT) => return Ok(There::Nothing),
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(There::Blocked),
            Err(e) => return Err(Error::io("read", &self.shown(path), e.into())),
        };
        let result = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode as RawMode) {
                FileType::RegularFile => Ok(There::File(stat)),
                FileType::Directory => Ok(There::Dir),
                FileType::Symlink => rustix::fs::readlinkat(parent, name, Vec::new()).map(|target| There::Symlink(target.into_bytes())),
                _ => Ok(There::Special),
            },
            Err(Errno::NOENT) => Ok(There::Nothing),
            Err(e) => Err(e),
        };
        result.map_err(|e| Error::io("read", &self.shown(path), e.into()))
    }

    /// Opens a file for reading without following a link.
    pub(in crate::ops) fn read(&mut self, path: &EntryPath) -> Result<File> {
        self.open_file(path, OFlags::RDONLY | OFlags::NONBLOCK, 0, false).map_err(|e| Error::io("read", &self.shown(path), e))
    }

    /// Makes a new file, and the directories above it.
    pub(in crate::ops) fn create(&mut self, path: &EntryPath, executable: bool) -> Result<File> {
        let mode = if executable { 0o777 } else { 0o666 };
        self.open_file(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, mode, true)
            .map_err(|e| Error::io("write", &self.shown(path), e))
    }

    /// Opens a file that this restore has made.
    pub(in crate::ops) fn reopen(&mut self, path: &EntryPath) -> Result<File> {
        self.open_file(path, OFlags::WRONLY, 0, false).map_err(|e| Error::io("write", &self.shown(path), e))
    }

    /// Makes a directory and those above it, where they are missing.
    pub(in crate::ops) fn make_dir(&mut self, path: &EntryPath) -> Result<()> {
        self.dir(path.as_bytes(), true).map(drop).map_err(|e| Error::io("create the directory", &self.shown(path), e.into()))
    }

    /// Makes a symlink, over what may be there if it is not a directory.
    pub(in crate::ops) fn make_link(&mut self, path: &EntryPath, target: &[u8], temp: &EntryPath) -> Result<()> {
        let (dir, _) = path.split_name();
        let name = temp.split_name().1;
        let made = self.dir(dir, true).and_then(|parent| rustix::fs::symlinkat(target, parent, name));
        made.map_err(|e| Error::io("create the link", &self.shown(path), e.into()))?;
        self.rename(temp, path).inspect_err(|_| {
            let _ = self.remove(temp);
        })
    }

    /// Renames within one directory, over what may be there if it is not a directory.
    pub(in crate::ops) fn rename(&mut self, from: &EntryPath, to: &EntryPath) -> Result<()> {
        let (dir, name) = to.split_name();
        let from_name = from.split_name().1;
        let renamed = self.dir(dir, false).and_then(|parent| match rustix::fs::renameat(parent, from_name, parent, name) {
            // An empty directory gives way to a file.
            Err(Errno::ISDIR) => {
                rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?;
                rustix::fs::renameat(parent, from_name, parent, name)
            }
            result => result,
        });
        renamed.map_err(|e| match e {
            Errno::NOTEMPTY | Errno::EXIST => {
                Error::refused(format!("cannot restore {}: a directory with files stands in its place", quote(to.as_bytes())))
                    .hint("move that directory away, or restore into another one")
            }
            e => Error::io("write", &self.shown(to), e.into()),
        })
    }

    /// Removes a file or link.
    pub(in crate::ops) fn remove(&mut self, path: &EntryPath) -> Result<()> {
        let (dir, name) = path.split_name();
        let removed = self.dir(dir, false).and_then(|parent| rustix::fs::unlinkat(parent, name, AtFlags::empty()));
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(Error::io("remove", &self.shown(path), e.into())),
        }
    }

    /// Removes the files that killed restores have left in a directory. One that cannot be removed
    /// does no harm.
    pub(in crate::ops) fn remove_left_temps(&mut self, dir: &[u8]) {
        let Ok(parent) = self.dir(dir, false) else { return };
        for entry in rustix::fs::Dir::read_from(parent).into_iter().flatten().flatten() {
            if is_left_temp(entry.file_name().to_bytes()) {
                let _ = rustix::fs::unlinkat(parent, entry.file_name(), AtFlags::empty());
            }
        }
    }

    /// Removes a directory if it is empty; says whether it did.
    pub(in crate::ops) fn remove_empty_dir(&mut self, path: &[u8]) -> Result<bool> {
        let at = path.iter().rposition(|&b| b == b'/');
        let (dir, name) = at.map_or((&[][..], path), |at| (&path[..at], &path[at + 1..]));
        // It may be in use as the directory last used.
        self.open.clear();
        match self.dir(dir, false).and_then(|parent| rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)) {
            Ok(()) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT | Errno::NOTDIR | Errno::BUSY) => Ok(false),
            Err(e) => Err(Error::io("remove the directory", &self.path.join(OsStr::from_bytes(path)), e.into())),
        }
    }

    /// Sets or clears the executable bits, for those who may read.
    pub(in crate::ops) fn set_executable(&mut self, path: &EntryPath, stat: &Stat, executable: bool) -> Result<()> {
        let mode = stat.st_mode as RawMode & 0o7777;
        let mode = if executable { mode | ((mode & 0o444) >> 2) } else { mode & !0o111 };
        let file = self.read(path)?;
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).map_err(|e| Error::io("change the mode of", &self.shown(path), e.into()))
    }

    fn open_file(&mut self, path: &EntryPath, flags: OFlags, mode: RawMode, make_dirs: bool) -> io::Result<File> {
        let (dir, name) = path.split_name();
        let parent = self.dir(dir, make_dirs)?;
        let fd = rustix::fs::openat(parent, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::from_raw_mode(mode))?;
        Ok(File::from(fd))
    }

    /// Goes to a directory below the root, from the one last used.
    fn dir(&mut self, dir: &[u8], make: bool) -> Result<BorrowedFd<'_>, Errno> {
        let wanted: Vec<&[u8]> = dir.split(|&b| b == b'/').filter(|part| !part.is_empty()).collect();
        let mut same = self.open.iter().zip(&wanted).take_while(|((have, _), want)| have == *want).count();
        let rest = self.open.get(OPEN_DIRS_MAX - 1);
        if same + 1 == OPEN_DIRS_MAX && rest.is_some_and(|(have, _)| *have == wanted[same..].join(&b'/')) {
            same = wanted.len();
        }
        self.open.truncate(same);
        for part in &wanted[same..] {
            let parent = self.open.last().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd());
            let fd = match rustix::fs::openat(parent, *part, DIR_FLAGS, Mode::empty()) {
                Err(Errno::NOENT) if make => {
                    match rustix::fs::mkdirat(parent, *part, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(e) => return Err(e),
                    }
                    rustix::fs::openat(parent, *part, DIR_FLAGS, Mode::empty())?
                }
                result => result?,
            };
            if self.open.len() < OPEN_DIRS_MAX {
                self.open.push((part.to_vec(), fd));
            } else if let Some((names, last)) = self.open.last_mut() {
                names.push(b'/');
                names.extend_from_slice(part);
                *last = fd;
            }
        }
        Ok(self.open.last().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd()))
    }
}

/// What the names of files that are being written begin with.
const TEMP_PREFIX: &str = ".art-tmp-";

/// What stands in the name of the file by which it is found out how names fold.
pub(super) const PROBE: &str = "Probe-é-";

/// Returns what the names of this process's temporary files begin with.
pub(super) fn temp_prefix() -> String {
    format!("{TEMP_PREFIX}{}-", std::process::id())
}

/// Returns a name beside `path` that nothing else uses.
pub(in crate::ops) fn temp_beside(path: &EntryPath, number: u64) -> Result<EntryPath> {
    let (dir, _) = path.split_name();
    let name = format!("{}{number}", temp_prefix()).into_bytes();
    let bytes = if dir.is_empty() { name } else { [dir, b"/", &name[..]].concat() };
    EntryPath::new(bytes).map_err(|why| Error::failed(format!("cannot restore {}: {why}", quote(path.as_bytes()))))
}

/// Whether a path is one that a restore writes under until it is done: nobody's work.
pub(in crate::ops) fn is_temp(path: &EntryPath) -> bool {
    writer_of(path.split_name().1).is_some()
}

/// Whether a name is of a file whose writer is gone.
fn is_left_temp(name: &[u8]) -> bool {
    let writer = writer_of(name).and_then(rustix::process::Pid::from_raw);
    writer.is_some_and(|writer| rustix::process::test_kill_process(writer) == Err(Errno::SRCH))
}

/// Returns the process that writes under a name, if it is one that a restore writes under.
fn writer_of(name: &[u8]) -> Option<i32> {
    let (writer, rest) = std::str::from_utf8(name).ok()?.strip_prefix(TEMP_PREFIX)?.split_once('-')?;
    let is_ours = rest.parse::<u64>().is_ok() || rest.starts_with(PROBE);
    writer.parse().ok().filter(|_| is_ours)
}
