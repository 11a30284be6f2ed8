//! Puts chunks or pages that are at hand into new packs, a block's worth together.

use std::collections::HashSet;

use crate::chunk::compress::{BLOCK_RAW_LEN_TARGET, Codec, Encoder};
use crate::error::Result;
use crate::format::pack::{BLOCK_CHUNKS_MAX, PackClass};
use crate::id::HASH_LEN;
use crate::pack::writer::{BlockChunk, FinishedPack, PackWriter};

use super::session::Session;

/// Collects chunks or pages.
pub struct Packer<'s, 'a> {
    session: &'s Session<'a>,
    class: PackClass,
    encoder: Encoder,
    taken: HashSet<[u8; HASH_LEN]>,
    raw: Vec<u8>,
    chunks: Vec<BlockChunk>,
    pack: Option<PackWriter>,
    finished: Vec<FinishedPack>,
    published_bytes: u64,
}

impl<'s, 'a> Packer<'s, 'a> {
    /// Begins with nothing.
    pub fn new(session: &'s Session<'a>, class: PackClass) -> Packer<'s, 'a> {
        Packer {
            session,
            class,
            encoder: Encoder::new(),
            taken: HashSet::new(),
            raw: Vec::new(),
            chunks: Vec::new(),
            pack: None,
            finished: Vec::new(),
            published_bytes: 0,
        }
    }

    /// Whether this was put here already.
    pub fn has(&self, hash: &[u8; HASH_LEN]) -> bool {
        self.taken.contains(hash)
    }

    /// Takes bytes, which the caller has hashed; what comes twice is stored once.
    pub fn put(&mut self, hash: &[u8; HASH_LEN], bytes: &[u8]) -> Result<()> {
        if !self.taken.insert(*hash) {
            return Ok(());
        }
        if !self.raw.is_empty() && (self.raw.len() + bytes.len() > BLOCK_RAW_LEN_TARGET || self.chunks.len() == BLOCK_CHUNKS_MAX) {
            self.end_block()?;
        }
        self.raw.extend_from_slice(bytes);
        self.chunks.push((*hash, bytes.len() as u32));
        Ok(())
    }

    /// Publishes the packs that are full.
    pub fn publish_full(&mut self) -> Result<()> {
        for pack in std::mem::take(&mut self.finished) {
            self.published_bytes += pack.len;
            self.session.publish(pack)?;
        }
        Ok(())
    }

    /// Publishes everything; returns the bytes of all packs.
    pub fn publish(mut self) -> Result<u64> {
        self.end_block()?;
        if let Some(pack) = self.pack.take() {
            self.finished.push(pack.finish()?);
        }
        self.publish_full()?;
        Ok(self.published_bytes)
    }

    fn end_block(&mut self) -> Result<()> {
        if self.chunks.is_empty() {
            return Ok(());
        }
        let mut pack = match self.pack.take() {
            Some(pack) => pack,
            None => PackWriter::new(self.class, self.session.disk().draft()?)?,
        };
        let mut stored = Vec::new();
        let codec = self.encoder.encode(&self.raw, &mut stored);
        let payload = if codec == Codec::Raw { &self.raw } else { &stored };
        pack.add_block(codec.id(), self.raw.len(), payload, &self.chunks)?;
        self.raw.clear();
        self.chunks.clear();
        if pack.is_full() {
            self.finished.push(pack.finish()?);
        } else {
            self.pack = Some(pack);
        }
        Ok(())
    }
}
