//! Where chunks and pages lie: a cache over the packs' tables.
//!
//! A hit is a row of a pack's table that was read from the pack itself; the index only says
//! where to look. Sorted runs of 16-byte rows are merged by size, so that a look-up costs a few
//! probes whatever the number of packs.

mod run;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::Result;
use crate::format::pack::{ChunkRow, PackClass, PackError};
use crate::id::{HASH_LEN, PackId};
use crate::pack::reader::{self, Opened, Pack};
use run::Run;

/// The packs of one class, and where everything in them lies.
#[derive(Debug)]
pub struct Index {
    root: PathBuf,
    class: PackClass,
    state: RwLock<State>,
}

/// Where a chunk or page lies.
#[derive(Clone, Debug)]
pub struct Location {
    /// The pack.
    pub pack: Arc<Pack>,
    /// The number of the pack in this index.
    pub pack_number: u32,
    /// Its row in the pack's table.
    pub row: ChunkRow,
}

#[derive(Debug, Default)]
struct State {
    packs: Vec<Arc<Pack>>,
    runs: Vec<Run>,
    not_arrived: Vec<(PackId, PackError)>,
}

impl Index {
    /// Lists the packs of a store and loads their tables.
    pub fn open(root: &Path, class: PackClass) -> Result<Index> {
        let index = Index { root: root.to_owned(), class, state: RwLock::default() };
        index.refresh()?;
        Ok(index)
    }

    /// Lists the packs again and loads those that are new; returns whether there were any.
    pub fn refresh(&self) -> Result<bool> {
        let listed = reader::list(&self.root, self.class)?;
        let known: std::collections::HashSet<PackId> = self.read(|state| state.packs.iter().map(|pack| pack.id).collect());
        let (mut arrived, mut not_arrived) = (Vec::new(), Vec::new());
        for id in listed.into_iter().filter(|id| !known.contains(id)) {
            match Pack::open(&self.root, self.class, id) {
                Opened::Pack(pack) => arrived.push(pack),
                Opened::NotArrived(why) => not_arrived.push((id, why)),
            }
        }
        let any = !arrived.is_empty();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.not_arrived = not_arrived;
        state.add(arrived);
        Ok(any)
    }

    /// Adds a pack that was just published.
    pub fn add(&self, pack: Pack) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).add(vec![pack]);
    }

    /// Finds a chunk or page in the first pack that `accept` takes.
    pub fn find(&self, hash: &[u8; HASH_LEN], mut accept: impl FnMut(&Location) -> bool) -> Option<Location> {
        // `accept` may take long (it may hash a pack), so no lock is held round it.
        let candidates = self.read(|state| state.candidates(hash));
        candidates.into_iter().find(|location| accept(location))
    }

    /// Finds a chunk or page in any pack.
    pub fn find_any(&self, hash: &[u8; HASH_LEN]) -> Option<Location> {
        self.read(|state| state.first(hash))
    }

    /// Returns the packs that have arrived.
    pub fn packs(&self) -> Vec<Arc<Pack>> {
        self.read(|state| state.packs.clone())
    }

    /// Returns the files in a pack's place that are not whole packs, as last listed.
    pub fn not_arrived(&self) -> Vec<(PackId, PackError)> {
        self.read(|state| state.not_arrived.clone())
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn add(&mut self, packs: Vec<Pack>) {
        if packs.is_empty() {
            return;
        }
        let first = self.packs.len();
        self.packs.extend(packs.into_iter().map(Arc::new));
        let tables = self.packs.iter().enumerate().skip(first).map(|(number, pack)| (number as u32, &pack.table));
        self.runs.push(Run::build(tables));
        // Each run stays at least twice as long as the next, so there are few.
        while let [.., a, b] = &self.runs[..] {
            if a.len() > 2 * b.len() {
                break;
            }
            let merged = a.merge(b);
            self.runs.truncate(self.runs.len() - 2);
            self.runs.push(merged);
        }
    }

    fn candidates(&self, hash: &[u8; HASH_LEN]) -> Vec<Location> {
        self.runs.iter().flat_map(|run| run.find(hash)).filter_map(|(pack, slot)| self.confirm(pack, slot, hash)).collect()
    }

    fn first(&self, hash: &[u8; HASH_LEN]) -> Option<Location> {
        self.runs.iter().flat_map(|run| run.find(hash)).find_map(|(pack, slot)| self.confirm(pack, slot, hash))
    }

    fn confirm(&self, pack_number: u32, slot: u32, hash: &[u8; HASH_LEN]) -> Option<Location> {
        let pack = self.packs.get(pack_number as usize)?;
        let row = pack.table.chunk(slot as usize).filter(|row| row.hash == *hash)?;
        Some(Location { pack: Arc::clone(pack), pack_number, row })
    }
}
