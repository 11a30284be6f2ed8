//! Files as a stream: a pack in pieces, small files in batches. Who receives hands each to one of several
//! threads, so that the stream goes on while one waits for its disk.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::super::side::{Content, Sent, Take, read_short};
use super::failure::text;
use super::link::{Input, Output};
use super::message::Message;
use crate::error::{Error, Result};
use crate::store::files::{StoreFile, StorePath};

/// Pieces of a pack that wait for who takes them.
const PIECES: usize = 8;

/// Sends a file; says why it cannot be read, if so.
pub(in super::super) fn send(out: &mut Output<'_>, file: &StoreFile, mut content: Content<'_>) -> Result<Option<String>> {
    let len_max = file.path.class().len_max();
    if file.path.class().pack().is_none() {
        return match read_short(content, &file.path) {
            Ok(bytes) if bytes.len() as u64 <= len_max => out.add(&file.path, bytes).map(|()| None),
            Ok(_) => Ok(Some("it is longer than such a file may be".to_owned())),
            Err(e) => Ok(Some(e.to_string())),
        };
    }
    let len = match &content {
        Content::File(source) => match source.metadata() {
            Ok(meta) => meta.len(),
            Err(e) => return Ok(Some(e.to_string())),
        },
        Content::Stream(_) => file.len,
    };
    if len > len_max {
        return Ok(Some("it is longer than a pack may be".to_owned()));
    }
    out.write(&Message::File(StoreFile { path: file.path.clone(), len }))?;
    let mut left = len;
    while left > 0 {
        let why = match out.write_piece(&mut content, left)? {
            Ok(0) => "it has become shorter".to_owned(),
            Ok(count) => {
                left -= count as u64;
                continue;
            }
            Err(e) => e.to_string(),
        };
        out.write(&Message::Broken(text(&why)))?;
        return Ok(None);
    }
    out.write(&Message::FileEnd)?;
    Ok(None)
}

/// What a thread is given.
enum Job {
    Pack(StoreFile, Receiver<Piece>),
    Small(Vec<(StorePath, Vec<u8>)>),
    Absent(StorePath, Option<String>),
}

enum Piece {
    Bytes(Vec<u8>),
    /// All of the file has come.
    End,
    /// The other side cannot read on.
    Broken(String),
}

/// Receives files up to the end of the stream and gives each to `take`, from several threads. `expects`
/// says whether a file belongs here.
pub(in super::super) fn receive(
    input: &mut Input<'_>,
    threads: usize,
    expects: &mut dyn FnMut(&StorePath) -> bool,
    take: &Take<'_>,
) -> Result<()> {
    let failed = Mutex::new(None);
    let (give, jobs) = bounded(threads);
    let received = std::thread::scope(|scope| {
        for _ in 0..threads {
            let jobs: Receiver<Job> = jobs.clone();
            scope.spawn(|| {
                for job in jobs {
                    // One that failed leaves the rest: who reads stops soon.
                    if is_free(&failed)
                        && let Err(error) = job.work(take)
                    {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        }
        // With it the threads end, also where this side gives up.
        let give = give;
        while is_free(&failed) {
            let job = match input.next()? {
                Message::End => break,
                Message::Batch(files) if files.iter().all(|(path, _)| expects(path)) => Job::Small(files),
                Message::Absent(path, why) if expects(&path) => Job::Absent(path, why),
                Message::File(file) if expects(&file.path) => {
                    let (pieces, come) = bounded(PIECES);
                    let len = file.len;
                    // Nobody takes it if all threads have failed.
                    let _ = give.send(Job::Pack(file, come));
                    receive_pack(input, len, &pieces)?;
                    continue;
                }
                _ => return Err(input.refuse("a file that was not asked for, or a message out of place")),
            };
            let _ = give.send(job);
        }
        Ok(())
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => received,
    }
}

fn is_free(failed: &Mutex<Option<Error>>) -> bool {
    failed.lock().unwrap_or_else(PoisonError::into_inner).is_none()
}

/// Passes on the pieces of one pack. That nobody takes them is told elsewhere.
fn receive_pack(input: &mut Input<'_>, len: u64, pieces: &Sender<Piece>) -> Result<()> {
    let mut left = len;
    loop {
        let piece = match input.next()? {
            Message::Piece(bytes) if bytes.len() as u64 <= left => {
                left -= bytes.len() as u64;
                Piece::Bytes(bytes)
            }
            Message::FileEnd if left == 0 => Piece::End,
            Message::Broken(why) => Piece::Broken(why),
            _ => return Err(input.refuse("a pack of another length than was said")),
        };
        let is_last = !matches!(piece, Piece::Bytes(_));
        let _ = pieces.send(piece);
        if is_last {
            return Ok(());
        }
    }
}

impl Job {
    fn work(self, take: &Take<'_>) -> Result<()> {
        match self {
            Job::Pack(file, pieces) => {
                let mut stream = Pieces { pieces, piece: Vec::new(), at: 0, is_done: false };
                take(&file, Sent::Content(Content::Stream(&mut stream)))
            }
            Job::Small(files) => files.into_iter().try_for_each(|(path, bytes)| {
                let file = StoreFile { path, len: bytes.len() as u64 };
                take(&file, Sent::Content(Content::Stream(&mut &bytes[..])))
            }),
            Job::Absent(path, why) => take(&StoreFile { path, len: 0 }, why.map_or(Sent::Gone, Sent::Unreadable)),
        }
    }
}

/// A pack as it comes.
struct Pieces {
    pieces: Receiver<Piece>,
    piece: Vec<u8>,
    at: usize,
    is_done: bool,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() && !self.is_done {
            match self.pieces.recv() {
                Ok(Piece::Bytes(bytes)) => (self.piece, self.at) = (bytes, 0),
                Ok(Piece::End) => self.is_done = true,
                Ok(Piece::Broken(why)) => return Err(io::Error::other(why)),
                // Who reads the stream has given up, and tells why.
                Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = into.len().min(self.piece.len() - self.at);
        into[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
