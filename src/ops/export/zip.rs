//! Writes zip: each file deflated, its hash and lengths after it, so that nothing is written twice.

use std::io::{self, Write};

use ::zip::write::{SimpleFileOptions, StreamWriter};
use ::zip::{CompressionMethod, DateTime, ZipWriter};

use super::Archive;
use crate::format::manifest::{Entry, EntryKind};
use crate::format::record::Time;

/// Length from which a file is told with lengths of 8 bytes: what deflate may add is far below the rest of 4 GiB.
const LARGE: u64 = 0xff00_0000;

/// A zip that is being written.
pub(super) struct Zip<W: Write> {
    out: ZipWriter<StreamWriter<W>>,
    options: SimpleFileOptions,
}

impl<W: Write> Zip<W> {
    pub(super) fn new(out: W, time: Time) -> Zip<W> {
        let options = SimpleFileOptions::default().last_modified_time(dos_time(time));
        Zip { out: ZipWriter::new_stream(out), options }
    }
}

/// Returns a time in UTC as zip tells it: from 1980 on, in steps of two seconds.
fn dos_time(time: Time) -> DateTime {
    let time = time.0.to_zoned(jiff::tz::TimeZone::UTC);
    let part = |number: i8| u8::try_from(number).unwrap_or(0);
    let year = u16::try_from(time.year()).unwrap_or(0);
    let told = DateTime::from_date_and_time(
        year,
        part(time.month()),
        part(time.day()),
        part(time.hour()),
        part(time.minute()),
        part(time.second()),
    );
    told.unwrap_or_default()
}

/// Returns text that was found to be.
fn text(bytes: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))
}

impl<W: Write> Archive for Zip<W> {
    fn begin(&mut self, entry: &Entry) -> io::Result<()> {
        let path = text(entry.path.as_bytes())?;
        match &entry.kind {
            EntryKind::File(body) => {
                let method = if body.size_bytes == 0 { CompressionMethod::Stored } else { CompressionMethod::Deflated };
                let mode = if body.executable { 0o755 } else { 0o644 };
                let options = self.options.compression_method(method).unix_permissions(mode).large_file(body.size_bytes >= LARGE);
                self.out.start_file(path, options)?;
            }
            EntryKind::EmptyDir => self.out.add_directory(path, self.options.unix_permissions(0o755))?,
            EntryKind::Symlink(target) => self.out.add_symlink(path, text(&target.0)?, self.options.unix_permissions(0o777))?,
            EntryKind::Reference(_) => {}
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.out.finish()?.into_inner().flush()
    }
}
