//! Before a commit: is what is staged of a store connected? A version whose packs stay behind would be
//! a name without content in every clone.
//!
//! Most commits change no store, and cost one question to git. Else the packs here are held against those
//! of the index, and only where some are not in it are the pages of what is staged walked.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::changes::{StoreChanges, has_id, path_of};
use crate::context::Context;
use crate::error::Result;
use crate::format::pack::PackClass;
use crate::id::{PackId, RecordId};
use crate::index::Index;
use crate::ops::doctor::TO_COME;
use crate::ops::wording::some;
use crate::pack::{pack_path, reader};
use crate::quote::{quote, quote_path, shell_word};
use crate::refs::history::{History, Version};
use crate::store::files::{FileClass, StorePath};
use crate::store::git::hook;
use crate::store::git::rules::ignored;
use crate::store::guard::GitMode;
use crate::store::missing::starts_of;
use crate::store::reach::{Reach, Start};
use crate::store::{Store, guard};

/// Why a commit shall not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What helps.
    pub hint: String,
}

/// A store of which something is staged.
struct Staged<'a> {
    store: &'a Store,
    mode: GitMode,
    /// Packs that lie here and are not in the index.
    left_out: HashSet<PackId>,
    /// Whether each pack of the index lies here.
    has_all: bool,
    threads: usize,
}

/// Checks what the commit that is being made, in a directory of the working tree, changes of stores.
pub fn check_commit(dir: &Path, context: &Context<'_>) -> Result<Vec<Refusal>> {
    let stores = StoreChanges::by_store(&hook::staged(dir)?);
    if stores.is_empty() {
        return Ok(Vec::new());
    }
    let (top, mut refusals) = (hook::top(dir)?, Vec::new());
    for (place, changes) in stores {
        let root = top.join(&place);
        // A store that is taken out of the repo has no rules any more.
        let Some(mode) = guard::mode_of(&root)? else { continue };
        let store = Store::open(&root)?.with_threads(context.threads).with_record_cache();
        refusals.extend(check_store(&top, &place, &store, mode, &changes, context)?);
    }
    Ok(refusals)
}

fn check_store(
    top: &Path,
    place: &Path,
    store: &Store,
    mode: GitMode,
    changes: &StoreChanges,
    context: &Context<'_>,
) -> Result<Vec<Refusal>> {
    if mode == GitMode::None {
        return Ok(Vec::new());
    }
    let classes: &[PackClass] = if mode == GitMode::All { &[PackClass::Meta, PackClass::Data] } else { &[PackClass::Meta] };
    let has_gone = changes.removed.iter().any(|path| path.class().pack().is_some_and(|class| classes.contains(&class)));
    // Packs that are taken away may be those of any version.
    let histories = if has_gone { store.histories()? } else { changes.histories(store)? };
    let targets = targets(&histories, changes);
    let mut asked: Vec<PathBuf> = classes.iter().map(|class| place.join(class.dir())).collect();
    asked.extend(targets.iter().map(|(_, path)| place.join(path.as_path())));
    let index = hook::indexed(top, &asked)?;
    let mut refusals = Vec::new();
    for (what, path) in targets.iter().filter(|(_, path)| !index.contains(&place.join(path.as_path()))) {
        let message =
            format!("cannot commit: {what} is staged, and the version that it names is not: {}", quote_path(&place.join(path.as_path())));
        refusals.push(Refusal { message, hint: add(place) });
    }
    let (mut left_out, mut has_all) = (HashSet::new(), true);
    for &class in classes {
        let here: HashSet<PackId> = reader::list(store.layout(), class)?.into_iter().collect();
        left_out.extend(here.iter().filter(|&&id| !index.contains(&place.join(pack_path(class, id)))));
        let id_of = |path: &PathBuf| path.file_name()?.to_str()?.parse::<PackId>().ok();
        has_all &= index.iter().filter(|path| path.starts_with(place.join(class.dir()))).filter_map(id_of).all(|id| here.contains(&id));
    }
    let staged = Staged { store, mode, left_out, has_all, threads: context.threads };
    refusals.extend(staged.check(place, &versions(&histories, changes, has_gone))?);
    // Where git does not tell, the files that matter now are seen to all the same.
    refusals.extend(look_for_rules(top, place, &staged).unwrap_or_default());
    Ok(refusals)
}

/// Names the versions that must be whole: those whose record is staged, those that a staged edit is of, and
/// all where packs are taken away.
fn versions<'h>(histories: &'h [History], changes: &StoreChanges, has_gone: bool) -> Vec<&'h Version> {
    let added = changes.added_keys();
    let mut versions = Vec::new();
    for history in histories {
        let is_edit = |id: &RecordId| changes.added_of(FileClass::Edit).any(|path| has_id(path, *id));
        let edited: HashSet<RecordId> = history.edits.iter().filter(|(id, _)| is_edit(id)).filter_map(|(_, edit)| edit.target).collect();
        let is_asked = |version: &&Version| has_gone || edited.contains(&version.id) || added.contains(&path_of(version).key());
        versions.extend(history.versions.iter().filter(|version| !version.deleted).filter(is_asked));
    }
    versions
}

/// Returns which version records staged aliases and edits name, with how they are told.
fn targets(histories: &[History], changes: &StoreChanges) -> Vec<(String, StorePath)> {
    let mut targets = Vec::new();
    for history in histories {
        let mut add = |what: String, target: Option<RecordId>| {
            let Some(version) = target.and_then(|target| history.version(target)) else { return };
            targets.push((what, path_of(version)));
        };
        for path in changes.added_of(FileClass::Alias) {
            let heads = history.aliases.iter().flat_map(|(alias, heads)| heads.iter().map(move |head| (alias, head)));
            for (alias, head) in heads.filter(|(_, head)| has_id(path, head.record)) {
                add(format!("alias '{}:{alias}'", history.artifact), head.target);
            }
        }
        for path in changes.added_of(FileClass::Edit) {
            for (_, edit) in history.edits.iter().filter(|(id, _)| has_id(path, *id)) {
                add(format!("an edit of artifact '{}'", history.artifact), edit.target);
            }
        }
    }
    targets
}

impl Staged<'_> {
    /// Looks whether versions have all that they name in packs of the index.
    fn check(&self, place: &Path, versions: &[&Version]) -> Result<Vec<Refusal>> {
        let meta = self.store.index(PackClass::Meta)?;
        let mut starts = Vec::new();
        for version in versions {
            starts.extend(starts_of(version).into_iter().map(|start| (*version, start)));
        }
        let mut refusals = Vec::new();
        // Where a pack of the index is not here it may lie in that.
        let gone: BTreeSet<String> = match self.has_all {
            true => starts
                .iter()
                .filter(|(_, start)| meta.find_any(start.page.as_bytes()).is_none())
                .map(|(version, _)| version.full_name())
                .collect(),
            false => BTreeSet::new(),
        };
        if !gone.is_empty() {
            let message = format!("cannot commit: pages of {} are not in this store any more", named(&gone));
            let hint = "`art repair` looks for them in git's history; `git commit --no-verify` commits all the same".to_owned();
            refusals.push(Refusal { message, hint });
        }
        if self.left_out.is_empty() || starts.is_empty() {
            return Ok(refusals);
        }
        let data = if self.mode == GitMode::All { Some(self.store.index(PackClass::Data)?) } else { None };
        let found = Mutex::new((BTreeSet::new(), BTreeSet::new()));
        let first: Vec<Start> = starts.iter().map(|(_, start)| *start).collect();
        Reach::new(self.store, self.threads).visit(&first, &|reached| {
            let packs = [self.needed(PackClass::Meta, meta, reached.page.as_bytes())].into_iter().chain(
                data.iter().flat_map(|data| reached.chunks.iter().map(|run| self.needed(PackClass::Data, data, run.chunk.as_bytes()))),
            );
            let packs: Vec<PathBuf> = packs.flatten().collect();
            if !packs.is_empty() {
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.0.insert(starts[reached.start].0.full_name());
                found.1.extend(packs);
            }
        })?;
        let (names, packs) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = packs.first() {
            let more = if packs.len() > 1 { format!(" and {} more", packs.len() - 1) } else { String::new() };
            let message = format!(
                "cannot commit: {} {} staged or committed, and packs of {} are not: {}{more}",
                named(&names),
                if names.len() == 1 { "is" } else { "are" },
                if names.len() == 1 { "it" } else { "them" },
                quote_path(&place.join(first))
            );
            refusals.push(Refusal { message, hint: add(place) });
        }
        Ok(refusals)
    }

    /// Returns the pack that holds something, if only packs hold it that are not in the index.
    fn needed(&self, class: PackClass, index: &Index, hash: &[u8; 32]) -> Option<PathBuf> {
        let is_staged = index.find(hash, |location| !self.left_out.contains(&location.pack.id)).is_some();
        if is_staged { None } else { index.find_any(hash).map(|location| pack_path(class, location.pack.id)) }
    }
}

/// Looks whether git ignores what is to be committed.
fn look_for_rules(top: &Path, place: &Path, staged: &Staged<'_>) -> Result<Option<Refusal>> {
    let mut paths: Vec<PathBuf> = TO_COME.iter().skip(usize::from(staged.mode != GitMode::All)).map(|path| place.join(path)).collect();
    for class in [PackClass::Meta, PackClass::Data] {
        let left_out = staged.left_out.iter().map(|id| pack_path(class, *id)).filter(|path| staged.store.layout().path(path).exists());
        paths.extend(left_out.map(|path| place.join(path)));
    }
    let Some((path, rule)) = ignored(top, &paths)?.into_iter().next() else { return Ok(None) };
    let message = format!(
        "cannot commit: git ignores files of the store that are to be committed, such as {}: {} in {}, line {}",
        quote_path(&path),
        quote(rule.pattern.as_bytes()),
        quote_path(&rule.file),
        rule.line
    );
    Ok(Some(Refusal { message, hint: "`art doctor` tells how to mend it; `git commit --no-verify` commits all the same".to_owned() }))
}

fn named(names: &BTreeSet<String>) -> String {
    some(&names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>())
}

fn add(place: &Path) -> String {
    // From the top, wherever the commit is made.
    format!("run `git add :/{}`; `git commit --no-verify` commits all the same", shell_word(place))
}
