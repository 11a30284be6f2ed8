//! The two ends of a pipe to the other side.

use std::io::{BufReader, ErrorKind, Read, Write};

use super::failure::{Failure, shown};
use super::frame::{self, BATCH_LEN, HASHES, PIECE_LEN, ROWS, Refusal};
use super::message::Message;
use super::{FILES_MAX, HASHES_MAX, MAGIC, PROTOCOL};
use crate::error::{Error, Result};
use crate::format::pack::PackClass;
use crate::quote::quote;
use crate::store::files::{StoreFile, StorePath};

use super::super::side::Hash;

/// Bytes that are gathered before they are written.
const BUFFER_LEN: usize = 64 << 10;

/// What the other side says.
pub(in super::super) struct Input<'i> {
    source: BufReader<Box<dyn Read + Send + 'i>>,
    /// How the other side is told.
    peer: String,
    /// The error that was the last the other side said: why there is no more, if there is none.
    last: Option<Failure>,
}

/// What this side says.
pub(in super::super) struct Output<'o> {
    sink: Box<dyn Write + Send + 'o>,
    peer: String,
    buffer: Vec<u8>,
    /// Small files that go together.
    batch: Vec<(StorePath, Vec<u8>)>,
    batch_len: usize,
    piece: Vec<u8>,
    /// Whether the other side takes no more.
    pub(in super::super) is_broken: bool,
}

/// What the other side began with.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Greeting {
    Right,
    /// It speaks another protocol.
    Other(u32),
    /// Bytes that are none.
    Strange(Vec<u8>),
    Nothing,
}

impl<'i> Input<'i> {
    pub(in super::super) fn new(source: impl Read + Send + 'i, peer: &str) -> Input<'i> {
        Input { source: BufReader::with_capacity(PIECE_LEN, Box::new(source)), peer: peer.to_owned(), last: None }
    }

    /// Reads what the other side begins with.
    pub(in super::super) fn greeting(&mut self) -> Result<Greeting> {
        let mut began = Vec::new();
        let wanted = (MAGIC.len() + size_of_val(&PROTOCOL)) as u64;
        self.source.by_ref().take(wanted).read_to_end(&mut began).map_err(|e| self.broke_off().because(e.to_string()))?;
        Ok(match began.split_first_chunk::<{ MAGIC.len() }>() {
            Some((&MAGIC, &[a, b, c, d])) if u32::from_le_bytes([a, b, c, d]) == PROTOCOL => Greeting::Right,
            Some((&MAGIC, &[a, b, c, d])) => Greeting::Other(u32::from_le_bytes([a, b, c, d])),
            _ if began.is_empty() => Greeting::Nothing,
            _ if MAGIC.starts_with(&began) || began.starts_with(&MAGIC) => return Err(self.broke_off()),
            _ => Greeting::Strange(began),
        })
    }

    /// Reads a message; none at the end of the stream. What failed there is an error here.
    pub(in super::super) fn next_or_end(&mut self) -> Result<Option<Message>> {
        let read = frame::read(&mut self.source);
        let message = match read.and_then(|frame| frame.map(|(kind, payload)| Message::decode(kind, payload)).transpose()) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(None),
            Err(Refusal::CutOff) => return Err(self.broke_off()),
            // As text: a pipe that breaks here is no reader that had enough.
            Err(Refusal::Io(error)) => return Err(self.broke_off().because(error.to_string())),
            Err(refusal) => return Err(self.refuse(&refusal.to_string())),
        };
        self.last = None;
        match message {
            Message::Failed(failure) => Err(self.last.insert(failure).clone().into_error(&self.peer)),
            message => Ok(Some(message)),
        }
    }

    pub(in super::super) fn next(&mut self) -> Result<Message> {
        self.next_or_end()?.ok_or_else(|| self.broke_off())
    }

    /// Reads messages to the end of a question or answer; `take` says which belong there.
    pub(in super::super) fn body(&mut self, mut take: impl FnMut(Message) -> Option<()>) -> Result<()> {
        loop {
            match self.next()? {
                Message::End => return Ok(()),
                message => take(message).ok_or_else(|| self.refuse("a message out of place, or a list without end"))?,
            }
        }
    }

    /// Reads a list of files.
    pub(in super::super) fn files(&mut self) -> Result<Vec<StoreFile>> {
        let mut files = Vec::new();
        self.body(|message| {
            let Message::Files(some) = message else { return None };
            files.extend(some);
            (files.len() <= FILES_MAX).then_some(())
        })?;
        Ok(files)
    }

    /// The error of a message that cannot be.
    pub(in super::super) fn refuse(&self, why: &str) -> Error {
        Error::failed(format!("cannot understand {}: {why}", quote(self.peer.as_bytes())))
            .hint("run the same version of `art` at both ends; what arrived is kept")
    }

    /// The error of a stream that ends too early. Several threads may meet it: each is told why.
    pub(in super::super) fn broke_off(&self) -> Error {
        if let Some(failure) = &self.last {
            return failure.clone().into_error(&self.peer);
        }
        Error::failed(format!("lost the connection to {}", quote(self.peer.as_bytes())))
            .hint("run the command again: it goes on where it stopped")
    }
}

impl<'o> Output<'o> {
    pub(in super::super) fn new(sink: impl Write + Send + 'o, peer: &str) -> Output<'o> {
        Output {
            sink: Box::new(sink),
            peer: peer.to_owned(),
            buffer: Vec::new(),
            batch: Vec::new(),
            batch_len: 0,
            piece: Vec::new(),
            is_broken: false,
        }
    }

    pub(in super::super) fn greet(&mut self) {
        self.buffer.extend(MAGIC);
        self.buffer.extend(PROTOCOL.to_le_bytes());
    }

    /// Says a message; it may wait for [`Output::flush`].
    pub(in super::super) fn write(&mut self, message: &Message) -> Result<()> {
        self.write_batch()?;
        message.encode(&mut self.buffer);
        if self.buffer.len() < BUFFER_LEN { Ok(()) } else { self.write_buffer() }
    }

    /// Says a list of files.
    pub(in super::super) fn write_files(&mut self, files: &[StoreFile]) -> Result<()> {
        files.chunks(ROWS).try_for_each(|some| self.write(&Message::Files(some.to_vec())))
    }

    /// Says a list of paths.
    pub(in super::super) fn write_paths(&mut self, paths: &[StorePath]) -> Result<()> {
        let files: Vec<StoreFile> = paths.iter().map(|path| StoreFile { path: path.clone(), len: 0 }).collect();
        self.write_files(&files)
    }

    /// Says a list of chunks or pages.
    pub(in super::super) fn write_hashes(&mut self, class: PackClass, hashes: &[Hash]) -> Result<()> {
        debug_assert!(hashes.len() <= HASHES_MAX);
        hashes.chunks(HASHES).try_for_each(|some| self.write(&Message::Hashes(class, some.to_vec())))
    }

    /// Says lines, in frames of some size.
    pub(in super::super) fn write_lines(&mut self, lines: &[Vec<u8>]) -> Result<()> {
        let mut some = Vec::new();
        let mut len = 0;
        for line in lines {
            len += line.len();
            some.push(line.clone());
            if len >= BATCH_LEN {
                self.write(&Message::Lines(std::mem::take(&mut some)))?;
                len = 0;
            }
        }
        if some.is_empty() { Ok(()) } else { self.write(&Message::Lines(some)) }
    }

    /// Adds a small file to those that go together.
    pub(super) fn add(&mut self, path: &StorePath, bytes: Vec<u8>) -> Result<()> {
        self.batch_len += bytes.len() + path.as_str().len() + 8;
        self.batch.push((path.clone(), bytes));
        if self.batch_len < BATCH_LEN { Ok(()) } else { self.write_batch() }
    }

    /// Reads a piece of at most so many bytes from `source` and says it; how many there were.
    pub(super) fn write_piece(&mut self, source: &mut dyn Read, len_max: u64) -> Result<std::io::Result<usize>> {
        self.write_batch()?;
        self.write_buffer()?;
        let mut piece = std::mem::take(&mut self.piece);
        if piece.is_empty() {
            frame::append(&mut piece, frame::Kind::Piece, |out| out.resize(frame::HEADER_LEN + PIECE_LEN, 0));
        }
        let wanted = PIECE_LEN.min(usize::try_from(len_max).unwrap_or(PIECE_LEN));
        let count = loop {
            match source.read(&mut piece[frame::HEADER_LEN..frame::HEADER_LEN + wanted]) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let written = match count {
            Ok(count) if count > 0 => {
                piece[1..frame::HEADER_LEN].copy_from_slice(&(count as u32).to_le_bytes());
                self.write_out(&piece[..frame::HEADER_LEN + count])
            }
            _ => Ok(()),
        };
        self.piece = piece;
        written.map(|()| count)
    }

    /// Hands over all that was said.
    pub(in super::super) fn flush(&mut self) -> Result<()> {
        self.write_batch()?;
        self.write_buffer()?;
        let flushed = self.sink.flush();
        flushed.map_err(|error| self.broke(&error))
    }

    fn write_batch(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch_len = 0;
        Message::Batch(std::mem::take(&mut self.batch)).encode(&mut self.buffer);
        self.write_buffer()
    }

    fn write_buffer(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let written = self.write_out(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        written
    }

    fn write_out(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.sink.write_all(bytes);
        written.map_err(|error| self.broke(&error))
    }

    fn broke(&mut self, error: &std::io::Error) -> Error {
        self.is_broken = true;
        Error::failed(format!("lost the connection to {}", quote(self.peer.as_bytes())))
            .because(shown(&error.to_string()))
            .hint("run the command again: it goes on where it stopped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn who_asks_after_the_last_error_is_told_it_again() {
        let mut said = Vec::new();
        let mut output = Output::new(&mut said, "here");
        output.write(&Message::Failed(Failure::of(&Error::new(ErrorKind::NoSpace, "no space").hint("free some")))).unwrap();
        output.write(&Message::Settle).unwrap();
        output.write(&Message::Failed(Failure::of(&Error::new(ErrorKind::Busy, "busy")))).unwrap();
        output.flush().unwrap();
        drop(output);
        let mut input = Input::new(&said[..], "there");
        let kinds = |input: &mut Input<'_>| [input.next().unwrap_err().kind(), input.broke_off().kind()];
        assert_eq!(kinds(&mut input), [ErrorKind::NoSpace; 2]);
        assert_eq!(input.next().unwrap(), Message::Settle);
        assert_eq!(input.broke_off().kind(), ErrorKind::Failed);
        assert_eq!(kinds(&mut input), [ErrorKind::Busy; 2]);
        assert_eq!(input.next().unwrap_err().to_string(), "there: busy");
    }
}
