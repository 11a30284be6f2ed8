//! Stores a version: walk, read and cut and hash, gather, compress, write, publish, record.
//!
//! `pipeline` runs all but the last, `record` writes the version's record.

pub(in crate::ops) mod base;
mod base_walk;
pub(in crate::ops) mod feed;
mod gather;
pub(in crate::ops) mod merge;
mod pack;
mod pipeline;
pub(in crate::ops) mod read;
pub(in crate::ops) mod record;
pub(in crate::ops) mod reference;
pub(in crate::ops) mod stat_cache;
pub(in crate::ops) mod walk;

use std::collections::HashSet;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::path::EntryPath;
use crate::format::record::Metadata;
use crate::name::{Alias, Name, Ref, Tag};
use crate::ops::edit::{check_description, check_tags};
use crate::ops::metadata;
use crate::ops::origins::note_put;
use crate::ops::run::check_open;
use crate::ops::show::{VersionInfo, version_info};
use crate::store::Store;
use crate::store::page_writer::PageWriter;
use crate::store::quarantine::move_torn_packs;
use crate::store::resolve::Resolved;
use crate::store::session::Session;
use base::Base;
use feed::Feed;
use pipeline::Stored;
use record::{Content, Origin, Recorded};
pub use reference::GivenReference;
pub use walk::LeftOut;

/// How often a put starts over because what it builds on has moved.
const TRIES: usize = 8;

/// What to do with a symlink whose target lies outside what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkPolicy {
    /// Refuse it.
    #[default]
    Refuse,
    /// Store what it points to.
    Follow,
    /// Store the link.
    Keep,
}

/// What to store, and how.
#[derive(Clone, Debug)]
pub struct PutOptions {
    /// The artifact.
    pub artifact: Name,
    /// Its type; needed only for the first version, and then `dataset` if none.
    pub artifact_type: Option<Name>,
    /// Files, which go in under their base names, and directories, whose contents go in.
    pub sources: Vec<PathBuf>,
    /// The entry under which the caller's stream is stored, if there is one.
    pub stream: Option<EntryPath>,
    /// What is recorded by its URI and not stored.
    pub references: Vec<GivenReference>,
    /// Aliases to set to the version.
    pub aliases: Vec<Alias>,
    /// Labels.
    pub tags: Vec<Tag>,
    /// What it is, in words.
    pub description: Option<String>,
    /// How long it is meant to be kept, from when it is stored: none says nothing of it, 0 is for ever.
    pub ttl_seconds: Option<u64>,
    /// Metadata.
    pub metadata: Metadata,
    /// Metadata that is set only if the version is new.
    pub metadata_of_new: Metadata,
    /// A directory to put everything under.
    pub at: Option<EntryPath>,
    /// A version whose entries to start from.
    pub onto: Option<Ref>,
    /// Entries, or directories of them, to take away from that version first.
    pub remove: Vec<EntryPath>,
    /// Patterns of what to leave out, written as in a `.gitignore`.
    pub ignore: Vec<String>,
    /// Whether to pass over `.artignore` files.
    pub no_ignore: bool,
    /// What to do with links that lead outside.
    pub links: LinkPolicy,
}

/// What a put has done.
#[derive(Clone, Debug)]
pub struct PutOutcome {
    /// The version.
    pub version: VersionInfo,
    /// Whether it was there before.
    pub unchanged: bool,
    /// Bytes of the packs that were written.
    pub new_bytes: u64,
    /// References that were recorded, those that the version took over not included.
    pub references: u64,
    /// What was left out.
    pub left_out: LeftOut,
}

impl PutOptions {
    /// Options for an artifact with everything else at its default.
    pub fn new(artifact: Name) -> PutOptions {
        PutOptions {
            artifact,
            artifact_type: None,
            sources: Vec::new(),
            stream: None,
            references: Vec::new(),
            aliases: Vec::new(),
            tags: Vec::new(),
            description: None,
            ttl_seconds: None,
            metadata: Metadata::new(),
            metadata_of_new: Metadata::new(),
            at: None,
            onto: None,
            remove: Vec::new(),
            ignore: Vec::new(),
            no_ignore: false,
            links: LinkPolicy::default(),
        }
    }
}

/// A caller's stream; it can be read once.
pub type Stream = Box<dyn Read + Send>;

/// Stores a version, or finds that the newest has the same content. When this returns, the
/// version is durable.
///
/// Cost: an unchanged file costs a look at its times, a changed one is read once.
pub fn put(store: &Store, context: &Context<'_>, options: &PutOptions, stream: Option<Stream>) -> Result<PutOutcome> {
    let is_empty = options.sources.is_empty() && options.stream.is_none() && options.references.is_empty();
    if is_empty && options.onto.is_none() {
        return Err(Error::usage("cannot store a version of nothing").hint("give a file or a directory, or `-` for standard input"));
    }
    run(store, context, options, stream.map(Given::Stream))
}

/// Stores what an archive holds; `options` name nothing else to store.
pub(in crate::ops) fn put_archive(
    store: &Store,
    context: &Context<'_>,
    options: &PutOptions,
    archive: Box<dyn Feed>,
) -> Result<PutOutcome> {
    run(store, context, options, Some(Given::Archive(archive)))
}

/// What is given besides paths; it can be read once.
enum Given {
    Stream(Stream),
    Archive(Box<dyn Feed>),
}

fn run(store: &Store, context: &Context<'_>, options: &PutOptions, given: Option<Given>) -> Result<PutOutcome> {
    check_description(options.description.as_deref())?;
    check_tags(options.tags.iter().collect::<HashSet<_>>().len())?;
    record::check_type(&store.history(&options.artifact)?, options)?;
    context.run.map(|run| check_open(store, run)).transpose()?;
    let session = Session::begin(store, context)?;
    session.note_packs();
    let reads_once = given.is_some();
    let given = Mutex::new(given);
    for _ in 0..TRIES {
        if let Some(outcome) = attempt(&session, context, options, &given)? {
            drop(session);
            move_torn_packs(store, context);
            return Ok(outcome);
        }
        if reads_once {
            return Err(Error::failed("cannot store the stream: the version or a pack that it builds on was replaced meanwhile")
                .hint("run the command again"));
        }
        session.begin_again()?;
    }
    Err(Error::failed("cannot store the version: what it builds on is replaced again and again")
        .hint("run the command again; name the base of `--onto` by its number"))
}

/// Stores once; none if what it builds on, the base or a pack, has moved meanwhile.
fn attempt(session: &Session<'_>, context: &Context<'_>, options: &PutOptions, given: &Mutex<Option<Given>>) -> Result<Option<PutOutcome>> {
    let store = session.store();
    let base = options.onto.as_ref().map(|onto| store.resolve(onto)).transpose()?.map(|Resolved { version, .. }| version);
    let mut pages = PageWriter::new(session);
    let base = base.map(|base| Base::rely_on(session, base, "build on", &mut pages)).transpose()?;
    let mut metadata = base.as_ref().map(|base| store.metadata(&base.version)).transpose()?.unwrap_or_default();
    metadata.extend(options.metadata.iter().chain(&options.metadata_of_new).map(|(key, value)| (key.clone(), value.clone())));
    let metadata_pages = metadata::into_pages(&mut metadata, &mut pages)?;

    context.progress.phase("storing");
    let stored = pipeline::store_entries(session, context, options, base.as_ref(), &mut pages, given)?;
    context.progress.phase("syncing to disk");
    let copied_bytes = base.as_ref().map_or(0, |base| base.copied_bytes);
    let stored_bytes = copied_bytes + stored.data_bytes + pages.publish()?;
    base.as_ref().map(|base| base.note(session)).transpose()?;
    session.note_rests(stored.manifest)?;
    for cache in stored.caches {
        cache.finish(stored.manifest)?;
    }
    let Stored { manifest, file_count, size_bytes, references, left_out, .. } = stored;
    let content = Content { manifest, file_count, size_bytes, metadata, metadata_pages, stored_bytes };
    let origin = base.as_ref().map_or(Origin::Nothing, |base| Origin::Draft(&base.version));
    let Some(outcome) = conclude(session, context, options, content, origin, left_out)? else { return Ok(None) };
    let base = base.as_ref().map(|base| base.version.record.manifest);
    if let Err(error) = note_put(session, context, options, base, outcome.version.id) {
        context.progress.warn(&format!("cannot note for `art status` what was put: {error}"));
    }
    Ok(Some(PutOutcome { references, ..outcome }))
}

/// Records what is stored, and tells of it; none if what it builds on has moved meanwhile.
pub(in crate::ops) fn conclude(
    session: &Session<'_>,
    context: &Context<'_>,
    options: &PutOptions,
    content: Content,
    origin: Origin<'_>,
    left_out: LeftOut,
) -> Result<Option<PutOutcome>> {
    let (store, new_bytes) = (session.store(), content.stored_bytes);
    let Recorded::Version { id, unchanged } = record::record(session, context, options, content, origin)? else { return Ok(None) };
    session.save_caches();

    let history = store.history(&options.artifact)?;
    let version =
        history.version(id).ok_or_else(|| Error::failed("cannot find the version that was just stored").hint("run `art fsck`"))?;
    let version = version_info(store, &history, version)?;
    Ok(Some(PutOutcome { version, unchanged, new_bytes, references: 0, left_out }))
}
