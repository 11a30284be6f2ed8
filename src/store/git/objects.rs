//! The objects of a git repo, read through one `git cat-file --batch`.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::{Oid, cannot_run, failed, git_in};
use crate::error::Result;
use crate::format::limits::RECORD_LEN_MAX;

/// Objects asked for before the first answer is read: what is asked must fit a pipe.
const ASKED_MAX: usize = 32;

/// Deepest chain of tags that is followed.
const TAG_DEPTH_MAX: usize = 64;

/// A process that reads objects; it ends when this is dropped.
pub(crate) struct Objects {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// An object.
#[derive(Debug)]
pub(crate) enum Object {
    Commit(Commit),
    /// The name, whether it is a directory, and the object of each entry.
    Tree(Vec<Entry>),
    /// The object that it tags.
    Tag(Oid),
    /// Its bytes; none if it is too long.
    Blob(Option<Vec<u8>>),
}

/// What a commit names.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) tree: Oid,
    pub(crate) parents: Vec<Oid>,
}

/// An entry of a tree.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) is_dir: bool,
    pub(crate) oid: Oid,
}

impl Objects {
    /// Starts the process for the repo whose objects lie in a directory.
    pub(crate) fn of(repo: &Path) -> Result<Objects> {
        let mut command = git_in(repo);
        command.args(["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(cannot_run)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| failed("`git cat-file` has no output"))?;
        Ok(Objects { child, input, output: BufReader::with_capacity(1 << 16, output) })
    }

    /// Reads objects, in any number, in order. One that is missing is an error.
    pub(crate) fn each(&mut self, oids: &[Oid], mut take: impl FnMut(usize, Object) -> Result<()>) -> Result<()> {
        for (turn, asked) in oids.chunks(ASKED_MAX).enumerate() {
            self.ask(&asked.iter().map(|oid| format!("{}\n", oid.0)).collect::<String>())?;
            for (at, oid) in asked.iter().enumerate() {
                let object = self.answer(RECORD_LEN_MAX as u64)?.ok_or_else(|| failed(&format!("the object {} is missing", oid.0)))?;
                take(turn * ASKED_MAX + at, object)?;
            }
        }
        Ok(())
    }

    /// Reads a blob; none if it is missing, or longer than `len_max`.
    pub(crate) fn blob(&mut self, oid: &Oid, len_max: u64) -> Result<Option<Vec<u8>>> {
        self.ask(&format!("{}\n", oid.0))?;
        match self.answer(len_max)? {
            Some(Object::Blob(bytes)) => Ok(bytes),
            _ => Ok(None),
        }
    }

    /// Reads the commit that a head names; none if there is none yet.
    pub(crate) fn head(&mut self, name: &str) -> Result<Option<Commit>> {
        self.ask(&format!("{name}\n"))?;
        match self.answer(RECORD_LEN_MAX as u64)? {
            None => Ok(None),
            Some(Object::Commit(commit)) => Ok(Some(commit)),
            Some(_) => Err(failed(&format!("`{name}` is no commit"))),
        }
    }

    /// Follows tags to the commit that an object is; none for a tag of something else.
    pub(crate) fn commit(&mut self, oid: &Oid) -> Result<Option<Commit>> {
        let mut oid = oid.clone();
        for _ in 0..TAG_DEPTH_MAX {
            let mut found = None;
            self.each(std::slice::from_ref(&oid), |_, object| {
                found = Some(object);
                Ok(())
            })?;
            match found {
                Some(Object::Commit(commit)) => return Ok(Some(commit)),
                Some(Object::Tree(_)) => return Ok(Some(Commit { tree: oid, parents: Vec::new() })),
                Some(Object::Tag(tagged)) => oid = tagged,
                Some(Object::Blob(_)) | None => return Ok(None),
            }
        }
        Err(failed("a tag leads to tags without end"))
    }

    fn ask(&mut self, names: &str) -> Result<()> {
        let input = self.input.as_mut().ok_or_else(|| failed("`git cat-file` has no input"))?;
        input.write_all(names.as_bytes()).and_then(|()| input.flush()).map_err(|e| failed("`git cat-file` ended").because(e))
    }

    /// Reads one answer: `<oid> <type> <length>`, the bytes, and a newline; or `<name> missing`.
    fn answer(&mut self, blob_len_max: u64) -> Result<Option<Object>> {
        let broken = |e| failed("`git cat-file` ended").because(e);
        let mut head = String::new();
        self.output.read_line(&mut head).map_err(broken)?;
        let fields: Vec<&str> = head.trim_end().rsplitn(3, ' ').collect();
        let (len, kind, oid) = match fields[..] {
            ["missing" | "ambiguous", ..] => return Ok(None),
            [len, kind, oid] => (len.parse::<u64>().map_err(|_| failed("`git cat-file` answers without a length"))?, kind, oid),
            _ => return Err(failed("`git cat-file` ended")),
        };
        let mut body = (&mut self.output).take(len);
        if kind == "blob" && len > blob_len_max {
            std::io::copy(&mut body, &mut std::io::sink()).map_err(broken)?;
            self.output.read_exact(&mut [0]).map_err(broken)?;
            return Ok(Some(Object::Blob(None)));
        }
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes).map_err(broken)?;
        self.output.read_exact(&mut [0]).map_err(broken)?;
        if bytes.len() as u64 != len {
            return Err(failed("`git cat-file` ended"));
        }
        let object = match kind {
            "commit" => commit(&bytes).map(Object::Commit),
            "tree" => tree(&bytes, oid.len() / 2).map(Object::Tree),
            "tag" => value_of(&bytes, "object").next().map(Object::Tag),
            "blob" => Some(Object::Blob(Some(bytes))),
            _ => None,
        };
        object.map(Some).ok_or_else(|| failed(&format!("the {kind} {oid} cannot be understood")))
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // Without input it ends by itself.
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn commit(bytes: &[u8]) -> Option<Commit> {
    Some(Commit { tree: value_of(bytes, "tree").next()?, parents: value_of(bytes, "parent").collect() })
}

/// Finds the objects that lines of a commit's or tag's head name.
fn value_of<'b>(bytes: &'b [u8], field: &'b str) -> impl Iterator<Item = Oid> + 'b {
    let head = bytes.split(|&b| b == b'\n').take_while(|line| !line.is_empty());
    head.filter_map(move |line| {
        let value = std::str::from_utf8(line).ok()?.strip_prefix(field)?.strip_prefix(' ')?;
        Some(Oid(value.to_owned()))
    })
}

/// Reads a tree: `<mode> <name>` NUL and the object's name in bytes, for each entry.
fn tree(mut bytes: &[u8], oid_len: usize) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|&b| b == b' ')?;
        let nul = space + bytes[space..].iter().position(|&b| b == 0)?;
        let end = nul + 1 + oid_len;
        let oid = bytes.get(nul + 1..end)?.iter().map(|byte| format!("{byte:02x}")).collect();
        entries.push(Entry { name: bytes[space + 1..nul].to_owned(), is_dir: &bytes[..space] == b"40000", oid: Oid(oid) });
        bytes = &bytes[end..];
    }
    Some(entries)
}

/// Splits a path of the file system into the names of trees on the way.
pub(crate) fn names(path: &Path) -> Vec<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    path.components().map(|part| part.as_os_str().as_bytes().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_and_commits_are_read_and_torn_ones_are_not() {
        let mut bytes = b"100644 a b\0".to_vec();
        bytes.extend([0xab; 20]);
        bytes.extend(b"40000 d\0");
        bytes.extend([1; 20]);
        let entries = tree(&bytes, 20).unwrap();
        assert_eq!((&entries[0].name[..], entries[0].is_dir, &entries[0].oid.0[..4]), (&b"a b"[..], false, "abab"));
        assert!(entries[1].is_dir);
        for len in 1..bytes.len() {
            assert!(len == 31 || tree(&bytes[..len], 20).is_none(), "{len}");
        }
        let head = commit(b"tree 12\nparent 34\nparent 56\nauthor a\n\ntree 78\n").unwrap();
        assert_eq!((head.tree, head.parents), (Oid("12".into()), vec![Oid("34".into()), Oid("56".into())]));
    }
}
