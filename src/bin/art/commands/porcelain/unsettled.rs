//! What is said of names that have diverged and of versions that are incomplete, and which command helps.

use artstore::ops::resolve::{Divergence, DivergenceKind};
use artstore::store::missing::Missing;

use crate::ui::show::{plural, size};

/// What brings what is missing.
pub(super) const BRING: &str = "`art pull DIR` brings what is missing from a copy that has it";

/// Says what a name stands for: `d:v1 stands for v1.1a2b or v1.9f0c`.
pub(super) fn stands_for(one: &Divergence) -> String {
    let named = |candidate: &artstore::ops::resolve::Candidate| match (&candidate.version, &candidate.id) {
        (Some(version), _) => version.clone(),
        (None, Some(id)) => format!("{}, whose record is not here", id.short(16)),
        (None, None) => "nothing (it was removed)".to_owned(),
    };
    format!("{}:{} stands for {}", one.artifact, one.name, one.candidates.iter().map(named).collect::<Vec<_>>().join(" or "))
}

/// Says how to settle what a name stands for.
pub(super) fn settle(one: &Divergence) -> String {
    let Divergence { artifact, kind, name, candidates } = one;
    let digits = candidates.last().and_then(|last| last.version.as_deref()?.split_once('.')).map_or("SUFFIX", |(_, digits)| digits);
    match kind {
        DivergenceKind::Number => format!("settle it with `art resolve {artifact}:{name} {digits}`"),
        DivergenceKind::Alias => format!("settle it with `art alias set {artifact}:VERSION {name}`"),
    }
}

/// Says how to settle whether a version is deleted.
pub(super) fn settle_contested(artifact: &str, version: &str) -> String {
    format!("settle it with `art rm {artifact}:{version}` or `art undelete {artifact}:{version}`")
}

/// Says what is missing of a version: `12 chunks, 3.1 MB`.
pub(super) fn lacks(missing: &Missing) -> String {
    let Missing { manifest, page_count, chunk_count, size_bytes } = *missing;
    if manifest {
        return "its manifest".to_owned();
    }
    let pages = (page_count > 0).then(|| plural(page_count, "page"));
    let chunks = (chunk_count > 0).then(|| format!("{}, {}", plural(chunk_count, "chunk"), size(size_bytes)));
    pages.into_iter().chain(chunks).collect::<Vec<_>>().join(", ")
}
