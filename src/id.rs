//! Names made of hashes: 32 bytes of BLAKE3, shown as 64 lower-case hex digits.
//!
//! Each kind of thing has its own type, so that a pack's name cannot be passed for a chunk's.
//! See "Hashes" in `docs/format.md`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Length of a hash, in bytes.
pub const HASH_LEN: usize = 32;

/// The BLAKE3 hash that names one thing of kind `K`.
pub struct Id<K>([u8; HASH_LEN], PhantomData<fn() -> K>);

/// Marks the digest of a file: plain BLAKE3 of its bytes, as `b3sum` prints it.
pub enum FileKind {}
/// Marks the name of a chunk: plain BLAKE3 of its raw bytes.
pub enum ChunkKind {}
/// Marks the name of a page, manifest or metadata piece: BLAKE3 with a key derived from its kind.
pub enum PageKind {}
/// Marks the name of a pack: plain BLAKE3 of the whole file.
pub enum PackKind {}
/// Marks the name of a record: plain BLAKE3 of its line.
pub enum RecordKind {}

/// The digest of a file.
pub type FileDigest = Id<FileKind>;
/// The name of a chunk.
pub type ChunkId = Id<ChunkKind>;
/// The name of a page, a manifest or a piece of metadata.
pub type PageId = Id<PageKind>;
/// The name of a pack.
pub type PackId = Id<PackKind>;
/// The name of a record; a version is known by that of its version record.
pub type RecordId = Id<RecordKind>;

impl<K> Id<K> {
    /// Takes the bytes of a hash as a name.
    pub const fn from_bytes(bytes: [u8; HASH_LEN]) -> Id<K> {
        Id(bytes, PhantomData)
    }

    /// Hashes bytes with plain BLAKE3.
    pub fn of(bytes: &[u8]) -> Id<K> {
        Id::from(blake3::hash(bytes))
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_LEN] {
        &self.0
    }

    /// Counts the low zero bits of the first eight bytes read as a little-endian number: where
    /// pages are cut.
    pub fn low_zero_bits(&self) -> u32 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(first).trailing_zeros()
    }

    /// Returns the first `digits` hex digits.
    pub fn short(&self, digits: usize) -> String {
        let mut hex = self.to_string();
        hex.truncate(digits);
        hex
    }

    /// Whether the hex form begins with `prefix` (lower case).
    pub fn has_hex_prefix(&self, prefix: &str) -> bool {
        self.to_string().starts_with(prefix)
    }
}

impl FileDigest {
    /// The digest as the name of the one chunk of a file that is a single chunk.
    pub const fn as_chunk(&self) -> ChunkId {
        Id::from_bytes(self.0)
    }
}

impl<K> From<blake3::Hash> for Id<K> {
    fn from(hash: blake3::Hash) -> Id<K> {
        Id::from_bytes(hash.into())
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Id<K> {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Id<K>) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Id<K>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Id<K>) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from(self.0).to_hex())
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 64 lower-case hex digits.
#[derive(Debug, PartialEq, Eq)]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not 64 lower-case hex digits")
    }
}

impl std::error::Error for ParseIdError {}

impl<K> FromStr for Id<K> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Id<K>, ParseIdError> {
        // blake3 reads upper case too; a name has one spelling.
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ParseIdError);
        }
        blake3::Hash::from_hex(text).map(Id::from).map_err(|_| ParseIdError)
    }
}

// In JSON a hex string; in the binary encoding the bare 32 bytes. They go as four little-endian
// numbers, which are the same bytes there and an eighth of the calls.
impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let mut words = [0; HASH_LEN / 8];
        for (word, bytes) in words.iter_mut().zip(self.0.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words.serialize(serializer)
    }
}

impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id<K>, D::Error> {
        if deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(D::Error::custom);
        }
        let words = <[u64; HASH_LEN / 8]>::deserialize(deserializer)?;
        let mut bytes = [0; HASH_LEN];
        for (word, bytes) in words.into_iter().zip(bytes.as_chunks_mut().0) {
            *bytes = word.to_le_bytes();
        }
        Ok(Id::from_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_reads_back_and_has_one_spelling() {
        let id = ChunkId::of(b"hello");
        assert_eq!(id.to_string(), "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse::<ChunkId>(), Err(ParseIdError));
        assert_eq!("ab".parse::<ChunkId>(), Err(ParseIdError));
        assert_eq!(id.short(8), "ea8f163d");
    }

    #[test]
    fn the_binary_encoding_is_the_bare_bytes() {
        let id = ChunkId::of(b"hello");
        assert_eq!(crate::codec::encode(&id), id.as_bytes());
        assert_eq!(crate::codec::decode::<ChunkId>(id.as_bytes()).unwrap(), id);
    }

    #[test]
    fn low_zero_bits_are_counted_from_the_first_byte() {
        let mut bytes = [0xff; HASH_LEN];
        bytes[0] = 0;
        bytes[1] = 0b0000_0100;
        assert_eq!(ChunkId::from_bytes(bytes).low_zero_bits(), 10);
        assert_eq!(ChunkId::from_bytes([0; HASH_LEN]).low_zero_bits(), 64);
    }
}
