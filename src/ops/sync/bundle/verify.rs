//! Reads a bundle to its end: every byte is hashed, and what it builds on is looked for.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::super::outcome::Moved;
use super::reader::{Bundle, read_whole};
use super::{BaseState, BaseVersion, states};
use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::format::pack::Table;
use crate::id::PackId;
use crate::store::Store;
use crate::store::files::StoreFile;

/// What a bundle is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifyOutcome {
    /// Whether it is whole.
    pub ok: bool,
    /// Whether all that it builds on is here.
    pub usable: bool,
    /// How it is called.
    pub path: String,
    /// What is in it.
    #[serde(flatten)]
    pub has: Moved,
    /// What it builds on.
    pub builds_on: Vec<BaseFound>,
    /// What is wrong with it.
    pub problems: Vec<BundleProblem>,
}

/// A version that a bundle builds on, and whether it is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BaseFound {
    /// The version.
    #[serde(flatten)]
    pub version: BaseVersion,
    /// Whether it is here; missing where there is no store to look in.
    pub state: BaseState,
}

/// Something that is wrong with a bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct BundleProblem {
    /// The file in it; none if it is the bundle as a whole.
    pub path: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// Checks every file of a bundle and the bundle as a whole; looks for what it builds on in a store, if there is one.
///
/// Cost: reads and hashes all of it; holds a pack for each thread in memory.
pub fn verify(store: Option<&Store>, context: &Context<'_>, mut bundle: Bundle) -> Result<VerifyOutcome> {
    let files: Vec<StoreFile> = bundle.entries.iter().map(|entry| entry.file.clone()).collect();
    context.progress.expect(files.len() as u64, files.iter().map(|file| file.len).sum());
    context.progress.all_expected();
    context.progress.phase("checking the bundle");
    let problems = Mutex::new(Vec::new());
    let add = |path: Option<String>, message: String| {
        problems.lock().unwrap_or_else(PoisonError::into_inner).push(BundleProblem { path, message });
    };
    let name = bundle.name().to_owned();
    let all = vec![true; files.len()];
    let read = bundle.read(0..files.len(), &all, context.threads, &|entry, source| {
        let bytes = read_whole(&name, source)?;
        let wrong = match entry.file.path.class().pack().zip(entry.file.path.pack_id()) {
            Some((_, id)) if PackId::of(&bytes) != id => Err("its bytes do not match its name".to_owned()),
            Some((class, _)) => Table::of_pack(&bytes, class).map(drop).map_err(|why| why.to_string()),
            None => entry.file.path.check(&bytes),
        };
        if let Err(why) = wrong {
            add(Some(entry.file.path.to_string()), why);
        }
        context.progress.advance(1, entry.file.len);
        Ok(blake3::hash(&bytes).into())
    });
    match read.and_then(|()| bundle.finish()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::Damaged => add(None, error.to_string()),
        Err(error) => return Err(error),
    }
    let found = match store {
        Some(store) => states(store, context, &bundle.bases)?,
        None => vec![BaseState::Missing; bundle.bases.len()],
    };
    let builds_on: Vec<BaseFound> =
        bundle.builds_on().into_iter().zip(found).map(|(version, state)| BaseFound { version, state }).collect();
    let mut problems = problems.into_inner().unwrap_or_else(PoisonError::into_inner);
    problems.sort();
    Ok(VerifyOutcome {
        ok: problems.is_empty(),
        usable: builds_on.iter().all(|base| base.state == BaseState::Here),
        path: bundle.name().to_owned(),
        has: Moved::of(&files, 0),
        builds_on,
        problems,
    })
}
