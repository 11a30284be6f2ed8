//! Reads, cuts and hashes what was found: the first stage of the pipeline, on every thread.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender};
use rustix::fs::{Mode, OFlags};

use super::feed::{Fed, Feed};
use super::merge::Item;
use super::reference::{self, LocalReference};
use super::stat_cache::{Row, Stat};
use super::walk::{Found, FoundKind};
use crate::chunk::cut::{CHUNK_LEN_MAX, next_cut};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::limits::SYMLINK_LEN_MAX;
use crate::format::manifest::EntryKind;
use crate::format::path::{Bytes, EntryPath};
use crate::id::{ChunkId, FileDigest};
use crate::quote::quote_path;
use crate::store::draft::Subtree;

/// How much is read at a time.
const READ_LEN: usize = 1 << 20;

/// Entries without bytes that may wait in a piece.
const MARKS_WAITING: usize = 1024;

/// A run of items for one thread, and where their results go, in order.
pub(super) struct Job {
    pub(super) items: Vec<(Item, Option<Row>)>,
    pub(super) results: Sender<Piece>,
}

/// A piece of the results of a job: chunks in order, and the entries that end among them.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) chunks: Vec<(ChunkId, u32)>,
    pub(super) marks: Vec<(usize, Mark)>,
}

/// What happens before the chunk of a number.
#[derive(Debug)]
pub(super) enum Mark {
    /// The file that the chunks belong to has to be read again: forget its chunks.
    Restart,
    /// A file ends, all of whose chunks came just before.
    File { path: EntryPath, executable: bool, size_bytes: u64, digest: FileDigest, cache: Option<(usize, Stat)> },
    /// An entry without chunks of its own here.
    Known { path: EntryPath, kind: EntryKind, cache: Option<(usize, Stat)> },
    /// A page of the base, with all below it.
    Page(Subtree),
    /// A path that gets the file which another path of the archive has.
    Link { path: EntryPath, to: EntryPath },
}

/// Buffers that go round the pipeline, so that none is allocated twice.
#[derive(Clone)]
pub(super) struct Pool {
    give: Sender<Vec<u8>>,
    take: Receiver<Vec<u8>>,
}

impl Pool {
    pub(super) fn new() -> Pool {
        let (give, take) = crossbeam_channel::bounded(64);
        Pool { give, take }
    }

    pub(super) fn take(&self) -> Vec<u8> {
        self.take.try_recv().unwrap_or_default()
    }

    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        // A full pool needs no more.
        let _ = self.give.try_send(buffer);
    }
}

/// Reads the items of jobs.
pub(super) struct ItemReader<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) pool: Pool,
    /// The file system's time when the first file was opened.
    pub(super) opened_at: SystemTime,
    /// For each source, how far back times must lie to be believed.
    pub(super) margins: &'a [Duration],
    /// What files of the sources after those with margins are recorded as, and not stored.
    pub(super) references: &'a [LocalReference],
    /// Whether the chunks of a file that did not change may be relied on.
    pub(super) is_here: &'a (dyn Fn(usize, &Row) -> Result<bool> + Sync),
}

/// The receiver of a job's results is gone: another stage has failed and says why.
pub(super) struct Stopped;

/// Results on their way out.
struct Output<'o> {
    piece: Piece,
    results: &'o Sender<Piece>,
    pool: &'o Pool,
}

impl Output<'_> {
    fn chunk(&mut self, id: ChunkId, bytes: &[u8]) -> Result<(), ReadError> {
        if self.piece.bytes.len() + bytes.len() > READ_LEN && !self.piece.bytes.is_empty() {
            self.flush()?;
        }
        self.piece.bytes.extend_from_slice(bytes);
        self.piece.chunks.push((id, bytes.len() as u32));
        Ok(())
    }

    fn mark(&mut self, mark: Mark) {
        self.piece.marks.push((self.piece.chunks.len(), mark));
    }

    fn flush(&mut self) -> Result<(), ReadError> {
        let next = Piece { bytes: self.pool.take(), ..Piece::default() };
        let piece = std::mem::replace(&mut self.piece, next);
        self.results.send(piece).map_err(|_| ReadError::Stopped)
    }
}

enum ReadError {
    Stopped,
    Failed(Error),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> ReadError {
        ReadError::Failed(error)
    }
}

impl ItemReader<'_> {
    /// Works off a job. `stream` is what `-` reads from.
    pub(super) fn run(&self, job: Job, stream: &mut dyn FnMut() -> Option<Box<dyn Read + Send>>) -> Result<Result<(), Stopped>> {
        let mut output = Output { piece: Piece { bytes: self.pool.take(), ..Piece::default() }, results: &job.results, pool: &self.pool };
        let all = || -> Result<(), ReadError> {
            for (item, cached) in job.items {
                match item {
                    Item::Base(entry) | Item::Listed(entry) => output.mark(Mark::Known { path: entry.path, kind: entry.kind, cache: None }),
                    Item::BasePage(subtree) => output.mark(Mark::Page(subtree)),
                    Item::Found(found, source) => self.found(found, source, cached, &mut output)?,
                    Item::Stream(path) => self.stream(path, stream(), &mut output)?,
                }
            }
            output.flush()
        };
        match all() {
            Ok(()) => Ok(Ok(())),
            Err(ReadError::Stopped) => Ok(Err(Stopped)),
            Err(ReadError::Failed(error)) => Err(error),
        }
    }

    /// Reads an archive from front to end.
    pub(super) fn archive(&self, mut feed: Box<dyn Feed>, results: &Sender<Piece>) -> Result<()> {
        let mut output = Output { piece: Piece { bytes: self.pool.take(), ..Piece::default() }, results, pool: &self.pool };
        feed.each(&mut |path, fed| match self.fed(path, fed, &mut output) {
            Ok(()) => Ok(true),
            Err(ReadError::Stopped) => Ok(false),
            Err(ReadError::Failed(error)) => Err(error),
        })?;
        // The stage behind says itself why it is gone.
        let _ = output.flush();
        self.context.progress.all_expected();
        Ok(())
    }

    /// Takes an entry of an archive.
    fn fed(&self, path: EntryPath, fed: Fed<'_>, output: &mut Output<'_>) -> Result<(), ReadError> {
        match fed {
            Fed::File { executable, size_bytes, mut source } => {
                self.context.progress.expect(1, size_bytes);
                let shown = Path::new(OsStr::from_bytes(path.as_bytes()));
                let (read, digest) = self.bytes(&mut source, size_bytes, shown, output)?;
                if read != size_bytes {
                    let why = format!("cannot import {}: it is not as long as the archive says", quote_path(shown));
                    return Err(Error::failed(why).hint("nothing was stored; get the archive again").into());
                }
                self.context.progress.advance(1, 0);
                output.mark(Mark::File { path, executable, size_bytes, digest, cache: None });
            }
            Fed::Symlink(target) => output.mark(Mark::Known { path, kind: EntryKind::Symlink(Bytes(target)), cache: None }),
            Fed::Dir => output.mark(Mark::Known { path, kind: EntryKind::EmptyDir, cache: None }),
            Fed::Link(to) => output.mark(Mark::Link { path, to }),
        }
        if output.piece.marks.len() >= MARKS_WAITING { output.flush() } else { Ok(()) }
    }

    fn found(&self, found: Found, source: usize, cached: Option<Row>, output: &mut Output<'_>) -> Result<(), ReadError> {
        let through_link = match found.kind {
            FoundKind::EmptyDir => {
                output.mark(Mark::Known { path: found.path, kind: EntryKind::EmptyDir, cache: None });
                return Ok(());
            }
            FoundKind::Symlink => {
                let target = fs::read_link(&found.disk_path).map_err(|e| Error::io("read the link", &found.disk_path, e))?;
                let target = target.as_os_str().as_bytes().to_vec();
                if target.len() > SYMLINK_LEN_MAX {
                    return Err(
                        Error::failed(format!("cannot store the link {}: its target is too long", quote_path(&found.disk_path))).into()
                    );
                }
                output.mark(Mark::Known { path: found.path, kind: EntryKind::Symlink(Bytes(target)), cache: None });
                return Ok(());
            }
            FoundKind::File { through_link } => through_link,
        };
        if let Some(row) = cached {
            let look = if through_link { fs::metadata(&found.disk_path) } else { fs::symlink_metadata(&found.disk_path) };
            let meta = look.map_err(|e| Error::io("read", &found.disk_path, e))?;
            if Stat::of(&meta) == row.stat && (self.is_here)(source, &row)? {
                let mut body = row.body;
                body.executable = is_executable(&meta);
                self.context.progress.expect(0, body.size_bytes);
                self.context.progress.advance(1, body.size_bytes);
                output.mark(Mark::Known { path: found.path, kind: EntryKind::File(body), cache: Some((source, row.stat)) });
                return Ok(());
            }
        }
        match source.checked_sub(self.margins.len()).and_then(|at| self.references.get(at)) {
            Some(reference) => self.reference(found, reference, through_link, output),
            None => self.file(found, source, through_link, output),
        }
    }

    /// Hashes a file that is recorded and not stored.
    fn reference(&self, found: Found, reference: &LocalReference, through_link: bool, output: &mut Output<'_>) -> Result<(), ReadError> {
        for _ in 0..2 {
            let mut file = open(&found.disk_path, through_link)?;
            let before = stat(&file, &found.disk_path)?;
            if !before.is_file() {
                break;
            }
            self.context.progress.expect(0, before.len());
            let (size_bytes, digest) = reference::hash(&mut file).map_err(|e| Error::io("read", &found.disk_path, e))?;
            let after = stat(&file, &found.disk_path)?;
            if size_bytes == after.len() && Stat::of(&before) == Stat::of(&after) {
                self.context.progress.advance(1, size_bytes);
                let kind = reference.entry_kind(&found.disk_path, size_bytes, digest)?;
                output.mark(Mark::Known { path: found.path, kind, cache: None });
                return Ok(());
            }
        }
        Err(changes(&found.disk_path).into())
    }

    fn file(&self, found: Found, source: usize, through_link: bool, output: &mut Output<'_>) -> Result<(), ReadError> {
        let mut file = open(&found.disk_path, through_link)?;
        let mut before = stat(&file, &found.disk_path)?;
        if !before.is_file() {
            return Err(Error::failed(format!("cannot store {}: it was replaced while it was read", quote_path(&found.disk_path))).into());
        }
        self.context.progress.expect(0, before.len());
        for attempt in 1.. {
            let (size_bytes, digest) = self.bytes(&mut file, before.len(), &found.disk_path, output)?;
            let after = stat(&file, &found.disk_path)?;
            if size_bytes == after.len() && Stat::of(&before) == Stat::of(&after) {
                let stat = Stat::of(&after);
                let cache = Some((source, stat)).filter(|_| stat.is_settled(self.opened_at, self.margins[source]));
                self.context.progress.advance(1, 0);
                output.mark(Mark::File { path: found.path, executable: is_executable(&after), size_bytes, digest, cache });
                return Ok(());
            }
            if attempt == 2 {
                break;
            }
            output.mark(Mark::Restart);
            file = open(&found.disk_path, through_link)?;
            before = stat(&file, &found.disk_path)?;
        }
        Err(changes(&found.disk_path).into())
    }

    fn stream(&self, path: EntryPath, stream: Option<Box<dyn Read + Send>>, output: &mut Output<'_>) -> Result<(), ReadError> {
        let mut stream = stream.ok_or_else(|| Error::usage("standard input can be stored only once"))?;
        let (size_bytes, digest) = self.bytes(&mut stream, 0, Path::new("standard input"), output)?;
        self.context.progress.advance(1, 0);
        output.mark(Mark::File { path, executable: false, size_bytes, digest, cache: None });
        Ok(())
    }

    /// Reads to the end, and gives out the chunks. `expected` is only a guess at the length.
    fn bytes(&self, source: &mut impl Read, expected: u64, path: &Path, output: &mut Output<'_>) -> Result<(u64, FileDigest), ReadError> {
        let mut window = self.pool.take();
        let result = self.bytes_through(&mut window, source, expected, path, output);
        self.pool.give(window);
        result
    }

    fn bytes_through(
        &self,
        window: &mut Vec<u8>,
        source: &mut impl Read,
        expected: u64,
        path: &Path,
        output: &mut Output<'_>,
    ) -> Result<(u64, FileDigest), ReadError> {
        let mut hasher = blake3::Hasher::new();
        let mut total = 0;
        // One byte more than expected shows the end of a file at the first read.
        let mut room = usize::try_from(expected).unwrap_or(READ_LEN).min(READ_LEN - 1) + 1;
        window.clear();
        loop {
            let have = window.len();
            let ended = fill(source, window, have + room).map_err(|e| Error::io("read", path, e))?;
            total += (window.len() - have) as u64;
            if ended && total <= CHUNK_LEN_MAX as u64 {
                // The whole file is one chunk, so one hash serves for both names.
                let digest = FileDigest::of(window);
                if !window.is_empty() {
                    output.chunk(digest.as_chunk(), window)?;
                }
                self.context.progress.advance(0, total);
                return Ok((total, digest));
            }
            hasher.update(&window[have..]);
            let mut start = 0;
            while let Some(len) = next_cut(&window[start..], ended) {
                let chunk = &window[start..start + len];
                output.chunk(ChunkId::of(chunk), chunk)?;
                start += len;
            }
            self.context.progress.advance(0, (window.len() - have) as u64);
            if ended {
                return Ok((total, hasher.finalize().into()));
            }
            window.drain(..start);
            room = READ_LEN;
        }
    }
}

fn changes(path: &Path) -> Error {
    Error::failed(format!("cannot store {}: it changes while it is read", quote_path(path)))
        .hint("stop what writes to it, or store a copy of it; nothing was stored")
}

/// Reads until the buffer has `len` bytes; returns whether the source has ended.
fn fill(source: &mut impl Read, buffer: &mut Vec<u8>, len: usize) -> io::Result<bool> {
    let mut have = buffer.len();
    buffer.resize(len, 0);
    while have < len {
        match source.read(&mut buffer[have..]) {
            Ok(0) => {
                buffer.truncate(have);
                return Ok(true);
            }
            Ok(read) => have += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(false)
}

/// Opens a file without ever waiting for a FIFO that took its place.
pub(in crate::ops) fn open(path: &Path, through_link: bool) -> Result<File> {
    let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if !through_link {
        flags |= OFlags::NOFOLLOW;
    }
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| Error::io("read", path, e.into()))?;
    Ok(File::from(fd))
}

fn stat(file: &File, path: &Path) -> Result<Metadata> {
    file.metadata().map_err(|e| Error::io("read", path, e))
}

fn is_executable(meta: &Metadata) -> bool {
    debug_assert_eq!(meta.permissions().mode(), meta.mode());
    meta.mode() & 0o111 != 0
}
