//! Reads chunks and pages where the packs' tables say they lie; the last few blocks are kept, for
//! a file that was edited takes its chunks from several places in turn.

use crate::chunk::compress::Decoder;
use crate::error::{Result, damaged};
use crate::pack::reader::PackFile;
use crate::store::census::{Census, Place};

/// Blocks that are kept.
const KEPT: usize = 4;

/// A reader of one thread.
pub(crate) struct Blocks<'c> {
    census: &'c Census,
    open: Option<(u32, PackFile<'c>)>,
    kept: [Kept; KEPT],
    reads: u64,
    decoder: Decoder,
}

/// A block that was decoded.
#[derive(Default)]
struct Kept {
    block: Option<(u32, u32)>,
    raw: Vec<u8>,
    /// Which read used it last.
    used: u64,
}

impl<'c> Blocks<'c> {
    pub(crate) fn new(census: &'c Census) -> Blocks<'c> {
        Blocks { census, open: None, kept: Default::default(), reads: 0, decoder: Decoder::new() }
    }

    /// Returns the bytes at a place, unchecked.
    pub(crate) fn at(&mut self, place: Place) -> Result<&[u8]> {
        let pack = &self.census.packs()[place.pack as usize];
        let wrong = || damaged("pack", &pack.id.short(16), "a block is too short");
        let (row, block) = self.census.row(place).ok_or_else(wrong)?;
        let key = Some((place.pack, row.block));
        self.reads += 1;
        let at = match self.kept.iter().position(|kept| kept.block == key) {
            Some(at) => at,
            None => {
                let oldest = (0..KEPT).min_by_key(|&at| self.kept[at].used).unwrap_or_default();
                // What a failed read leaves behind is no block.
                self.kept[oldest].block = None;
                let file = match &mut self.open {
                    Some((open, file)) if *open == place.pack => file,
                    _ => &mut self.open.insert((place.pack, pack.file()?)).1,
                };
                file.read_block(&block, &mut self.decoder, &mut self.kept[oldest].raw)?;
                self.kept[oldest].block = key;
                oldest
            }
        };
        self.kept[at].used = self.reads;
        let start = row.offset as usize;
        self.kept[at].raw.get(start..start + row.len as usize).ok_or_else(wrong)
    }
}
