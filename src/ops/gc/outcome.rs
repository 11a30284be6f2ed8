//! What `gc` has done, or would do.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::Serialize;

use super::facts::Facts;
use super::plan::{CondemnPlan, DeletePlan, PackUse, Reason, Stay};
use super::survey::Ground;
use crate::format::limits::PACK_LEN_TARGET;
use crate::format::pack::PackClass;
use crate::format::record::Time;
use crate::id::PackId;
use crate::ops::verify_pack::class_word;

/// What `gc` has done, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcOutcome {
    /// Whether nothing was done, only planned.
    pub dry_run: bool,
    /// Packs that were condemned.
    pub condemned: Vec<CondemnedPack>,
    /// Packs that were removed.
    pub deleted: Vec<PackFile>,
    /// Packs whose condemnation was lifted, for they are needed after all.
    pub lifted: Vec<PackFile>,
    /// Packs that were condemned by an earlier run and are still here.
    pub waiting: Vec<WaitingPack>,
    /// New packs with what was kept of condemned ones.
    pub new_packs: u64,
    /// Their bytes; in a plan, about.
    pub new_bytes: u64,
    /// What no record here names.
    pub orphans: Orphans,
    /// Chunks that live versions name and that are not here.
    pub missing_chunks: u64,
    /// Bytes of the packs that were removed.
    pub freed_bytes: u64,
    /// Why not everything was done that was planned: there was no room for new packs.
    pub no_space: Option<String>,
}

/// A file of packs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackFile {
    /// The pack.
    pub id: PackId,
    /// `data` or `meta`.
    pub class: &'static str,
    /// Where it lies, or lay, relative to the store.
    pub path: PathBuf,
    /// Its length.
    pub size_bytes: u64,
}

/// A pack that was condemned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CondemnedPack {
    /// The pack.
    #[serde(flatten)]
    pub pack: PackFile,
    /// Why.
    pub reason: Reason,
}

/// A condemned pack that stays for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingPack {
    /// The pack.
    #[serde(flatten)]
    pub pack: PackFile,
    /// Why it stays.
    pub reason: Stay,
    /// When the grace ends; where orphans keep it, from when on `--orphans` frees them.
    pub until: Option<Time>,
}

/// What no record here names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Orphans {
    /// Chunks of files.
    pub chunk_count: u64,
    /// Pages.
    pub page_count: u64,
    /// Their share of what is stored.
    pub size_bytes: u64,
    /// From when on `--orphans` frees the first of them.
    pub until: Option<Time>,
}

impl GcOutcome {
    /// Whether there is nothing to tell but what is orphaned.
    pub fn is_idle(&self) -> bool {
        self.condemned.is_empty() && self.deleted.is_empty() && self.lifted.is_empty() && self.waiting.is_empty()
    }

    /// Returns the bytes that a later run is to free: of condemned packs that are still here.
    pub fn later_bytes(&self) -> u64 {
        let removed = |pack: &PackFile| self.deleted.iter().any(|deleted| deleted.id == pack.id);
        let condemned = self.condemned.iter().map(|condemned| &condemned.pack).filter(|pack| !removed(pack));
        condemned.chain(self.waiting.iter().map(|waiting| &waiting.pack)).map(|pack| pack.size_bytes).sum()
    }

    pub(super) fn condemned(&mut self, ground: &Ground, facts: &Facts, packs: impl IntoIterator<Item = (u32, Reason)>) {
        self.condemned.extend(packs.into_iter().map(|(pack, reason)| CondemnedPack { pack: file(ground, facts, pack), reason }));
    }

    /// Tells a plan about condemned packs.
    pub(super) fn deletes(&mut self, ground: &Ground, facts: &Facts, plan: &DeletePlan) {
        self.lifted.extend(plan.lift.iter().map(|&pack| file(ground, facts, pack)));
        self.deleted(ground, facts, &plan.delete);
        for &(pack, reason) in &plan.stay {
            let until = match reason {
                Stay::Grace => facts.of(pack).until.and_then(time),
                Stay::Orphans => time(facts.of(pack).orphans_until),
                _ => None,
            };
            self.waiting.push(WaitingPack { pack: file(ground, facts, pack), reason, until });
        }
    }

    pub(super) fn deleted(&mut self, ground: &Ground, facts: &Facts, packs: &[u32]) {
        let files: Vec<PackFile> = packs.iter().map(|&pack| file(ground, facts, pack)).collect();
        self.freed_bytes += files.iter().map(|file| file.size_bytes).sum::<u64>();
        self.deleted.extend(files);
    }

    /// Plans on paper that what is copied is stored in new packs.
    pub(super) fn expect_copies(&mut self, plan: &CondemnPlan) {
        self.new_bytes += plan.copy_bytes;
        self.new_packs += plan.copy_bytes.div_ceil(PACK_LEN_TARGET);
    }

    /// Counts the orphans of a class.
    pub(super) fn count_orphans(&mut self, ground: &Ground, facts: &Facts) {
        let mut count = 0;
        for pack in (0..ground.pack_count()).filter(|&pack| !facts.of(pack).is_running) {
            let orphan = PackUse::of(ground, facts, pack).orphan;
            if orphan.count > 0 {
                let until = time(facts.of(pack).orphans_until);
                self.orphans.until = self.orphans.until.into_iter().chain(until).min();
            }
            count += orphan.count;
            self.orphans.size_bytes += orphan.bytes;
        }
        match ground.class {
            PackClass::Data => self.orphans.chunk_count = count,
            PackClass::Meta => self.orphans.page_count = count,
        }
    }
}

fn file(ground: &Ground, facts: &Facts, pack: u32) -> PackFile {
    let found = &ground.census.packs()[pack as usize];
    PackFile { id: found.id, class: class_word(ground.class), path: facts.of(pack).path.clone(), size_bytes: found.len }
}

fn time(time: SystemTime) -> Option<Time> {
    jiff::Timestamp::try_from(time).ok().map(Time)
}
