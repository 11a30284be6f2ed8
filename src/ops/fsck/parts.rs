//! The hash of something long, put together from parts that are hashed side by side, as BLAKE3 does
//! inside.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use blake3::{Hash, Hasher};

/// Length of all parts but the last: a power of two, so that each is a subtree of the whole hash.
pub(super) const PART_LEN: u64 = 8 << 20;

/// The parts of something, hashed from any thread in any order.
#[derive(Debug)]
pub(super) struct Parts {
    values: Mutex<Vec<Option<ChainingValue>>>,
    /// Parts that are still to be hashed.
    left: AtomicUsize,
}

impl Parts {
    /// Begins the hash of so many bytes.
    pub(super) fn of_len(len: u64) -> Parts {
        let count = count_of(len);
        Parts { values: Mutex::new(vec![None; count]), left: AtomicUsize::new(count) }
    }

    /// Returns a hasher to which the bytes of a part are given.
    pub(super) fn hasher(&self, number: usize) -> Hasher {
        let mut hasher = Hasher::new();
        if number > 0 {
            hasher.set_input_offset(number as u64 * PART_LEN);
        }
        hasher
    }

    /// Takes the hasher that was given all bytes of a part; returns the hash of the whole once no
    /// part is left.
    pub(super) fn finish(&self, number: usize, hasher: &Hasher) -> Option<Hash> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() == 1 {
            return Some(hasher.finalize());
        }
        values[number] = Some(hasher.finalize_non_root());
        if self.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return None;
        }
        let values: Vec<ChainingValue> = values.drain(..).collect::<Option<_>>()?;
        let (left, right) = values.split_at(left_count(values.len()));
        Some(merge_subtrees_root(&merged(left), &merged(right), Mode::Hash))
    }
}

/// Returns how many parts so many bytes have; of nothing, one.
pub(super) fn count_of(len: u64) -> usize {
    len.div_ceil(PART_LEN).max(1) as usize
}

/// Returns how many of at least two parts lie in the left half of their tree.
fn left_count(parts: usize) -> usize {
    // All parts but the last are whole, so the tree of parts has the shape of that of chunks.
    (left_subtree_len(parts as u64 * PART_LEN) / PART_LEN) as usize
}

fn merged(parts: &[ChainingValue]) -> ChainingValue {
    match parts {
        [one] => *one,
        _ => {
            let (left, right) = parts.split_at(left_count(parts.len()));
            merge_subtrees_non_root(&merged(left), &merged(right), Mode::Hash)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_hash_of_the_whole() {
        let lens = [0, 1, PART_LEN - 1, PART_LEN, PART_LEN + 1, 2 * PART_LEN, 2 * PART_LEN + 1, 3 * PART_LEN];
        for len in lens.into_iter().chain([5 * PART_LEN - 7, 7 * PART_LEN + 1025]) {
            let bytes: Vec<u8> = (0..len).map(|at| (at / 251) as u8).collect();
            let parts = Parts::of_len(len);
            let mut found = Vec::new();
            for number in (0..count_of(len)).rev() {
                let from = number * PART_LEN as usize;
                let mut hasher = parts.hasher(number);
                hasher.update(&bytes[from..bytes.len().min(from + PART_LEN as usize)]);
                found.extend(parts.finish(number, &hasher));
            }
            assert_eq!(found, [blake3::hash(&bytes)], "{len}");
        }
    }
}
