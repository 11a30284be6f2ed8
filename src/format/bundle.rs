//! Bundles: header, list, trailer; "Bundles" in `docs/format.md`.
//!
//! What stands in the list as a path is taken for one by `store::files`, and each file is hashed by
//! whoever reads it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::limits::{BUNDLE_BASES_MAX, BUNDLE_LIST_LEN_MAX};
use super::pack::{Fields, PackError, Reader};
use crate::codec;
use crate::id::{HASH_LEN, PageId, RecordId};
use crate::name::Name;

/// Length of a bundle's header.
pub const BUNDLE_HEADER_LEN: usize = 56;
/// Length of a bundle's trailer.
pub const BUNDLE_TRAILER_LEN: usize = 56;

const HEADER_MAGIC: [u8; 8] = *b"\x89ARTBN\r\n";
const TRAILER_MAGIC: [u8; 8] = *b"\x89ARTBE\r\n";
const VERSION: u32 = 1;

/// Why bytes are not a (part of a) bundle.
#[derive(Debug)]
pub enum BundleError {
    /// Shorter than what its fields say, or cut off.
    Truncated,
    /// The bytes that mark the part are not there.
    Magic,
    /// A version of the format that this program does not know.
    Version(u32),
    /// A field's value that cannot be.
    Field(&'static str),
    /// The list does not hash to what the header says.
    ListHash,
    /// The list is not one.
    List(codec::DecodeError),
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BundleError::Truncated => f.write_str("it is cut off"),
            BundleError::Magic => f.write_str("it lacks the marks of a bundle"),
            BundleError::Version(version) => write!(f, "it has bundle version {version}, which this program does not know"),
            BundleError::Field(field) => write!(f, "its {field} cannot be"),
            BundleError::ListHash => f.write_str("its list does not match the hash in its header"),
            BundleError::List(why) => write!(f, "its list has a {why}"),
        }
    }
}

impl std::error::Error for BundleError {}

impl From<PackError> for BundleError {
    fn from(_: PackError) -> BundleError {
        // Of fields alone nothing else is read.
        BundleError::Truncated
    }
}

/// The first bytes of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleHeader {
    /// Length of the list.
    pub list_len: u64,
    /// BLAKE3 of the list.
    pub list_hash: [u8; HASH_LEN],
}

/// What is in a bundle, and what it builds on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleList {
    /// Versions whose pages and chunks are left out, sorted by artifact, number and id.
    pub bases: Vec<Base>,
    /// Its files, in their order.
    pub files: Vec<BundleFile>,
}

/// A version whose pages and chunks whoever unpacks a bundle must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Base {
    /// The artifact.
    pub artifact: Name,
    /// Its number.
    pub number: u64,
    /// Its id.
    pub version: RecordId,
    /// The id of its manifest, from which all that is left out can be reached.
    pub manifest: PageId,
}

/// A file of a store in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleFile {
    /// Its path in a store, with `/` between its parts.
    pub path: String,
    /// Its length in bytes.
    pub len: u64,
    /// The version record without which it must not be taken.
    pub needs: Option<String>,
}

/// The last bytes of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleTrailer {
    /// BLAKE3 of the header and then of the hash of each file.
    pub hash: [u8; HASH_LEN],
    /// How many files there are.
    pub file_count: u64,
    /// Length of the whole bundle.
    pub bundle_len: u64,
}

impl BundleHeader {
    /// Makes the header of a list that is encoded.
    pub fn of(list: &[u8]) -> BundleHeader {
        BundleHeader { list_len: list.len() as u64, list_hash: blake3::hash(list).into() }
    }

    /// Encodes the header.
    pub fn encode(&self) -> [u8; BUNDLE_HEADER_LEN] {
        let mut out = Fields::new();
        out.put(&HEADER_MAGIC).put_u32(VERSION).put_u32(0).put(&self.list_len.to_le_bytes()).put(&self.list_hash);
        out.done()
    }

    /// Decodes the first [`BUNDLE_HEADER_LEN`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<BundleHeader, BundleError> {
        let mut fields = Reader(bytes);
        if fields.array()? != HEADER_MAGIC {
            return Err(BundleError::Magic);
        }
        let version = fields.u32()?;
        if version != VERSION {
            return Err(BundleError::Version(version));
        }
        if fields.u32()? != 0 {
            return Err(BundleError::Field("reserved field"));
        }
        let header = BundleHeader { list_len: fields.u64()?, list_hash: fields.array()? };
        if header.list_len > BUNDLE_LIST_LEN_MAX {
            return Err(BundleError::Field("length of the list"));
        }
        Ok(header)
    }
}

impl BundleList {
    /// Encodes the list.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes a list that its header belongs to. Paths, and the order of files, are not looked at.
    pub fn decode(bytes: &[u8], header: &BundleHeader) -> Result<BundleList, BundleError> {
        if bytes.len() as u64 != header.list_len {
            return Err(BundleError::Truncated);
        }
        if blake3::hash(bytes) != header.list_hash {
            return Err(BundleError::ListHash);
        }
        let list: BundleList = codec::decode(bytes).map_err(BundleError::List)?;
        if list.bases.len() > BUNDLE_BASES_MAX || !list.bases.is_sorted_by(|a, b| a < b) {
            return Err(BundleError::Field("list of versions that it builds on"));
        }
        if list.bundle_len(header).is_none() {
            return Err(BundleError::Field("length of files"));
        }
        Ok(list)
    }

    /// Adds up how long the bundle is with this list; none beyond 2^64.
    pub fn bundle_len(&self, header: &BundleHeader) -> Option<u64> {
        let around = header.list_len.checked_add((BUNDLE_HEADER_LEN + BUNDLE_TRAILER_LEN) as u64)?;
        self.files.iter().try_fold(around, |sum, file| sum.checked_add(file.len))
    }
}

impl BundleTrailer {
    /// Encodes the trailer.
    pub fn encode(&self) -> [u8; BUNDLE_TRAILER_LEN] {
        let mut out = Fields::new();
        out.put(&self.hash).put(&self.file_count.to_le_bytes()).put(&self.bundle_len.to_le_bytes()).put(&TRAILER_MAGIC);
        out.done()
    }

    /// Decodes the last [`BUNDLE_TRAILER_LEN`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<BundleTrailer, BundleError> {
        let mut fields = Reader(bytes);
        let trailer = BundleTrailer { hash: fields.array()?, file_count: fields.u64()?, bundle_len: fields.u64()? };
        if fields.array()? != TRAILER_MAGIC {
            return Err(BundleError::Magic);
        }
        Ok(trailer)
    }
}
