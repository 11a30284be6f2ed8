//! `art verify-pack`: all that can be known of one pack file from itself.

use std::io::Read;
use std::path::PathBuf;

use serde::Serialize;

use crate::chunk::compress::{Codec, Decoder};
use crate::error::{Error, Result};
use crate::format::limits::PACK_LEN_MAX;
use crate::format::manifest::{Page, PageType};
use crate::format::pack::{BlockHeader, ChunkRow, HEADER_LEN, Header, PackClass, PackError, TRAILER_LEN, Table, Trailer};
use crate::id::{ChunkId, PackId, PageId};
use crate::open::open_regular;
use crate::pack::pack_path;
use crate::pack::reader::list;
use crate::quote::quote;
use crate::store::Store;

use super::cat_object::check_prefix;

/// What was found in a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackCheck {
    /// The pack.
    pub id: PackId,
    /// `data` or `meta`.
    pub class: &'static str,
    /// Where it lies, relative to the store.
    pub path: PathBuf,
    /// Its length.
    pub size_bytes: u64,
    /// Blocks that its table lists.
    pub block_count: u64,
    /// Chunks or pages that its table lists.
    pub object_count: u64,
    /// What is wrong; nothing if the pack is good.
    pub problems: Vec<String>,
}

/// Names a class of packs in a word.
pub(crate) fn class_word(class: PackClass) -> &'static str {
    match class {
        PackClass::Data => "data",
        PackClass::Meta => "meta",
    }
}

/// Finds the pack file that `typed` names: an id, at least 8 digits of one, or a path to it.
pub fn find_pack(store: &Store, typed: &str) -> Result<(PackClass, PackId)> {
    let prefix = typed.rsplit('/').next().unwrap_or(typed);
    check_prefix(prefix)?;
    let mut found = Vec::new();
    for class in [PackClass::Data, PackClass::Meta] {
        found.extend(list(store.layout(), class)?.into_iter().filter(|id| id.has_hex_prefix(prefix)).map(|id| (class, id)));
    }
    match found[..] {
        [] => Err(Error::not_found(format!("cannot find pack {}", quote(typed.as_bytes()))).hint("`art list-packs` lists all")),
        [one] => Ok(one),
        _ => Err(Error::ambiguous(format!("{} means several packs", quote(typed.as_bytes()))).hint("give more digits")),
    }
}

/// Reads a pack and checks its hash, its table, every block and every chunk.
pub fn verify_pack(store: &Store, class: PackClass, id: PackId) -> Result<PackCheck> {
    let relative = pack_path(class, id);
    let path = store.layout().path(&relative);
    let mut bytes = Vec::new();
    let file = open_regular(&path).map_err(|e| Error::io("open", &path, e))?;
    let len = file.metadata().map_err(|e| Error::io("look at", &path, e))?.len();
    file.take(PACK_LEN_MAX + 1).read_to_end(&mut bytes).map_err(|e| Error::io("read", &path, e))?;
    let mut check =
        PackCheck { id, class: class_word(class), path: relative, size_bytes: len, block_count: 0, object_count: 0, problems: Vec::new() };
    if PackId::of(&bytes) != id {
        check.problems.push("its bytes do not match its name".to_owned());
    }
    match read_table(&bytes, class) {
        Ok(table) => check.blocks(&bytes, &table, class),
        Err(why) => check.problems.push(why.to_string()),
    }
    Ok(check)
}

fn read_table(bytes: &[u8], class: PackClass) -> Result<Table, PackError> {
    if bytes.len() as u64 > PACK_LEN_MAX {
        return Err(PackError::Field("file length"));
    }
    if Header::decode(bytes.get(..HEADER_LEN).ok_or(PackError::Truncated)?)?.class != class {
        return Err(PackError::Field("class"));
    }
    let (_, trailer) = bytes.split_last_chunk::<TRAILER_LEN>().ok_or(PackError::Truncated)?;
    let trailer = Trailer::decode(trailer, bytes.len() as u64)?;
    let table = bytes.get(trailer.table_offset as usize..bytes.len() - TRAILER_LEN).ok_or(PackError::Truncated)?;
    Table::decode(table.to_vec(), &trailer)
}

impl PackCheck {
    fn blocks(&mut self, bytes: &[u8], table: &Table, class: PackClass) {
        (self.block_count, self.object_count) = (table.block_count() as u64, table.chunk_count() as u64);
        let mut rows: Vec<ChunkRow> = (0..table.chunk_count()).filter_map(|at| table.chunk(at)).collect();
        rows.sort_unstable_by_key(|row| (row.block, row.offset));
        let (mut decoder, mut raw) = (Decoder::new(), Vec::new());
        for (number, rows) in rows.chunk_by(|a, b| a.block == b.block).enumerate() {
            if let Err(why) = check_block(bytes, table, number as u32, rows, &mut decoder, &mut raw) {
                self.problems.push(format!("block {number}: {why}"));
                continue;
            }
            for row in rows {
                let object = &raw[row.offset as usize..row.offset as usize + row.len as usize];
                if let Err(why) = check_object(object, row, class) {
                    self.problems.push(format!(
                        "{} {}: {why}",
                        if class == PackClass::Data { "chunk" } else { "page" },
                        ChunkId::from_bytes(row.hash)
                    ));
                }
            }
        }
    }
}

/// Decodes a block into `raw` and compares its header with the table.
fn check_block(
    bytes: &[u8],
    table: &Table,
    number: u32,
    rows: &[ChunkRow],
    decoder: &mut Decoder,
    raw: &mut Vec<u8>,
) -> Result<(), String> {
    let block = table.block(number).filter(|_| rows.iter().all(|row| row.block == number)).ok_or("the table has no rows for it")?;
    let start = block.offset as usize;
    let (header, lens) = BlockHeader::decode(bytes.get(start..).unwrap_or_default()).map_err(|why| why.to_string())?;
    if header != block.header || !lens.iter().copied().eq(rows.iter().map(|row| row.len)) {
        return Err("its header is not what the table says".to_owned());
    }
    let payload = block.payload_offset() as usize;
    let stored = bytes.get(payload..payload + header.stored_len as usize).ok_or("it is cut off")?;
    let codec = Codec::from_id(header.codec).ok_or_else(|| format!("its codec {} is unknown to this program", header.codec))?;
    if codec == Codec::Raw {
        raw.clear();
        raw.extend_from_slice(stored);
    } else {
        decoder.decode(codec, stored, header.raw_len as usize, raw).map_err(|why| why.to_string())?;
    }
    if raw.len() == header.raw_len as usize { Ok(()) } else { Err("it is not as long as its header says".to_owned()) }
}

fn check_object(bytes: &[u8], row: &ChunkRow, class: PackClass) -> Result<(), String> {
    let wrong = || "its bytes do not match its name".to_owned();
    if class == PackClass::Data {
        return if ChunkId::of(bytes) == ChunkId::from_bytes(row.hash) { Ok(()) } else { Err(wrong()) };
    }
    let kind = PageType::peek(bytes).ok_or_else(wrong)?;
    if kind.id_of(bytes) != PageId::from_bytes(row.hash) {
        return Err(wrong());
    }
    Page::decode(kind, bytes).map(|_| ()).map_err(|why| why.to_string())
}
