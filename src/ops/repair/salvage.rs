//! What a damaged pack still holds: a forward scan from block to block that hashes what it finds.
//! "Block" in `docs/format.md`.

use crate::chunk::compress::{Codec, Decoder};
use crate::format::pack::{BLOCK_CHUNKS_MAX, BLOCK_HEADER_LEN, BlockHeader, PackClass};
use crate::id::HASH_LEN;

/// Blocks that lead to no other block: damage makes few, only an enemy makes more.
const LOOSE_ENDS_MAX: usize = 4096;

/// Calls `each` with the name and the bytes of everything in the bytes of a pack that can be
/// decoded, be the rest of it what it may. A name is the hash of the bytes, so of damaged bytes it
/// is one that nobody asks for.
pub(super) fn scan(pack: &[u8], class: PackClass, each: &mut dyn FnMut([u8; HASH_LEN], &[u8])) {
    let magic = magic();
    let (mut decoder, mut raw) = (Decoder::new(), Vec::new());
    let (mut at, mut loose_ends) = (0, 0);
    while let Some(found) = find(pack, at, &magic) {
        let end = block(&pack[found..], class, &mut decoder, &mut raw, each).map(|len| found + len);
        let next = end.filter(|&end| pack.get(end..).is_some_and(|rest| rest.starts_with(&magic)));
        loose_ends += usize::from(end.is_some() && next.is_none());
        if loose_ends > LOOSE_ENDS_MAX {
            return;
        }
        // A length that leads to no other block may be wrong, and so lead past some.
        at = next.unwrap_or(found + 1);
    }
}

/// Takes the block at the start of some bytes; returns its length, if these are a block's.
fn block(
    bytes: &[u8],
    class: PackClass,
    decoder: &mut Decoder,
    raw: &mut Vec<u8>,
    each: &mut dyn FnMut([u8; HASH_LEN], &[u8]),
) -> Option<usize> {
    let head = &bytes[..bytes.len().min(BLOCK_HEADER_LEN + 4 * BLOCK_CHUNKS_MAX)];
    let (header, lens) = BlockHeader::decode(head).ok()?;
    let (start, stored_len) = (header.len_with_chunks(), header.stored_len as usize);
    // Of a raw block that is cut off, what is left counts.
    let payload = &bytes[start..bytes.len().min(start + stored_len)];
    let decoded = match Codec::from_id(header.codec) {
        Some(Codec::Raw) => payload,
        Some(codec) if payload.len() == stored_len => {
            if decoder.decode(codec, payload, header.raw_len as usize, raw).is_err() {
                return Some(start + stored_len);
            }
            &raw[..]
        }
        _ => return Some(start + stored_len),
    };
    let mut rest = decoded;
    for len in lens {
        let Some((object, after)) = rest.split_at_checked(len as usize) else { break };
        rest = after;
        if let Some(name) = class.name_of(object) {
            each(name, object);
        }
    }
    Some(start + stored_len)
}

fn magic() -> Vec<u8> {
    let mut header = Vec::new();
    BlockHeader { codec: 0, stored_len: 0, raw_len: 0, chunk_count: 0 }.encode(&[], &mut header);
    header.truncate(4);
    header
}

fn find(bytes: &[u8], from: usize, magic: &[u8]) -> Option<usize> {
    let mut at = from;
    while let Some(next) = bytes.get(at..)?.iter().position(|byte| *byte == magic[0]) {
        at += next;
        if bytes[at..].starts_with(magic) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChunkId;

    fn pack_of(blocks: &[&[&[u8]]]) -> Vec<u8> {
        let mut pack = vec![0; 24];
        for chunks in blocks {
            let raw = chunks.concat();
            let lens: Vec<u32> = chunks.iter().map(|chunk| chunk.len() as u32).collect();
            let len = raw.len() as u32;
            BlockHeader { codec: 0, stored_len: len, raw_len: len, chunk_count: lens.len() as u32 }.encode(&lens, &mut pack);
            pack.extend(raw);
        }
        pack
    }

    fn found(pack: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        scan(pack, PackClass::Data, &mut |name, bytes| {
            assert_eq!(name, *ChunkId::of(bytes).as_bytes());
            all.push(bytes.to_vec());
        });
        all
    }

    #[test]
    fn a_flipped_byte_costs_one_block_at_most_and_a_cut_what_lies_behind_it() {
        let blocks: [&[&[u8]]; 3] = [&[b"one", b"two"], &[b"BLK\nthree"], &[b"four", b"five"]];
        let pack = pack_of(&blocks);
        assert_eq!(found(&pack), blocks.concat());
        for at in 24..pack.len() {
            let mut damaged = pack.clone();
            damaged[at] ^= 0x10;
            let found = found(&damaged);
            let whole = blocks.iter().filter(|chunks| chunks.iter().all(|chunk| found.contains(&chunk.to_vec()))).count();
            assert!(whole >= 2, "flip at {at}: {found:?}");
        }
        for len in 0..pack.len() {
            let ends = [24 + 20 + 8 + 3, 24 + 20 + 8 + 6];
            let count = ends.iter().filter(|end| **end <= len).count();
            assert!(found(&pack[..len]).len() >= count, "cut at {len}");
        }
    }
}
