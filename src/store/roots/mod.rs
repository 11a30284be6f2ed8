//! The roots of gc: which versions must be kept, and which are known to be deleted.
//!
//! A root is a set of records that somebody may go back to: a working tree, an index, a stash, the
//! tip of a ref. In each the records say by themselves which versions are deleted; a version is
//! kept while one root has it that does not delete it. What only older commits or reflogs have is
//! kept unless a delete of it is known anywhere.

mod branches;
mod commits;
mod holders;
pub(super) mod pages;
mod records;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use super::Store;
use super::git::{Oid, Repo, Stamp};
use super::guard::{Guard, KEEP_DIR};
use crate::error::{Error, Result};
use crate::id::{PageId, RecordId};
use crate::name::Name;
use crate::refs::history::{History, Version};
use crate::refs::read;
pub use branches::Branches;
use commits::{Commits, Held, Way};
pub use holders::{Holder, revisions_with, visit_holders};
pub use pages::BranchPages;
use records::{At, Pool};

/// What gc must keep, and what it knows to be deleted.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// Versions that are not deleted in some root, or that only older commits have and nothing
    /// deletes.
    pub live: Vec<RootVersion>,
    /// Versions that are deleted in every root that has them.
    pub dead: Vec<RootVersion>,
    /// Packs and records of gc that a commit, a stash, a reflog or an index holds, by their paths
    /// relative to the store: git has them, so removing them frees nothing for good.
    pub held: HashSet<PathBuf>,
    /// Metadata pages of edits of artifacts as a whole, and of versions that are not known.
    pub metadata_pages: Vec<PageId>,
    /// Where pages are that the working tree has not.
    pub branches: Branches,
    /// How the git repos looked before they were read.
    stamps: Vec<Stamp>,
    /// The store in other working trees, and the records that were there before they were read.
    others: Vec<(PathBuf, HashSet<String>)>,
}

/// A version that a root has.
#[derive(Clone, Debug)]
pub struct RootVersion {
    /// The artifact.
    pub artifact: Name,
    /// The version's name in it.
    pub label: String,
    /// The version.
    pub id: RecordId,
    /// Its content.
    pub manifest: PageId,
    /// Metadata pages of its record and of all edits of it.
    pub metadata_pages: Vec<PageId>,
    /// The root that decides: the first in which it is not deleted, else the first that has it.
    pub root: String,
}

/// How the root of older commits is named.
const HISTORY: &str = "older commits";

/// The roots as they were found: for the folder of each artifact the different sets of records
/// there, each with the first root that has it.
#[derive(Default)]
struct Found {
    pool: Pool,
    sets: BTreeMap<String, Vec<(String, Vec<At>)>>,
    known: HashSet<(String, Vec<At>)>,
}

impl Roots {
    /// Reads the roots of a store. Without a git repo round it there is one, its own records.
    pub fn read(store: &Store) -> Result<Roots> {
        let (mut found, mut roots) = (Found::default(), Roots::default());
        let own = found.pool.add_tree(store.root())?;
        found.add("the working tree", own.clone());
        for repo in Repo::all_around(store.root())? {
            roots.stamps.extend(repo.stamp()?);
            for other in repo.other_stores(store.root())? {
                roots.others.push((other.clone(), read::all_names(&other)?));
            }
            let mut held = Held::default();
            found.add_repo(&repo, &mut held)?;
            roots.held.extend(held.paths);
            held.metas.into_iter().for_each(|(path, blob)| roots.branches.add_pack(store.root(), &repo, &path, blob));
        }
        roots.others.iter().for_each(|(other, _)| roots.branches.add_tree(other.clone()));
        if let Some(guard) = Guard::of(store.root())? {
            let gone = found.pool.add_kept(guard.gone()?);
            found.add(KEEP_DIR, own.into_iter().chain(gone).collect());
        }
        for (folder, all) in found.pool.by_folder() {
            let sets = found.sets.get(folder).map_or(&[][..], Vec::as_slice);
            roots.judge(&found.pool, &all, sets);
        }
        Ok(roots)
    }

    /// Whether nothing was committed, switched or stashed since the roots were read, and no record came or
    /// went in another working tree. Does not ask git, so it may be called under a lock.
    pub fn are_current(&self) -> Result<bool> {
        let are_same = self.others.iter().try_fold(true, |all, (store, names)| Ok(all && read::all_names(store)? == *names))?;
        self.stamps.iter().try_fold(are_same, |all, stamp| Ok(all && stamp.holds()?))
    }

    /// Judges the versions of the artifacts of one folder, of which there are `all` records.
    fn judge(&mut self, pool: &Pool, all: &[At], sets: &[(String, Vec<At>)]) {
        let mut verdicts = HashMap::<RecordId, (bool, RootVersion)>::new();
        let union: Vec<History> = histories(pool, all).collect();
        for (root, records) in sets {
            for history in histories(pool, records) {
                for version in &history.versions {
                    let verdict = (version.deleted, RootVersion::new(&history, version, root));
                    let noted = verdicts.entry(version.id).or_insert_with(|| verdict.clone());
                    if noted.0 && !version.deleted {
                        *noted = verdict;
                    }
                }
            }
        }
        for history in &union {
            for version in &history.versions {
                verdicts.entry(version.id).or_insert_with(|| (version.deleted, RootVersion::new(history, version, HISTORY)));
            }
            for (_, edit) in &history.edits {
                match edit.target.and_then(|target| verdicts.get_mut(&target)) {
                    Some((_, version)) => version.metadata_pages.extend(&edit.metadata_pages),
                    None => self.metadata_pages.extend(&edit.metadata_pages),
                }
            }
        }
        let mut verdicts: Vec<(bool, RootVersion)> = verdicts.into_values().collect();
        verdicts.sort_by(|(_, a), (_, b)| (&a.artifact, &a.label, a.id).cmp(&(&b.artifact, &b.label, b.id)));
        for (deleted, version) in verdicts {
            if deleted { self.dead.push(version) } else { self.live.push(version) }
        }
    }
}

impl RootVersion {
    fn new(history: &History, version: &Version, root: &str) -> RootVersion {
        RootVersion {
            artifact: history.artifact.clone(),
            label: version.label.clone(),
            id: version.id,
            manifest: version.record.manifest,
            metadata_pages: version.record.metadata_pages.clone(),
            root: root.to_owned(),
        }
    }
}

impl Found {
    /// Adds the records of a root.
    fn add(&mut self, root: &str, records: Vec<At>) {
        let mut folders = BTreeMap::<String, Vec<At>>::new();
        for at in records {
            folders.entry(self.pool.folder(at).to_owned()).or_default().push(at);
        }
        for (folder, mut records) in folders {
            records.sort_unstable();
            records.dedup();
            let set = (folder, records);
            if !self.known.contains(&set) {
                self.sets.entry(set.0.clone()).or_default().push((root.to_owned(), set.1.clone()));
                self.known.insert(set);
            }
        }
    }

    fn add_repo(&mut self, repo: &Repo, held: &mut Held) -> Result<()> {
        for worktree in &repo.worktrees {
            if let Some(top) = &worktree.top {
                let records = self.pool.add_tree(&top.join(&repo.store))?;
                self.add(&format!("the working tree {}", top.display()), records);
            }
        }
        let mut found = Vec::<(String, Vec<At>)>::new();
        let mut is_committed = false;
        let mut commits = Commits::open(repo, &mut self.pool, held, Way::All)?;
        for worktree in &repo.worktrees {
            let staged = repo.staged(worktree)?;
            is_committed |= !staged.is_empty();
            found.push(("the index".to_owned(), staged.iter().filter_map(|file| commits.add_staged(&file.path, &file.blob)).collect()));
            if let Some(head) = commits.objects().head(&worktree.head)? {
                found.push((worktree.head.clone(), commits.root(&head.tree)?.concat()));
            }
        }
        let mut tips = HashSet::<Oid>::new();
        for (oid, name) in repo.refs()? {
            if name == "refs/stash" {
                for stash in repo.stashes(&oid)? {
                    found.extend(stash_roots(&mut commits, &stash)?);
                }
            } else if tips.insert(oid.clone())
                && let Some(commit) = commits.objects().commit(&oid)?
            {
                found.push((name, commits.root(&commit.tree)?.concat()));
            }
        }
        let (stashes, under_way) = repo.under_way()?;
        for stash in stashes {
            found.extend(stash_roots(&mut commits, &stash)?);
        }
        for oid in under_way {
            if let Some(commit) = commits.objects().commit(&oid)? {
                found.push(("what is being merged".to_owned(), commits.root(&commit.tree)?.concat()));
            }
        }
        commits.history(repo.history()?)?;
        is_committed |= commits.has_found();
        if repo.is_shallow && is_committed {
            return Err(Error::damaged("cannot tell what older commits hold of the store: this git repo is a shallow clone")
                .hint("run `git fetch --unshallow`, or run this command in a full clone"));
        }
        commits.read_records()?;
        found.into_iter().for_each(|(root, records)| self.add(&root, records));
        Ok(())
    }
}

/// A stash is put back as a whole: what was tracked with what was not. What was staged is a root
/// of its own.
fn stash_roots(commits: &mut Commits<'_>, stash: &Oid) -> Result<Vec<(String, Vec<At>)>> {
    let Some(commit) = commits.objects().commit(stash)? else { return Ok(Vec::new()) };
    let mut whole = commits.root(&commit.tree)?.concat();
    if let Some(untracked) = commit.parents.get(2)
        && let Some(untracked) = commits.objects().commit(untracked)?
    {
        whole.extend(commits.root(&untracked.tree)?.concat());
    }
    let mut roots = vec![("a stash".to_owned(), whole)];
    if let Some(staged) = commit.parents.get(1)
        && let Some(staged) = commits.objects().commit(staged)?
    {
        roots.push(("a stash".to_owned(), commits.root(&staged.tree)?.concat()));
    }
    Ok(roots)
}

fn histories(pool: &Pool, records: &[At]) -> impl Iterator<Item = History> {
    pool.by_artifact(records).into_iter().map(|(artifact, records)| History::new(artifact, records))
}
