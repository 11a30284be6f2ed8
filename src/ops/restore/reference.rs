//! What a reference names, restored from this computer.
//!
//! A store may have been written by an enemy, who would have files read that are not the
//! version's. So only a file is taken whose digest and length are recorded and whose bytes are
//! exactly these; nothing but a regular file is opened, and none of another length.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};

use super::dest::Dest;
use super::{Restore, RestoreOutcome};
use crate::error::{Error, Result};
use crate::format::manifest::{Entry, EntryKind, Reference};
use crate::format::path::EntryPath;
use crate::id::FileDigest;
use crate::quote::quote;
use crate::uri;

/// How much is read at a time.
const READ_LEN: usize = 256 << 10;

/// A reference that cannot be restored here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LackingReference {
    /// Its entry.
    pub path: EntryPath,
    /// Where it is.
    pub uri: String,
    /// Why not.
    pub why: String,
}

/// A file of this computer that a reference names.
pub(in crate::ops) struct Target {
    path: PathBuf,
    digest: FileDigest,
    size_bytes: u64,
}

impl Target {
    /// Finds what a reference names, or why it cannot be restored, without looking at it.
    pub(in crate::ops) fn of(reference: &Reference) -> Result<Target, String> {
        let path = match uri::file_path(&reference.uri) {
            Some(path) => path.map_err(|error| error.to_string())?,
            None => return Err("it is not on this computer, and nothing is fetched over a network".to_owned()),
        };
        match (reference.digest, reference.size_bytes) {
            (Some(digest), Some(size_bytes)) => Ok(Target { path, digest, size_bytes }),
            _ => Err("no digest and size of it are recorded to check it by".to_owned()),
        }
    }

    /// Opens it; none if it is empty.
    pub(in crate::ops) fn open(&self) -> Result<Option<File>, String> {
        let fits = |meta: &fs::Metadata| match (meta.is_file(), meta.len() == self.size_bytes) {
            (true, true) => Ok(()),
            (true, false) => Err(CHANGED.to_owned()),
            (false, _) => Err("it is not a file".to_owned()),
        };
        // Looked at first: to open a device may do something.
        fits(&fs::metadata(&self.path).map_err(|e| cannot_read(&e))?)?;
        if self.size_bytes == 0 {
            return if self.digest == FileDigest::of(b"") { Ok(None) } else { Err(CHANGED.to_owned()) };
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|e| cannot_read(&e.into()))?);
        fits(&file.metadata().map_err(|e| cannot_read(&e))?)?;
        Ok(Some(file))
    }

    /// Writes it to `out`, and says why if it turns out to be another file.
    pub(in crate::ops) fn copy(&self, out: &mut dyn Write) -> io::Result<Result<(), String>> {
        let file = match self.open() {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(Ok(())),
            Err(why) => return Ok(Err(why)),
        };
        // What grows meanwhile is not read to its end.
        let mut file = file.take(self.size_bytes.saturating_add(1));
        let (mut hasher, mut buffer) = (blake3::Hasher::new(), vec![0; READ_LEN]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => {
                    hasher.update(&buffer[..len]);
                    out.write_all(&buffer[..len])?;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Ok(Err(cannot_read(&e))),
            }
        }
        let is_same = FileDigest::from(hasher.finalize()) == self.digest;
        Ok(if is_same { Ok(()) } else { Err(CHANGED.to_owned()) })
    }

    /// Restores it at `path`, under `temp` until it is whole; says why if it is another file.
    pub(super) fn restore(&self, dest: &mut Dest, path: &EntryPath, temp: &EntryPath) -> Result<Result<(), String>> {
        let mut file = dest.create(temp, false)?;
        let copied = self.copy(&mut file).map_err(|e| Error::io("write", &dest.shown(path), e));
        drop(file);
        let done = match copied {
            Ok(Ok(())) if temp != path => dest.rename(temp, path).map(Ok),
            result => result,
        };
        if !matches!(done, Ok(Ok(()))) {
            // What is half written is nobody's; the error that led here tells more.
            let _ = dest.remove(temp);
        }
        done
    }
}

const CHANGED: &str = "it has changed since it was recorded";

fn cannot_read(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "it is not there".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

/// Makes the error of references that cannot be restored.
pub(in crate::ops) fn cannot_restore(lacking: &LackingReference) -> Error {
    let LackingReference { path, uri, why } = lacking;
    Error::refused(format!("cannot restore {}, a reference to {}: {why}", quote(path.as_bytes()), quote(uri.as_bytes())))
        .hint("`--allow-missing-refs` restores the rest")
}

/// Whether `get` would restore an entry, be it a reference.
pub(in crate::ops) fn is_restorable(entry: &Entry) -> bool {
    !matches!(&entry.kind, EntryKind::Reference(to) if Target::of(to).is_err())
}

/// Tells of a reference that cannot be restored, as far as that shows without reading it.
pub(super) fn lacking(entry: &Entry) -> Option<LackingReference> {
    let EntryKind::Reference(to) = &entry.kind else { return None };
    let why = Target::of(to).and_then(|target| target.open().map(drop)).err()?;
    Some(LackingReference { path: entry.path.clone(), uri: to.uri.clone(), why })
}

impl Restore<'_> {
    /// Whether nothing is done because of references that cannot be restored.
    pub(super) fn gives_up(&self, outcome: &RestoreOutcome) -> bool {
        !outcome.lacking.is_empty() && !self.options.allow_missing_references
    }

    /// Restores a reference, unless it is known that it cannot be.
    pub(super) fn restore_reference(
        &self,
        here: &mut Dest,
        path: &EntryPath,
        to: &Reference,
        temp: &EntryPath,
        outcome: &mut RestoreOutcome,
    ) -> Result<()> {
        if outcome.is_lacking(path) {
            return Ok(());
        }
        let restored = match Target::of(to) {
            Ok(target) => target.restore(here, path, temp)?,
            Err(why) => Err(why),
        };
        match restored {
            Ok(()) => outcome.restored_references += 1,
            Err(why) => {
                let lacking = LackingReference { path: path.clone(), uri: to.uri.clone(), why };
                if !self.options.allow_missing_references {
                    return Err(cannot_restore(&lacking));
                }
                // They are sorted by path.
                let at = outcome.lacking.partition_point(|other| other.path < lacking.path);
                outcome.lacking.insert(at, lacking);
            }
        }
        Ok(())
    }
}
