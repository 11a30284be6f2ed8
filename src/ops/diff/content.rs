//! The bytes of a file on one side of a difference, stored or in a directory, read in ranges.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::format::manifest::{ChunkRun, FileBody};
use crate::format::path::EntryPath;
use crate::id::ChunkId;
use crate::ops::blocks::BlockReader;
use crate::ops::restore::dest::Dest;
use crate::quote::quote_path;
use crate::store::Store;

/// How many bytes are looked at for a NUL, as git does.
const SNIFF_LEN: u64 = 8000;

/// A file that is open for reading at any place.
pub(super) struct Content<'s> {
    pub(super) len: u64,
    source: Source<'s>,
}

enum Source<'s> {
    Bytes(Vec<u8>),
    Stored(Box<Stored<'s>>),
    Disk(File, PathBuf),
}

struct Stored<'s> {
    store: &'s Store,
    /// The runs of chunks, each with where it begins.
    runs: Vec<(u64, ChunkRun)>,
    blocks: BlockReader,
    /// The chunk that was read last.
    chunk: Option<(ChunkId, Vec<u8>)>,
}

/// Where in which chunk a place lies, and how many bytes its run of equal chunks has from there on.
struct Place {
    run: ChunkRun,
    offset: u32,
    left: u64,
}

impl<'s> Content<'s> {
    /// Takes bytes that are there already.
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Content<'s> {
        Content { len: bytes.len() as u64, source: Source::Bytes(bytes) }
    }

    /// Opens a file of a version; its chunk list is read, no chunk.
    pub(super) fn stored(store: &'s Store, path: &EntryPath, body: &FileBody) -> Result<Content<'s>> {
        let (mut runs, mut start) = (Vec::new(), 0u64);
        store.chunk_runs(path, body, &mut |run| {
            runs.push((start, run));
            start = start.saturating_add(u64::from(run.len).saturating_mul(run.count));
            Ok(())
        })?;
        let stored = Stored { store, runs, blocks: BlockReader::new(), chunk: None };
        Ok(Content { len: body.size_bytes, source: Source::Stored(Box::new(stored)) })
    }

    /// Opens a file of a directory.
    pub(super) fn on_disk(dest: &mut Dest, path: &EntryPath) -> Result<Content<'s>> {
        let (file, shown) = (dest.read(path)?, dest.shown(path));
        let meta = file.metadata().map_err(|e| Error::io("read", &shown, e))?;
        Ok(Content { len: meta.len(), source: Source::Disk(file, shown) })
    }

    /// Reads some bytes from a place on, as many as are at hand; none at the end.
    pub(super) fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        if offset >= self.len {
            return Ok(0);
        }
        match &mut self.source {
            Source::Bytes(bytes) => Ok(copy(&bytes[offset as usize..], buffer)),
            Source::Stored(stored) => stored.read_at(offset, buffer),
            Source::Disk(file, path) => loop {
                match file.read_at(buffer, offset) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    read => return read.map_err(|e| Error::io("read", path, e)),
                }
            },
        }
    }

    /// Reads a range, which ends where the file ends if that is sooner. The caller has bounded it.
    pub(super) fn range(&mut self, range: Range<u64>) -> Result<Vec<u8>> {
        let mut bytes = vec![0; range.end.min(self.len).saturating_sub(range.start) as usize];
        let mut have = 0;
        while have < bytes.len() {
            match self.read_at(range.start + have as u64, &mut bytes[have..])? {
                0 => return Err(self.changed()),
                read => have += read,
            }
        }
        Ok(bytes)
    }

    /// Whether it is no text: git's rule, a NUL near its start.
    pub(super) fn is_binary(&mut self) -> Result<bool> {
        Ok(self.range(0..SNIFF_LEN)?.contains(&0))
    }

    fn changed(&self) -> Error {
        let path = if let Source::Disk(_, path) = &self.source { quote_path(path) } else { "a file".to_owned() };
        Error::failed(format!("cannot compare {path}: it changes while it is read")).hint("run the command again")
    }

    fn place(&self, offset: u64) -> Option<Place> {
        if let Source::Stored(stored) = &self.source { stored.place(offset) } else { None }
    }
}

impl Stored<'_> {
    fn place(&self, offset: u64) -> Option<Place> {
        let (start, run) = *self.runs.get(self.runs.partition_point(|(start, _)| *start <= offset).checked_sub(1)?)?;
        // No run of a checked list has chunks without bytes.
        let within = (offset - start).checked_rem(u64::from(run.len))?;
        let left = u64::from(run.len).saturating_mul(run.count).checked_sub(offset - start)?;
        Some(Place { run, offset: within as u32, left })
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let Some(place) = self.place(offset) else { return Ok(0) };
        let bytes = match &mut self.chunk {
            Some((id, bytes)) if *id == place.run.chunk => bytes,
            last => {
                let bytes = self.blocks.chunk(self.store, &place.run)?.to_vec();
                &mut last.insert((place.run.chunk, bytes)).1
            }
        };
        Ok(copy(&bytes[place.offset as usize..], buffer))
    }
}

/// Whether `len` bytes of two files are the same. What lies in the same chunk on both sides is not
/// read, and nothing after the first difference.
pub(super) fn same_bytes(left: (&mut Content<'_>, u64), right: (&mut Content<'_>, u64), len: u64) -> Result<bool> {
    let ((left, mut left_at), (right, mut right_at), mut todo) = (left, right, len);
    let (mut a, mut b) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    while todo > 0 {
        if let (Some(l), Some(r)) = (left.place(left_at), right.place(right_at))
            && (l.run.chunk, l.offset) == (r.run.chunk, r.offset)
        {
            let step = l.left.min(r.left).min(todo);
            (left_at, right_at, todo) = (left_at + step, right_at + step, todo - step);
            continue;
        }
        let room = todo.min(a.len() as u64) as usize;
        let read = left.read_at(left_at, &mut a[..room])?;
        let also = right.read_at(right_at, &mut b[..room])?;
        let step = read.min(also);
        if step == 0 {
            return Err(if read == 0 { left.changed() } else { right.changed() });
        }
        if a[..step] != b[..step] {
            return Ok(false);
        }
        (left_at, right_at, todo) = (left_at + step as u64, right_at + step as u64, todo - step as u64);
    }
    Ok(true)
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    to[..len].copy_from_slice(&from[..len]);
    len
}
