//! Reads the entries of a version and the bytes of its files, on every thread, and hands them to one taker
//! in order. Each job has its own queue, and these are emptied in the order of the entries, so memory is bounded.

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::context::Context;
use crate::error::{Error, Result, damaged};
use crate::format::manifest::{ChunkList, Entry};
use crate::format::path::EntryPath;
use crate::id::{FileDigest, PageId};
use crate::ops::blocks::BlockReader;
use crate::ops::restore::survey::is_wanted;
use crate::store::Store;

/// Entries and bytes of one job: a block serves neighbours, so they are read by one thread.
const JOB_ENTRIES: usize = 64;
const JOB_BYTES: u64 = 4 << 20;
/// Pieces of a job that may wait: all of a short one, so that its thread can go on.
const PIECES_WAITING: usize = 256;
/// Bytes of a piece, as far as chunks do not divide.
const PIECE_LEN: usize = 64 << 10;

/// What is handed over.
pub(super) enum Piece<'p> {
    /// An entry begins; the bytes of a file follow.
    Entry(Entry),
    Bytes(&'p [u8]),
    /// A file ends.
    End,
}

enum Sent {
    Entry(Entry),
    Bytes(Vec<u8>),
    End,
}

struct Job {
    entries: Vec<Entry>,
    results: Sender<Result<Sent>>,
}

/// Gives `take` all wanted entries of a manifest, in order.
pub(super) fn read_all<E: From<Error>>(
    store: &Store,
    context: &Context<'_>,
    manifest: PageId,
    prefixes: &[EntryPath],
    take: &mut dyn FnMut(Piece<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let threads = context.threads.max(1);
    let (job_in, job_out) = bounded::<Job>(threads);
    let (order_in, order_out) = bounded::<Receiver<Result<Sent>>>(2 * threads);
    let (give_back, spare) = bounded::<Vec<u8>>(4 * PIECES_WAITING);
    std::thread::scope(|scope| {
        let walker = scope.spawn(move || walk(store, context, manifest, prefixes, &job_in, &order_in));
        for _ in 0..threads {
            let (jobs, spare) = (job_out.clone(), spare.clone());
            scope.spawn(move || read_jobs(store, &jobs, &spare));
        }
        drop(job_out);
        for results in order_out {
            for sent in results {
                match sent? {
                    Sent::Entry(entry) => take(Piece::Entry(entry))?,
                    Sent::Bytes(bytes) => {
                        take(Piece::Bytes(&bytes))?;
                        let _ = give_back.try_send(bytes);
                    }
                    Sent::End => take(Piece::End)?,
                }
            }
        }
        walker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(E::from)
    })
}

/// Makes jobs of the entries; ends early if nobody takes them any more.
fn walk(
    store: &Store,
    context: &Context<'_>,
    manifest: PageId,
    prefixes: &[EntryPath],
    jobs: &Sender<Job>,
    order: &Sender<Receiver<Result<Sent>>>,
) -> Result<()> {
    let (mut entries, mut bytes) = (Vec::new(), 0);
    let hand = |entries: &mut Vec<Entry>, bytes: &mut u64| {
        context.progress.expect(entries.iter().filter(|entry| entry.file().is_some()).count() as u64, std::mem::take(bytes));
        let (results, pieces) = bounded(PIECES_WAITING);
        order.send(pieces).is_ok() && jobs.send(Job { entries: std::mem::take(entries), results }).is_ok()
    };
    for entry in store.entries(manifest)? {
        let entry = entry?;
        if !is_wanted(&entry, prefixes) {
            continue;
        }
        bytes += entry.file().map_or(0, |body| body.size_bytes);
        entries.push(entry);
        if (entries.len() == JOB_ENTRIES || bytes >= JOB_BYTES) && !hand(&mut entries, &mut bytes) {
            return Ok(());
        }
    }
    hand(&mut entries, &mut bytes);
    context.progress.all_expected();
    Ok(())
}

fn read_jobs(store: &Store, jobs: &Receiver<Job>, spare: &Receiver<Vec<u8>>) {
    let mut blocks = BlockReader::new();
    for Job { entries, results } in jobs {
        for entry in entries {
            match read(store, entry, &mut blocks, &results, spare) {
                Ok(true) => {}
                // Nobody takes it any more.
                Ok(false) => return,
                Err(error) => {
                    let _ = results.send(Err(error));
                    return;
                }
            }
        }
    }
}

/// Sends an entry and its bytes; false if nobody takes them.
fn read(store: &Store, entry: Entry, blocks: &mut BlockReader, results: &Sender<Result<Sent>>, spare: &Receiver<Vec<u8>>) -> Result<bool> {
    let send = |sent| results.send(Ok(sent)).is_ok();
    let Some(body) = entry.file().cloned() else { return Ok(send(Sent::Entry(entry))) };
    let path = entry.path.clone();
    // The only chunk of a short file is named by the file's digest.
    let mut hasher = (body.chunks != ChunkList::Whole || body.size_bytes == 0).then(blake3::Hasher::new);
    let mut is_taken = send(Sent::Entry(entry));
    store.chunk_runs(&path, &body, &mut |run| {
        let bytes = blocks.chunk(store, &run)?;
        for _ in 0..run.count {
            if let Some(hasher) = &mut hasher {
                hasher.update(bytes);
            }
            for piece in bytes.chunks(PIECE_LEN) {
                let mut buffer = spare.try_recv().unwrap_or_default();
                buffer.clear();
                buffer.extend_from_slice(piece);
                is_taken = is_taken && send(Sent::Bytes(buffer));
            }
            if !is_taken {
                // Ends the reading; the taker has its own reason.
                return Err(Error::failed("nobody takes what is read"));
            }
        }
        Ok(())
    })?;
    match hasher {
        Some(hasher) if FileDigest::from(hasher.finalize()) != body.digest => {
            Err(damaged("file", &path.to_string(), "its chunks do not add up to its digest"))
        }
        _ => Ok(is_taken && send(Sent::End)),
    }
}
