//! After a merge or a switch of branches: what is new in the stores, told in a line. Writes no more than a
//! note in local state, and reads a bounded part: a hook that takes long is taken out again.

use std::path::{Path, PathBuf};

use super::changes::{StoreChanges, has_id, path_of};
use crate::error::Result;
use crate::ops::resolve::diverged;
use crate::refs::history::Version;
use crate::store::Store;
use crate::store::files::{FileClass, StorePath};
use crate::store::git::hook;
use crate::store::missing::Effort;

/// How git came to where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// By a merge; its result is only staged if it was squashed.
    Merged {
        /// Whether it was squashed.
        squashed: bool,
    },
    /// From a commit to another.
    Switched {
        /// The commit before; all zeros if there was none.
        old: String,
        /// The commit now.
        new: String,
    },
}

/// What is new in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Where the store lies, from the top of the working tree.
    pub store: PathBuf,
    /// The versions that came, newest first.
    pub versions: Vec<String>,
    /// Versions that are not here any more, as their records were called.
    pub left: Vec<String>,
    /// Versions that were here and are deleted now.
    pub deleted: Vec<String>,
    /// Aliases that came or were moved: `NAME:ALIAS -> vN`.
    pub aliases: Vec<String>,
    /// Those of the versions that came that are not whole.
    pub incomplete: Vec<String>,
    /// Names that stand for several versions.
    pub diverged: Vec<String>,
}

impl News {
    fn is_none(&self) -> bool {
        [&self.versions, &self.left, &self.deleted, &self.aliases, &self.diverged].iter().all(|list| list.is_empty())
    }
}

/// Tells what is new in the stores of the working tree that a directory is in.
pub fn news(dir: &Path, moved: &Moved, threads: usize) -> Result<Vec<News>> {
    let files = match moved {
        Moved::Switched { old, new } if old == new => return Ok(Vec::new()),
        Moved::Switched { old, .. } if old.bytes().all(|digit| digit == b'0') => hook::all(&hook::top(dir)?)?,
        Moved::Switched { old, new } => hook::between(dir, old, new)?,
        Moved::Merged { squashed: true } => hook::staged(dir)?,
        Moved::Merged { squashed: false } => match hook::commit(dir, "ORIG_HEAD") {
            Some(old) => hook::between(dir, &old, "HEAD")?,
            None => return Ok(Vec::new()),
        },
    };
    let stores = StoreChanges::by_store(&files);
    if stores.is_empty() {
        return Ok(Vec::new());
    }
    let (top, mut all) = (hook::top(dir)?, Vec::new());
    let is_passing = hook::is_rebasing(dir)?;
    for (place, changes) in stores {
        // On a branch without a store there is nothing to tell of it.
        let Ok(store) = Store::open(&top.join(&place)) else { continue };
        let mut news = News { store: place, ..of_store(&store.with_threads(threads).with_record_cache(), &changes)? };
        if is_passing {
            news.left.clear();
        }
        all.extend(Some(news).filter(|news| !news.is_none()));
    }
    Ok(all)
}

fn of_store(store: &Store, changes: &StoreChanges) -> Result<News> {
    let left = changes.removed.iter().filter_map(StorePath::version).map(|(folder, number)| format!("{folder}:v{number}"));
    let mut news = News { left: left.collect(), ..News::default() };
    let added = changes.added_keys();
    let is_new = |version: &Version| added.contains(&path_of(version).key());
    let has = |class, id| changes.added_of(class).any(|path| has_id(path, id));
    let mut came: Vec<Version> = Vec::new();
    for history in changes.histories(store)? {
        for version in history.versions.iter().filter(|version| !version.deleted && is_new(version)) {
            came.push(version.clone());
        }
        for (_, edit) in history.edits.iter().filter(|(id, edit)| edit.delete && has(FileClass::Edit, *id)) {
            let deleted = edit.target.and_then(|target| history.version(target)).filter(|version| version.deleted && !is_new(version));
            news.deleted.extend(deleted.map(Version::full_name));
        }
        for (alias, heads) in &history.aliases {
            if let [head] = &heads[..]
                && let Some(version) = head.target.and_then(|target| history.version(target))
                && has(FileClass::Alias, head.record)
            {
                news.aliases.push(format!("{}:{alias} -> {}", history.artifact, version.label));
            }
        }
        news.diverged.extend(diverged(&history).into_iter().map(|one| format!("{}:{}", one.artifact, one.name)));
    }
    came.sort_by(|a, b| b.record.created_at.cmp(&a.record.created_at).then_with(|| b.record.number.cmp(&a.record.number)));
    let missing = store.missing_of(&came.iter().collect::<Vec<_>>(), Effort::Bounded)?;
    let lacking = came.iter().zip(missing).filter(|(_, missing)| missing.is_some_and(|missing| !missing.is_none()));
    news.incomplete = lacking.map(|(version, _)| version.full_name()).collect();
    news.versions = came.iter().map(Version::full_name).collect();
    Ok(news)
}
