//! Merges what several sources and a base version give into one sorted stream of things to store.
//!
//! What is given wins over the base; an empty directory gives way to what another source has
//! in it; the same path given twice is compared once its bytes are known.

use std::collections::VecDeque;

use super::walk::{Found, LeftOut, SourceWalk};
use crate::error::{Error, Result};
use crate::format::manifest::{Entry, EntryKind};
use crate::format::path::EntryPath;
use crate::quote::quote;
use crate::store::walk::EntryWalk;

/// One thing to store.
#[derive(Debug)]
pub(super) enum Item {
    /// Found on disk, in the source of this number.
    Found(Found, usize),
    /// A file that is read from a stream.
    Stream(EntryPath),
    /// Taken over from the base.
    Base(Entry),
}

/// The merged stream.
pub(super) struct Merge<'a> {
    sources: Vec<Ahead<SourceWalk<'a>>>,
    stream: Option<EntryPath>,
    base: Option<Ahead<EntryWalk<'a>>>,
    removed: Vec<EntryPath>,
    removed_any: Vec<bool>,
    /// Items whose fate may depend on what follows.
    pending: VecDeque<Item>,
    ended: bool,
    /// Whether a single walk is all there is: it can neither repeat a path nor use a file as a
    /// directory.
    is_single: bool,
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
    pub(super) fn path(&self) -> &EntryPath {
        match self {
            Item::Found(found, _) => &found.path,
            Item::Stream(path) => path,
            Item::Base(entry) => &entry.path,
        }
    }

    /// Whether this gives way to something below its path.
    fn gives_way(&self) -> bool {
        matches!(self, Item::Base(_)) || self.is_empty_dir()
    }

    fn is_empty_dir(&self) -> bool {
        match self {
            Item::Found(found, _) => found.kind == super::walk::FoundKind::EmptyDir,
            Item::Base(entry) => entry.kind == EntryKind::EmptyDir,
            Item::Stream(_) => false,
        }
    }
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        sources: Vec<SourceWalk<'a>>,
        stream: Option<EntryPath>,
        base: Option<EntryWalk<'a>>,
        removed: &[EntryPath],
    ) -> Merge<'a> {
        let is_single = sources.len() + usize::from(stream.is_some()) <= 1 && base.is_none();
        Merge {
            is_single,
            sources: sources.into_iter().map(Ahead::new).collect(),
            stream,
            base: base.map(Ahead::new),
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

    /// Takes the least of all sources; of equal paths the base's last, so that it can be dropped.
    fn take_least(&mut self) -> Result<Option<Item>> {
        self.skip_removed()?;
        let mut least: Option<(EntryPath, usize)> = None;
        for (number, source) in self.sources.iter_mut().enumerate() {
            if let Some(Ok(found)) = source.peek() {
                if least.as_ref().is_none_or(|(path, _)| found.path < *path) {
                    least = Some((found.path.clone(), number));
                }
            } else if let Some(Err(_)) = source.peek() {
                return source.next().transpose().map(|_| None);
            }
        }
        let stream_first = self.stream.as_ref().is_some_and(|path| least.as_ref().is_none_or(|(other, _)| path < other));
        let given = if stream_first { self.stream.clone() } else { least.as_ref().map(|(path, _)| path.clone()) };
        if let Some(base) = &mut self.base {
            match base.peek() {
                Some(Ok(entry)) if given.as_ref().is_none_or(|path| entry.path < *path) => {
                    return Ok(base.next().transpose()?.map(Item::Base));
                }
                Some(Ok(entry)) if given.as_ref() == Some(&entry.path) => drop(base.next()),
                Some(Err(_)) => return base.next().transpose().map(|_| None),
                _ => {}
            }
        }
        if stream_first {
            return Ok(self.stream.take().map(Item::Stream));
        }
        match least {
            Some((_, number)) => Ok(self.sources[number].next().transpose()?.map(|found| Item::Found(found, number))),
            None => Ok(None),
        }
    }

    fn skip_removed(&mut self) -> Result<()> {
        let Some(base) = &mut self.base else { return Ok(()) };
        while let Some(Ok(entry)) = base.peek() {
            let Some(at) = self.removed.iter().position(|dir| entry.path.is_within(dir.as_bytes())) else { break };
            self.removed_any[at] = true;
            drop(base.next());
        }
        Ok(())
    }

    /// Takes the next item in, and settles what it decides about those before it.
    fn take_in(&mut self, item: Item) -> Result<()> {
        let path = item.path().clone();
        let mut at = 0;
        let mut given_above = false;
        while at < self.pending.len() {
            let above = &self.pending[at];
            if path.is_below(above.path().as_bytes()) {
                if matches!(item, Item::Base(_)) && !above.gives_way() {
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
        let path = item.path().as_bytes();
        let follows = newest.as_bytes();
        // What lies below a path begins with it and `/`; all that sorts after that is past it.
        let mut end = path.to_vec();
        end.push(b'/' + 1);
        follows >= &end[..]
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

impl Iterator for Merge<'_> {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Result<Item>> {
        self.advance().transpose()
    }
}

impl Merge<'_> {
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
