//! Which packs nothing here needs, though they are here: asked before they are sent to a copy that
//! has condemned and removed them.

use std::collections::HashSet;
use std::path::PathBuf;

use super::survey::{DEAD, Ground, LIVE, Survey};
use crate::context::Context;
use crate::error::Result;
use crate::pack::pack_path;
use crate::refs::condemned::Condemned;
use crate::store::Store;
use crate::store::census::Place;
use crate::store::roots::Roots;

/// Of `packs`, paths relative to the store, returns those of which everything is known to be dead
/// here, or lies in another pack that is not condemned: what `gc` would remove once the grace is over.
/// `records` are condemn and lift records of the other copy. Fails if that cannot be told.
pub(crate) fn dispensable(store: &Store, context: &Context<'_>, packs: &[PathBuf], records: &[Vec<u8>]) -> Result<HashSet<PathBuf>> {
    let condemned = Condemned::load_with(store.root(), records)?;
    if !condemned.damaged().is_empty() {
        return Ok(HashSet::new());
    }
    let roots = Roots::read(store)?;
    let branches = roots.branches.peek(store.local().as_deref(), context.progress)?;
    let survey = Survey::take(store, &roots, &branches, context.threads)?;
    let mut found = HashSet::new();
    for ground in [&survey.data, &survey.meta] {
        for pack in 0..ground.pack_count() {
            let path = pack_path(ground.class, ground.census.packs()[pack as usize].id);
            if packs.contains(&path) && is_dispensable(ground, pack, &condemned) {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

fn is_dispensable(ground: &Ground, pack: u32, condemned: &Condemned) -> bool {
    (0..ground.slot_count(pack)).map(|slot| Place { pack, slot }).all(|place| {
        let marks = ground.marks(place);
        let is_dead = marks & DEAD != 0 && marks & LIVE == 0;
        let is_home = |other: &Place| {
            let file = &ground.census.packs()[other.pack as usize];
            other.pack != pack && !condemned.contains(&pack_path(ground.class, file.id))
        };
        is_dead || ground.census.find(ground.hash(place)).any(|other| is_home(&other))
    })
}
