//! `art repair`: fetches what is damaged or missing from other copies, salvages what no copy has,
//! and only then moves damaged files to `quarantine/`. Never deletes.
//!
//! A damaged record that no copy has stays where it is. Without it an older state would read as the
//! present one: a version that was brought back as deleted, an alias as naming what it named before.
//!
//! Everything is fetched and hashed before anything is published, and no process of git runs while
//! a lock is held. Killed at any point it can be run again: what was moved aside is a source too.

mod apply;
mod fetch;
mod git;
mod lost;
mod need;
mod records;
mod rest;
mod salvage;
mod source;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::quote::quote_path;
use crate::store::guard::{Guard, KEEP_DIR, Kept, WayBack, way_back};
use crate::store::quarantine::QUARANTINE;
use crate::store::session::Session;
use crate::store::{FORMAT_FILE, Need, Store};

use super::entry::ShownPath;
use super::init::{InitOptions, init};
use fetch::Repair;
use need::Needs;
use source::Source;

/// Where to fetch from, and whether to do it.
#[derive(Clone, Debug, Default)]
pub struct RepairOptions {
    /// Other copies of the store, or projects with one, in the order in which they are asked.
    pub from: Vec<PathBuf>,
    /// Whether damaged records that nothing replaces are moved aside too: what they said is then
    /// forgotten, where else all who need it are told.
    pub drop_records: bool,
    /// Whether to tell only.
    pub dry_run: bool,
}

/// What [`repair`] did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairOutcome {
    /// Whether nothing is lost.
    pub ok: bool,
    /// Whether this only tells what would be done.
    pub dry_run: bool,
    /// Packs and records that were fetched whole.
    pub fetched: Vec<Fetched>,
    /// Chunks and pages that were taken out of other packs, by where.
    pub gathered: Vec<Gathered>,
    /// Files that were moved to `quarantine/`.
    pub quarantined: Vec<Quarantined>,
    /// Damaged records that stay where they are, relative to the store: nothing replaces them.
    pub kept: Vec<PathBuf>,
    /// What cannot be had.
    pub lost: Vec<Lost>,
}

/// A pack or record that was fetched whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fetched {
    /// Where it lies now, relative to the store.
    pub path: PathBuf,
    /// Where it came from.
    pub from: String,
}

/// Chunks and pages that were taken one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gathered {
    /// Where they came from.
    pub from: String,
    /// Chunks of files.
    pub chunk_count: u64,
    /// Pages.
    pub page_count: u64,
    /// Bytes of both.
    pub size_bytes: u64,
}

/// A file that was moved aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// Where it lay, relative to the store.
    pub path: PathBuf,
    /// Where it lies now, relative to the store.
    pub to: PathBuf,
}

/// Something that no copy has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The version that needs it, or the file in the store that was a record.
    pub subject: String,
    /// The entry of the version.
    #[serde(flatten)]
    pub path: Option<ShownPath>,
    /// How many of its chunks or pages are lost.
    pub count: u64,
    /// What is the matter with the first of them.
    pub message: String,
}

/// Opens a store that is to be repaired; of one that `git clean` has left nothing of but what is guarded,
/// makes the rest again first. Not of one that another branch has: git would not switch to it over these files.
pub fn open(root: &Path, progress: &dyn Progress) -> Result<Store> {
    if !root.join(FORMAT_FILE).exists() && matches!(way_back(root), Some(WayBack::Repair)) {
        init(root, &InitOptions::default(), progress)?;
        progress.warn("the store had been cleaned away: what was guarded, and all that it keeps, is in its place again");
    }
    Store::open(root)
}

/// Repairs a store, as far as it can be done from what there is.
pub fn repair(store: &Store, context: &Context<'_>, options: &RepairOptions) -> Result<RepairOutcome> {
    store.check_features(Need::Write)?;
    let given = options.from.iter().map(|dir| Source::store(dir, store.root())).collect::<Result<Vec<_>>>()?;
    let guard = Guard::of(store.root())?;
    let missing = || guard.as_ref().map_or_else(|| Ok(Default::default()), Guard::missing);
    let (gone, mut damaged) = missing()?;
    let mut still_gone = Vec::new();
    if !gone.is_empty() && !options.dry_run {
        // A writer puts back what is gone before it does anything else.
        drop(Session::begin(store, context)?);
        (still_gone, damaged) = missing()?;
    }
    let is_damaged = |kept: &Kept| damaged.iter().any(|damaged| damaged.name == kept.path.name());
    if let Some(left) = still_gone.iter().find(|kept| !is_damaged(kept)) {
        return Err(Error::failed(format!("cannot put back {}, which is gone from its place", quote_path(left.path.as_path()))));
    }
    let is_back = |path: &Path| options.dry_run || store.root().join(path).exists();
    let back = gone.iter().filter(|kept| !is_damaged(kept)).map(|kept| kept.path.as_path().to_owned());
    let back: Vec<Fetched> = back.filter(|path| is_back(path)).map(|path| Fetched { path, from: KEEP_DIR.to_owned() }).collect();
    let mut needs = Needs::survey(store, context)?;
    needs.add_kept(&damaged);
    if needs.is_empty() {
        return Ok(RepairOutcome { ok: true, dry_run: options.dry_run, fetched: back, ..RepairOutcome::default() });
    }
    let mut sources = vec![Source::folder(KEEP_DIR, &store.layout().folder(KEEP_DIR.as_ref()))];
    // A worktree whose store cannot be opened has nothing to give.
    sources.extend(git::linked_stores(store.root()).iter().filter_map(|dir| Source::store(dir, store.root()).ok()));
    sources.extend(given);
    sources.push(Source::git(git::Blobs::find(store.root())));
    sources.push(Source::files("damaged files", needs.damaged_paths(store.layout())));
    sources.extend(store.layout().folders(QUARANTINE.as_ref()).map(|dir| Source::folder(QUARANTINE, &dir)));
    let mut outcome = Repair::new(store, context, needs, options).run(&mut sources)?;
    outcome.fetched.splice(..0, back);
    if let Some(guard) = guard.filter(|_| !damaged.is_empty() && !options.dry_run) {
        // What is in its place after all.
        guard.keep_all(Session::begin(store, context)?.disk())?;
    }
    Ok(outcome)
}
