//! Who has which versions: the branches, remote-tracking branches, tags, stashes and detached heads of the
//! git repos round a store, and their other working trees.
//!
//! Unlike the roots of gc, this tells what somebody may look for: older commits and indexes are left out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::commits::{Commits, Held, Way};
use super::records::{At, Pool};
use super::{histories, stash_roots};
use crate::error::{Error, Result};
use crate::name::{Name, Ref, Selector};
use crate::refs::history::History;
use crate::store::git::{Oid, Repo};
use crate::store::{FORMAT_FILE, Store};

/// Somebody who has records of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The working tree that the store lies in.
    Here,
    /// A branch, a tag, a stash or a detached head, as git takes its name: `main`, `origin/main`, `tags/v1`.
    Revision(String),
    /// Another working tree, by the directory of its store.
    Worktree(PathBuf),
}

/// Gives the histories of an artifact, or of all, to `take`, each with those who have these very records:
/// first that of the working tree. Fails where there is no git repo round the store.
///
/// Cost: some calls of git for each repo, one reading of each tree and record that a revision has.
pub fn visit_holders(store: &Store, artifact: Option<&Name>, take: &mut dyn FnMut(&[Holder], &History)) -> Result<()> {
    let repos = Repo::all_around(store.root())?;
    if repos.is_empty() {
        return Err(Error::refused("cannot list branches: there is no git repo round the store").hint("`art ls` lists what is here"));
    }
    of_tree(store, artifact, Holder::Here, take)?;
    let mut others = Vec::new();
    for repo in &repos {
        others.extend(repo.other_stores(store.root())?.into_iter().filter(|other| other.join(FORMAT_FILE).is_file()));
    }
    for root in others {
        of_tree(&Store::open(&root)?.with_threads(store.threads()), artifact, Holder::Worktree(root), take)?;
    }
    for repo in &repos {
        let (mut pool, mut held) = (Pool::default(), Held::default());
        let mut commits = Commits::open(repo, &mut pool, &mut held, Way::Records(artifact.cloned()))?;
        let revisions = revisions(repo, &mut commits)?;
        commits.read_records()?;
        // Branches mostly have the same records of most artifacts.
        let mut sets = BTreeMap::<(String, Vec<At>), Vec<Holder>>::new();
        for (name, records) in revisions {
            let mut folders = HashMap::<String, Vec<At>>::new();
            for at in records {
                folders.entry(pool.folder(at).to_owned()).or_default().push(at);
            }
            for (folder, mut records) in folders {
                records.sort_unstable();
                records.dedup();
                sets.entry((folder, records)).or_default().push(Holder::Revision(name.clone()));
            }
        }
        for ((_, records), holders) in &sets {
            histories(&pool, records).filter(|history| is_wanted(artifact, history)).for_each(|history| take(holders, &history));
        }
    }
    Ok(())
}

/// Names the revisions that have the record of a version, or of an alias, that a ref names and that is not
/// here, going by the names of files. A digest or a step back cannot be told that way.
///
/// Cost: some calls of git for each repo and revision, one reading of each tree; no record is read.
pub fn revisions_with(store: &Store, wanted: &Ref) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for repo in Repo::all_around(store.root())? {
        let (mut pool, mut held) = (Pool::default(), Held::default());
        let mut commits = Commits::open(&repo, &mut pool, &mut held, Way::Records(Some(wanted.artifact.clone())))?;
        let revisions = revisions(&repo, &mut commits)?;
        let has = |records: &[At]| records.iter().any(|&at| may_be(pool.path(at), wanted));
        names.extend(revisions.into_iter().filter(|(_, records)| has(records)).map(|(name, _)| name));
    }
    Ok(names)
}

/// Whether a record of this name may decide what a ref means.
fn may_be(path: &Path, wanted: &Ref) -> bool {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    match (&parts[..], &wanted.selector) {
        (["refs", _, "versions", name], selector) => name.split_once('.').is_some_and(|(number, hash16)| match selector {
            Selector::Latest => true,
            Selector::Number(wanted) => number == wanted.to_string(),
            Selector::Numbered(wanted, suffix) => number == wanted.to_string() && begin_alike(hash16, suffix),
            Selector::Prefix(prefix) => begin_alike(hash16, prefix),
            Selector::Alias(_) => false,
        }),
        (["refs", _, "aliases", alias, _], Selector::Alias(wanted)) => *alias == wanted.as_str(),
        _ => false,
    }
}

fn begin_alike(a: &str, b: &str) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

fn is_wanted(artifact: Option<&Name>, history: &History) -> bool {
    artifact.is_none_or(|wanted| *wanted == history.artifact)
}

fn of_tree(store: &Store, artifact: Option<&Name>, holder: Holder, take: &mut dyn FnMut(&[Holder], &History)) -> Result<()> {
    let all = match artifact {
        Some(artifact) => vec![store.history(artifact)?],
        None => store.histories()?,
    };
    all.iter().for_each(|history| take(std::slice::from_ref(&holder), history));
    Ok(())
}

/// Lists the revisions that have records of the store, with the records.
fn revisions(repo: &Repo, commits: &mut Commits<'_>) -> Result<Vec<(String, Vec<At>)>> {
    let mut found = Vec::new();
    for worktree in repo.worktrees.iter().filter(|worktree| worktree.is_detached()) {
        if let Some(head) = commits.objects().head(&worktree.head)? {
            found.push((worktree.head.replace("main-worktree/", ""), commits.root(&head.tree)?.concat()));
        }
    }
    let mut known = HashMap::<Oid, Vec<At>>::new();
    let mut stashed = HashSet::new();
    for (oid, name) in repo.refs()? {
        if name == "refs/stash" {
            for stash in repo.stashes(&oid)? {
                // With what was not tracked; what was staged is mostly the same.
                stashed.extend(stash_roots(commits, &stash)?.into_iter().take(1).flat_map(|(_, records)| records));
            }
            continue;
        }
        let Some(short) = short_name(&name) else { continue };
        let records = match known.get(&oid) {
            Some(records) => records.clone(),
            None => match commits.objects().commit(&oid)? {
                Some(commit) => commits.root(&commit.tree)?.concat(),
                None => continue,
            },
        };
        known.entry(oid).or_insert_with(|| records.clone());
        found.push((short, records));
    }
    found.push(("stash".to_owned(), stashed.into_iter().collect()));
    found.retain(|(_, records)| !records.is_empty());
    Ok(found)
}

/// Names a branch or tag as git takes it; none for other refs.
fn short_name(name: &str) -> Option<String> {
    let remote = name.strip_prefix("refs/remotes/").filter(|name| !name.ends_with("/HEAD"));
    let tag = name.strip_prefix("refs/").filter(|name| name.starts_with("tags/"));
    name.strip_prefix("refs/heads/").or(remote).or(tag).map(str::to_owned)
}
