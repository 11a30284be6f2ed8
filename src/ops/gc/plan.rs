//! Decides, of what a survey has found, which packs to condemn, to copy from, to remove, to lift.

use std::cmp::Reverse;

use super::facts::{Facts, Use};
use super::survey::{ELSEWHERE, Ground, LIVE, NEEDED, SHARED};
use crate::format::limits::PACK_LEN_TARGET;
use crate::store::census::Place;

/// Packs shorter than this are small.
const SMALL_LEN: u64 = PACK_LEN_TARGET / 4;

/// How many small packs are worth merging.
const SMALL_PACKS_MIN: usize = 16;

/// Why a pack is condemned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nothing in it is needed, or all that is stands in another pack too.
    Unused,
    /// Less than half of it is needed; that was copied.
    HalfDead,
    /// It was one of many small ones, which were merged.
    Small,
}

/// Why a condemned pack is not removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stay {
    /// The grace has not ended.
    Grace,
    /// A commit of the git repo holds it.
    Commit,
    /// Its pages tell what is dead in other packs.
    Pages,
    /// No record here names some of what it holds.
    Orphans,
    /// A put that has not ended wrote it.
    Put,
}

/// Whether there may be copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copies {
    Yes,
    No,
}

/// Whether the grace must have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grace {
    Kept,
    Over,
}

/// The packs of one class to condemn.
#[derive(Debug, Default)]
pub(super) struct CondemnPlan {
    pub(super) unused: Vec<u32>,
    /// Those to copy from first.
    pub(super) copied: Vec<(u32, Reason)>,
    /// Bytes that copying will store, about.
    pub(super) copy_bytes: u64,
}

/// What to do with condemned packs of one class.
#[derive(Debug, Default)]
pub(super) struct DeletePlan {
    pub(super) delete: Vec<u32>,
    pub(super) lift: Vec<u32>,
    pub(super) stay: Vec<(u32, Stay)>,
}

/// What of a pack is in use, in bytes as they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PackUse {
    pub(super) live: Share,
    pub(super) needed: Share,
    pub(super) orphan: Share,
    pub(super) stored_bytes: u64,
}

/// Some of a pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl CondemnPlan {
    /// Yields all packs of the plan.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, Reason)> + '_ {
        self.unused.iter().map(|&pack| (pack, Reason::Unused)).chain(self.copied.iter().copied())
    }
}

impl DeletePlan {
    /// Whether there is nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.delete.is_empty() && self.lift.is_empty()
    }
}

impl PackUse {
    /// Adds up a pack. The chunks of a block share its stored bytes by their lengths.
    pub(super) fn of(ground: &Ground, facts: &Facts, pack: u32) -> PackUse {
        let table = ground.census.table(pack);
        let blocks: Vec<(u64, u64)> = (0..table.block_count() as u32)
            .filter_map(|block| table.block(block))
            .map(|row| (u64::from(row.header.stored_len), u64::from(row.header.raw_len)))
            .collect();
        let mut raw = vec![[0u64; 3]; blocks.len()];
        let mut found = PackUse { stored_bytes: blocks.iter().map(|(stored, _)| stored).sum(), ..PackUse::default() };
        for slot in 0..ground.slot_count(pack) {
            let (share, at) = match facts.usage(ground.marks(Place { pack, slot }), pack) {
                Use::Live => (&mut found.live, 0),
                Use::Needed => (&mut found.needed, 1),
                Use::Orphan => (&mut found.orphan, 2),
                Use::Elsewhere | Use::Dead => continue,
            };
            share.count += 1;
            if let Some(row) = table.chunk(slot as usize) {
                raw[row.block as usize][at] += u64::from(row.len);
            }
        }
        for (&(stored, whole), raw) in blocks.iter().zip(&raw) {
            let share = |part: u64| stored * part.min(whole) / whole.max(1);
            found.live.bytes += share(raw[0]);
            found.needed.bytes += share(raw[1]);
            found.orphan.bytes += share(raw[2]);
        }
        found
    }

    fn kept(&self) -> Share {
        let all = [self.live, self.needed, self.orphan];
        Share { count: all.iter().map(|share| share.count).sum(), bytes: all.iter().map(|share| share.bytes).sum() }
    }
}

/// Chooses for each thing that is kept the one place where it is, among packs that stay: where
/// most of the pack is kept anyway. The other places are marked.
pub(super) fn choose_homes(ground: &Ground, facts: &Facts) {
    ground.unmark_all(ELSEWHERE);
    let kept_len = |pack: u32| -> u64 {
        let table = ground.census.table(pack);
        let kept = (0..ground.slot_count(pack)).filter(|&slot| ground.marks(Place { pack, slot }) & (LIVE | NEEDED) != 0);
        kept.filter_map(|slot| table.chunk(slot as usize)).map(|row| u64::from(row.len)).sum()
    };
    let kept_lens: Vec<u64> = (0..ground.pack_count()).map(kept_len).collect();
    for pack in 0..ground.pack_count() {
        for slot in 0..ground.slot_count(pack) {
            let place = Place { pack, slot };
            let marks = ground.marks(place);
            let is_alone = marks & LIVE != 0 && marks & SHARED == 0;
            if is_alone || matches!(facts.usage(marks, pack), Use::Elsewhere | Use::Dead) {
                continue;
            }
            let is_kept = |place: &Place| !matches!(facts.usage(ground.marks(*place), place.pack), Use::Elsewhere | Use::Dead);
            let places: Vec<Place> = ground.census.find(ground.hash(place)).filter(is_kept).collect();
            let homes = places.iter().filter(|place| !facts.of(place.pack).is_condemned());
            // Of equals the shorter: a run that was killed may have copied all that is needed of the other.
            let len = |place: &Place| ground.census.packs()[place.pack as usize].len;
            let home = homes
                .max_by_key(|place| (facts.of(place.pack).is_held, kept_lens[place.pack as usize], Reverse(len(place)), Reverse(**place)));
            let Some(home) = home else { continue };
            places.iter().filter(|place| *place != home).for_each(|&place| {
                ground.mark(place, ELSEWHERE);
            });
        }
    }
}

/// Plans what to condemn.
pub(super) fn condemn(ground: &Ground, facts: &Facts, copies: Copies) -> CondemnPlan {
    let mut plan = CondemnPlan::default();
    let mut small = Vec::new();
    for (pack, file) in (0..ground.pack_count()).zip(ground.census.packs()) {
        let fact = facts.of(pack);
        if fact.is_condemned() || fact.is_held || fact.is_running {
            continue;
        }
        let found = PackUse::of(ground, facts, pack);
        let kept = found.kept();
        if kept.count == 0 {
            plan.unused.push(pack);
        } else if copies == Copies::No {
            continue;
        } else if kept.bytes * 2 < found.stored_bytes {
            plan.copied.push((pack, Reason::HalfDead));
            plan.copy_bytes += kept.bytes;
        } else if file.len < SMALL_LEN {
            small.push((pack, kept.bytes));
        }
    }
    let bytes: u64 = small.iter().map(|(_, bytes)| bytes).sum();
    let merged = bytes.div_ceil(PACK_LEN_TARGET) as usize;
    // Merging ever again what was merged would be worth nothing: it must halve the files.
    if small.len() >= SMALL_PACKS_MIN && merged * 2 <= small.len() {
        plan.copied.extend(small.iter().map(|(pack, _)| (*pack, Reason::Small)));
        plan.copied.sort_unstable_by_key(|(pack, _)| *pack);
        plan.copy_bytes += bytes;
    }
    plan
}

/// Plans what to do with the packs that were condemned before.
pub(super) fn delete(ground: &Ground, facts: &Facts, grace: Grace) -> DeletePlan {
    let mut plan = DeletePlan::default();
    for pack in 0..ground.pack_count() {
        let fact = facts.of(pack);
        if !fact.is_condemned() || !fact.is_removable {
            continue;
        }
        let found = PackUse::of(ground, facts, pack);
        if found.live.count > 0 {
            plan.lift.push(pack);
            continue;
        }
        let stay = match fact {
            _ if fact.is_held => Some(Stay::Commit),
            _ if fact.is_running => Some(Stay::Put),
            _ if grace == Grace::Kept && !fact.is_due => Some(Stay::Grace),
            _ if found.needed.count > 0 => Some(Stay::Pages),
            _ if found.orphan.count > 0 => Some(Stay::Orphans),
            _ => None,
        };
        match stay {
            Some(why) => plan.stay.push((pack, why)),
            None => plan.delete.push(pack),
        }
    }
    plan
}

/// Yields the packs in which the things are kept that stand in a pack too.
pub(super) fn homes(ground: &Ground, facts: &Facts, pack: u32) -> Vec<u32> {
    let mut homes = Vec::new();
    for slot in 0..ground.slot_count(pack) {
        let place = Place { pack, slot };
        if ground.marks(place) & ELSEWHERE == 0 {
            continue;
        }
        let is_home = |place: &Place| matches!(facts.usage(ground.marks(*place), place.pack), Use::Live | Use::Needed | Use::Orphan);
        homes.extend(ground.census.find(ground.hash(place)).filter(is_home).map(|place| place.pack));
    }
    homes.sort_unstable();
    homes.dedup();
    homes
}
