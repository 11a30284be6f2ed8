//! Pages that lie outside the packs of a store: in packs that other branches have.

use std::collections::HashMap;

use crate::chunk::compress::{Codec, Decoder};
use crate::error::{Result, damaged};
use crate::format::pack::{BlockRow, ChunkRow, PackClass, Table};
use crate::id::{HASH_LEN, PackId};
use crate::index::Index;

/// Packs beside those of a store, whose pages are not vouched for: who reads one hashes it.
#[derive(Debug, Default)]
pub struct BranchPages {
    indexes: Vec<Index>,
    held: Vec<HeldPack>,
    /// In which of the packs that are held a page lies.
    places: HashMap<[u8; HASH_LEN], u32>,
}

/// A whole pack in memory.
#[derive(Debug)]
pub(in crate::store) struct HeldPack {
    id: PackId,
    bytes: Vec<u8>,
    table: Table,
}

impl BranchPages {
    /// Adds the packs of a directory.
    pub(super) fn add(&mut self, index: Index) {
        self.indexes.push(index);
    }

    /// Adds a pack whose bytes are what its name says. One that is no pack has no pages.
    pub(super) fn hold(&mut self, id: PackId, bytes: Vec<u8>) {
        let Ok(table) = Table::of_pack(&bytes, PackClass::Meta) else { return };
        let at = self.held.len() as u32;
        self.places.extend((0..table.chunk_count()).map(|slot| (*table.hash(slot), at)));
        self.held.push(HeldPack { id, bytes, table });
    }

    /// Returns the packs on disk.
    pub(in crate::store) fn indexes(&self) -> &[Index] {
        &self.indexes
    }

    /// Finds a page in memory: the number of a pack there, and its rows.
    pub(in crate::store) fn find_held(&self, hash: &[u8; HASH_LEN]) -> Option<(u32, &HeldPack, ChunkRow, BlockRow)> {
        let at = *self.places.get(hash)?;
        let pack = self.held.get(at as usize)?;
        let row = pack.table.find(hash)?;
        Some((at, pack, row, pack.table.block(row.block)?))
    }
}

impl HeldPack {
    /// Decodes a block.
    pub(in crate::store) fn read_block(&self, block: &BlockRow, decoder: &mut Decoder, raw: &mut Vec<u8>) -> Result<()> {
        let wrong = |why: &str| damaged("pack", &self.id.short(16), why);
        let start = block.payload_offset() as usize;
        let stored = self.bytes.get(start..start + block.header.stored_len as usize).ok_or_else(|| wrong("it is cut off"))?;
        match Codec::from_id(block.header.codec).ok_or_else(|| wrong("a codec in it is unknown"))? {
            Codec::Raw => {
                raw.clear();
                raw.extend_from_slice(stored);
                Ok(())
            }
            codec => {
                let raw_len = block.header.raw_len as usize;
                decoder.decode(codec, stored, raw_len, raw).map_err(|why| wrong(&why.to_string()))
            }
        }
    }
}
