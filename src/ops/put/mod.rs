//! Stores a version: walk, read and cut and hash, gather, compress, write, publish, record.
//!
//! The stages run side by side over bounded queues. Each job of the first has its own queue of
//! results, and these queues are taken in the order of the walk, so memory is bounded, nothing
//! waits in a circle, and equal input makes equal packs.

mod base;
mod gather;
mod merge;
mod pack;
mod read;
mod record;
mod stat_cache;
pub(in crate::ops) mod walk;

use std::io::Read;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::path::EntryPath;
use crate::format::record::Metadata;
use crate::name::{Alias, Name, Ref, Tag};
use crate::ops::run::check_open;
use crate::ops::show::{VersionInfo, version_info};
use crate::refs::history::Version;
use crate::store::Store;
use crate::store::page_writer::PageWriter;
use crate::store::resolve::Resolved;
use crate::store::session::Session;
use gather::{Gathered, Gatherer};
use merge::{Item, Merge};
use pack::{BlockSink, Pending};
use read::{ItemReader, Job, Piece, Pool, Stopped};
use record::{Content, Recorded};
use stat_cache::Row;
pub use walk::LeftOut;
use walk::{FoundKind, SourceWalk, below};

/// Items in one job: enough to keep a thread busy, few enough to spread a small tree.
const JOB_ITEMS: usize = 64;

/// Jobs whose results may wait.
const JOBS_WAITING: usize = 16;

/// Pieces of a job's results that may wait.
const PIECES_WAITING: usize = 3;

/// How often a put starts over because what it builds on has moved.
const TRIES: usize = 8;

/// What to do with a symlink whose target lies outside what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
            aliases: Vec::new(),
            tags: Vec::new(),
            description: None,
            ttl_seconds: None,
            metadata: Metadata::new(),
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
    if options.sources.is_empty() && options.stream.is_none() && options.onto.is_none() {
        return Err(Error::usage("cannot store a version of nothing").hint("give a file or a directory, or `-` for standard input"));
    }
    record::check_type(&store.history(&options.artifact)?, options)?;
    context.run.map(|run| check_open(store, run)).transpose()?;
    let session = Session::begin(store, context)?;
    session.note_packs();
    let stream = Mutex::new(stream);
    for _ in 0..TRIES {
        if let Some(outcome) = attempt(&session, context, options, &stream)? {
            return Ok(outcome);
        }
        if options.stream.is_some() {
            return Err(Error::failed("cannot store the stream: the version or a pack that it builds on was replaced meanwhile")
                .hint("run the command again"));
        }
        session.begin_again()?;
    }
    Err(Error::failed("cannot store the version: what it builds on is replaced again and again")
        .hint("run the command again; name the base of `--onto` by its number"))
}

/// Stores once; none if what it builds on, the base or a pack, has moved meanwhile.
fn attempt(
    session: &Session<'_>,
    context: &Context<'_>,
    options: &PutOptions,
    stream: &Mutex<Option<Stream>>,
) -> Result<Option<PutOutcome>> {
    let store = session.store();
    let base = options.onto.as_ref().map(|onto| store.resolve(onto)).transpose()?.map(|Resolved { version, .. }| version);
    let mut pages = PageWriter::new(session);
    if let Some(base) = &base {
        base::rely_on_base(session, base, &mut pages)?;
    }
    let mut metadata = base.as_ref().map(|base| store.metadata(base)).transpose()?.unwrap_or_default();
    metadata.extend(options.metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
    let metadata_pages = record::metadata_pages(&mut metadata, &mut pages)?;

    context.progress.phase("storing");
    let (gathered, data_bytes, caches, left_out) = store_entries(session, context, options, base.as_ref(), &mut pages, stream)?;
    context.progress.phase("syncing to disk");
    let new_bytes = data_bytes + pages.publish()?;
    session.note_rests(gathered.manifest)?;
    for cache in caches.into_iter().flatten() {
        cache.finish(gathered.manifest)?;
    }
    let content = Content { gathered, metadata, metadata_pages, stored_bytes: new_bytes };
    let Recorded::Version { id, unchanged } = record::record(session, context, options, content, base.as_ref())? else { return Ok(None) };
    session.quarantine_torn_packs()?;
    session.save_index();

    let history = store.history(&options.artifact)?;
    let version =
        history.version(id).ok_or_else(|| Error::failed("cannot find the version that was just stored").hint("run `art fsck`"))?;
    let version = version_info(store, &history, version)?;
    Ok(Some(PutOutcome { version, unchanged, new_bytes, left_out }))
}

type Stored = (Gathered, u64, Vec<Option<stat_cache::Writer>>, LeftOut);

/// Runs the pipeline.
fn store_entries<'a>(
    session: &Session<'a>,
    context: &Context<'a>,
    options: &PutOptions,
    base: Option<&Version>,
    pages: &mut PageWriter<'_, 'a>,
    stream: &Mutex<Option<Stream>>,
) -> Result<Stored> {
    let store = session.store();
    let mut walks = Vec::new();
    let (mut old_caches, mut new_caches, mut margins) = (Vec::new(), Vec::new(), Vec::<Duration>::new());
    for source in &options.sources {
        walks.push(SourceWalk::new(source, store.project(), options, context)?);
        let key = source.canonicalize().map_err(|_| Error::not_found(format!("cannot find {}", crate::quote::quote_path(source))))?;
        old_caches.push(stat_cache::Reader::open(session.local(), &key));
        new_caches.push(Some(stat_cache::Writer::new(session.disk(), session.local(), &key)?));
        margins.push(stat_cache::margin(source));
    }
    let trusted: Vec<bool> = old_caches.iter().map(|cache| session.is_confirmed(cache.manifest)).collect();
    let is_known = |source: usize, row: &Row| -> Result<bool> {
        if trusted[source] {
            return Ok(true);
        }
        match EntryPath::new(row.path.0.clone()) {
            // A chunk list that cannot be read here is made anew from the file.
            Ok(path) => Ok(base::is_here(session, &path, &row.body).unwrap_or(false)),
            Err(_) => Ok(false),
        }
    };
    let base_entries = base.map(|base| store.entries(base.record.manifest)).transpose()?;
    let merge = Merge::new(walks, options.stream.clone(), base_entries, &options.remove);
    let pool = Pool::new();
    let reader =
        ItemReader { context, pool: pool.clone(), opened_at: session.disk().file_system_time()?, margins: &margins, is_here: &is_known };
    let pending = Pending::default();

    let threads = context.threads.max(1);
    let (job_in, job_out) = bounded::<Job>(JOBS_WAITING);
    let (piece_in, piece_out) = bounded::<Receiver<Piece>>(JOBS_WAITING);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads)
            .map(|_| {
                let (jobs, reader) = (job_out.clone(), &reader);
                scope.spawn(move || read_jobs(&jobs, reader, stream))
            })
            .collect();
        drop(job_out);
        let (pool, pending) = (&pool, &pending);
        let (sink, stages) = if threads == 1 {
            (BlockSink::inline(session, pool.clone(), pending), Vec::new())
        } else {
            let (blocks, block_out) = bounded(threads * 2);
            let (order, order_out) = bounded(threads * 4);
            let (pack_in, pack_out) = bounded(1);
            for _ in 0..threads {
                let blocks = block_out.clone();
                scope.spawn(move || pack::compress(&blocks, pool));
            }
            let appender = scope.spawn(move || pack::append(session, &order_out, pool, &pack_in));
            let publisher = scope.spawn(move || pack::publish_all(session, &pack_out, pending));
            (BlockSink::Piped { blocks, order }, vec![appender, publisher])
        };
        let gatherer = Gatherer::new(session, pages, pending, pool.clone(), sink, new_caches, options.at.clone());
        let walker = scope.spawn(move || hand_out(merge, old_caches, options.at.as_ref(), &job_in, &piece_in, context));
        let gathered = gatherer.run(&piece_out);
        // A stage that stops lets its neighbours run dry; the one that failed says why.
        drop(piece_out);
        let walked = join(walker);
        let read = readers.into_iter().map(join).fold(Ok(()), Result::and);
        let packed = stages.into_iter().map(join).fold(Ok(()), Result::and);
        let left_out = walked?;
        read?;
        packed?;
        let (gathered, caches) = gathered?.ok_or_else(|| Error::failed("cannot store the version: a stage of the pipeline stopped"))?;
        Ok((gathered, pending.published_bytes(), caches, left_out))
    })
}

/// Walks the sources and hands out jobs, with what the stat cache knows of each file.
fn hand_out(
    mut merge: Merge<'_>,
    mut caches: Vec<stat_cache::Reader>,
    at: Option<&EntryPath>,
    jobs: &Sender<Job>,
    order: &Sender<Receiver<Piece>>,
    context: &Context<'_>,
) -> Result<LeftOut> {
    let mut items = Vec::with_capacity(JOB_ITEMS);
    let hand = |items: &mut Vec<(Item, Option<Row>)>| -> Result<(), Stopped> {
        let (results, pieces) = bounded(PIECES_WAITING);
        context.progress.expect(items.iter().filter(|(item, _)| is_file(item)).count() as u64, 0);
        let job = Job { items: std::mem::replace(items, Vec::with_capacity(JOB_ITEMS)), results };
        order.send(pieces).map_err(|_| Stopped)?;
        jobs.send(job).map_err(|_| Stopped)
    };
    for item in merge.by_ref() {
        let item = item?;
        let cached = match &item {
            Item::Found(found, source) if is_file(&item) => caches[*source].find(below(&found.path, at)),
            _ => None,
        };
        items.push((item, cached));
        if items.len() == JOB_ITEMS && hand(&mut items).is_err() {
            return Ok(LeftOut::default());
        }
    }
    if let Some(path) = merge.not_removed().first() {
        return Err(Error::not_found(format!(
            "cannot remove {}: the version it builds on has no such entry",
            crate::quote::quote(path.as_bytes())
        ))
        .hint("`art ls REF` lists the entries"));
    }
    // The stage behind says itself why it is gone.
    let _ = hand(&mut items);
    context.progress.all_expected();
    Ok(merge.left_out())
}

fn is_file(item: &Item) -> bool {
    match item {
        Item::Found(found, _) => matches!(found.kind, FoundKind::File { .. }),
        Item::Stream(_) => true,
        Item::Base(_) => false,
    }
}

fn read_jobs(jobs: &Receiver<Job>, reader: &ItemReader<'_>, stream: &Mutex<Option<Stream>>) -> Result<()> {
    let mut take_stream = || stream.lock().unwrap_or_else(PoisonError::into_inner).take();
    for job in jobs {
        if let Err(Stopped) = reader.run(job, &mut take_stream)? {
            break;
        }
    }
    Ok(())
}

/// Waits for a stage; one that panicked takes the whole put down with it.
fn join<T>(stage: std::thread::ScopedJoinHandle<'_, T>) -> T {
    stage.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
