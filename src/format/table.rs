//! The table of a pack as a whole; "Table" in `docs/format.md`.

use super::pack::{BLOCK_ROW_LEN, BlockRow, CHUNK_ROW_LEN, ChunkRow, HEADER_LEN, Header, PackClass, PackError, TRAILER_LEN, Trailer};
use crate::id::HASH_LEN;

/// The table of a pack: block rows, then chunk rows sorted by hash. Keeps the bytes as read.
#[derive(Clone, Debug)]
pub struct Table {
    bytes: Vec<u8>,
    block_count: usize,
}

impl Table {
    /// Lays out a table; `chunks` are sorted by hash here.
    pub fn build(blocks: &[BlockRow], chunks: &mut [ChunkRow]) -> Table {
        chunks.sort_unstable_by_key(|row| row.hash);
        let mut bytes = Vec::with_capacity(blocks.len() * BLOCK_ROW_LEN + chunks.len() * CHUNK_ROW_LEN);
        for row in blocks {
            let header = row.header;
            for field in [row.offset, header.codec, header.stored_len, header.raw_len, header.chunk_count] {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
        }
        for row in chunks {
            bytes.extend_from_slice(&row.hash);
            for field in [row.block, row.offset, row.len] {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
        }
        Table { bytes, block_count: blocks.len() }
    }

    /// Checks bytes against their trailer: the hash, and every row's bounds and order.
    pub fn decode(bytes: Vec<u8>, trailer: &Trailer) -> Result<Table, PackError> {
        if bytes.len() as u64 != trailer.table_len() {
            return Err(PackError::Truncated);
        }
        if blake3::hash(&bytes) != trailer.table_hash {
            return Err(PackError::TableHash);
        }
        let table = Table { bytes, block_count: trailer.block_count as usize };
        table.check(trailer.table_offset)?;
        Ok(table)
    }

    /// Finds and checks the table in the bytes of a whole pack of a class.
    pub fn of_pack(pack: &[u8], class: PackClass) -> Result<Table, PackError> {
        if Header::decode(pack)?.class != class {
            return Err(PackError::Field("class"));
        }
        let (front, trailer) = pack.split_last_chunk::<TRAILER_LEN>().ok_or(PackError::Truncated)?;
        let trailer = Trailer::decode(trailer, pack.len() as u64)?;
        let table = front.get(trailer.table_offset as usize..).ok_or(PackError::Truncated)?;
        Table::decode(table.to_vec(), &trailer)
    }

    fn check(&self, table_offset: u64) -> Result<(), PackError> {
        let mut at = HEADER_LEN as u64;
        let mut chunk_count = 0u64;
        for index in 0..self.block_count {
            let row = self.block(index as u32).ok_or(PackError::Truncated)?;
            if u64::from(row.offset) != at {
                return Err(PackError::Field("block offset"));
            }
            row.header.check()?;
            at = row.payload_offset() + u64::from(row.header.stored_len);
            chunk_count += u64::from(row.header.chunk_count);
        }
        if at != table_offset || chunk_count != self.chunk_count() as u64 {
            return Err(PackError::Field("table"));
        }
        for index in 0..self.chunk_count() {
            let row = self.chunk(index).ok_or(PackError::Truncated)?;
            let block = self.block(row.block).ok_or(PackError::Field("block number"))?;
            row.check(&block)?;
            if index > 0 && self.hash(index - 1) > self.hash(index) {
                return Err(PackError::Field("order of rows"));
            }
        }
        Ok(())
    }

    /// Returns the table as it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns how many blocks there are.
    pub fn block_count(&self) -> usize {
        self.block_count
    }

    /// Returns how many chunks there are.
    pub fn chunk_count(&self) -> usize {
        (self.bytes.len() - self.block_count * BLOCK_ROW_LEN) / CHUNK_ROW_LEN
    }

    /// Returns a block's row.
    pub fn block(&self, index: u32) -> Option<BlockRow> {
        let blocks = &self.bytes[..self.block_count * BLOCK_ROW_LEN];
        blocks.as_chunks().0.get(index as usize).map(BlockRow::decode)
    }

    /// Returns a chunk's row, in the order of the hashes.
    pub fn chunk(&self, index: usize) -> Option<ChunkRow> {
        let chunks = &self.bytes[self.block_count * BLOCK_ROW_LEN..];
        chunks.as_chunks().0.get(index).map(ChunkRow::decode)
    }

    /// Returns a chunk's hash, in the order of the hashes.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn hash(&self, index: usize) -> &[u8; HASH_LEN] {
        self.bytes[self.chunk_at(index)..].first_chunk().expect("a row is longer than a hash")
    }

    /// Finds a chunk by its hash.
    pub fn find(&self, hash: &[u8; HASH_LEN]) -> Option<ChunkRow> {
        let (mut low, mut high) = (0, self.chunk_count());
        while low < high {
            let middle = low.midpoint(high);
            if self.hash(middle) < hash { low = middle + 1 } else { high = middle }
        }
        self.chunk(low).filter(|row| row.hash == *hash)
    }

    fn chunk_at(&self, index: usize) -> usize {
        self.block_count * BLOCK_ROW_LEN + index * CHUNK_ROW_LEN
    }
}
