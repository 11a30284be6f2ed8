//! A project in a git repo, versions and deletes in it, and what its roots say.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use artstore::error::Error;
use artstore::format::record::{EditRecord, Record};
use artstore::id::RecordId;
use artstore::store::Store;
use artstore::store::roots::{RootVersion, Roots};

use crate::support::{Project, noise};

/// A project with a store in a git repo.
pub(crate) struct Repo {
    pub(crate) project: Project,
}

impl Repo {
    /// Makes a repo with one commit and an empty store in it.
    pub(crate) fn new(init: &[&str]) -> Repo {
        let repo = Repo { project: Project::bare() };
        repo.git(["init", "--quiet", "--initial-branch=main"]);
        repo.project.art([&["init"], init].concat()).ok();
        repo.commit("a store");
        repo
    }

    pub(crate) fn git<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> String {
        self.git_in(&self.project.root(), args)
    }

    #[track_caller]
    pub(crate) fn git_in<I: AsRef<OsStr>>(&self, dir: &Path, args: impl IntoIterator<Item = I>) -> String {
        let identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost", "-c", "protocol.file.allow=always"];
        let args = identity.into_iter().map(Into::into).chain(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        let output = self.project.program("git", args).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Commits all that git does not ignore.
    pub(crate) fn commit(&self, message: &str) {
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--allow-empty", "-m", message]);
    }

    /// Stores a version of `data` whose content is of its own, and which is nowhere else.
    pub(crate) fn put(&self, seed: u64) -> RecordId {
        put_in(&self.project, &self.project.root(), seed)
    }

    /// The same; its second names stay.
    pub(crate) fn put_kept(&self, seed: u64) -> RecordId {
        put_kept_in(&self.project, &self.project.root(), seed)
    }

    /// The numbers of the versions of `data`, in order.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let told = self.project.art(["ls", "data", "--json"]).ok().json();
        let mut numbers: Vec<u64> = told.as_array().unwrap().iter().map(|version| version["number"].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Deletes a version in the working tree.
    pub(crate) fn delete(&self, id: RecordId) {
        delete_in(&self.project.store(), id);
    }

    pub(crate) fn roots(&self) -> Roots {
        read(&self.project.store()).unwrap()
    }

    pub(crate) fn refused(&self) -> Error {
        read(&self.project.store()).unwrap_err()
    }

    /// Asserts which versions are kept and which are known to be deleted.
    #[track_caller]
    pub(crate) fn keeps(&self, live: &[RecordId], dead: &[RecordId]) -> Roots {
        let roots = self.roots();
        assert_eq!((ids(&roots.live), ids(&roots.dead)), (live.iter().copied().collect(), dead.iter().copied().collect()));
        roots
    }
}

pub(crate) fn read(store: &Path) -> artstore::error::Result<Roots> {
    Roots::read(&Store::open(store)?)
}

pub(crate) fn ids(versions: &[RootVersion]) -> BTreeSet<RecordId> {
    versions.iter().map(|version| version.id).collect()
}

pub(crate) fn put_in(project: &Project, dir: &Path, seed: u64) -> RecordId {
    let id = put_kept_in(project, dir, seed);
    // In a linked worktree they lie in the main one.
    for store in [dir.join(".artifacts"), project.store()] {
        kept(&store).into_iter().for_each(|path| fs::remove_file(path).unwrap());
    }
    id
}

/// Lists the second names of files of a store.
pub(crate) fn kept(store: &Path) -> Vec<PathBuf> {
    let keep = store.join("packs/keep");
    crate::support::files(&keep).into_iter().filter(|path| !path.starts_with(keep.join(".git"))).collect()
}

pub(crate) fn put_kept_in(project: &Project, dir: &Path, seed: u64) -> RecordId {
    let source = project.outside().join(format!("source-{seed}"));
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("file"), noise(seed, 1000)).unwrap();
    let args = [OsStr::new("put"), OsStr::new("--json"), OsStr::new("data"), source.as_os_str()];
    let mut command = project.command(args);
    let version = crate::support::run(command.current_dir(dir)).ok().json();
    version["id"].as_str().unwrap().parse().unwrap()
}

/// Writes the edit that deletes a version.
pub(crate) fn delete_in(store: &Path, id: RecordId) {
    edit_in(store, EditRecord { delete: true, target: Some(id), ..an_edit(store) });
}

/// An edit of `data` that follows all that are there, and says nothing yet.
pub(crate) fn an_edit(store: &Path) -> EditRecord {
    let history = Store::open(store).unwrap().history(&"data".parse().unwrap()).unwrap();
    EditRecord {
        artifact: "data".parse().unwrap(),
        claim: false,
        created_at: serde_json::from_str("\"2026-01-01T00:00:00Z\"").unwrap(),
        delete: false,
        description: None,
        metadata: Default::default(),
        metadata_pages: Vec::new(),
        saw: history.edits.iter().map(|(id, _)| *id).collect(),
        seq: history.next_edit_seq(),
        tags_add: Vec::new(),
        tags_remove: Vec::new(),
        target: None,
        ttl_seconds: None,
        undelete: false,
        unset: Vec::new(),
    }
}

pub(crate) fn edit_in(store: &Path, edit: EditRecord) {
    let dir = store.join("refs/data/edits");
    fs::create_dir_all(&dir).unwrap();
    let seq = edit.seq;
    let (id, line) = Record::Edit(Box::new(edit)).encode().unwrap();
    fs::write(dir.join(format!("{seq}.{}", id.short(16))), line).unwrap();
}

/// Lists the packs of a store, relative to it.
pub(crate) fn packs(store: &Path, dir: &str) -> BTreeSet<PathBuf> {
    let files = crate::support::files(&store.join(dir));
    let relative = files.iter().map(|path| path.strip_prefix(store).unwrap().to_owned());
    relative.filter(|path| !path.starts_with("packs/.git") && !path.starts_with("packs/keep")).collect()
}

/// The file of a version's record.
pub(crate) fn record_of(store: &Path, id: RecordId) -> PathBuf {
    let files = crate::support::files(&store.join("refs/data/versions"));
    files.into_iter().find(|path| path.to_str().unwrap().ends_with(&id.short(16))).unwrap()
}
