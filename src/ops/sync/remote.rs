//! A copy of a store on another computer, asked over a pipe (`wire`) of the `art` that serves it there
//! (`serve`): one round trip a question, and one a class of files.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::IncompleteVersion;
use super::dir::WAITING;
use super::side::{Content, Files, Hash, Put, Selection, Side, Take, Wanted};
use super::wire::files::{receive, send};
use super::wire::message::{Hello, Message, Welcome};
use super::wire::{FILES_MAX, Greeting, HASHES_MAX, Input, Output, PROTOCOL, REFS_LEN_MAX, shown};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::FORMAT_LINE;
use crate::format::pack::PackClass;
use crate::quote::quote;
use crate::store::files::{FileClass, StoreFile, StorePath};
use crate::store::{Need, check_feature};

/// Messages that are read after the other side took no more, to find out why.
const LAST_WORDS: usize = 16;

/// A copy on another computer.
pub(super) struct Remote<'r> {
    name: String,
    context: &'r Context<'r>,
    /// How that copy calls its local state.
    pub(super) copy: Option<String>,
    link: Mutex<Link<'r>>,
}

struct Link<'l> {
    input: Input<'l>,
    output: Output<'l>,
    /// What was sent since the last flush.
    sent: HashSet<StorePath>,
    /// What could not be.
    refused: Vec<(StorePath, Put)>,
    is_putting: bool,
}

/// Why there is nobody to ask.
pub(super) enum Unopened {
    /// The other side has said nothing at all.
    Silent,
    Failed(Error),
}

impl From<Error> for Unopened {
    fn from(error: Error) -> Unopened {
        Unopened::Failed(error)
    }
}

impl<'r> Remote<'r> {
    /// Greets the other side and says what is wanted.
    pub(super) fn open(
        name: &str,
        context: &'r Context<'r>,
        hello: Hello,
        input: impl Read + Send + 'r,
        output: impl Write + Send + 'r,
    ) -> Result<Remote<'r>, Unopened> {
        let (mut input, mut output) = (Input::new(input, name), Output::new(output, name));
        output.greet();
        output.write(&Message::Hello(hello))?;
        // One that is not there cannot be written to: what it says tells more.
        let _ = output.flush();
        match input.greeting()? {
            Greeting::Right => {}
            Greeting::Nothing => return Err(Unopened::Silent),
            Greeting::Other(protocol) => {
                let newer = if protocol > PROTOCOL { "here" } else { "there" };
                return Err(Error::failed(format!(
                    "cannot speak with the `art` of {}: its protocol is {protocol}, here it is {PROTOCOL}",
                    quote(name.as_bytes())
                ))
                .hint(format!("install a newer `art` {newer}"))
                .into());
            }
            Greeting::Strange(began) => {
                return Err(Error::failed(format!("cannot understand {}: it began with {}", quote(name.as_bytes()), quote(&began)))
                    .hint("see that the shell there prints nothing when it starts without a terminal")
                    .into());
            }
        }
        let Message::Welcome(Welcome { format, features, copy }) = input.next()? else {
            return Err(input.refuse("a message before it has said what it is").into());
        };
        let whose = format!("store {}", quote(name.as_bytes()));
        if format != FORMAT_LINE.trim_end() {
            return Err(Error::damaged(format!("{whose} has the format {}, which this program does not know", quote(format.as_bytes())))
                .hint("use the version of `art` that is there")
                .into());
        }
        features.iter().try_for_each(|feature| check_feature(feature, Need::Write, &whose))?;
        let link = Link { input, output, sent: HashSet::new(), refused: Vec::new(), is_putting: false };
        Ok(Remote { name: name.to_owned(), context, copy, link: Mutex::new(link) })
    }

    fn link(&self) -> MutexGuard<'_, Link<'r>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a question, and reads the answer: `take` says which messages belong to it.
    fn ask(
        &self,
        question: &Message,
        say: impl FnOnce(&mut Output<'_>) -> Result<()>,
        take: impl FnMut(Message) -> Option<()>,
    ) -> Result<()> {
        let mut link = self.link();
        link.say(|out| {
            out.write(question)?;
            say(out)
        })?;
        link.input.body(take)
    }

    fn ask_files(&self, question: &Message, say: impl FnOnce(&mut Output<'_>) -> Result<()>) -> Result<Vec<StoreFile>> {
        let mut files = Vec::new();
        self.ask(question, say, |message| {
            let Message::Files(some) = message else { return None };
            files.extend(some);
            (files.len() <= FILES_MAX).then_some(())
        })?;
        Ok(files)
    }
}

impl Remote<'_> {
    /// Asks of each of some things, and reads so many answers.
    fn ask_each(&self, question: &Message, count: usize, say: impl FnOnce(&mut Output<'_>) -> Result<()>) -> Result<Vec<bool>> {
        let mut answers = Vec::new();
        let say = |out: &mut Output<'_>| {
            say(out)?;
            out.write(&Message::End)
        };
        self.ask(question, say, |message| {
            let Message::Answers(some) = message else { return None };
            answers.extend(some);
            (answers.len() <= count).then_some(())
        })?;
        if answers.len() == count { Ok(answers) } else { Err(self.link().input.refuse("fewer answers than there were questions")) }
    }
}

impl Link<'_> {
    /// Says something; if the other side takes no more, what it says last is the error.
    fn say(&mut self, say: impl FnOnce(&mut Output<'_>) -> Result<()>) -> Result<()> {
        let said = say(&mut self.output).and_then(|()| self.output.flush());
        said.map_err(|error| self.last_words(error))
    }

    fn last_words(&mut self, error: Error) -> Error {
        if !self.output.is_broken {
            return error;
        }
        let last = (0..LAST_WORDS)
            .find_map(|_| self.input.next_or_end().map_or_else(Some, |message| message.is_none().then(|| self.input.broke_off())));
        last.unwrap_or(error)
    }

    fn put(&mut self, file: &StoreFile, content: Content<'_>) -> Result<()> {
        if !std::mem::replace(&mut self.is_putting, true) {
            self.output.write(&Message::Put)?;
        }
        self.sent.insert(file.path.clone());
        if let Some(why) = send(&mut self.output, file, content)? {
            self.refused.push((file.path.clone(), Put::Refused(format!("it cannot be read: {why}"))));
        }
        Ok(())
    }
}

impl Files for Remote<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn list(&self, classes: &[FileClass]) -> Result<Vec<StoreFile>> {
        let mut classes = classes.to_vec();
        classes.sort_unstable();
        let mut files: Vec<StoreFile> = Vec::new();
        // In order, so that an endless list costs whoever makes it.
        let mut take = |file: StoreFile| {
            let is_right = classes.contains(&file.path.class()) && files.last().is_none_or(|last| last.path < file.path);
            files.push(file);
            (is_right && files.len() <= FILES_MAX).then_some(())
        };
        self.ask(
            &Message::List(classes.clone()),
            |_| Ok(()),
            |message| {
                let Message::Files(some) = message else { return None };
                some.into_iter().try_for_each(&mut take)
            },
        )?;
        Ok(files)
    }

    fn settle(&self) -> Result<()> {
        self.ask(&Message::Settle, |_| Ok(()), |_| None)
    }

    fn send(&self, files: &[StoreFile], take: &Take<'_>) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let mut link = self.link();
        link.say(|out| {
            out.write(&Message::Read)?;
            out.write_files(files)?;
            out.write(&Message::End)
        })?;
        let mut wanted: HashSet<&StorePath> = files.iter().map(|file| &file.path).collect();
        receive(&mut link.input, self.context.threads + WAITING, &mut |path| wanted.remove(path), take)?;
        if wanted.is_empty() { Ok(()) } else { Err(link.input.refuse("files that were asked for did not come")) }
    }

    fn put(&self, file: &StoreFile, content: Content<'_>) -> Result<()> {
        let mut link = self.link();
        link.put(file, content).map_err(|error| link.last_words(error))
    }

    fn flush(&self) -> Result<Vec<(StorePath, Put)>> {
        let mut link = self.link();
        let mut fates = std::mem::take(&mut link.refused);
        let mut sent = std::mem::take(&mut link.sent);
        if !std::mem::take(&mut link.is_putting) {
            return Ok(fates);
        }
        link.say(|out| out.write(&Message::End))?;
        link.input.body(|message| {
            let Message::Fates(some) = message else { return None };
            some.iter().all(|(path, _)| sent.remove(path)).then(|| fates.extend(some))
        })?;
        Ok(fates.into_iter().map(|(path, put)| (path, printable(put))).collect())
    }
}

impl Side for Remote<'_> {
    fn select(&self, wanted: &Wanted) -> Result<Selection> {
        if wanted.refs.iter().map(|text| text.len() + 8).sum::<usize>() > REFS_LEN_MAX {
            return Err(
                Error::usage("too many refs for one question").hint("name an artifact with `--all`, or run the command for some of them")
            );
        }
        let mut all = Selection::default();
        self.ask(
            &Message::Select(wanted.clone()),
            |_| Ok(()),
            |message| {
                match message {
                    Message::Records(some) => all.records.extend(some),
                    Message::Hashes(PackClass::Data, some) => all.chunks.extend(some),
                    Message::Hashes(PackClass::Meta, some) => all.pages.extend(some),
                    _ => return None,
                }
                (all.records.len() <= FILES_MAX && all.chunks.len() + all.pages.len() <= HASHES_MAX).then_some(())
            },
        )?;
        Ok(all)
    }

    fn lacks(&self, class: PackClass, hashes: &[Hash]) -> Result<Vec<bool>> {
        self.ask_each(&Message::Lacks(class), hashes.len(), |out| out.write_hashes(class, hashes))
    }

    fn are_whole(&self, versions: &[Vec<u8>]) -> Result<Vec<bool>> {
        self.ask_each(&Message::AreWhole, versions.len(), |out| out.write_lines(versions))
    }

    fn gather(&self, class: PackClass, hashes: &[Hash], avoid: &[StorePath]) -> Result<Vec<StoreFile>> {
        self.ask_files(&Message::Gather(class), |out| {
            out.write_hashes(class, hashes)?;
            out.write_paths(avoid)?;
            out.write(&Message::End)
        })
    }

    fn dispensable(&self, packs: &[StorePath], records: &[Vec<u8>]) -> Result<Vec<StorePath>> {
        let files = self.ask_files(&Message::Dispensable, |out| {
            out.write_paths(packs)?;
            out.write_lines(records)?;
            out.write(&Message::End)
        })?;
        Ok(files.into_iter().map(|file| file.path).collect())
    }

    fn incomplete(&self, records: &[StorePath]) -> Result<Vec<IncompleteVersion>> {
        let mut versions = Vec::new();
        let question = |out: &mut Output<'_>| {
            out.write_paths(records)?;
            out.write(&Message::End)
        };
        self.ask(&Message::Incomplete, question, |message| {
            let Message::Versions(some) = message else { return None };
            versions.extend(some);
            (versions.len() <= records.len()).then_some(())
        })?;
        Ok(versions)
    }
}

fn printable(put: Put) -> Put {
    match put {
        Put::Refused(why) => Put::Refused(shown(&why)),
        put => put,
    }
}
