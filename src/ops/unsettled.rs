//! What somebody has to see to in a store, as after copies of it were merged or half of one was copied:
//! names that have diverged, deletes that are contested, versions that are incomplete.

use serde::Serialize;

use crate::error::Result;
use crate::id::RecordId;
use crate::name::Name;
use crate::refs::history::{History, Version};
use crate::refs::read::DamagedRecord;
use crate::store::Store;
use crate::store::missing::{Effort, Missing};

use super::resolve::{Divergence, diverged};
use super::show::listed;

/// What is to be seen to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Unsettled {
    /// Names that stand for several versions.
    pub diverged: Vec<Divergence>,
    /// Versions that live although they were deleted.
    pub contested: Vec<ContestedVersion>,
    /// Versions of which something is not here.
    pub incomplete: Vec<MissingVersion>,
    /// Records that could not be read for this.
    #[serde(skip)]
    pub damaged: Vec<DamagedRecord>,
}

/// A version that lives although it was deleted: by somebody who did not know of an alias or an undeletion
/// of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContestedVersion {
    /// The artifact.
    pub artifact: Name,
    /// The version's name in it.
    pub version: String,
    /// Its id.
    pub id: RecordId,
}

/// A version of which something is not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingVersion {
    /// The artifact.
    pub artifact: Name,
    /// The version's name in it.
    pub version: String,
    /// Its id.
    pub id: RecordId,
    /// The bytes of its files.
    pub size_bytes: u64,
    /// What is not here.
    pub missing: Missing,
}

/// Tells what is to be seen to in a store, or of one artifact.
///
/// Cost: as [`Store::missing_of`] for every version.
pub fn unsettled(store: &Store, artifact: Option<&Name>) -> Result<Unsettled> {
    let mut histories = match artifact {
        Some(artifact) => vec![store.existing_history(artifact)?],
        None => store.histories()?,
    };
    let mut found = Unsettled::default();
    for history in &mut histories {
        found.damaged.append(&mut history.damaged);
        found.diverged.extend(diverged(history));
    }
    let versions: Vec<&Version> = histories.iter().flat_map(|history| listed(history, false)).collect();
    let contested = versions.iter().filter(|version| version.contested);
    found.contested = contested.map(|version| ContestedVersion::of(version)).collect();
    for (version, missing) in versions.iter().zip(store.missing_of(&versions, Effort::Whole)?) {
        found.incomplete.extend(missing.filter(|missing| !missing.is_none()).map(|missing| MissingVersion::of(version, missing)));
    }
    Ok(found)
}

/// The versions of an artifact as they are listed, and what is known to be missing of each.
pub(super) type Lacking = Vec<(String, Option<Missing>)>;

/// What is known of the versions of some artifacts within a bound; the newest of each are looked at first.
pub(super) fn missing_of_each(store: &Store, histories: &[History]) -> Result<Vec<Lacking>> {
    let mut all: Vec<(usize, usize, &Version)> = Vec::new();
    for (at, history) in histories.iter().enumerate() {
        all.extend(listed(history, false).into_iter().rev().enumerate().map(|(age, version)| (age, at, version)));
    }
    all.sort_by_key(|(age, at, _)| (*age, *at));
    let versions: Vec<&Version> = all.iter().map(|(_, _, version)| *version).collect();
    let mut each = vec![Lacking::new(); histories.len()];
    for ((_, at, version), missing) in all.iter().zip(store.missing_of(&versions, Effort::Bounded)?) {
        each[*at].push((version.label.clone(), missing));
    }
    // As they are listed: the oldest first.
    each.iter_mut().for_each(|of| of.reverse());
    Ok(each)
}

impl ContestedVersion {
    fn of(version: &Version) -> ContestedVersion {
        ContestedVersion { artifact: version.record.artifact.clone(), version: version.label.clone(), id: version.id }
    }
}

impl MissingVersion {
    fn of(version: &Version, missing: Missing) -> MissingVersion {
        MissingVersion {
            artifact: version.record.artifact.clone(),
            version: version.label.clone(),
            id: version.id,
            size_bytes: version.record.size_bytes,
            missing,
        }
    }
}
