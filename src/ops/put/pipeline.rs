//! Runs the stages of a put side by side over bounded queues, up to the pages.
//!
//! Each job of the first stage has its own queue of results, and these queues are taken in the
//! order of the walk, so memory is bounded, nothing waits in a circle, and equal input makes equal
//! packs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::base::{self, Base};
use super::gather::Gatherer;
use super::merge::{Item, Merge};
use super::pack::{self, BlockSink, Pending};
use super::read::{ItemReader, Job, Piece, Pool, Stopped};
use super::reference::References;
use super::stat_cache::{self, Row};
use super::walk::{FoundKind, LeftOut, SourceWalk, below};
use super::{Given, PutOptions};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::manifest::{Manifest, Page};
use crate::format::path::EntryPath;
use crate::id::PageId;
use crate::ops::ignore::IgnoreRules;
use crate::store::page_writer::PageWriter;
use crate::store::session::Session;

/// Items in one job: enough to keep a thread busy, few enough to spread a small tree.
const JOB_ITEMS: usize = 64;

/// Jobs whose results may wait.
const JOBS_WAITING: usize = 16;

/// Pieces of a job's results that may wait.
const PIECES_WAITING: usize = 3;

/// What the pipeline has stored; its pages are still to be published.
pub(super) struct Stored {
    pub(super) manifest: PageId,
    pub(super) file_count: u64,
    pub(super) size_bytes: u64,
    /// Bytes of the data packs.
    pub(super) data_bytes: u64,
    /// The next stat caches.
    pub(super) caches: Vec<stat_cache::Writer>,
    /// References that were given, one for each file of a directory.
    pub(super) references: u64,
    pub(super) left_out: LeftOut,
}

/// What the walk has told at its end.
#[derive(Default)]
struct Walked {
    left_out: LeftOut,
    references: u64,
    /// Files in pages of the base that were taken over whole.
    kept_files: u64,
}

/// Runs the pipeline.
pub(super) fn store_entries<'a>(
    session: &Session<'a>,
    context: &Context<'a>,
    options: &PutOptions,
    base: Option<&Base>,
    pages: &mut PageWriter<'_, 'a>,
    given: &Mutex<Option<Given>>,
) -> Result<Stored> {
    let store = session.store();
    let archive = given.lock().unwrap_or_else(PoisonError::into_inner).take_if(|given| matches!(given, Given::Archive(_)));
    let archive = archive.and_then(|given| if let Given::Archive(archive) = given { Some(archive) } else { None });
    let mut walks = Vec::new();
    let (mut old_caches, mut new_caches, mut margins) = (Vec::new(), Vec::new(), Vec::<Duration>::new());
    for source in &options.sources {
        IgnoreRules::check_source(store.project(), source, &options.ignore, !options.no_ignore)?;
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
    let base = base.map(|base| base.walk(store)).transpose()?;
    let References { listed, walks: referenced, local: references } = References::new(store, options, context)?;
    walks.extend(referenced);
    let merge = Merge::new(walks, options.stream.clone(), listed, base, &options.remove);
    let pool = Pool::new();
    let reader = ItemReader {
        context,
        pool: pool.clone(),
        opened_at: session.disk().file_system_time()?,
        margins: &margins,
        references: &references,
        is_here: &is_known,
    };
    let pending = Pending::default();

    let threads = context.threads.max(1);
    let (job_in, job_out) = bounded::<Job>(JOBS_WAITING);
    let (piece_in, piece_out) = bounded::<Receiver<Piece>>(JOBS_WAITING);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads)
            .map(|_| {
                let (jobs, reader) = (job_out.clone(), &reader);
                scope.spawn(move || read_jobs(&jobs, reader, given))
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
        let mut gatherer = Gatherer::new(session, &mut *pages, pending, pool.clone(), sink, new_caches, options.at.clone());
        let reader = &reader;
        let walker = match archive {
            // One thread reads it, for it is one stream.
            Some(archive) => {
                gatherer.sort_entries();
                drop(job_in);
                scope.spawn(move || {
                    let (results, pieces) = bounded(PIECES_WAITING);
                    let _ = piece_in.send(pieces);
                    reader.archive(archive, &results).map(|()| Walked::default())
                })
            }
            None => scope.spawn(move || hand_out(merge, old_caches, options.at.as_ref(), &job_in, &piece_in, context)),
        };
        let gathered = gatherer.run(&piece_out);
        // A stage that stops lets its neighbours run dry; the one that failed says why.
        drop(piece_out);
        let walked = join(walker);
        let read = readers.into_iter().map(join).fold(Ok(()), Result::and);
        let packed = stages.into_iter().map(join).fold(Ok(()), Result::and);
        let Walked { left_out, references, kept_files } = walked?;
        read?;
        packed?;
        let (mut manifest, caches) = gathered?.ok_or_else(|| Error::failed("cannot store the version: a stage of the pipeline stopped"))?;
        manifest.file_count += kept_files;
        let Manifest { file_count, size_bytes, .. } = manifest;
        let manifest = pages.put(&Page::Manifest(manifest))?;
        let caches = caches.into_iter().flatten().collect();
        Ok(Stored { manifest, file_count, size_bytes, data_bytes: pending.published_bytes(), caches, references, left_out })
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
) -> Result<Walked> {
    let mut items = Vec::with_capacity(JOB_ITEMS);
    let hand = |items: &mut Vec<(Item, Option<Row>)>| -> Result<(), Stopped> {
        let (results, pieces) = bounded(PIECES_WAITING);
        context.progress.expect(items.iter().filter(|(item, _)| is_file(item)).count() as u64, 0);
        let job = Job { items: std::mem::replace(items, Vec::with_capacity(JOB_ITEMS)), results };
        order.send(pieces).map_err(|_| Stopped)?;
        jobs.send(job).map_err(|_| Stopped)
    };
    let mut references = 0;
    for item in merge.by_ref() {
        let item = item?;
        references += u64::from(match &item {
            Item::Listed(_) => true,
            Item::Found(_, source) => *source >= caches.len() && is_file(&item),
            _ => false,
        });
        let cached = match &item {
            Item::Found(found, source) if is_file(&item) => caches.get_mut(*source).and_then(|cache| cache.find(below(&found.path, at))),
            _ => None,
        };
        items.push((item, cached));
        if items.len() == JOB_ITEMS && hand(&mut items).is_err() {
            return Ok(Walked::default());
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
    let kept_files = merge.kept_files();
    Ok(Walked { left_out: merge.left_out(), references, kept_files })
}

fn is_file(item: &Item) -> bool {
    match item {
        Item::Found(found, _) => matches!(found.kind, FoundKind::File { .. }),
        Item::Stream(_) => true,
        Item::Listed(_) | Item::Base(_) | Item::BasePage(_) => false,
    }
}

fn read_jobs(jobs: &Receiver<Job>, reader: &ItemReader<'_>, given: &Mutex<Option<Given>>) -> Result<()> {
    let mut take_stream = || match given.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(Given::Stream(stream)) => Some(stream),
        _ => None,
    };
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
