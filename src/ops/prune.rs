//! `art prune`: which versions no rule keeps, and their deletion. Plans first; deletes as `rm`.

use std::collections::{BTreeMap, HashSet};

use jiff::SignedDuration;
use serde::Serialize;
use serde_json::Value;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::record::{Metadata, Time};
use crate::id::{PageId, RecordId};
use crate::name::Name;
use crate::quote::quote;
use crate::refs::history::{History, Meaning, Version};
use crate::refs::read::DamagedRecord;
use crate::store::Store;
use crate::store::session::Session;

use super::du::freed_by;
use super::rm::{check_readable, delete};
use super::show::{listed, twins};

/// What to look at, and what to keep.
#[derive(Clone, Debug, Default)]
pub struct PruneOptions {
    /// The artifacts; all if there are none.
    pub artifacts: Vec<Name>,
    /// What to keep.
    pub rules: KeepRules,
    /// Whether to delete; else only the plan is made.
    pub apply: bool,
}

/// What to keep of each artifact. With no rule all is kept but what has expired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepRules {
    /// So many of the newest versions.
    pub last: Option<u64>,
    /// Versions that were stored within so many seconds.
    pub within_seconds: Option<u64>,
    /// Versions that have an alias; these are kept anyhow, but as a rule it lets others go.
    pub aliased: bool,
    /// Versions that have a tag.
    pub tagged: bool,
    /// The version that is best by a number in its metadata.
    pub best: Option<Best>,
}

/// A number in metadata by which versions are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Best {
    /// Where it stands: a member's name, or the names of members one in another joined by `.`.
    pub key: String,
    /// Which number is the best.
    pub order: Order,
}

/// Which of two numbers is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The higher.
    #[default]
    Highest,
    /// The lower.
    Lowest,
}

/// What is kept and what goes.
#[derive(Clone, Debug, Serialize)]
pub struct PruneOutcome {
    /// The versions that are not deleted yet, by artifact, the oldest first.
    pub versions: Vec<PlannedVersion>,
    /// Whether what goes was deleted; else this is a plan.
    pub applied: bool,
    /// Bytes of packs that only what goes needs, of a plan: what `gc` could free.
    pub freed_bytes: Option<u64>,
    /// Records that cannot be read.
    #[serde(skip)]
    pub damaged: Vec<DamagedRecord>,
}

/// What becomes of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedVersion {
    /// The artifact.
    pub artifact: Name,
    /// The version's name in its artifact.
    pub version: String,
    /// Its id.
    pub id: RecordId,
    /// Its digest.
    pub digest: PageId,
    /// When it was stored.
    pub created_at: Time,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// How long it is meant to be kept.
    pub ttl_seconds: Option<u64>,
    /// When that ends, or has ended.
    pub expires_at: Option<Time>,
    /// Its aliases.
    pub aliases: Vec<String>,
    /// What becomes of it.
    pub action: Action,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// What becomes of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It stays.
    Keep,
    /// It goes.
    Delete,
}

/// Why a version stays or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// `latest` means it.
    Latest,
    /// It has an alias.
    Aliased,
    /// It is one of the newest.
    Last,
    /// It was stored lately.
    Within,
    /// It has a tag.
    Tagged,
    /// It is the best.
    Best,
    /// No version of the artifact has the number by which the best is found.
    NothingToCompare,
    /// No rule was given, and it has not expired.
    NotExpired,
    /// Its time to live has run out.
    Expired,
    /// None of the rules keeps it.
    NoRule,
}

/// Tells which versions go, and deletes them if asked to.
pub fn prune(store: &Store, context: &Context<'_>, options: &PruneOptions) -> Result<PruneOutcome> {
    let mut outcome = PruneOutcome { versions: Vec::new(), applied: options.apply, freed_bytes: None, damaged: Vec::new() };
    let mut doomed = BTreeMap::<Name, Vec<RecordId>>::new();
    for mut history in histories(store, &options.artifacts)? {
        if options.apply {
            check_readable(&history, |_| true)?;
        }
        let doomed = doomed.entry(history.artifact.clone()).or_default();
        for (planned, ids) in plan(store, &history, &options.rules, context.now)? {
            if planned.action == Action::Delete {
                doomed.extend(ids);
            }
            outcome.versions.push(planned);
        }
        outcome.damaged.append(&mut history.damaged);
    }
    if options.apply {
        if !doomed.is_empty() {
            apply(store, context, &doomed, &mut outcome)?;
        }
    } else {
        let doomed: HashSet<RecordId> = doomed.into_values().flatten().collect();
        outcome.freed_bytes = Some(if doomed.is_empty() { 0 } else { freed_by(store, context, &doomed)? });
    }
    Ok(outcome)
}

fn histories(store: &Store, artifacts: &[Name]) -> Result<Vec<History>> {
    if artifacts.is_empty() {
        return store.histories();
    }
    let mut names: Vec<&Name> = artifacts.iter().collect();
    names.sort();
    names.dedup();
    names.into_iter().map(|name| store.existing_history(name)).collect()
}

/// Tells what becomes of each version of an artifact, with the ids of those that read as it.
fn plan(store: &Store, history: &History, rules: &KeepRules, now: Time) -> Result<Vec<(PlannedVersion, Vec<RecordId>)>> {
    let live = listed(history, false);
    // Sorted by number, of which versions that were merged may share one.
    let newer = |version: &Version| (live.len() - live.partition_point(|other| other.record.number <= version.record.number)) as u64;
    let best = match &rules.best {
        Some(best) => Some(find_best(store, &live, best)?),
        None => None,
    };
    let latest = latest_labels(history);
    let mut planned = Vec::new();
    for version in &live {
        let aliases = aliases(history, version);
        let mut keep = Vec::new();
        let mut rule = |holds: bool, reason| keep.extend(Some(reason).filter(|_| holds));
        rule(latest.contains(&version.label), Reason::Latest);
        rule(!aliases.is_empty(), Reason::Aliased);
        rule(rules.last.is_some_and(|last| newer(version) < last), Reason::Last);
        rule(rules.within_seconds.is_some_and(|span| is_within(version.record.created_at, span, now)), Reason::Within);
        rule(rules.tagged && !version.tags.is_empty(), Reason::Tagged);
        rule(best.as_ref().is_some_and(|best| best.as_ref() == Some(&version.label)), Reason::Best);
        rule(best.as_ref().is_some_and(|best| best.is_none()), Reason::NothingToCompare);
        let expires_at = version.expires_at();
        let is_expired = expires_at.is_some_and(|at| at <= now);
        let (action, reasons) = match (keep.is_empty(), is_expired, *rules == KeepRules::default()) {
            (false, _, _) => (Action::Keep, keep),
            (true, true, _) => (Action::Delete, vec![Reason::Expired]),
            (true, false, true) => (Action::Keep, vec![Reason::NotExpired]),
            (true, false, false) => (Action::Delete, vec![Reason::NoRule]),
        };
        let ids = twins(history, version).filter(|twin| !twin.deleted).map(|twin| twin.id).collect();
        let record = &version.record;
        planned.push((
            PlannedVersion {
                artifact: history.artifact.clone(),
                version: version.label.clone(),
                id: version.id,
                digest: record.manifest,
                created_at: record.created_at,
                size_bytes: record.size_bytes,
                ttl_seconds: version.ttl_seconds,
                expires_at,
                aliases,
                action,
                reasons,
            },
            ids,
        ));
    }
    Ok(planned)
}

/// Deletes what goes, but for what became `latest` or got an alias meanwhile.
fn apply(store: &Store, context: &Context<'_>, doomed: &BTreeMap<Name, Vec<RecordId>>, outcome: &mut PruneOutcome) -> Result<()> {
    let session = Session::begin(store, context)?;
    let _numbers = session.lock_numbers()?;
    for artifact in doomed.keys() {
        check_readable(&store.history(artifact)?, |_| true)?;
    }
    for (artifact, ids) in doomed {
        let history = store.history(artifact)?;
        let latest = latest_labels(&history);
        let mut go = Vec::new();
        for version in ids.iter().filter_map(|id| history.version(*id)).filter(|version| !version.deleted) {
            let aliases = aliases(&history, version);
            let reasons: Vec<Reason> = [(latest.contains(&version.label), Reason::Latest), (!aliases.is_empty(), Reason::Aliased)]
                .into_iter()
                .filter_map(|(holds, reason)| holds.then_some(reason))
                .collect();
            if reasons.is_empty() {
                go.push(version.id);
            } else if let Some(told) = outcome.versions.iter_mut().find(|told| told.id == version.id) {
                (told.action, told.reasons, told.aliases) = (Action::Keep, reasons, aliases);
            }
        }
        delete(&session, &history, &go, context.now)?;
    }
    Ok(())
}

fn latest_labels(history: &History) -> Vec<String> {
    match history.latest() {
        Meaning::None => Vec::new(),
        Meaning::One(version) => vec![version.label.clone()],
        Meaning::Many(versions) => versions.iter().map(|version| version.label.clone()).collect(),
    }
}

fn aliases(history: &History, version: &Version) -> Vec<String> {
    let all = twins(history, version).flat_map(|twin| history.aliases_of(twin.id)).map(ToString::to_string);
    let mut all: Vec<String> = all.collect();
    all.sort();
    all.dedup();
    all
}

fn is_within(created_at: Time, span: u64, now: Time) -> bool {
    let ends = i64::try_from(span).ok().and_then(|span| created_at.0.checked_add(SignedDuration::from_secs(span)).ok());
    ends.is_none_or(|ends| ends >= now.0)
}

/// Finds the label of the best version, of several the newest; none if none has the number.
fn find_best(store: &Store, live: &[&Version], best: &Best) -> Result<Option<String>> {
    let mut found: Option<(f64, &Version)> = None;
    for version in live {
        let metadata = store.metadata(version).map_err(|error| {
            error.within(format!(
                "cannot tell which version is the best: the metadata of {} is needed",
                quote(version.full_name().as_bytes())
            ))
        })?;
        let Some(number) = number_at(&metadata, &best.key) else { continue };
        let is_better = |other: f64| match best.order {
            Order::Highest => number >= other,
            Order::Lowest => number <= other,
        };
        if found.is_none_or(|(other, _)| is_better(other)) {
            found = Some((number, version));
        }
    }
    Ok(found.map(|(_, version)| version.label.clone()))
}

/// Finds a number by the names of members; a name may itself have dots.
fn number_at(metadata: &Metadata, key: &str) -> Option<f64> {
    fn at<'v>(get: &dyn Fn(&str) -> Option<&'v Value>, key: &str) -> Option<f64> {
        if let Some(number) = get(key).and_then(Value::as_f64) {
            return Some(number);
        }
        key.match_indices('.').find_map(|(dot, _)| {
            let inner = get(&key[..dot])?.as_object()?;
            at(&|name| inner.get(name), &key[dot + 1..])
        })
    }
    at(&|name| metadata.get(name), key)
}

impl std::str::FromStr for Best {
    type Err = Error;

    /// Reads `metadata.KEY`.
    fn from_str(text: &str) -> Result<Best> {
        match text.strip_prefix("metadata.").filter(|key| !key.is_empty()) {
            Some(key) => Ok(Best { key: key.to_owned(), order: Order::default() }),
            None => Err(Error::usage(format!("bad key {}: it does not name metadata", quote(text.as_bytes())))
                .hint("name a number in the metadata of versions, such as `metadata.accuracy`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_dotted_names() {
        let json =
            serde_json::json!({ "acc": 0.5, "eval": { "loss": 2, "a.b": -1, "deep": { "x": 1e300 } }, "eval.loss": "text", "p.q": 7 });
        let metadata: Metadata = serde_json::from_value(json).unwrap();
        let cases = [
            ("acc", Some(0.5)),
            ("eval.loss", Some(2.0)),
            ("eval.a.b", Some(-1.0)),
            ("eval.deep.x", Some(1e300)),
            ("p.q", Some(7.0)),
            ("eval", None),
            ("eval.", None),
            ("acc.x", None),
            ("nope", None),
        ];
        for (key, number) in cases {
            assert_eq!(number_at(&metadata, key), number, "{key}");
        }
    }

    #[test]
    fn a_version_of_the_future_is_within_any_span() {
        let time = |text: &str| Time(text.parse().unwrap());
        let now = time("2026-11-23T12:00:00Z");
        assert!(is_within(time("2026-11-23T11:59:00Z"), 60, now) && !is_within(time("2026-11-23T11:58:59Z"), 60, now));
        assert!(is_within(time("2027-01-01T00:00:00Z"), 1, now) && is_within(time("1970-01-01T00:00:00Z"), u64::MAX, now));
    }
}
