//! `art resolve`: what copies of the store that were merged had given one name, each for itself, and
//! which of it has the name from now on.

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::record::{Record, Time};
use crate::id::{PageId, RecordId};
use crate::name::{Alias, Name};
use crate::quote::quote;
use crate::refs::history::{History, Meaning, Version};
use crate::store::Store;
use crate::store::session::Session;

use super::alias::set_alias;
use super::edit::claim_edit;

/// Whose names are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of all artifacts.
    Store,
    /// Those of one.
    Artifact(Name),
    /// One number of an artifact.
    Number(Name, u64),
    /// One alias of an artifact.
    Alias(Name, Alias),
}

/// Which of the versions that share a name is to have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// The one that was stored last.
    Newest,
    /// The one that was stored first.
    Oldest,
}

/// A name that stands for several versions that differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// The artifact.
    pub artifact: Name,
    /// What sort of name.
    pub kind: DivergenceKind,
    /// The name: `v3`, or an alias.
    pub name: String,
    /// What it stands for.
    pub candidates: Vec<Candidate>,
}

/// What sort of name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DivergenceKind {
    /// A number.
    Number,
    /// An alias.
    Alias,
}

/// One of the things that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The version's name until this is settled; none if its record is not here, or the alias is removed.
    pub version: Option<String>,
    /// The version's id; none if the alias is removed.
    pub id: Option<RecordId>,
    /// Its manifest's id.
    pub digest: Option<PageId>,
    /// When it was stored.
    pub created_at: Option<Time>,
    /// How many files it has.
    pub file_count: Option<u64>,
    /// Their bytes.
    pub size_bytes: Option<u64>,
    /// Its description.
    pub description: Option<String>,
}

/// A name that stands for one version now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// The artifact.
    pub artifact: Name,
    /// What sort of name.
    pub kind: DivergenceKind,
    /// The name.
    pub name: String,
    /// The version's id.
    pub id: RecordId,
    /// What the version is called now.
    pub version: String,
    /// What the others are called now.
    pub others: Vec<String>,
    /// Whether it was settled just now; else it stood so already.
    pub changed: bool,
}

/// Lists the names that stand for several versions.
pub fn list(store: &Store, scope: &Scope) -> Result<Vec<Divergence>> {
    let all = histories(store, scope)?;
    Ok(all.iter().flat_map(|history| diverged(history).into_iter().filter(|one| scope.has(one))).collect())
}

/// Gives a number to the version whose id begins with `digits`; the others keep theirs with the first
/// digits of their ids. When this returns, that is durable.
pub fn claim(store: &Store, context: &Context<'_>, artifact: &Name, number: u64, digits: &str) -> Result<Settled> {
    // Fails early, before anything is locked or made.
    rival(&store.existing_history(artifact)?, number, digits)?;
    let session = Session::begin(store, context)?;
    let _numbers = session.lock_numbers()?;
    let history = store.existing_history(artifact)?;
    let winner = rival(&history, number, digits)?;
    let changed = !winner.owns_number;
    give_number(&session, &history, winner, context.now)?;
    session.recorded();
    settled(store, artifact, DivergenceKind::Number, &format!("v{number}"), winner.id, changed)
}

/// Settles all that has diverged in a scope, by when versions were stored. When this returns, that is
/// durable.
pub fn prefer(store: &Store, context: &Context<'_>, scope: &Scope, prefer: Prefer) -> Result<Vec<Settled>> {
    if list(store, scope)?.is_empty() {
        return Ok(Vec::new());
    }
    let session = Session::begin(store, context)?;
    let _numbers = session.lock_numbers()?;
    let mut all = Vec::new();
    for divergence in list(store, scope)? {
        let Divergence { artifact, kind, name, candidates } = divergence;
        // What was settled before may have given its versions other names.
        let history = store.existing_history(&artifact)?;
        let versions: Vec<&Version> = candidates.iter().filter_map(|candidate| history.version(candidate.id?)).collect();
        let winner = prefer.choose(versions.into_iter().filter(|version| !version.deleted)).ok_or_else(|| {
            Error::refused(format!(
                "cannot settle {}: none of its versions is here and not deleted",
                quote(format!("{artifact}:{name}").as_bytes())
            ))
            .hint(format!("`art alias rm {artifact}:{name}` removes it, `art alias set {artifact}:VERSION {name}` sets it anew"))
        })?;
        match kind {
            DivergenceKind::Number => give_number(&session, &history, winner, context.now)?,
            DivergenceKind::Alias => {
                session.rely_on_version(&history, winner)?;
                set_alias(&session, &history, winner.id, &name.parse()?, context.now)?;
            }
        }
        all.push((artifact, kind, name, winner.id));
    }
    session.recorded();
    all.into_iter().map(|(artifact, kind, name, id)| settled(store, &artifact, kind, &name, id, true)).collect()
}

fn histories(store: &Store, scope: &Scope) -> Result<Vec<History>> {
    match scope {
        Scope::Store => store.histories(),
        Scope::Artifact(artifact) | Scope::Number(artifact, _) | Scope::Alias(artifact, _) => Ok(vec![store.existing_history(artifact)?]),
    }
}

impl Scope {
    fn has(&self, one: &Divergence) -> bool {
        match self {
            Scope::Store | Scope::Artifact(_) => true,
            Scope::Number(_, number) => one.kind == DivergenceKind::Number && one.name == format!("v{number}"),
            Scope::Alias(_, alias) => one.kind == DivergenceKind::Alias && one.name == alias.as_str(),
        }
    }
}

impl Prefer {
    /// Chooses by time; of one time, by id, so that every copy chooses alike.
    fn choose<'v>(self, versions: impl Iterator<Item = &'v Version>) -> Option<&'v Version> {
        let age = |version: &&Version| (version.record.created_at, version.id);
        match self {
            Prefer::Newest => versions.max_by_key(age),
            Prefer::Oldest => versions.min_by_key(age),
        }
    }
}

/// Names what stands for several versions of an artifact: numbers, the lowest first, then aliases.
pub(super) fn diverged(history: &History) -> Vec<Divergence> {
    let of = |kind, name: String, candidates| Divergence { artifact: history.artifact.clone(), kind, name, candidates };
    // Those that several versions have: mostly none, of ten thousand.
    let rivals = history.versions.chunk_by(|a, b| a.record.number == b.record.number);
    let shared = rivals.filter(|rivals| rivals.iter().filter(|version| !version.deleted).count() > 1);
    let mut all = Vec::new();
    for number in shared.map(|rivals| rivals[0].record.number) {
        if let Meaning::Many(versions) = history.numbered(number) {
            all.push(of(DivergenceKind::Number, format!("v{number}"), versions.into_iter().map(Candidate::of).collect()));
        }
    }
    for (alias, heads) in &history.aliases {
        let mut targets: Vec<Option<RecordId>> = heads.iter().map(|head| head.target).collect();
        targets.sort_unstable();
        targets.dedup();
        if targets.len() > 1 {
            let candidate = |target: Option<RecordId>| match target.map(|id| (id, history.version(id))) {
                Some((_, Some(version))) => Candidate::of(version),
                Some((id, None)) => Candidate::unknown(Some(id)),
                None => Candidate::unknown(None),
            };
            all.push(of(DivergenceKind::Alias, alias.to_string(), targets.into_iter().map(candidate).collect()));
        }
    }
    all
}

impl Candidate {
    fn of(version: &Version) -> Candidate {
        Candidate {
            version: Some(version.label.clone()),
            id: Some(version.id),
            digest: Some(version.record.manifest),
            created_at: Some(version.record.created_at),
            file_count: Some(version.record.file_count),
            size_bytes: Some(version.record.size_bytes),
            description: version.description.clone(),
        }
    }

    fn unknown(id: Option<RecordId>) -> Candidate {
        Candidate { version: None, id, digest: None, created_at: None, file_count: None, size_bytes: None, description: None }
    }
}

/// Finds the version that is to have a number which it shares.
fn rival<'h>(history: &'h History, number: u64, digits: &str) -> Result<&'h Version> {
    let name = format!("{}:v{number}", history.artifact);
    let all: Vec<&Version> = history.versions.iter().filter(|version| version.record.number == number).collect();
    let labels = || all.iter().map(|version| format!("v{number}.{}", version.id.short(4))).collect::<Vec<_>>().join(" and ");
    let Some(first) = all.first() else {
        return Err(Error::not_found(format!("cannot find version {}", quote(name.as_bytes())))
            .hint(format!("`art ls {}` lists what there is", history.artifact)));
    };
    if all.iter().all(|version| version.record.manifest == first.record.manifest) {
        return Err(Error::refused(format!("{} has not diverged: it is one version", quote(name.as_bytes()))));
    }
    let meant: Vec<&Version> = all.iter().copied().filter(|version| version.id.has_hex_prefix(digits)).collect();
    match meant[..] {
        [] => Err(Error::not_found(format!("cannot find version {}", quote(format!("{name}.{digits}").as_bytes())))
            .hint(format!("there are {}", labels()))),
        [version] if version.deleted => Err(Error::refused(format!("cannot give {} to a version that is deleted", quote(name.as_bytes())))
            .hint(format!("bring it back with `art undelete {}` first", version.full_name()))),
        [version] => Ok(version),
        _ => Err(Error::ambiguous(format!("{} begins several ids", quote(digits.as_bytes())))
            .hint(format!("there are {}: give more digits", labels()))),
    }
}

/// Records that a version has its number alone, under the lock of numbers, which the caller holds.
fn give_number(session: &Session<'_>, history: &History, version: &Version, now: Time) -> Result<()> {
    session.rely_on_version(history, version)?;
    if !version.owns_number {
        session.write_record(&Record::Edit(Box::new(claim_edit(history, version, now))))?;
    }
    Ok(())
}

fn settled(store: &Store, artifact: &Name, kind: DivergenceKind, name: &str, id: RecordId, changed: bool) -> Result<Settled> {
    let history = store.existing_history(artifact)?;
    let label = |id| history.version(id).map_or_else(|| id.to_string(), |version| version.label.clone());
    let others = match (kind, history.version(id)) {
        (DivergenceKind::Number, Some(winner)) => {
            let number = winner.record.number;
            history
                .versions
                .iter()
                .filter(|other| other.record.number == number && other.id != id)
                .map(|other| other.label.clone())
                .collect()
        }
        _ => Vec::new(),
    };
    Ok(Settled { artifact: artifact.clone(), kind, name: name.to_owned(), id, version: label(id), others, changed })
}
