//! From the log of commands to what they did to a disk, as operations that can be replayed.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::strace::{Call, Log};

/// A file or directory, whatever it is called.
pub(crate) type Id = usize;

/// The project's directory, in which the store is made; it is there and on disk.
pub(crate) const ROOT: Id = 0;

/// One thing that a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// A name in a directory now stands for something, or for nothing. A rename is two of these:
    /// what is written to two directories need not arrive together.
    Name {
        dir: Id,
        name: OsString,
        to: Option<Id>,
    },
    Bytes {
        file: Id,
        offset: usize,
        bytes: Vec<u8>,
    },
    Length {
        file: Id,
        len: usize,
    },
    Sync(Id),
    /// A command begins.
    Begun,
    /// It has told that it is done.
    Acknowledged,
}

/// What is known of a file or directory besides its content.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) is_dir: bool,
    /// Its inode, as local state has noted it.
    pub(crate) inode: Option<u64>,
    /// What it was called last, below the project; for messages.
    pub(crate) path: PathBuf,
}

/// All that some commands did, in order.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) ops: Vec<Op>,
    pub(crate) objects: Vec<Object>,
    project: PathBuf,
    /// What each name stands for now.
    names: HashMap<(Id, OsString), Id>,
    lens: HashMap<Id, usize>,
}

#[derive(Clone, Copy)]
struct Open {
    object: Id,
    offset: usize,
    append: bool,
}

impl History {
    pub(crate) fn new(project: &Path) -> History {
        let root = Object { is_dir: true, inode: None, path: PathBuf::new() };
        History { ops: Vec::new(), objects: vec![root], project: project.to_owned(), names: HashMap::new(), lens: HashMap::new() }
    }

    /// Adds what a command did, which wrote its output to `stdout`.
    pub(crate) fn add(&mut self, log: &Log, stdout: &Path, done: bool) {
        self.ops.push(Op::Begun);
        let begun = self.ops.len();
        let mut open = HashMap::new();
        for call in log.calls.iter().filter(|call| call.is_ok()) {
            let told = call.name == "write" && call.fd(0).is_some_and(|(_, path)| path == stdout);
            if !told {
                self.add_call(call, &mut open);
            } else if !self.ops[begun..].contains(&Op::Acknowledged) {
                self.ops.push(Op::Acknowledged);
            }
        }
        if done && !self.ops[begun..].contains(&Op::Acknowledged) {
            self.ops.push(Op::Acknowledged);
        }
    }

    /// Takes up a file or directory as it lies there, or that it is gone: something that no log tells.
    /// It is all on disk.
    pub(crate) fn take_up(&mut self, path: &Path) {
        let from = usize::from(!path.is_dir());
        let dirs: Vec<&Path> = path.ancestors().skip(from).take_while(|dir| *dir != self.project).collect();
        for dir in dirs.into_iter().rev() {
            if self.find(dir).is_none() {
                let made = self.object(true, dir);
                self.settle(dir, Some(made));
            }
        }
        if path.is_dir() {
            return;
        }
        let Ok(bytes) = std::fs::read(path) else { return self.settle(path, None) };
        let file = self.find(path).unwrap_or_else(|| self.object(false, path));
        self.lens.insert(file, bytes.len());
        self.ops.extend([Op::Length { file, len: 0 }, Op::Bytes { file, offset: 0, bytes }, Op::Sync(file)]);
        self.settle(path, Some(file));
    }

    fn settle(&mut self, path: &Path, to: Option<Id>) {
        let (dir, name) = self.place(path).expect("what lies above is there");
        self.name(dir, name, to);
        self.ops.push(Op::Sync(dir));
    }

    fn add_call(&mut self, call: &Call, open: &mut HashMap<i64, Open>) {
        let paths = call.paths(&self.project);
        let known = |fd: Option<(i64, PathBuf)>| fd.map(|(fd, _)| fd);
        match call.name.as_str() {
            "openat" | "open" | "creat" => self.opened(call, open),
            "close" => drop(known(call.fd(0)).and_then(|fd| open.remove(&fd))),
            "dup" | "dup2" | "dup3" | "fcntl" => {
                let is_copy = call.name != "fcntl" || call.has_flag("F_DUPFD") || call.has_flag("F_DUPFD_CLOEXEC");
                if let (true, Some(from), Some(to)) = (is_copy, known(call.fd(0)), call.ret) {
                    // Two that share an offset are not told apart: no program here writes to both.
                    let copy = open.get(&from).copied();
                    open.remove(&to);
                    open.extend(copy.map(|copy| (to, copy)));
                }
            }
            "lseek" => {
                if let (Some(open), Some(at)) = (known(call.fd(0)).and_then(|fd| open.get_mut(&fd)), call.ret) {
                    open.offset = at as usize;
                }
            }
            "mkdir" | "mkdirat" => {
                if let Some((dir, name)) = self.place(&paths[0]) {
                    let made = self.object(true, &paths[0]);
                    self.name(dir, name, Some(made));
                }
            }
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => self.renamed(call, &paths),
            "unlink" | "unlinkat" | "rmdir" => {
                if let Some((dir, name)) = self.place(&paths[0]) {
                    self.name(dir, name, None);
                }
            }
            "write" | "writev" | "pwrite64" | "ftruncate" | "fallocate" => self.written(call, open),
            "fsync" | "fdatasync" => {
                if let Some(open) = known(call.fd(0)).and_then(|fd| open.get(&fd)) {
                    self.ops.push(Op::Sync(open.object));
                }
            }
            // It is for what git has written, all of which is on disk here; more stays open than would.
            "syncfs" => {}
            "chmod" | "fchmod" | "fchmodat" | "utimensat" | "flock" => {}
            _ => assert!(!self.is_below(&paths), "{call:?} is not modelled"),
        }
    }

    fn opened(&mut self, call: &Call, open: &mut HashMap<i64, Open>) {
        let Some((fd, path)) = call.opened() else { return };
        // Whatever had this number is closed.
        open.remove(&fd);
        let object = match self.find(&path) {
            Some(object) => object,
            None => {
                let Some((dir, name)) = self.place(&path) else { return };
                assert!(call.has_flag("O_CREAT"), "{call:?} opens what the model does not have");
                let made = self.object(false, &path);
                self.name(dir, name, Some(made));
                made
            }
        };
        if call.has_flag("O_TRUNC") && self.lens.get(&object).is_some_and(|len| *len > 0) {
            self.ops.push(Op::Length { file: object, len: 0 });
            self.lens.insert(object, 0);
        }
        open.insert(fd, Open { object, offset: 0, append: call.has_flag("O_APPEND") });
    }

    fn renamed(&mut self, call: &Call, paths: &[PathBuf]) {
        let (Some((from_dir, from_name)), Some((to_dir, to_name))) = (self.place(&paths[0]), self.place(&paths[1])) else { return };
        assert!(!call.has_flag("RENAME_EXCHANGE"), "{call:?} is not modelled");
        let moved = self.find(&paths[0]).expect("what is renamed is there");
        self.objects[moved].path = self.below(&paths[1]).unwrap().to_owned();
        self.name(to_dir, to_name, Some(moved));
        if call.name.starts_with("rename") {
            self.name(from_dir, from_name, None);
        }
    }

    fn written(&mut self, call: &Call, open: &mut HashMap<i64, Open>) {
        let Some(open) = call.fd(0).and_then(|(fd, _)| open.get_mut(&fd)) else { return };
        let file = open.object;
        let len = self.lens.get(&file).copied().unwrap_or_default();
        if matches!(call.name.as_str(), "ftruncate" | "fallocate") {
            let new = match call.name.as_str() {
                "ftruncate" => call.number(1) as usize,
                _ => len.max((call.number(2) + call.number(3)) as usize),
            };
            self.lens.insert(file, new);
            self.ops.push(Op::Length { file, len: new });
            return;
        }
        let mut bytes = if call.name == "writev" { call.pieces(1) } else { call.bytes(1) };
        bytes.truncate(call.ret.unwrap_or_default() as usize);
        let offset = match call.name.as_str() {
            "pwrite64" => call.number(3) as usize,
            _ if open.append => len,
            _ => open.offset,
        };
        if call.name != "pwrite64" {
            open.offset = offset + bytes.len();
        }
        self.lens.insert(file, len.max(offset + bytes.len()));
        self.note_inodes(file, &bytes);
        self.ops.push(Op::Bytes { file, offset, bytes });
    }

    /// Takes from what local state notes of inodes which they were: no call tells them.
    fn note_inodes(&mut self, file: Id, bytes: &[u8]) {
        let path = self.objects[file].path.clone();
        let text = String::from_utf8_lossy(bytes);
        if path.ends_with("self") {
            let folder = self.project.join(path.parent().unwrap());
            let inode = text.split(' ').next().and_then(|inode| inode.parse().ok());
            let folder = self.find(&folder).expect("the folder of the note is there");
            self.objects[folder].inode = inode;
        } else if path.ends_with("confirmed") {
            // Of this store, or of the copy: it lies in `local/ID/`.
            let store = self.project.join(path.ancestors().nth(3).unwrap());
            for line in text.lines() {
                let fields: Vec<&str> = line.splitn(5, ' ').collect();
                let [_, inode, _, _, of] = fields[..] else { continue };
                if inode == "0" {
                    // Taken off the list.
                    continue;
                }
                let of = self.find(&store.join(of)).expect("what is confirmed is there");
                self.objects[of].inode = inode.parse().ok();
            }
        }
    }

    fn object(&mut self, is_dir: bool, path: &Path) -> Id {
        let path = self.below(path).unwrap().to_owned();
        self.objects.push(Object { is_dir, inode: None, path });
        self.objects.len() - 1
    }

    fn name(&mut self, dir: Id, name: OsString, to: Option<Id>) {
        match to {
            Some(to) => self.names.insert((dir, name.clone()), to),
            None => self.names.remove(&(dir, name.clone())),
        };
        self.ops.push(Op::Name { dir, name, to });
    }

    /// Returns the directory that a path lies in, and its name there; none outside the project.
    fn place(&self, path: &Path) -> Option<(Id, OsString)> {
        let name = self.below(path)?.file_name()?;
        Some((self.find(path.parent()?)?, name.to_owned()))
    }

    fn find(&self, path: &Path) -> Option<Id> {
        let below = self.below(path)?;
        below.iter().try_fold(ROOT, |dir, name| self.names.get(&(dir, name.to_owned())).copied())
    }

    fn below<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        path.strip_prefix(&self.project).ok()
    }

    fn is_below(&self, paths: &[PathBuf]) -> bool {
        paths.iter().any(|path| path.starts_with(&self.project))
    }
}
