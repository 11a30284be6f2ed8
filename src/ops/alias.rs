//! `art alias`: aliases set or moved, removed, listed.

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::record::{AliasRecord, Record, Time};
use crate::id::RecordId;
use crate::name::{Alias, Name, Ref};
use crate::quote::quote;
use crate::refs::history::{AliasHead, History};
use crate::store::Store;
use crate::store::session::Session;

/// An alias and what it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AliasInfo {
    /// The artifact.
    pub artifact: Name,
    /// The alias.
    pub alias: Alias,
    /// The version; none if the alias has diverged.
    pub version: Option<String>,
    /// The version's id; none if the alias has diverged.
    pub id: Option<RecordId>,
    /// Whether copies of the store that were merged had set it differently.
    pub diverged: bool,
    /// All that it names: one version, or more if it has diverged. A version whose record is not
    /// here stands as its id, a removal as null.
    pub targets: Vec<Option<String>>,
}

/// What became of an alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AliasChange {
    /// The artifact.
    pub artifact: Name,
    /// The alias.
    pub alias: Alias,
    /// The version that it names now; none if it was removed.
    pub version: Option<String>,
    /// That version's id.
    pub id: Option<RecordId>,
    /// What it named before.
    pub before: Vec<String>,
    /// Whether it was set anew; else it stood so already.
    pub changed: bool,
}

/// Sets aliases to the version that `reference` names.
pub fn set(store: &Store, context: &Context<'_>, reference: &Ref, aliases: &[Alias]) -> Result<Vec<AliasChange>> {
    // Fails early, before anything is locked or made.
    store.resolve(reference)?;
    let session = Session::begin(store, context)?;
    let _numbers = session.lock_numbers()?;
    let found = store.resolve(reference)?;
    let (history, version) = (&found.history, &found.version);
    if version.deleted {
        return Err(Error::refused(format!("cannot set an alias: {} is deleted", version.full_name()))
            .hint(format!("undo that with `art undelete {}`, or choose another version", version.full_name())));
    }
    session.rely_on_version(history, version)?;
    let mut changes: Vec<AliasChange> = Vec::new();
    for alias in aliases {
        if changes.iter().any(|change| change.alias == *alias) {
            continue;
        }
        let before = targets(history, heads(history, alias)).into_iter().flatten().collect();
        let changed = set_alias(&session, history, version.id, alias, context.now)?;
        let (artifact, label) = (history.artifact.clone(), version.label.clone());
        changes.push(AliasChange { artifact, alias: alias.clone(), version: Some(label), id: Some(version.id), before, changed });
    }
    Ok(changes)
}

/// Removes an alias.
pub fn remove(store: &Store, context: &Context<'_>, artifact: &Name, alias: &Alias) -> Result<AliasChange> {
    check_is_set(&store.existing_history(artifact)?, alias)?;
    let session = Session::begin(store, context)?;
    let _numbers = session.lock_numbers()?;
    let history = store.existing_history(artifact)?;
    check_is_set(&history, alias)?;
    let before = targets(&history, heads(&history, alias)).into_iter().flatten().collect();
    write(&session, &history, alias, None, context.now)?;
    Ok(AliasChange { artifact: artifact.clone(), alias: alias.clone(), version: None, id: None, before, changed: true })
}

/// Lists the aliases of an artifact, or of all.
pub fn list(store: &Store, artifact: Option<&Name>) -> Result<Vec<AliasInfo>> {
    let histories = match artifact {
        Some(artifact) => vec![store.existing_history(artifact)?],
        None => store.histories()?,
    };
    Ok(histories.iter().flat_map(|history| history.aliases.iter().filter_map(|(alias, heads)| info(history, alias, heads))).collect())
}

/// Sets one alias to a version, under the lock of numbers that the caller holds; `history` was
/// read under it. Returns whether it had to be written, for it may stand so already.
pub(crate) fn set_alias(session: &Session<'_>, history: &History, version: RecordId, alias: &Alias, now: Time) -> Result<bool> {
    let heads = heads(history, alias);
    if heads.is_empty() || heads.iter().any(|head| head.target != Some(version)) {
        write(session, history, alias, Some(version), now)?;
        return Ok(true);
    }
    heads.iter().try_for_each(|head| session.rely_on_alias(&history.artifact, alias, head))?;
    Ok(false)
}

fn write(session: &Session<'_>, history: &History, alias: &Alias, target: Option<RecordId>, now: Time) -> Result<()> {
    let mut replaces: Vec<RecordId> = heads(history, alias).iter().map(|head| head.record).collect();
    replaces.sort_unstable();
    let seq = history.next_alias_seq(alias);
    let record = AliasRecord { alias: alias.clone(), artifact: history.artifact.clone(), created_at: now, replaces, seq, target };
    session.write_record(&Record::Alias(record)).map(|_| ())
}

fn heads<'h>(history: &'h History, alias: &Alias) -> &'h [AliasHead] {
    history.aliases.get(alias).map(Vec::as_slice).unwrap_or_default()
}

fn check_is_set(history: &History, alias: &Alias) -> Result<()> {
    if heads(history, alias).iter().any(|head| head.target.is_some()) {
        return Ok(());
    }
    let name = &history.artifact;
    Err(Error::not_found(format!("cannot find alias {}", quote(format!("{name}:{alias}").as_bytes())))
        .hint(format!("`art alias ls {name}` lists what there is")))
}

pub(super) fn info(history: &History, alias: &Alias, heads: &[AliasHead]) -> Option<AliasInfo> {
    let targets = targets(history, heads);
    // A removed alias is none.
    targets.iter().flatten().next()?;
    let (artifact, alias) = (history.artifact.clone(), alias.clone());
    match &targets[..] {
        [Some(label)] => {
            let version = Some(label.clone());
            Some(AliasInfo { artifact, alias, version, id: heads.first().and_then(|head| head.target), diverged: false, targets })
        }
        _ => Some(AliasInfo { artifact, alias, version: None, id: None, diverged: true, targets }),
    }
}

/// Returns what the heads of an alias name, each once.
fn targets(history: &History, heads: &[AliasHead]) -> Vec<Option<String>> {
    let label = |id: RecordId| history.version(id).map_or_else(|| id.to_string(), |version| version.label.clone());
    let mut targets: Vec<Option<String>> = heads.iter().map(|head| head.target.map(label)).collect();
    targets.sort();
    targets.dedup();
    targets
}
