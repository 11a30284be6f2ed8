//! "Packs": header, blocks, table and trailer, read as a store reads them.

use std::fs;

use artstore::chunk::compress::{Codec, Decoder};
use artstore::format::limits::{BLOCK_RAW_LEN_MAX, CHUNK_LEN_MAX, PACK_LEN_MAX};
use artstore::format::pack::{
    BLOCK_CHUNKS_MAX, BLOCK_HEADER_LEN, BlockHeader, BlockRow, ChunkRow, HEADER_LEN, Header, PackClass, PackError, TRAILER_LEN, Table,
    Trailer,
};
use artstore::id::{ChunkId, PackId};
use artstore::pack::pack_path;
use artstore::pack::reader::{Opened, Pack, verify_file};

use crate::sample::{Bend, Block, data_pack, example_pack, hex, pack, unhex};

/// A store's directory with one pack in it.
struct Shelf {
    dir: tempfile::TempDir,
    class: PackClass,
    id: PackId,
}

impl Shelf {
    fn new(class: PackClass, bytes: &[u8]) -> Shelf {
        let shelf = Shelf { dir: tempfile::tempdir().unwrap(), class, id: PackId::of(bytes) };
        let path = shelf.dir.path().join(pack_path(class, shelf.id));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        shelf
    }

    /// Puts other bytes under the same name.
    fn replace(&self, bytes: &[u8]) {
        fs::write(self.dir.path().join(pack_path(self.class, self.id)), bytes).unwrap();
    }

    fn open(&self) -> Result<Pack, PackError> {
        match Pack::open(&self.dir.path().into(), self.class, self.id) {
            Opened::Pack(pack, _) => Ok(pack),
            Opened::NotArrived(why) => Err(why),
        }
    }

    fn is_whole(&self) -> bool {
        verify_file(&self.dir.path().join(pack_path(self.class, self.id)), self.id).is_ok()
    }
}

fn arrives(bytes: &[u8]) -> Result<(), PackError> {
    Shelf::new(PackClass::Data, bytes).open().map(drop)
}

/// Reads a chunk; none if it is not there or its bytes are not it.
fn read(pack: &Pack, chunk: &[u8]) -> Option<Vec<u8>> {
    let table = pack.read_table().unwrap();
    let row = table.find(ChunkId::of(chunk).as_bytes())?;
    let block = table.block(row.block)?;
    let mut bytes = Vec::new();
    pack.file().unwrap().read_part(&block, row.offset, row.len, &mut Decoder::new(), &mut bytes).ok()?;
    (ChunkId::of(&bytes).as_bytes() == &row.hash).then_some(bytes)
}

#[test]
fn a_header_is_24_bytes() {
    let header = Header { class: PackClass::Meta, salt: [1, 2, 3, 4, 5, 6, 7, 8] };
    let golden = unhex("89415254504b0d0a 01000000 02000000 0102030405060708");
    assert_eq!(header.encode()[..], golden);
    assert_eq!(Header::decode(&golden), Ok(header));
}

#[test]
fn a_header_cut_short_or_changed_is_refused() {
    let golden = Header { class: PackClass::Data, salt: [0; 8] }.encode();
    for len in 0..golden.len() {
        assert!(Header::decode(&golden[..len]).is_err(), "{len}");
    }
    for at in 0..16 {
        for flip in 1..=255 {
            let mut bad = golden;
            bad[at] ^= flip;
            // Class 1 becomes class 2, which is known, and asked for elsewhere.
            assert!(Header::decode(&bad).is_err() || (at, flip) == (12, 3), "{at} {flip}");
        }
    }
    let mut newer = golden;
    newer[8] = 2;
    assert_eq!(Header::decode(&newer), Err(PackError::Version(2)));
    for class in [0, 3, 255] {
        let mut unknown = golden;
        unknown[12] = class;
        assert_eq!(Header::decode(&unknown), Err(PackError::Field("class")));
    }
}

const BLOCK: &str = "424c4b0a 01000000 07000000 08000000 02000000 05000000 03000000";

#[test]
fn a_block_header_is_20_bytes_and_the_lengths_of_its_chunks() {
    let header = BlockHeader { codec: 1, stored_len: 7, raw_len: 8, chunk_count: 2 };
    let mut bytes = Vec::new();
    header.encode(&[5, 3], &mut bytes);
    assert_eq!(bytes, unhex(BLOCK));
    assert_eq!(bytes.len(), header.len_with_chunks());
    assert_eq!(BlockHeader::decode(&bytes), Ok((header, vec![5, 3])));
    for len in 0..bytes.len() {
        assert!(BlockHeader::decode(&bytes[..len]).is_err(), "{len}");
    }
    for at in 0..4 {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        assert_eq!(BlockHeader::decode(&bad), Err(PackError::Magic));
    }
}

#[test]
fn a_block_beyond_a_limit_is_refused_before_its_lengths_are_read() {
    let header = |codec, stored_len, raw_len, chunk_count| {
        let mut bytes = Vec::new();
        BlockHeader { codec, stored_len, raw_len, chunk_count }.encode(&[], &mut bytes);
        BlockHeader::decode(&bytes).unwrap_err()
    };
    assert_eq!(header(1, 1, BLOCK_RAW_LEN_MAX as u32 + 1, 9), PackError::Field("block length"));
    assert_eq!(header(1, 1, 0, 1), PackError::Field("block length"));
    assert_eq!(header(1, 9, 8, 1), PackError::Field("stored length"));
    assert_eq!(header(1, 0, 8, 1), PackError::Field("stored length"));
    assert_eq!(header(0, 7, 8, 1), PackError::Field("stored length"));
    assert_eq!(header(1, 8, 8, 0), PackError::Field("chunk count"));
    assert_eq!(header(1, 8, 8, BLOCK_CHUNKS_MAX as u32 + 1), PackError::Field("chunk count"));
    assert_eq!(header(1, 8, 8, u32::MAX), PackError::Field("chunk count"));
    // Within the limits it is the lengths that are missing.
    assert_eq!(header(1, 8, BLOCK_RAW_LEN_MAX as u32, BLOCK_CHUNKS_MAX as u32), PackError::Truncated);
}

#[test]
fn lengths_of_chunks_that_do_not_add_up_are_refused() {
    let raw_len = CHUNK_LEN_MAX as u32 + 1;
    for (raw_len, lens) in [(8, &[5, 4][..]), (8, &[8, 0]), (8, &[u32::MAX, 9]), (raw_len, &[raw_len])] {
        let mut bytes = Vec::new();
        BlockHeader { codec: 1, stored_len: 1, raw_len, chunk_count: lens.len() as u32 }.encode(lens, &mut bytes);
        assert_eq!(BlockHeader::decode(&bytes), Err(PackError::Field("chunk length")), "{lens:?}");
    }
}

#[test]
fn a_trailer_is_72_bytes() {
    let trailer = Trailer { table_offset: 60, table_hash: [7; 32], block_count: 1, chunk_count: 2, file_len: 240 };
    let golden = format!("3c00000000000000 {} 01000000 02000000 f000000000000000 01000000 00000000 8941525450450d0a", "07".repeat(32));
    assert_eq!(trailer.encode()[..], unhex(&golden));
    assert_eq!(Trailer::decode(&unhex(&golden), 240), Ok(trailer));
}

#[test]
fn a_trailer_cut_short_or_changed_is_refused() {
    let trailer = Trailer { table_offset: 60, table_hash: [7; 32], block_count: 1, chunk_count: 2, file_len: 240 };
    let golden = trailer.encode();
    for len in 0..golden.len() {
        assert!(Trailer::decode(&golden[..len], 240).is_err(), "{len}");
    }
    for at in (0..8).chain(40..TRAILER_LEN) {
        for flip in 1..=255 {
            let mut bad = golden;
            bad[at] ^= flip;
            assert!(Trailer::decode(&bad, 240).is_err(), "{at} {flip}");
        }
    }
    let mut newer = golden;
    newer[56] = 2;
    assert_eq!(Trailer::decode(&newer, 240), Err(PackError::Version(2)));
    let mut reserved = golden;
    reserved[63] = 1;
    assert_eq!(Trailer::decode(&reserved, 240), Err(PackError::Field("reserved field")));
    for file_len in [0, 239, 241, u64::MAX] {
        assert_eq!(Trailer::decode(&golden, file_len), Err(PackError::Field("file length")));
    }
}

#[test]
fn a_pack_beyond_48_mib_is_refused_and_no_count_overflows() {
    let trailer = |table_offset, block_count, chunk_count, file_len| {
        let trailer = Trailer { table_offset, table_hash: [0; 32], block_count, chunk_count, file_len };
        Trailer::decode(&trailer.encode(), file_len)
    };
    let tail = TRAILER_LEN as u64;
    assert!(trailer(PACK_LEN_MAX - tail, 0, 0, PACK_LEN_MAX).is_ok());
    assert_eq!(trailer(PACK_LEN_MAX - tail + 1, 0, 0, PACK_LEN_MAX + 1), Err(PackError::Field("file length")));
    assert_eq!(trailer(u64::MAX, 0, 0, tail - 1), Err(PackError::Field("table offset")));
    assert_eq!(trailer(24, u32::MAX, u32::MAX, 240), Err(PackError::Field("table offset")));
    assert_eq!(trailer(23, 0, 0, 23 + tail), Err(PackError::Field("table offset")));
}

#[test]
fn chunks_read_back_from_the_example() {
    let shelf = Shelf::new(PackClass::Data, &example_pack());
    let pack = shelf.open().unwrap();
    assert_eq!((pack.block_count, pack.chunk_count), (1, 2));
    assert_eq!(read(&pack, b"hello").unwrap(), b"hello");
    assert_eq!(read(&pack, b"art").unwrap(), b"art");
    assert_eq!(pack.read_table().unwrap().find(&[0; 32]), None);
    assert!(shelf.is_whole());
}

#[test]
fn a_pack_cut_anywhere_or_longer_has_not_arrived() {
    let bytes = example_pack();
    let shelf = Shelf::new(PackClass::Data, &bytes);
    for len in 0..bytes.len() {
        shelf.replace(&bytes[..len]);
        assert!(shelf.open().is_err(), "{len}");
    }
    for more in [&b"\0"[..], b"\n", &[0; 72], &bytes] {
        shelf.replace(&[&bytes[..], more].concat());
        assert!(shelf.open().is_err());
        shelf.replace(&[more, &bytes[..]].concat());
        assert!(shelf.open().is_err());
    }
}

#[test]
fn a_byte_changed_anywhere_in_a_pack_never_shows_in_a_chunk() {
    let bytes = example_pack();
    let shelf = Shelf::new(PackClass::Data, &bytes);
    // Salt, and the block's own header, which the table repeats: who takes a chunk by the table does
    // not read them.
    let harmless = |at: usize| (16..HEADER_LEN).contains(&at) || (HEADER_LEN..HEADER_LEN + BLOCK_HEADER_LEN + 8).contains(&at);
    let payload = |at: usize| (52..60).contains(&at);
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[at] ^= flip;
            shelf.replace(&bad);
            assert!(!shelf.is_whole(), "{at}");
            match shelf.open() {
                Err(_) => assert!(!harmless(at) && !payload(at), "{at}"),
                Ok(pack) if payload(at) => {
                    let whole = [&b"hello"[..], b"art"].map(|chunk| read(&pack, chunk).is_some());
                    assert_eq!(whole, if at < 57 { [false, true] } else { [true, false] }, "{at}");
                }
                Ok(pack) => {
                    assert!(harmless(at), "{at}");
                    assert_eq!(read(&pack, b"hello").unwrap(), b"hello");
                }
            }
        }
    }
}

#[test]
fn a_pack_in_the_place_of_the_other_class_has_not_arrived() {
    let shelf = Shelf::new(PackClass::Meta, &example_pack());
    assert_eq!(shelf.open().unwrap_err(), PackError::Field("class"));
}

#[test]
fn a_table_that_breaks_a_rule_is_refused_though_its_hash_is_right() {
    let bent = |bend| arrives(&data_pack(&[b"hello", b"art"], bend)).unwrap_err();
    let chunks = |chunk_rows: fn(&mut Vec<ChunkRow>)| bent(Bend { chunk_rows: Some(chunk_rows), ..Bend::default() });
    let blocks = |block_rows: fn(&mut Vec<BlockRow>)| bent(Bend { block_rows: Some(block_rows), ..Bend::default() });

    assert_eq!(chunks(|rows| rows[0].block = 1), PackError::Field("block number"));
    assert_eq!(chunks(|rows| rows[0].len = 0), PackError::Field("chunk bounds"));
    assert_eq!(chunks(|rows| rows[0].len = 9), PackError::Field("chunk bounds"));
    assert_eq!(chunks(|rows| rows[0].offset = u32::MAX), PackError::Field("chunk bounds"));
    assert_eq!(chunks(|rows| rows[1].offset = 6), PackError::Field("chunk bounds"));
    assert_eq!(chunks(|rows| rows.truncate(1)), PackError::Field("table"));
    assert_eq!(blocks(|rows| rows[0].offset = 25), PackError::Field("block offset"));
    assert_eq!(blocks(|rows| rows[0].offset = 0), PackError::Field("block offset"));
    assert_eq!(blocks(|rows| rows[0].header.chunk_count = 1), PackError::Field("table"));
    assert_eq!(blocks(|rows| rows[0].header.stored_len = 7), PackError::Field("stored length"));
    assert_eq!(blocks(|rows| rows[0].header.raw_len = BLOCK_RAW_LEN_MAX as u32 + 1), PackError::Field("block length"));
    assert_eq!(blocks(|rows| rows.clear()), PackError::Field("table"));
    let unsorted = bent(Bend { table: Some(|table| table[20..].rotate_left(44)), ..Bend::default() });
    assert_eq!(unsorted, PackError::Field("order of rows"));
    let hash = bent(Bend { trailer: Some(|trailer| trailer.table_hash[0] ^= 1), ..Bend::default() });
    assert_eq!(hash, PackError::TableHash);
}

#[test]
fn a_chunk_beyond_its_limit_is_refused() {
    let long = vec![1; CHUNK_LEN_MAX + 1];
    assert_eq!(arrives(&data_pack(&[&long], Bend::default())), Err(PackError::Field("chunk bounds")));
    assert_eq!(arrives(&data_pack(&[&long[1..]], Bend::default())), Ok(()));
}

#[test]
fn a_chunk_may_be_there_twice() {
    assert_eq!(arrives(&data_pack(&[b"art", b"art"], Bend::default())), Ok(()));
}

#[test]
fn a_table_of_another_length_than_its_trailer_says_is_refused() {
    let mut rows = [ChunkRow { hash: [1; 32], block: 0, offset: 0, len: 1 }];
    let table = Table::build(&[], &mut rows).as_bytes().to_vec();
    let trailer = Trailer { table_offset: 24, table_hash: blake3::hash(&table).into(), block_count: 0, chunk_count: 2, file_len: 0 };
    assert_eq!(Table::decode(table, &trailer).unwrap_err(), PackError::Truncated);
}

#[test]
fn every_codec_reads_back_and_an_unknown_one_is_refused_when_read() {
    let chunks: [&[u8]; 2] = [b"abcdefgh", b"ijklmnopq"];
    let rows = chunks.map(|chunk| (*ChunkId::of(chunk).as_bytes(), chunk.len() as u32));
    let lens = |count: usize, len: u32| len.to_le_bytes().repeat(count);
    let stored: [Vec<u8>; 5] = [
        chunks.concat(),
        zstd::bulk::compress(&[b'a'; 17], 1).unwrap(),
        [lens(2, 8), b"acegikmobdfhjlnpq".to_vec()].concat(),
        [lens(4, 4), b"aeimbfjncgkodhlpq".to_vec()].concat(),
        [lens(8, 2), b"aibjckdlemfngohpq".to_vec()].concat(),
    ];
    for (codec, stored) in (0u32..).zip(&stored) {
        // Here a group is longer than what it stands for, which a store refuses, so the decoder is asked.
        let mut raw = Vec::new();
        Decoder::new().decode(Codec::from_id(codec).unwrap(), stored, 17, &mut raw).unwrap();
        let expected = if codec == 1 { vec![b'a'; 17] } else { chunks.concat() };
        assert_eq!(raw, expected, "{codec}");
    }
    for codec in [5, 6, 0xff, 0x1_0000, u32::MAX] {
        let bytes = pack(PackClass::Data, &[Block { codec, stored: &chunks.concat(), chunks: &rows }], Bend::default());
        let shelf = Shelf::new(PackClass::Data, &bytes);
        let pack = shelf.open().unwrap();
        assert_eq!(Codec::from_id(codec), None);
        assert_eq!(read(&pack, chunks[0]), None);
    }
}

#[test]
fn a_compressed_block_reads_back() {
    let raw = b"hello ".repeat(50);
    let stored = zstd::bulk::compress(&raw, 3).unwrap();
    let (first, second) = raw.split_at(100);
    let rows = [first, second].map(|chunk| (*ChunkId::of(chunk).as_bytes(), chunk.len() as u32));
    let bytes = pack(PackClass::Data, &[Block { codec: 1, stored: &stored, chunks: &rows }], Bend::default());
    let shelf = Shelf::new(PackClass::Data, &bytes);
    let pack = shelf.open().unwrap();
    assert_eq!(read(&pack, first).unwrap(), first);
    assert_eq!(read(&pack, second).unwrap(), second);
}

#[test]
fn the_name_of_a_pack_is_the_hash_of_its_file() {
    let bytes = example_pack();
    assert_eq!(PackId::of(&bytes).to_string(), hex(blake3::hash(&bytes).as_bytes()));
    let name = PackId::of(&bytes).to_string();
    assert_eq!(pack_path(PackClass::Data, PackId::of(&bytes)).to_str().unwrap(), format!("packs/{}/{name}", &name[..2]));
}
