//! Puts chunks or pages that come one by one into new packs, a block's worth together.

use super::writer::{BlockChunk, FinishedPack, PackWriter};
use crate::chunk::compress::{BLOCK_RAW_LEN_TARGET, Codec, Encoder};
use crate::durable::Draft;
use crate::error::Result;
use crate::format::pack::{BLOCK_CHUNKS_MAX, PackClass};
use crate::id::HASH_LEN;

/// Collects the chunks or pages of one class into blocks, and these into packs.
pub struct PackMaker {
    class: PackClass,
    encoder: Encoder,
    raw: Vec<u8>,
    chunks: Vec<BlockChunk>,
    pack: Option<PackWriter>,
}

impl PackMaker {
    /// Begins with nothing.
    pub fn new(class: PackClass) -> PackMaker {
        PackMaker { class, encoder: Encoder::new(), raw: Vec::new(), chunks: Vec::new(), pack: None }
    }

    /// Returns the class of what is collected.
    pub fn class(&self) -> PackClass {
        self.class
    }

    /// Takes bytes, which the caller has hashed; returns a pack once one is full. `draft` begins the
    /// file of a new pack.
    pub fn add(&mut self, hash: [u8; HASH_LEN], bytes: &[u8], draft: &dyn Fn() -> Result<Draft>) -> Result<Option<FinishedPack>> {
        let mut full = None;
        if !self.raw.is_empty() && (self.raw.len() + bytes.len() > BLOCK_RAW_LEN_TARGET || self.chunks.len() == BLOCK_CHUNKS_MAX) {
            full = self.end_block(draft)?;
        }
        self.raw.extend_from_slice(bytes);
        self.chunks.push((hash, bytes.len() as u32));
        Ok(full)
    }

    /// Returns the packs that were begun: the last, and perhaps one that became full with its last
    /// block.
    pub fn finish(&mut self, draft: &dyn Fn() -> Result<Draft>) -> Result<Vec<FinishedPack>> {
        let full = if self.chunks.is_empty() { None } else { self.end_block(draft)? };
        let last = self.pack.take().map(PackWriter::finish).transpose()?;
        Ok(full.into_iter().chain(last).collect())
    }

    fn end_block(&mut self, draft: &dyn Fn() -> Result<Draft>) -> Result<Option<FinishedPack>> {
        let mut pack = match self.pack.take() {
            Some(pack) => pack,
            None => PackWriter::new(self.class, draft()?)?,
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
