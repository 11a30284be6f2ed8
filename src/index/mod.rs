//! Where chunks and pages lie: a cache over the packs' tables.
//!
//! A hit is a row that was read from the pack's own table; the index only says where to look.
//! Rows of 16 bytes lie in sorted runs, merged by size: in files of local state that cover most
//! packs, and in memory for the rest. Of the tables only those used of late are held. See
//! `docs/decisions/0005-local-index.md`.

mod file;
mod filter;
pub(crate) mod run;
mod save;
mod state;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};

use crate::durable::Disk;
use crate::error::{Error, Result};
use crate::format::pack::{BlockRow, ChunkRow, PackClass, PackError, Table};
use crate::id::{HASH_LEN, PackId};
use crate::layout::Layout;
use crate::lock::{Lock, Mode, Wait};
use crate::pack::reader::{self, Opened, Pack};
use crate::progress::Silent;
use file::Listed;
use save::Plan;
use state::{Batch, State};
use tables::{Tables, Way};

/// From how many packs, or chunks, that no file covers a file is written.
const SAVE_PACKS_MIN: usize = 64;
const SAVE_ROWS_MIN: u64 = 100_000;
/// How often a save starts over because files that it would merge are damaged.
const SAVE_TRIES: usize = 3;
/// From how many chunks in memory a writer saves before it is done.
const ROWS_IN_MEMORY_MAX: u64 = 1_000_000;

/// The packs of one class, and where everything in them lies.
#[derive(Debug)]
pub struct Index {
    layout: Layout,
    class: PackClass,
    state: RwLock<State>,
    tables: Mutex<Tables>,
    /// Once the files were hashed whole, whether any was damaged.
    found_damage: Mutex<Option<bool>>,
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
    /// The row of its block.
    pub block: BlockRow,
}

impl Index {
    /// Lists the packs of a store. Those that a file in `files` covers are believed to have
    /// arrived while they have the length that it notes; the tables of the others are read.
    pub fn open(layout: &Layout, class: PackClass, files: Option<&Path>) -> Result<Index> {
        let files = files.map(|dir| save::open_all(dir, class)).unwrap_or_default();
        let state = RwLock::new(State { files, ..State::default() });
        let index = Index { layout: layout.clone(), class, state, tables: Mutex::default(), found_damage: Mutex::default() };
        index.refresh()?;
        Ok(index)
    }

    /// Lists the packs again and adds those that are new; returns whether there were any.
    pub fn refresh(&self) -> Result<bool> {
        let listed = reader::list(&self.layout, self.class)?;
        let new: Vec<(PackId, Option<Listed>)> = self.read(|state| {
            let covered: HashMap<PackId, Listed> = state.files.iter().flat_map(|file| &file.packs).map(|pack| (pack.id, *pack)).collect();
            listed.into_iter().filter(|id| !state.numbers.contains_key(id)).map(|id| (id, covered.get(&id).copied())).collect()
        });
        let (mut batch, mut not_arrived) = (Batch::default(), Vec::new());
        for (id, covered) in new {
            if let Some(pack) = covered.and_then(|listed| self.covered(listed)) {
                batch.push_covered(pack);
                continue;
            }
            match Pack::open(&self.layout, self.class, id) {
                Opened::Pack(pack, table) => batch.push_loaded(pack, table),
                Opened::NotArrived(why) => not_arrived.push((id, why)),
            }
        }
        let any = !batch.is_empty();
        self.add_all(batch);
        self.write().not_arrived = not_arrived;
        Ok(any)
    }

    /// Adds a pack that was just published.
    pub fn add(&self, pack: Pack, table: Table) {
        let mut batch = Batch::default();
        batch.push_loaded(pack, table);
        self.add_all(batch);
    }

    /// Finds a chunk or page in the first pack that `accept` takes. Before it counts as absent,
    /// the files of the index are checked whole.
    pub fn find(&self, hash: &[u8; HASH_LEN], mut accept: impl FnMut(&Location) -> bool) -> Option<Location> {
        let found = self.find_likely(hash, &mut accept);
        if found.is_some() || !self.drop_damaged_files() { found } else { self.find_likely(hash, accept) }
    }

    /// Finds a chunk or page in any pack.
    pub fn find_any(&self, hash: &[u8; HASH_LEN]) -> Option<Location> {
        self.find(hash, |_| true)
    }

    /// Like [`Index::find`], but a damaged file of the index may hide what is there: for a writer,
    /// who then stores it again.
    pub fn find_likely(&self, hash: &[u8; HASH_LEN], mut accept: impl FnMut(&Location) -> bool) -> Option<Location> {
        // `accept` may take long (it may hash a pack), so no lock is held round it.
        let candidates = self.read(|state| state.candidates(run::prefix(hash)));
        candidates.into_iter().filter_map(|(pack, number, slot)| self.confirm(pack, number, slot, hash)).find(|location| accept(location))
    }

    /// Returns the packs that have arrived.
    pub fn packs(&self) -> Vec<Arc<Pack>> {
        self.read(|state| state.packs.clone())
    }

    /// Returns the files in a pack's place that are not whole packs, as last listed.
    pub fn not_arrived(&self) -> Vec<(PackId, PackError)> {
        self.read(|state| state.not_arrived.clone())
    }

    /// Whether so much is in memory that it should be saved before more is added.
    pub fn is_long(&self) -> bool {
        self.read(|state| state.rows_in_memory() > ROWS_IN_MEMORY_MAX)
    }

    /// Writes what no file in `dir` covers into a new one, if it is enough to be worth it, and
    /// removes the files that are merged into it.
    pub fn save(&self, disk: &Disk, dir: &Path) -> Result<()> {
        let is_due = |state: &State| state.in_memory.len() >= SAVE_PACKS_MIN || state.rows_in_memory() >= SAVE_ROWS_MIN;
        if !self.read(is_due) {
            return Ok(());
        }
        fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        // Another writer is at it: the next one will save what this one has.
        let Ok(_alone) = Lock::take(&dir.join("lock"), Mode::Exclusive, Wait::Not, &Silent) else { return Ok(()) };
        for _ in 0..SAVE_TRIES {
            let mut state = self.write();
            let Some(plan) = Plan::make(&state) else { return Ok(()) };
            if plan.merged().iter().any(|&at| !state.files[at].is_whole()) {
                let packs = state.drop_damaged_files();
                drop(state);
                self.load(&packs);
                continue;
            }
            let path = plan.write(&state, self.class, disk, dir)?;
            let gone = state.saved(plan.merged(), &path, self.class);
            save::sweep(dir, self.class, &gone);
            break;
        }
        Ok(())
    }

    /// Hashes the files, once; what those cover that are damaged is read from the packs instead.
    /// Returns whether there were such files, and so whether to look again.
    fn drop_damaged_files(&self) -> bool {
        // Held throughout, so that no other thread takes what is being loaded for absent.
        let mut found_damage = self.found_damage.lock().unwrap_or_else(PoisonError::into_inner);
        *found_damage.get_or_insert_with(|| {
            let packs = self.write().drop_damaged_files();
            self.load(&packs);
            !packs.is_empty()
        })
    }

    /// Reads the tables of packs that a file covered.
    fn load(&self, packs: &[Arc<Pack>]) {
        let mut batch = Batch::default();
        for pack in packs {
            // One that cannot be read has no rows; `fsck` tells why.
            if let Ok(table) = pack.read_table() {
                batch.push_loaded(Pack::clone(pack), table);
            }
        }
        self.add_all(batch);
    }

    /// Takes a pack as a file notes it, if it is there with that length.
    fn covered(&self, listed: Listed) -> Option<Pack> {
        let Listed { id, len, block_count, chunk_count } = listed;
        let path = self.layout.path(&crate::pack::pack_path(self.class, id));
        let meta = fs::symlink_metadata(&path).ok().filter(|meta| meta.is_file() && meta.len() == len);
        meta.map(|_| Pack { id, class: self.class, path, len, block_count, chunk_count })
    }

    fn add_all(&self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        let held = self.write().add(batch);
        held.into_iter().for_each(|(number, table)| self.tables().hold(number, table));
    }

    fn confirm(&self, pack: Arc<Pack>, pack_number: u32, slot: u32, hash: &[u8; HASH_LEN]) -> Option<Location> {
        let way = self.tables().way(pack_number, pack.table_len());
        let table = match way {
            Way::Held(table) => Some(table),
            Way::Load => {
                let table = Arc::new(pack.read_table().ok()?);
                self.tables().hold(pack_number, Arc::clone(&table));
                Some(table)
            }
            Way::Alone => None,
        };
        let (row, block) = match table {
            Some(table) => {
                let row = table.chunk(slot as usize)?;
                (row, table.block(row.block)?)
            }
            None => pack.read_place(slot).ok()??,
        };
        (row.hash == *hash).then_some(Location { pack, pack_number, row, block })
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
