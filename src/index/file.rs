//! A sorted run in a file of local state: immutable, read with `pread`, a cache of tables.
//!
//! ```text
//! head    8  magic                        64  for each pack: its name, its length,
//!         4  class: 1 data, 2 meta            the blocks and the chunks in its table (48 bytes)
//!         4  bits of the fan-out          ..  for each value of these bits of a prefix:
//!         4  packs                            the rows up to its end (4 bytes)
//!         4  blocks of the filter         32  BLAKE3 of all before
//!         8  rows
//!        32  BLAKE3 of the body
//! body       rows of 16 bytes, big-endian, so that bytes sort as rows do; then the filter
//! ```
//!
//! Numbers of the head are little-endian. The head is checked when a file is opened, the body
//! only where it matters: a wrong row is refuted by the pack it names, and before a hash counts
//! as absent for a reader the whole body is hashed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::filter::Filter;
use super::run::{ROW_LEN, Row};
use crate::format::limits::PACK_LEN_MAX;
use crate::format::pack::PackClass;
use crate::id::{HASH_LEN, PackId};
use crate::open::open_regular;

pub(super) const MAGIC: [u8; 8] = *b"\x89ARTIX1\n";
pub(super) const FIXED_LEN: usize = 64;
pub(super) const LISTED_LEN: usize = 48;
/// Most bits of the fan-out.
pub(super) const FAN_BITS_MAX: u32 = 16;
/// Most packs in a file.
pub(super) const PACKS_MAX: usize = 1 << 20;
/// Longest filter, for some thirty million rows; longer runs have none.
pub(super) const FILTER_LEN_MAX: u64 = 32 << 20;

/// Look-ups that do without the filter: one that asks for little need not read it.
const PROBES_UNFILTERED: u32 = 64;
/// Rows that are read at once.
const BATCH: u32 = 64;

/// A pack that a file has the rows of, as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: PackId,
    pub(super) len: u64,
    pub(super) block_count: u32,
    pub(super) chunk_count: u32,
}

/// An open file.
#[derive(Debug)]
pub(super) struct RunFile {
    pub(super) path: PathBuf,
    pub(super) packs: Vec<Listed>,
    /// For each pack its number in the index, if it is still there as it was.
    pub(super) numbers: Vec<Option<u32>>,
    file: File,
    fan: Vec<u32>,
    fan_bits: u32,
    row_count: u32,
    rows_at: u64,
    filter_len: u64,
    body_hash: [u8; HASH_LEN],
    filter: OnceLock<Filter>,
    probes: AtomicU32,
}

/// Returns how the files of a class are named: this, then 16 digits of the head's hash.
pub(super) fn name_prefix(class: PackClass) -> String {
    format!("{}-", class.dir())
}

impl Listed {
    pub(super) fn encode(&self) -> [u8; LISTED_LEN] {
        let mut out = [0; LISTED_LEN];
        out[..32].copy_from_slice(self.id.as_bytes());
        out[32..40].copy_from_slice(&self.len.to_le_bytes());
        out[40..44].copy_from_slice(&self.block_count.to_le_bytes());
        out[44..].copy_from_slice(&self.chunk_count.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; LISTED_LEN]) -> Listed {
        let id = PackId::from_bytes(std::array::from_fn(|at| bytes[at]));
        Listed { id, len: u64_at(bytes, 32), block_count: u32_at(bytes, 40), chunk_count: u32_at(bytes, 44) }
    }
}

impl RunFile {
    /// Opens a file; none if anything about it is wrong.
    pub(super) fn open(path: &Path, class: PackClass) -> Option<RunFile> {
        let file = open_regular(path).ok()?;
        let file_len = file.metadata().ok()?.len();
        let mut fixed = [0; FIXED_LEN];
        file.read_exact_at(&mut fixed, 0).ok()?;
        let (fan_bits, pack_count, filter_blocks) = (u32_at(&fixed, 12), u32_at(&fixed, 16) as usize, u32_at(&fixed, 20));
        let (row_count, filter_len) = (u64_at(&fixed, 24), u64::from(filter_blocks) * 32);
        let is_ours = fixed[..8] == MAGIC && u32_at(&fixed, 8) == class_number(class);
        if !is_ours || !(1..=FAN_BITS_MAX).contains(&fan_bits) || pack_count > PACKS_MAX || filter_len > FILTER_LEN_MAX {
            return None;
        }
        let row_count = u32::try_from(row_count).ok()?;
        let hashed_len = FIXED_LEN + pack_count * LISTED_LEN + (4 << fan_bits);
        let rows_at = (hashed_len + HASH_LEN) as u64;
        if rows_at + u64::from(row_count) * ROW_LEN as u64 + filter_len != file_len {
            return None;
        }
        let mut head = vec![0; rows_at as usize];
        file.read_exact_at(&mut head, 0).ok()?;
        let (hashed, hash) = head.split_at(hashed_len);
        if blake3::hash(hashed).as_bytes() != hash || hashed[..FIXED_LEN] != fixed {
            return None;
        }
        let (packs, fan) = hashed[FIXED_LEN..].split_at(pack_count * LISTED_LEN);
        let packs: Vec<Listed> = packs.as_chunks().0.iter().map(Listed::decode).collect();
        let fan: Vec<u32> = fan.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        if !fan.is_sorted() || fan.last() != Some(&row_count) || packs.iter().any(|pack| pack.len > PACK_LEN_MAX) {
            return None;
        }
        let body_hash = *fixed[32..].first_chunk()?;
        let (filter, probes) = (OnceLock::new(), AtomicU32::new(0));
        let (path, numbers) = (path.to_owned(), vec![None; pack_count]);
        Some(RunFile { path, packs, numbers, file, fan, fan_bits, row_count, rows_at, filter_len, body_hash, filter, probes })
    }

    /// Returns how many rows there are.
    pub(super) fn len(&self) -> u64 {
        u64::from(self.row_count)
    }

    /// Returns the number in the index of the pack, and the slot, of every row with a prefix.
    pub(super) fn find(&self, prefix: u64) -> io::Result<Vec<(u32, u32)>> {
        let mut found = Vec::new();
        if !self.may_have(prefix) {
            return Ok(found);
        }
        let bucket = (prefix >> (64 - self.fan_bits)) as usize;
        let start = if bucket == 0 { 0 } else { self.fan[bucket - 1] };
        let end = self.fan[bucket];
        let (mut low, mut high) = (start, end);
        while high - low > BATCH {
            let middle = low.midpoint(high);
            let is_below = self.read_rows(middle, 1)?.first().is_some_and(|row| row.prefix < prefix);
            (low, high) = if is_below { (middle + 1, high) } else { (low, middle) };
        }
        while low < end {
            let rows = self.read_rows(low, BATCH.min(end - low))?;
            for row in rows.iter().filter(|row| row.prefix == prefix) {
                found.extend(self.number(row.pack).map(|number| (number, row.slot)));
            }
            if rows.last().is_none_or(|last| last.prefix > prefix) {
                break;
            }
            low += rows.len() as u32;
        }
        Ok(found)
    }

    /// Returns the number in the index of a pack of this file, if it is there.
    pub(super) fn number(&self, pack: u32) -> Option<u32> {
        self.numbers.get(pack as usize).copied().flatten()
    }

    /// Yields all rows in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = io::Result<Row>> + '_ {
        const AT_ONCE: u32 = 1 << 13;
        (0..self.row_count).step_by(AT_ONCE as usize).flat_map(|start| {
            let (rows, error) = match self.read_rows(start, AT_ONCE.min(self.row_count - start)) {
                Ok(rows) => (rows, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            rows.into_iter().map(Ok).chain(error)
        })
    }

    /// Hashes the body against the head.
    pub(super) fn is_whole(&self) -> bool {
        let end = self.rows_at + self.len() * ROW_LEN as u64 + self.filter_len;
        let (mut at, mut hasher, mut buffer) = (self.rows_at, blake3::Hasher::new(), vec![0; 1 << 20]);
        while at < end {
            let part = &mut buffer[..(end - at).min(1 << 20) as usize];
            if self.file.read_exact_at(part, at).is_err() {
                return false;
            }
            hasher.update(part);
            at += part.len() as u64;
        }
        hasher.finalize() == self.body_hash
    }

    fn may_have(&self, prefix: u64) -> bool {
        if self.filter.get().is_none() && self.probes.fetch_add(1, Ordering::Relaxed) < PROBES_UNFILTERED {
            return true;
        }
        let filter = self.filter.get_or_init(|| {
            let mut bytes = vec![0; self.filter_len as usize];
            let read = self.file.read_exact_at(&mut bytes, self.rows_at + self.len() * ROW_LEN as u64);
            read.map_or_else(|_| Filter::default(), |()| Filter::from_bytes(bytes))
        });
        filter.may_have(prefix)
    }

    fn read_rows(&self, first: u32, count: u32) -> io::Result<Vec<Row>> {
        let mut bytes = vec![0; count as usize * ROW_LEN];
        self.file.read_exact_at(&mut bytes, self.rows_at + u64::from(first) * ROW_LEN as u64)?;
        Ok(bytes.as_chunks().0.iter().map(Row::decode).collect())
    }
}

/// Returns the number that stands for a class in a head.
pub(super) fn class_number(class: PackClass) -> u32 {
    match class {
        PackClass::Data => 1,
        PackClass::Meta => 2,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}
