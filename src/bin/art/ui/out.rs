//! Standard output: buffered, written to only by who has data for it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;

use serde::Serialize;

use crate::error::Result;

/// Standard output, buffered. [`Out::done`] must be called at the end, for errors show there.
#[derive(Debug)]
pub(crate) struct Out {
    /// Whether data is printed as JSON.
    pub(crate) json: bool,
    buffer: BufWriter<File>,
    rows: u64,
}

impl Out {
    pub(super) fn new(json: bool) -> Result<Out> {
        // Not `Stdout`, which looks for line ends in all that passes.
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Out { json, buffer: BufWriter::with_capacity(64 << 10, file), rows: 0 })
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) -> Result<()> {
        Ok(writeln!(self.buffer, "{}", line.as_ref())?)
    }

    /// Writes the JSON value of a command.
    pub(crate) fn value(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.buffer, value).map_err(io::Error::from)?;
        Ok(self.buffer.write_all(b"\n")?)
    }

    /// Writes one more row of a JSON array; [`Out::end_rows`] closes it.
    pub(crate) fn json_row(&mut self, row: &impl Serialize) -> Result<()> {
        self.buffer.write_all(if self.rows == 0 { b"[" } else { b",\n" })?;
        self.rows += 1;
        Ok(serde_json::to_writer(&mut self.buffer, row).map_err(io::Error::from)?)
    }

    /// Ends a JSON array.
    pub(crate) fn end_rows(&mut self) -> Result<()> {
        Ok(self.buffer.write_all(if self.rows == 0 { b"[]\n" } else { b"]\n" })?)
    }

    /// Hands everything over.
    pub(crate) fn done(mut self) -> Result<()> {
        Ok(self.buffer.flush()?)
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.buffer.flush()
    }
}
