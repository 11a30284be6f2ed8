//! Copies what is kept out of packs into new ones. Every chunk is hashed on the way; a block of
//! which all is kept goes over as it is stored.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::facts::{Facts, Use};
use super::plan::Reason;
use super::survey::Ground;
use crate::chunk::compress::{BLOCK_RAW_LEN_TARGET, Codec, Decoder, Encoder};
use crate::context::Context;
use crate::error::{Error, Result, damaged};
use crate::format::pack::{BLOCK_CHUNKS_MAX, BlockRow, ChunkRow};
use crate::id::HASH_LEN;
use crate::open::open_regular;
use crate::pack::reader::Pack;
use crate::pack::writer::{BlockChunk, PackWriter};
use crate::store::census::Place;
use crate::store::session::Session;

/// What copying has done.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// The packs of which all that is kept lies in new packs now, and why they were copied.
    pub(super) packs: Vec<(u32, Reason)>,
    pub(super) new_packs: u64,
    pub(super) new_bytes: u64,
}

/// Copies what is kept of packs. One that holds something damaged which is in no other pack is
/// left out, and told.
pub(super) fn copy(
    session: &Session<'_>,
    context: &Context<'_>,
    ground: &Ground,
    facts: &Facts,
    packs: &[(u32, Reason)],
) -> Result<Copied> {
    let mut copier = Copier {
        session,
        ground,
        facts,
        decoder: Decoder::new(),
        encoder: Encoder::new(),
        stored: Vec::new(),
        raw: Vec::new(),
        part: Vec::new(),
        part_chunks: Vec::new(),
        pack: None,
        done: Copied::default(),
    };
    context.progress.expect(0, packs.iter().map(|&(pack, _)| ground.census.packs()[pack as usize].len).sum());
    context.progress.all_expected();
    for &(pack, reason) in packs {
        match copier.pack(pack) {
            Ok(()) => copier.done.packs.push((pack, reason)),
            Err(CopyError::Damaged(error)) => {
                context.progress.warn(&format!("cannot copy what is needed out of a pack, so it stays: {error}; run `art repair`"));
            }
            Err(CopyError::Failed(error)) => return Err(error),
        }
        context.progress.advance(0, ground.census.packs()[pack as usize].len);
    }
    copier.finish()
}

/// Why a pack is not copied.
enum CopyError {
    /// Something in it is damaged.
    Damaged(Error),
    /// The new pack cannot be written.
    Failed(Error),
}

impl From<Error> for CopyError {
    fn from(error: Error) -> CopyError {
        CopyError::Failed(error)
    }
}

struct Copier<'c, 's, 'a> {
    session: &'s Session<'a>,
    ground: &'c Ground,
    facts: &'c Facts,
    decoder: Decoder,
    encoder: Encoder,
    /// A block as it is stored, and decoded.
    stored: Vec<u8>,
    raw: Vec<u8>,
    /// What is kept of blocks that are not kept whole.
    part: Vec<u8>,
    part_chunks: Vec<BlockChunk>,
    pack: Option<PackWriter>,
    done: Copied,
}

impl Copier<'_, '_, '_> {
    fn pack(&mut self, number: u32) -> Result<(), CopyError> {
        let ground = self.ground;
        let pack = &ground.census.packs()[number as usize];
        let table = ground.census.table(number);
        let mut rows: Vec<(u32, ChunkRow)> =
            (0..ground.slot_count(number)).filter_map(|slot| Some((slot, table.chunk(slot as usize)?))).collect();
        rows.sort_unstable_by_key(|(_, row)| (row.block, row.offset));
        let file = open_regular(&pack.path).map_err(|e| CopyError::Damaged(Error::io("read", &pack.path, e)))?;
        for rows in rows.chunk_by(|(_, a), (_, b)| a.block == b.block) {
            let kept: Vec<ChunkRow> = rows.iter().filter(|(slot, _)| self.is_kept(number, *slot)).map(|(_, row)| *row).collect();
            if kept.is_empty() {
                continue;
            }
            let block =
                table.block(kept[0].block).ok_or_else(|| CopyError::Damaged(damaged("pack", &pack.id.short(16), "a block is missing")))?;
            let read = self.read_block(&file, pack, &block);
            if kept.len() == rows.len() && read.is_ok() && self.is_whole(&block, &kept) {
                self.end_part()?;
                let chunks: Vec<BlockChunk> = kept.iter().map(|row| (row.hash, row.len)).collect();
                let codec = block.header.codec;
                let payload = std::mem::take(if codec == Codec::Raw.id() { &mut self.raw } else { &mut self.stored });
                let raw_len = block.header.raw_len as usize;
                self.add_block(codec, raw_len, &payload, &chunks)?;
                self.stored = payload;
                continue;
            }
            for row in &kept {
                self.take(pack, row, read.is_ok())?;
            }
        }
        Ok(())
    }

    fn is_kept(&self, pack: u32, slot: u32) -> bool {
        let usage = self.facts.usage(self.ground.marks(Place { pack, slot }), pack);
        matches!(usage, Use::Live | Use::Needed | Use::Orphan)
    }

    /// Whether the chunks are all of the block that was read, one after another, and what they
    /// are called.
    fn is_whole(&self, block: &BlockRow, chunks: &[ChunkRow]) -> bool {
        let mut end = 0;
        let follow = chunks.iter().all(|row| std::mem::replace(&mut end, row.offset + row.len) == row.offset);
        let all = end == block.header.raw_len && chunks.len() == block.header.chunk_count as usize;
        follow && all && chunks.iter().all(|row| self.checked(row).is_some())
    }

    /// Takes one chunk out of the block that was read; if it is not right there, out of any pack.
    fn take(&mut self, pack: &Pack, row: &ChunkRow, is_read: bool) -> Result<(), CopyError> {
        let here = if is_read { self.checked(row).map(<[u8]>::to_vec) } else { None };
        let bytes = match here.or_else(|| self.elsewhere(&row.hash)) {
            Some(bytes) => bytes,
            None => return Err(CopyError::Damaged(damaged("pack", &pack.id.short(16), "what it holds is not what its table says"))),
        };
        if !self.part.is_empty() && (self.part.len() + bytes.len() > BLOCK_RAW_LEN_TARGET || self.part_chunks.len() == BLOCK_CHUNKS_MAX) {
            self.end_part()?;
        }
        self.part.extend_from_slice(&bytes);
        self.part_chunks.push((row.hash, bytes.len() as u32));
        Ok(())
    }

    fn read_block(&mut self, file: &File, pack: &Pack, block: &BlockRow) -> Result<()> {
        let wrong = |why: String| damaged("pack", &pack.id.short(16), why);
        let codec = Codec::from_id(block.header.codec).ok_or_else(|| wrong(format!("its codec {} is unknown", block.header.codec)))?;
        let (stored_len, raw_len) = (block.header.stored_len as usize, block.header.raw_len as usize);
        let target = if codec == Codec::Raw { &mut self.raw } else { &mut self.stored };
        target.resize(stored_len, 0);
        file.read_exact_at(target, block.payload_offset()).map_err(|e| Error::io("read", &pack.path, e))?;
        if codec != Codec::Raw {
            self.decoder.decode(codec, &self.stored, raw_len, &mut self.raw).map_err(|why| wrong(why.to_string()))?;
        }
        Ok(())
    }

    /// Returns the bytes of a chunk in the block that was read, if they are what it is called.
    fn checked(&self, row: &ChunkRow) -> Option<&[u8]> {
        let bytes = self.raw.get(row.offset as usize..row.offset as usize + row.len as usize)?;
        (self.ground.class.name_of(bytes) == Some(row.hash)).then_some(bytes)
    }

    fn elsewhere(&self, hash: &[u8; HASH_LEN]) -> Option<Vec<u8>> {
        let mut decoder = Decoder::new();
        self.ground.census.find(hash).find_map(|place| {
            let (row, block) = self.ground.census.row(place)?;
            let mut bytes = Vec::new();
            let pack = &self.ground.census.packs()[place.pack as usize];
            pack.file().and_then(|mut file| file.read_part(&block, row.offset, row.len, &mut decoder, &mut bytes)).ok()?;
            (self.ground.class.name_of(&bytes) == Some(*hash)).then_some(bytes)
        })
    }

    fn end_part(&mut self) -> Result<()> {
        if self.part_chunks.is_empty() {
            return Ok(());
        }
        let (raw, chunks) = (std::mem::take(&mut self.part), std::mem::take(&mut self.part_chunks));
        let mut stored = Vec::new();
        let codec = self.encoder.encode(&raw, &mut stored);
        self.add_block(codec.id(), raw.len(), if codec == Codec::Raw { &raw } else { &stored }, &chunks)
    }

    fn add_block(&mut self, codec: u32, raw_len: usize, payload: &[u8], chunks: &[BlockChunk]) -> Result<()> {
        let mut pack = match self.pack.take() {
            Some(pack) => pack,
            None => PackWriter::new(self.ground.class, self.session.disk().draft()?)?,
        };
        pack.add_block(codec, raw_len, payload, chunks)?;
        if pack.is_full() {
            return self.publish(pack);
        }
        self.pack = Some(pack);
        Ok(())
    }

    fn publish(&mut self, pack: PackWriter) -> Result<()> {
        let finished = pack.finish()?;
        self.done.new_packs += 1;
        self.done.new_bytes += finished.len;
        self.session.publish(finished)
    }

    fn finish(mut self) -> Result<Copied> {
        self.end_part()?;
        if let Some(pack) = self.pack.take() {
            self.publish(pack)?;
        }
        Ok(self.done)
    }
}
