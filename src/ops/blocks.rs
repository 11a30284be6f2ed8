//! Reads chunks and pages one after another: a block that was decoded serves all of its chunks
//! that come next, and a damaged copy of a chunk is passed over for a good one in another pack.

use std::ops::Range;

use crate::chunk::compress::Decoder;
use crate::error::{Result, damaged};
use crate::format::manifest::ChunkRun;
use crate::format::pack::PackClass;
use crate::id::{ChunkId, PackId};
use crate::index::Location;
use crate::store::Store;
use crate::store::object::wrong_bytes;

/// A reader that keeps the last block.
#[derive(Debug)]
pub(crate) struct BlockReader {
    decoder: Decoder,
    block: Option<(PackId, u32)>,
    raw: Vec<u8>,
}

impl BlockReader {
    pub(crate) fn new() -> BlockReader {
        BlockReader { decoder: Decoder::new(), block: None, raw: Vec::new() }
    }

    /// Reads a chunk and hashes it.
    pub(crate) fn chunk(&mut self, store: &Store, run: &ChunkRun) -> Result<&[u8]> {
        let location = store.locate_chunk(run.chunk)?;
        let range = match self.checked(&location, run) {
            Ok(range) => range,
            Err(first) => self.elsewhere(store, &location, run)?.ok_or(first)?,
        };
        Ok(&self.raw[range])
    }

    fn elsewhere(&mut self, store: &Store, bad: &Location, run: &ChunkRun) -> Result<Option<Range<usize>>> {
        let (mut found, index) = (None, store.index(PackClass::Data)?);
        for listed_again in [false, true] {
            if listed_again {
                // Somebody may have copied it into a new pack and removed the one it was in.
                index.refresh()?;
            }
            index.find(run.chunk.as_bytes(), |location| {
                if location.pack.id != bad.pack.id {
                    found = self.checked(location, run).ok();
                }
                found.is_some()
            });
            if found.is_some() {
                break;
            }
        }
        Ok(found)
    }

    fn checked(&mut self, location: &Location, run: &ChunkRun) -> Result<Range<usize>> {
        let range = self.load(location)?;
        let name = run.chunk.to_string();
        if ChunkId::of(&self.raw[range.clone()]) != run.chunk {
            return Err(wrong_bytes("chunk", &name, location));
        }
        if range.len() != run.len as usize {
            return Err(damaged("chunk", &name[..16], "it is not as long as the manifest says"));
        }
        Ok(range)
    }

    fn load(&mut self, location: &Location) -> Result<Range<usize>> {
        let (pack, row) = (&location.pack, location.row);
        if self.block != Some((pack.id, row.block)) {
            // What a failed read leaves behind is no block.
            self.block = None;
            pack.file()?.read_block(&location.block, &mut self.decoder, &mut self.raw)?;
            self.block = Some((pack.id, row.block));
        }
        // The row's bounds were checked when it was read.
        Ok(row.offset as usize..row.offset as usize + row.len as usize)
    }
}
