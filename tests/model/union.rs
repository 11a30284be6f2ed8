//! Union is commutative, associative and idempotent for all that users see: random histories on 2 to 4
//! copies, with whole and partial copies between, whose files are then put together in other orders.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use artstore::context::Context;
use artstore::error::{ErrorKind, Result};
use artstore::format::record::Time;
use artstore::format::run::RunMode;
use artstore::id::RecordId;
use artstore::lock::Wait;
use artstore::name::Ref;
use artstore::ops::alias;
use artstore::ops::edit::{Change, EditTarget, edit};
use artstore::ops::gc::{GcOptions, gc};
use artstore::ops::init::{GitMode, InitOptions, init};
use artstore::ops::put::{PutOptions, put};
use artstore::ops::resolve::{Prefer, Scope, prefer};
use artstore::ops::rm::{RmOptions, RmTarget, rm};
use artstore::ops::run::{self, StartOptions};
use artstore::ops::undelete::undelete;
use artstore::progress::Silent;
use artstore::run_id::RunId;
use artstore::store::Store;

use crate::driver::{Rng, synced};

/// Histories that failed once: they are tried first.
const FAILED_ONCE: &[u64] = &[];

/// Contents that are stored.
const SOURCES: u64 = 4;

const STEPS_MAX: u64 = 14;
const COPIES_MAX: u64 = 4;

/// Copies that are worked on apart.
struct Copies {
    dir: tempfile::TempDir,
    sources: PathBuf,
    rng: Rng,
    stores: Vec<PathBuf>,
    runs: Vec<RunId>,
    /// The versions that were told as stored.
    told: BTreeSet<RecordId>,
}

/// Tries histories by their seeds, on two threads, until there are `count` of them.
pub(crate) fn try_all(first: u64, count: u64) {
    let memory = Path::new("/dev/shm");
    let dir = tempfile::Builder::new().prefix("art-union-").tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
    let sources = dir.path().join("sources");
    for source in 0..SOURCES {
        fs::create_dir_all(sources.join(source.to_string())).unwrap();
        fs::write(sources.join(source.to_string()).join("file"), format!("source {source}")).unwrap();
    }
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(left) = at.checked_sub(FAILED_ONCE.len() as u64) else {
                        Copies::new(dir.path(), &sources, FAILED_ONCE[at as usize]).run();
                        continue;
                    };
                    if left >= count {
                        break;
                    }
                    Copies::new(dir.path(), &sources, first + left).run();
                }
            });
        }
    });
}

impl Copies {
    fn new(dir: &Path, sources: &Path, seed: u64) -> Copies {
        let mut rng = Rng(seed);
        let dir = tempfile::Builder::new().prefix(&format!("{seed}-")).tempdir_in(dir).unwrap();
        let stores: Vec<PathBuf> =
            (0..2 + rng.below(COPIES_MAX - 1)).map(|number| dir.path().join(number.to_string()).join(".artifacts")).collect();
        stores.iter().for_each(|store| make(store));
        Copies { dir, sources: sources.to_owned(), rng, stores, runs: Vec::new(), told: BTreeSet::new() }
    }

    fn run(mut self) {
        for _ in 0..2 + self.rng.below(STEPS_MAX) {
            let copy = self.rng.below(self.stores.len() as u64) as usize;
            if let Err(error) = self.step(copy) {
                // What another copy did may be known here in part: that is told, and is no bug.
                let is_told = matches!(error.kind(), ErrorKind::Refused | ErrorKind::NotFound | ErrorKind::Ambiguous | ErrorKind::Damaged);
                assert!(is_told, "{}: {error}", self.dir.path().display());
            }
        }
        self.check_laws();
    }

    fn step(&mut self, copy: usize) -> Result<()> {
        let store = Store::open(&self.stores[copy])?;
        let seconds = self.rng.below(4);
        let now: Time = serde_json::from_str(&format!("\"2026-01-01T00:00:0{seconds}Z\"")).unwrap();
        let run = self.rng.pick(&self.runs).copied().filter(|_| seconds == 0);
        let context = Context { now, git: None, run, threads: 1, wait: Wait::Patiently, progress: &Silent };
        let artifact = ["a", "b"][self.rng.below(2) as usize];
        let alias = ["best", "prod"][self.rng.below(2) as usize];
        let known: Vec<Ref> = store.histories()?.iter().flat_map(|history| history.versions.iter().map(named)).collect();
        let version = self.rng.pick(&known).cloned().unwrap_or_else(|| artifact.parse().unwrap());
        match self.rng.below(20) {
            0..6 => {
                let mut options = PutOptions::new(artifact.parse()?);
                options.sources.push(self.sources.join(self.rng.below(SOURCES).to_string()));
                options.aliases.extend((seconds == 1).then(|| alias.parse()).transpose()?);
                self.told.insert(put(&store, &context, &options, None)?.version.id);
            }
            6..8 => drop(alias::set(&store, &context, &version, &[alias.parse()?])?),
            8..10 => {
                let target = if seconds == 0 { EditTarget::Artifact(artifact.parse()?) } else { EditTarget::Version(version) };
                let change = Change { metadata: [("acc".to_owned(), self.rng.below(3).into())].into(), ..Change::default() };
                drop(edit(&store, &context, &target, &change)?);
            }
            10..12 => {
                let options = RmOptions { targets: vec![RmTarget::Version(version)], force_aliases: seconds < 2, dry_run: false };
                drop(rm(&store, &context, &options)?);
            }
            12 => drop(undelete(&store, &context, &[version])?),
            13 => drop(gc(&store, &context, &GcOptions { prune_now: seconds == 0, ..GcOptions::default() })?),
            14 => drop(prefer(&store, &context, &Scope::Store, if seconds < 2 { Prefer::Newest } else { Prefer::Oldest })?),
            15 => match self.rng.pick(&self.runs).copied() {
                Some(run) if seconds < 3 => drop(run::use_version(&store, &context, run, &version, None)?),
                _ => self.runs.push(run::start(&store, &context, &StartOptions::new(RunMode::Open))?.id),
            },
            _ => {
                let to = (copy + 1 + self.rng.below(self.stores.len() as u64 - 1) as usize) % self.stores.len();
                let keep = [5, 5, 2, 4][seconds as usize];
                let some: Vec<PathBuf> = synced(&self.stores[copy]).into_iter().filter(|_| self.rng.below(5) < keep).collect();
                link(&self.stores[copy], &self.stores[to], &some);
            }
        }
        Ok(())
    }

    /// Puts the copies together in other orders, and twice.
    fn check_laws(&mut self) {
        let all = self.stores.clone();
        let whole = self.merged("whole", &all);
        let mut backwards: Vec<PathBuf> = all.iter().rev().cloned().collect();
        let shown = shown(&whole);
        let is_same = |other: &Path, law: &str| {
            assert_eq!(synced(&whole), synced(other), "{law}: other files in {}", other.display());
            assert_eq!(shown, self::shown(other), "{law}: another state in {}", other.display());
        };
        is_same(&self.merged("backwards", &backwards), "commutative");
        // The others first, on their own, and then the first; with what is there merged once more.
        backwards.pop();
        let others = self.merged("others", &backwards);
        is_same(&self.merged("associated", &[others.clone(), all[0].clone()]), "associative");
        is_same(&self.merged("again", &[whole.clone(), others, whole.clone()]), "idempotent");
        let store = Store::open(&whole).unwrap();
        let here: BTreeSet<RecordId> =
            store.histories().unwrap().iter().flat_map(|history| history.versions.iter().map(|version| version.id)).collect();
        assert!(self.told.is_subset(&here), "a version that was told as stored is not there");
    }

    fn merged(&self, name: &str, from: &[PathBuf]) -> PathBuf {
        let store = self.dir.path().join(name).join(".artifacts");
        make(&store);
        from.iter().for_each(|from| link(from, &store, &synced(from)));
        store
    }
}

fn make(store: &Path) {
    init(store, &InitOptions { git: Some(GitMode::None) }, &Silent).unwrap();
}

fn named(version: &artstore::refs::history::Version) -> Ref {
    format!("{}@{}", version.record.artifact, version.id).parse().unwrap()
}

/// Merges files as `cp -rn` does; equal names must be equal bytes.
fn link(from: &Path, to: &Path, some: &[PathBuf]) {
    for path in some {
        fs::create_dir_all(to.join(path).parent().unwrap()).unwrap();
        if fs::hard_link(from.join(path), to.join(path)).is_err() {
            assert!(fs::read(from.join(path)).unwrap() == fs::read(to.join(path)).unwrap(), "{} differs", path.display());
        }
    }
}

/// Tells all that a store shows, and what each of its names means.
fn shown(root: &Path) -> String {
    let store = Store::open(root).unwrap();
    let mut all = String::new();
    for history in store.histories().unwrap() {
        writeln!(all, "{history:#?}").unwrap();
        let numbers = history.versions.iter().map(|version| format!("{}:v{}", history.artifact, version.record.number));
        let aliases = history.aliases.keys().map(|alias| format!("{}:{alias}", history.artifact));
        for name in numbers.chain(aliases).chain([history.artifact.to_string()]) {
            match store.resolve(&name.parse().unwrap()) {
                Ok(resolved) => writeln!(all, "{name} {}", resolved.version.id).unwrap(),
                Err(error) => writeln!(all, "{name} {:?} {error}", error.kind()).unwrap(),
            }
        }
    }
    writeln!(all, "{:#?}", store.runs(1).unwrap()).unwrap();
    all.replace(root.to_str().unwrap(), "")
}
