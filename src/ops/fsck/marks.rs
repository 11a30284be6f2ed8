//! Which chunks are known to be good, and which to be bad, by their places.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::format::manifest::ChunkRun;
use crate::id::{ChunkId, PackId};
use crate::store::census::{Census, Place};

/// A mark on each row of a census, set from any thread.
pub(super) struct Marks(Vec<Vec<AtomicU64>>);

/// What is wrong with packs, by their place in the census.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bad(HashMap<u32, BadPack>);

#[derive(Clone, Debug)]
enum BadPack {
    Whole,
    Slots(HashSet<u32>),
}

/// Where chunks are looked up.
pub(crate) struct Chunks<'c> {
    /// The tables of the data packs.
    pub(crate) census: &'c Census,
    /// What of them does not count.
    pub(crate) bad: &'c Bad,
    /// Chunks that are at hand besides, and their lengths.
    pub(crate) extra: &'c HashMap<ChunkId, u32>,
}

/// Whether a chunk is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Good,
    Missing,
    /// In this pack, and not right.
    Damaged(PackId),
}

impl Marks {
    pub(super) fn new(census: &Census) -> Marks {
        let words = |pack: usize| census.table(pack as u32).chunk_count().div_ceil(64);
        Marks((0..census.packs().len()).map(|pack| (0..words(pack)).map(|_| AtomicU64::new(0)).collect()).collect())
    }

    pub(super) fn set(&self, place: Place) {
        self.0[place.pack as usize][place.slot as usize / 64].fetch_or(1 << (place.slot % 64), Ordering::Relaxed);
    }

    pub(super) fn has(&self, place: Place) -> bool {
        self.0[place.pack as usize][place.slot as usize / 64].load(Ordering::Relaxed) >> (place.slot % 64) & 1 == 1
    }
}

impl Bad {
    /// Notes that nothing in a pack counts.
    pub(crate) fn whole(&mut self, pack: u32) {
        self.0.insert(pack, BadPack::Whole);
    }

    /// Notes rows of a pack that do not count.
    pub(crate) fn slots(&mut self, pack: u32, slots: HashSet<u32>) {
        if !slots.is_empty() {
            self.0.insert(pack, BadPack::Slots(slots));
        }
    }

    /// Whether everything counts.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, place: Place) -> bool {
        match self.0.get(&place.pack) {
            None => false,
            Some(BadPack::Whole) => true,
            Some(BadPack::Slots(slots)) => slots.contains(&place.slot),
        }
    }
}

impl Chunks<'_> {
    /// Looks a chunk up.
    pub(super) fn find(&self, run: &ChunkRun) -> Found {
        let mut found = Found::Missing;
        for place in self.census.find(run.chunk.as_bytes()) {
            let len = self.census.table(place.pack).chunk(place.slot as usize).map(|row| row.len);
            if len == Some(run.len) && !self.bad.has(place) {
                return Found::Good;
            }
            found = Found::Damaged(self.census.packs()[place.pack as usize].id);
        }
        if self.extra.get(&run.chunk) == Some(&run.len) { Found::Good } else { found }
    }
}
