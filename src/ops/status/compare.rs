//! What would be put, beside a version: one walk of both, in order of the paths.
//!
//! As in a put, a file whose times are as the stat cache has them is not opened. One of another
//! length has changed, which its bytes need not tell, and what is new is not read at all.

use std::fs;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::bounded;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::manifest::{Entry, EntryKind};
use crate::format::path::EntryPath;
use crate::id::{FileDigest, PageId};
use crate::ops::diff::{Change, Side};
use crate::ops::entry::{EntryInfo, ShownPath};
use crate::ops::put::merge::{Item, Merge};
use crate::ops::put::read::open;
use crate::ops::put::reference::hash;
use crate::ops::put::stat_cache::{Known, Reader, Stat};
use crate::ops::put::walk::{Found, FoundKind, below};
use crate::store::Store;

/// Entries that are looked at in one go.
const BATCH: usize = 512;

/// What is compared with a version.
pub(super) struct Given<'a> {
    /// What would be put.
    pub(super) items: Merge<'a>,
    /// For each source what the stat cache knows of it, by paths below `at`.
    pub(super) caches: Vec<Reader>,
    pub(super) at: Option<EntryPath>,
    /// An entry that came from elsewhere.
    pub(super) stream: Option<EntryPath>,
    /// A manifest of which entries were taken over.
    pub(super) base: Option<PageId>,
    /// What it is limited to; none for all.
    pub(super) prefixes: Vec<EntryPath>,
}

/// How what is there differs from the version.
#[derive(Default)]
pub(super) struct Differences {
    pub(super) entries: Vec<Change>,
    pub(super) unchecked_references: u64,
}

/// An entry of the version and what is there under its path.
type Pair = (Option<Entry>, Option<(Found, Option<Known>)>);

pub(super) fn compare(store: &Store, context: &Context<'_>, manifest: PageId, given: Given<'_>) -> Result<Differences> {
    let (pairs_in, pairs_out) = bounded::<(usize, Vec<Pair>)>(64);
    let found = Mutex::new(Vec::new());
    let unchecked_references = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..context.threads.max(1))
            .map(|_| {
                let (pairs, found) = (pairs_out.clone(), &found);
                scope.spawn(move || -> Result<()> {
                    for (number, batch) in pairs {
                        let changes: Vec<Change> = batch.into_iter().filter_map(|pair| check(pair).transpose()).collect::<Result<_>>()?;
                        if !changes.is_empty() {
                            found.lock().unwrap_or_else(PoisonError::into_inner).push((number, changes));
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        drop(pairs_out);
        let walked = pair_up(store, manifest, given, |number, batch| pairs_in.send((number, batch)).is_ok());
        drop(pairs_in);
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))?;
        walked
    })?;
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(number, _)| *number);
    Ok(Differences { entries: found.into_iter().flat_map(|(_, changes)| changes).collect(), unchecked_references })
}

/// Walks both sides and hands out what stands under equal paths, until `hand` refuses; returns how
/// many references are not there to be compared.
fn pair_up(store: &Store, manifest: PageId, given: Given<'_>, mut hand: impl FnMut(usize, Vec<Pair>) -> bool) -> Result<u64> {
    let Given { items, mut caches, at, stream, base, prefixes } = given;
    let is_wanted = |path: &EntryPath| prefixes.is_empty() || prefixes.iter().any(|prefix| path.is_within(prefix.as_bytes()));
    let is_compared =
        |entry: &Result<Entry>| entry.as_ref().map_or(true, |entry| is_wanted(&entry.path) && stream.as_ref() != Some(&entry.path));
    let mut entries = store.entries(manifest)?.filter(is_compared).peekable();
    let mut base = base.map(|base| store.entries(base)).transpose()?.map(Iterator::peekable);
    let (mut batch, mut number, mut unchecked) = (Vec::with_capacity(BATCH), 0, 0);
    let mut items = items.peekable();
    loop {
        let given = match items.next_if(|item| is_next(item, entries.peek())) {
            Some(item) => match item? {
                Item::Found(found, source) => Some((found, source)),
                _ => continue,
            },
            None => None,
        };
        let given = match given {
            Some((found, _)) if !is_wanted(&found.path) => continue,
            // What is gone from a directory tells that it is empty now.
            Some((found, _)) if found.kind == FoundKind::EmptyDir && is_below(entries.peek(), &found.path) => continue,
            given => given,
        };
        let old = match &given {
            Some((found, _)) => entries.next_if(|entry| entry.as_ref().map_or(true, |entry| entry.path == found.path)),
            None => entries.next(),
        };
        let old = old.transpose()?;
        let pair: Pair = match (old, given) {
            (None, None) => break,
            (Some(old), None) if matches!(old.kind, EntryKind::Reference(_)) => {
                unchecked += 1;
                continue;
            }
            (Some(old), None) => {
                if let Some(base) = &mut base
                    && is_in(base, &old)?
                {
                    continue;
                }
                (Some(old), None)
            }
            (old, Some((found, source))) => {
                let known = caches.get_mut(source).and_then(|cache| cache.known(below(&found.path, at.as_ref())));
                (old, Some((found, known)))
            }
        };
        batch.push(pair);
        if batch.len() == BATCH {
            if !hand(number, std::mem::replace(&mut batch, Vec::with_capacity(BATCH))) {
                // Who checks them has failed, and says why.
                return Ok(unchecked);
            }
            number += 1;
        }
    }
    hand(number, batch);
    Ok(unchecked)
}

fn is_below(entry: Option<&Result<Entry>>, dir: &EntryPath) -> bool {
    matches!(entry, Some(Ok(entry)) if entry.path.is_below(dir.as_bytes()))
}

/// Whether an item comes before the next entry, or stands under its path.
fn is_next(item: &Result<Item>, entry: Option<&Result<Entry>>) -> bool {
    match (item, entry) {
        (Ok(item), Some(Ok(entry))) => *item.path() <= entry.path,
        _ => true,
    }
}

/// Whether the base of a draft has an entry; they are asked for in order.
fn is_in(base: &mut Peekable<impl Iterator<Item = Result<Entry>>>, wanted: &Entry) -> Result<bool> {
    while base.next_if(|entry| entry.as_ref().is_ok_and(|entry| entry.path < wanted.path)).is_some() {}
    match base.next_if(|entry| entry.as_ref().map_or(true, |entry| entry.path == wanted.path)) {
        Some(entry) => Ok(entry?.kind == wanted.kind),
        None => Ok(false),
    }
}

/// Compares what stands under one path; none if it is the same.
fn check((old, new): Pair) -> Result<Option<Change>> {
    let there = match new {
        Some((found, known)) => match look(&found, known.as_ref(), old.as_ref().map(|old| &old.kind))? {
            There::Same => return Ok(None),
            There::Gone => None,
            There::Differs(info) => Some(Side { path: found.path, info, kind: None }),
        },
        None => None,
    };
    Ok(Change::new(old.map(Side::from), there))
}

enum There {
    Same,
    /// It went away since it was listed.
    Gone,
    Differs(EntryInfo),
}

fn look(found: &Found, known: Option<&Known>, old: Option<&EntryKind>) -> Result<There> {
    let place = &found.disk_path;
    let through_link = found.kind == FoundKind::File { through_link: true };
    let look = if through_link { fs::metadata(place) } else { fs::symlink_metadata(place) };
    let meta = match look {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(There::Gone),
        Err(e) => return Err(Error::io("read", place, e)),
    };
    let none = EntryInfo::empty_dir(found.path.as_bytes());
    match found.kind {
        FoundKind::EmptyDir if old == Some(&EntryKind::EmptyDir) => Ok(There::Same),
        FoundKind::EmptyDir => Ok(There::Differs(none)),
        FoundKind::Symlink => {
            let target = fs::read_link(place).map_err(|e| Error::io("read the link", place, e))?;
            let target = target.as_os_str().as_bytes();
            let is_same = matches!(old, Some(EntryKind::Symlink(old)) if old.0 == target);
            let info = || EntryInfo { kind: "symlink", target: Some(ShownPath::new(target).path), ..none };
            Ok(if is_same { There::Same } else { There::Differs(info()) })
        }
        FoundKind::File { .. } => {
            let executable = meta.mode() & 0o111 != 0;
            let known = known.filter(|known| known.stat == Stat::of(&meta)).map(|known| known.digest);
            let digest_if = |size_bytes: Option<u64>| -> Result<Option<FileDigest>> {
                match known {
                    None if size_bytes.is_none_or(|size_bytes| size_bytes == meta.len()) => {
                        let mut file = open(place, through_link)?;
                        Ok(Some(hash(&mut file).map_err(|e| Error::io("read", place, e))?.1))
                    }
                    known => Ok(known),
                }
            };
            let digest = match old {
                Some(EntryKind::Reference(to)) if to.digest.is_none() => return Ok(There::Same),
                Some(EntryKind::Reference(to)) => {
                    let digest = digest_if(to.size_bytes)?;
                    if digest == to.digest {
                        return Ok(There::Same);
                    }
                    digest
                }
                Some(EntryKind::File(old)) => {
                    let digest = digest_if(Some(old.size_bytes))?;
                    if digest == Some(old.digest) && executable == old.executable {
                        return Ok(There::Same);
                    }
                    digest
                }
                _ => known,
            };
            Ok(There::Differs(EntryInfo { kind: "file", size_bytes: Some(meta.len()), digest, executable, ..none }))
        }
    }
}
