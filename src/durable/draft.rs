//! A file on its way into a store.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::lock::{self, Mode};
use crate::quote::quote_path;

/// A temporary file that is being written; removed when dropped, unless published.
#[derive(Debug)]
pub struct Draft {
    pub(super) temp: NamedTempFile,
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

    /// Returns the file, for reading what was written so far at its places.
    pub fn file(&self) -> &File {
        self.temp.as_file()
    }

    /// Opens the file once more, for reading it from its start.
    pub fn reopen(&self) -> io::Result<File> {
        File::open(self.temp.path())
    }

    /// Hashes what was written so far.
    pub fn hash(&self) -> Result<blake3::Hash> {
        let failed = |e: io::Error| Error::io("read", self.temp.path(), e);
        let mut file = File::open(self.temp.path()).map_err(failed)?;
        Ok(blake3::Hasher::new().update_reader(&mut file).map_err(failed)?.finalize())
    }

    /// Puts the file at a path of local state, over what may be there; atomic, not durable.
    pub fn replace_local(self, path: &Path) -> Result<()> {
        fs::rename(self.temp.path(), path).map_err(|e| Error::io("write", path, e))?;
        self.disarm();
        Ok(())
    }

    /// Syncs the bytes. After a failed `fsync` the pages of this file may count as clean though
    /// they are not on disk, so the bytes go into a new file, once.
    pub fn synced(self) -> Result<Draft> {
        let Err(first) = self.temp.as_file().sync_all() else { return Ok(self) };
        let dir = self.temp.path().parent().unwrap_or(Path::new(".")).to_owned();
        let again = || -> Result<Draft> {
            let mut draft = Draft::in_dir(&dir)?;
            let before = self.hash()?;
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

    pub(super) fn disarm(self) {
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
