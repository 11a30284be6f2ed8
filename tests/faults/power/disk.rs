//! What a disk may hold after the power fails: data counts after the file's sync, a name after
//! the directory's, and all the rest may be there, or not, or in part.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log::{History, Id, Op, ROOT};
use crate::place::adapt_local;

/// What became of an operation that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    Kept,
    Dropped,
    /// Of a write only so many bytes.
    Torn(usize),
    /// A write's length, but zeros in place of its bytes.
    Zeros,
}

/// What a disk holds.
pub(crate) struct Image {
    nodes: BTreeMap<PathBuf, (Id, Option<Arc<Content>>)>,
    /// The operations that are not in it, or not in whole.
    pub(crate) lost: Vec<usize>,
    /// Tells equal images.
    pub(crate) key: [u8; 32],
}

struct Content {
    bytes: Vec<u8>,
    hash: [u8; 32],
}

/// The writes that a file is made of, and what became of each.
type Writes = Vec<(usize, Fate)>;

/// Contents up to this length are kept: longer ones would fill the memory.
const KEPT_LEN_MAX: usize = 1 << 18;

/// Contents that were put together before, by the writes that they are made of.
#[derive(Default)]
pub(crate) struct Contents(HashMap<(Id, Writes), Arc<Content>>);

/// Lists the operations of a beginning of `order` that are not on disk for certain.
pub(crate) fn pending(history: &History, order: &[usize]) -> Vec<usize> {
    let mut synced = vec![false; history.objects.len()];
    let mut pending = Vec::new();
    for &at in order.iter().rev() {
        let op = &history.ops[at];
        if let Op::Sync(object) = op {
            synced[*object] = true;
        } else if object_of(op).is_some_and(|object| !synced[object]) {
            pending.push(at);
        }
    }
    pending.reverse();
    pending
}

/// Returns the file or directory whose sync an operation waits for.
pub(crate) fn object_of(op: &Op) -> Option<Id> {
    match op {
        Op::Name { dir, .. } => Some(*dir),
        Op::Bytes { file, .. } | Op::Length { file, .. } => Some(*file),
        Op::Sync(_) | Op::Begun | Op::Acknowledged => None,
    }
}

impl Image {
    /// Puts together what is left of the operations in `order` if each ended as `fates` says.
    pub(crate) fn new(history: &History, order: &[usize], fates: &[Fate], contents: &mut Contents) -> Image {
        let mut names: HashMap<Id, BTreeMap<&OsStr, Id>> = HashMap::new();
        let mut writes: HashMap<Id, Writes> = HashMap::new();
        for &at in order {
            let fate = fates[at];
            match &history.ops[at] {
                _ if fate == Fate::Dropped => {}
                Op::Name { dir, name, to: Some(to) } => drop(names.entry(*dir).or_default().insert(name, *to)),
                Op::Name { dir, name, to: None } => drop(names.entry(*dir).or_default().remove(name.as_os_str())),
                Op::Bytes { file, .. } | Op::Length { file, .. } => writes.entry(*file).or_default().push((at, fate)),
                Op::Sync(_) | Op::Begun | Op::Acknowledged => {}
            }
        }
        let mut nodes = BTreeMap::new();
        let mut open = vec![(PathBuf::new(), ROOT)];
        while let Some((path, dir)) = open.pop() {
            for (name, id) in names.get(&dir).into_iter().flatten() {
                let path = path.join(name);
                if history.objects[*id].is_dir {
                    // A directory that moved half-way stands in one place only.
                    open.push((path.clone(), *id));
                    nodes.insert(path, (*id, None));
                } else {
                    let writes = writes.get(id).cloned().unwrap_or_default();
                    nodes.insert(path, (*id, Some(contents.get(history, *id, writes))));
                }
            }
        }
        let mut hasher = blake3::Hasher::new();
        for (path, (id, content)) in &nodes {
            hasher.update(path.as_os_str().as_encoded_bytes()).update(&[0]).update(&id.to_le_bytes());
            hasher.update(content.as_ref().map_or(&[0; 32], |content| &content.hash));
        }
        let lost = order.iter().copied().filter(|&at| fates[at] != Fate::Kept).collect();
        Image { key: hasher.finalize().into(), lost, nodes }
    }

    /// Writes the image into an empty directory, with local state that is believed there.
    pub(crate) fn write(&self, history: &History, dir: &Path) {
        let mut written: HashMap<Id, PathBuf> = HashMap::new();
        for (path, (id, content)) in &self.nodes {
            let path = dir.join(path);
            match (content, written.get(id)) {
                (None, _) => fs::create_dir(path).unwrap(),
                (Some(_), Some(first)) => fs::hard_link(first, path).unwrap(),
                (Some(content), None) => {
                    fs::write(&path, &content.bytes).unwrap();
                    written.insert(*id, path);
                }
            }
        }
        let store = Path::new(".artifacts");
        adapt_local(&dir.join(store), &|path| history.objects[self.nodes.get(&store.join(path))?.0].inode);
    }
}

impl Contents {
    fn get(&mut self, history: &History, file: Id, writes: Writes) -> Arc<Content> {
        let key = (file, writes);
        if let Some(content) = self.0.get(&key) {
            return Arc::clone(content);
        }
        let mut bytes = Vec::new();
        for (at, fate) in &key.1 {
            apply(&history.ops[*at], *fate, &mut bytes);
        }
        let content = Arc::new(Content { hash: blake3::hash(&bytes).into(), bytes });
        if content.bytes.len() <= KEPT_LEN_MAX {
            self.0.insert(key, Arc::clone(&content));
        }
        content
    }
}

fn apply(op: &Op, fate: Fate, all: &mut Vec<u8>) {
    match op {
        Op::Length { len, .. } => all.resize(*len, 0),
        Op::Bytes { offset, bytes, .. } => {
            let len = if let Fate::Torn(len) = fate { len.min(bytes.len()) } else { bytes.len() };
            if all.len() < offset + len {
                all.resize(offset + len, 0);
            }
            match fate {
                Fate::Zeros => all[*offset..offset + len].fill(0),
                _ => all[*offset..offset + len].copy_from_slice(&bytes[..len]),
            }
        }
        _ => {}
    }
}
