//! A sorted run of index rows: the first eight bytes of a hash, a pack, a slot of its table.

use crate::id::HASH_LEN;

/// Length of a row in a file.
pub(crate) const ROW_LEN: usize = 16;

/// Rows sorted by the first eight bytes of the hash, read as a big-endian number.
#[derive(Debug, Default)]
pub(crate) struct Run {
    rows: Vec<Row>,
}

/// Where a hash with a prefix may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) prefix: u64,
    /// A number of a pack; what it counts is for whoever holds the run.
    pub(crate) pack: u32,
    pub(crate) slot: u32,
}

impl Row {
    pub(crate) fn encode(&self) -> [u8; ROW_LEN] {
        let place = u64::from(self.pack) << 32 | u64::from(self.slot);
        (u128::from(self.prefix) << 64 | u128::from(place)).to_be_bytes()
    }

    pub(crate) fn decode(bytes: &[u8; ROW_LEN]) -> Row {
        let all = u128::from_be_bytes(*bytes);
        Row { prefix: (all >> 64) as u64, pack: (all >> 32) as u32, slot: all as u32 }
    }
}

impl Run {
    /// Makes a run of rows in any order; where they are sorted in stretches, such as the tables of
    /// packs, they are merged rather than sorted.
    pub(crate) fn of(mut rows: Vec<Row>) -> Run {
        rows.sort();
        Run { rows }
    }

    /// Merges two runs.
    pub(crate) fn merge(&self, other: &Run) -> Run {
        let mut rows = Vec::with_capacity(self.rows.len() + other.rows.len());
        let (mut a, mut b) = (&self.rows[..], &other.rows[..]);
        while let (Some(x), Some(y)) = (a.first(), b.first()) {
            if x <= y {
                rows.push(*x);
                a = &a[1..];
            } else {
                rows.push(*y);
                b = &b[1..];
            }
        }
        rows.extend_from_slice(a);
        rows.extend_from_slice(b);
        Run { rows }
    }

    /// Returns how many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the rows in order.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Yields pack and slot of every row with a prefix.
    pub(crate) fn find(&self, wanted: u64) -> impl Iterator<Item = (u32, u32)> + '_ {
        let first = self.lower_bound(wanted);
        self.rows[first..].iter().take_while(move |row| row.prefix == wanted).map(|row| (row.pack, row.slot))
    }

    /// Finds the first row not below `wanted` by guessing: hashes are spread evenly. How far off a
    /// guess is tells its row, so that the third is off by a few rows.
    fn lower_bound(&self, wanted: u64) -> usize {
        let len = self.rows.len();
        let rows_in = |distance: u64| ((u128::from(distance) * len as u128) >> 64) as usize;
        let mut guess = rows_in(wanted);
        for _ in 0..2 {
            let Some(row) = self.rows.get(guess) else { break };
            guess = match wanted.checked_sub(row.prefix) {
                Some(ahead) => (guess + rows_in(ahead)).min(len),
                None => guess.saturating_sub(rows_in(row.prefix - wanted)),
            };
        }
        // Widen around the guess until the bound is inside, then halve.
        let (mut low, mut high, mut step) = (guess, guess, 4);
        while low > 0 && self.rows[low - 1].prefix >= wanted {
            low = low.saturating_sub(step);
            step *= 2;
        }
        step = 4;
        while high < len && self.rows[high].prefix < wanted {
            high = (high + step).min(len);
            step *= 2;
        }
        low + self.rows[low..high].partition_point(|row| row.prefix < wanted)
    }
}

/// Returns the first eight bytes of a hash as a number that sorts alike.
pub(crate) fn prefix(hash: &[u8; HASH_LEN]) -> u64 {
    u64::from_be_bytes(*hash.first_chunk().expect("a hash is longer than eight bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run_of(prefixes: &[u64]) -> Run {
        Run::of(prefixes.iter().enumerate().map(|(i, &prefix)| Row { prefix, pack: 0, slot: i as u32 }).collect())
    }

    proptest! {
        #[test]
        fn every_row_is_found_and_no_other(prefixes in prop::collection::vec(prop_oneof![0u64..50, any::<u64>()], 0..200), probe in prop_oneof![0u64..50, any::<u64>()]) {
            let run = run_of(&prefixes);
            for wanted in prefixes.iter().copied().chain([probe, 0, u64::MAX]) {
                prop_assert_eq!(run.find(wanted).count(), prefixes.iter().filter(|&&p| p == wanted).count());
            }
        }

        #[test]
        fn merging_keeps_every_row(a in prop::collection::vec(any::<u64>(), 0..50), b in prop::collection::vec(any::<u64>(), 0..50)) {
            let merged = run_of(&a).merge(&run_of(&b));
            prop_assert_eq!(merged.len(), a.len() + b.len());
            prop_assert!(merged.rows.is_sorted());
        }
    }
}
