//! Stores pages in meta packs: only those that are not there yet.

use crate::error::Result;
use crate::format::manifest::Page;
use crate::format::pack::PackClass;
use crate::id::PageId;

use super::packer::Packer;
use super::session::Session;

/// Collects the pages of one version.
pub struct PageWriter<'s, 'a> {
    session: &'s Session<'a>,
    packer: Packer<'s, 'a>,
}

impl<'s, 'a> PageWriter<'s, 'a> {
    /// Begins with no page.
    pub fn new(session: &'s Session<'a>) -> PageWriter<'s, 'a> {
        PageWriter { session, packer: Packer::new(session, PackClass::Meta) }
    }

    /// Takes a page, unless the store has it, and names it.
    pub fn put(&mut self, page: &Page) -> Result<PageId> {
        let (id, bytes) = page.encode();
        self.put_bytes(id, &bytes)?;
        Ok(id)
    }

    /// Takes the bytes of a page, which hash to `id`, unless the store has it.
    pub fn put_bytes(&mut self, id: PageId, bytes: &[u8]) -> Result<()> {
        if self.packer.has(id.as_bytes()) || self.session.has(PackClass::Meta, id.as_bytes())? {
            return Ok(());
        }
        self.packer.put(id.as_bytes(), bytes)
    }

    /// Publishes what was taken, after the data that it speaks of; returns the bytes of the packs.
    pub fn publish(self) -> Result<u64> {
        self.packer.publish()
    }
}
