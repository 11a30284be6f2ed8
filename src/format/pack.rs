//! Packs: header, blocks, rows, trailer; "Packs" in `docs/format.md`.
//!
//! Fixed-width little-endian fields at named offsets. Nothing here is believed: a reader hashes
//! the table before it uses a row, and each chunk before it uses its bytes.

use std::fmt;

pub use super::table::Table;

use super::limits::{BLOCK_RAW_LEN_MAX, CHUNK_LEN_MAX, PACK_LEN_MAX};
use super::manifest::PageType;
use crate::id::{ChunkId, HASH_LEN};

/// Length of a pack's header.
pub const HEADER_LEN: usize = 24;
/// Length of a block's header without its chunk lengths.
pub const BLOCK_HEADER_LEN: usize = 20;
/// Length of a table row for a block.
pub const BLOCK_ROW_LEN: usize = 20;
/// Length of a table row for a chunk.
pub const CHUNK_ROW_LEN: usize = 44;
/// Length of a trailer.
pub const TRAILER_LEN: usize = 72;
/// Most chunks in a block: each has at least one byte, and a header's length has a bound.
pub const BLOCK_CHUNKS_MAX: usize = 4096;

const HEADER_MAGIC: [u8; 8] = *b"\x89ARTPK\r\n";
const BLOCK_MAGIC: [u8; 4] = *b"BLK\n";
const TRAILER_MAGIC: [u8; 8] = *b"\x89ARTPE\r\n";
const VERSION: u32 = 1;
/// The codec whose payload is the chunks themselves; the others are known to `chunk::compress`.
const CODEC_RAW: u32 = 0;

/// What a pack holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackClass {
    /// Chunks of files.
    Data,
    /// Pages, manifests and metadata pieces.
    Meta,
}

/// Why bytes are not a (part of a) pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackError {
    /// Shorter than what its fields say, or cut off.
    Truncated,
    /// The bytes that mark the part are not there.
    Magic,
    /// A version of the format that this program does not know.
    Version(u32),
    /// A field's value that cannot be.
    Field(&'static str),
    /// The table does not hash to what the trailer says.
    TableHash,
    /// The file cannot be opened or read.
    Unreadable(std::io::ErrorKind),
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackError::Truncated => f.write_str("it is cut off"),
            PackError::Magic => f.write_str("it lacks the marks of a pack"),
            PackError::Version(version) => write!(f, "it has pack version {version}, which this program does not know"),
            PackError::Field(field) => write!(f, "its {field} cannot be"),
            PackError::Unreadable(kind) => write!(f, "it cannot be read: {kind}"),
            PackError::TableHash => f.write_str("its table does not match the hash in its trailer"),
        }
    }
}

impl std::error::Error for PackError {}

/// The first bytes of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the pack holds.
    pub class: PackClass,
    /// Zero, but in a pack that must differ from a condemned one of the same content.
    pub salt: [u8; 8],
}

/// What stands before the payload of a block, besides the chunk lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Codec id; whether it is a known one is not checked here.
    pub codec: u32,
    /// Length of the payload as stored.
    pub stored_len: u32,
    /// Length of the payload when decoded: the sum of the chunk lengths.
    pub raw_len: u32,
    /// How many chunk lengths follow.
    pub chunk_count: u32,
}

/// A block in the table: where it lies, and its header once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Offset of the block's header in the pack.
    pub offset: u32,
    /// As in the block's header.
    pub header: BlockHeader,
}

/// A chunk in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRow {
    /// The chunk's or page's name.
    pub hash: [u8; HASH_LEN],
    /// Which block of the table.
    pub block: u32,
    /// Offset in the decoded block.
    pub offset: u32,
    /// Length, raw.
    pub len: u32,
}

/// The last bytes of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Where the table begins.
    pub table_offset: u64,
    /// BLAKE3 of the table.
    pub table_hash: [u8; HASH_LEN],
    /// Blocks in the table.
    pub block_count: u32,
    /// Chunks in the table.
    pub chunk_count: u32,
    /// Length of the whole file.
    pub file_len: u64,
}

impl PackClass {
    fn id(self) -> u32 {
        match self {
            PackClass::Data => 1,
            PackClass::Meta => 2,
        }
    }

    /// Returns the hash by which such packs name these bytes; none if they are nothing that lies in
    /// one.
    pub fn name_of(self, bytes: &[u8]) -> Option<[u8; HASH_LEN]> {
        match self {
            PackClass::Data => Some(*ChunkId::of(bytes).as_bytes()),
            PackClass::Meta => PageType::peek(bytes).map(|kind| *kind.id_of(bytes).as_bytes()),
        }
    }

    fn from_id(id: u32) -> Option<PackClass> {
        [PackClass::Data, PackClass::Meta].into_iter().find(|class| class.id() == id)
    }
}

impl Header {
    /// Encodes the header.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = Fields::new();
        out.put(&HEADER_MAGIC).put_u32(VERSION).put_u32(self.class.id()).put(&self.salt);
        out.done()
    }

    /// Decodes the first [`HEADER_LEN`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<Header, PackError> {
        let mut fields = Reader(bytes);
        if fields.array()? != HEADER_MAGIC {
            return Err(PackError::Magic);
        }
        let version = fields.u32()?;
        if version != VERSION {
            return Err(PackError::Version(version));
        }
        let class = PackClass::from_id(fields.u32()?).ok_or(PackError::Field("class"))?;
        Ok(Header { class, salt: fields.array()? })
    }
}

impl BlockHeader {
    /// Encodes the header and the chunk lengths that belong to it.
    pub fn encode(&self, chunk_lens: &[u32], out: &mut Vec<u8>) {
        out.extend_from_slice(&BLOCK_MAGIC);
        for field in [self.codec, self.stored_len, self.raw_len, self.chunk_count] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for len in chunk_lens {
            out.extend_from_slice(&len.to_le_bytes());
        }
    }

    /// Decodes a header and its chunk lengths: for salvage, where there is no table to trust.
    pub fn decode(bytes: &[u8]) -> Result<(BlockHeader, Vec<u32>), PackError> {
        let mut fields = Reader(bytes);
        if fields.array()? != BLOCK_MAGIC {
            return Err(PackError::Magic);
        }
        let header = fields.block_header()?;
        let lens = (0..header.chunk_count).map(|_| fields.u32()).collect::<Result<Vec<_>, _>>()?;
        let sum: u64 = lens.iter().map(|&len| u64::from(len)).sum();
        if sum != u64::from(header.raw_len) || lens.iter().any(|&len| len == 0 || len as usize > CHUNK_LEN_MAX) {
            return Err(PackError::Field("chunk length"));
        }
        Ok((header, lens))
    }

    /// Returns the length of the header with its chunk lengths.
    pub fn len_with_chunks(&self) -> usize {
        BLOCK_HEADER_LEN + 4 * self.chunk_count as usize
    }
}

impl BlockRow {
    /// Decodes a row, unchecked.
    pub fn decode(bytes: &[u8; BLOCK_ROW_LEN]) -> BlockRow {
        let [offset, codec, stored_len, raw_len, chunk_count] = u32_fields(bytes);
        BlockRow { offset, header: BlockHeader { codec, stored_len, raw_len, chunk_count } }
    }

    /// Checks a row that was read alone: its header, and that the block lies before the table.
    pub fn check(&self, table_offset: u64) -> Result<(), PackError> {
        self.header.check()?;
        let end = self.payload_offset() + u64::from(self.header.stored_len);
        if (self.offset as usize) < HEADER_LEN || end > table_offset {
            return Err(PackError::Field("block offset"));
        }
        Ok(())
    }

    /// Returns where the payload begins in the pack.
    pub fn payload_offset(&self) -> u64 {
        u64::from(self.offset) + self.header.len_with_chunks() as u64
    }
}

impl ChunkRow {
    /// Decodes a row, unchecked.
    pub fn decode(bytes: &[u8; CHUNK_ROW_LEN]) -> ChunkRow {
        let (hash, fields) = bytes.split_first_chunk().expect("a row is longer than a hash");
        let [block, offset, len] = u32_fields(fields);
        ChunkRow { hash: *hash, block, offset, len }
    }

    /// Checks that the chunk lies within its block.
    pub fn check(&self, block: &BlockRow) -> Result<(), PackError> {
        let end = u64::from(self.offset) + u64::from(self.len);
        if self.len == 0 || self.len as usize > CHUNK_LEN_MAX || end > u64::from(block.header.raw_len) {
            return Err(PackError::Field("chunk bounds"));
        }
        Ok(())
    }
}

fn u32_fields<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let fields = bytes.as_chunks().0;
    std::array::from_fn(|at| u32::from_le_bytes(fields[at]))
}

impl Trailer {
    /// Encodes the trailer.
    pub fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut out = Fields::new();
        out.put(&self.table_offset.to_le_bytes()).put(&self.table_hash).put_u32(self.block_count).put_u32(self.chunk_count);
        out.put(&self.file_len.to_le_bytes()).put_u32(VERSION).put_u32(0).put(&TRAILER_MAGIC);
        out.done()
    }

    /// Decodes the last [`TRAILER_LEN`] bytes of a file of `file_len` bytes.
    pub fn decode(bytes: &[u8], file_len: u64) -> Result<Trailer, PackError> {
        let mut fields = Reader(bytes);
        let (table_offset, table_hash) = (fields.u64()?, fields.array()?);
        let (block_count, chunk_count) = (fields.u32()?, fields.u32()?);
        let trailer = Trailer { table_offset, table_hash, block_count, chunk_count, file_len: fields.u64()? };
        let (version, reserved) = (fields.u32()?, fields.u32()?);
        if fields.array()? != TRAILER_MAGIC {
            return Err(PackError::Magic);
        }
        if version != VERSION {
            return Err(PackError::Version(version));
        }
        if reserved != 0 {
            return Err(PackError::Field("reserved field"));
        }
        if trailer.file_len != file_len || file_len > PACK_LEN_MAX {
            return Err(PackError::Field("file length"));
        }
        let end = table_offset.checked_add(trailer.table_len()).and_then(|end| end.checked_add(TRAILER_LEN as u64));
        if table_offset < HEADER_LEN as u64 || end != Some(file_len) {
            return Err(PackError::Field("table offset"));
        }
        Ok(trailer)
    }

    /// Returns the length of the table.
    pub fn table_len(&self) -> u64 {
        u64::from(self.block_count) * BLOCK_ROW_LEN as u64 + u64::from(self.chunk_count) * CHUNK_ROW_LEN as u64
    }
}

impl BlockHeader {
    pub(super) fn check(&self) -> Result<(), PackError> {
        if self.raw_len as usize > BLOCK_RAW_LEN_MAX || self.raw_len == 0 {
            return Err(PackError::Field("block length"));
        }
        let raw_as_stored = self.codec != CODEC_RAW || self.stored_len == self.raw_len;
        if self.stored_len > self.raw_len || self.stored_len == 0 || !raw_as_stored {
            return Err(PackError::Field("stored length"));
        }
        if self.chunk_count as usize > BLOCK_CHUNKS_MAX || self.chunk_count == 0 {
            return Err(PackError::Field("chunk count"));
        }
        Ok(())
    }
}

/// Lays fields one after another into an array of known length.
pub(super) struct Fields<const N: usize> {
    out: [u8; N],
    at: usize,
}

impl<const N: usize> Fields<N> {
    pub(super) fn new() -> Fields<N> {
        Fields { out: [0; N], at: 0 }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> &mut Fields<N> {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
        self
    }

    pub(super) fn put_u32(&mut self, value: u32) -> &mut Fields<N> {
        self.put(&value.to_le_bytes())
    }

    pub(super) fn done(&self) -> [u8; N] {
        debug_assert_eq!(self.at, N);
        self.out
    }
}

/// Reads fields one after another.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PackError> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(PackError::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn u32(&mut self) -> Result<u32, PackError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, PackError> {
        self.array().map(u64::from_le_bytes)
    }

    fn block_header(&mut self) -> Result<BlockHeader, PackError> {
        let (codec, stored_len, raw_len, chunk_count) = (self.u32()?, self.u32()?, self.u32()?, self.u32()?);
        let header = BlockHeader { codec, stored_len, raw_len, chunk_count };
        header.check()?;
        Ok(header)
    }
}
