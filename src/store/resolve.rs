//! From what a user typed to a version.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::name::{Alias, Name, Ref, Selector};
use crate::quote::{quote, quote_path};
use crate::refs::history::{History, Meaning, Version};
use crate::refs::read::DamagedRecord;

use super::Store;
use super::guard::Guard;

/// A version that a ref named, with the history of its artifact.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The artifact's history.
    pub history: History,
    /// The version.
    pub version: Version,
}

impl Store {
    /// Finds the version that a ref names.
    pub fn resolve(&self, wanted: &Ref) -> Result<Resolved> {
        let history = self.existing_history(&wanted.artifact)?;
        let version = find(&history, wanted).map_err(|error| self.told_if_cleaned(error))?.clone();
        Ok(Resolved { history, version })
    }

    /// Finds the version that a ref names in the history of its artifact, where that was read before.
    pub fn resolve_in<'h>(&self, history: &'h History, wanted: &Ref) -> Result<&'h Version> {
        find(history, wanted)
    }

    /// Reads the history of an artifact that must be there.
    pub fn existing_history(&self, artifact: &Name) -> Result<History> {
        let history = self.history(artifact)?;
        // An alias or an edit alone tells that there was one, whose records are lost.
        if history.versions.is_empty() && history.damaged.is_empty() && history.aliases.is_empty() && history.edits.is_empty() {
            let names: Vec<String> = self.artifacts()?.iter().take(8).map(|name| format!("`{name}`")).collect();
            let error = Error::not_found(format!("cannot find artifact {}", quote(artifact.as_str().as_bytes())));
            return Err(self.told_if_cleaned(match names.len() {
                0 => error.hint("nothing is stored here yet: `art put NAME PATH` stores the first version"),
                _ => error.hint(format!("`art ls` lists all; there are {}", names.join(", "))),
            }));
        }
        Ok(history)
    }

    /// Says what helps where what was not found may be gone from its place, and put back by the next writer.
    fn told_if_cleaned(&self, error: Error) -> Error {
        let gone = || Guard::of(self.root()).and_then(|guard| guard.map_or_else(|| Ok(Vec::new()), |guard| guard.gone()));
        if error.kind() == ErrorKind::NotFound && gone().is_ok_and(|gone| !gone.is_empty()) {
            return error.hint("files that were stored are gone, as after `git clean`: run `art repair`");
        }
        error
    }
}

fn find<'h>(history: &'h History, wanted: &Ref) -> Result<&'h Version> {
    check_newer_records(history, wanted)?;
    let found = match &wanted.selector {
        Selector::Latest => one(history, wanted, history.latest())?,
        Selector::Number(number) => one(history, wanted, history.numbered(*number))?,
        Selector::Numbered(number, suffix) => by_suffix(history, wanted, *number, suffix)?,
        Selector::Alias(alias) => by_alias(history, wanted, alias)?,
        Selector::Prefix(prefix) => by_prefix(history, wanted, prefix)?,
    };
    if wanted.back == 0 { Ok(found) } else { earlier(history, wanted, found) }
}

/// Refuses `latest` or an alias where the record that decides it cannot be read: what it was
/// before would be another version without a word.
fn check_newer_records(history: &History, wanted: &Ref) -> Result<()> {
    let newest = match &wanted.selector {
        Selector::Latest => history.versions.iter().map(|version| version.record.number).max(),
        Selector::Alias(alias) => history.aliases.get(alias).into_iter().flatten().map(|head| head.seq).max(),
        _ => return Ok(()),
    };
    match damaged_record(history, wanted).filter(|record| newest.is_some_and(|newest| record.number > newest)) {
        Some(record) => Err(unreadable(wanted, record)),
        None => Ok(()),
    }
}

/// Finds the damaged record with the highest number that might be what is wanted.
fn damaged_record<'h>(history: &'h History, wanted: &Ref) -> Option<&'h DamagedRecord> {
    let may_be = |record: &&DamagedRecord| match &wanted.selector {
        Selector::Latest | Selector::Prefix(_) => record.is_version,
        Selector::Number(number) | Selector::Numbered(number, _) => record.is_version && record.number == *number,
        Selector::Alias(alias) => record.path.parent().is_some_and(|dir| dir.ends_with(Path::new("aliases").join(alias.as_str()))),
    };
    history.damaged.iter().filter(may_be).max_by_key(|record| record.number)
}

fn unreadable(wanted: &Ref, record: &DamagedRecord) -> Error {
    Error::damaged(format!(
        "cannot read the record that {} depends on: {} is damaged: {}",
        shown(wanted),
        quote_path(&record.path),
        record.why
    ))
    .hint(format!(
        "name a version by its number (`art ls {}` lists them), or copy the file from another copy of the store",
        wanted.artifact
    ))
}

fn one<'h>(history: &'h History, wanted: &Ref, meaning: Meaning<'h>) -> Result<&'h Version> {
    match meaning {
        Meaning::One(version) => Ok(version),
        Meaning::Many(versions) => Err(ambiguous(wanted, &versions)),
        Meaning::None => Err(not_found(history, wanted)),
    }
}

fn by_suffix<'h>(history: &'h History, wanted: &Ref, number: u64, suffix: &str) -> Result<&'h Version> {
    let matches = history.versions.iter().filter(|version| version.record.number == number && version.id.has_hex_prefix(suffix)).collect();
    only(history, wanted, matches)
}

fn by_prefix<'h>(history: &'h History, wanted: &Ref, prefix: &str) -> Result<&'h Version> {
    let by_id: Vec<&Version> = history.versions.iter().filter(|version| version.id.has_hex_prefix(prefix)).collect();
    if !by_id.is_empty() {
        return only(history, wanted, by_id);
    }
    let by_digest: Vec<&Version> = history.versions.iter().filter(|version| version.record.manifest.has_hex_prefix(prefix)).collect();
    // Several versions of one content read as the newest that is there.
    let same = by_digest.iter().all(|version| version.record.manifest == by_digest[0].record.manifest);
    match by_digest.iter().rev().find(|version| !version.deleted).or(by_digest.last()) {
        Some(newest) if same => Ok(newest),
        _ => only(history, wanted, by_digest),
    }
}

fn only<'h>(history: &'h History, wanted: &Ref, matches: Vec<&'h Version>) -> Result<&'h Version> {
    match matches[..] {
        [] => Err(not_found(history, wanted)),
        [version] => Ok(version),
        _ => Err(ambiguous(wanted, &matches)),
    }
}

fn by_alias<'h>(history: &'h History, wanted: &Ref, alias: &Alias) -> Result<&'h Version> {
    let heads = history.aliases.get(alias).map(Vec::as_slice).unwrap_or_default();
    let mut targets: Vec<_> = heads.iter().map(|head| head.target).collect();
    targets.sort_unstable();
    targets.dedup();
    match targets[..] {
        [] | [None] => Err(not_found(history, wanted)),
        [Some(id)] => history.version(id).ok_or_else(|| {
            Error::damaged(format!("alias {} names a version whose record is not in this copy of the store", shown(wanted)))
                .hint("copy the missing records from another copy of the store")
        }),
        _ => {
            let versions: Vec<&Version> = targets.iter().flatten().filter_map(|&id| history.version(id)).collect();
            Err(Error::ambiguous(format!("alias {} has diverged: it names {}", shown(wanted), names(&versions, targets.contains(&None)))))
                .map_err(|error| error.hint(format!("settle it with `art alias set {}:VERSION {alias}`", wanted.artifact)))
        }
    }
}

fn earlier<'h>(history: &'h History, wanted: &Ref, from: &Version) -> Result<&'h Version> {
    let mut numbers: Vec<u64> = history
        .versions
        .iter()
        .filter(|version| !version.deleted && version.record.number < from.record.number)
        .map(|version| version.record.number)
        .collect();
    numbers.dedup();
    let at = usize::try_from(wanted.back).ok().and_then(|back| numbers.len().checked_sub(back));
    match at {
        Some(at) => one(history, wanted, history.numbered(numbers[at])),
        None => Err(not_found(history, wanted)),
    }
}

fn ambiguous(wanted: &Ref, versions: &[&Version]) -> Error {
    let labels: Vec<String> = versions.iter().map(|v| format!("{}:v{}.{}", wanted.artifact, v.record.number, v.id.short(8))).collect();
    Error::ambiguous(format!("{} means several versions: {}", shown(wanted), labels.join(", ")))
        .hint(format!("name one of them, or settle it: `art resolve {}` tells how", wanted.artifact))
}

fn not_found(history: &History, wanted: &Ref) -> Error {
    if let Some(record) = damaged_record(history, wanted) {
        return unreadable(wanted, record);
    }
    let error = Error::not_found(format!("cannot find version {}", shown(wanted)));
    match history.latest() {
        Meaning::One(latest) => error.hint(format!("the newest is `{}`; `art ls {}` lists all", latest.full_name(), wanted.artifact)),
        _ => error.hint(format!("`art log {}` lists all that there was", wanted.artifact)),
    }
}

fn names(versions: &[&Version], removed: bool) -> String {
    let mut names: Vec<String> = versions.iter().map(|version| version.full_name()).collect();
    if removed {
        names.push("nothing (it was removed)".into());
    }
    names.join(" and ")
}

fn shown(wanted: &Ref) -> String {
    quote(wanted.to_string().as_bytes())
}
