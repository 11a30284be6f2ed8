//! Compares a version with a directory: what is there already, what differs, what is extra.

use std::collections::HashSet;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use walkdir::WalkDir;

use super::dest::{Dest, There};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::manifest::{Entry, EntryKind};
use crate::format::path::EntryPath;
use crate::id::{FileDigest, PageId};
use crate::ops::put::stat_cache::{Known, Reader, Stat};
use crate::ops::put::walk::{FoundKind, SourceWalk};
use crate::ops::put::{LinkPolicy, PutOptions};
use crate::quote::{quote, quote_path};
use crate::refs::history::History;
use crate::store::Store;

/// How many entries are compared in one go.
const BATCH: usize = 4096;

/// How an entry stands in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ops) enum State {
    /// It is there, as it should be.
    Same,
    /// It is a file with the right bytes and the wrong executable bit.
    WrongMode,
    /// It is not there.
    Missing,
    /// Something else is there.
    Differs(Content),
}

/// What something on disk holds, so that it can be looked for in versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::ops) enum Content {
    File(FileDigest),
    Symlink(Vec<u8>),
    /// A directory, or something that no version can hold.
    Other,
}

/// Something that has to go before an entry can be restored.
#[derive(Debug)]
pub(in crate::ops) struct Obstacle {
    pub(in crate::ops) path: EntryPath,
    pub(in crate::ops) content: Content,
    /// Whether it is a directory; all that lies in it comes before it.
    pub(in crate::ops) is_dir: bool,
}

/// Compares entries with what is on disk; the answers are in order. Files are hashed on all
/// threads, but for those that are as `cache` knows them.
fn compare(dest: &Dest, entries: &[Entry], cache: &mut Reader, context: &Context<'_>) -> Result<Vec<State>> {
    let known: Vec<Option<Known>> = entries.iter().map(|entry| cache.known(entry.path.as_bytes())).collect();
    let next = AtomicUsize::new(0);
    let states = Mutex::new(vec![State::Missing; entries.len()]);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..context.threads.max(1).min(entries.len().max(1)))
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut dest = dest.again()?;
                    loop {
                        let start = next.fetch_add(16, Ordering::Relaxed);
                        if start >= entries.len() {
                            return Ok(());
                        }
                        for (at, entry) in entries.iter().enumerate().skip(start).take(16) {
                            let state = state_of(&mut dest, entry, known[at].as_ref())?;
                            context.progress.advance(u64::from(entry.file().is_some()), entry.kind.size_bytes());
                            states.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[at] = state;
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    Ok(states.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Walks the entries of a version in batches, each with how it stands in a directory. A file that
/// is as `cache` knows it is not read; who is to believe nothing of times gives an empty one.
pub(in crate::ops) fn compare_all(
    store: &Store,
    manifest: PageId,
    prefixes: &[EntryPath],
    dest: &Dest,
    cache: &mut Reader,
    context: &Context<'_>,
    each: &mut dyn FnMut(Entry, State) -> Result<()>,
) -> Result<()> {
    let mut entries = store.entries(manifest)?.filter(|entry| entry.as_ref().map_or(true, |entry| is_wanted(entry, prefixes)));
    loop {
        let batch: Vec<Entry> = entries.by_ref().take(BATCH).collect::<Result<_>>()?;
        if batch.is_empty() {
            return Ok(());
        }
        let states = compare(dest, &batch, cache, context)?;
        batch.into_iter().zip(states).try_for_each(|(entry, state)| each(entry, state))?;
    }
}

/// Whether an entry lies within one of the prefixes; all do if there is none.
pub(in crate::ops) fn is_wanted(entry: &Entry, prefixes: &[EntryPath]) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| entry.path.is_within(prefix.as_bytes()))
}

fn state_of(dest: &mut Dest, entry: &Entry, known: Option<&Known>) -> Result<State> {
    let there = dest.look(&entry.path)?;
    Ok(match (&entry.kind, there) {
        (_, There::Nothing) => State::Missing,
        (EntryKind::File(body), There::File(stat)) => {
            let digest = digest_of(dest, &entry.path, &stat, known)?;
            if digest != body.digest {
                State::Differs(Content::File(digest))
            } else if (stat.st_mode & 0o111 != 0) != body.executable {
                State::WrongMode
            } else {
                State::Same
            }
        }
        (EntryKind::Symlink(target), There::Symlink(there)) if target.0 == there => State::Same,
        (EntryKind::EmptyDir, There::Dir) => State::Same,
        // Without a digest there is nothing to compare with.
        (EntryKind::Reference(to), _) if to.digest.is_none() => State::Same,
        (EntryKind::Reference(to), There::File(stat)) => match digest_of(dest, &entry.path, &stat, known)? {
            digest if Some(digest) == to.digest => State::Same,
            digest => State::Differs(Content::File(digest)),
        },
        (_, There::File(stat)) => State::Differs(Content::File(digest_of(dest, &entry.path, &stat, known)?)),
        (_, There::Symlink(target)) => State::Differs(Content::Symlink(target)),
        (_, There::Dir | There::Special | There::Blocked) => State::Differs(Content::Other),
    })
}

fn digest_of(dest: &mut Dest, path: &EntryPath, stat: &rustix::fs::Stat, known: Option<&Known>) -> Result<FileDigest> {
    if let Some(known) = known.filter(|known| known.stat == Stat::of_raw(stat)) {
        return Ok(known.digest);
    }
    let mut file = dest.read(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(len) => {
                hasher.update(&buffer[..len]);
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io("read", &dest.shown(path), e)),
        }
    }
}

/// Lists what stands in the place of an entry as a directory, with all that lies in it, or what
/// stands as something else in the place of a directory above it.
pub(in crate::ops) fn obstacles(dest: &mut Dest, entry: &EntryPath) -> Result<Vec<Obstacle>> {
    match dest.look(entry)? {
        There::Dir => list_all(dest, entry),
        There::Blocked => blocker(dest, entry).map(Vec::from_iter),
        _ => Ok(Vec::new()),
    }
}

fn list_all(dest: &mut Dest, dir: &EntryPath) -> Result<Vec<Obstacle>> {
    let top = dest.shown(dir);
    let mut all = Vec::new();
    for found in WalkDir::new(&top).contents_first(true) {
        let found = found.map_err(|e| Error::failed(format!("cannot list {}", quote_path(&top))).because(e))?;
        let below = found.path().strip_prefix(&top).unwrap_or(Path::new("")).as_os_str().as_bytes();
        let path = if below.is_empty() { dir.as_bytes().to_vec() } else { [dir.as_bytes(), b"/", below].concat() };
        let path = EntryPath::new(path).map_err(|_| {
            Error::refused(format!("cannot restore {}: a directory with a repo or a store stands in its place", quote(dir.as_bytes())))
                .hint("move that directory away, or restore into another one")
        })?;
        let content = content_of(dest, &path, None)?;
        all.push(Obstacle { path, content, is_dir: found.file_type().is_dir() });
    }
    Ok(all)
}

fn blocker(dest: &mut Dest, entry: &EntryPath) -> Result<Option<Obstacle>> {
    let ends = entry.as_bytes().iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
    for end in ends {
        let path = EntryPath::new(&entry.as_bytes()[..end]).map_err(|why| Error::failed(why.to_string()))?;
        if !matches!(dest.look(&path)?, There::Dir) {
            let content = content_of(dest, &path, None)?;
            return Ok(Some(Obstacle { path, content, is_dir: false }));
        }
    }
    Ok(None)
}

/// Lists what a directory holds beyond the entries of a version: files and links, and empty
/// directories. What `.artignore` files leave out is not looked at.
pub(in crate::ops) fn extras(store: &Store, manifest: PageId, dir: &Path, context: &Context<'_>) -> Result<Vec<(EntryPath, FoundKind)>> {
    let mut options = PutOptions::new("any".parse()?);
    options.links = LinkPolicy::Keep;
    let mut entries = store.entries(manifest)?.peekable();
    let mut extras = Vec::new();
    for found in SourceWalk::new(dir, store.project(), &options, context)? {
        let found = found?;
        while entries.next_if(|entry| entry.as_ref().is_ok_and(|entry| entry.path < found.path)).is_some() {}
        match entries.peek() {
            Some(Ok(entry)) if entry.path == found.path => {}
            Some(Err(_)) => return Err(entries.next().and_then(Result::err).unwrap_or_else(|| Error::failed("cannot read the version"))),
            // An empty directory above an entry that is missing is no extra.
            Some(Ok(entry)) if found.kind == FoundKind::EmptyDir && entry.path.is_below(found.path.as_bytes()) => {}
            _ => extras.push((found.path, found.kind)),
        }
    }
    Ok(extras)
}

/// Tells which of the contents no undeleted version of an artifact holds: somebody's work.
pub(in crate::ops) fn unknown(store: &Store, history: &History, contents: impl Iterator<Item = Content>) -> Result<HashSet<Content>> {
    let mut unknown: HashSet<Content> = contents.collect();
    let mut done = HashSet::new();
    for version in history.versions.iter().rev().filter(|version| !version.deleted) {
        if unknown.iter().all(|content| *content == Content::Other) {
            break;
        }
        if !done.insert(version.record.manifest) {
            continue;
        }
        // A version that cannot be read here vouches for nothing.
        for entry in store.entries(version.record.manifest).into_iter().flatten().map_while(Result::ok) {
            match entry.kind {
                EntryKind::File(body) => unknown.remove(&Content::File(body.digest)),
                EntryKind::Symlink(target) => unknown.remove(&Content::Symlink(target.0)),
                _ => false,
            };
        }
    }
    Ok(unknown)
}

/// Returns what something found on disk holds; a file that is as it is known is not read.
pub(in crate::ops) fn content_of(dest: &mut Dest, path: &EntryPath, known: Option<&Known>) -> Result<Content> {
    Ok(match dest.look(path)? {
        There::File(stat) => Content::File(digest_of(dest, path, &stat, known)?),
        There::Symlink(target) => Content::Symlink(target),
        _ => Content::Other,
    })
}
