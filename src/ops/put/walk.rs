//! Walks what is put: directories in the order of entry paths, without reading a file.
//!
//! Entry paths sort by bytes with `/` in them, so a directory sorts as if its name ended in `/`;
//! but an empty one is an entry itself and sorts by its bare name.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{LinkPolicy, PutOptions};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::path::{EntryPath, is_reserved, link_stays_inside};
use crate::ops::ignore::IgnoreRules;
use crate::quote::{quote, quote_path};

/// Something to store.
#[derive(Debug)]
pub(in crate::ops) struct Found {
    pub(in crate::ops) path: EntryPath,
    pub(in crate::ops) disk_path: PathBuf,
    pub(in crate::ops) kind: FoundKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) enum FoundKind {
    /// A file; `through_link` if a link to it is to be followed.
    File {
        through_link: bool,
    },
    Symlink,
    EmptyDir,
}

/// What was left out on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Files and directories that a pattern left out.
    pub ignored: u64,
    /// `.git` and `.artifacts` directories.
    pub reserved: u64,
    /// FIFOs, sockets and devices.
    pub special: u64,
}

/// Walks one source.
pub(in crate::ops) struct SourceWalk<'a> {
    context: &'a Context<'a>,
    links: LinkPolicy,
    /// What links may point into: the source itself, without links in its own path.
    root: PathBuf,
    frames: Vec<Frame>,
    single: Option<Found>,
    pub(super) left_out: LeftOut,
}

struct Frame {
    prefix: Vec<u8>,
    rules: IgnoreRules,
    children: std::vec::IntoIter<Child>,
    /// Device and inode of a directory entered through a link, and how many were before it.
    place: (u64, u64),
}

struct Child {
    name: Vec<u8>,
    path: PathBuf,
    kind: ChildKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChildKind {
    File { through_link: bool },
    Symlink,
    Dir,
    EmptyDir,
}

impl<'a> SourceWalk<'a> {
    /// Begins the walk of a file or directory.
    pub(in crate::ops) fn new(source: &Path, project: &Path, options: &PutOptions, context: &'a Context<'a>) -> Result<SourceWalk<'a>> {
        let prefix = options.at.as_ref().map(|at| at.as_bytes().to_vec()).unwrap_or_default();
        let name = source.file_name().filter(|_| !source.is_dir()).map(|name| join(&prefix, name.as_bytes()));
        SourceWalk::to(source, project, options, name.unwrap_or(prefix), context)
    }

    /// Begins the walk of a file that becomes the entry `place`, or of a directory whose contents go
    /// below `place`, which may be empty.
    pub(super) fn to(
        source: &Path,
        project: &Path,
        options: &PutOptions,
        place: Vec<u8>,
        context: &'a Context<'a>,
    ) -> Result<SourceWalk<'a>> {
        let meta = fs::metadata(source).map_err(|e| Error::io("read", source, e)).map_err(not_found_kind)?;
        let root = source.canonicalize().map_err(|e| Error::io("read", source, e))?;
        let mut walk = SourceWalk {
            context,
            links: options.links,
            root: root.clone(),
            frames: Vec::new(),
            single: None,
            left_out: LeftOut::default(),
        };
        if meta.is_dir() {
            if root.components().any(|part| is_reserved(part.as_os_str().as_bytes())) {
                return Err(Error::usage(format!(
                    "cannot store {}: it lies inside a `.git` or `.artifacts` directory",
                    quote_path(source)
                )));
            }
            let project = project.canonicalize().unwrap_or_else(|_| project.to_owned());
            let rules = IgnoreRules::new(&project, &root, &options.ignore, !options.no_ignore)?;
            let device = (meta.dev(), meta.ino());
            let mut frame = Frame { prefix: place, rules, children: Vec::new().into_iter(), place: device };
            frame.children = walk.list(&root, &frame)?.into_iter();
            if frame.children.len() == 0 && !frame.prefix.is_empty() {
                let path = EntryPath::new(frame.prefix.clone()).map_err(|why| bad_path(source, why))?;
                walk.single = Some(Found { path, disk_path: root, kind: FoundKind::EmptyDir });
            } else {
                walk.frames.push(frame);
            }
        } else if meta.is_file() {
            let path = EntryPath::new(place).map_err(|why| bad_path(source, why))?;
            walk.single = Some(Found { path, disk_path: source.to_owned(), kind: FoundKind::File { through_link: true } });
        } else {
            return Err(Error::usage(format!("cannot store {}: it is neither a file nor a directory", quote_path(source)))
                .hint("to store what a pipe gives, put `-` and pipe into it"));
        }
        Ok(walk)
    }

    fn advance(&mut self) -> Result<Option<Found>> {
        if let Some(found) = self.single.take() {
            return Ok(Some(found));
        }
        while let Some(frame) = self.frames.last_mut() {
            let Some(child) = frame.children.next() else {
                self.frames.pop();
                continue;
            };
            let path = EntryPath::new(join(&frame.prefix, &child.name)).map_err(|why| bad_path(&child.path, why))?;
            let kind = match child.kind {
                ChildKind::Dir => {
                    if self.enter(&path, &child.path)? {
                        continue;
                    }
                    FoundKind::EmptyDir
                }
                ChildKind::File { through_link } => FoundKind::File { through_link },
                ChildKind::Symlink => FoundKind::Symlink,
                ChildKind::EmptyDir => FoundKind::EmptyDir,
            };
            return Ok(Some(Found { path, disk_path: child.path, kind }));
        }
        Ok(None)
    }

    /// Goes on inside a directory; or not, if nothing of it is kept.
    fn enter(&mut self, path: &EntryPath, dir: &Path) -> Result<bool> {
        let meta = fs::metadata(dir).map_err(|e| Error::io("read", dir, e))?;
        let place = (meta.dev(), meta.ino());
        if self.frames.iter().any(|frame| frame.place == place) {
            return Err(Error::failed(format!("cannot follow {}: it leads back to a directory above it", quote_path(dir)))
                .hint("store the link itself with `--keep-links`"));
        }
        let rules = match self.frames.last() {
            Some(frame) => frame.rules.inside(dir)?,
            None => return Ok(false),
        };
        let mut frame = Frame { prefix: path.as_bytes().to_vec(), rules, children: Vec::new().into_iter(), place };
        frame.children = self.list(dir, &frame)?.into_iter();
        let is_kept = frame.children.len() > 0;
        if is_kept {
            self.frames.push(frame);
        }
        Ok(is_kept)
    }

    /// Lists what is kept of a directory, in the order of entry paths.
    fn list(&mut self, dir: &Path, frame: &Frame) -> Result<Vec<Child>> {
        let mut children = Vec::new();
        for entry in WalkDir::new(dir).min_depth(1).max_depth(1) {
            let entry = entry.map_err(|e| Error::failed(format!("cannot list {}", quote_path(dir))).because(e))?;
            let (name, path) = (entry.file_name().as_bytes().to_vec(), entry.path().to_owned());
            let file_type = entry.file_type();
            if is_reserved(&name) {
                self.left_out.reserved += 1;
            } else if frame.rules.leaves_out(&path, file_type.is_dir()) {
                self.left_out.ignored += 1;
            } else if file_type.is_dir() {
                children.push(Child { name, path, kind: ChildKind::Dir });
            } else if file_type.is_symlink() {
                let kind = self.link_kind(dir, &path)?;
                children.push(Child { name, path, kind });
            } else if file_type.is_file() {
                children.push(Child { name, path, kind: ChildKind::File { through_link: false } });
            } else {
                self.left_out.special += 1;
                self.context.progress.warn(&format!("left out {}: it is a {}", quote_path(&path), special_name(file_type)));
            }
        }
        self.sort(&mut children, &frame.rules)?;
        self.warn_of_twins(dir, &children);
        Ok(children)
    }

    /// Sorts by entry path. Only where a name follows that sorts between `dir` and `dir/` does it
    /// matter whether a directory is empty, so only then is it asked here.
    fn sort(&mut self, children: &mut [Child], rules: &IgnoreRules) -> Result<()> {
        children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut moved = false;
        for at in 1..children.len() {
            let [before, after] = &mut children[at - 1..=at] else { break };
            let between = after.name.strip_prefix(&before.name[..]).is_some_and(|rest| rest.first() < Some(&b'/'));
            if before.kind == ChildKind::Dir && between {
                if self.is_empty(&before.path, rules)? {
                    before.kind = ChildKind::EmptyDir;
                    self.tell_left_out(&before.path, rules)?;
                } else {
                    moved = true;
                }
            }
        }
        if moved {
            children.sort_unstable_by(by_entry_path);
        }
        Ok(())
    }

    /// Whether nothing of a directory is kept. Stops at the first thing that is.
    fn is_empty(&self, dir: &Path, rules: &IgnoreRules) -> Result<bool> {
        let rules = rules.inside(dir)?;
        for entry in WalkDir::new(dir).min_depth(1).max_depth(1) {
            let entry = entry.map_err(|e| Error::failed(format!("cannot list {}", quote_path(dir))).because(e))?;
            let file_type = entry.file_type();
            let ordinary = file_type.is_dir() || file_type.is_file() || file_type.is_symlink();
            if ordinary && !is_reserved(entry.file_name().as_bytes()) && !rules.leaves_out(entry.path(), file_type.is_dir()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Counts what is left out of a directory of which nothing is kept, for it is not entered.
    fn tell_left_out(&mut self, dir: &Path, rules: &IgnoreRules) -> Result<()> {
        let frame = Frame { prefix: Vec::new(), rules: rules.inside(dir)?, children: Vec::new().into_iter(), place: (0, 0) };
        self.list(dir, &frame).map(drop)
    }

    fn link_kind(&self, dir: &Path, link: &Path) -> Result<ChildKind> {
        let target = fs::read_link(link).map_err(|e| Error::io("read the link", link, e))?;
        if self.links == LinkPolicy::Keep || self.stays_inside(dir, &target) {
            return Ok(ChildKind::Symlink);
        }
        if self.links == LinkPolicy::Refuse {
            return Err(Error::refused(format!(
                "cannot store the link {}: its target {} lies outside what is stored",
                quote_path(link),
                quote_path(&target)
            ))
            .hint("`--follow` stores what it points to, `--keep-links` the link itself"));
        }
        let meta = fs::metadata(link).map_err(|e| Error::io("follow", link, e))?;
        if meta.is_dir() {
            Ok(ChildKind::Dir)
        } else if meta.is_file() {
            Ok(ChildKind::File { through_link: true })
        } else {
            Err(Error::refused(format!("cannot follow {}: it leads to neither a file nor a directory", quote_path(link))))
        }
    }

    /// Whether a link's target, read as text, stays within the source.
    fn stays_inside(&self, dir: &Path, target: &Path) -> bool {
        let Ok(below) = dir.strip_prefix(&self.root) else { return false };
        link_stays_inside(below.components().count(), target.as_os_str().as_bytes())
    }

    fn warn_of_twins(&self, dir: &Path, children: &[Child]) {
        use unicode_normalization::{UnicodeNormalization, is_nfc};
        let text = |child: &Child| std::str::from_utf8(&child.name).ok().map(str::to_owned);
        if children.iter().all(|child| child.name.is_ascii() || text(child).is_none_or(|name| is_nfc(&name))) {
            return;
        }
        let names: HashSet<&[u8]> = children.iter().map(|child| &child.name[..]).collect();
        for name in children.iter().filter_map(text).filter(|name| !is_nfc(name)) {
            let composed: String = name.nfc().collect();
            if names.contains(composed.as_bytes()) {
                self.context.progress.warn(&format!(
                    "two names in {} differ only in how {} is composed; both are kept, but some systems cannot hold both",
                    quote_path(dir),
                    quote(name.as_bytes())
                ));
            }
        }
    }
}

impl Iterator for SourceWalk<'_> {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Result<Found>> {
        self.advance().transpose()
    }
}

/// Orders the children of one directory as the paths of what is in them sort.
fn by_entry_path(a: &Child, b: &Child) -> Ordering {
    let shared = a.name.len().min(b.name.len());
    let next = |child: &Child| match child.name.get(shared) {
        None if child.kind == ChildKind::Dir => Some(b'/'),
        next => next.copied(),
    };
    a.name[..shared].cmp(&b.name[..shared]).then_with(|| next(a).cmp(&next(b)))
}

/// Returns a path's part below `prefix`.
pub(in crate::ops) fn below<'p>(path: &'p EntryPath, prefix: Option<&EntryPath>) -> &'p [u8] {
    match prefix {
        Some(prefix) => path.as_bytes().get(prefix.as_bytes().len() + 1..).unwrap_or_default(),
        None => path.as_bytes(),
    }
}

fn join(prefix: &[u8], name: &[u8]) -> Vec<u8> {
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

fn bad_path(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::usage(format!("cannot store {}: {why}", quote(&path.as_os_str().to_owned().into_vec())))
}

fn not_found_kind(error: Error) -> Error {
    let missing = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|source| source.kind() == std::io::ErrorKind::NotFound);
    if missing {
        Error::not_found(error.to_string()).hint("give a file or directory that is there, or `-` for standard input")
    } else {
        error
    }
}

fn special_name(file_type: fs::FileType) -> &'static str {
    if file_type.is_fifo() {
        "FIFO"
    } else if file_type.is_socket() {
        "socket"
    } else {
        "device"
    }
}
