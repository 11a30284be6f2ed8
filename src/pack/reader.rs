//! Reads packs: whether one has arrived, its table, its blocks.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::pack_path;
use crate::chunk::compress::{Codec, Decoder};
use crate::error::{Error, Result, damaged};
use crate::format::pack::{
    BLOCK_ROW_LEN, BlockRow, CHUNK_ROW_LEN, ChunkRow, HEADER_LEN, Header, PackClass, PackError, TRAILER_LEN, Table, Trailer,
};
use crate::id::PackId;
use crate::layout::Layout;
use crate::open::{names_in, open_regular};

/// A pack that has arrived. Its file is opened when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Its name.
    pub id: PackId,
    /// What it holds.
    pub class: PackClass,
    /// Where it lies.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// Blocks in its table.
    pub block_count: u32,
    /// Chunks in its table.
    pub chunk_count: u32,
}

/// A file in a pack's place.
#[derive(Debug)]
pub enum Opened {
    /// A pack that has arrived, and its table, which matched its trailer.
    Pack(Pack, Table),
    /// Not a whole pack: it counts as absent until its copy is complete.
    NotArrived(PackError),
}

impl Pack {
    /// Opens a pack of a store by its trailer; damage further up shows when it is
    /// read. One file that cannot be read does not keep the others from being used.
    pub fn open(layout: &Layout, class: PackClass, id: PackId) -> Opened {
        let path = layout.path(&pack_path(class, id));
        let opened = || -> Result<(Table, u64), ReadTableError> {
            let file = open_regular(&path)?;
            let len = file.metadata()?.len();
            Ok((read_table(&file, len, class)?, len))
        };
        match opened() {
            Ok((table, len)) => {
                let (block_count, chunk_count) = (table.block_count() as u32, table.chunk_count() as u32);
                Opened::Pack(Pack { id, class, path, len, block_count, chunk_count }, table)
            }
            Err(ReadTableError::Pack(why)) => Opened::NotArrived(why),
            Err(ReadTableError::Io(e)) => Opened::NotArrived(PackError::Unreadable(e.kind())),
        }
    }

    /// Reads the whole table and checks it against its trailer.
    pub fn read_table(&self) -> Result<Table> {
        let table = open_regular(&self.path).map_err(ReadTableError::Io).and_then(|file| read_table(&file, self.len, self.class));
        let table = table.map_err(|e| match e {
            ReadTableError::Pack(why) => damaged("pack", &self.id.short(16), why),
            ReadTableError::Io(e) => Error::io("read", &self.path, e),
        })?;
        if (table.block_count(), table.chunk_count()) != (self.block_count as usize, self.chunk_count as usize) {
            return Err(damaged("pack", &self.id.short(16), "its table is not the one it had"));
        }
        Ok(table)
    }

    /// Reads one chunk's row and its block's from the table in the file, and checks their bounds;
    /// the rest of the table is not looked at. None if there is no such row.
    pub fn read_place(&self, slot: u32) -> Result<Option<(ChunkRow, BlockRow)>, PackError> {
        if slot >= self.chunk_count {
            return Ok(None);
        }
        let unreadable = |e: io::Error| PackError::Unreadable(e.kind());
        let table_offset = self.len.checked_sub(TRAILER_LEN as u64 + self.table_len()).ok_or(PackError::Truncated)?;
        let file = open_regular(&self.path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.len() != self.len {
            return Err(PackError::Truncated);
        }
        let chunks = table_offset + u64::from(self.block_count) * BLOCK_ROW_LEN as u64;
        let mut bytes = [0; CHUNK_ROW_LEN];
        file.read_exact_at(&mut bytes, chunks + u64::from(slot) * CHUNK_ROW_LEN as u64).map_err(unreadable)?;
        let row = ChunkRow::decode(&bytes);
        if row.block >= self.block_count {
            return Err(PackError::Field("block number"));
        }
        let mut bytes = [0; BLOCK_ROW_LEN];
        file.read_exact_at(&mut bytes, table_offset + u64::from(row.block) * BLOCK_ROW_LEN as u64).map_err(unreadable)?;
        let block = BlockRow::decode(&bytes);
        block.check(table_offset)?;
        row.check(&block)?;
        Ok(Some((row, block)))
    }

    /// Returns the length of the table in bytes.
    pub fn table_len(&self) -> u64 {
        u64::from(self.block_count) * BLOCK_ROW_LEN as u64 + u64::from(self.chunk_count) * CHUNK_ROW_LEN as u64
    }

    /// Opens the file for reading blocks.
    pub fn file(&self) -> Result<PackFile<'_>> {
        let file = open_regular(&self.path)
            .map_err(|e| Error::io("open", &self.path, e).hint("a pack was removed meanwhile; `art fsck` tells which versions need it"))?;
        Ok(PackFile { pack: self, file, stored: Vec::new() })
    }

    /// Hashes the whole file against its name.
    pub fn verify(&self) -> Result<()> {
        verify_file(&self.path, self.id)
    }

    /// Hashes everything in the pack against its table: a whole file tells only that it is what
    /// somebody wrote, who may have written anything.
    pub fn verify_contents(&self) -> Result<()> {
        let table = self.read_table()?;
        let mut rows: Vec<ChunkRow> = (0..table.chunk_count()).filter_map(|slot| table.chunk(slot)).collect();
        rows.sort_unstable_by_key(|row| (row.block, row.offset));
        let (mut file, mut decoder, mut raw) = (self.file()?, Decoder::new(), Vec::new());
        for rows in rows.chunk_by(|a, b| a.block == b.block) {
            let block = table.block(rows[0].block).ok_or_else(|| file.damaged("a block is missing"))?;
            file.read_block(&block, &mut decoder, &mut raw)?;
            for row in rows {
                let start = row.offset as usize;
                let bytes = raw.get(start..start + row.len as usize).ok_or_else(|| file.damaged("a block is too short"))?;
                if self.class.name_of(bytes) != Some(row.hash) {
                    return Err(file.damaged("what it holds is not what its table says"));
                }
            }
        }
        Ok(())
    }
}

/// An open pack.
#[derive(Debug)]
pub struct PackFile<'a> {
    pack: &'a Pack,
    file: File,
    stored: Vec<u8>,
}

impl PackFile<'_> {
    /// Reads and decodes a block of this pack; the caller hashes the chunks it takes from it.
    pub fn read_block(&mut self, row: &BlockRow, decoder: &mut Decoder, raw: &mut Vec<u8>) -> Result<()> {
        let codec = self.codec(row)?;
        let (stored_len, raw_len) = (row.header.stored_len as usize, row.header.raw_len as usize);
        if codec == Codec::Raw {
            raw.resize(raw_len, 0);
            return self.read_at(raw, row.payload_offset());
        }
        let mut stored = std::mem::take(&mut self.stored);
        stored.resize(stored_len, 0);
        let result = self.read_at(&mut stored, row.payload_offset());
        let result = result.and_then(|()| decoder.decode(codec, &stored, raw_len, raw).map_err(|e| self.damaged(e)));
        self.stored = stored;
        result
    }

    /// Reads `len` bytes at `offset` of a decoded block; of a raw block no more than these.
    pub fn read_part(&mut self, row: &BlockRow, offset: u32, len: u32, decoder: &mut Decoder, part: &mut Vec<u8>) -> Result<()> {
        if self.codec(row)? == Codec::Raw {
            part.resize(len as usize, 0);
            return self.read_at(part, row.payload_offset() + u64::from(offset));
        }
        self.read_block(row, decoder, part)?;
        // The row's bounds were checked when it was read.
        part.truncate(offset as usize + len as usize);
        part.drain(..offset as usize);
        Ok(())
    }

    fn codec(&self, row: &BlockRow) -> Result<Codec> {
        Codec::from_id(row.header.codec).ok_or_else(|| self.damaged(format!("its codec {} is unknown to this program", row.header.codec)))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it is cut off"),
            _ => Error::io("read", &self.pack.path, e),
        })
    }

    fn damaged(&self, why: impl std::fmt::Display) -> Error {
        damaged("pack", &self.pack.id.short(16), why)
    }
}

/// Hashes a file against the name that its bytes should have.
pub fn verify_file(path: &Path, id: PackId) -> Result<()> {
    let mut hasher = blake3::Hasher::new();
    hash_range(path, 0..u64::MAX, &mut hasher)?;
    if PackId::from(hasher.finalize()) == id { Ok(()) } else { Err(not_its_name(id)) }
}

/// Gives a hasher the bytes of a file in a range, as far as there are any; returns how many.
pub fn hash_range(path: &Path, range: Range<u64>, hasher: &mut blake3::Hasher) -> Result<u64> {
    let file = open_regular(path).map_err(|e| Error::io("open", path, e))?;
    // Short enough to be taken from memory that is at hand: fresh pages for each file cost a
    // twentieth of the time.
    let mut buffer = [0; 64 << 10];
    let mut at = range.start;
    while at < range.end {
        let wanted = buffer.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
        match file.read_at(&mut buffer[..wanted], at) {
            Ok(0) => break,
            Ok(len) => {
                hasher.update(&buffer[..len]);
                at += len as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Error::io("read", path, e)),
        }
    }
    Ok(at - range.start)
}

/// Tells that a pack is not what its name says.
pub fn not_its_name(id: PackId) -> Error {
    damaged("pack", &id.short(16), "its bytes do not match its name")
}

/// Checks the table of an open pack of a class against its trailer, and every row's bounds.
pub fn check_table(file: &File, len: u64, class: PackClass) -> Result<(), PackError> {
    match read_table(file, len, class) {
        Ok(_) => Ok(()),
        Err(ReadTableError::Pack(why)) => Err(why),
        Err(ReadTableError::Io(e)) => Err(PackError::Unreadable(e.kind())),
    }
}

/// Lists the packs of a class by their file names, sorted; files with other names are strangers.
pub fn list(layout: &Layout, class: PackClass) -> Result<Vec<PackId>> {
    let mut ids: Vec<PackId> = Vec::new();
    for dir in layout.folders(class.dir().as_ref()) {
        for fan in names_in(&dir)? {
            if fan.len() != 2 || !fan.bytes().all(|b| b.is_ascii_hexdigit()) {
                continue;
            }
            for name in names_in(&dir.join(&fan))? {
                ids.extend(name.parse::<PackId>().ok().filter(|_| name.starts_with(&fan)));
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

enum ReadTableError {
    Pack(PackError),
    Io(io::Error),
}

impl From<PackError> for ReadTableError {
    fn from(error: PackError) -> ReadTableError {
        ReadTableError::Pack(error)
    }
}

impl From<io::Error> for ReadTableError {
    fn from(error: io::Error) -> ReadTableError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadTableError::Pack(PackError::Truncated),
            _ => ReadTableError::Io(error),
        }
    }
}

fn read_table(file: &File, len: u64, class: PackClass) -> Result<Table, ReadTableError> {
    let trailer_at = len.checked_sub(TRAILER_LEN as u64).ok_or(PackError::Truncated)?;
    let mut trailer = [0; TRAILER_LEN];
    file.read_exact_at(&mut trailer, trailer_at)?;
    let trailer = Trailer::decode(&trailer, len)?;
    let mut header = [0; HEADER_LEN];
    file.read_exact_at(&mut header, 0)?;
    if Header::decode(&header)?.class != class {
        return Err(PackError::Field("class").into());
    }
    // The trailer's fields add up to the file's length, so this is within the limit of a pack.
    let mut table = vec![0; usize::try_from(trailer.table_len()).map_err(|_| PackError::Truncated)?];
    file.read_exact_at(&mut table, trailer.table_offset)?;
    Ok(Table::decode(table, &trailer)?)
}
