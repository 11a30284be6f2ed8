//! Writes a pack into a draft, front to back, hashing it on the way.

use crate::durable::Draft;
use crate::error::Result;
use crate::format::limits::{PACK_LEN_MAX, PACK_LEN_TARGET};
use crate::format::pack::{BlockHeader, BlockRow, ChunkRow, HEADER_LEN, Header, PackClass, TRAILER_LEN, Table, Trailer};
use crate::id::{HASH_LEN, PackId};

/// A chunk of a block that is being written: its name and raw length.
pub type BlockChunk = ([u8; HASH_LEN], u32);

/// A pack that is being written.
#[derive(Debug)]
pub struct PackWriter {
    class: PackClass,
    draft: Draft,
    hasher: blake3::Hasher,
    offset: u64,
    blocks: Vec<BlockRow>,
    chunks: Vec<ChunkRow>,
    scratch: Vec<u8>,
}

/// A pack that is written, but not yet published.
#[derive(Debug)]
pub struct FinishedPack {
    /// Its name.
    pub id: PackId,
    /// What it holds.
    pub class: PackClass,
    /// Its length in bytes.
    pub len: u64,
    /// Its table.
    pub table: Table,
    /// Its bytes.
    pub draft: Draft,
}

impl FinishedPack {
    /// Gives the pack a salt and so another name; the table, which speaks of hashes, stays.
    pub fn salted(mut self, salt: [u8; 8]) -> Result<FinishedPack> {
        self.draft.write_at(&Header { class: self.class, salt }.encode(), 0)?;
        self.id = self.draft.hash()?.into();
        Ok(self)
    }
}

impl PackWriter {
    /// Begins a pack.
    pub fn new(class: PackClass, draft: Draft) -> Result<PackWriter> {
        let mut writer = PackWriter {
            class,
            draft,
            hasher: blake3::Hasher::new(),
            offset: 0,
            blocks: Vec::new(),
            chunks: Vec::new(),
            scratch: Vec::new(),
        };
        writer.append(&Header { class, salt: [0; 8] }.encode())?;
        debug_assert_eq!(writer.offset, HEADER_LEN as u64);
        Ok(writer)
    }

    /// Whether the pack has reached the length at which it is closed.
    pub fn is_full(&self) -> bool {
        self.len_when_finished() >= PACK_LEN_TARGET
    }

    /// Appends a block: `stored` is what the codec made of `raw_len` bytes, in which the chunks
    /// lie one after another.
    pub fn add_block(&mut self, codec: u32, raw_len: usize, stored: &[u8], chunks: &[BlockChunk]) -> Result<()> {
        let row = BlockRow {
            offset: to_u32(self.offset as usize),
            header: BlockHeader { codec, stored_len: to_u32(stored.len()), raw_len: to_u32(raw_len), chunk_count: to_u32(chunks.len()) },
        };
        let lens: Vec<u32> = chunks.iter().map(|&(_, len)| len).collect();
        let mut header = std::mem::take(&mut self.scratch);
        header.clear();
        row.header.encode(&lens, &mut header);
        self.append(&header)?;
        self.scratch = header;
        self.append(stored)?;
        let block = to_u32(self.blocks.len());
        let mut offset = 0;
        for &(hash, len) in chunks {
            self.chunks.push(ChunkRow { hash, block, offset, len });
            offset += len;
        }
        self.blocks.push(row);
        debug_assert!(self.len_when_finished() <= PACK_LEN_MAX);
        Ok(())
    }

    /// Writes table and trailer.
    pub fn finish(mut self) -> Result<FinishedPack> {
        let table = Table::build(&self.blocks, &mut self.chunks);
        let trailer = Trailer {
            table_offset: self.offset,
            table_hash: blake3::hash(table.as_bytes()).into(),
            block_count: to_u32(self.blocks.len()),
            chunk_count: to_u32(self.chunks.len()),
            file_len: self.offset + table.as_bytes().len() as u64 + TRAILER_LEN as u64,
        };
        self.append(table.as_bytes())?;
        self.append(&trailer.encode())?;
        let id = self.hasher.finalize().into();
        Ok(FinishedPack { id, class: self.class, len: self.offset, table, draft: self.draft })
    }

    fn len_when_finished(&self) -> u64 {
        let table = self.blocks.len() * crate::format::pack::BLOCK_ROW_LEN + self.chunks.len() * crate::format::pack::CHUNK_ROW_LEN;
        self.offset + table as u64 + TRAILER_LEN as u64
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.draft.write_all(bytes)?;
        self.hasher.update(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

fn to_u32(len: usize) -> u32 {
    // A pack is closed long before: its target and the longest block are far below 4 GiB.
    u32::try_from(len).expect("lengths within a pack are below 48 MiB")
}
