//! What one pack holds: every block decoded, every chunk hashed, every block's own header held
//! against the table. A whole file tells only that it is what somebody wrote.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::Error;
use crate::format::manifest::{Page, PageType};
use crate::format::pack::{BLOCK_HEADER_LEN, BlockHeader, BlockRow, ChunkRow, PackClass};
use crate::id::{ChunkId, PageId};
use crate::open::open_regular;
use crate::quote::quote;
use crate::store::census::{Census, Place};

use super::blocks::Blocks;
use super::marks::Marks;

/// Problems of one pack that are told; the rest are counted.
const TOLD_MAX: usize = 3;

/// What was found in a pack.
#[derive(Default)]
pub(super) struct Contents {
    /// Rows whose chunk or page cannot be had.
    pub(super) bad: HashSet<u32>,
    problems: Vec<String>,
    more: u64,
}

impl Contents {
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn told(&self) -> String {
        let more = if self.more > 0 { format!("; and {} more", self.more) } else { String::new() };
        format!("{}{more}", self.problems.join("; "))
    }

    fn problem(&mut self, told: String) {
        if self.problems.len() < TOLD_MAX { self.problems.push(told) } else { self.more += 1 }
    }
}

/// Looks into a pack; chunks that are marked as good are not hashed again.
pub(super) fn check(census: &Census, number: u32, marked: Option<&Marks>) -> Contents {
    let (pack, table) = (&census.packs()[number as usize], census.table(number));
    let mut rows: Vec<(ChunkRow, u32)> = (0..table.chunk_count()).filter_map(|slot| Some((table.chunk(slot)?, slot as u32))).collect();
    rows.sort_unstable_by_key(|(row, slot)| (row.block, row.offset, *slot));
    let (mut contents, mut blocks) = (Contents::default(), Blocks::new(census));
    let file = match open_regular(&pack.path) {
        Ok(file) => file,
        Err(error) => {
            contents.bad.extend(rows.iter().map(|(_, slot)| *slot));
            contents.problem(format!("it cannot be opened: {error}"));
            return contents;
        }
    };
    let mut rest = &rows[..];
    for number_of_block in 0..table.block_count() as u32 {
        let len = rest.iter().take_while(|(row, _)| row.block == number_of_block).count();
        let (rows, after) = rest.split_at(len);
        rest = after;
        if let Some(block) = table.block(number_of_block)
            && let Err(why) = check_header(&file, &block, rows)
        {
            contents.problem(format!("block {number_of_block}: {why}"));
        }
        let mut unread = None;
        for &(row, slot) in rows {
            let place = Place { pack: number, slot };
            if marked.is_some_and(|marked| marked.has(place)) {
                continue;
            }
            match blocks.at(place) {
                Ok(bytes) => {
                    if let Err(why) = check_object(bytes, &row, pack.class) {
                        contents.bad.insert(slot);
                        contents.problem(why);
                    }
                }
                Err(error) => {
                    contents.bad.insert(slot);
                    unread.get_or_insert(error);
                }
            }
        }
        if let Some(error) = unread {
            contents.problem(format!("block {number_of_block}: {}", chain(&error)));
        }
    }
    contents
}

/// Reads a block's own header, by which it is salvaged, and compares it with the table.
fn check_header(file: &File, block: &BlockRow, rows: &[(ChunkRow, u32)]) -> Result<(), String> {
    let mut bytes = vec![0; BLOCK_HEADER_LEN + 4 * block.header.chunk_count as usize];
    file.read_exact_at(&mut bytes, u64::from(block.offset)).map_err(|error| format!("its header cannot be read: {error}"))?;
    let (header, lens) = BlockHeader::decode(&bytes).map_err(|why| format!("its header: {why}"))?;
    let mut at = 0;
    let mut tiles = rows.iter().map(|(row, _)| {
        let follows = row.offset == at;
        at = row.offset + row.len;
        (follows, row.len)
    });
    let are_the_same = header == block.header && lens.iter().all(|&len| tiles.next() == Some((true, len))) && tiles.next().is_none();
    if are_the_same { Ok(()) } else { Err("its header is not what the table says".to_owned()) }
}

fn check_object(bytes: &[u8], row: &ChunkRow, class: PackClass) -> Result<(), String> {
    let name = ChunkId::from_bytes(row.hash);
    let wrong = |what: &str| format!("{what} {}: its bytes do not match its name", quote(name.short(16).as_bytes()));
    if class == PackClass::Data {
        return if ChunkId::of(bytes) == name { Ok(()) } else { Err(wrong("chunk")) };
    }
    match PageType::peek(bytes) {
        Some(kind) if kind.id_of(bytes) == PageId::from_bytes(row.hash) => {
            Page::decode(kind, bytes).map(|_| ()).map_err(|why| format!("page {}: {why}", quote(name.short(16).as_bytes())))
        }
        _ => Err(wrong("page")),
    }
}

fn chain(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}
