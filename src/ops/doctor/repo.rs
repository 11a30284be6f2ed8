//! What the repo has of a store: too much, too large, too little.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Finding, FindingKind, Patient, Severity, told};
use crate::error::Result;
use crate::ops::wording::{count, some_paths};
use crate::quote::{quote_path, shell_word};
use crate::store::Store;
use crate::store::files::StorePath;
use crate::store::git::tree::{Difference, Place, Unpushed, branch, is_partial, remote, tracked, untracking};
use crate::store::guard::{GitMode, KEEP_DIR};
use crate::store::roots::Roots;

impl Patient<'_> {
    /// Looks for files that git has and shall not have.
    pub(super) fn look_at_tracked(&mut self, mode: Option<GitMode>) -> Result<()> {
        let (part, what) = match mode {
            Some(GitMode::Split) => {
                (self.name.join("packs"), "data packs are to travel by copying (with `art init --git=all` they would not), and git has")
            }
            Some(GitMode::None) => (self.name.clone(), "nothing of the store is to be committed, and git has"),
            Some(GitMode::All) => (self.name.join(KEEP_DIR), "what is kept there against `git clean` is not to be committed, and git has"),
            None => return Ok(()),
        };
        let files = tracked(self.project, &part)?;
        if !files.is_empty() {
            let message = format!("{what} {}, such as {}", count(files.len(), "file"), some_paths(&files[..1]));
            self.problem(FindingKind::TrackedFiles, message, Some(untracking(&part)));
        }
        Ok(())
    }

    /// Looks for what is too large for hosts of repos.
    pub(super) fn look_at_sizes(&mut self, mode: Option<GitMode>, differences: &[Difference]) -> Result<()> {
        if mode == Some(GitMode::None) {
            return Ok(());
        }
        let size = |path: &Path| fs::symlink_metadata(self.project.join(path)).ok().filter(|meta| meta.is_file()).map(|meta| meta.len());
        let mut files = tracked(self.project, &self.name)?;
        files.extend(differences.iter().filter(|difference| difference.state == *b"??").map(|difference| difference.path.clone()));
        let sizes = files.iter().filter_map(|path| Some((path, size(path)?)));
        let large: Vec<(&PathBuf, u64)> = sizes.filter(|(_, size)| *size > self.options.file_size_warned).collect();
        let coming: u64 = differences.iter().filter(|difference| difference.is_new()).filter_map(|difference| size(&difference.path)).sum();
        for (path, size) in large {
            let is_refused = size > self.options.file_size_max;
            let does = if is_refused { "refuses" } else { "warns of" };
            let message =
                format!("{} has {size} bytes: GitHub {does} files of more than {} MiB", quote_path(path), self.limit_mib(is_refused));
            let mend = format!("mv -- {path} DIR && git rm --quiet --cached --ignore-unmatch -- {path}", path = shell_word(path));
            let severity = if is_refused { Severity::Problem } else { Severity::Advice };
            self.findings.push(Finding { severity, kind: FindingKind::LargeFile, message, mend: Some(mend) });
        }
        self.look_at_push(coming)
    }

    fn limit_mib(&self, is_refused: bool) -> u64 {
        (if is_refused { self.options.file_size_max } else { self.options.file_size_warned }) >> 20
    }

    fn look_at_push(&mut self, coming: u64) -> Result<()> {
        let (unpushed, size_max) = (Unpushed::of(self.project, &self.name)?, self.options.push_size_max);
        let size = unpushed.size() + coming;
        if size < size_max / 4 * 3 {
            return Ok(());
        }
        let remote = remote(self.project)?;
        let message = format!(
            "the next push takes along {} MB of the store, {} MB of it in no commit yet: GitHub refuses a push of more than {} MB",
            size / 1_000_000,
            coming / 1_000_000,
            size_max / 1_000_000
        );
        let branch = branch(self.project)?.unwrap_or_else(|| "BRANCH".to_owned());
        let to = format!("{} {{}}:refs/heads/{branch}", remote.as_deref().unwrap_or("REMOTE"));
        let push = |commit: &str| format!("git push {}", to.replace("{}", commit));
        let mend = match (unpushed.part_of(size_max / 2), &unpushed.commits[..]) {
            (Some(part), _) => push(&part[..part.len().min(12)]),
            (None, []) => in_parts(&self.word("packs")),
            (None, [(only, size), ..]) if *size > size_max / 2 => {
                // A commit alone is too large: it is made again in parts.
                let only = &only[..only.len().min(12)];
                format!("git reset --quiet {only}~1 && {}", in_parts(&self.word("packs")))
            }
            // All that is committed, and then the rest.
            (None, [.., (last, _)]) => push(&last[..last.len().min(12)]),
        };
        let severity = if size > size_max && remote.is_some() { Severity::Problem } else { Severity::Advice };
        self.findings.push(Finding { severity, kind: FindingKind::LargePush, message, mend: Some(mend) });
        Ok(())
    }

    /// Looks at what is in no commit, and what keeps commits from being made.
    pub(super) fn look_at_commits(&mut self, place: &Place, mode: Option<GitMode>, differences: &[Difference]) {
        let unmerged: Vec<&PathBuf> = differences.iter().filter(|one| one.is_unmerged()).map(|one| &one.path).collect();
        if let Some(command) = place.under_way {
            let message = format!("a {command} is under way");
            let go_on = format!("git {command} --continue");
            if unmerged.is_empty() {
                self.advice(FindingKind::UnderWay, message, Some(go_on));
            } else {
                let message =
                    format!("{message}, and {} of the store to be settled: {}", count(unmerged.len(), "file"), some_paths(&unmerged));
                // Files of a store never change, so what is here is what both sides mean.
                self.problem(FindingKind::UnderWay, message, Some(format!("git add -- {} && {go_on}", shell_word(&self.name))));
            }
        }
        // What a merge brings is staged until it ends.
        if mode == Some(GitMode::None) || place.under_way.is_some() {
            return;
        }
        let is_ours = |path: &PathBuf| {
            let path = path.strip_prefix(&self.name).ok().and_then(Path::to_str).unwrap_or_default();
            StorePath::parse(path).is_some() || matches!(path, "format" | ".gitignore" | ".gitattributes")
        };
        let new: Vec<&PathBuf> = differences.iter().filter(|one| one.is_new()).map(|one| &one.path).filter(|path| is_ours(path)).collect();
        if !new.is_empty() {
            let are = if new.len() == 1 { "is" } else { "are" };
            let message = format!("{} of the store {are} in no commit: a clone does not have them", count(new.len(), "file"));
            let mend = format!("git add -- {name} && git commit -m 'store versions' -- {name}", name = shell_word(&self.name));
            self.advice(FindingKind::UncommittedFiles, message, Some(mend));
        }
    }

    /// Looks whether `gc` can see all that must be kept.
    pub(super) fn look_at_history(&mut self, place: &Place, store: &Store) {
        let Err(error) = Roots::read(store) else { return };
        if place.is_shallow {
            let message = "`art gc` does not work here: this clone lacks older commits, which may hold versions".to_owned();
            self.advice(FindingKind::ShallowClone, message, Some("git fetch --unshallow".to_owned()));
        } else if is_partial(self.project) {
            let message = format!("`art gc` does not work here: this clone lacks objects of older commits ({error})");
            self.advice(FindingKind::PartialClone, message, Some("git fetch --refetch --no-filter".to_owned()));
        } else {
            let message = format!("`art gc` does not work here: {}", told(&error));
            self.problem(FindingKind::UnreadHistory, message, None);
        }
    }
}

/// The command that commits and pushes the first part of many packs; the next one of these finds the rest.
fn in_parts(packs: &str) -> String {
    format!("git add -- {packs}/[0-7]* && git commit -m 'store data, in parts' && git push")
}
