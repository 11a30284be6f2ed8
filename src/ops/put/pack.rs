//! From chunks that are new to published packs: compress, append, publish.
//!
//! With several threads these are three stages side by side; with one, the gathering thread does
//! them itself, and every call that changes the store is made by it, in one order.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::gather::GatherError;
use super::read::Pool;
use crate::chunk::compress::{Codec, Encoder};
use crate::error::Result;
use crate::format::pack::PackClass;
use crate::id::ChunkId;
use crate::pack::writer::{BlockChunk, FinishedPack, PackWriter};
use crate::store::session::Session;

/// Chunks that are on their way into a pack that is not published yet, and the bytes of those
/// that are.
#[derive(Default)]
pub(super) struct Pending {
    chunks: Mutex<HashSet<ChunkId>>,
    published_bytes: AtomicU64,
}

/// A block on its way to be compressed, and where the result goes.
pub(super) struct RawBlock {
    raw: Vec<u8>,
    chunks: Vec<BlockChunk>,
    done: Sender<Block>,
}

/// A block as it is stored.
pub(super) struct Block {
    codec: Codec,
    raw: Vec<u8>,
    stored: Vec<u8>,
    chunks: Vec<BlockChunk>,
}

/// Where the gatherer's blocks go.
pub(super) enum BlockSink<'g, 'a> {
    /// To the stages on other threads.
    Piped {
        /// To be compressed.
        blocks: Sender<RawBlock>,
        /// The results, in order, to be appended.
        order: Sender<Receiver<Block>>,
    },
    /// Into a pack at once.
    Inline(Box<Inline<'g, 'a>>),
}

/// All stages on one thread.
pub(super) struct Inline<'g, 'a> {
    encoder: Encoder,
    appender: Appender<'g, 'a>,
    pending: &'g Pending,
}

/// Appends blocks to packs.
pub(super) struct Appender<'g, 'a> {
    session: &'g Session<'a>,
    pool: Pool,
    open: Option<PackWriter>,
}

impl Pending {
    pub(super) fn contains(&self, id: ChunkId) -> bool {
        self.lock().contains(&id)
    }

    pub(super) fn insert(&self, id: ChunkId) {
        self.lock().insert(id);
    }

    pub(super) fn published_bytes(&self) -> u64 {
        self.published_bytes.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<ChunkId>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'g, 'a> BlockSink<'g, 'a> {
    pub(super) fn inline(session: &'g Session<'a>, pool: Pool, pending: &'g Pending) -> BlockSink<'g, 'a> {
        BlockSink::Inline(Box::new(Inline { encoder: Encoder::new(), appender: Appender::new(session, pool), pending }))
    }

    /// Takes a block.
    pub(super) fn add(&mut self, raw: Vec<u8>, chunks: Vec<BlockChunk>, pool: &Pool) -> Result<(), GatherError> {
        match self {
            BlockSink::Piped { blocks, order } => {
                let (done, result) = bounded(1);
                order.send(result).map_err(|_| GatherError::Stopped)?;
                blocks.send(RawBlock { raw, chunks, done }).map_err(|_| GatherError::Stopped)
            }
            BlockSink::Inline(inline) => {
                let block = encode(&mut inline.encoder, raw, chunks, pool);
                match inline.appender.add(block)? {
                    Some(full) => Ok(publish(inline.appender.session, full, inline.pending)?),
                    None => Ok(()),
                }
            }
        }
    }

    /// Ends the last pack, if that is done here.
    pub(super) fn finish(self) -> Result<()> {
        match self {
            BlockSink::Inline(mut inline) => match inline.appender.end()? {
                Some(last) => publish(inline.appender.session, last, inline.pending),
                None => Ok(()),
            },
            BlockSink::Piped { .. } => Ok(()),
        }
    }
}

impl<'g, 'a> Appender<'g, 'a> {
    fn new(session: &'g Session<'a>, pool: Pool) -> Appender<'g, 'a> {
        Appender { session, pool, open: None }
    }

    /// Appends a block; returns the pack if it is full.
    fn add(&mut self, block: Block) -> Result<Option<FinishedPack>> {
        let Block { codec, raw, stored, chunks } = block;
        let mut pack = match self.open.take() {
            Some(pack) => pack,
            None => PackWriter::new(PackClass::Data, self.session.disk().draft()?)?,
        };
        let payload = if codec == Codec::Raw { &raw } else { &stored };
        pack.add_block(codec.id(), raw.len(), payload, &chunks)?;
        self.pool.give(raw);
        self.pool.give(stored);
        if pack.is_full() {
            return pack.finish().map(Some);
        }
        self.open = Some(pack);
        Ok(None)
    }

    fn end(&mut self) -> Result<Option<FinishedPack>> {
        self.open.take().map(PackWriter::finish).transpose()
    }
}

/// Compresses blocks: the third stage, on every thread.
pub(super) fn compress(blocks: &Receiver<RawBlock>, pool: &Pool) {
    let mut encoder = Encoder::new();
    for RawBlock { raw, chunks, done } in blocks {
        if done.send(encode(&mut encoder, raw, chunks, pool)).is_err() {
            return;
        }
    }
}

/// Appends blocks to packs in order: the fourth stage, on one thread.
pub(super) fn append(session: &Session<'_>, order: &Receiver<Receiver<Block>>, pool: &Pool, packs: &Sender<FinishedPack>) -> Result<()> {
    let mut appender = Appender::new(session, pool.clone());
    for result in order {
        let Ok(block) = result.recv() else { return Ok(()) };
        if let Some(full) = appender.add(block)?
            && packs.send(full).is_err()
        {
            return Ok(());
        }
    }
    if let Some(last) = appender.end()? {
        // The stage behind says itself why it is gone.
        let _ = packs.send(last);
    }
    Ok(())
}

/// Publishes packs: the last stage, on one thread, so that syncing overlaps with writing.
pub(super) fn publish_all(session: &Session<'_>, packs: &Receiver<FinishedPack>, pending: &Pending) -> Result<()> {
    packs.iter().try_for_each(|pack| publish(session, pack, pending))
}

fn publish(session: &Session<'_>, pack: FinishedPack, pending: &Pending) -> Result<()> {
    pending.published_bytes.fetch_add(pack.len, Ordering::Relaxed);
    let ids: Vec<ChunkId> = (0..pack.table.chunk_count()).map(|row| ChunkId::from_bytes(*pack.table.hash(row))).collect();
    session.publish(pack)?;
    let mut chunks = pending.lock();
    for id in ids {
        chunks.remove(&id);
    }
    Ok(())
}

fn encode(encoder: &mut Encoder, raw: Vec<u8>, chunks: Vec<BlockChunk>, pool: &Pool) -> Block {
    let mut stored = pool.take();
    let codec = encoder.encode(&raw, &mut stored);
    Block { codec, raw, stored, chunks }
}
