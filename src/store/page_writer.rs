//! Stores pages in meta packs: only those that are not there yet, a block's worth together.

use std::collections::HashSet;

use crate::chunk::compress::{BLOCK_RAW_LEN_TARGET, Codec, Encoder};
use crate::error::Result;
use crate::format::manifest::Page;
use crate::format::pack::{BLOCK_CHUNKS_MAX, PackClass};
use crate::id::PageId;
use crate::pack::writer::{BlockChunk, FinishedPack, PackWriter};

use super::session::Session;

/// Collects the pages of one version.
pub struct PageWriter<'s, 'a> {
    session: &'s Session<'a>,
    encoder: Encoder,
    taken: HashSet<PageId>,
    raw: Vec<u8>,
    chunks: Vec<BlockChunk>,
    pack: Option<PackWriter>,
    finished: Vec<FinishedPack>,
}

impl<'s, 'a> PageWriter<'s, 'a> {
    /// Begins with no page.
    pub fn new(session: &'s Session<'a>) -> PageWriter<'s, 'a> {
        PageWriter {
            session,
            encoder: Encoder::new(),
            taken: HashSet::new(),
            raw: Vec::new(),
            chunks: Vec::new(),
            pack: None,
            finished: Vec::new(),
        }
    }

    /// Takes a page, unless the store has it, and names it.
    pub fn put(&mut self, page: &Page) -> Result<PageId> {
        let (id, bytes) = page.encode();
        if self.taken.contains(&id) || self.session.has(PackClass::Meta, id.as_bytes())? {
            return Ok(id);
        }
        if !self.raw.is_empty() && (self.raw.len() + bytes.len() > BLOCK_RAW_LEN_TARGET || self.chunks.len() == BLOCK_CHUNKS_MAX) {
            self.end_block()?;
        }
        self.raw.extend_from_slice(&bytes);
        self.chunks.push((*id.as_bytes(), bytes.len() as u32));
        self.taken.insert(id);
        Ok(id)
    }

    /// Publishes what was taken; returns the bytes of the packs.
    pub fn publish(mut self) -> Result<u64> {
        self.end_block()?;
        if let Some(pack) = self.pack.take() {
            self.finished.push(pack.finish()?);
        }
        let mut bytes = 0;
        for pack in self.finished {
            bytes += pack.len;
            self.session.publish(pack)?;
        }
        Ok(bytes)
    }

    fn end_block(&mut self) -> Result<()> {
        if self.chunks.is_empty() {
            return Ok(());
        }
        let mut pack = match self.pack.take() {
            Some(pack) => pack,
            None => PackWriter::new(PackClass::Meta, self.session.disk().draft()?)?,
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
