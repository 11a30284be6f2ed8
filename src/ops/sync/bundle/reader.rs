//! Reads a bundle: its list is checked before a file is, and a file before anybody uses it. One in a
//! file is read at many places at once, one that comes from a stream from end to end.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::super::side::Hash;
use super::BaseVersion;
use crate::error::{Error, Result};
use crate::format::bundle::{BUNDLE_HEADER_LEN, BUNDLE_TRAILER_LEN, Base, BundleError, BundleHeader, BundleList, BundleTrailer};
use crate::quote::{quote, quote_path};
use crate::store::files::{FileClass, StoreFile, StorePath};

/// Bytes that are passed over at a time.
const PIECE_LEN: usize = 64 << 10;

/// Where a bundle is read from.
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A stream, such as standard input.
    Stream(Box<dyn Read + Send>),
}

/// A bundle of which the list was read.
pub struct Bundle {
    name: String,
    bytes: Bytes,
    header: BundleHeader,
    pub(super) bases: Vec<Base>,
    pub(super) entries: Vec<Entry>,
    /// The hashes of the files read so far.
    hashes: Vec<Option<Hash>>,
    trailer: Option<BundleTrailer>,
}

/// A file in a bundle.
pub(super) struct Entry {
    pub(super) file: StoreFile,
    /// The version record without which it must not be taken.
    pub(super) needs: Option<StorePath>,
    /// Where it lies in the bundle.
    offset: u64,
}

enum Bytes {
    File(File),
    Stream(Box<dyn Read + Send>),
}

/// Reads a file of a bundle, and returns the hash of what it read.
pub(super) type Take<'t> = dyn Fn(&Entry, &mut dyn Read) -> Result<Hash> + Sync + 't;

impl Bundle {
    /// Opens a bundle and reads its list. One in a file that is cut off is refused here.
    pub fn open(source: Source) -> Result<Bundle> {
        let (name, bytes) = match source {
            Source::Stream(stream) => ("standard input".to_owned(), Bytes::Stream(stream)),
            Source::File(path) => {
                let file = File::open(&path).map_err(|e| match e.kind() {
                    io::ErrorKind::NotFound => Error::not_found(format!("cannot find bundle {}", quote_path(&path))).because(e),
                    _ => Error::io("open", &path, e),
                })?;
                let is_regular = file.metadata().map_err(|e| Error::io("look at", &path, e))?.is_file();
                (path.display().to_string(), if is_regular { Bytes::File(file) } else { Bytes::Stream(Box::new(file)) })
            }
        };
        let mut bundle = Bundle {
            name,
            bytes,
            header: BundleHeader { list_len: 0, list_hash: [0; 32] },
            bases: Vec::new(),
            entries: Vec::new(),
            hashes: Vec::new(),
            trailer: None,
        };
        bundle.read_list()?;
        Ok(bundle)
    }

    /// Returns how it is told to the user.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the versions that it builds on.
    pub fn builds_on(&self) -> Vec<BaseVersion> {
        self.bases.iter().map(BaseVersion::of).collect()
    }

    fn read_list(&mut self) -> Result<()> {
        let mut header = [0; BUNDLE_HEADER_LEN];
        let has = self.read_front(&mut header)?;
        self.header = BundleHeader::decode(&header[..has]).map_err(|why| match why {
            BundleError::Magic | BundleError::Truncated => {
                Error::damaged(format!("{} is not a bundle: {why}", quote(self.name.as_bytes()))).hint("`art bundle create` makes one")
            }
            BundleError::Version(_) => self.damaged(why).hint("use the version of `art` that made it, or a newer one"),
            _ => self.damaged(why),
        })?;
        let mut list = Vec::new();
        // Memory grows with what comes, whatever length the header states.
        match &mut self.bytes {
            Bytes::File(file) => (&*file).take(self.header.list_len).read_to_end(&mut list),
            Bytes::Stream(stream) => stream.take(self.header.list_len).read_to_end(&mut list),
        }
        .map_err(|e| self.unreadable(e))?;
        let list = BundleList::decode(&list, &self.header).map_err(|why| self.damaged(why))?;
        let bundle_len = list.bundle_len(&self.header).unwrap_or(u64::MAX);
        let mut offset = BUNDLE_HEADER_LEN as u64 + self.header.list_len;
        for file in &list.files {
            let path = StorePath::parse(&file.path).filter(|path| file.len <= path.class().len_max());
            let needs = file.needs.as_deref().map(StorePath::parse);
            let is_version = |path: &StorePath| path.class() == FileClass::Version;
            let (Some(path), None | Some(Some(_))) = (path, &needs) else {
                return Err(self.damaged(format!("{} is no file of a store", quote(file.path.as_bytes()))));
            };
            let needs = needs.flatten();
            let in_order = self.entries.last().is_none_or(|last| last.file.path < path);
            if !in_order || !needs.as_ref().is_none_or(is_version) {
                return Err(self.damaged(format!("its list has {} in the wrong place", quote(file.path.as_bytes()))));
            }
            self.entries.push(Entry { file: StoreFile { path, len: file.len }, needs, offset });
            offset += file.len;
        }
        self.hashes = vec![None; self.entries.len()];
        self.bases = list.bases;
        if let Bytes::File(file) = &self.bytes {
            let len = file.metadata().map_err(|e| self.unreadable(e))?.len();
            if len != bundle_len {
                let what = if len < bundle_len { "it is cut off" } else { "there is something after its end" };
                return Err(self.damaged(format!("{what}: it has {len} of {bundle_len} bytes")));
            }
            let mut trailer = [0; BUNDLE_TRAILER_LEN];
            file.read_exact_at(&mut trailer, offset).map_err(|e| self.unreadable(e))?;
            self.trailer = Some(self.check_trailer(&trailer)?);
        }
        Ok(())
    }

    /// Reads what stands first, as far as there is anything.
    fn read_front(&mut self, into: &mut [u8]) -> Result<usize> {
        let mut has = 0;
        while has < into.len() {
            let read = match &mut self.bytes {
                Bytes::File(file) => file.read(&mut into[has..]),
                Bytes::Stream(stream) => stream.read(&mut into[has..]),
            };
            match read {
                Ok(0) => break,
                Ok(count) => has += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.unreadable(e)),
            }
        }
        Ok(has)
    }

    fn check_trailer(&self, bytes: &[u8]) -> Result<BundleTrailer> {
        let trailer = BundleTrailer::decode(bytes).map_err(|why| self.damaged(why))?;
        let files: u64 = self.entries.iter().map(|entry| entry.file.len).sum();
        let len = files + self.header.list_len + (BUNDLE_HEADER_LEN + BUNDLE_TRAILER_LEN) as u64;
        if trailer.file_count != self.entries.len() as u64 || trailer.bundle_len != len {
            return Err(self.damaged("its trailer does not belong to its list"));
        }
        Ok(trailer)
    }

    /// Returns where the files of a class stand in the list.
    pub(super) fn class(&self, class: FileClass) -> Range<usize> {
        let begin = self.entries.partition_point(|entry| entry.file.path.class() < class);
        begin..self.entries.partition_point(|entry| entry.file.path.class() <= class)
    }

    /// Reads files, which come after those read before: gives those that are wanted to `take`, from several threads
    /// where the bundle is a file, and hashes the others. A pack that is not wanted counts as what its name says.
    pub(super) fn read(&mut self, range: Range<usize>, wanted: &[bool], threads: usize, take: &Take<'_>) -> Result<()> {
        let (entries, name) = (&self.entries, &self.name);
        match &mut self.bytes {
            Bytes::Stream(stream) => {
                for at in range {
                    let entry = &entries[at];
                    let mut part = Part { source: &mut **stream, left: entry.file.len };
                    let hash = if wanted[at] { take(entry, &mut part)? } else { hash_all(&mut part).map_err(|e| unreadable(name, e))? };
                    // What was not taken has to go before the next one comes.
                    hash_all(&mut part).map_err(|e| unreadable(name, e))?;
                    self.hashes[at] = Some(hash);
                }
                Ok(())
            }
            Bytes::File(file) => {
                let file = &*file;
                let (next, end) = (AtomicUsize::new(range.start), range.end);
                let (failed, hashes) = (Mutex::new(None), Mutex::new(Vec::new()));
                let read_one = |at: usize| -> Result<Hash> {
                    let entry = &entries[at];
                    let mut part = Section { file, at: entry.offset, end: entry.offset + entry.file.len };
                    match entry.file.path.pack_id() {
                        _ if wanted[at] => take(entry, &mut part),
                        Some(id) => Ok(*id.as_bytes()),
                        None => hash_all(&mut part).map_err(|e| unreadable(name, e)),
                    }
                };
                std::thread::scope(|scope| {
                    for _ in 0..threads.min(range.len()) {
                        scope.spawn(|| {
                            loop {
                                let at = next.fetch_add(1, Ordering::Relaxed);
                                if at >= end {
                                    break;
                                }
                                match read_one(at) {
                                    Ok(hash) => hashes.lock().unwrap_or_else(PoisonError::into_inner).push((at, hash)),
                                    Err(error) => {
                                        next.store(end, Ordering::Relaxed);
                                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                                    }
                                }
                            }
                        });
                    }
                });
                for (at, hash) in hashes.into_inner().unwrap_or_else(PoisonError::into_inner) {
                    self.hashes[at] = Some(hash);
                }
                failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
            }
        }
    }

    /// Checks the trailer against all that was read; every file must have been.
    pub(super) fn finish(&mut self) -> Result<()> {
        if let Bytes::Stream(_) = self.bytes {
            let mut trailer = [0; BUNDLE_TRAILER_LEN];
            let has = self.read_front(&mut trailer)?;
            self.trailer = Some(self.check_trailer(&trailer[..has])?);
            if self.read_front(&mut [0])? > 0 {
                return Err(self.damaged("there is something after its end"));
            }
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.header.encode());
        for hash in &self.hashes {
            hasher.update(&hash.unwrap_or_default());
        }
        let is_right = self.trailer.is_some_and(|trailer| hasher.finalize() == trailer.hash);
        if is_right { Ok(()) } else { Err(self.damaged("its files do not match the hash in its trailer")) }
    }

    pub(super) fn damaged(&self, why: impl std::fmt::Display) -> Error {
        damaged(&self.name, why)
    }

    fn unreadable(&self, error: io::Error) -> Error {
        unreadable(&self.name, error)
    }
}

fn damaged(name: &str, why: impl std::fmt::Display) -> Error {
    Error::damaged(format!("bundle {} is damaged: {why}", quote(name.as_bytes())))
        .hint("copy it again, or make it again with `art bundle create`; what was unpacked of it is whole")
}

fn unreadable(name: &str, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(name, "it is cut off"),
        _ => Error::failed(format!("cannot read bundle {}", quote(name.as_bytes()))).because(error),
    }
}

/// Reads a file of a bundle into memory: no more than its length, which was held against its limit.
pub(super) fn read_whole(name: &str, source: &mut dyn Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).map_err(|e| unreadable(name, e))?;
    Ok(bytes)
}

/// Reads to the end, and hashes what came.
fn hash_all(source: &mut dyn Read) -> io::Result<Hash> {
    let (mut hasher, mut piece) = (blake3::Hasher::new(), [0; PIECE_LEN]);
    loop {
        match source.read(&mut piece) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(count) => {
                hasher.update(&piece[..count]);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Some bytes of a stream; that it ends before them is an error.
struct Part<'s> {
    source: &'s mut dyn Read,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wanted = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.source.read(&mut into[..wanted])?;
        self.left -= count as u64;
        if count == 0 && wanted > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
    }
}

/// Some bytes of a file, likewise.
struct Section<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wanted = into.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut into[..wanted], self.at)?;
        self.at += count as u64;
        if count == 0 && wanted > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
    }
}
