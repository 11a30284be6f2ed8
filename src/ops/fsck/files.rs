//! Files of several chunks hashed whole, each distinct one once, on every thread: that all chunks
//! are right does not tell that they are the file's.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::context::Context;
use crate::format::limits::CHUNK_LEN_MAX;
use crate::format::manifest::{ChunkList, ChunkRun, FileBody, Page};
use crate::format::path::EntryPath;
use crate::id::{ChunkId, FileDigest};
use crate::refs::history::Version;
use crate::store::Store;
use crate::store::census::Census;

use super::blocks::Blocks;
use super::doubts::entries_of;
use super::marks::Marks;
use super::pages::{Pages, children};
use super::parts::{PART_LEN, Parts, count_of};
use super::verdict::roots;

/// A file longer than this is not hashed: a few bytes of manifest can claim any length.
pub(super) const FILE_LEN_MAX: u64 = 1 << 42;
/// Parts that wait for a thread.
const QUEUE: usize = 64;

/// What was found of the files.
#[derive(Default)]
pub(super) struct Files {
    /// Those that do not hash to their digests.
    pub(super) wrong: HashSet<FileDigest>,
    /// Those that are too long to be hashed.
    pub(super) too_long: Vec<EntryPath>,
}

/// A file that is being hashed.
struct Target {
    digest: FileDigest,
    parts: Parts,
}

/// A part of a file.
struct Part {
    target: Arc<Target>,
    number: usize,
    /// Bytes of the first chunk that belong to the part before.
    skip: u64,
    len: u64,
    runs: Vec<ChunkRun>,
}

/// Hashes the files of versions, and marks each chunk that was found good on the way.
pub(super) fn check<'v>(
    store: &Store,
    census: &Census,
    pages: Pages<'_>,
    versions: impl Iterator<Item = &'v Version>,
    marks: &Marks,
    context: &Context<'_>,
) -> Files {
    let (found, seen) = (Mutex::new(Files::default()), Mutex::new(HashSet::new()));
    let (queue, parts) = bounded::<Part>(QUEUE);
    let threads = context.threads.max(1);
    let work = |parts: &Receiver<Part>| {
        let mut blocks = Blocks::new(census);
        for part in parts {
            context.progress.advance(0, part.len);
            if let Some(false) = hash_part(&part, census, &mut blocks, marks) {
                found.lock().unwrap_or_else(PoisonError::into_inner).wrong.insert(part.target.digest);
            }
        }
    };
    std::thread::scope(|scope| {
        let queue = queue;
        for _ in 0..threads {
            let parts = parts.clone();
            scope.spawn(move || work(&parts));
        }
        pages.visit(versions.flat_map(roots), 1, &|some, read| {
            let good: Vec<Page> = some.iter().filter_map(|&key| read(key).ok()).collect();
            for entry in good.iter().flat_map(entries_of) {
                let Some(body) = entry.file().filter(|body| body.chunks != ChunkList::Whole) else { continue };
                if !seen.lock().unwrap_or_else(PoisonError::into_inner).insert(body.digest) {
                    continue;
                }
                if body.size_bytes > FILE_LEN_MAX {
                    found.lock().unwrap_or_else(PoisonError::into_inner).too_long.push(entry.path.clone());
                    continue;
                }
                context.progress.expect(0, body.size_bytes);
                // What its chunk list lacks is told where the lists are checked.
                let _ = cut(store, &entry.path, body, &queue);
            }
            good.iter().flat_map(children).collect()
        });
        // The threads end when nobody can queue any more.
        drop(queue);
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Cuts a file into parts and queues them.
fn cut(store: &Store, path: &EntryPath, body: &FileBody, queue: &Sender<Part>) -> crate::error::Result<()> {
    let parts = count_of(body.size_bytes);
    let target = Arc::new(Target { digest: body.digest, parts: Parts::of_len(body.size_bytes) });
    let new_part = |number: usize, skip: u64| {
        let len = (body.size_bytes - number as u64 * PART_LEN).min(PART_LEN);
        Part { target: Arc::clone(&target), number, skip, len, runs: Vec::new() }
    };
    let (mut part, mut filled, mut number) = (new_part(0, 0), 0, 0);
    store.chunk_runs(path, body, &mut |run| {
        let mut left = run.count;
        let len = u64::from(run.len);
        while left > 0 {
            // As many as the part takes, the last of them perhaps in part.
            let count = left.min((part.len - filled).div_ceil(len));
            part.runs.push(ChunkRun { count, ..run });
            filled += count * len;
            left -= count;
            if filled >= part.len {
                number += 1;
                let over = filled - part.len;
                let done = std::mem::replace(&mut part, if number < parts { new_part(number, 0) } else { new_part(0, 0) });
                // Nobody takes it only if a thread has panicked, which the scope tells.
                let _ = queue.send(done);
                filled = 0;
                if over > 0 {
                    // The chunk that reaches into the next part is read for both.
                    part.skip = len - over;
                    part.runs.push(ChunkRun { count: 1, ..run });
                    filled = over;
                }
            }
        }
        Ok(())
    })
}

/// Hashes a part; returns whether the file is right once all parts are hashed, none before that
/// or if a chunk cannot be had.
fn hash_part(part: &Part, census: &Census, blocks: &mut Blocks<'_>, marks: &Marks) -> Option<bool> {
    let mut hasher = part.target.parts.hasher(part.number);
    let (mut skip, mut left) = (part.skip as usize, part.len as usize);
    for run in &part.runs {
        let bytes = chunk(run, census, blocks, marks)?;
        for _ in 0..run.count {
            let bytes = bytes.get(skip..)?;
            let taken = bytes.len().min(left);
            hasher.update(&bytes[..taken]);
            (skip, left) = (0, left - taken);
        }
    }
    let hash = part.target.parts.finish(part.number, &hasher)?;
    Some(FileDigest::from(hash) == part.target.digest)
}

/// Reads a chunk from the first place that has it whole, and marks the place.
fn chunk<'b>(run: &ChunkRun, census: &Census, blocks: &'b mut Blocks<'_>, marks: &Marks) -> Option<&'b [u8]> {
    debug_assert!(run.len as usize <= CHUNK_LEN_MAX);
    let mut good = None;
    for place in census.find(run.chunk.as_bytes()) {
        let is_good = |bytes: &[u8]| bytes.len() == run.len as usize && (marks.has(place) || ChunkId::of(bytes) == run.chunk);
        if blocks.at(place).is_ok_and(is_good) {
            good = Some(place);
            break;
        }
    }
    let place = good?;
    marks.set(place);
    // It is the block that was kept.
    blocks.at(place).ok()
}
