//! What a store must show after a fault: everything that was acknowledged, bit for bit, and of
//! what was not, all or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use artstore::format::manifest::EntryKind;
use artstore::format::record::Time;
use artstore::id::FileDigest;
use artstore::lock::Wait;
use artstore::ops::fsck::{FsckOptions, fsck};
use artstore::progress::Silent;
use artstore::refs::history::{History, Version};
use artstore::store::CONDEMN_FEATURE;
use artstore::{Context, Store};

use crate::place::Place;

/// All that a store shows to those who read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    facts: BTreeMap<String, String>,
}

pub(crate) fn context() -> Context<'static> {
    Context { now: Time(jiff::Timestamp::now()), git: None, run: None, threads: 1, wait: Wait::Not, progress: &Silent }
}

impl View {
    /// Reads everything, each file to its last byte; a store that is not there shows nothing.
    pub(crate) fn read(root: &Path) -> Result<View, String> {
        let mut facts = BTreeMap::new();
        if !root.join("format").exists() {
            return Ok(View { facts });
        }
        let told = |error: artstore::Error| format!("{error:?}");
        let store = Store::open(root).map_err(told)?;
        // What `init` promises to git; nothing else looks at these.
        for name in ["format", ".gitattributes", ".gitignore"] {
            facts.insert(name.to_owned(), FileDigest::of(&std::fs::read(root.join(name)).unwrap_or_default()).short(16));
        }
        for history in store.histories().map_err(told)? {
            if let Some(damaged) = history.damaged.first() {
                return Err(format!("damaged record: {damaged:?}"));
            }
            for version in &history.versions {
                let shown = if version.deleted { "deleted".to_owned() } else { content(&store, version).map_err(told)? };
                facts.insert(version.full_name(), shown);
            }
            add_aliases(&history, &mut facts);
        }
        let condemned = store.condemned().map_err(told)?;
        for (_, condemnation) in condemned.iter() {
            facts.insert(format!("{:?} packs", condemnation.class), "condemned".to_owned());
        }
        if condemned.iter().next().is_some() && !root.join("features").join(CONDEMN_FEATURE).exists() {
            return Err("a pack is condemned, and the feature that says so is not there".to_owned());
        }
        Ok(View { facts })
    }

    /// Leaves out what is condemned: without room to copy, `gc` condemns less, and says so.
    pub(crate) fn without_condemned(&self) -> View {
        View { facts: self.facts.iter().filter(|(name, _)| !name.ends_with(" packs")).map(|(k, v)| (k.clone(), v.clone())).collect() }
    }

    /// Checks that everything stands as in one of the `allowed` views, of which the first is what
    /// was acknowledged.
    pub(crate) fn check_within(&self, allowed: &[View]) -> Result<(), String> {
        let names: BTreeSet<&String> = allowed.iter().chain([self]).flat_map(|view| view.facts.keys()).collect();
        for name in names {
            let shown = self.facts.get(name);
            if !allowed.iter().any(|view| view.facts.get(name) == shown) {
                let wanted: Vec<_> = allowed.iter().map(|view| view.facts.get(name)).collect();
                return Err(format!("{name} shows {shown:?} instead of one of {wanted:?}"));
            }
        }
        Ok(())
    }
}

fn add_aliases(history: &History, facts: &mut BTreeMap<String, String>) {
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

/// Reads a version whole and tells all of it: what was said of it, and each entry with the hash
/// of the bytes that came out.
fn content(store: &Store, version: &Version) -> artstore::Result<String> {
    let said = serde_json::json!([version.description, version.tags, store.metadata(version)?]);
    let mut all = format!("{} {}\n", version.record.manifest.short(16), FileDigest::of(said.to_string().as_bytes()));
    for entry in store.entries(version.record.manifest)? {
        let entry = entry?;
        let shown = match &entry.kind {
            EntryKind::File(body) => {
                let mut bytes = Vec::new();
                store.chunk_runs(&entry.path, body, &mut |run| {
                    let chunk = store.read_chunk(run.chunk)?;
                    (0..run.count).for_each(|_| bytes.extend_from_slice(&chunk));
                    Ok(())
                })?;
                format!("{} {}", FileDigest::of(&bytes), body.executable)
            }
            other => format!("{other:?}"),
        };
        all.push_str(&format!("{} {shown}\n", entry.path));
    }
    Ok(FileDigest::of(all.as_bytes()).short(32))
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
