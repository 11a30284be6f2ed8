//! Bytes and objects that several modules need, made by hand where that is the point.

use artstore::format::manifest::{ChunkList, ChunkRun, Entry, EntryKind, FileBody};
use artstore::format::pack::{BlockHeader, BlockRow, ChunkRow, HEADER_LEN, Header, PackClass, TRAILER_LEN, Table, Trailer};
use artstore::format::path::EntryPath;
use artstore::id::Id;

/// Reads hex digits; white space between them is left out.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An id of equal bytes.
pub(crate) fn id<K>(byte: u8) -> Id<K> {
    Id::from_bytes([byte; 32])
}

pub(crate) fn path(text: &str) -> EntryPath {
    EntryPath::new(text).unwrap()
}

pub(crate) fn run(byte: u8, len: u32, count: u64) -> ChunkRun {
    ChunkRun { chunk: id(byte), len, count }
}

/// A small file whose content is told by a number.
pub(crate) fn file(at: &str, content: u64) -> Entry {
    let digest = Id::of(&content.to_le_bytes());
    Entry { path: path(at), kind: EntryKind::File(FileBody { executable: false, size_bytes: 8, digest, chunks: ChunkList::Whole }) }
}

/// A block of a pack: its codec, its payload as stored, and its chunks.
pub(crate) struct Block<'a> {
    pub(crate) codec: u32,
    pub(crate) stored: &'a [u8],
    pub(crate) chunks: &'a [([u8; 32], u32)],
}

/// Where a hand-made pack departs from the rules.
#[derive(Default)]
pub(crate) struct Bend {
    pub(crate) block_rows: Option<fn(&mut Vec<BlockRow>)>,
    pub(crate) chunk_rows: Option<fn(&mut Vec<ChunkRow>)>,
    pub(crate) table: Option<fn(&mut Vec<u8>)>,
    pub(crate) trailer: Option<fn(&mut Trailer)>,
}

/// Lays out a pack; what is bent is bent before hashes and lengths are taken.
pub(crate) fn pack(class: PackClass, blocks: &[Block<'_>], bend: Bend) -> Vec<u8> {
    let mut bytes = Header { class, salt: [0; 8] }.encode().to_vec();
    let (mut block_rows, mut chunk_rows) = (Vec::new(), Vec::new());
    for (number, block) in blocks.iter().enumerate() {
        let lens: Vec<u32> = block.chunks.iter().map(|chunk| chunk.1).collect();
        let raw_len = lens.iter().sum();
        let header = BlockHeader { codec: block.codec, stored_len: block.stored.len() as u32, raw_len, chunk_count: lens.len() as u32 };
        block_rows.push(BlockRow { offset: bytes.len() as u32, header });
        header.encode(&lens, &mut bytes);
        bytes.extend_from_slice(block.stored);
        let mut offset = 0;
        for &(hash, len) in block.chunks {
            chunk_rows.push(ChunkRow { hash, block: number as u32, offset, len });
            offset += len;
        }
    }
    bend.block_rows.into_iter().for_each(|bend| bend(&mut block_rows));
    bend.chunk_rows.into_iter().for_each(|bend| bend(&mut chunk_rows));
    let mut table = Table::build(&block_rows, &mut chunk_rows).as_bytes().to_vec();
    bend.table.into_iter().for_each(|bend| bend(&mut table));
    let mut trailer = Trailer {
        table_offset: bytes.len() as u64,
        table_hash: blake3::hash(&table).into(),
        block_count: block_rows.len() as u32,
        chunk_count: chunk_rows.len() as u32,
        file_len: (bytes.len() + table.len() + TRAILER_LEN) as u64,
    };
    bend.trailer.into_iter().for_each(|bend| bend(&mut trailer));
    assert!(bytes.len() >= HEADER_LEN);
    bytes.extend(table);
    bytes.extend(trailer.encode());
    bytes
}

/// A raw block of chunks with their true names.
pub(crate) fn data_pack(chunks: &[&[u8]], bend: Bend) -> Vec<u8> {
    let rows: Vec<([u8; 32], u32)> = chunks.iter().map(|chunk| (blake3::hash(chunk).into(), chunk.len() as u32)).collect();
    pack(PackClass::Data, &[Block { codec: 0, stored: &chunks.concat(), chunks: &rows }], bend)
}

/// The pack of the worked example.
pub(crate) fn example_pack() -> Vec<u8> {
    data_pack(&[b"hello", b"art"], Bend::default())
}
