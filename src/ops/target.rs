//! Where an operation writes a file that the user asked for: a file, whole or not there, or a stream.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::durable::{Existing, Output};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Where a file is written to.
pub enum Target<'t> {
    /// A file, which has its name once it is whole and on disk.
    File {
        /// Its name.
        path: PathBuf,
        /// What happens to one of this name.
        existing: Existing,
    },
    /// A stream, such as standard output.
    Stream(&'t mut dyn Write),
}

/// Where bytes go.
pub(crate) struct Out<'o> {
    write: &'o mut dyn Write,
    failed: &'o dyn Fn(io::Error) -> Error,
}

impl Out<'_> {
    /// Writes bytes, with the error for the user.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.write.write_all(bytes).map_err(self.failed)
    }

    /// Returns the error for the user of writing through `Write`.
    pub(crate) fn error(&self, error: io::Error) -> Error {
        (self.failed)(error)
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write.flush()
    }
}

impl Target<'_> {
    /// Lets `work` write. If it returns none, it has to begin again, which it may in a file, so many times.
    pub(crate) fn fill<T>(
        self,
        progress: &dyn Progress,
        tries: usize,
        mut work: impl FnMut(&mut Out<'_>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        match self {
            Target::Stream(write) => {
                let mut out = Out { write, failed: &|e| Error::failed("cannot write to the output").because(e) };
                let done = work(&mut out)?;
                out.flush().map_err(|e| out.error(e))?;
                Ok(done)
            }
            Target::File { path, existing } => {
                let mut output = Output::begin(&path, existing)?;
                for _ in 0..tries {
                    if let Some(done) = work(&mut Out { write: &mut output, failed: &|e| Error::io("write", &path, e) })? {
                        progress.phase("syncing to disk");
                        output.finish()?;
                        return Ok(Some(done));
                    }
                    output.restart()?;
                }
                Ok(None)
            }
        }
    }
}
