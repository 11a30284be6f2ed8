//! `art cp`: makes a version of an artifact from a version of another, or of the same. No file is read,
//! and no byte copied but what lies in condemned packs alone.

use std::collections::HashSet;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::name::{Alias, Name, Ref, Tag};
use crate::quote::quote;
use crate::refs::history::Version;
use crate::store::Store;
use crate::store::page_writer::PageWriter;
use crate::store::session::Session;

use super::edit::{check_description, check_tags};
use super::metadata;
use super::put::base::Base;
use super::put::record::{Content, Origin, check_type};
use super::put::{LeftOut, PutOptions, PutOutcome, conclude};
use super::run::check_open;

/// How often a copy starts over because what it builds on has moved.
const TRIES: usize = 8;

/// What to copy, and where to.
#[derive(Clone, Debug)]
pub struct CpOptions {
    /// The version.
    pub from: Ref,
    /// The artifact that gets a version.
    pub artifact: Name,
    /// Its type, if it is new, by default that of what is copied; if it is there, that type.
    pub artifact_type: Option<Name>,
    /// Aliases to set to the new version.
    pub aliases: Vec<Alias>,
    /// Labels besides those of what is copied.
    pub tags: Vec<Tag>,
    /// What it is, in words; by default what is said of what is copied.
    pub description: Option<String>,
}

/// What a copy has done.
#[derive(Clone, Debug)]
pub struct CpOutcome {
    /// The version that was copied.
    pub from: Version,
    /// The version that it was copied to, as of a put.
    pub put: PutOutcome,
}

/// Makes a version with the content, description, tags and metadata of another, or finds that the
/// newest has this content. When this returns, the version is durable.
///
/// Cost: a few records, where it is noted that all the version names is here, as of each that was
/// stored here; else each of its pages is read once.
pub fn cp(store: &Store, context: &Context<'_>, options: &CpOptions) -> Result<CpOutcome> {
    check_description(options.description.as_deref())?;
    check_tags(options.tags.iter().collect::<HashSet<_>>().len())?;
    let put = PutOptions {
        artifact_type: Some(type_of(store, options)?),
        onto: Some(options.from.clone()),
        aliases: options.aliases.clone(),
        tags: options.tags.clone(),
        description: options.description.clone(),
        ..PutOptions::new(options.artifact.clone())
    };
    check_type(&store.history(&options.artifact)?, &put)?;
    context.run.map(|run| check_open(store, run)).transpose()?;
    let session = Session::begin(store, context)?;
    session.note_packs();
    for _ in 0..TRIES {
        if let Some(outcome) = attempt(&session, context, &options.from, &put)? {
            return Ok(outcome);
        }
        session.begin_again()?;
    }
    Err(Error::failed("cannot copy the version: what it builds on is replaced again and again")
        .hint("run the command again; name the version by its number"))
}

/// Copies once; none if the version, or a pack, has moved meanwhile.
fn attempt(session: &Session<'_>, context: &Context<'_>, from: &Ref, options: &PutOptions) -> Result<Option<CpOutcome>> {
    let store = session.store();
    let from = find(store, from)?;
    let mut pages = PageWriter::new(session);
    context.progress.phase("looking for what is to be copied");
    let base = Base::rely_on(session, from, "copy", &mut pages)?;
    let mut metadata = store.metadata(&base.version)?;
    let metadata_pages = metadata::into_pages(&mut metadata, &mut pages)?;
    let stored_bytes = base.copied_bytes + pages.publish()?;
    base.note(session)?;
    let manifest = store.read_manifest(base.manifest)?;
    let content = Content {
        manifest: base.manifest,
        file_count: manifest.file_count,
        size_bytes: manifest.size_bytes,
        metadata,
        metadata_pages,
        stored_bytes,
    };
    let put = conclude(session, context, options, content, Origin::Copy(&base.version), LeftOut::default())?;
    Ok(put.map(|put| CpOutcome { from: base.version, put }))
}

fn find(store: &Store, from: &Ref) -> Result<Version> {
    let version = store.resolve(from)?.version;
    if version.deleted {
        let name = version.full_name();
        return Err(Error::refused(format!("cannot copy {}: it is deleted", quote(name.as_bytes())))
            .hint(format!("bring it back with `art undelete {name}`, or copy another version")));
    }
    Ok(version)
}

/// Settles the type of the artifact that gets a version. One that is there and has another type than
/// what is copied has to be meant.
fn type_of(store: &Store, options: &CpOptions) -> Result<Name> {
    let from = find(store, &options.from)?;
    let of_source = &from.record.artifact_type;
    let history = store.history(&options.artifact)?;
    match (&options.artifact_type, history.artifact_type()) {
        (None, Some(there)) if there != of_source => Err(Error::usage(format!(
            "cannot copy {}, which has type {}, to {}, which has type {}",
            quote(from.full_name().as_bytes()),
            quote(of_source.as_str().as_bytes()),
            quote(options.artifact.as_str().as_bytes()),
            quote(there.as_str().as_bytes())
        ))
        .hint(format!("give `--type {there}` if that is meant, or choose another artifact name"))),
        (None, Some(there)) => Ok(there.clone()),
        (Some(given), _) => Ok(given.clone()),
        (None, None) => Ok(of_source.clone()),
    }
}
