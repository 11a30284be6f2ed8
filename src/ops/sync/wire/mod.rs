//! How two programs speak of a store over a pipe: `docs/protocol.md`.
//!
//! Each side writes what it speaks, and then frames (`frame`), each one message (`message`). The near
//! side asks, the far one answers; files go as a stream of pieces (`files`). Neither believes the other:
//! each length meets the limit of its kind of frame, each list a limit of its own, each path the grammar
//! of a store, and each file is hashed before it has its name.

mod failure;
pub(super) mod files;
mod frame;
mod link;
pub(super) mod message;
mod rows;

pub(super) use failure::{Failure, shown, text};
pub(super) use frame::HASHES;
pub(super) use link::{Greeting, Input, Output};

/// What both sides begin with, before the number of the protocol.
pub(super) const MAGIC: [u8; 8] = *b"artstore";

/// The protocol that this program speaks. One that speaks another is told so, and asked nothing.
pub(super) const PROTOCOL: u32 = 1;

/// Most files that a list may have, all its frames together.
pub(super) const FILES_MAX: usize = 1 << 24;

/// Most chunks and pages that may be asked for at once: those of 8 TiB.
pub(super) const HASHES_MAX: usize = 1 << 27;

/// Longest list of refs, in bytes.
pub(super) const REFS_LEN_MAX: usize = 512 << 10;

/// Most condemn and lift records, in bytes.
pub(super) const LINES_LEN_MAX: usize = 1 << 30;

/// Reads a stream of frames as the other side's and writes it again; none if a frame is refused.
///
/// A frame has one form, so what is returned is what was read.
pub fn read_back(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut left, mut again) = (bytes, Vec::new());
    while !left.is_empty() {
        let (kind, payload) = frame::read(&mut left).ok()??;
        message::Message::decode(kind, payload).ok()?.encode(&mut again);
    }
    Some(again)
}
