//! Carries plans out: records of condemnation, records that lift it, the removal of packs.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use super::facts::Facts;
use super::plan::{self, DeletePlan, Reason};
use super::scene::Scene;
use super::survey::Ground;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::condemn::{CondemnRecord, LiftRecord, PACKS_MAX};
use crate::format::pack::PackClass;
use crate::format::record::Record;
use crate::id::{PackId, RecordId};
use crate::store::CONDEMN_FEATURE;
use crate::store::rests;
use crate::store::session::Session;

/// Most packs, and most records, of one lift record: together they stay within the limit.
const LIFTS_MAX: usize = PACKS_MAX / 2;

/// Writes records that condemn packs; what condemns them is noted in the facts, too.
pub(super) fn condemn(
    session: &Session<'_>,
    context: &Context<'_>,
    ground: &Ground,
    facts: &mut Facts,
    packs: &[(u32, Reason)],
) -> Result<()> {
    if packs.is_empty() {
        return Ok(());
    }
    require_feature(session)?;
    let packs: Vec<u32> = packs.iter().map(|(pack, _)| *pack).collect();
    for packs in packs.chunks(PACKS_MAX) {
        let (data, meta) = by_class(ground, packs);
        let record = CondemnRecord { created_at: context.now, data, meta, nonce: nonce() };
        let id = session.write_record(&Record::Condemn(record))?;
        packs.iter().for_each(|&pack| facts.condemn(pack, id));
    }
    Ok(())
}

/// Takes out of packs that are to be condemned those whose content cannot be relied on to be elsewhere. Where it
/// can it is on disk then: a run that was killed may have copied it, and not synced.
pub(super) fn settle_homes(session: &Session<'_>, context: &Context<'_>, ground: &Ground, facts: &Facts, packs: &mut Vec<(u32, Reason)>) {
    let mut known = HashMap::new();
    let mut is_good = |home: u32| *known.entry(home).or_insert_with(|| is_relied_on(session, context, ground, facts, home, Hash::IfNew));
    packs.retain(|(pack, _)| plan::homes(ground, facts, *pack).into_iter().all(&mut is_good));
}

/// Makes sure that the records which condemn packs here are on disk, and what warns of them.
pub(super) fn rely_on_condemned(session: &Session<'_>, scene: &Scene) -> Result<()> {
    let records: BTreeSet<RecordId> = scene.data.records().chain(scene.meta.records()).collect();
    if !records.is_empty() {
        require_feature(session)?;
    }
    records.into_iter().try_for_each(|record| session.rely_on_condemned(record))
}

/// Writes records that lift the condemnation of packs.
pub(super) fn lift(session: &Session<'_>, context: &Context<'_>, ground: &Ground, facts: &Facts, packs: &[u32]) -> Result<()> {
    for packs in packs.chunks(LIFTS_MAX) {
        let records: BTreeSet<RecordId> = packs.iter().flat_map(|&pack| facts.of(pack).records.iter().copied()).collect();
        let records: Vec<RecordId> = records.into_iter().collect();
        for lifts in records.chunks(LIFTS_MAX) {
            let (data, meta) = by_class(ground, packs);
            session.write_record(&Record::Lift(LiftRecord { created_at: context.now, data, lifts: lifts.to_vec(), meta }))?;
        }
    }
    Ok(())
}

/// Takes out of a plan the packs whose content cannot be relied on to be elsewhere: where it is
/// said to be it is hashed, whole, for this is the last moment at which there are two. That place is then
/// nothing that a put has left behind.
pub(super) fn check_homes(session: &Session<'_>, context: &Context<'_>, ground: &Ground, facts: &Facts, plan: &mut DeletePlan) {
    let mut known = HashMap::new();
    let mut is_good = |home: u32| *known.entry(home).or_insert_with(|| is_relied_on(session, context, ground, facts, home, Hash::Whole));
    let (good, bad) =
        std::mem::take(&mut plan.delete).into_iter().partition(|&pack| plan::homes(ground, facts, pack).into_iter().all(&mut is_good));
    plan.delete = good;
    plan.lift.extend::<Vec<u32>>(bad);
    plan.lift.sort_unstable();
    let homes = known.into_iter().filter(|(_, is_good)| *is_good);
    session.strike(&homes.map(|(home, _)| facts.of(home).path.clone()).collect());
}

/// Removes the packs of a class, which must be condemned, under the exclusive lock.
pub(super) fn remove(session: &Session<'_>, facts: &Facts, packs: &[u32]) -> Result<()> {
    let paths: Vec<PathBuf> = packs.iter().map(|&pack| facts.of(pack).path.clone()).collect();
    if paths.is_empty() {
        return Ok(());
    }
    session.disk().remove(&paths)?;
    rests::forget(session.local(), &paths.into_iter().collect());
    Ok(())
}

/// Makes sure that the condemned data packs which are gone stay so: a killed run may have removed
/// them without a sync, and one that a power cut brings back when its pages are gone is an orphan.
pub(super) fn remove_again(session: &Session<'_>) -> Result<()> {
    let condemned = session.store().condemned()?;
    let gone = condemned
        .iter()
        .filter(|(path, condemnation)| condemnation.class == PackClass::Data && !session.store().layout().path(path).exists());
    session.disk().remove(&gone.map(|(path, _)| path.to_owned()).collect::<Vec<_>>())
}

/// Makes sure that only programs write to the store which know what condemned packs are.
fn require_feature(session: &Session<'_>) -> Result<()> {
    let path = Path::new("features").join(CONDEMN_FEATURE);
    let disk = session.disk();
    if disk.is_confirmed(&path) {
        return Ok(());
    }
    let place = session.store().root().join(&path);
    session.collecting(|| match place.try_exists().map_err(|e| Error::io("look at", &place, e))? {
        true => disk.adopt(&path),
        false => disk.publish(disk.draft()?, &path, |_| Ok(true)),
    })
}

/// Which packs are hashed before they are relied on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hash {
    Whole,
    /// Those that are not known to be whole and on disk.
    IfNew,
}

fn is_relied_on(session: &Session<'_>, context: &Context<'_>, ground: &Ground, facts: &Facts, home: u32, hash: Hash) -> bool {
    let pack = &ground.census.packs()[home as usize];
    let path = &facts.of(home).path;
    let result = match (session.disk().is_confirmed(path), hash) {
        (true, Hash::IfNew) => Ok(()),
        (true, Hash::Whole) => pack.verify(),
        (false, _) => {
            let checked = pack.verify().and_then(|()| pack.verify_contents());
            checked.and_then(|()| session.collecting(|| session.disk().adopt(path)))
        }
    };
    if let Err(error) = &result {
        context.progress.warn(&format!("cannot rely on a pack, so what it holds is kept elsewhere: {error}"));
    }
    result.is_ok()
}

fn by_class(ground: &Ground, packs: &[u32]) -> (Vec<PackId>, Vec<PackId>) {
    // A census is sorted by id.
    let mut ids: Vec<PackId> = packs.iter().map(|&pack| ground.census.packs()[pack as usize].id).collect();
    ids.sort_unstable();
    match ground.class {
        PackClass::Data => (ids, Vec::new()),
        PackClass::Meta => (Vec::new(), ids),
    }
}

/// Sixteen random hex digits: each of the standard library's hash tables is seeded by the system.
fn nonce() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
