//! What a part of a store consists of: some versions, the records that are about them, and the
//! pages and chunks that they name.
//!
//! Any set of records is a valid state, but not every one says what the whole says. So an alias goes
//! with all records that its present ones have replaced, and only where the version that it names
//! now is there or goes too; edits of a version go all together; a run goes whole.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use super::side::{Hash, SelectedRecord, Selection, Wanted};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::record::{AliasRecord, Record};
use crate::id::RecordId;
use crate::name::{Alias, Name, Ref, Selector};
use crate::ops::show::twins;
use crate::quote::quote;
use crate::refs::history::{History, Version};
use crate::refs::read::{self, Records};
use crate::refs::runs::RUNS_DIR;
use crate::store::Store;
use crate::store::files::{self, FileClass, StoreFile, StorePath};
use crate::store::reach::{Reach, Start};

/// Selects versions, and what is about them.
pub(super) fn select(store: &Store, context: &Context<'_>, wanted: &Wanted) -> Result<Selection> {
    select_chosen(store, context, &choose(store, wanted)?, About::Chosen)
}

/// Which records go with chosen versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// Those that are about them.
    Chosen,
    /// Those about all versions, and all runs; of version records only theirs.
    All,
}

/// Selects versions that were found, and what is about them or about all.
pub(super) fn select_chosen(store: &Store, context: &Context<'_>, chosen: &[(Name, Vec<Version>)], about: About) -> Result<Selection> {
    let ids: HashSet<RecordId> = chosen.iter().flat_map(|(_, versions)| versions.iter().map(|version| version.id)).collect();
    let listed = files::list(store.layout(), &[FileClass::Edit, FileClass::Version, FileClass::Alias, FileClass::Run])?;
    let listed: HashMap<String, &StoreFile> = listed.iter().map(|file| (file.path.key(), file)).collect();
    let mut records = Vec::new();
    let mut add = |path: &StorePath, needs: Option<StorePath>| {
        // One that was read and is not listed lies in a folder of another case.
        if let Some(file) = listed.get(&path.key()) {
            records.push(SelectedRecord { file: StoreFile::clone(file), needs });
        }
    };
    let (mut starts, mut runs) = (Vec::new(), BTreeSet::new());
    for (artifact, versions) in chosen {
        let all = read::load(store.root(), artifact, store.threads(), None)?;
        let paths: HashMap<RecordId, StorePath> =
            all.versions.iter().map(|(id, record)| (*id, StorePath::of_record(&Record::Version(Box::new(record.clone())), *id))).collect();
        for version in versions {
            add(&paths[&version.id], None);
            starts.extend(Start::of_version(version.record.manifest, version.record.metadata_pages.iter().copied()));
            runs.extend(version.record.run);
        }
        for (id, edit) in all.edits.iter().filter(|(_, edit)| about == About::All || edit.target.is_none_or(|target| ids.contains(&target)))
        {
            starts.extend(edit.metadata_pages.iter().copied().map(Start::metadata));
            add(&StorePath::of_record(&Record::Edit(Box::new(edit.clone())), *id), None);
        }
        for (path, needs) in aliases(&all, &ids, &paths, about) {
            add(&path, needs);
        }
    }
    for run in store.runs(context.threads)?.runs {
        if about == About::All || runs.contains(&run.id) || run.inputs.iter().chain(&run.outputs).any(|used| ids.contains(&used.version)) {
            let folder = format!("{RUNS_DIR}/{}/", run.id);
            listed.values().filter(|file| file.path.as_str().starts_with(&folder)).for_each(|file| add(&file.path, None));
        }
    }
    records.sort();
    records.dedup();
    let (pages, chunks) = reach(store, context, &starts)?;
    Ok(Selection { records, chunks, pages })
}

/// Finds the versions that are named, each once, and those that read as one with them.
pub(super) fn choose(store: &Store, wanted: &Wanted) -> Result<Vec<(Name, Vec<Version>)>> {
    let mut chosen: Vec<(Name, Vec<Version>)> = Vec::new();
    for text in &wanted.refs {
        let reference: Ref = text.parse()?;
        let (history, named): (History, Vec<Version>) = if wanted.all_versions {
            if reference.selector != Selector::Latest || reference.back > 0 {
                return Err(Error::usage(format!("cannot take all versions of {}: it names one", quote(text.as_bytes())))
                    .hint(format!("write `--all {}`", reference.artifact)));
            }
            let history = store.existing_history(&reference.artifact)?;
            let all = history.versions.clone();
            (history, all)
        } else {
            let resolved = store.resolve(&reference)?;
            let named = twins(&resolved.history, &resolved.version).cloned().collect();
            (resolved.history, named)
        };
        let at = match chosen.iter().position(|(artifact, _)| *artifact == history.artifact) {
            Some(at) => at,
            None => {
                chosen.push((history.artifact, Vec::new()));
                chosen.len() - 1
            }
        };
        for version in named {
            if chosen[at].1.iter().all(|other| other.id != version.id) {
                chosen[at].1.push(version);
            }
        }
    }
    Ok(chosen)
}

/// Returns the records of each alias that names one of the versions, or once did: its present ones
/// and all that these have replaced, with the version that they need.
fn aliases(
    all: &Records,
    ids: &HashSet<RecordId>,
    paths: &HashMap<RecordId, StorePath>,
    about: About,
) -> Vec<(StorePath, Option<StorePath>)> {
    let mut by_alias = HashMap::<&Alias, Vec<&(RecordId, AliasRecord)>>::new();
    for record in &all.aliases {
        by_alias.entry(&record.1.alias).or_default().push(record);
    }
    let mut selected = Vec::new();
    let is_about = |records: &&Vec<&(RecordId, AliasRecord)>| {
        about == About::All || records.iter().any(|(_, record)| record.target.is_some_and(|id| ids.contains(&id)))
    };
    for records in by_alias.values().filter(is_about) {
        let by_id: HashMap<RecordId, &AliasRecord> = records.iter().map(|(id, record)| (*id, record)).collect();
        let replaced: HashSet<RecordId> = by_id.values().flat_map(|record| record.replaces.iter().copied()).collect();
        let mut heads: Vec<(RecordId, Option<StorePath>)> = Vec::new();
        for (&id, record) in by_id.iter().filter(|(id, _)| !replaced.contains(id)) {
            match record.target.filter(|target| !ids.contains(target)) {
                None => heads.push((id, None)),
                // An alias of a version that is nowhere would be taken for damage.
                Some(other) => heads.extend(paths.get(&other).map(|path| (id, Some(path.clone())))),
            }
        }
        // Those that need nothing first: what they have replaced goes with them.
        heads.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
        let mut seen = HashSet::new();
        for (head, needs) in heads {
            let mut open = vec![head];
            while let Some(id) = open.pop() {
                let Some(record) = by_id.get(&id).filter(|_| seen.insert(id)) else { continue };
                selected.push((StorePath::of_record(&Record::Alias(AliasRecord::clone(record)), id), needs.clone()));
                open.extend(&record.replaces);
            }
        }
    }
    selected
}

/// Returns the pages and chunks that can be reached, sorted.
fn reach(store: &Store, context: &Context<'_>, starts: &[Start]) -> Result<(Vec<Hash>, Vec<Hash>)> {
    let found = Mutex::new((Vec::new(), Vec::new()));
    // What is not here cannot be sent; that the versions are incomplete is told elsewhere.
    Reach::new(store, context.threads).visit(starts, &|reached| {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.0.push(*reached.page.as_bytes());
        found.1.extend(reached.chunks.iter().map(|run| *run.chunk.as_bytes()));
    })?;
    let (mut pages, mut chunks) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    for list in [&mut pages, &mut chunks] {
        list.sort_unstable();
        list.dedup();
    }
    Ok((pages, chunks))
}
