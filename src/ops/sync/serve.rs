//! The far side: answers what is asked of the store in a directory here, as `docs/protocol.md` says.
//!
//! It believes nothing: what arrives goes the way of every copy in a directory (`dir`).

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::dir::{Dir, WAITING};
use super::side::{Files, Hash, Sent, Side};
use super::wire::files::{receive, send};
use super::wire::message::{Hello, Message, Welcome};
use super::wire::{FILES_MAX, Failure, Greeting, HASHES, HASHES_MAX, Input, LINES_LEN_MAX, Output, text};
use super::{SyncOptions, open};
use crate::context::Context;
use crate::durable::CopyBy;
use crate::error::{Error, ErrorKind, Result};
use crate::format::FORMAT_LINE;
use crate::format::pack::PackClass;
use crate::id::HASH_LEN;
use crate::store::files::{self, FileClass, StoreFile, StorePath};
use crate::store::{Need, Store};

/// Rows of other lists than of files in a message.
const ROWS: usize = 256;
/// Features that are told; one that is not known here has stopped it before.
const FEATURES_MAX: usize = 256;

/// Serves the store in a directory to who speaks on `input`, until it has nothing more to ask. Returns the
/// kind of the error that ended it, if one did and was told there.
pub fn serve(dir: &Path, context: &Context<'_>, input: impl Read + Send, output: impl Write + Send) -> Result<Option<ErrorKind>> {
    const PEER: &str = "the near side";
    let (mut input, mut output) = (Input::new(input, PEER), Output::new(output, PEER));
    output.greet();
    output.flush()?;
    match input.greeting()? {
        Greeting::Right => {}
        // It has read what is spoken here, and tells.
        Greeting::Other(_) => return Ok(Some(ErrorKind::Failed)),
        Greeting::Nothing => return Err(input.broke_off()),
        Greeting::Strange(_) => {
            return Err(input.refuse("it is no `art`").hint("`art serve-store` is started by `art` on another computer"));
        }
    }
    let Message::Hello(hello) = input.next()? else { return Err(input.refuse("a message before it has said what it wants")) };
    let failed = match opened(dir, context, hello) {
        Ok((store, welcome)) => {
            output.write(&Message::Welcome(welcome))?;
            output.flush()?;
            let side = Dir::new(&store, dir, context, CopyBy::Pieces);
            let mut server = Server { side, context, input, output: Mutex::new(output) };
            return server.run();
        }
        Err(error) => error,
    };
    output.write(&Message::Failed(Failure::of(&failed)))?;
    output.flush()?;
    Ok(Some(failed.kind()))
}

fn opened(dir: &Path, context: &Context<'_>, hello: Hello) -> Result<(Store, Welcome)> {
    let store = open(dir, context, &SyncOptions { init: hello.init, ..SyncOptions::default() })?;
    store.check_features(Need::Write)?;
    let features = files::list(store.layout(), &[FileClass::Feature])?;
    let welcome = Welcome {
        format: FORMAT_LINE.trim_end().to_owned(),
        features: features.iter().take(FEATURES_MAX).map(|file| file.path.name().to_owned()).collect(),
        copy: copy_name(&store),
    };
    Ok((store, welcome))
}

/// Returns how a copy calls its local state: at random, so no other has the name.
pub(super) fn copy_name(store: &Store) -> Option<String> {
    store.local()?.file_name()?.to_str().map(str::to_owned)
}

struct Server<'s> {
    side: Dir<'s>,
    context: &'s Context<'s>,
    input: Input<'s>,
    output: Mutex<Output<'s>>,
}

impl Server<'_> {
    fn run(&mut self) -> Result<Option<ErrorKind>> {
        while let Some(asked) = self.input.next_or_end()? {
            let is_put = asked == Message::Put;
            let answered = self.answer(asked)?;
            let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = &answered {
                output.write(&Message::Failed(Failure::of(error)))?;
            } else {
                output.write(&Message::End)?;
            }
            output.flush()?;
            // Where in its stream the other side is by now is not known.
            if let Some(error) = answered.err().filter(|_| is_put) {
                return Ok(Some(error.kind()));
            }
        }
        Ok(None)
    }

    /// Reads a question to its end and answers it, all but the last message. The inner error is what
    /// failed here and is told; the outer one is of the connection.
    fn answer(&mut self, asked: Message) -> Result<Result<()>> {
        Ok(match asked {
            Message::List(classes) => self.side.list(&classes).and_then(|files| self.out(|out| out.write_files(&files))),
            Message::Read => {
                let files = self.input.files()?;
                let output = &self.output;
                self.side.send(&files, &|file, sent| send_file(output, file, sent))
            }
            Message::Put => self.put(),
            Message::Select(wanted) => self.side.select(&wanted).and_then(|selection| {
                self.out(|out| {
                    selection.records.chunks(ROWS).try_for_each(|some| out.write(&Message::Records(some.to_vec())))?;
                    out.write_hashes(PackClass::Data, &selection.chunks)?;
                    out.write_hashes(PackClass::Meta, &selection.pages)
                })
            }),
            Message::Lacks(class) => {
                let hashes = self.hashes(class)?.0;
                let answers = self.side.lacks(class, &hashes);
                answers.and_then(|all| self.out(|out| all.chunks(HASHES).try_for_each(|some| out.write(&Message::Answers(some.to_vec())))))
            }
            Message::Gather(class) => {
                let (hashes, avoid) = self.hashes(class)?;
                self.side.gather(class, &hashes, &avoid).and_then(|files| self.out(|out| out.write_files(&files)))
            }
            Message::Dispensable => {
                let (packs, records) = self.packs_and_records()?;
                self.side.dispensable(&packs, &records).and_then(|paths| self.out(|out| out.write_paths(&paths)))
            }
            Message::Incomplete => {
                let records = paths(self.input.files()?);
                let versions = self.side.incomplete(&records);
                versions.and_then(|all| self.out(|out| all.chunks(ROWS).try_for_each(|some| out.write(&Message::Versions(some.to_vec())))))
            }
            Message::Settle => self.side.settle(),
            Message::AreWhole => {
                let versions = self.packs_and_records()?.1;
                let answers = self.side.are_whole(&versions);
                answers.and_then(|all| self.out(|out| all.chunks(HASHES).try_for_each(|some| out.write(&Message::Answers(some.to_vec())))))
            }
            _ => return Err(self.input.refuse("a message that is no question")),
        })
    }

    fn out(&self, say: impl FnOnce(&mut Output<'_>) -> Result<()>) -> Result<()> {
        say(&mut self.output.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&mut self) -> Result<()> {
        let side = &self.side;
        receive(&mut self.input, self.context.threads + WAITING, &mut |_| true, &|file, sent| match sent {
            Sent::Content(content) => side.put(file, content),
            Sent::Gone | Sent::Unreadable(_) => Err(Error::failed("cannot take a file that is not there")),
        })?;
        let fates = side.flush()?;
        self.out(|out| fates.chunks(ROWS / 8).try_for_each(|some| out.write(&Message::Fates(some.to_vec()))))
    }

    /// Reads chunks or pages, and paths.
    fn hashes(&mut self, of: PackClass) -> Result<(Vec<Hash>, Vec<StorePath>)> {
        let (mut hashes, mut files) = (Vec::new(), Vec::new());
        self.input.body(|message| {
            match message {
                Message::Hashes(class, some) if class == of => hashes.extend(some),
                Message::Files(some) => files.extend(some),
                _ => return None,
            }
            (hashes.len() <= HASHES_MAX && files.len() <= FILES_MAX).then_some(())
        })?;
        Ok((hashes, paths(files)))
    }

    fn packs_and_records(&mut self) -> Result<(Vec<StorePath>, Vec<Vec<u8>>)> {
        let (mut files, mut lines, mut len) = (Vec::new(), Vec::new(), 0);
        self.input.body(|message| {
            match message {
                Message::Files(some) => files.extend(some),
                Message::Lines(some) => {
                    len += some.iter().map(|line| line.len() + HASH_LEN).sum::<usize>();
                    lines.extend(some);
                }
                _ => return None,
            }
            (files.len() <= FILES_MAX && len <= LINES_LEN_MAX).then_some(())
        })?;
        Ok((paths(files), lines))
    }
}

fn send_file(output: &Mutex<Output<'_>>, file: &StoreFile, sent: Sent<'_>) -> Result<()> {
    let mut out = output.lock().unwrap_or_else(PoisonError::into_inner);
    let why = match sent {
        Sent::Content(content) => match send(&mut out, file, content)? {
            None => return Ok(()),
            Some(why) => Some(why),
        },
        Sent::Gone => None,
        Sent::Unreadable(why) => Some(why),
    };
    out.write(&Message::Absent(file.path.clone(), why.as_deref().map(text)))
}

fn paths(files: Vec<StoreFile>) -> Vec<StorePath> {
    files.into_iter().map(|file| file.path).collect()
}
