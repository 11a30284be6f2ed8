//! The packs: which have arrived, hashed against their names, or looked into, by several threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::format::pack::{PackClass, PackError};
use crate::id::PackId;
use crate::pack::pack_path;
use crate::pack::reader::{self, Pack};
use crate::store::Store;
use crate::store::census::Census;

use super::contents;
use super::marks::{Bad, Marks};
use super::parts::{PART_LEN, Parts, count_of};
use super::{Finding, FindingKind, FsckLevel};

/// The packs of one class, and what was found of them.
pub(crate) struct Checked {
    pub(crate) class: PackClass,
    pub(crate) census: Census,
    /// Files in a pack's place that are not whole packs, and why.
    pub(crate) not_arrived: Vec<(PackId, PackError)>,
    /// Packs that are whole by their trailers and do not hash to their names.
    pub(crate) damaged: Vec<u32>,
    /// What in the packs does not count.
    pub(super) bad: Bad,
}

/// A pack in which something is wrong.
pub(super) struct Doubtful {
    at: u32,
    /// Why the file as a whole is not what its name says, if so.
    error: Option<Error>,
    /// What was found in it, if that was looked at.
    contents: Option<contents::Contents>,
}

/// A pack that is being hashed in parts.
struct PackHash<'c> {
    pack: &'c Pack,
    parts: Parts,
    /// Set when a part shows that the pack is not what its name says, or cannot be read.
    failed: AtomicBool,
}

impl PackHash<'_> {
    fn of(pack: &Pack) -> PackHash<'_> {
        PackHash { pack, parts: Parts::of_len(pack.len), failed: AtomicBool::new(false) }
    }

    /// Hashes a part; returns the result for the whole pack, once, when it is known.
    fn hash_part(&self, part: usize, context: &Context<'_>) -> Option<Result<()>> {
        let from = part as u64 * PART_LEN;
        let len = PART_LEN.min(self.pack.len - from);
        // A byte more after the last part would show that the file has grown.
        let is_last = from + len == self.pack.len;
        let mut hasher = self.parts.hasher(part);
        let result = reader::hash_range(&self.pack.path, from..from + len + u64::from(is_last), &mut hasher);
        context.progress.advance(0, len);
        let error = match result {
            Ok(read) if read == len => {
                let hash = self.parts.finish(part, &hasher)?;
                if PackId::from(hash) == self.pack.id {
                    return Some(Ok(()));
                }
                reader::not_its_name(self.pack.id)
            }
            Ok(_) => reader::not_its_name(self.pack.id),
            Err(error) => error,
        };
        // Parts that come later tell nothing new.
        (!self.failed.swap(true, Ordering::Relaxed)).then_some(Err(error))
    }
}

impl Checked {
    /// Lists the packs of a class and reads their tables.
    pub(crate) fn list(store: &Store, class: PackClass, threads: usize, findings: &mut Vec<Finding>) -> Option<Checked> {
        let census = match store.census(class, threads) {
            Ok(census) => census,
            Err(error) => {
                findings.push(Finding::unreadable(class.dir(), &error));
                return None;
            }
        };
        let not_arrived = census.not_arrived().to_vec();
        for (id, why) in &not_arrived {
            let kind = if matches!(why, PackError::Unreadable(_)) { FindingKind::Unreadable } else { FindingKind::PackNotArrived };
            findings.push(Finding::pack(kind, class, *id, why.to_string()));
        }
        Some(Checked { class, census, not_arrived, damaged: Vec::new(), bad: Bad::default() })
    }

    /// Hashes every pack against its name.
    pub(crate) fn hash(&mut self, context: &Context<'_>, findings: &mut Vec<Finding>) {
        let found = self.look(FsckLevel::Full, None, context);
        self.note(found, findings);
    }

    /// Hashes every pack against its name; at the deep level every chunk too, but for those that
    /// are `marked` as good already.
    pub(super) fn look(&self, level: FsckLevel, marked: Option<&Marks>, context: &Context<'_>) -> Vec<Doubtful> {
        let hashes: Vec<PackHash> = self.census.packs().iter().map(|pack| PackHash::of(pack)).collect();
        // In parts, so that no thread is left with a whole pack when the others are done.
        let jobs: Vec<(usize, usize)> =
            hashes.iter().enumerate().flat_map(|(at, hash)| (0..count_of(hash.pack.len)).map(move |part| (at, part))).collect();
        let (next, all) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some(&(at, part)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let Some(result) = hashes[at].hash_part(part, context) else { continue };
                let (at, error) = (at as u32, result.err());
                let contents = (level == FsckLevel::Deep || error.is_some()).then(|| contents::check(&self.census, at, marked));
                context.progress.advance(1, 0);
                if error.is_some() || contents.as_ref().is_some_and(|contents| !contents.is_good()) {
                    all.lock().unwrap_or_else(PoisonError::into_inner).push(Doubtful { at, error, contents });
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..context.threads.min(jobs.len()) {
                scope.spawn(work);
            }
            work();
        });
        let mut found = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|doubtful| doubtful.at);
        found
    }

    /// Notes what was found. What a damaged pack still holds that is right counts.
    pub(super) fn note(&mut self, found: Vec<Doubtful>, findings: &mut Vec<Finding>) {
        for Doubtful { at, error, contents } in found {
            let id = self.census.packs()[at as usize].id;
            let (kind, whole) = match &error {
                Some(error) if error.kind() != ErrorKind::Damaged => (FindingKind::Unreadable, Finding::unreadable("", error).message),
                Some(_) => (FindingKind::DamagedPack, "its bytes do not match its name".to_owned()),
                None => (FindingKind::DamagedPack, String::new()),
            };
            let inside = contents.as_ref().map(contents::Contents::told).unwrap_or_default();
            let message = [whole, inside].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
            findings.push(Finding::pack(kind, self.class, id, message));
            self.damaged.push(at);
            self.bad.slots(at, contents.map(|contents| contents.bad).unwrap_or_default());
        }
    }

    /// Whether every pack that was listed is still there.
    pub(super) fn is_settled(&self, store: &Store) -> bool {
        let not_arrived = self.not_arrived.iter().map(|(id, _)| store.layout().path(&pack_path(self.class, *id)));
        self.census.packs().iter().map(|pack| pack.path.clone()).chain(not_arrived).all(|path| path.exists())
    }

    pub(crate) fn count(&self) -> u64 {
        self.census.packs().len() as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.census.packs().iter().map(|pack| pack.len).sum()
    }
}

impl Finding {
    fn pack(kind: FindingKind, class: PackClass, id: PackId, message: String) -> Finding {
        Finding { kind, subject: pack_path(class, id).display().to_string(), message }
    }
}
