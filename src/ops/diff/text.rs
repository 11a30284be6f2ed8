//! How a text differs from another, line by line.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline, group_diff_ops};

/// The longest file that is compared line by line, in bytes.
pub const TEXT_LEN_MAX: u64 = 8 << 20;

/// How long the shortest difference is looked for; after that one that is right but longer will do.
const SEARCH_MAX: Duration = Duration::from_secs(1);

/// How a text differs from another.
#[derive(Debug)]
pub struct TextDiff {
    old: Lines,
    new: Lines,
    /// What differs, with the lines around it.
    pub hunks: Vec<Hunk>,
    /// Lines that only the new text has.
    pub added_lines: u64,
    /// Lines that only the old text has.
    pub removed_lines: u64,
    /// Whether the search took too long, so that fewer lines may do.
    pub is_approximate: bool,
}

/// A run of lines of both texts of which some differ. Lines are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// Where it lies in the old text.
    pub old: Range<usize>,
    /// Where it lies in the new text.
    pub new: Range<usize>,
    runs: Vec<(LineKind, Range<usize>)>,
}

/// Which of the texts has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Both.
    Kept,
    /// The old one.
    Removed,
    /// The new one.
    Added,
}

/// A text and where its lines end.
#[derive(Debug)]
struct Lines {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Lines {
    /// Takes a text of at most [`TEXT_LEN_MAX`] bytes.
    fn new(bytes: Vec<u8>) -> Lines {
        let mut ends: Vec<u32> = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at as u32 + 1).collect();
        if !bytes.is_empty() && bytes.last() != Some(&b'\n') {
            ends.push(bytes.len() as u32);
        }
        Lines { bytes, ends }
    }

    fn line(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.bytes[start..self.ends[at] as usize]
    }

    /// Numbers the lines, equal ones equally.
    fn numbered<'l>(&'l self, numbers: &mut HashMap<&'l [u8], u32>) -> Vec<u32> {
        (0..self.ends.len())
            .map(|at| {
                let next = numbers.len() as u32;
                *numbers.entry(self.line(at)).or_insert(next)
            })
            .collect()
    }
}

impl TextDiff {
    /// Compares two texts of at most [`TEXT_LEN_MAX`] bytes. Whatever they are it ends in a second
    /// or two: a search that takes longer is cut off.
    pub(super) fn new(old: Vec<u8>, new: Vec<u8>, context_lines: usize) -> TextDiff {
        let (old, new) = (Lines::new(old), Lines::new(new));
        let started = Instant::now();
        let ops = {
            let mut numbers = HashMap::new();
            let (a, b) = (old.numbered(&mut numbers), new.numbered(&mut numbers));
            drop(numbers);
            capture_diff_slices_deadline(Algorithm::Histogram, &a, &b, Some(started + SEARCH_MAX))
        };
        let is_approximate = started.elapsed() >= SEARCH_MAX;
        let (mut added_lines, mut removed_lines) = (0, 0);
        for op in ops.iter().filter(|op| !matches!(op, DiffOp::Equal { .. })) {
            added_lines += op.new_range().len() as u64;
            removed_lines += op.old_range().len() as u64;
        }
        let hunks = group_diff_ops(ops, context_lines).iter().filter_map(|group| Hunk::new(group)).collect();
        TextDiff { old, new, hunks, added_lines, removed_lines, is_approximate }
    }

    /// Returns the lines of a hunk, each with its line end, which the last of a text may lack.
    pub fn lines<'t>(&'t self, hunk: &'t Hunk) -> impl Iterator<Item = (LineKind, &'t [u8])> {
        hunk.runs.iter().flat_map(|(kind, lines)| {
            let text = if *kind == LineKind::Added { &self.new } else { &self.old };
            lines.clone().map(move |at| (*kind, text.line(at)))
        })
    }
}

impl Hunk {
    fn new(group: &[DiffOp]) -> Option<Hunk> {
        let (first, last) = (group.first()?, group.last()?);
        let mut runs = Vec::with_capacity(group.len() + 1);
        for op in group {
            if matches!(op, DiffOp::Equal { .. }) {
                runs.push((LineKind::Kept, op.old_range()));
            } else {
                runs.push((LineKind::Removed, op.old_range()));
                runs.push((LineKind::Added, op.new_range()));
            }
        }
        let old = first.old_range().start..last.old_range().end;
        Some(Hunk { old, new: first.new_range().start..last.new_range().end, runs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str, context_lines: usize) -> String {
        let diff = TextDiff::new(old.into(), new.into(), context_lines);
        let mut text = String::new();
        for hunk in &diff.hunks {
            text += &format!("{:?} {:?}\n", hunk.old, hunk.new);
            for (kind, line) in diff.lines(hunk) {
                text += &format!("{kind:?} {}\n", String::from_utf8_lossy(line).trim_end());
            }
        }
        text
    }

    #[test]
    fn lines_that_differ_stand_in_hunks_with_the_lines_around_them() {
        assert_eq!(told("a\nb\nc\nd\n", "a\nB\nc\nd\ne\n", 0), "1..2 1..2\nRemoved b\nAdded B\n4..4 4..5\nAdded e\n");
        assert_eq!(told("a\nb\nc\n", "a\nB\nc", 1), "0..3 0..3\nKept a\nRemoved b\nRemoved c\nAdded B\nAdded c\n");
        assert_eq!(told("", "a", 3), "0..0 0..1\nAdded a\n");
        assert_eq!(told("a\n", "a\n", 3), "");
    }

    #[test]
    fn the_worst_texts_end_in_time() {
        // Few different lines in no order: the shortest difference takes minutes.
        let mut state = 1u64;
        let mut noise = |len: usize| -> Vec<u8> {
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                b'0' + (state % 2) as u8
            };
            (0..len / 2).flat_map(|_| [next(), b'\n']).collect()
        };
        let (old, new) = (noise(1 << 20), noise(1 << 20));
        let started = Instant::now();
        let diff = TextDiff::new(old.clone(), new.clone(), 0);
        assert!(diff.is_approximate && started.elapsed() < 20 * SEARCH_MAX, "{:?}", started.elapsed());
        // What was found is right: applied, it makes the new text of the old one.
        let (mut made, mut at) = (Vec::new(), 0);
        for hunk in &diff.hunks {
            (at..hunk.old.start).for_each(|line| made.extend_from_slice(diff.old.line(line)));
            diff.lines(hunk).filter(|(kind, _)| *kind == LineKind::Added).for_each(|(_, line)| made.extend_from_slice(line));
            at = hunk.old.end;
        }
        (at..diff.old.ends.len()).for_each(|line| made.extend_from_slice(diff.old.line(line)));
        assert!(made == new);
    }
}
