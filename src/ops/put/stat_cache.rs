//! The stat cache: what a file was when it was last stored from a place, so that an unchanged
//! one is not opened again.
//!
//! One file in local state for each source that is put, rows sorted by path, read and written as
//! streams. It is a cache: one that is damaged, or of another layout, is passed over.

use std::fs::{File, Metadata};
use std::io::{BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::durable::{Disk, Draft};
use crate::error::{Error, Result};
use crate::format::manifest::FileBody;
use crate::format::path::Bytes;
use crate::id::{FileDigest, HASH_LEN, PageId};
use crate::store::Store;

const MAGIC: &[u8; 8] = b"artstat1";
const HEADER_LEN: usize = 8 + HASH_LEN;
const FRAME_LEN_MAX: usize = 64 << 10;

/// How far back both times of a file must lie when it is hashed, so that a later change cannot
/// leave them the same. The clock of these file systems ticks at least every 10 ms.
const MARGIN_FINE: Duration = Duration::from_millis(20);
/// The same where the granularity of times is not known: FAT keeps even seconds.
const MARGIN_COARSE: Duration = Duration::from_secs(2);

/// What tells that a file is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ops) struct Stat {
    device: u64,
    inode: u64,
    size_bytes: u64,
    mtime_ns: i64,
    ctime_ns: i64,
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    /// Its path below the source.
    pub(super) path: Bytes,
    pub(super) stat: Stat,
    pub(super) body: FileBody,
}

/// What a file held when its times and size were noted.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Known {
    pub(in crate::ops) stat: Stat,
    pub(in crate::ops) digest: FileDigest,
}

/// The cache of one source, read from front to back.
pub(in crate::ops) struct Reader {
    rows: Option<Frames>,
    next: Option<Row>,
    /// The manifest that all rows were stored with.
    pub(super) manifest: PageId,
}

/// The next cache of one source, written from front to back.
pub(super) struct Writer {
    draft: Draft,
    place: PathBuf,
    frame: Vec<u8>,
}

impl Stat {
    /// Takes what tells a file apart.
    pub(in crate::ops) fn of(meta: &Metadata) -> Stat {
        Stat {
            device: meta.dev(),
            inode: meta.ino(),
            size_bytes: meta.size(),
            mtime_ns: ns(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: ns(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// The same of what `statat` tells.
    pub(in crate::ops) fn of_raw(stat: &rustix::fs::Stat) -> Stat {
        Stat {
            device: stat.st_dev,
            inode: stat.st_ino,
            size_bytes: stat.st_size as u64,
            mtime_ns: ns(stat.st_mtime, stat.st_mtime_nsec as i64),
            ctime_ns: ns(stat.st_ctime, stat.st_ctime_nsec as i64),
        }
    }

    /// Whether a change after `hashed_at` would show in the times.
    pub(super) fn is_settled(&self, hashed_at: SystemTime, margin: Duration) -> bool {
        let Some(bound) = hashed_at.duration_since(UNIX_EPOCH).ok().and_then(|since| since.checked_sub(margin)) else { return false };
        let bound = i64::try_from(bound.as_nanos()).unwrap_or(i64::MAX);
        self.mtime_ns < bound && self.ctime_ns < bound
    }
}

fn ns(seconds: i64, ns: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(ns)
}

/// Returns the margin for the file system that a path lies on.
pub(super) fn margin(path: &Path) -> Duration {
    const FINE: [i64; 6] = [
        0xef53,      // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683e, // btrfs
        0x0102_1994, // tmpfs
        0x794c_7630, // overlayfs
        0xf2f5_2010, // f2fs
    ];
    match rustix::fs::statfs(path) {
        Ok(stat) if FINE.contains(&stat.f_type) => MARGIN_FINE,
        _ => MARGIN_COARSE,
    }
}

impl Reader {
    /// A cache that knows of no file.
    pub(in crate::ops) fn empty() -> Reader {
        Reader { rows: None, next: None, manifest: PageId::from_bytes([0; HASH_LEN]) }
    }

    /// Opens the cache of what was put from a directory, if there is one.
    pub(in crate::ops) fn of_dir(store: &Store, dir: &Path) -> Reader {
        match (store.local(), dir.canonicalize()) {
            (Some(local), Ok(dir)) => Reader::open(&local, &dir),
            _ => Reader::empty(),
        }
    }

    /// Opens the cache of a source; an unusable one reads as empty.
    pub(in crate::ops) fn open(local: &Path, source: &Path) -> Reader {
        let empty = Reader::empty();
        let Ok(mut file) = File::open(place(local, source)) else { return empty };
        let mut header = [0; HEADER_LEN];
        if file.read_exact(&mut header).is_err() || header[..8] != MAGIC[..] {
            return empty;
        }
        let manifest = header[8..].try_into().map(PageId::from_bytes).unwrap_or(empty.manifest);
        let mut reader =
            Reader { rows: Some(Frames { file: BufReader::with_capacity(1 << 18, file), frame: Vec::new(), at: 0 }), next: None, manifest };
        reader.step();
        reader
    }

    /// Finds the row of a path; paths are asked for in increasing order.
    pub(super) fn find(&mut self, path: &[u8]) -> Option<Row> {
        while self.next.as_ref().is_some_and(|row| &row.path.0[..] < path) {
            self.step();
        }
        if self.next.as_ref().is_some_and(|row| row.path.0 == path) { self.next.take() } else { None }.inspect(|_| self.step())
    }

    /// Tells what the file at a path held; paths are asked for in increasing order.
    pub(in crate::ops) fn known(&mut self, path: &[u8]) -> Option<Known> {
        self.find(path).map(|row| Known { stat: row.stat, digest: row.body.digest })
    }

    fn step(&mut self) {
        self.next = self.rows.as_mut().and_then(Frames::next);
    }
}

/// Rows in frames of up to 64 KiB, each behind its length and its hash.
struct Frames {
    file: BufReader<File>,
    frame: Vec<u8>,
    at: usize,
}

impl Frames {
    fn next(&mut self) -> Option<Row> {
        if self.at == self.frame.len() {
            self.load()?;
        }
        let len = u32::from_le_bytes(*self.frame[self.at..].first_chunk()?) as usize;
        let row = self.frame.get(self.at + 4..self.at + 4 + len)?;
        self.at += 4 + len;
        codec::decode_own(row).ok()
    }

    fn load(&mut self) -> Option<()> {
        let mut head = [0; 4 + HASH_LEN];
        self.file.read_exact(&mut head).ok()?;
        let len = u32::from_le_bytes(*head.first_chunk()?) as usize;
        if len > 2 * FRAME_LEN_MAX {
            return None;
        }
        self.frame.resize(len, 0);
        self.at = 0;
        self.file.read_exact(&mut self.frame).ok()?;
        (FileDigest::of(&self.frame).as_bytes()[..] == head[4..]).then_some(())
    }
}

impl Writer {
    /// Begins the next cache of a source.
    pub(super) fn new(disk: &Disk, local: &Path, source: &Path) -> Result<Writer> {
        let place = place(local, source);
        if let Some(dir) = place.parent() {
            std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        }
        let mut draft = disk.draft()?;
        draft.write_all(&[0; HEADER_LEN])?;
        Ok(Writer { draft, place, frame: Vec::new() })
    }

    /// Adds a file; paths come in increasing order.
    pub(super) fn add(&mut self, row: &Row) -> Result<()> {
        let row = codec::encode(row);
        if self.frame.len() + 4 + row.len() > FRAME_LEN_MAX {
            self.end_frame()?;
        }
        self.frame.extend_from_slice(&(row.len() as u32).to_le_bytes());
        self.frame.extend_from_slice(&row);
        Ok(())
    }

    /// Puts the cache in place: all rows were stored with `manifest`.
    pub(super) fn finish(mut self, manifest: PageId) -> Result<()> {
        self.end_frame()?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(manifest.as_bytes());
        self.draft.write_at(&header, 0)?;
        self.draft.replace_local(&self.place)
    }

    fn end_frame(&mut self) -> Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        self.draft.write_all(&(self.frame.len() as u32).to_le_bytes())?;
        self.draft.write_all(FileDigest::of(&self.frame).as_bytes())?;
        self.draft.write_all(&self.frame)?;
        self.frame.clear();
        Ok(())
    }
}

fn place(local: &Path, source: &Path) -> PathBuf {
    local.join("stat").join(FileDigest::of(source.as_os_str().as_bytes()).short(32))
}
