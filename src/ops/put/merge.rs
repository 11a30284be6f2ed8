//! Merges what several sources and a base version give into one sorted stream of things to store.
//!
//! What is given wins over the base; an empty directory gives way to what another source has
//! in it; the same path given twice is compared once its bytes are known. Pages of the base in
//! which nothing changes are taken over whole.

use std::collections::VecDeque;

use super::base_walk::BaseWalk;
use super::walk::{Found, LeftOut, SourceWalk};
use crate::error::{Error, Result};
use crate::format::manifest::{Entry, EntryKind};
use crate::format::path::EntryPath;
use crate::quote::quote;
use crate::store::draft::{Part, Subtree};

/// One thing to store.
#[derive(Debug)]
pub(in crate::ops) enum Item {
    /// Found on disk, in the source of this number.
    Found(Found, usize),
    /// A file that is read from a stream.
    Stream(EntryPath),
    /// A reference that is recorded as it was given.
    Listed(Entry),
    /// Taken over from the base.
    Base(Entry),
    /// A page taken over from the base, with all below it.
    BasePage(Subtree),
}

/// The merged stream.
pub(in crate::ops) struct Merge<'a> {
    sources: Vec<Ahead<SourceWalk<'a>>>,
    stream: Option<EntryPath>,
    listed: VecDeque<Entry>,
    base: Option<BaseWalk<'a>>,
    removed: Vec<EntryPath>,
    removed_any: Vec<bool>,
    /// Items whose fate may depend on what follows.
    pending: VecDeque<Item>,
    ended: bool,
    /// Whether a single walk is all there is: it can neither repeat a path nor use a file as a
    /// directory.
    is_single: bool,
}

/// What the next thing that is given comes from.
#[derive(Clone, Copy)]
enum From {
    Source(usize),
    Stream,
    Listed,
}

/// An iterator whose next item can be looked at, and which can be had back.
struct Ahead<I: Iterator> {
    inner: I,
    next: Option<Option<I::Item>>,
}

impl<I: Iterator> Ahead<I> {
    fn new(inner: I) -> Ahead<I> {
        Ahead { inner, next: None }
    }

    fn peek(&mut self) -> Option<&I::Item> {
        let inner = &mut self.inner;
        self.next.get_or_insert_with(|| inner.next()).as_ref()
    }

    fn next(&mut self) -> Option<I::Item> {
        match self.next.take() {
            Some(next) => next,
            None => self.inner.next(),
        }
    }
}

impl Item {
    pub(in crate::ops) fn path(&self) -> &EntryPath {
        match self {
            Item::Found(found, _) => &found.path,
            Item::Stream(path) => path,
            Item::Base(entry) | Item::Listed(entry) => &entry.path,
            Item::BasePage(subtree) => &subtree.child.first,
        }
    }

    fn is_given(&self) -> bool {
        !matches!(self, Item::Base(_) | Item::BasePage(_))
    }

    /// Whether this gives way to something below its path.
    fn gives_way(&self) -> bool {
        matches!(self, Item::Base(_)) || self.is_empty_dir()
    }

    fn is_empty_dir(&self) -> bool {
        match self {
            Item::Found(found, _) => found.kind == super::walk::FoundKind::EmptyDir,
            Item::Base(entry) => entry.kind == EntryKind::EmptyDir,
            Item::Stream(_) | Item::Listed(_) | Item::BasePage(_) => false,
        }
    }
}

impl<'a> Merge<'a> {
    /// Merges sources alone.
    pub(in crate::ops) fn of_sources(sources: Vec<SourceWalk<'a>>) -> Merge<'a> {
        Merge::new(sources, None, Vec::new(), None, &[])
    }

    pub(super) fn new(
        sources: Vec<SourceWalk<'a>>,
        stream: Option<EntryPath>,
        listed: Vec<Entry>,
        base: Option<BaseWalk<'a>>,
        removed: &[EntryPath],
    ) -> Merge<'a> {
        let is_single = sources.len() + usize::from(stream.is_some()) <= 1 && listed.is_empty() && base.is_none();
        Merge {
            is_single,
            sources: sources.into_iter().map(Ahead::new).collect(),
            stream,
            listed: listed.into(),
            base,
            removed: removed.to_vec(),
            removed_any: vec![false; removed.len()],
            pending: VecDeque::new(),
            ended: false,
        }
    }

    /// Returns the paths to remove that the base did not have.
    pub(super) fn not_removed(&self) -> Vec<&EntryPath> {
        self.removed.iter().zip(&self.removed_any).filter(|(_, any)| !**any).map(|(path, _)| path).collect()
    }

    /// Takes the least of all that is given and the base; of equal paths the base's is dropped.
    fn take_least(&mut self) -> Result<Option<Item>> {
        let mut least: Option<(EntryPath, From)> = None;
        let mut consider = |path: &EntryPath, from| {
            if least.as_ref().is_none_or(|(least, _)| path < least) {
                least = Some((path.clone(), from));
            }
        };
        for (number, source) in self.sources.iter_mut().enumerate() {
            match source.peek() {
                Some(Ok(found)) => consider(&found.path, From::Source(number)),
                Some(Err(_)) => return source.next().transpose().map(|_| None),
                None => {}
            }
        }
        self.stream.iter().for_each(|path| consider(path, From::Stream));
        self.listed.front().into_iter().for_each(|entry| consider(&entry.path, From::Listed));
        if let Some(base) = self.take_base(least.as_ref().map(|(path, _)| path))? {
            return Ok(Some(base));
        }
        match least {
            Some((_, From::Source(number))) => Ok(self.sources[number].next().transpose()?.map(|found| Item::Found(found, number))),
            Some((_, From::Stream)) => Ok(self.stream.take().map(Item::Stream)),
            Some((_, From::Listed)) => Ok(self.listed.pop_front().map(Item::Listed)),
            None => Ok(None),
        }
    }

    /// Takes what the base has before `given`, the next path that is given.
    fn take_base(&mut self, given: Option<&EntryPath>) -> Result<Option<Item>> {
        let Some(base) = &mut self.base else { return Ok(None) };
        let keeps_pages = base.keeps_pages();
        while let Some(part) = base.peek() {
            let first = part.first();
            if given.is_some_and(|given| given < first) {
                break;
            }
            match part {
                Part::Entry(entry) => {
                    if let Some(at) = self.removed.iter().position(|dir| entry.path.is_within(dir.as_bytes())) {
                        self.removed_any[at] = true;
                        drop(base.next());
                    } else if given == Some(&entry.path) {
                        drop(base.next());
                    } else {
                        break;
                    }
                }
                Part::Page(subtree) => {
                    let reached = given.is_some_and(|given| !subtree.ends_by(given.as_bytes()));
                    let above = self.pending.iter().filter(|item| item.is_given()).map(|item| below(item.path()));
                    let mut ranges = self.removed.iter().map(|dir| (dir.as_bytes().to_vec(), past(dir))).chain(above);
                    if keeps_pages && !reached && !ranges.any(|(from, to)| touches(subtree, &from, &to)) {
                        break;
                    }
                    base.open_next()?;
                }
            }
        }
        match base.peek() {
            Some(part) if given.is_none_or(|given| part.first() < given) => Ok(base.next().map(|part| match part {
                Part::Entry(entry) => Item::Base(entry),
                Part::Page(subtree) => Item::BasePage(subtree),
            })),
            _ => Ok(None),
        }
    }

    /// Opens pages of the base that wait and that may have something which gives way to an item.
    fn open_pages_above(&mut self, path: &EntryPath) -> Result<()> {
        let Some(base) = &mut self.base else { return Ok(()) };
        let ends: Vec<usize> = path.as_bytes().iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).collect();
        let mut at = 0;
        while at < self.pending.len() {
            match &self.pending[at] {
                Item::BasePage(subtree) if ends.iter().any(|&end| subtree.covers(&path.as_bytes()[..end])) => {
                    let parts = base.open(subtree)?;
                    self.pending.remove(at);
                    for (number, part) in parts.into_iter().enumerate() {
                        let item = match part {
                            Part::Entry(entry) => Item::Base(entry),
                            Part::Page(subtree) => Item::BasePage(subtree),
                        };
                        self.pending.insert(at + number, item);
                    }
                }
                _ => at += 1,
            }
        }
        Ok(())
    }

    /// Takes the next item in, and settles what it decides about those before it.
    fn take_in(&mut self, item: Item) -> Result<()> {
        let path = item.path().clone();
        if item.is_given() {
            self.open_pages_above(&path)?;
        }
        let mut at = 0;
        let mut given_above = false;
        while at < self.pending.len() {
            let above = &self.pending[at];
            if path.is_below(above.path().as_bytes()) {
                if !item.is_given() && !above.gives_way() {
                    given_above = true;
                } else if above.gives_way() {
                    self.pending.remove(at);
                    continue;
                } else {
                    return Err(Error::usage(format!(
                        "cannot store both {} and {}",
                        quote(above.path().as_bytes()),
                        quote(path.as_bytes())
                    ))
                    .hint("the first is not a directory: put them under different prefixes with `--at`"));
                }
            }
            at += 1;
        }
        if !given_above {
            self.pending.push_back(item);
        }
        Ok(())
    }

    /// Whether nothing that can follow lies below an item.
    fn is_settled(&self, item: &Item, newest: &EntryPath) -> bool {
        let end = match item {
            Item::BasePage(subtree) => match settled_at(subtree) {
                Some(end) => end,
                None => return false,
            },
            _ => past(item.path()),
        };
        newest.as_bytes() >= &end[..]
    }

    fn advance(&mut self) -> Result<Option<Item>> {
        if self.is_single {
            return self.take_only();
        }
        loop {
            if let Some(first) = self.pending.front() {
                let settled = self.ended || self.pending.back().is_some_and(|newest| self.is_settled(first, newest.path()));
                if settled {
                    return Ok(self.pending.pop_front());
                }
            } else if self.ended {
                return Ok(None);
            }
            match self.take_least()? {
                Some(item) => self.take_in(item)?,
                None => self.ended = true,
            }
        }
    }

    fn take_only(&mut self) -> Result<Option<Item>> {
        match self.sources.first_mut() {
            Some(source) => Ok(source.next().transpose()?.map(|found| Item::Found(found, 0))),
            None => Ok(self.stream.take().map(Item::Stream)),
        }
    }
}

/// Returns the end of what lies below a path: that begins with the path and `/`, and all that
/// sorts after it is past it.
fn past(path: &EntryPath) -> Vec<u8> {
    [path.as_bytes(), &[b'/' + 1]].concat()
}

/// Returns the range of what lies below a path.
fn below(path: &EntryPath) -> (Vec<u8>, Vec<u8>) {
    ([path.as_bytes(), b"/"].concat(), past(path))
}

/// Whether an entry of a subtree may lie in a range.
fn touches(subtree: &Subtree, from: &[u8], to: &[u8]) -> bool {
    subtree.child.first.as_bytes() < to && !subtree.ends_by(from)
}

/// Returns from where on nothing can lie below an entry of a subtree; none if its end is that of
/// all entries.
///
/// An entry with something below it that sorts after the subtree is a beginning of the path that
/// the subtree ends by, such as `a` where that is `a-b`: the shortest reaches furthest.
fn settled_at(subtree: &Subtree) -> Option<Vec<u8>> {
    let end = subtree.end.as_ref()?.as_bytes();
    let is_above = |at: &usize| end[*at] < b'/' && end[*at - 1] != b'/' && subtree.covers(&end[..*at]);
    Some(match (1..end.len()).find(is_above) {
        Some(at) => [&end[..at], &[b'/' + 1]].concat(),
        None => end.to_vec(),
    })
}

impl Iterator for Merge<'_> {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Result<Item>> {
        self.advance().transpose()
    }
}

impl Merge<'_> {
    /// Returns how many files lie in pages that were taken over whole; at the end of the walk.
    pub(super) fn kept_files(&self) -> u64 {
        self.base.as_ref().map_or(0, BaseWalk::kept_files)
    }

    /// Adds up what the walks left out.
    pub(super) fn left_out(self) -> LeftOut {
        let mut all = LeftOut::default();
        for source in self.sources {
            let walk = source.inner.left_out;
            all.ignored += walk.ignored;
            all.reserved += walk.reserved;
            all.special += walk.special;
        }
        all
    }
}
