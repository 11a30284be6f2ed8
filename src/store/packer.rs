//! Puts chunks or pages that are at hand into new packs, a block's worth together.

use std::collections::HashSet;

use crate::error::Result;
use crate::format::pack::PackClass;
use crate::id::HASH_LEN;
use crate::pack::maker::PackMaker;
use crate::pack::writer::FinishedPack;

use super::session::Session;

/// Collects chunks or pages, each once, and publishes the packs.
pub struct Packer<'s, 'a> {
    session: &'s Session<'a>,
    taken: HashSet<[u8; HASH_LEN]>,
    maker: PackMaker,
    finished: Vec<FinishedPack>,
    published_bytes: u64,
}

impl<'s, 'a> Packer<'s, 'a> {
    /// Begins with nothing.
    pub fn new(session: &'s Session<'a>, class: PackClass) -> Packer<'s, 'a> {
        Packer { session, taken: HashSet::new(), maker: PackMaker::new(class), finished: Vec::new(), published_bytes: 0 }
    }

    /// Whether this was put here already.
    pub fn has(&self, hash: &[u8; HASH_LEN]) -> bool {
        self.taken.contains(hash)
    }

    /// Takes bytes, which the caller has hashed; what comes twice is stored once.
    pub fn put(&mut self, hash: &[u8; HASH_LEN], bytes: &[u8]) -> Result<()> {
        if self.taken.insert(*hash) {
            let session = self.session;
            self.finished.extend(self.maker.add(*hash, bytes, &|| session.disk().draft())?);
        }
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
        let session = self.session;
        self.finished.extend(self.maker.finish(&|| session.disk().draft())?);
        self.publish_full()?;
        Ok(self.published_bytes)
    }
}
