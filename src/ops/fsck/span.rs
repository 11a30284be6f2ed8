//! The rules that pages of entries can only break together: their paths strictly increase over a
//! whole version, and none is used as a directory by another.
//!
//! A run of entries is boiled down to what its neighbours must know of it, so that each page is
//! read once, whatever the number of versions that share it.

use crate::format::manifest::Entry;
use crate::format::path::EntryPath;

/// A run of entries, in order, as its neighbours see it.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) first: EntryPath,
    pub(super) last: EntryPath,
    /// Lengths, ascending, of what `last` begins with (`last` too) that are entries of the run:
    /// those that a later entry may lie below.
    entries: Vec<usize>,
    /// Lengths, ascending, of what `first` begins with that are directories of entries of the run:
    /// those that must not be entries of an earlier run.
    dirs: Vec<usize>,
    /// Why the run cannot be, if so.
    pub(super) wrong: Option<&'static str>,
}

const NOT_IN_ORDER: &str = "its entries are not in strictly increasing order";
const USED_AS_DIR: &str = "something that is not a directory has entries below it";

impl Span {
    /// Takes the entries of a page, which are in order; none if there are none.
    pub(super) fn of(list: &[Entry]) -> Option<Span> {
        let (first, last) = (list.first()?, list.last()?);
        let mut span = Span { first: first.path.clone(), last: last.path.clone(), entries: Vec::new(), dirs: Vec::new(), wrong: None };
        let top = first.path.as_bytes();
        span.dirs.extend(slashes(top));
        let mut before: &[u8] = &[];
        let mut shared = top.len();
        for entry in list {
            let path = entry.path.as_bytes();
            let common = common_len(before, path);
            while span.entries.last().is_some_and(|&len| len > common) {
                span.entries.pop();
            }
            // Sorted by bytes, all that begins with the bytes of an entry follows it without a gap.
            if span.entries.iter().any(|&len| path.get(len) == Some(&b'/')) {
                span.wrong = Some(USED_AS_DIR);
            }
            span.entries.push(path.len());
            // In order, so each has in common with the first what all between them have.
            shared = if before.is_empty() { shared } else { shared.min(common) };
            if shared > 0 && shared < top.len() && path.get(shared) == Some(&b'/') && !span.dirs.contains(&shared) {
                span.dirs.push(shared);
            }
            before = path;
        }
        span.dirs.sort_unstable();
        Some(span)
    }

    /// Adds the run that follows.
    pub(super) fn join(&mut self, next: &Span) {
        let (last, next_first) = (self.last.as_bytes(), next.first.as_bytes());
        let is_shared = |a: &[u8], b: &[u8], len: usize| a.get(..len).is_some_and(|start| b.get(..len) == Some(start));
        self.wrong = self.wrong.or(next.wrong);
        if self.last >= next.first {
            self.wrong = Some(NOT_IN_ORDER);
        } else if next.dirs.iter().any(|&len| self.entries.contains(&len) && is_shared(last, next_first, len)) {
            self.wrong = Some(USED_AS_DIR);
        }
        let still_open = self.entries.iter().copied().filter(|&len| is_shared(last, next.last.as_bytes(), len));
        let entries = still_open.chain(next.entries.iter().copied()).collect();
        let first = self.first.as_bytes();
        let dirs = next.dirs.iter().copied().filter(|&len| len < first.len() && is_shared(first, next_first, len));
        self.dirs.extend(dirs.collect::<Vec<_>>());
        self.dirs.sort_unstable();
        self.dirs.dedup();
        self.entries = entries;
        self.last = next.last.clone();
    }
}

fn slashes(path: &[u8]) -> impl Iterator<Item = usize> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at)
}

/// Returns how many bytes two paths have in common at their start, eight at a time.
fn common_len(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let same = 8 * words.take_while(|(a, b)| u64::from_ne_bytes(**a) == u64::from_ne_bytes(**b)).count();
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::manifest::EntryKind;

    fn entry(path: &str) -> Entry {
        Entry { path: EntryPath::new(path).unwrap(), kind: EntryKind::EmptyDir }
    }

    fn joined(runs: &[&[Entry]]) -> Span {
        let mut spans = runs.iter().filter_map(|run| Span::of(run));
        let mut all = spans.next().unwrap();
        spans.for_each(|span| all.join(&span));
        all
    }

    /// The rule itself, on all pairs.
    fn is_right(entries: &[Entry]) -> bool {
        let sorted = entries.is_sorted_by(|a, b| a.path < b.path);
        sorted && !entries.iter().any(|a| entries.iter().any(|b| b.path.is_below(a.path.as_bytes())))
    }

    #[test]
    fn however_entries_are_cut_the_verdict_is_that_of_the_rule() {
        let words = ["a", "a-b", "a.c", "a/b", "a/b/c", "a/b-c", "a-b/x", "ab", "b", "b/c/d", "b/c-d", "b0", "a/b/c/d/e"];
        // Every set of up to four of these, cut at every place, also in three.
        for set in 1u32..1 << words.len() {
            if set.count_ones() > 4 {
                continue;
            }
            let mut entries: Vec<Entry> = (0..words.len()).filter(|at| set >> at & 1 == 1).map(|at| entry(words[at])).collect();
            entries.sort_by(|a, b| a.path.cmp(&b.path));
            let right = is_right(&entries);
            for cut in 0..entries.len() {
                for second in cut..entries.len() {
                    let runs = [&entries[..cut], &entries[cut..second], &entries[second..]];
                    let found = joined(&runs);
                    assert_eq!(found.wrong.is_none(), right, "{entries:?} cut at {cut}, {second}");
                    // Grouped the other way round it is the same.
                    let mut tail = joined(&[runs[1], runs[2]]);
                    if let Some(mut head) = Span::of(runs[0]) {
                        head.join(&tail);
                        tail = head;
                    }
                    assert_eq!(tail.wrong.is_none(), right, "{entries:?} cut at {cut}, {second}");
                }
            }
        }
    }

    #[test]
    fn pages_out_of_order_are_found() {
        for (one, two) in [("b", "a"), ("a", "a"), ("a/b", "a")] {
            assert_eq!(joined(&[&[entry(one)], &[entry(two)]]).wrong, Some(NOT_IN_ORDER));
        }
    }
}
