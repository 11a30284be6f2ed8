//! The canonical binary encoding of pages, manifests and cache rows.
//!
//! bincode 1.3 with fixed-width little-endian integers, from slices only, with a limit, and
//! nothing left over. A value that was read is encoded again and compared, so each value has
//! exactly one encoding. See "Binary encoding" in `docs/format.md`.

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes that are not the one encoding of a value.
#[derive(Debug)]
pub enum DecodeError {
    /// The bytes end too early, are too many, or hold an unknown tag.
    Malformed(bincode::Error),
    /// The bytes decode, but are not how the value is encoded.
    NotCanonical,
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeError::Malformed(error) => write!(f, "malformed encoding: {error}"),
            DecodeError::NotCanonical => f.write_str("not the canonical encoding"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Encodes a value.
///
/// # Panics
///
/// Never for the types of this crate: their lengths are known and memory is the only target.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    encode_about(value, 256)
}

/// Encodes a value that takes about so many bytes.
fn encode_about<T: Serialize>(value: &T, len: usize) -> Vec<u8> {
    // Into a growing vector: `serialize` would measure the value first, which costs as much again.
    let mut bytes = Vec::with_capacity(len);
    options().serialize_into(&mut bytes, value).expect("encoding a value with known lengths into memory cannot fail");
    bytes
}

/// Returns the length of a value's encoding in bytes, without encoding it.
///
/// # Panics
///
/// As [`encode`]: never.
pub fn encoded_len<T: Serialize>(value: &T) -> u64 {
    options().serialized_size(value).expect("measuring a value with known lengths cannot fail")
}

/// Decodes a value from bytes that hold it and nothing else.
///
/// Memory taken is bounded by a small multiple of `bytes.len()`: bincode checks each length
/// against the limit, which is that of the slice.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let value: T = options().with_limit(bytes.len() as u64).reject_trailing_bytes().deserialize(bytes).map_err(DecodeError::Malformed)?;
    if encode_about(&value, bytes.len()) == bytes { Ok(value) } else { Err(DecodeError::NotCanonical) }
}

/// Decodes what this program has encoded itself, on this machine, and has just hashed: that it is
/// canonical is taken for granted.
pub fn decode_own<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    options().with_limit(bytes.len() as u64).reject_trailing_bytes().deserialize(bytes).map_err(DecodeError::Malformed)
}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_little_endian()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_fixed_width_little_endian() {
        assert_eq!(encode(&(1u32, 2u64, true, vec![7u8])), [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(encoded_len(&(1u32, 2u64, true, vec![7u8])), 22);
    }

    #[test]
    fn short_long_and_lying_input_is_refused() {
        let good = encode(&vec![1u32, 2]);
        for end in 0..good.len() {
            assert!(decode::<Vec<u32>>(&good[..end]).is_err(), "cut at {end}");
        }
        let mut long = good.clone();
        long.push(0);
        assert!(decode::<Vec<u32>>(&long).is_err());
        let mut lying = good;
        lying[7] = 0x7f;
        assert!(decode::<Vec<u32>>(&lying).is_err());
        assert!(decode::<bool>(&[2]).is_err());
    }
}
