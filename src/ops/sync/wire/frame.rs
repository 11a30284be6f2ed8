//! A frame: its kind, the length of its payload, the payload. No memory is taken before the length met
//! the limit of the kind.

use std::fmt;
use std::io::{self, Read};

use super::super::side::Hash;
use crate::format::limits::RECORD_LEN_MAX;
use crate::store::files::STORE_PATH_LEN_MAX;

/// Length of kind and length.
pub(super) const HEADER_LEN: usize = 5;

/// Bytes of a pack in a frame, at most.
pub(in super::super) const PIECE_LEN: usize = 256 << 10;
/// Rows of a list in a frame, at most, as they are sent.
pub(in super::super) const ROWS: usize = 1024;
/// Chunks or pages in a frame, at most.
pub(in super::super) const HASHES: usize = 8192;
/// Bytes of small files in a frame, from which on it is sent.
pub(in super::super) const BATCH_LEN: usize = 256 << 10;

/// Longest text in a frame, in bytes.
pub(in super::super) const TEXT_LEN_MAX: usize = 4096;

const LIST_LEN_MAX: u32 = (ROWS * (2 * STORE_PATH_LEN_MAX + 64)) as u32;
const BATCH_LEN_MAX: u32 = (BATCH_LEN + RECORD_LEN_MAX + STORE_PATH_LEN_MAX + 64) as u32;

/// What a frame says. The numbers are part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Hello,
    Welcome,
    Failed,
    End,
    List,
    Read,
    Put,
    Select,
    Lacks,
    Gather,
    Dispensable,
    Incomplete,
    Settle,
    AreWhole,
    Files,
    Hashes,
    Answers,
    Lines,
    Records,
    Fates,
    Versions,
    File,
    Piece,
    FileEnd,
    Broken,
    Batch,
    Absent,
}

/// Each kind with its number and the longest payload that it may have.
pub(super) const KINDS: [(Kind, u8, u32); 27] = [
    (Kind::Hello, 1, 16),
    (Kind::Welcome, 2, 64 << 10),
    (Kind::Failed, 3, 64 << 10),
    (Kind::End, 4, 0),
    (Kind::List, 16, 8),
    (Kind::Read, 17, 0),
    (Kind::Put, 18, 0),
    (Kind::Select, 19, 1 << 20),
    (Kind::Lacks, 20, 1),
    (Kind::Gather, 21, 1),
    (Kind::Dispensable, 22, 0),
    (Kind::Incomplete, 23, 0),
    (Kind::Settle, 24, 0),
    (Kind::AreWhole, 25, 0),
    (Kind::Files, 32, LIST_LEN_MAX),
    (Kind::Hashes, 33, 1 + (HASHES * size_of::<Hash>()) as u32),
    (Kind::Answers, 34, HASHES as u32),
    (Kind::Lines, 35, BATCH_LEN_MAX),
    (Kind::Records, 36, LIST_LEN_MAX),
    (Kind::Fates, 37, BATCH_LEN_MAX),
    (Kind::Versions, 38, LIST_LEN_MAX),
    (Kind::File, 48, 512),
    (Kind::Piece, 49, PIECE_LEN as u32),
    (Kind::FileEnd, 50, 0),
    (Kind::Broken, 51, TEXT_LEN_MAX as u32),
    (Kind::Batch, 52, BATCH_LEN_MAX),
    (Kind::Absent, 53, 8192),
];

/// Why bytes are no frame or message.
#[derive(Debug)]
pub(super) enum Refusal {
    Io(io::Error),
    /// The stream ends within a frame.
    CutOff,
    UnknownKind(u8),
    TooLong(Kind, u32),
    /// The payload of a kind is not what it should be.
    Malformed(Kind),
}

impl Kind {
    pub(super) fn number(self) -> u8 {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or(0, |(_, number, _)| *number)
    }

    pub(super) fn len_max(self) -> u32 {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or(0, |(.., len_max)| *len_max)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Io(error) => error.fmt(f),
            Refusal::CutOff => f.write_str("it ends within a message"),
            Refusal::UnknownKind(number) => write!(f, "a message of the unknown kind {number}"),
            Refusal::TooLong(kind, len) => write!(f, "a message of the kind {kind:?} is longer than it may be: {len} bytes"),
            Refusal::Malformed(kind) => write!(f, "a message of the kind {kind:?} is malformed"),
        }
    }
}

/// Reads a frame; none at the end of the stream.
pub(super) fn read(source: &mut dyn Read) -> Result<Option<(Kind, Vec<u8>)>, Refusal> {
    let mut header = [0; HEADER_LEN];
    let mut has = 0;
    while has < HEADER_LEN {
        match source.read(&mut header[has..]) {
            Ok(0) if has == 0 => return Ok(None),
            Ok(0) => return Err(Refusal::CutOff),
            Ok(count) => has += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Refusal::Io(e)),
        }
    }
    let [number, len @ ..] = header;
    let (len, known) = (u32::from_le_bytes(len), KINDS.iter().find(|(_, known, _)| *known == number));
    let (kind, _, len_max) = *known.ok_or(Refusal::UnknownKind(number))?;
    if len > len_max {
        return Err(Refusal::TooLong(kind, len));
    }
    let mut payload = vec![0; len as usize];
    match source.read_exact(&mut payload) {
        Ok(()) => Ok(Some((kind, payload))),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(Refusal::CutOff),
        Err(e) => Err(Refusal::Io(e)),
    }
}

/// Appends a frame, whose payload `fill` appends.
pub(super) fn append(out: &mut Vec<u8>, kind: Kind, fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend([kind.number(), 0, 0, 0, 0]);
    let begin = out.len();
    fill(out);
    let len = u32::try_from(out.len() - begin).unwrap_or(u32::MAX);
    debug_assert!(len <= kind.len_max(), "{kind:?} of {len} bytes");
    out[begin - 4..begin].copy_from_slice(&len.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_one_a_kind_and_found_again() {
        for (at, (kind, number, len_max)) in KINDS.iter().enumerate() {
            assert!(KINDS[..at].iter().all(|(_, other, _)| other < number));
            assert_eq!((kind.number(), kind.len_max()), (*number, *len_max));
        }
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_it_is_read() {
        for (kind, number, len_max) in KINDS {
            let mut bytes = vec![number];
            bytes.extend((len_max + 1).to_le_bytes());
            assert!(matches!(read(&mut &bytes[..]), Err(Refusal::TooLong(refused, _)) if refused == kind));
            bytes.truncate(1);
            bytes.extend(len_max.to_le_bytes());
            bytes.resize(HEADER_LEN + len_max as usize, 0);
            assert_eq!(read(&mut &bytes[..]).unwrap().unwrap().1.len(), len_max as usize);
            for end in 1..bytes.len().min(64) {
                assert!(matches!(read(&mut &bytes[..end]), Err(Refusal::CutOff)), "{kind:?} cut at {end}");
            }
        }
        assert!(matches!(read(&mut &[200, 0, 0, 0, 0][..]), Err(Refusal::UnknownKind(200))));
        assert!(read(&mut &[][..]).unwrap().is_none());
    }
}
