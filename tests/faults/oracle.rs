//! What a store must show after a fault: everything that was acknowledged, bit for bit, and of
//! what was not, all or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use artstore::format::manifest::{Entry, EntryKind};
use artstore::format::record::Time;
use artstore::id::FileDigest;
use artstore::lock::Wait;
use artstore::ops::fsck::{FindingKind, FsckOptions, fsck};
use artstore::progress::Silent;
use artstore::refs::history::{History, Version};
use artstore::refs::read::DamagedRecord;
use artstore::store::CONDEMN_FEATURE;
use artstore::{Context, Store};

use crate::harm::COPY;
use crate::place::Place;
use crate::support::files;

/// All that a store shows to those who read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    facts: BTreeMap<String, String>,
    /// The hashes of the synced files of a store that is to be mended, wherever they lie: none of
    /// them may be deleted.
    files: BTreeSet<String>,
}

/// What a damaged store shows of what it cannot give.
const UNREADABLE: &str = "cannot be read";

/// How a run is shown that ended well.
const ENDED: &str = " ended";

pub(crate) fn context() -> Context<'static> {
    Context { now: Time(jiff::Timestamp::now()), git: None, run: None, threads: 1, wait: Wait::Not, progress: &Silent }
}

impl View {
    /// Reads everything, each file to its last byte; a store that is not there shows nothing.
    pub(crate) fn read(root: &Path) -> Result<View, String> {
        let mut facts = BTreeMap::new();
        let Some(store) = open(root, &mut facts)? else { return Ok(View::default()) };
        for history in store.histories().map_err(told)? {
            if let Some(damaged) = history.damaged.first() {
                return Err(format!("damaged record: {damaged:?}"));
            }
            for version in &history.versions {
                let shown = if version.deleted { "deleted".to_owned() } else { content(&store, version).map_err(told)? };
                facts.insert(version.full_name(), shown);
            }
            add_whole(&history, &mut facts);
        }
        if let Some(damaged) = add_runs(&store, &mut facts)?.first() {
            return Err(format!("damaged record: {damaged:?}"));
        }
        let condemned = store.condemned().map_err(told)?;
        for (_, condemnation) in condemned.iter() {
            facts.insert(format!("{:?} packs", condemnation.class), "condemned".to_owned());
        }
        if condemned.iter().next().is_some() && !root.join("features").join(CONDEMN_FEATURE).exists() {
            return Err("a pack is condemned, and the feature that says so is not there".to_owned());
        }
        Ok(View { facts, files: BTreeSet::new() })
    }

    /// Reads a store that may be damaged: each file by itself, and what cannot be read as such;
    /// and what lies where, with the good copy beside it.
    pub(crate) fn read_damaged(root: &Path) -> Result<View, String> {
        let mut facts = BTreeMap::new();
        let Some(store) = open(root, &mut facts)? else { return Ok(View::default()) };
        for history in store.histories().map_err(told)? {
            for damaged in &history.damaged {
                facts.insert(damaged.path.display().to_string(), "damaged".to_owned());
            }
            for version in &history.versions {
                add_content(&store, version, &mut facts);
            }
            add_whole(&history, &mut facts);
        }
        for damaged in add_runs(&store, &mut facts)? {
            facts.insert(damaged.path.display().to_string(), "damaged".to_owned());
        }
        let hash = |path: &PathBuf| FileDigest::of(&std::fs::read(path).unwrap()).short(32);
        let in_place: Vec<PathBuf> = ["packs", "meta", "refs", "runs", "gc"].iter().flat_map(|dir| files(&root.join(dir))).collect();
        for path in &in_place {
            let (name, hash) = (path.file_name().unwrap().to_string_lossy().into_owned(), hash(path));
            // What is written is whole; what is not was so before.
            if !hash.starts_with(&name.rsplit('.').next().unwrap_or_default()[..16]) {
                facts.insert(format!("{name} is not what it says"), hash);
            }
        }
        let synced = in_place.iter().chain(&files(&root.join("quarantine"))).map(hash).collect();
        let copy = root.with_file_name(COPY);
        facts.extend(files(&copy).iter().map(|path| (format!("{COPY}: {}", path.strip_prefix(&copy).unwrap().display()), hash(path))));
        Ok(View { facts, files: synced })
    }

    /// Leaves out the files that were not there in an earlier view: only those may not be deleted.
    pub(crate) fn after(mut self, before: &View) -> View {
        self.files.retain(|file| before.files.contains(file));
        self
    }

    /// Leaves out what is condemned: without room to copy, `gc` condemns less, and says so.
    pub(crate) fn without_condemned(&self) -> View {
        let mut view = self.clone();
        view.facts.retain(|name, _| !name.ends_with(" packs"));
        view
    }

    /// Leaves out how runs ended: a command's own exit code counts, whatever becomes of the record.
    pub(crate) fn without_ends(&self) -> View {
        let mut view = self.clone();
        view.facts.retain(|name, _| !name.ends_with(ENDED));
        view
    }

    /// Checks that what the commands of a run were told stands: each line is what one of them printed.
    pub(crate) fn check_told(&self, lines: &str) -> Result<(), String> {
        for line in lines.lines() {
            let stored = line.strip_prefix("stored: ").and_then(|stored| stored.split(' ').next());
            let there = match stored {
                Some(version) => self.facts.contains_key(version) && self.facts.keys().any(|name| name.starts_with("run train made ")),
                None => self.facts.contains_key(&format!("run train used {line}")),
            };
            if !there {
                return Err(format!("what was told as `{line}` is not there: {:?}", self.facts.keys()));
            }
        }
        Ok(())
    }

    /// Checks that everything stands as in one of the `allowed` views, of which the first is what
    /// was acknowledged, and that no file of that one is gone.
    pub(crate) fn check_within(&self, allowed: &[View]) -> Result<(), String> {
        if let Some(gone) = allowed.first().and_then(|first| first.files.difference(&self.files).next()) {
            return Err(format!("a file was deleted: {gone}"));
        }
        let names: BTreeSet<&String> = allowed.iter().chain([self]).flat_map(|view| view.facts.keys()).collect();
        for name in names {
            let shown = self.facts.get(name);
            // Pages that are there again may name files that are not.
            let was_hidden = allowed.len() > 1 && !allowed[0].facts.contains_key(name);
            if was_hidden && shown.is_some_and(|shown| shown == UNREADABLE) {
                continue;
            }
            if !allowed.iter().any(|view| view.facts.get(name) == shown) {
                let wanted: Vec<_> = allowed.iter().map(|view| view.facts.get(name)).collect();
                return Err(format!("{name} shows {shown:?} instead of one of {wanted:?}"));
            }
        }
        Ok(())
    }
}

/// Opens a store and notes what `init` promises to git, which nothing else looks at; none if there
/// is no store.
fn open(root: &Path, facts: &mut BTreeMap<String, String>) -> Result<Option<Store>, String> {
    if !root.join("format").exists() {
        return Ok(None);
    }
    for name in ["format", ".gitattributes", ".gitignore"] {
        facts.insert(name.to_owned(), FileDigest::of(&std::fs::read(root.join(name)).unwrap_or_default()).short(16));
    }
    Store::open(root).map(Some).map_err(told)
}

fn told(error: artstore::Error) -> String {
    format!("{error:?}")
}

/// Tells what is said of an artifact as a whole, and its aliases.
fn add_whole(history: &History, facts: &mut BTreeMap<String, String>) {
    facts.insert(format!("{} as a whole", history.artifact), format!("{:?}", history.about));
    for (alias, heads) in &history.aliases {
        let targets: BTreeSet<_> = heads.iter().map(|head| head.target).collect();
        let shown: Vec<String> = targets
            .into_iter()
            .flatten()
            .map(|id| history.version(id).map_or_else(|| "a version that is not here".to_owned(), |version| version.label.clone()))
            .collect();
        if !shown.is_empty() {
            facts.insert(format!("{}:{alias}", history.artifact), shown.join(" and "));
        }
    }
}

/// Tells the runs by their names: one that was begun again, because the first try was killed, shows
/// once what both did. One that ended badly shows no end. Returns the records that are damaged.
fn add_runs(store: &Store, facts: &mut BTreeMap<String, String>) -> Result<Vec<DamagedRecord>, String> {
    let runs = store.runs(1).map_err(told)?;
    let mut add = |name: String, value: &dyn std::fmt::Display| drop(facts.insert(name, value.to_string()));
    for run in &runs.runs {
        let name = format!("run {}", run.name().unwrap_or("without a name"));
        add(name.clone(), &run.start.is_some());
        run.config.iter().for_each(|(key, value)| add(format!("{name} config {key}"), value));
        run.summary.iter().for_each(|(key, value)| add(format!("{name} summary {key}"), value));
        for used in &run.inputs {
            let role = used.role.as_ref().map(|role| format!(" as {role}")).unwrap_or_default();
            add(format!("{name} used {}@{}{role}", used.artifact, used.digest), &true);
        }
        run.outputs.iter().for_each(|made| add(format!("{name} made {}@{}", made.artifact, made.digest), &true));
        run.references.iter().for_each(|of| add(format!("{name} used {}", of.uri), &true));
        if run.end.is_some_and(|(end, _)| end.exit_code == Some(0)) {
            add(format!("{name}{ENDED}"), &true);
        }
    }
    for version in store.histories().map_err(told)?.iter().flat_map(|history| &history.versions) {
        if let Some(run) = version.record.run {
            let name = runs.get(run).and_then(|run| run.name()).unwrap_or("that is not here");
            add(format!("run {name} made {}@{}", version.record.artifact, version.record.manifest), &true);
        }
    }
    Ok(runs.damaged)
}

/// Reads a version whole and tells all of it: what was said of it, and each entry with the hash
/// of the bytes that came out.
fn content(store: &Store, version: &Version) -> artstore::Result<String> {
    let mut all = format!("{}\n", said(store, version)?);
    for entry in store.entries(version.record.manifest)? {
        let entry = entry?;
        all.push_str(&format!("{} {}\n", entry.path, shown(store, &entry)?));
    }
    Ok(FileDigest::of(all.as_bytes()).short(32))
}

/// Tells the entries of a version one by one, as far as they can be read.
fn add_content(store: &Store, version: &Version, facts: &mut BTreeMap<String, String>) {
    let or_unreadable = |told: artstore::Result<String>| told.unwrap_or_else(|_| UNREADABLE.to_owned());
    let name = version.full_name();
    if version.deleted {
        facts.insert(name, "deleted".to_owned());
        return;
    }
    facts.insert(name.clone(), or_unreadable(said(store, version)));
    for entry in store.entries(version.record.manifest).into_iter().flatten().map_while(Result::ok) {
        facts.insert(format!("{name} {}", entry.path), or_unreadable(shown(store, &entry)));
    }
}

fn said(store: &Store, version: &Version) -> artstore::Result<String> {
    let said = serde_json::json!([version.description, version.tags, version.ttl_seconds, store.metadata(version)?]);
    Ok(format!("{} {}", version.record.manifest.short(16), FileDigest::of(said.to_string().as_bytes())))
}

fn shown(store: &Store, entry: &Entry) -> artstore::Result<String> {
    let EntryKind::File(body) = &entry.kind else { return Ok(format!("{:?}", entry.kind)) };
    let mut bytes = Vec::new();
    store.chunk_runs(&entry.path, body, &mut |run| {
        let chunk = store.read_chunk(run.chunk)?;
        (0..run.count).for_each(|_| bytes.extend_from_slice(&chunk));
        Ok(())
    })?;
    Ok(format!("{} {}", FileDigest::of(&bytes), body.executable))
}

/// Checks that `fsck` finds nothing.
pub(crate) fn check_clean(root: &Path) -> Result<(), String> {
    let store = Store::open(root).map_err(|error| format!("{error:?}"))?;
    let outcome = fsck(&store, &context(), &FsckOptions::default()).map_err(|error| format!("fsck: {error:?}"))?;
    match outcome.findings.first() {
        Some(finding) => Err(format!("fsck finds {finding:?}")),
        None if !outcome.strangers.is_empty() => Err(format!("fsck finds strangers: {:?}", outcome.strangers)),
        None => Ok(()),
    }
}

/// Checks that `fsck` finds nothing but that something is gone.
pub(crate) fn check_undamaged(root: &Path) -> Result<(), String> {
    use FindingKind::{IncompleteVersion, LostAlias, RemovedFile};
    let store = Store::open(root).map_err(|error| format!("{error:?}"))?;
    let outcome = fsck(&store, &context(), &FsckOptions::default()).map_err(|error| format!("fsck: {error:?}"))?;
    match outcome.findings.iter().find(|finding| !matches!(finding.kind, RemovedFile | IncompleteVersion | LostAlias)) {
        Some(finding) => Err(format!("fsck finds {finding:?}")),
        None => Ok(()),
    }
}

/// Checks that no temporary file is left, and that there is one local state.
pub(crate) fn check_no_litter(place: &Place) -> Result<(), String> {
    let left = place.temporary_files();
    if !left.is_empty() {
        return Err(format!("litter stays after the sweep: {left:?}"));
    }
    match place.local_folders().len() {
        0 | 1 => Ok(()),
        _ => Err(format!("there is more than one local state: {:?}", place.local_folders())),
    }
}
