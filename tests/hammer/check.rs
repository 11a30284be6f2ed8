//! What must hold when all processes have ended, whatever became of them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use artstore::id::RecordId;
use artstore::ops::gc::GcOptions;

use crate::driver::{Driver, Recipe, are_equal, is_of};
use crate::journal::{Event, read};
use crate::support::files;
use crate::worker::{State, owned};

/// What has been counted.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) operations: usize,
    pub(crate) acknowledged: usize,
    pub(crate) live: usize,
}

/// Collects with no grace at all.
pub(crate) fn collect(driver: &Driver) {
    driver.gc(prune_now()).unwrap();
}

fn prune_now() -> GcOptions {
    GcOptions { prune_now: true, grace: Duration::ZERO, ..GcOptions::default() }
}

/// Asserts that nothing acknowledged was lost and that the store needs no repair.
pub(crate) fn check(dir: &Path, slots: usize) -> Counted {
    let driver = Driver::new(dir, "check");
    let events: Vec<Vec<Event>> = (0..slots).map(|slot| read(dir, slot)).collect();
    let wrong: Vec<&Event> = events.iter().flatten().filter(|event| matches!(event, Event::Wrong { .. })).collect();
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(8)]);
    let counted = all_is_there(&driver, &events);
    is_whole(&driver);
    for _ in 0..2 {
        driver.gc(GcOptions { grace: Duration::ZERO, ..GcOptions::default() }).unwrap();
    }
    all_is_there(&driver, &events);
    collect(&driver);
    all_is_there(&driver, &events);
    is_whole(&driver);
    no_litter(&driver);
    counted
}

/// Every version that somebody was told of is there as it was told, and all that are there restore.
fn all_is_there(driver: &Driver, events: &[Vec<Event>]) -> Counted {
    let mut told = HashMap::<RecordId, (u64, Recipe)>::new();
    for event in events.iter().flatten() {
        if let Event::Put { version, .. } = event {
            let before = told.insert(version.id, (version.number, version.recipe.clone()));
            assert!(before.is_none_or(|(number, recipe)| number == version.number && are_equal(&recipe, &version.recipe)));
        }
    }
    let tried: HashSet<&Recipe> =
        events.iter().flatten().filter_map(|event| if let Event::Putting { recipe, .. } = event { Some(recipe) } else { None }).collect();
    let states: HashMap<RecordId, State> =
        events.iter().flat_map(|events| owned(events)).map(|owned| (owned.version.id, owned.state)).collect();
    let store = driver.open().unwrap();
    let (mut seen, mut live) = (HashSet::new(), 0);
    for history in store.histories().unwrap() {
        assert!(history.damaged.is_empty(), "{:?}", history.damaged);
        let numbers: BTreeSet<u64> = history.versions.iter().map(|version| version.record.number).collect();
        assert_eq!(numbers.len(), history.versions.len(), "a number was given twice");
        for (alias, heads) in &history.aliases {
            let targets: Vec<RecordId> = heads.iter().filter_map(|head| head.target).collect();
            assert!(heads.len() == 1, "the alias {alias:?} has diverged");
            for target in targets {
                assert!(history.version(target).is_some_and(|version| !version.deleted), "the alias {alias:?} names nothing");
            }
        }
        for version in &history.versions {
            seen.insert(version.id);
            let state = states.get(&version.id).copied();
            let told = told.get(&version.id);
            match state {
                Some(State::Live) => assert!(!version.deleted, "{} was not deleted by anybody", version.label),
                Some(State::Deleted) => assert!(version.deleted, "{} was deleted", version.label),
                Some(State::Unknown) => {}
                // Stored by a process that was killed before it was told.
                None => assert!(!version.deleted),
            }
            if let Some((number, _)) = told {
                assert_eq!(version.record.number, *number);
            }
            if !version.deleted {
                live += 1;
                let name = format!("{}@{}", history.artifact.as_str(), version.id).parse().unwrap();
                let found =
                    driver.get(&name).unwrap_or_else(|error| panic!("{} {error} {:?}", version.label, std::error::Error::source(&error)));
                match told {
                    Some((_, recipe)) => assert!(is_of(recipe, &found), "{} has other bytes", version.label),
                    None => assert!(tried.iter().any(|recipe| is_of(recipe, &found)), "{} is not whole", version.label),
                }
            }
        }
    }
    let lost: Vec<_> = told.keys().filter(|id| !seen.contains(id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let operations = events.iter().flatten().filter(|event| matches!(event, Event::Ran { .. })).count();
    Counted { operations, acknowledged: told.len(), live }
}

fn is_whole(driver: &Driver) {
    let outcome = driver.fsck();
    assert!(outcome.ok, "{:#?}", outcome.findings);
}

/// What dead processes left goes: their temporary files after an hour, their packs with all others
/// once every version is deleted. What lay in a pack that another put has reused is told as an orphan.
fn no_litter(driver: &Driver) {
    let local = driver.store.join("local");
    let temporary = || files(&local).into_iter().filter(|path| path.parent().unwrap().ends_with("tmp"));
    let long_ago = SystemTime::now() - Duration::from_secs(7200);
    for path in temporary() {
        fs::File::options().append(true).open(path).unwrap().set_modified(long_ago).unwrap();
    }
    for artifact in driver.open().unwrap().artifacts().unwrap() {
        driver.rm_all(artifact.as_str()).unwrap();
    }
    collect(driver);
    let told = driver.gc(prune_now()).unwrap().orphans;
    let packs = || ["packs", "meta"].map(|dir| files(&driver.store.join(dir))).concat();
    assert_eq!(packs().is_empty(), told.chunk_count + told.page_count == 0, "{told:?}");
    driver.gc(GcOptions { orphans: true, ..prune_now() }).unwrap();
    assert_eq!(packs(), Vec::<std::path::PathBuf>::new());
    assert_eq!(temporary().collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new());
    let notes: Vec<_> = files(&local).into_iter().filter(|path| path.parent().unwrap().ends_with("puts")).collect();
    assert!(notes.is_empty(), "{notes:?}");
    is_whole(driver);
}
