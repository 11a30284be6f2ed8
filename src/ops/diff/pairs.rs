//! Which of what was added is something that was removed, under another path.

use std::collections::{HashMap, VecDeque};

use crate::format::path::EntryPath;
use crate::id::FileDigest;

use super::{Change, ChangeKind};

/// Makes one change of a file that was removed and one that was added with the same bytes. Each
/// is paired once: first those of equal base name, then the others in order of their paths. Empty
/// files tell nothing and are never paired. The result is in order of the paths.
pub(super) fn pair(changes: Vec<Change>) -> Vec<Change> {
    let mut removed: HashMap<FileDigest, VecDeque<usize>> = HashMap::new();
    for (at, change) in changes.iter().enumerate().filter(|(_, change)| change.change == ChangeKind::Removed) {
        if let Some(digest) = digest(change) {
            removed.entry(digest).or_default().push_back(at);
        }
    }
    let mut from = vec![None; changes.len()];
    let mut is_taken = vec![false; changes.len()];
    for by_name in [true, false] {
        for (at, change) in changes.iter().enumerate().filter(|(_, change)| change.change == ChangeKind::Added) {
            let Some(of_digest) = digest(change).filter(|_| from[at].is_none()).and_then(|digest| removed.get_mut(&digest)) else {
                continue;
            };
            let fits = |old: &usize| !by_name || name(&changes[*old].path) == name(&change.path);
            if let Some(old) = of_digest.iter().position(fits).and_then(|place| of_digest.remove(place)) {
                from[at] = Some(old);
                is_taken[old] = true;
            }
        }
    }
    let paired = changes.iter().enumerate().filter(|(at, _)| !is_taken[*at]).filter_map(|(at, change)| {
        let Some(old) = from[at] else { return Some(change.clone()) };
        Change::new(changes[old].left(), change.right())
    });
    let mut paired: Vec<Change> = paired.collect();
    paired.sort_by(|a, b| a.path.cmp(&b.path));
    paired
}

fn digest(change: &Change) -> Option<FileDigest> {
    let info = change.old.as_ref().or(change.new.as_ref())?;
    if info.kind == "file" && info.size_bytes > Some(0) { info.digest } else { None }
}

fn name(path: &EntryPath) -> &[u8] {
    path.split_name().1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::diff::Side;
    use crate::ops::entry::{EntryInfo, ShownPath};

    fn file(path: &str, content: &str) -> Option<Side> {
        let info = EntryInfo {
            path: ShownPath::new(path.as_bytes()),
            kind: "file",
            size_bytes: Some(content.len() as u64),
            digest: Some(blake3::hash(content.as_bytes()).into()),
            executable: false,
            target: None,
            etag: None,
        };
        Some(Side { path: EntryPath::new(path).unwrap(), info, kind: None })
    }

    fn paired(removed: &[(&str, &str)], added: &[(&str, &str)]) -> Vec<String> {
        let removed = removed.iter().filter_map(|(path, content)| Change::new(file(path, content), None));
        let added = added.iter().filter_map(|(path, content)| Change::new(None, file(path, content)));
        let told = |change: &Change| match &change.from {
            Some(from) => format!("{from} => {}", change.path),
            None => format!("{:?} {}", change.change, change.path),
        };
        pair(removed.chain(added).collect()).iter().map(told).collect()
    }

    #[test]
    fn files_of_equal_bytes_are_paired_once_and_by_name_first() {
        assert_eq!(
            paired(&[("a/x", "1"), ("a/y", "1")], &[("b/y", "1"), ("b/z", "1"), ("c", "1")]),
            ["a/y => b/y", "a/x => b/z", "Added c"]
        );
    }

    #[test]
    fn empty_files_and_other_bytes_are_not_paired() {
        assert_eq!(paired(&[("a", ""), ("b", "1")], &[("c", ""), ("d", "2")]), ["Removed a", "Removed b", "Added c", "Added d"]);
    }
}
