//! A copy of a store that is stopped half-way, worked on as it is, and finished later, as `cp -rn`
//! does it: nothing is lost, and what is not there yet is told.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use artstore::error::ErrorKind;
use artstore::id::RecordId;
use artstore::ops::fsck::VersionState;
use artstore::ops::gc::GcOptions;

use crate::driver::{Driver, PIECES, Rng, Stored, copy, is_of, synced};
use crate::support::slow_tests;

/// The order in which files are copied.
#[derive(Clone, Copy, Debug)]
enum Order {
    PacksFirst,
    RecordsFirst,
    Alphabetical,
    Reverse,
    Random(u64),
}

/// What is done in a copy that is not whole, after something was stored in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    /// Dead packs are condemned; they would be removed two weeks later.
    Condemned,
    /// They are condemned and removed, without waiting.
    Removed,
    /// The last file was cut off; then the same.
    Torn,
}

/// What was counted.
#[derive(Debug, Default)]
struct Counted {
    stops: usize,
    incomplete: usize,
    complete: usize,
    removed_packs: usize,
    refused: usize,
}

#[test]
fn a_copy_that_stops_after_any_file_loses_nothing() {
    let orders = [Order::PacksFirst, Order::RecordsFirst, Order::Alphabetical, Order::Reverse, Order::Random(1), Order::Random(2)];
    let dir = tempfile::tempdir().unwrap();
    let driver = Driver::new(dir.path(), "main");
    driver.make();
    let versions = source(&driver);
    let mut counted = Counted::default();
    let (step, mut turn) = (if slow_tests() { 1 } else { 67 }, 0);
    for order in orders {
        let files = in_order(&driver.store, order);
        for stop in 0..=files.len() {
            for meanwhile in [Meanwhile::Condemned, Meanwhile::Removed, Meanwhile::Torn] {
                turn += 1;
                if turn % step == 0 {
                    let half = Half { source: &driver, copy: driver.at(&dir.path().join("copy/.artifacts")), versions: &versions };
                    half.stop(&files, stop, meanwhile, turn as u64, &mut counted);
                    fs::remove_dir_all(dir.path().join("copy")).unwrap();
                }
            }
        }
    }
    println!("{counted:?}, lost 0");
    assert!(counted.complete > 0 && counted.incomplete > 0 && counted.removed_packs > 0);
}

/// Makes a store with all that there can be: versions deleted and brought back, aliases, packs that
/// are condemned and their content stored again. Returns the versions that are not deleted.
fn source(driver: &Driver) -> Vec<Stored> {
    let mut all: Vec<Stored> = Vec::new();
    for turn in 0..12 {
        let artifact = ["a", "b"][turn % 2];
        let base = if turn % 3 == 2 { all.iter().rfind(|version| version.artifact == artifact).cloned() } else { None };
        all.push(driver.put(artifact, turn as u64 * 5 % PIECES, base.as_ref(), &[]).unwrap().0);
    }
    for deleted in [1, 4, 5, 8] {
        driver.rm(&all[deleted], false).unwrap();
    }
    driver.undelete(&all[4]).unwrap();
    driver.set_alias(&all[0], "best").unwrap();
    driver.set_alias(&all[2], "best").unwrap();
    let condemned = driver.gc(GcOptions::default()).unwrap().condemned.len();
    assert!(condemned > 0);
    let again = *all[8].recipe.last().unwrap();
    all.push(driver.put("b", again, None, &[]).unwrap().0);
    // A delete that no gc has seen.
    driver.rm(&all[3], false).unwrap();
    let live = live(driver);
    all.retain(|version| live.contains(&version.id));
    assert_eq!(all.len(), live.len());
    all
}

fn live(driver: &Driver) -> HashSet<RecordId> {
    let histories = driver.open().unwrap().histories().unwrap();
    histories.iter().flat_map(|history| &history.versions).filter(|version| !version.deleted).map(|version| version.id).collect()
}

/// Lists what syncs, relative to the store; `format` comes first, for without it nothing is a store.
fn in_order(store: &Path, order: Order) -> Vec<PathBuf> {
    let mut all = synced(store);
    all.retain(|path| path != Path::new("format"));
    let is_pack = |path: &PathBuf| path.starts_with("packs") || path.starts_with("meta");
    match order {
        Order::PacksFirst => all.sort_by_key(|path| !is_pack(path)),
        Order::RecordsFirst => all.sort_by_key(is_pack),
        Order::Alphabetical => {}
        Order::Reverse => all.reverse(),
        Order::Random(seed) => {
            let mut rng = Rng(seed);
            (1..all.len()).rev().for_each(|at| all.swap(at, rng.below(at as u64 + 1) as usize));
        }
    }
    all.insert(0, "format".into());
    all
}

struct Half<'a> {
    source: &'a Driver,
    copy: Driver,
    versions: &'a [Stored],
}

impl Half<'_> {
    fn stop(&self, all: &[PathBuf], stop: usize, meanwhile: Meanwhile, seed: u64, counted: &mut Counted) {
        copy(&self.source.store, &self.copy.store, &all[..stop]);
        counted.stops += 1;
        if stop == 0 {
            fs::create_dir_all(&self.copy.store).unwrap();
            assert_eq!(self.copy.open().unwrap_err().kind(), ErrorKind::Damaged);
            counted.refused += 1;
        } else {
            let torn = if meanwhile == Meanwhile::Torn { self.tear(all.get(stop)) } else { None };
            if torn.as_ref().is_some_and(|torn| is_record(torn)) {
                // Whatever it says, gc must not go on without it; copying it again mends it.
                let refused = self.copy.gc(GcOptions { prune_now: true, ..GcOptions::default() }).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Damaged, "{refused}");
                counted.refused += 1;
                fs::remove_file(torn.unwrap()).unwrap();
            }
            self.work(meanwhile, seed, counted);
            copy(&self.source.store, &self.copy.store, all);
            self.is_finished();
        }
    }

    /// Cuts off the next file, as a copy leaves it, and lets it grow old: a copy that goes on is
    /// left alone.
    fn tear(&self, next: Option<&PathBuf>) -> Option<PathBuf> {
        let path = self.copy.store.join(next?);
        let bytes = fs::read(self.source.store.join(next?)).unwrap();
        if bytes.is_empty() || next?.starts_with(".gitignore") || next?.starts_with(".gitattributes") {
            return None;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(7200);
        File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        Some(path)
    }

    /// Stores in the half copy, and collects there.
    fn work(&self, meanwhile: Meanwhile, seed: u64, counted: &mut Counted) {
        let complete = self.told_apart(counted);
        let mut rng = Rng(seed);
        // New content, or such as a version has that may be here, in part, or not.
        let known: Vec<u64> = self.versions.iter().filter(|version| version.recipe.len() == 1).map(|version| version.recipe[0]).collect();
        let number = if rng.below(2) == 0 { rng.below(PIECES) } else { *rng.pick(&known).unwrap() };
        let (stored, _) = self.copy.put(["a", "b", "new"][rng.below(3) as usize], number, None, &[]).unwrap();
        self.restores(&self.copy, &stored);
        let grace = if meanwhile == Meanwhile::Condemned { GcOptions::default().grace } else { Duration::ZERO };
        for _ in 0..2 {
            // What a version needs may be known already not to be here: then gc tells and stops.
            match self.copy.gc(GcOptions { grace, ..GcOptions::default() }) {
                Ok(outcome) => counted.removed_packs += outcome.deleted.len(),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                    counted.refused += 1;
                }
            }
            self.restores(&self.copy, &stored);
            complete.iter().for_each(|version| self.restores(&self.copy, version));
        }
        let everything = in_order(&self.copy.store, Order::Alphabetical);
        // What the half copy has goes back, too: the other copy must not be harmed by it.
        let back = self.source.at(&self.copy.store.with_file_name(".other"));
        copy(&self.source.store, &back.store, &in_order(&self.source.store, Order::Alphabetical));
        copy(&self.copy.store, &back.store, &everything);
        self.all_restore(&back);
        self.restores(&back, &stored);
        for _ in 0..2 {
            back.gc(GcOptions { grace: Duration::ZERO, ..GcOptions::default() }).unwrap();
        }
        self.all_restore(&back);
        self.restores(&back, &stored);
        fs::remove_dir_all(&back.store).unwrap();
    }

    /// Of the versions that the half copy knows, those that are said to be complete restore, and
    /// the others are told to be incomplete, never given in part.
    fn told_apart(&self, counted: &mut Counted) -> Vec<Stored> {
        let outcome = self.copy.fsck();
        let mut complete = Vec::new();
        for version in self.versions {
            match outcome.versions.iter().find(|check| check.id == version.id).map(|check| check.state) {
                Some(VersionState::Complete) => {
                    self.restores(&self.copy, version);
                    complete.push(version.clone());
                    counted.complete += 1;
                }
                Some(VersionState::Incomplete) => {
                    assert!(!outcome.ok);
                    assert_eq!(self.copy.get(&version.name()).unwrap_err().kind(), ErrorKind::Damaged);
                    counted.incomplete += 1;
                }
                // Its record is not here, or a record that says so, or not yet another one.
                None => assert!(self.copy.get(&version.name()).is_err()),
                Some(state) => assert!(!live(&self.copy).contains(&version.id), "{state:?}"),
            }
        }
        complete
    }

    /// Once the copy is whole, all that was stored anywhere is there, and stays.
    fn is_finished(&self) {
        self.all_restore(&self.copy);
        for _ in 0..2 {
            self.copy.gc(GcOptions { grace: Duration::ZERO, ..GcOptions::default() }).unwrap();
        }
        self.all_restore(&self.copy);
        let outcome = self.copy.fsck();
        assert!(outcome.ok, "{:#?}", outcome.findings);
    }

    fn all_restore(&self, driver: &Driver) {
        self.versions.iter().for_each(|version| self.restores(driver, version));
    }

    #[track_caller]
    fn restores(&self, driver: &Driver, version: &Stored) {
        let found = driver.get(&version.name()).unwrap_or_else(|error| panic!("{version:?}: {error}"));
        assert!(is_of(&version.recipe, &found), "{version:?} has other bytes");
    }
}

fn is_record(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "refs" || part.as_os_str() == "gc")
}
