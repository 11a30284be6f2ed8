//! Writes files from packs: in the order of the packs, so that each block is read and decoded
//! once, on all threads, in windows so that memory is bounded.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::dest::{Dest, temp_beside};
use crate::chunk::compress::Decoder;
use crate::context::Context;
use crate::error::{Error, Result, damaged};
use crate::format::manifest::{ChunkRun, FileBody};
use crate::format::pack::BlockRow;
use crate::format::path::EntryPath;
use crate::id::ChunkId;
use crate::pack::reader::{Pack, PackFile};
use crate::store::Store;

/// Places in one window: some 3 MB of plan, for up to 1 GB of files.
const WINDOW_PLACES: usize = 1 << 14;
/// Chunk data in one job, so that threads share the work evenly.
const JOB_BYTES: u64 = 1 << 20;
/// Long files that are held open at once.
const OPEN_FILES_MAX: usize = 128;

/// Whether files are written under their final names at once, or beside and renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Into a directory that is not yet under its final name.
    Fresh,
    /// Into one that is in use: a file under its final name is whole.
    InUse,
}

/// A file to write.
struct Target {
    path: EntryPath,
    /// The name it is written under.
    temp: EntryPath,
    executable: bool,
    size_bytes: u64,
    /// How many places are still to be written; a file of one place needs no further state.
    left: AtomicUsize,
    file: Mutex<Handle>,
}

enum Handle {
    NotMade,
    Open(File),
    /// Made, but closed because too many are open.
    Closed,
}

/// Where a chunk goes.
struct Place {
    pack: u32,
    block: BlockRow,
    offset: u32,
    len: u32,
    target: u32,
    count: u64,
    at: u64,
    chunk: ChunkId,
}

impl Place {
    /// Tells blocks apart, and sorts them as they lie.
    fn block_key(&self) -> (u32, u32) {
        (self.pack, self.block.offset)
    }
}

/// Collects files and writes them, a window at a time.
pub(super) struct Filler<'f> {
    store: &'f Store,
    dest: &'f Dest,
    context: &'f Context<'f>,
    mode: Mode,
    targets: Vec<Target>,
    places: Vec<Place>,
    packs: Vec<Option<Arc<Pack>>>,
    temps: u64,
    open: AtomicUsize,
}

impl<'f> Filler<'f> {
    pub(super) fn new(store: &'f Store, dest: &'f Dest, context: &'f Context<'f>, mode: Mode) -> Filler<'f> {
        Filler {
            store,
            dest,
            context,
            mode,
            targets: Vec::new(),
            places: Vec::new(),
            packs: Vec::new(),
            temps: 0,
            open: AtomicUsize::new(0),
        }
    }

    /// Plans a file.
    pub(super) fn add(&mut self, path: EntryPath, body: &FileBody) -> Result<()> {
        let temp = match self.mode {
            Mode::Fresh => path.clone(),
            Mode::InUse => {
                self.temps += 1;
                temp_beside(&path, self.temps)?
            }
        };
        self.targets.push(Target {
            path: path.clone(),
            temp,
            executable: body.executable,
            size_bytes: body.size_bytes,
            // One more than its places, until all of them are planned.
            left: AtomicUsize::new(1),
            file: Mutex::new(Handle::NotMade),
        });
        let store = self.store;
        let mut at = 0;
        store.chunk_runs(&path, body, &mut |run| {
            self.place(run, at)?;
            at += u64::from(run.len) * run.count;
            if self.places.len() < WINDOW_PLACES { Ok(()) } else { self.flush_but_last() }
        })?;
        self.end_last()?;
        if self.targets.len() >= WINDOW_PLACES { self.flush() } else { Ok(()) }
    }

    /// Lets the newest file be finished once its places are written, which they may be already.
    fn end_last(&self) -> Result<()> {
        let Some(target) = self.targets.last() else { return Ok(()) };
        if target.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return Ok(());
        }
        let mut dest = self.dest.again()?;
        if target.size_bytes == 0 {
            drop(dest.create(&target.temp, target.executable)?);
        }
        self.finish(&mut dest, target).inspect_err(|_| self.remove_temps())
    }

    /// Plans a run of the newest file.
    fn place(&mut self, run: ChunkRun, at: u64) -> Result<()> {
        let ChunkRun { chunk, len, count } = run;
        let location = self.store.locate_chunk(chunk)?;
        if location.row.len != len {
            return Err(damaged("chunk", &chunk.short(16), "its length is not what the version says"));
        }
        let pack = location.pack_number;
        if self.packs.len() <= pack as usize {
            self.packs.resize(pack as usize + 1, None);
        }
        self.packs[pack as usize] = Some(location.pack);
        let target = self.targets.len() as u32 - 1;
        self.targets[target as usize].left.fetch_add(1, Ordering::AcqRel);
        self.places.push(Place { pack, block: location.block, offset: location.row.offset, len, target, count, at, chunk });
        Ok(())
    }

    /// Writes all that is planned.
    pub(super) fn flush(&mut self) -> Result<()> {
        let written = self.write_planned();
        if written.is_err() {
            self.remove_temps();
        }
        self.places.clear();
        self.targets.clear();
        written
    }

    /// Writes all that is planned, of the newest file only what was planned so far.
    fn flush_but_last(&mut self) -> Result<()> {
        self.write_planned().inspect_err(|_| self.remove_temps())?;
        self.places.clear();
        self.targets.drain(..self.targets.len() - 1);
        Ok(())
    }

    /// Removes what is not under its final name; what cannot be removed is told by the error that
    /// led here.
    fn remove_temps(&self) {
        let Ok(mut dest) = self.dest.again() else { return };
        for target in self.targets.iter().filter(|target| target.temp != target.path) {
            let _ = dest.remove(&target.temp);
        }
    }

    fn write_planned(&mut self) -> Result<()> {
        self.places.sort_unstable_by_key(|place| (place.pack, place.block.offset, place.offset, place.target, place.at));
        let jobs = self.jobs();
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let this = &*self;
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..this.context.threads.max(1).min(jobs.len()))
                .map(|_| {
                    scope.spawn(|| {
                        let result = this.work(&jobs, &next, &failed);
                        if result.is_err() {
                            failed.store(true, Ordering::Relaxed);
                        }
                        result
                    })
                })
                .collect();
            let results: Vec<Result<()>> =
                workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect();
            results.into_iter().collect::<Result<()>>()
        })
    }

    /// Cuts the sorted places into jobs, never within a block.
    fn jobs(&self) -> Vec<std::ops::Range<usize>> {
        let (mut jobs, mut start, mut bytes) = (Vec::new(), 0, 0);
        for at in 1..=self.places.len() {
            bytes += u64::from(self.places[at - 1].len);
            let ends_block = self.places.get(at).is_none_or(|next| next.block_key() != self.places[at - 1].block_key());
            if ends_block && (bytes >= JOB_BYTES || at == self.places.len()) {
                jobs.push(start..at);
                (start, bytes) = (at, 0);
            }
        }
        jobs
    }

    fn work(&self, jobs: &[std::ops::Range<usize>], next: &AtomicUsize, failed: &AtomicBool) -> Result<()> {
        let mut dest = self.dest.again()?;
        let mut decoder = Decoder::new();
        let mut raw = Vec::new();
        let mut open: Option<(u32, Option<PackFile<'_>>)> = None;
        while !failed.load(Ordering::Relaxed) {
            let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            for places in self.places[job.clone()].chunk_by(|a, b| a.block_key() == b.block_key()) {
                let number = places[0].pack;
                let file = match &mut open {
                    Some((open, file)) if *open == number => file,
                    _ => {
                        let pack = self.packs[number as usize].as_deref().ok_or_else(|| Error::failed("cannot find a pack of the plan"))?;
                        // One that was removed meanwhile has left what is needed in another.
                        &mut open.insert((number, pack.file().ok())).1
                    }
                };
                self.block(file.as_mut(), places, &mut dest, &mut decoder, &mut raw)?;
            }
        }
        Ok(())
    }

    /// Writes all chunks of one block to their places.
    fn block(
        &self,
        mut file: Option<&mut PackFile<'_>>,
        places: &[Place],
        dest: &mut Dest,
        decoder: &mut Decoder,
        raw: &mut Vec<u8>,
    ) -> Result<()> {
        let row = places[0].block;
        // From a raw block, from which little is needed, only that is read.
        let needed: u64 = places.chunk_by(|a, b| a.offset == b.offset).map(|same| u64::from(same[0].len)).sum();
        let in_parts = row.header.codec == 0 && needed * 2 < u64::from(row.header.raw_len);
        // What cannot be had from this pack is looked for in the others.
        let block_is_readable = !in_parts && file.as_mut().is_some_and(|file| file.read_block(&row, decoder, raw).is_ok());
        for same in places.chunk_by(|a, b| a.offset == b.offset) {
            let (offset, len) = (same[0].offset as usize, same[0].len as usize);
            let here = if in_parts {
                let part = file.as_mut().map(|file| file.read_part(&row, same[0].offset, same[0].len, decoder, raw));
                part.filter(Result::is_ok).map(|_| &raw[..])
            } else {
                Some(&raw[..]).filter(|_| block_is_readable).and_then(|raw| raw.get(offset..offset + len))
            };
            let elsewhere;
            let bytes = match here.filter(|bytes| ChunkId::of(bytes) == same[0].chunk) {
                Some(bytes) => bytes,
                None => {
                    let path = &self.targets[same[0].target as usize].path;
                    elsewhere = self.store.read_chunk(same[0].chunk).map_err(|error| error.within(format!("cannot restore {path}")))?;
                    &elsewhere[..]
                }
            };
            for place in same {
                self.write(place, bytes, dest)?;
            }
        }
        Ok(())
    }

    fn write(&self, place: &Place, bytes: &[u8], dest: &mut Dest) -> Result<()> {
        let target = &self.targets[place.target as usize];
        let written = u64::from(place.len) * place.count;
        if written == target.size_bytes && place.count == 1 {
            let mut file = dest.create(&target.temp, target.executable)?;
            file.write_all(bytes).map_err(|e| Error::io("write", &dest.shown(&target.path), e))?;
        } else {
            self.write_part(target, place, bytes, dest)?;
        }
        self.context.progress.advance(0, written);
        if target.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish(dest, target)?;
        }
        Ok(())
    }

    /// Writes a chunk of a long file. Zeros stay holes.
    fn write_part(&self, target: &Target, place: &Place, bytes: &[u8], dest: &mut Dest) -> Result<()> {
        let failed = |dest: &Dest, e| Error::io("write", &dest.shown(&target.path), e);
        let mut handle = target.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Handle::NotMade = *handle {
            let file = dest.create(&target.temp, target.executable)?;
            file.set_len(target.size_bytes).map_err(|e| failed(dest, e))?;
            self.open.fetch_add(1, Ordering::Relaxed);
            *handle = Handle::Open(file);
        } else if let Handle::Closed = *handle {
            self.open.fetch_add(1, Ordering::Relaxed);
            *handle = Handle::Open(dest.reopen(&target.temp)?);
        }
        if let Handle::Open(file) = &*handle
            && !bytes.iter().all(|&byte| byte == 0)
        {
            // A few bytes of a manifest can ask for more than any disk has: then it is not filled first.
            let needed = u64::from(place.len).saturating_mul(place.count);
            if place.count > 1 && rustix::fs::fstatvfs(file).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < needed) {
                return Err(failed(dest, rustix::io::Errno::NOSPC.into()));
            }
            for number in 0..place.count {
                file.write_all_at(bytes, place.at + number * u64::from(place.len)).map_err(|e| failed(dest, e))?;
            }
        }
        if self.open.load(Ordering::Relaxed) > OPEN_FILES_MAX {
            self.open.fetch_sub(1, Ordering::Relaxed);
            *handle = Handle::Closed;
        }
        Ok(())
    }

    fn finish(&self, dest: &mut Dest, target: &Target) -> Result<()> {
        let mut handle = target.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Handle::Open(_) = *handle {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        *handle = Handle::Closed;
        if self.mode == Mode::InUse {
            dest.rename(&target.temp, &target.path)?;
        }
        self.context.progress.advance(1, 0);
        Ok(())
    }
}
