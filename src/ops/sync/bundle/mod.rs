//! `art bundle`: files of a store in one file, for where no two copies can be mounted at once.
//!
//! What goes in is what a push would move, in the same order, and `unpack` is a pull from it. Its bytes
//! are told in "Bundles" of `docs/format.md`.

mod create;
mod plan;
mod reader;
mod unpack;
mod verify;

use serde::Serialize;

pub use create::{CreateOptions, CreateOutcome, create};
pub use reader::{Bundle, Source};
pub use unpack::{UnpackOptions, unpack};
pub use verify::{BundleProblem, VerifyOutcome, verify};

use crate::context::Context;
use crate::error::Result;
use crate::format::bundle::Base;
use crate::id::{PageId, RecordId};
use crate::name::Name;
use crate::store::Store;
use crate::store::missing::{Missing, missing_below};
use crate::store::reach::Start;

/// A version that a bundle builds on: its pages and chunks are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BaseVersion {
    /// The artifact.
    pub artifact: Name,
    /// The version's name in it, by its number.
    pub version: String,
    /// Its id.
    pub id: RecordId,
    /// The id of its manifest.
    pub digest: PageId,
}

/// Whether what a bundle builds on is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BaseState {
    /// All that the version names is here.
    Here,
    /// Some of it is not.
    Incomplete,
    /// Not even its manifest is here.
    Missing,
}

impl BaseVersion {
    fn of(base: &Base) -> BaseVersion {
        BaseVersion { artifact: base.artifact.clone(), version: format!("v{}", base.number), id: base.version, digest: base.manifest }
    }

    /// Names it, as in `data:v3`.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.artifact, self.version)
    }
}

/// Tells of each version that a bundle builds on whether a store has its content, under whatever record.
fn states(store: &Store, context: &Context<'_>, bases: &[Base]) -> Result<Vec<BaseState>> {
    let all: Vec<Vec<Start>> = bases.iter().map(|base| vec![Start::manifest(base.manifest)]).collect();
    let missing = missing_below(store, context.threads, &all)?;
    let state = |(base, missing): (&Base, Missing)| {
        if missing.is_none() {
            BaseState::Here
        } else if store.locate_page(base.manifest).is_err() {
            BaseState::Missing
        } else {
            BaseState::Incomplete
        }
    };
    Ok(bases.iter().zip(missing).map(state).collect())
}
