//! A store driven through the library, each operation as a process of its own would do it: opened
//! anew, nothing kept in memory. And contents made of numbers, which are told apart by reading.

#![allow(dead_code, reason = "each test target uses its part of this")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use artstore::context::Context;
use artstore::error::Result;
use artstore::format::record::Time;
use artstore::id::RecordId;
use artstore::lock::Wait;
use artstore::name::Ref;
use artstore::ops::alias;
use artstore::ops::cp::{CpOptions, cp};
use artstore::ops::edit::{Change, EditTarget, edit};
use artstore::ops::fsck::{FsckLevel, FsckOptions, FsckOutcome, fsck};
use artstore::ops::gc::{GcOptions, GcOutcome, gc};
use artstore::ops::init::{GitMode, InitOptions, init};
use artstore::ops::put::{PutOptions, put};
use artstore::ops::restore::{RestoreOptions, restore};
use artstore::ops::rm::{RmOptions, RmTarget, rm};
use artstore::ops::undelete::undelete;
use artstore::progress::Silent;
use artstore::store::Store;
use serde::{Deserialize, Serialize};

use crate::support::noise;

/// What a version holds: pieces, of which a later one wins over an earlier.
pub(crate) type Recipe = Vec<u64>;

/// Files by their names.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Pieces that differ.
pub(crate) const PIECES: u64 = 60;

/// A store, and where sources and restored versions lie.
pub(crate) struct Driver {
    pub(crate) store: PathBuf,
    pool: PathBuf,
    scratch: PathBuf,
    threads: usize,
}

/// A version that was printed as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) artifact: String,
    pub(crate) number: u64,
    pub(crate) id: RecordId,
    pub(crate) recipe: Recipe,
}

impl Stored {
    /// Names it as a user does.
    pub(crate) fn name(&self) -> Ref {
        format!("{}@{}", self.artifact, self.id).parse().unwrap()
    }
}

/// Returns the files of a piece.
fn piece(number: u64) -> &'static Files {
    static MADE: [OnceLock<Files>; PIECES as usize] = [const { OnceLock::new() }; PIECES as usize];
    MADE[number as usize].get_or_init(|| make_piece(number))
}

/// Makes the files of a piece: some that several pieces share, some in several chunks.
fn make_piece(number: u64) -> Files {
    let mut files = Files::new();
    let len = [900, 7_000, 40_000, 120_000, 300_000][number as usize % 5];
    files.insert(format!("own-{}", number % 7), noise(number, len));
    files.insert("shared".to_owned(), noise(1000 + number % 4, 20_000));
    if number.is_multiple_of(3) {
        // The same bytes at another place, after some that differ.
        files.insert("dir/moved".to_owned(), [noise(number, 50), noise(1001, 150_000)].concat());
    }
    files
}

/// Whether files are those of a recipe.
pub(crate) fn is_of(recipe: &[u64], found: &Files) -> bool {
    let wanted: BTreeMap<&String, &Vec<u8>> = recipe.iter().flat_map(|&number| piece(number)).collect();
    wanted.into_iter().eq(found)
}

/// Whether two recipes make the same files.
pub(crate) fn are_equal(one: &[u64], other: &[u64]) -> bool {
    let files = |recipe: &[u64]| -> BTreeMap<&String, &Vec<u8>> { recipe.iter().flat_map(|&number| piece(number)).collect() };
    one == other || files(one) == files(other)
}

impl Driver {
    /// Takes directories below `dir`, as several processes may at the same time; `own` is for this
    /// one alone.
    pub(crate) fn new(dir: &Path, own: &str) -> Driver {
        let scratch = dir.join("scratch").join(own);
        Driver { store: dir.join("store/.artifacts"), pool: dir.join("pool"), scratch, threads: 1 }
    }

    /// The same sources with another store, beside which versions are restored.
    pub(crate) fn at(&self, store: &Path) -> Driver {
        Driver { store: store.to_owned(), pool: self.pool.clone(), scratch: store.with_file_name("scratch"), threads: self.threads }
    }

    /// Makes the store.
    pub(crate) fn make_store(&self) {
        init(&self.store, &InitOptions { git: Some(GitMode::None) }, &Silent).unwrap();
    }

    /// Makes the store and the sources.
    pub(crate) fn make(&self) {
        self.make_store();
        for number in 0..PIECES {
            for (name, bytes) in piece(number) {
                let path = self.pool.join(number.to_string()).join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    }

    pub(crate) fn open(&self) -> Result<Store> {
        Store::open(&self.store)
    }

    /// Does something with the store as it is now.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Store, &Context<'_>) -> Result<T>) -> Result<T> {
        let now: Time = serde_json::from_str("\"2026-01-01T00:00:00Z\"").unwrap();
        let context = Context { now, git: None, run: None, threads: self.threads, wait: Wait::Patiently, progress: &Silent };
        work(&self.open()?, &context)
    }

    /// Stores a piece, onto a version if one is given; tells also whether it was there before.
    pub(crate) fn put(&self, artifact: &str, number: u64, onto: Option<&Stored>, aliases: &[&str]) -> Result<(Stored, bool)> {
        let options = PutOptions {
            sources: vec![self.pool.join(number.to_string())],
            onto: onto.map(Stored::name),
            aliases: aliases.iter().map(|alias| alias.parse().unwrap()).collect(),
            ..PutOptions::new(artifact.parse().unwrap())
        };
        let outcome = self.with(|store, context| put(store, context, &options, None))?;
        let recipe = onto.map_or(Vec::new(), |base| base.recipe.clone()).into_iter().chain([number]).collect();
        let stored = Stored { artifact: artifact.to_owned(), number: outcome.version.number, id: outcome.version.id, recipe };
        Ok((stored, outcome.unchanged))
    }

    /// Restores a version and reads it back.
    pub(crate) fn get(&self, name: &Ref) -> Result<Files> {
        let dest = self.scratch.join("restored");
        let _ = fs::remove_dir_all(&dest);
        fs::create_dir_all(&self.scratch).unwrap();
        self.with(|store, context| restore(store, context, &store.resolve(name)?, &dest, &RestoreOptions::default()))?;
        let read = |path: PathBuf| (path.strip_prefix(&dest).unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
        Ok(crate::support::files(&dest).into_iter().map(read).collect())
    }

    pub(crate) fn set_alias(&self, version: &Stored, alias: &str) -> Result<()> {
        self.with(|store, context| alias::set(store, context, &version.name(), &[alias.parse()?])).map(|_| ())
    }

    /// Sets a key in the metadata of a version, or of an artifact as a whole, or removes it.
    pub(crate) fn edit(&self, target: &EditTarget, key: &str, value: Option<u64>) -> Result<()> {
        let change = match value {
            Some(value) => Change { metadata: [(key.to_owned(), value.into())].into(), ..Change::default() },
            None => Change { unset: vec![key.to_owned()], ..Change::default() },
        };
        self.with(|store, context| edit(store, context, target, &change)).map(|_| ())
    }

    /// Makes a version of an artifact from another; tells also whether it was there before.
    pub(crate) fn cp(&self, from: &Stored, artifact: &str) -> Result<(Stored, bool)> {
        let (aliases, tags) = (Vec::new(), Vec::new());
        let options = CpOptions { from: from.name(), artifact: artifact.parse()?, artifact_type: None, aliases, tags, description: None };
        let put = self.with(|store, context| cp(store, context, &options))?.put;
        let (number, id, recipe) = (put.version.number, put.version.id, from.recipe.clone());
        Ok((Stored { artifact: artifact.to_owned(), number, id, recipe }, put.unchanged))
    }

    pub(crate) fn rm(&self, version: &Stored, force_aliases: bool) -> Result<()> {
        let options = RmOptions { targets: vec![RmTarget::Version(version.name())], force_aliases, dry_run: false };
        self.with(|store, context| rm(store, context, &options)).map(|_| ())
    }

    pub(crate) fn rm_all(&self, artifact: &str) -> Result<()> {
        let options = RmOptions { targets: vec![RmTarget::All(artifact.parse()?)], force_aliases: true, dry_run: false };
        self.with(|store, context| rm(store, context, &options)).map(|_| ())
    }

    pub(crate) fn undelete(&self, version: &Stored) -> Result<()> {
        self.with(|store, context| undelete(store, context, &[version.name()])).map(|_| ())
    }

    pub(crate) fn gc(&self, options: GcOptions) -> Result<GcOutcome> {
        self.with(|store, context| gc(store, context, &options))
    }

    pub(crate) fn fsck(&self) -> FsckOutcome {
        self.with(|store, context| fsck(store, context, &FsckOptions { level: FsckLevel::Deep })).unwrap()
    }
}

/// Lists what syncs of a store, relative to it, sorted.
pub(crate) fn synced(store: &Path) -> Vec<PathBuf> {
    let all = crate::support::files(store).into_iter().map(|path| path.strip_prefix(store).unwrap().to_owned());
    all.filter(|path| !path.starts_with("local") && !path.starts_with("quarantine")).collect()
}

/// Copies what is not there yet, as `cp -rn` does.
pub(crate) fn copy(from: &Path, to: &Path, all: &[PathBuf]) {
    for path in all.iter().filter(|path| !to.join(path).exists()) {
        fs::create_dir_all(to.join(path).parent().unwrap()).unwrap();
        fs::copy(from.join(path), to.join(path)).unwrap();
    }
}

/// Chance that can be had again: SplitMix64.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn pick<'t, T>(&mut self, all: &'t [T]) -> Option<&'t T> {
        if all.is_empty() { None } else { all.get(self.below(all.len() as u64) as usize) }
    }
}
