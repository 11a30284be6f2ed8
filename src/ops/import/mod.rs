//! `art import`: a version from an archive, which is read once from front to end and never unpacked.
//!
//! An archive is the work of a stranger: its paths, links and lengths are checked here before the put's pipeline
//! sees them, and what its headers may take of memory is bounded.

mod rules;
pub mod snapshots;
mod tar;
mod zip;

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::context::Context;
use crate::durable::{Disk, FillError};
use crate::error::{Error, Result};
use crate::ops::put::feed::Feed;
use crate::ops::put::read::open;
use crate::ops::put::{PutOptions, PutOutcome, Stream, put_archive};
use crate::quote::quote_path;
use crate::store::{Store, local};
use rules::Rules;

/// Bytes at the start that tell what an archive is.
const HEAD_LEN: usize = 512;
/// Bytes that are read ahead of a decoder.
const BUFFER_LEN: usize = 256 << 10;

/// Where an archive is read from.
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A stream, such as standard input.
    Stream(Stream),
}

/// A kind of archive, as its first bytes tell it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tar,
    Gzip,
    Zstd,
    Zip,
}

/// Stores what an archive holds as a version. `options` name no source; their links are refused or kept.
///
/// Cost: reads the archive once (a zip from a stream goes to local state first). Memory: a row for each entry.
pub fn import(store: &Store, context: &Context<'_>, options: &PutOptions, source: Source) -> Result<PutOutcome> {
    let name = match &source {
        Source::File(path) => path.clone(),
        Source::Stream(_) => PathBuf::from("standard input"),
    };
    let rules = Arc::new(Rules::new(&name, options));
    let mut source = match source {
        Source::File(path) => From::File(open_file(&path)?),
        Source::Stream(stream) => From::Stream(stream),
    };
    let head = source.head().map_err(|e| Error::io("read", &name, e))?;
    let kind = kind_of(&head).ok_or_else(|| {
        Error::usage(format!("cannot import {}: it is neither tar, tar.gz, tar.zst nor zip", quote_path(&name)))
            .hint("`art put` stores a file as it is")
    })?;
    let feed: Box<dyn Feed> = if kind == Kind::Zip {
        let (file, spool) = match source {
            From::File(file) => (file, None),
            From::Stream(stream) => {
                // Its list of files stands at its end.
                let own = local::find_or_create(store.root(), context.progress)?;
                let mut draft = Disk::new(store.layout(), &own)?.draft()?;
                draft.fill_from(&mut Cursor::new(head).chain(stream), u64::MAX).map_err(|error| match error {
                    FillError::Draft(error) => error,
                    FillError::Source(e) => Error::io("read", &name, e),
                    FillError::TooLong => Error::failed("cannot read a zip of that length"),
                })?;
                (draft.reopen().map_err(|e| Error::io("read", &name, e))?, Some(draft))
            }
        };
        Box::new(zip::Zip::open(file, spool, Arc::clone(&rules))?)
    } else {
        let stream: Stream = match source {
            From::File(file) => Box::new(file),
            From::Stream(stream) => Box::new(Cursor::new(head).chain(stream)),
        };
        let stream = BufReader::with_capacity(BUFFER_LEN, stream);
        let stream: Stream = match kind {
            Kind::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stream)),
            Kind::Zstd => Box::new(zstd::Decoder::with_buffer(stream).map_err(|e| rules.failed(e))?),
            Kind::Tar | Kind::Zip => Box::new(stream),
        };
        Box::new(tar::Tar::new(BufReader::with_capacity(BUFFER_LEN, stream), Arc::clone(&rules)))
    };
    let mut outcome = put_archive(store, context, options, feed)?;
    outcome.left_out = rules.left_out();
    Ok(outcome)
}

enum From {
    File(File),
    Stream(Stream),
}

impl From {
    /// Reads the first bytes; a file is then at its start again.
    fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        match self {
            From::File(file) => {
                file.take(HEAD_LEN as u64).read_to_end(&mut head)?;
                io::Seek::rewind(file)?;
            }
            From::Stream(stream) => drop(stream.take(HEAD_LEN as u64).read_to_end(&mut head)?),
        }
        Ok(head)
    }
}

fn open_file(path: &Path) -> Result<File> {
    let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::not_found(format!("cannot find {}", quote_path(path))).because(e),
        _ => Error::io("read", path, e),
    })?;
    if meta.is_dir() {
        return Err(Error::usage(format!("cannot import {}: it is a directory", quote_path(path)))
            .hint("`art put` stores a directory; `--snapshots` takes what is in it as versions"));
    }
    if !meta.is_file() {
        return Err(Error::usage(format!("cannot import {}: it is no regular file", quote_path(path))).hint("put `-` and pipe into it"));
    }
    open(path, true)
}

fn kind_of(head: &[u8]) -> Option<Kind> {
    match head {
        [0x1f, 0x8b, ..] => Some(Kind::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Kind::Zstd),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Kind::Zip),
        _ if tar::is_header(head) => Some(Kind::Tar),
        _ => None,
    }
}
