//! A split-block Bloom filter over the first eight bytes of hashes (Putze, Sanders, Singler:
//! "Cache-, hash- and space-efficient Bloom filters", 2007).
//!
//! A key sets one bit in each of the eight words of one block. The block is chosen by the key's
//! high bits, the bits by its low ones. About one absent key in forty is taken for present.

const BITS_PER_KEY: u64 = 9;
const BLOCK_LEN: usize = 32;

/// Odd multipliers, one a word; those of the Parquet format.
const SALTS: [u32; 8] = [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// A filter; with no blocks it takes every key for present.
#[derive(Debug, Default)]
pub(super) struct Filter {
    bytes: Vec<u8>,
}

/// Returns how many bytes a filter for so many keys has.
pub(super) fn len_for(keys: u64) -> u64 {
    (keys * BITS_PER_KEY).div_ceil(8 * BLOCK_LEN as u64) * BLOCK_LEN as u64
}

impl Filter {
    /// Makes an empty filter of a length, or takes its bytes; what is no whole block is unused.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Filter {
        Filter { bytes }
    }

    /// Returns its bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds a key.
    pub(super) fn add(&mut self, key: u64) {
        if let Some(start) = self.block_at(key) {
            for (at, mask) in bits(key) {
                self.bytes[start + at] |= mask;
            }
        }
    }

    /// Whether a key may have been added.
    pub(super) fn may_have(&self, key: u64) -> bool {
        self.block_at(key).is_none_or(|start| bits(key).all(|(at, mask)| self.bytes[start + at] & mask != 0))
    }

    fn block_at(&self, key: u64) -> Option<usize> {
        let blocks = self.bytes.len() / BLOCK_LEN;
        (blocks > 0).then(|| ((u128::from(key) * blocks as u128) >> 64) as usize * BLOCK_LEN)
    }
}

/// Yields a byte of a block and a bit of it, one in each word.
fn bits(key: u64) -> impl Iterator<Item = (usize, u8)> {
    SALTS.iter().enumerate().map(move |(word, salt)| {
        let bit = ((key as u32).wrapping_mul(*salt) >> 27) as usize;
        (word * 4 + bit / 8, 1 << (bit % 8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_were_added_are_there_and_few_others() {
        let key = |n: u64| u64::from_le_bytes(*blake3::hash(&n.to_le_bytes()).as_bytes().first_chunk().unwrap());
        let mut filter = Filter::from_bytes(vec![0; len_for(20_000) as usize]);
        (0..20_000).for_each(|n| filter.add(key(n)));
        assert!((0..20_000).all(|n| filter.may_have(key(n))));
        let wrong = (20_000..60_000).filter(|&n| filter.may_have(key(n))).count();
        assert!(wrong < 40_000 / 25, "{wrong} of 40,000 absent keys are taken for present");
    }

    #[test]
    fn no_filter_takes_every_key() {
        assert!(Filter::default().may_have(0) && Filter::from_bytes(vec![0; 31]).may_have(u64::MAX));
        assert!(!Filter::from_bytes(vec![0; 32]).may_have(u64::MAX));
    }
}
