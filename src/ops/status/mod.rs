//! `art status`: what was put from here or restored to here, beside what is here now.
//!
//! Where from and where to is noted in local state (`ops/origins.rs`). Nothing is written.

mod compare;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::path::Bytes;
use crate::format::record::Time;
use crate::id::{PageId, RecordId};
use crate::name::{Alias, Name};
use crate::ops::alias::info as alias_info;
use crate::ops::diff::Change;
use crate::ops::origins::{self, PutOrigin, RestoreOrigin, path_of};
use crate::ops::put::merge::Merge;
use crate::ops::put::stat_cache::Reader;
use crate::ops::put::walk::SourceWalk;
use crate::ops::put::{LinkPolicy, PutOptions};
use crate::progress::Silent;
use crate::quote::escape;
use crate::refs::history::{History, Meaning};
use crate::store::Store;
use compare::{Differences, Given, compare};

/// What to tell of.
#[derive(Clone, Debug, Default)]
pub struct StatusOptions {
    /// Only of this artifact.
    pub artifact: Option<Name>,
    /// Only of what was put from this file or directory or below it, or restored there.
    pub dir: Option<PathBuf>,
}

/// What is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StatusOutcome {
    /// What was put, by artifact, and then what was restored, by directory.
    pub places: Vec<PlaceStatus>,
}

/// How content came to be where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A version was made of it.
    Put,
    /// It was made of a version.
    Restored,
}

/// How what is there now compares with the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceState {
    /// It is the same.
    Same,
    /// It differs.
    Changed,
    /// It, or one of the places, is not there any more.
    Gone,
    /// Nothing of it lies on the disk: it was read from standard input, or is elsewhere.
    Elsewhere,
    /// Another version of the artifact was restored there since.
    Superseded,
    /// It cannot be told.
    Unknown,
}

/// Places, and the version that was put from there or restored to there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaceStatus {
    /// The artifact.
    pub artifact: Name,
    /// The version's name in its artifact; none if its record is not here any more.
    pub version: Option<String>,
    /// The version.
    pub id: RecordId,
    /// Which of both it was.
    pub origin: Origin,
    /// When it was.
    pub noted_at: Time,
    /// Where: relative to the project where it lies in it.
    pub paths: Vec<String>,
    /// Those of them that are not there.
    pub gone: Vec<String>,
    /// How it compares.
    pub state: PlaceState,
    /// Why it cannot be told.
    pub why: Option<String>,
    /// What `latest` names now: several versions where it has diverged, none where all are deleted.
    pub latest: Vec<String>,
    /// Aliases of the artifact that have diverged.
    pub diverged_aliases: Vec<Alias>,
    /// Whether the version is deleted.
    pub deleted: bool,
    /// References that were not compared.
    pub unchecked_references: u64,
    /// What differs, in order of the paths. Digests are told where they were needed.
    pub entries: Vec<Change>,
}

impl StatusOutcome {
    /// Whether all that could be compared is the same.
    pub fn is_same(&self) -> bool {
        self.places.iter().all(|place| !matches!(place.state, PlaceState::Changed | PlaceState::Gone | PlaceState::Unknown))
    }
}

/// Compares what was put and restored with what is there now.
///
/// Cost: a look at each file, and reading those that have changed or were not put from there.
pub fn status(store: &Store, context: &Context<'_>, options: &StatusOptions) -> Result<StatusOutcome> {
    let Some(local) = store.local() else { return Ok(StatusOutcome::default()) };
    let dir = options.dir.as_ref().map(|dir| origins::place(store.project(), dir)).transpose()?;
    let dir = dir.map(|dir| path_of(store.project(), &dir));
    let is_wanted = |artifact: &Name, places: &[Bytes]| {
        options.artifact.as_ref().is_none_or(|wanted| wanted == artifact)
            && dir.as_ref().is_none_or(|dir| places.iter().any(|place| path_of(store.project(), place).starts_with(dir)))
    };
    let (mut puts, mut restores) = (origins::puts(&local), origins::restores(&local));
    let all_restores = restores.clone();
    puts.retain(|put| is_wanted(&put.artifact, &put.sources));
    restores.retain(|restored| is_wanted(&restored.artifact, std::slice::from_ref(&restored.dir)));
    // Who restores to temporary directories removes them.
    restores.retain(|restored| !restored.dir.0.starts_with(b"/") || path_of(store.project(), &restored.dir).exists());
    // What a walk would warn of it warned of when it was put.
    let context = &Context { progress: &Silent, ..context.clone() };
    let status = Status { store, context, local: &local };
    let mut places = Vec::new();
    for put in &puts {
        places.push(status.of_put(put, &all_restores)?);
    }
    for restored in &restores {
        places.push(status.of_restore(restored)?);
    }
    Ok(StatusOutcome { places })
}

struct Status<'s> {
    store: &'s Store,
    context: &'s Context<'s>,
    local: &'s Path,
}

impl Status<'_> {
    fn of_put(&self, put: &PutOrigin, restores: &[RestoreOrigin]) -> Result<PlaceStatus> {
        let (mut place, manifest) = self.begin(&put.artifact, put.version, Origin::Put, put.noted_at, &put.sources)?;
        let is_since = |restored: &RestoreOrigin| {
            restored.artifact == put.artifact && put.sources == [restored.dir.clone()] && restored.noted_at >= put.noted_at
        };
        if put.sources.is_empty() {
            place.state = PlaceState::Elsewhere;
        } else if restores.iter().any(is_since) {
            place.state = PlaceState::Superseded;
        } else if place.gone.len() == put.sources.len() {
            place.state = PlaceState::Gone;
        } else {
            let mut options = PutOptions::new(put.artifact.clone());
            options.at = put.at.clone();
            options.ignore = put.ignore.clone();
            options.no_ignore = put.no_ignore;
            options.links = put.links;
            let found = manifest.and_then(|manifest| {
                let sources: Vec<PathBuf> = put.sources.iter().map(|source| path_of(self.store.project(), source)).collect();
                let given = Given { stream: put.stream.clone(), base: put.base, ..self.given(&sources, &options)? };
                compare(self.store, self.context, manifest, given)
            });
            place.take(found);
        }
        Ok(place)
    }

    fn of_restore(&self, restored: &RestoreOrigin) -> Result<PlaceStatus> {
        let dirs = std::slice::from_ref(&restored.dir);
        let (mut place, manifest) = self.begin(&restored.artifact, restored.version, Origin::Restored, restored.noted_at, dirs)?;
        if !place.gone.is_empty() {
            place.state = PlaceState::Gone;
            return Ok(place);
        }
        let options = PutOptions { links: LinkPolicy::Keep, ..PutOptions::new(restored.artifact.clone()) };
        let found = manifest.and_then(|manifest| {
            let given = self.given(&[path_of(self.store.project(), &restored.dir)], &options)?;
            compare(self.store, self.context, manifest, Given { prefixes: restored.prefixes.clone(), ..given })
        });
        place.take(found);
        Ok(place)
    }

    /// Tells all but how it compares, and what to compare with, or why that is not known.
    fn begin(
        &self,
        artifact: &Name,
        version: RecordId,
        origin: Origin,
        noted_at: Time,
        places: &[Bytes],
    ) -> Result<(PlaceStatus, Result<PageId>)> {
        let history = self.store.history(artifact)?;
        let found = history.version(version);
        let manifest = found
            .map(|found| found.record.manifest)
            .ok_or_else(|| Error::not_found("its record is not in this store any more").hint("`art sync` brings it from another copy"));
        let gone = places.iter().filter(|place| path_of(self.store.project(), place).symlink_metadata().is_err());
        let place = PlaceStatus {
            artifact: artifact.clone(),
            version: found.map(|found| found.label.clone()),
            id: version,
            origin,
            noted_at,
            paths: places.iter().map(shown).collect(),
            gone: gone.map(shown).collect(),
            state: PlaceState::Same,
            why: None,
            latest: latest(&history),
            diverged_aliases: diverged(&history),
            deleted: found.is_some_and(|found| found.deleted),
            unchecked_references: 0,
            entries: Vec::new(),
        };
        Ok((place, manifest))
    }

    fn given(&self, sources: &[PathBuf], options: &PutOptions) -> Result<Given<'_>> {
        let (mut walks, mut caches) = (Vec::new(), Vec::new());
        for source in sources.iter().filter(|source| source.symlink_metadata().is_ok()) {
            walks.push(SourceWalk::new(source, self.store.project(), options, self.context)?);
            caches.push(source.canonicalize().map_or_else(|_| Reader::empty(), |source| Reader::open(self.local, &source)));
        }
        let items = Merge::of_sources(walks);
        Ok(Given { items, caches, at: options.at.clone(), stream: None, base: None, prefixes: Vec::new() })
    }
}

impl PlaceStatus {
    fn take(&mut self, found: Result<Differences>) {
        match found {
            Ok(Differences { entries, unchecked_references }) => {
                self.state = match (self.gone.is_empty(), entries.is_empty()) {
                    (false, _) => PlaceState::Gone,
                    (true, false) => PlaceState::Changed,
                    (true, true) => PlaceState::Same,
                };
                (self.entries, self.unchecked_references) = (entries, unchecked_references);
            }
            Err(error) => (self.state, self.why) = (PlaceState::Unknown, Some(error.to_string())),
        }
    }
}

fn shown(place: &Bytes) -> String {
    escape(&place.0)
}

fn latest(history: &History) -> Vec<String> {
    match history.latest() {
        Meaning::None => Vec::new(),
        Meaning::One(version) => vec![version.label.clone()],
        Meaning::Many(versions) => versions.into_iter().map(|version| version.label.clone()).collect(),
    }
}

fn diverged(history: &History) -> Vec<Alias> {
    let all = history.aliases.iter().filter_map(|(alias, heads)| alias_info(history, alias, heads));
    all.filter(|info| info.diverged).map(|info| info.alias).collect()
}
