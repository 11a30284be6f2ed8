//! `art export`: a version as an archive that other tools read. Its bytes follow from the version alone.
//!
//! Threads read and check files ahead (`read`); one writes, in the order of the paths (`tar`, `zip`).

mod read;
mod tar;
mod zip;

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::format::manifest::{Entry, EntryKind};
use crate::format::path::EntryPath;
use crate::format::record::Time;
use crate::ops::restore::no_such_path;
use crate::ops::target::Target;
use crate::quote::quote;
use crate::store::Store;
use crate::store::resolve::Resolved;
use read::{Piece, read_all};

/// How hard zstd tries.
const ZSTD_LEVEL: i32 = 3;

/// A kind of archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// POSIX tar, with extended headers where they are needed.
    Tar,
    /// The same, in one zstd frame.
    TarZst,
    /// Zip, each file deflated.
    Zip,
}

/// What to export, and as what.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// As what.
    pub format: ArchiveFormat,
    /// Only these entries, or what lies below them; everything if there is none.
    pub prefixes: Vec<EntryPath>,
}

/// What an export has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportOutcome {
    /// Files in it.
    pub file_count: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Length of the archive.
    pub archive_bytes: u64,
    /// References that were left out.
    pub references_left_out: u64,
}

/// What an archive is written with: what comes goes on, and memory does not grow with the bytes.
trait Archive {
    /// Begins an entry; the bytes of a file follow.
    fn begin(&mut self, entry: &Entry) -> io::Result<()>;
    /// Goes on with a file.
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Ends a file.
    fn end(&mut self) -> io::Result<()>;
    /// Ends the archive.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl ArchiveFormat {
    /// Tells the kind of archive from a file's name.
    pub fn of_name(path: &Path) -> Option<ArchiveFormat> {
        let name = path.file_name().map(OsStr::as_bytes)?.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending.as_bytes()));
        match () {
            () if ends(&[".tar.zst", ".tzst"]) => Some(ArchiveFormat::TarZst),
            () if ends(&[".tar"]) => Some(ArchiveFormat::Tar),
            () if ends(&[".zip"]) => Some(ArchiveFormat::Zip),
            () => None,
        }
    }
}

/// Writes a version as an archive. Each chunk is hashed before its bytes are written, and each file at its end.
///
/// Cost: reads all of the version; memory is bounded, of a zip by the count of entries.
pub fn export(
    store: &Store,
    context: &Context<'_>,
    found: &Resolved,
    options: &ExportOptions,
    target: Target<'_>,
) -> Result<ExportOutcome> {
    for prefix in &options.prefixes {
        let mut within = store.entries(found.version.record.manifest)?.within(prefix.as_bytes());
        if within.next().transpose()?.is_none() {
            return Err(no_such_path(&found.version, prefix));
        }
    }
    context.progress.phase("exporting");
    let done = target.fill(context.progress, 1, |out| {
        let (cut, failed) = (Cell::new(false), Cell::new(false));
        let mut sink = Sink { out, cut: &cut, failed: &failed, len: 0 };
        let mut outcome = ExportOutcome::default();
        let written = write(store, context, found, options, &mut sink, &mut outcome);
        outcome.archive_bytes = sink.len;
        match written {
            Ok(()) if failed.get() => Err(out.error(io::ErrorKind::BrokenPipe.into())),
            Ok(()) => Ok(Some(outcome)),
            Err(WriteError::Other(error)) => Err(error),
            Err(WriteError::Output(error)) => Err(out.error(error)),
        }
    })?;
    done.ok_or_else(|| Error::failed("cannot write the archive"))
}

enum WriteError {
    Other(Error),
    Output(io::Error),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> WriteError {
        WriteError::Other(error)
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> WriteError {
        WriteError::Output(error)
    }
}

fn write(
    store: &Store,
    context: &Context<'_>,
    found: &Resolved,
    options: &ExportOptions,
    sink: &mut Sink<'_, '_>,
    outcome: &mut ExportOutcome,
) -> Result<(), WriteError> {
    let (version, cut) = (&found.version, sink.cut);
    let time = version.record.created_at;
    let mut archive: Box<dyn Archive + '_> = match options.format {
        ArchiveFormat::Tar => Box::new(tar::Tar::new(sink, seconds(time))),
        ArchiveFormat::TarZst => {
            let mut encoder = zstd::Encoder::new(sink, ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            Box::new(tar::Tar::new(tar::Zst(encoder), seconds(time)))
        }
        ArchiveFormat::Zip => Box::new(zip::Zip::new(sink, time)),
    };
    let mut written: Result<(), WriteError> = read_all(store, context, version.record.manifest, &options.prefixes, &mut |piece| {
        match piece {
            Piece::Entry(entry) => {
                if let EntryKind::Reference(to) = &entry.kind {
                    outcome.references_left_out += 1;
                    let (path, uri) = (quote(entry.path.as_bytes()), quote(to.uri.as_bytes()));
                    context.progress.warn(&format!("left out {path}, a reference to {uri}"));
                    return Ok(());
                }
                if options.format == ArchiveFormat::Zip {
                    check_text(&entry)?;
                }
                if let Some(body) = entry.file() {
                    outcome.file_count += 1;
                    outcome.size_bytes += body.size_bytes;
                }
                archive.begin(&entry)?;
            }
            Piece::Bytes(bytes) => {
                archive.bytes(bytes)?;
                context.progress.advance(0, bytes.len() as u64);
            }
            Piece::End => {
                archive.end()?;
                context.progress.advance(1, 0);
            }
        }
        Ok(())
    });
    if written.is_ok() {
        written = archive.finish().map_err(WriteError::from);
    } else {
        // What is not whole must not end as if it were.
        cut.set(true);
        drop(archive);
    }
    written
}

/// A zip has names in UTF-8.
fn check_text(entry: &Entry) -> Result<()> {
    let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    let target_is_text = match &entry.kind {
        EntryKind::Symlink(target) => is_text(&target.0),
        _ => true,
    };
    if is_text(entry.path.as_bytes()) && target_is_text {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, format!("cannot write {} to a zip: it is not UTF-8", quote(entry.path.as_bytes())))
        .hint("`--format tar` takes any name"))
}

/// Counts the bytes of an archive, and can be cut off.
struct Sink<'s, 'o> {
    out: &'s mut crate::ops::target::Out<'o>,
    cut: &'s Cell<bool>,
    failed: &'s Cell<bool>,
    len: u64,
}

impl Write for Sink<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The error was told once. A writer of zip ends its archive when it is dropped, and prints that it cannot.
        if self.cut.get() || self.failed.get() {
            return Ok(bytes.len());
        }
        let count = self.out.write(bytes).inspect_err(|e| self.failed.set(e.kind() != io::ErrorKind::Interrupted))?;
        self.len += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn seconds(time: Time) -> u64 {
    u64::try_from(time.0.as_second()).unwrap_or(0)
}
