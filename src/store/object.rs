//! Reads what packs hold: chunks, pages, metadata. Every byte is hashed before it is used.

use std::sync::PoisonError;

use crate::chunk::compress::Decoder;
use crate::error::{Error, Result, damaged};
use crate::format::manifest::{Manifest, Page, PageType};
use crate::format::pack::PackClass;
use crate::format::record::{Metadata, RecordError, metadata_json};
use crate::id::{ChunkId, HASH_LEN, PageId};
use crate::index::Location;
use crate::quote::quote;
use crate::refs::history::{MetadataLayer, Version};

use super::Store;

impl Store {
    /// Finds where a chunk lies.
    pub fn locate_chunk(&self, id: ChunkId) -> Result<Location> {
        self.locate(PackClass::Data, id.as_bytes())?.ok_or_else(|| self.missing(PackClass::Data, "chunk", &id.to_string()))
    }

    /// Finds where a page lies.
    pub fn locate_page(&self, id: PageId) -> Result<Location> {
        self.locate(PackClass::Meta, id.as_bytes())?.ok_or_else(|| self.missing(PackClass::Meta, "page", &id.to_string()))
    }

    /// Finds a chunk or page; on a miss the packs are listed again, once, for a writer may have
    /// published meanwhile.
    pub fn locate(&self, class: PackClass, hash: &[u8; 32]) -> Result<Option<Location>> {
        let index = self.index(class)?;
        if let Some(found) = index.find_likely(hash, |_| true) {
            return Ok(Some(found));
        }
        // Whether this finds new packs does not tell: another thread may just have added them.
        index.refresh()?;
        Ok(index.find_any(hash))
    }

    /// Reads a chunk.
    pub fn read_chunk(&self, id: ChunkId) -> Result<Vec<u8>> {
        self.read_checked(PackClass::Data, id.as_bytes(), "chunk", &|bytes| ChunkId::of(bytes) == id)
    }

    /// Reads the bytes of a page of a kind.
    pub fn read_page_bytes(&self, id: PageId, kind: PageType) -> Result<Vec<u8>> {
        self.read_checked(PackClass::Meta, id.as_bytes(), "page", &|bytes| kind.id_of(bytes) == id)
    }

    /// Reads what `is_right` takes, from the first pack that has it whole: a damaged copy does not
    /// hide a good one.
    fn read_checked(&self, class: PackClass, hash: &[u8; HASH_LEN], what: &str, is_right: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
        let name = PageId::from_bytes(*hash).to_string();
        if self.locate(class, hash)?.is_none() {
            return Err(self.missing(class, what, &name));
        }
        let index = self.index(class)?;
        let mut listed_again = false;
        loop {
            let (mut found, mut failed) = (None, None);
            index.find(hash, |location| {
                match self.read_at(location) {
                    Ok(bytes) if is_right(&bytes) => found = Some(bytes),
                    Ok(_) => failed = Some(wrong_bytes(what, &name, location)),
                    Err(error) => failed = Some(error),
                }
                found.is_some()
            });
            match found {
                Some(bytes) => return Ok(bytes),
                // Somebody may have copied it into a new pack and removed the one it was in.
                None if !listed_again => {
                    index.refresh()?;
                    listed_again = true;
                }
                None => return Err(failed.unwrap_or_else(|| self.missing(class, what, &name))),
            }
        }
    }

    /// Reads the bytes at a place, unchecked. Pages that are read one after another mostly lie in
    /// one block, which is kept decoded.
    fn read_at(&self, location: &Location) -> Result<Vec<u8>> {
        let (pack, row, block) = (&location.pack, location.row, &location.block);
        let mut bytes = Vec::new();
        if pack.class == PackClass::Data {
            pack.file()?.read_part(block, row.offset, row.len, &mut Decoder::new(), &mut bytes)?;
            return Ok(bytes);
        }
        let mut last = self.last_block.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(id, number, _)| (*id, *number) != (pack.id, row.block)) {
            pack.file()?.read_block(block, &mut Decoder::new(), &mut bytes)?;
            *last = Some((pack.id, row.block, bytes));
        }
        let range = row.offset as usize..row.offset as usize + row.len as usize;
        let bytes = last.as_ref().and_then(|(_, _, raw)| raw.get(range));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| damaged("pack", &pack.id.short(16), "a block is too short"))
    }

    /// The error for what is in no pack; it may be in one that is not whole.
    fn missing(&self, class: PackClass, what: &str, id: &str) -> Error {
        let torn = self.index(class).map(|index| index.not_arrived()).unwrap_or_default();
        let torn: Vec<String> =
            torn.iter().map(|(pack, why)| format!("; pack {} is not whole: {why}", quote(pack.short(16).as_bytes()))).collect();
        Error::damaged(format!("{what} {} is not in this copy of the store{}", quote(&id.as_bytes()[..16]), torn.concat()))
            .hint("`art pull DIR` brings what is missing from another copy of the store, as copying its `packs/` does; `art fsck` lists it")
    }

    /// Reads and checks a page of a kind.
    pub fn read_page(&self, id: PageId, kind: PageType) -> Result<Page> {
        let bytes = self.read_page_bytes(id, kind)?;
        Page::decode(kind, &bytes).map_err(|why| damaged("page", &id.short(16), why))
    }

    /// Reads a manifest.
    pub fn read_manifest(&self, id: PageId) -> Result<Manifest> {
        match self.read_page(id, PageType::Manifest)? {
            Page::Manifest(manifest) => Ok(manifest),
            _ => Err(damaged("manifest", &id.short(16), "it is a page of another kind")),
        }
    }

    /// Adds up a version's metadata.
    pub fn metadata(&self, version: &Version) -> Result<Metadata> {
        self.add_up_metadata(&version.metadata)
    }

    /// Adds up metadata: what each layer sets and removes, over those before it.
    pub fn add_up_metadata(&self, layers: &[MetadataLayer]) -> Result<Metadata> {
        let mut all = Metadata::new();
        for layer in layers {
            all.extend(self.read_metadata_pages(&layer.pages)?);
            all.extend(layer.set.iter().map(|(key, value)| (key.clone(), value.clone())));
            all.retain(|key, _| !layer.unset.contains(key));
        }
        Ok(all)
    }

    fn read_metadata_pages(&self, pages: &[PageId]) -> Result<Metadata> {
        let mut json = Vec::new();
        for &id in pages {
            if let Page::Metadata(piece) = self.read_page(id, PageType::Metadata)? {
                json.extend(piece.0);
            }
            if json.len() > crate::format::limits::METADATA_LEN_MAX {
                return Err(damaged("metadata", &id.short(16), "it is longer than metadata may be"));
            }
        }
        let Some(first) = pages.first() else { return Ok(Metadata::new()) };
        let wrong = |why: String| damaged("metadata", &first.short(16), why);
        let metadata: Metadata = serde_json::from_slice(&json).map_err(|e| wrong(e.to_string()))?;
        if metadata_json(&metadata).map_err(|e| wrong(e.to_string()))? != json {
            return Err(wrong(RecordError::NotCanonical.to_string()));
        }
        Ok(metadata)
    }
}

pub(crate) fn wrong_bytes(what: &str, id: &str, location: &Location) -> Error {
    damaged(what, &id[..16], format!("its bytes do not match its name, in pack {}", quote(location.pack.id.short(16).as_bytes())))
}
