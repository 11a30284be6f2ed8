//! What a put may rely on without reading a file: the entries of its base, and known files.

use crate::error::{Error, ErrorKind, Result};
use crate::format::manifest::{ChunkRun, FileBody, PageType};
use crate::format::pack::PackClass;
use crate::format::path::EntryPath;
use crate::ops::blocks::BlockReader;
use crate::refs::history::Version;
use crate::store::packer::Packer;
use crate::store::page_writer::PageWriter;
use crate::store::session::Session;

/// Makes sure that everything a base names is here and may be relied on. What lies only in packs
/// that may not, condemned ones, is copied out of them.
pub(super) fn rely_on_base(session: &Session<'_>, base: &Version, pages: &mut PageWriter<'_, '_>) -> Result<()> {
    let manifest = base.record.manifest;
    if session.is_confirmed(manifest) {
        return Ok(());
    }
    let mut copier = Copier { session, reader: BlockReader::new(), packer: Packer::new(session, PackClass::Data) };
    for entry in session.store().entries(manifest)? {
        let entry = entry?;
        if let Some(body) = entry.file() {
            copier.file(&entry.path, body, pages).map_err(|error| match error.kind() {
                ErrorKind::Damaged => {
                    let name = base.full_name();
                    error
                        .within(format!("cannot build on {name}: {} is not whole in this copy of the store", entry.path))
                        .hint("copy the missing packs from another copy of the store; `art fsck` lists what is missing")
                }
                _ => error,
            })?;
        }
    }
    copier.packer.publish().map(drop)
}

/// Whether every chunk and page of a file is in a pack that may be relied on.
pub(super) fn is_here(session: &Session<'_>, path: &EntryPath, body: &FileBody) -> Result<bool> {
    let mut all = true;
    session.store().chunk_pages(body, &mut |tree| {
        all = all && session.has(PackClass::Meta, tree.page.as_bytes())?;
        Ok(())
    })?;
    if all {
        session.store().chunk_runs(path, body, &mut |run: ChunkRun| {
            all = all && session.has(PackClass::Data, run.chunk.as_bytes())?;
            Ok(())
        })?;
    }
    Ok(all)
}

struct Copier<'s, 'a> {
    session: &'s Session<'a>,
    reader: BlockReader,
    packer: Packer<'s, 'a>,
}

impl Copier<'_, '_> {
    fn file(&mut self, path: &EntryPath, body: &FileBody, pages: &mut PageWriter<'_, '_>) -> Result<(), Error> {
        let store = self.session.store();
        store.chunk_pages(body, &mut |tree| {
            if self.session.has(PackClass::Meta, tree.page.as_bytes())? {
                return Ok(());
            }
            let kind = if tree.level == 0 { PageType::Chunks } else { PageType::ChunkIndex };
            pages.put_bytes(tree.page, &store.read_page_bytes(tree.page, kind)?)
        })?;
        store.chunk_runs(path, body, &mut |run| {
            let hash = run.chunk.as_bytes();
            if self.packer.has(hash) || self.session.has(PackClass::Data, hash)? {
                return Ok(());
            }
            let bytes = self.reader.chunk(store, &run)?;
            // Another writer may have published it since the packs were listed.
            if !self.session.has(PackClass::Data, hash)? {
                self.packer.put(hash, bytes)?;
                self.packer.publish_full()?;
            }
            Ok(())
        })
    }
}
