//! Which packs hold what is wanted. One of which at least half is wanted goes whole, so that both
//! copies have the same pack; of any other what is wanted is copied into new ones.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::side::Hash;
use crate::chunk::compress::Decoder;
use crate::context::Context;
use crate::durable::Draft;
use crate::error::Result;
use crate::format::pack::{BlockRow, ChunkRow, PackClass};
use crate::pack::maker::PackMaker;
use crate::pack::pack_path;
use crate::pack::reader::Pack;
use crate::pack::writer::FinishedPack;
use crate::store::Store;
use crate::store::files::{StoreFile, StorePath};

/// Where what is wanted can be had.
#[derive(Default)]
pub(super) struct Gathered {
    /// Packs that go whole.
    pub(super) whole: Vec<StoreFile>,
    /// New packs.
    pub(super) made: Vec<FinishedPack>,
}

/// A pack that holds some of what is wanted.
struct Holder {
    pack: Arc<Pack>,
    /// What is wanted of it: which of the hashes, and where it lies.
    rows: Vec<(usize, ChunkRow, BlockRow)>,
}

/// Finds or makes packs that hold what is wanted of a class and lies here. Packs of `avoid` never go
/// whole. What is damaged here is left out, and told.
pub(super) fn gather(
    store: &Store,
    context: &Context<'_>,
    class: PackClass,
    hashes: &[Hash],
    avoid: &[StorePath],
    draft: &dyn Fn() -> Result<Draft>,
) -> Result<Gathered> {
    let index = store.index(class)?;
    index.refresh()?;
    let condemned = store.condemned()?;
    let avoid: HashSet<&Path> = avoid.iter().map(StorePath::as_path).collect();
    let mut holders = HashMap::<u32, Holder>::new();
    for (at, hash) in hashes.iter().enumerate() {
        index.find(hash, |found| {
            let holder = holders.entry(found.pack_number).or_insert_with(|| Holder { pack: Arc::clone(&found.pack), rows: Vec::new() });
            holder.rows.push((at, found.row, found.block));
            false
        });
    }
    // Ordered by what only the two copies decide, so that a second try makes the same packs.
    let mut holders: Vec<Holder> = holders.into_values().collect();
    holders.sort_by_cached_key(|holder| (std::cmp::Reverse(stored_bytes(&holder.rows)), holder.pack.id));
    let mut gathered = Gathered::default();
    let mut taken = vec![false; hashes.len()];
    let mut parts = Vec::new();
    for mut holder in holders {
        holder.rows.retain(|(at, ..)| !taken[*at]);
        if holder.rows.is_empty() {
            continue;
        }
        let path = pack_path(class, holder.pack.id);
        let may_go = !avoid.contains(path.as_path()) && !condemned.contains(&path);
        if may_go && stored_bytes(&holder.rows) * 2 >= holder.pack.len {
            holder.rows.iter().for_each(|(at, ..)| taken[*at] = true);
            gathered.whole.push(StoreFile { path: StorePath::of_pack(class, holder.pack.id), len: holder.pack.len });
        } else {
            parts.push(holder);
        }
    }
    let mut maker = PackMaker::new(class);
    for holder in &parts {
        let mut add = |hash, bytes: &[u8]| {
            gathered.made.extend(maker.add(hash, bytes, draft)?);
            Ok(())
        };
        if let Err(error) = copy(holder, hashes, &mut taken, class, &mut add) {
            match error {
                CopyError::Damaged(why) => context.progress.warn(&format!("cannot copy what is wanted out of a pack: {why}")),
                CopyError::Failed(error) => return Err(error),
            }
        }
    }
    gathered.made.extend(maker.finish(draft)?);
    gathered.whole.sort();
    Ok(gathered)
}

/// Estimates how many bytes of the file rows take: their shares of their blocks.
fn stored_bytes(rows: &[(usize, ChunkRow, BlockRow)]) -> u64 {
    let share = |row: &ChunkRow, block: &BlockRow| {
        u64::from(row.len) * u64::from(block.header.stored_len) / u64::from(block.header.raw_len.max(1)) + 64
    };
    rows.iter().map(|(_, row, block)| share(row, block)).sum()
}

enum CopyError {
    Damaged(crate::error::Error),
    Failed(crate::error::Error),
}

/// Reads what is wanted of one pack, block by block; what another pack gave is passed over.
fn copy(
    holder: &Holder,
    hashes: &[Hash],
    taken: &mut [bool],
    class: PackClass,
    add: &mut dyn FnMut(Hash, &[u8]) -> Result<()>,
) -> Result<(), CopyError> {
    let mut blocks = BTreeMap::<u32, Vec<(usize, ChunkRow, BlockRow)>>::new();
    for row in holder.rows.iter().filter(|(at, ..)| !taken[*at]) {
        blocks.entry(row.1.block).or_default().push(*row);
    }
    let (mut file, mut decoder, mut raw) = (holder.pack.file().map_err(CopyError::Damaged)?, Decoder::new(), Vec::new());
    let mut damage = None;
    for rows in blocks.values_mut() {
        rows.sort_by_key(|(_, row, _)| row.offset);
        if let Err(error) = file.read_block(&rows[0].2, &mut decoder, &mut raw) {
            damage = Some(error);
            continue;
        }
        for (at, row, _) in rows.iter() {
            let bytes = raw.get(row.offset as usize..row.offset as usize + row.len as usize);
            match bytes.filter(|bytes| class.name_of(bytes) == Some(hashes[*at])) {
                Some(bytes) => {
                    add(hashes[*at], bytes).map_err(CopyError::Failed)?;
                    taken[*at] = true;
                }
                None => {
                    damage = Some(crate::error::damaged("pack", &holder.pack.id.short(16), "what it holds is not what its table says"));
                }
            }
        }
    }
    damage.map_or(Ok(()), |error| Err(CopyError::Damaged(error)))
}
