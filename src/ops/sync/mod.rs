//! `art sync`, `art push`, `art pull`, `art clone`: the union of two copies of a store, by files.
//!
//! What travels is whole packs, and then records. Both copies are listed (`plan`), and what one lacks
//! is moved class by class (`transfer`) between two sides (`side`), which are directories (`dir`) or stores
//! on other computers (`remote`). A part of a store is what some versions need (`part`, `gather`).
//! "Copies" in `docs/durability.md` argues what an interruption leaves.

pub mod bundle;
mod dir;
mod gather;
mod held;
mod incomplete;
mod location;
mod outcome;
mod part;
mod plan;
mod remote;
mod serve;
pub(crate) mod side;
mod ssh;
mod transfer;
pub mod wire;

use std::collections::HashSet;
use std::path::Path;

use crate::context::Context;
use crate::durable::CopyBy;
use crate::error::{Error, ErrorKind, Result};
use crate::format::pack::PackClass;
use crate::name::Ref;
use crate::ops::init::{InitOptions, init};
use crate::quote::{quote, quote_path};
use crate::store::files::{FileClass, StoreFile, StorePath};
use crate::store::{Need, STORE_DIR, Store};
use dir::Dir;
use held::hold_back;
pub use incomplete::IncompleteVersion;
pub use location::OtherCopy;
pub use outcome::{DamagedFile, Moved, MovedVersion, SyncOutcome};
use plan::{Listing, PACKS};
use serve::copy_name;
pub use serve::serve;
use side::{Hash, SelectedRecord, Side, Wanted, restless, store_at};
pub use ssh::{SshCommand, SshCopy};
use transfer::{Transfer, transfer};
use wire::message::Hello;

/// How often packs may vanish from a copy while it is read.
const TRIES: usize = 8;

/// Which way files go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// To the other copy.
    Push,
    /// From the other copy.
    Pull,
}

/// What [`sync`] is to do.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// Which way files go.
    pub direction: Direction,
    /// The versions that go, with what they need; all of the store if there are none. Not both ways.
    pub versions: Vec<Ref>,
    /// Whether all versions of the artifacts that are named go.
    pub all_versions: bool,
    /// Whether to tell only, and move nothing.
    pub dry_run: bool,
    /// Whether to make a store at the other end, if there is none.
    pub init: bool,
}

/// Makes two copies of a store equal, or brings one what the other has; a file that is there is
/// never changed. Fails before anything is written if either is damaged, of a newer format, or
/// needs what this program does not know.
///
/// Cost: lists both copies; reads and hashes what travels.
pub fn sync(store: &Store, context: &Context<'_>, other: &OtherCopy, options: &SyncOptions) -> Result<SyncOutcome> {
    store.check_features(Need::Write)?;
    let here = Dir::new(store, store.root(), context, CopyBy::Pieces);
    match other {
        OtherCopy::Dir(dir) => {
            let there_store = open(dir, context, options)?;
            if here.is_same(&there_store) {
                return Err(itself(&quote_path(dir)));
            }
            there_store.check_features(Need::Write)?;
            let there = Dir::new(&there_store, dir, context, CopyBy::Pieces);
            Run { here: &here, there: &there, context, options }.run()
        }
        OtherCopy::Ssh(copy) => {
            let hello = Hello { init: options.init && !options.dry_run };
            copy.with(context, hello, |there| {
                if there.copy.is_some() && there.copy == copy_name(store) {
                    return Err(itself(&quote(copy.name.as_bytes())));
                }
                Run { here: &here, there, context, options }.run()
            })
        }
    }
}

fn itself(shown: &str) -> Error {
    Error::usage(format!("cannot sync with {shown}: it is this very store")).hint("name the place of another copy")
}

/// Makes a store in the directory `root`, and brings it all that another copy has. Where the file system
/// can, both share the blocks of packs until one of them removes its own.
///
/// Cost: lists the other copy; reads and hashes what travels.
pub fn clone(context: &Context<'_>, other: &OtherCopy, root: &Path, options: &InitOptions) -> Result<SyncOutcome> {
    if root.join("format").exists() {
        return Err(Error::refused(format!("cannot clone to {}: there is a store", quote_path(root)))
            .hint("`art pull` brings a store what it lacks, as after a clone that was stopped"));
    }
    let pull_into = |there: &dyn Side| {
        init(root, options, context.progress)?;
        let store = Store::open(root)?;
        let here = Dir::new(&store, root, context, CopyBy::Kernel);
        let options = SyncOptions { direction: Direction::Pull, ..SyncOptions::default() };
        Run { here: &here, there, context, options: &options }.run()
    };
    match other {
        OtherCopy::Dir(dir) => {
            let store = open(dir, context, &SyncOptions::default())?;
            store.check_features(Need::Write)?;
            pull_into(&Dir::new(&store, dir, context, CopyBy::Pieces))
        }
        OtherCopy::Ssh(copy) => copy.with(context, Hello::default(), |there| pull_into(there)),
    }
}

/// Opens the store in a directory, or makes one there.
fn open(dir: &Path, context: &Context<'_>, options: &SyncOptions) -> Result<Store> {
    let root = store_at(dir);
    let error = match Store::open(&root) {
        Ok(store) => return Ok(store),
        Err(error) => error,
    };
    let is_missing = error.kind() == ErrorKind::NotFound || is_empty_dir(&root);
    if is_missing && options.init && !options.dry_run {
        let root = if dir.ends_with(STORE_DIR) { dir.to_owned() } else { dir.join(STORE_DIR) };
        let root = std::path::absolute(&root).map_err(|e| Error::io("find", &root, e))?;
        init(&root, &InitOptions::default(), context.progress)?;
        return Store::open(&root);
    }
    if is_missing {
        return Err(Error::not_found(format!("cannot find a store at {}", quote_path(dir)))
            .hint("see that the path is right and the disk or share is mounted; `art push --init` makes a store"));
    }
    Err(error)
}

fn is_empty_dir(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

struct Run<'r> {
    here: &'r dyn Side,
    there: &'r dyn Side,
    context: &'r Context<'r>,
    options: &'r SyncOptions,
}

/// What went one way.
#[derive(Default)]
struct OneWay {
    /// What arrived, or would.
    arrived: Vec<StoreFile>,
    refused: Vec<(StorePath, String)>,
    /// Packs that the other copy has removed, and that nothing needs.
    withheld: u64,
    /// Records of versions whose packs could not be read, and of aliases of these.
    held: Vec<StoreFile>,
}

impl Run<'_> {
    fn run(&self) -> Result<SyncOutcome> {
        let mut outcome = SyncOutcome::new(self.there.name(), self.options.dry_run);
        let ways = match (self.options.direction, self.options.versions.is_empty()) {
            (Direction::Both, true) => self.both()?,
            (Direction::Both, false) => return Err(Error::usage("cannot sync a part both ways").hint("push or pull it")),
            (direction, true) => vec![(direction, self.whole(direction, &mut self.list()?)?)],
            (direction, false) => vec![(direction, self.part(direction)?)],
        };
        for (direction, way) in &ways {
            let (from, to) = self.sides(*direction);
            let moved = Moved::of(&way.arrived, way.withheld);
            outcome.held_back.extend(Moved::of(&way.held, 0).versions);
            for (path, message) in &way.refused {
                outcome.damaged.push(DamagedFile { path: path.to_string(), from: from.name(), message: message.clone() });
            }
            let records: Vec<StorePath> = way.arrived.iter().map(|file| file.path.clone()).filter(is_version).collect();
            if !self.options.dry_run && !records.is_empty() {
                outcome.incomplete.extend(to.incomplete(&records)?);
            }
            match direction {
                Direction::Push => outcome.pushed = Some(moved),
                _ => outcome.pulled = Some(moved),
            }
        }
        // What was cut off in one copy and has come whole from the other is mended.
        let arrived: HashSet<String> = ways.iter().flat_map(|(_, way)| way.arrived.iter().map(|file| file.path.to_string())).collect();
        outcome.damaged.retain(|damaged| !arrived.contains(&damaged.path));
        outcome.ok = outcome.damaged.is_empty() && outcome.held_back.is_empty();
        Ok(outcome)
    }

    fn list(&self) -> Result<(Listing, Listing)> {
        self.context.progress.phase("listing both copies");
        Ok((Listing::of(self.here)?, Listing::of(self.there)?))
    }

    /// Moves both ways. If packs were removed here, first the other copy learns what was deleted:
    /// it can tell then that nothing needs them.
    fn both(&self) -> Result<Vec<(Direction, OneWay)>> {
        let mut listings = self.list()?;
        let (here, there) = &listings;
        let is_removed_here = !here.removed(there, &there.without(here)).is_empty();
        let order = if is_removed_here { [Direction::Push, Direction::Pull] } else { [Direction::Pull, Direction::Push] };
        order.into_iter().map(|direction| Ok((direction, self.whole(direction, &mut listings)?))).collect()
    }

    fn sides(&self, direction: Direction) -> (&dyn Side, &dyn Side) {
        if direction == Direction::Push { (self.here, self.there) } else { (self.there, self.here) }
    }

    /// Moves all that one copy lacks.
    fn whole(&self, direction: Direction, (here, there): &mut (Listing, Listing)) -> Result<OneWay> {
        let (from, to) = self.sides(direction);
        let (from_has, to_has) = if direction == Direction::Push { (here, there) } else { (there, here) };
        let (mut way, mut done) = (OneWay::default(), Transfer::default());
        for _ in 0..TRIES {
            let mut files = from_has.without(to_has);
            let removed = to_has.removed(from_has, &files);
            if !removed.is_empty() {
                self.context.progress.phase("asking what removed packs are needed for");
                // What cannot be told is needed.
                let unneeded = from.dispensable(&removed, &to_has.records).unwrap_or_default();
                files.retain(|file| !unneeded.contains(&file.path));
                way.withheld = unneeded.len() as u64;
            }
            files.retain(|file| done.refused.iter().all(|(path, _)| *path != file.path));
            let (packs, mut records): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.path.class().pack().is_some());
            self.expect(packs.iter().chain(&records));
            if self.options.dry_run {
                way.arrived = [packs, records].concat();
                return Ok(way);
            }
            to.settle()?;
            transfer(from, to, &packs, self.context, &mut done)?;
            to_has.add(&done.arrived);
            if std::mem::take(&mut done.gone).is_empty() {
                if done.refused.iter().any(|(path, _)| path.class().pack().is_some()) {
                    way.held = hold_back(from, to, &mut records)?;
                }
                transfer(from, to, &records, self.context, &mut done)?;
                to_has.add(&done.arrived);
                (way.arrived, way.refused) = (done.arrived, done.refused);
                return Ok(way);
            }
            // `gc` has removed packs there: what was needed of them lies in others.
            from_has.list_packs_again(from)?;
        }
        Err(restless(&from.name()))
    }

    /// Moves some versions and what they need.
    fn part(&self, direction: Direction) -> Result<OneWay> {
        let (from, to) = self.sides(direction);
        self.context.progress.phase("reading what the versions need");
        let refs = self.options.versions.iter().map(ToString::to_string).collect();
        let selection = from.select(&Wanted { refs, all_versions: self.options.all_versions })?;
        let mut to_has = Listing::of(to)?;
        let (mut way, mut done) = (OneWay::default(), Transfer::default());
        for _ in 0..TRIES {
            let mut packs = Vec::new();
            for class in PACKS.into_iter().filter_map(FileClass::pack) {
                let lacking = lacking(to, class, selection.hashes(class))?;
                packs.extend(from.gather(class, &lacking, &to_has.condemned())?);
            }
            packs.retain(|file| !to_has.has(file) && done.refused.iter().all(|(path, _)| *path != file.path));
            let mut records = records(&selection.records, &to_has);
            self.expect(packs.iter().chain(&records));
            if self.options.dry_run {
                way.arrived = [packs, records].concat();
                return Ok(way);
            }
            to.settle()?;
            transfer(from, to, &packs, self.context, &mut done)?;
            to_has.add(&done.arrived);
            if std::mem::take(&mut done.gone).is_empty() {
                // What somebody asked for by name is whole where it arrives, or does not arrive.
                way.held = hold_back(from, to, &mut records)?;
                transfer(from, to, &records, self.context, &mut done)?;
                (way.arrived, way.refused) = (done.arrived, done.refused);
                return Ok(way);
            }
        }
        Err(restless(&from.name()))
    }

    fn expect<'f>(&self, files: impl Iterator<Item = &'f StoreFile>) {
        let (count, bytes) = files.fold((0, 0), |(count, bytes), file| (count + 1, bytes + file.len));
        self.context.progress.expect(count, bytes);
        self.context.progress.all_expected();
    }
}

fn is_version(path: &StorePath) -> bool {
    path.class() == FileClass::Version
}

/// Returns those of some chunks or pages that a copy lacks.
fn lacking(to: &dyn Side, class: PackClass, hashes: &[Hash]) -> Result<Vec<Hash>> {
    let lacks = to.lacks(class, hashes)?;
    Ok(hashes.iter().zip(lacks).filter(|(_, lacks)| *lacks).map(|(hash, _)| *hash).collect())
}

/// Returns the records that a copy lacks and that may travel: those whose version is there or
/// travels as well.
fn records(selected: &[SelectedRecord], to_has: &Listing) -> Vec<StoreFile> {
    let travelling: HashSet<String> = selected.iter().map(|record| record.file.path.key()).collect();
    let is_known = |path: &StorePath| to_has.has_name(path) || travelling.contains(&path.key());
    let may = |record: &&SelectedRecord| record.needs.as_ref().is_none_or(is_known);
    selected.iter().filter(may).map(|record| record.file.clone()).filter(|file| !to_has.has(file)).collect()
}
