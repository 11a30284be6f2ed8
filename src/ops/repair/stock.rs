//! Chunks and pages that were fetched one by one or salvaged, gathered into new packs.

use crate::chunk::compress::{BLOCK_RAW_LEN_TARGET, Codec, Encoder};
use crate::durable::Disk;
use crate::error::Result;
use crate::format::pack::{BLOCK_CHUNKS_MAX, PackClass};
use crate::id::HASH_LEN;
use crate::pack::writer::{BlockChunk, FinishedPack, PackWriter};

/// What was gathered of one class.
pub(super) struct Stock {
    class: PackClass,
    encoder: Encoder,
    raw: Vec<u8>,
    chunks: Vec<BlockChunk>,
    pack: Option<PackWriter>,
}

impl Stock {
    pub(super) fn new(class: PackClass) -> Stock {
        Stock { class, encoder: Encoder::new(), raw: Vec::new(), chunks: Vec::new(), pack: None }
    }

    pub(super) fn class(&self) -> PackClass {
        self.class
    }

    /// Takes a chunk or page; returns a pack once one is full.
    pub(super) fn add(&mut self, disk: &Disk, hash: [u8; HASH_LEN], bytes: &[u8]) -> Result<Option<FinishedPack>> {
        let mut full = None;
        if !self.raw.is_empty() && (self.raw.len() + bytes.len() > BLOCK_RAW_LEN_TARGET || self.chunks.len() == BLOCK_CHUNKS_MAX) {
            full = self.end_block(disk)?;
        }
        self.raw.extend_from_slice(bytes);
        self.chunks.push((hash, bytes.len() as u32));
        Ok(full)
    }

    /// Returns the packs that were begun.
    pub(super) fn finish(&mut self, disk: &Disk) -> Result<Vec<FinishedPack>> {
        let full = if self.chunks.is_empty() { None } else { self.end_block(disk)? };
        let last = self.pack.take().map(PackWriter::finish).transpose()?;
        Ok(full.into_iter().chain(last).collect())
    }

    fn end_block(&mut self, disk: &Disk) -> Result<Option<FinishedPack>> {
        let mut pack = match self.pack.take() {
            Some(pack) => pack,
            None => PackWriter::new(self.class, disk.draft()?)?,
        };
        let mut stored = Vec::new();
        let codec = self.encoder.encode(&self.raw, &mut stored);
        let payload = if codec == Codec::Raw { &self.raw } else { &stored };
        pack.add_block(codec.id(), self.raw.len(), payload, &self.chunks)?;
        self.raw.clear();
        self.chunks.clear();
        if pack.is_full() {
            return pack.finish().map(Some);
        }
        self.pack = Some(pack);
        Ok(None)
    }
}
