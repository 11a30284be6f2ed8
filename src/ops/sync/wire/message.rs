//! The messages, and their form in frames: lists as the canonical encoding of their rows (`codec`), bytes
//! of files as they are.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::IncompleteVersion;
use super::super::side::{Hash, Put, SelectedRecord, Wanted};
use super::failure::Failure;
use super::frame::{self, Kind, Refusal};
use super::rows::{FateRow, FileRow, RecordRow, VersionRow, WantedRow, file_rows, files_of};
use crate::codec;
use crate::format::pack::PackClass;
use crate::id::HASH_LEN;
use crate::store::files::{FileClass, StoreFile, StorePath};

/// One thing that is said.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Message {
    /// From the near side, first: what it wants to do.
    Hello(Hello),
    /// The answer: which store it is.
    Welcome(Welcome),
    /// What was asked for failed.
    Failed(Failure),
    /// The end of a question, or of its answer.
    End,
    /// Asks for the files of some classes.
    List(Vec<FileClass>),
    /// Asks for the contents of files.
    Read,
    /// Brings files; the answer tells what became of them.
    Put,
    Select(Wanted),
    Lacks(PackClass),
    Gather(PackClass),
    Dispensable,
    Incomplete,
    Settle,
    AreWhole,
    Files(Vec<StoreFile>),
    Hashes(PackClass, Vec<Hash>),
    Answers(Vec<bool>),
    Lines(Vec<Vec<u8>>),
    Records(Vec<SelectedRecord>),
    Fates(Vec<(StorePath, Put)>),
    Versions(Vec<IncompleteVersion>),
    /// A pack begins: its name and the length of what follows.
    File(StoreFile),
    Piece(Vec<u8>),
    FileEnd,
    /// The pack that was begun cannot be read on.
    Broken(String),
    /// Small files, whole.
    Batch(Vec<(StorePath, Vec<u8>)>),
    /// A file that was asked for has gone, or cannot be read.
    Absent(StorePath, Option<String>),
}

/// What the near side wants to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Hello {
    /// Whether a store is to be made if there is none.
    pub(in super::super) init: bool,
}

/// Which store the far side has opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Welcome {
    /// The format of the store.
    pub(in super::super) format: String,
    /// The names in `features/`.
    pub(in super::super) features: Vec<String>,
    /// How this copy calls its local state, which no other copy has.
    pub(in super::super) copy: Option<String>,
}

impl Message {
    /// Appends its frame.
    pub(in super::super) fn encode(&self, out: &mut Vec<u8>) {
        let row = |out: &mut Vec<u8>, kind, bytes: &[u8]| frame::append(out, kind, |out| out.extend(bytes));
        match self {
            Message::Hello(hello) => row(out, Kind::Hello, &codec::encode(hello)),
            Message::Welcome(welcome) => row(out, Kind::Welcome, &codec::encode(welcome)),
            Message::Failed(failure) => row(out, Kind::Failed, &codec::encode(failure)),
            Message::End => row(out, Kind::End, &[]),
            Message::List(classes) => row(out, Kind::List, &classes.iter().map(|class| class_number(*class)).collect::<Vec<_>>()),
            Message::Read => row(out, Kind::Read, &[]),
            Message::Put => row(out, Kind::Put, &[]),
            Message::Select(Wanted { refs, all_versions }) => {
                row(out, Kind::Select, &codec::encode(&WantedRow { refs: refs.clone(), all_versions: *all_versions }));
            }
            Message::Lacks(class) => row(out, Kind::Lacks, &[pack_number(*class)]),
            Message::Gather(class) => row(out, Kind::Gather, &[pack_number(*class)]),
            Message::Dispensable => row(out, Kind::Dispensable, &[]),
            Message::Incomplete => row(out, Kind::Incomplete, &[]),
            Message::Settle => row(out, Kind::Settle, &[]),
            Message::AreWhole => row(out, Kind::AreWhole, &[]),
            Message::Files(files) => row(out, Kind::Files, &codec::encode(&file_rows(files))),
            Message::Hashes(class, hashes) => frame::append(out, Kind::Hashes, |out| {
                out.push(pack_number(*class));
                hashes.iter().for_each(|hash| out.extend(hash));
            }),
            Message::Answers(answers) => row(out, Kind::Answers, &answers.iter().map(|yes| u8::from(*yes)).collect::<Vec<_>>()),
            Message::Lines(lines) => frame::append(out, Kind::Lines, |out| lines.iter().for_each(|line| append_bytes(out, line))),
            Message::Records(records) => row(out, Kind::Records, &codec::encode(&records.iter().map(RecordRow::of).collect::<Vec<_>>())),
            Message::Fates(fates) => row(out, Kind::Fates, &codec::encode(&fates.iter().map(FateRow::of).collect::<Vec<_>>())),
            Message::Versions(versions) => {
                row(out, Kind::Versions, &codec::encode(&versions.iter().map(VersionRow::of).collect::<Vec<_>>()));
            }
            Message::File(StoreFile { path, len }) => row(out, Kind::File, &codec::encode(&(path.as_str(), len))),
            Message::Piece(bytes) => row(out, Kind::Piece, bytes),
            Message::FileEnd => row(out, Kind::FileEnd, &[]),
            Message::Broken(why) => row(out, Kind::Broken, why.as_bytes()),
            Message::Batch(files) => frame::append(out, Kind::Batch, |out| {
                for (path, bytes) in files {
                    append_bytes(out, path.as_str().as_bytes());
                    append_bytes(out, bytes);
                }
            }),
            Message::Absent(path, why) => row(out, Kind::Absent, &codec::encode(&(path.as_str(), why))),
        }
    }

    /// Takes the payload of a frame.
    pub(super) fn decode(kind: Kind, payload: Vec<u8>) -> Result<Message, Refusal> {
        Message::take(kind, payload).ok_or(Refusal::Malformed(kind))
    }

    fn take(kind: Kind, payload: Vec<u8>) -> Option<Message> {
        let bytes = &payload[..];
        Some(match kind {
            Kind::Hello => Message::Hello(row(bytes)?),
            Kind::Welcome => Message::Welcome(row(bytes)?),
            Kind::Failed => {
                let failure: Failure = row(bytes)?;
                failure.is_known().then_some(Message::Failed(failure))?
            }
            Kind::End => Message::End,
            Kind::List => {
                let classes = bytes.iter().map(|number| class_of(*number)).collect::<Option<Vec<_>>>()?;
                classes.is_sorted_by(|one, next| one < next).then_some(Message::List(classes))?
            }
            Kind::Read => Message::Read,
            Kind::Put => Message::Put,
            Kind::Select => {
                let WantedRow { refs, all_versions } = row(bytes)?;
                Message::Select(Wanted { refs, all_versions })
            }
            Kind::Lacks => Message::Lacks(pack_of(*bytes.first()?)?),
            Kind::Gather => Message::Gather(pack_of(*bytes.first()?)?),
            Kind::Dispensable => Message::Dispensable,
            Kind::Incomplete => Message::Incomplete,
            Kind::Settle => Message::Settle,
            Kind::AreWhole => Message::AreWhole,
            Kind::Files => Message::Files(files_of(&row::<Vec<FileRow>>(bytes)?)?),
            Kind::Hashes => {
                let (class, bytes) = bytes.split_first()?;
                let (hashes, left) = bytes.as_chunks::<HASH_LEN>();
                left.is_empty().then(|| Some(Message::Hashes(pack_of(*class)?, hashes.to_vec())))??
            }
            Kind::Answers => {
                let known = bytes.iter().all(|answer| *answer < 2);
                known.then(|| Message::Answers(bytes.iter().map(|answer| *answer == 1).collect()))?
            }
            Kind::Lines => {
                let (mut left, mut lines) = (bytes, Vec::new());
                while !left.is_empty() {
                    lines.push(take_bytes(&mut left)?.to_vec());
                }
                Message::Lines(lines)
            }
            Kind::Records => {
                Message::Records(row::<Vec<RecordRow>>(bytes)?.into_iter().map(RecordRow::into_record).collect::<Option<Vec<_>>>()?)
            }
            Kind::Fates => Message::Fates(row::<Vec<FateRow>>(bytes)?.into_iter().map(FateRow::into_fate).collect::<Option<Vec<_>>>()?),
            Kind::Versions => {
                Message::Versions(row::<Vec<VersionRow>>(bytes)?.into_iter().map(VersionRow::into_version).collect::<Option<Vec<_>>>()?)
            }
            Kind::File => {
                let (path, len) = row::<(String, u64)>(bytes)?;
                let path = StorePath::parse(&path)?;
                (path.class().pack().is_some() && len <= path.class().len_max()).then_some(Message::File(StoreFile { path, len }))?
            }
            Kind::Piece => Message::Piece(payload),
            Kind::FileEnd => Message::FileEnd,
            Kind::Broken => Message::Broken(String::from_utf8(payload).ok()?),
            Kind::Batch => {
                let (mut left, mut files) = (bytes, Vec::new());
                while !left.is_empty() {
                    let path = StorePath::parse(std::str::from_utf8(take_bytes(&mut left)?).ok()?)?;
                    let content = take_bytes(&mut left)?;
                    (path.class().pack().is_none() && content.len() as u64 <= path.class().len_max()).then_some(())?;
                    files.push((path, content.to_vec()));
                }
                Message::Batch(files)
            }
            Kind::Absent => {
                let (path, why) = row::<(String, Option<String>)>(bytes)?;
                Message::Absent(StorePath::parse(&path)?, why)
            }
        })
    }
}

fn row<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    codec::decode(bytes).ok()
}

fn class_number(class: FileClass) -> u8 {
    FileClass::ALL.iter().position(|other| *other == class).map_or(u8::MAX, |at| at as u8)
}

fn class_of(number: u8) -> Option<FileClass> {
    FileClass::ALL.get(usize::from(number)).copied()
}

fn pack_number(class: PackClass) -> u8 {
    u8::from(class == PackClass::Meta)
}

fn pack_of(number: u8) -> Option<PackClass> {
    [PackClass::Data, PackClass::Meta].get(usize::from(number)).copied()
}

fn append_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

fn take_bytes<'b>(left: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (len, after) = left.split_first_chunk::<4>()?;
    let (bytes, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *left = after;
    Some(bytes)
}
