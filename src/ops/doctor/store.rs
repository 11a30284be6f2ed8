//! What stands in the store itself: what a quick `fsck` finds, names that stand for several versions,
//! what does not belong there.

use std::path::Path;

use super::{FindingKind, Patient, told};
use crate::context::Context;
use crate::error::Result;
use crate::ops::fsck::{self, FsckLevel, FsckOptions, FsckOutcome, LackKind, VersionState, fsck};
use crate::ops::resolve::{self, Divergence, DivergenceKind, Scope};
use crate::ops::wording::{count, some};
use crate::quote::shell_word;
use crate::store::guard::{GitMode, IGNORE_FILE};
use crate::store::{Store, local};

impl Patient<'_> {
    /// Looks at what is in the store.
    pub(super) fn look_into(&mut self, store: &Store, context: &Context<'_>, mode: Option<GitMode>) {
        match fsck(store, context, &FsckOptions { level: FsckLevel::Quick }) {
            Ok(checked) => {
                self.look_at_findings(&checked, mode);
                self.look_at_strangers(&checked);
            }
            Err(error) => self.problem(FindingKind::Damage, told(&error), None),
        }
        if let Err(error) = self.look_at_names(store) {
            self.problem(FindingKind::Damage, told(&error), None);
        }
        if let Err(error) = self.look_at_local_state() {
            self.problem(FindingKind::Damage, told(&error), None);
        }
    }

    fn look_at_findings(&mut self, checked: &FsckOutcome, mode: Option<GitMode>) {
        use fsck::FindingKind as Kind;
        let of =
            |kinds: &[Kind]| -> Vec<&fsck::Finding> { checked.findings.iter().filter(|finding| kinds.contains(&finding.kind)).collect() };
        let names = |found: &[&fsck::Finding]| some(&found.iter().map(|finding| &finding.subject).collect::<Vec<_>>());
        // Git history and other working trees may have it, else only another copy.
        let repair = if mode.is_some() { "art repair || art repair --from DIR" } else { "art repair --from DIR" };

        let removed = of(&[Kind::RemovedFile]);
        if !removed.is_empty() {
            let message =
                format!("{} gone from the store, as after `git clean`, and kept: {}", count(removed.len(), "file"), names(&removed));
            self.problem(FindingKind::RemovedFiles, message, Some("art repair".to_owned()));
        }
        let mut damaged = of(&[Kind::DamagedPack, Kind::DamagedRecord, Kind::DamagedVersion, Kind::ArtifactMetadata, Kind::Unreadable]);
        // Told for itself, with what git goes by.
        damaged.retain(|finding| finding.subject != IGNORE_FILE);
        if let Some(first) = damaged.first() {
            let message = format!("damaged or unreadable: {}; the first: {}", names(&damaged), first.message);
            self.problem(FindingKind::Damage, message, Some(repair.to_owned()));
        }
        let torn = of(&[Kind::PackNotArrived]);
        if !torn.is_empty() {
            let message = format!("{} not here as a whole, if no copy is under way: {}", count(torn.len(), "pack"), names(&torn));
            self.problem(FindingKind::PacksNotArrived, message, Some(repair.to_owned()));
        }
        let incomplete = of(&[Kind::IncompleteVersion]);
        if !incomplete.is_empty() {
            let states = checked.versions.iter().filter(|version| version.state == VersionState::Incomplete);
            let only_chunks = states.flat_map(|version| &version.lacks).all(|lack| lack.kind == LackKind::Chunk);
            let is_of_copies = mode.is_none() || (mode != Some(GitMode::All) && only_chunks);
            let mend = if is_of_copies { "art pull DIR" } else { "art repair || art pull DIR" };
            let what = if only_chunks { "data" } else { "packs" };
            let message = format!("{what} of {} not here: {}", count(incomplete.len(), "version"), names(&incomplete));
            self.problem(FindingKind::IncompleteVersions, message, Some(mend.to_owned()));
        }
        let lost = of(&[Kind::LostAlias]);
        if !lost.is_empty() {
            let message = format!("{} of versions whose records are not here: {}", count(lost.len(), "alias record"), names(&lost));
            self.problem(FindingKind::LostAlias, message, Some(repair.to_owned()));
        }
    }

    fn look_at_strangers(&mut self, checked: &FsckOutcome) {
        let shown: Vec<&str> = checked.strangers.iter().map(|stranger| stranger.path.as_str()).collect();
        if shown.is_empty() {
            return;
        }
        let message = format!(
            "{} no part of a store, such as copies that a cloud folder makes of a conflict: {}",
            count(shown.len(), "file"),
            some(&shown)
        );
        // What cannot be typed is left to the one who looks.
        let words: Vec<String> = shown.iter().take(3).map(|path| self.word(path)).collect();
        self.advice(FindingKind::Strangers, message, Some(format!("mv -- {} DIR", words.join(" "))));
    }

    fn look_at_names(&mut self, store: &Store) -> Result<()> {
        for Divergence { artifact, kind, name, candidates } in resolve::list(store, &Scope::Store)? {
            let versions: Vec<&str> = candidates.iter().filter_map(|candidate| candidate.version.as_deref()).collect();
            let message = format!("{artifact}:{name} stands for several versions: {}", some(&versions));
            // The one that was stored last.
            let newest = candidates.iter().filter(|candidate| candidate.version.is_some()).max_by_key(|candidate| candidate.created_at);
            let newest = newest.and_then(|candidate| candidate.version.as_deref()).unwrap_or("VERSION");
            let (kind, mend) = match kind {
                DivergenceKind::Number => {
                    let digits = newest.split_once('.').map_or(newest, |(_, digits)| digits);
                    (FindingKind::AmbiguousVersion, format!("art resolve {artifact}:{name} {digits}"))
                }
                DivergenceKind::Alias => (FindingKind::DivergedAlias, format!("art alias set {artifact}:{newest} {name}")),
            };
            self.problem(kind, message, Some(mend));
        }
        for history in store.histories()? {
            for version in history.versions.iter().filter(|version| version.contested) {
                let name = version.full_name();
                let message = format!("{name} was deleted by who did not know all that is said of it, and lives (`art rm` deletes it)");
                self.advice(FindingKind::ContestedDeletion, message, Some(format!("art undelete {name}")));
            }
        }
        Ok(())
    }

    fn look_at_local_state(&mut self) -> Result<()> {
        let strange = local::strange(self.root)?;
        if strange.is_empty() {
            return Ok(());
        }
        let message = "local state of another copy was copied along; it is ignored, and harmless".to_owned();
        // Who has none yet sweeps it.
        let mend = match local::find(self.root)? {
            None => "art init".to_owned(),
            Some(_) => {
                let words =
                    strange.iter().map(|dir| shell_word(&self.name.join(dir.strip_prefix(self.root).unwrap_or(Path::new("local")))));
                format!("rm -r -- {}", words.collect::<Vec<_>>().join(" "))
            }
        };
        self.advice(FindingKind::CopiedLocalState, message, Some(mend));
        Ok(())
    }
}
