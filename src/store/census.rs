//! Every chunk or page of every pack, in memory: for those who look up all of them, such as
//! `fsck` and `gc`. Some 60 bytes a chunk, 44 of them the packs' own tables.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::format::pack::{BlockRow, ChunkRow, PackClass, PackError, Table};
use crate::id::{HASH_LEN, PackId};
use crate::index::run::{Row, Run, prefix};
use crate::pack::reader::{Opened, Pack, list};

use super::Store;

/// The tables of all packs of one class, and where each hash stands in them.
#[derive(Debug)]
pub struct Census {
    packs: Vec<Arc<Pack>>,
    tables: Vec<Table>,
    run: Run,
    not_arrived: Vec<(PackId, PackError)>,
}

/// A row of one pack's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The pack's place in [`Census::packs`].
    pub pack: u32,
    /// The row of its table, in the order of the hashes.
    pub slot: u32,
}

impl Census {
    /// Reads the table of every pack of a class, as they are listed now.
    pub fn load(store: &Store, class: PackClass, threads: usize) -> Result<Census> {
        let listed = list(store.layout(), class)?;
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(listed.len()));
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, listed.len().max(1)) {
                scope.spawn(|| {
                    while let Some(&id) = listed.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let opened = Pack::open(store.layout(), class, id);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((id, opened));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(id, _)| *id);
        let (mut packs, mut tables, mut rows, mut not_arrived) = (Vec::new(), Vec::<Table>::new(), Vec::new(), Vec::new());
        for (id, opened) in done {
            match opened {
                Opened::Pack(pack, table) => {
                    let number = packs.len() as u32;
                    rows.extend((0..table.chunk_count()).map(|slot| Row {
                        prefix: prefix(table.hash(slot)),
                        pack: number,
                        slot: slot as u32,
                    }));
                    packs.push(Arc::new(pack));
                    tables.push(table);
                }
                Opened::NotArrived(why) => not_arrived.push((id, why)),
            }
        }
        Ok(Census { packs, tables, run: Run::of(rows), not_arrived })
    }

    /// Returns the packs, sorted by id.
    pub fn packs(&self) -> &[Arc<Pack>] {
        &self.packs
    }

    /// Returns the files in a pack's place that are not whole packs, and why.
    pub fn not_arrived(&self) -> &[(PackId, PackError)] {
        &self.not_arrived
    }

    /// Returns how many rows there are in all tables.
    pub fn len(&self) -> usize {
        self.run.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the table of a pack.
    ///
    /// # Panics
    ///
    /// If there is no such pack.
    pub fn table(&self, pack: u32) -> &Table {
        &self.tables[pack as usize]
    }

    /// Yields every place where a hash stands.
    pub fn find<'c>(&'c self, hash: &'c [u8; HASH_LEN]) -> impl Iterator<Item = Place> + 'c {
        let places = self.run.find(prefix(hash)).map(|(pack, slot)| Place { pack, slot });
        places.filter(move |place| self.table(place.pack).hash(place.slot as usize) == hash)
    }

    /// Returns the row at a place that [`Census::find`] gave, and the row of its block.
    pub fn row(&self, place: Place) -> Option<(ChunkRow, BlockRow)> {
        let table = self.table(place.pack);
        let row = table.chunk(place.slot as usize)?;
        Some((row, table.block(row.block)?))
    }
}
