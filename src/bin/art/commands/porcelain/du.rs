//! `art du`

use artstore::ops::du::{ArtifactUsage, DuOptions, DuOutcome, DuTarget, StoreUsage, Usage, du};
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::out::Out;
use crate::ui::show::{count, plural, size};
use crate::ui::table::{
    Align::{self, Left, Right},
    Table,
};

/// Tell what artifacts and versions take on disk, and what deleting them would free
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  art du                    all artifacts, and the store\n  art du model              the versions of one\n  art du model:v3 model:v4"
)]
pub(crate) struct DuArgs {
    /// Artifacts (NAME) with all their versions, or versions (NAME:v3, NAME:ALIAS, NAME@DIGEST)
    #[arg(value_name = "NAME|REF")]
    what: Vec<String>,
}

pub(crate) fn run(args: &DuArgs, setup: &Setup) -> Result<Exit> {
    let targets = args.what.iter().map(|text| target(text)).collect::<artstore::Result<_>>()?;
    let store = setup.store_to_read()?;
    let outcome = du(&store, &setup.context()?, &DuOptions { targets })?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&outcome)?;
    } else if args.what.is_empty() {
        tell_all(&outcome, &mut out)?;
    } else {
        for (at, artifact) in outcome.artifacts.iter().enumerate() {
            if at > 0 {
                out.line("")?;
            }
            tell_versions(artifact, &mut out)?;
        }
    }
    out.done()?;
    let missing = |artifact: &ArtifactUsage| artifact.versions.iter().any(|version| !version.deleted && version.usage.missing_count > 0);
    if outcome.artifacts.iter().any(missing) {
        setup.ui.warn("some versions are incomplete here: what is missing is not counted");
    }
    Ok(Exit::Done)
}

fn target(text: &str) -> artstore::Result<DuTarget> {
    if text.contains([':', '@', '~']) { text.parse().map(DuTarget::Version) } else { text.parse().map(DuTarget::Artifact) }
}

fn tell_all(outcome: &DuOutcome, out: &mut Out) -> Result<()> {
    let headings = [("ARTIFACT", Left), ("VERSIONS", Right)];
    let mut table = Table::new(&[&headings[..], &COLUMNS].concat());
    for artifact in &outcome.artifacts {
        let [a, b, c, d, e] = cells(&artifact.usage);
        table.row([artifact.artifact.to_string(), count(artifact.version_count), a, b, c, d, e]);
    }
    table.write(out)?;
    if !outcome.artifacts.is_empty() {
        out.line("")?;
    }
    store_lines(&outcome.store).iter().try_for_each(|line| out.line(line))
}

fn tell_versions(artifact: &ArtifactUsage, out: &mut Out) -> Result<()> {
    let mut table = Table::new(&[&[("VERSION", Left)][..], &COLUMNS].concat());
    for (is_deleted, note) in [(false, ""), (true, " (deleted)")] {
        for version in artifact.versions.iter().filter(|version| version.deleted == is_deleted) {
            let [a, b, c, d, e] = cells(&version.usage);
            table.row([format!("{}:{}{note}", artifact.artifact, version.version), a, b, c, d, e]);
        }
    }
    Ok(table.write(out)?)
}

const COLUMNS: [(&str, Align); 5] = [("SIZE", Right), ("STORED", Right), ("UNIQUE", Right), ("DEDUP", Right), ("COMPRESSION", Right)];

fn cells(usage: &Usage) -> [String; 5] {
    [size(usage.size_bytes), size(usage.stored_bytes), size(usage.unique_bytes), ratio(usage.dedup_ratio), ratio(usage.compression_ratio)]
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}x"))
}

fn store_lines(store: &StoreUsage) -> Vec<String> {
    let usage = &store.usage;
    let mut lines = vec![format!(
        "versions    {} in {}; dedup {}, compression {}",
        size(usage.size_bytes),
        size(usage.stored_bytes),
        ratio(usage.dedup_ratio),
        ratio(usage.compression_ratio)
    )];
    let mut part = |name: &str, bytes: u64, note: &str| lines.push(format!("{name:<11} {}{note}", size(bytes)));
    part("deleted", store.deleted_bytes, " that `art gc` can free, 14 days after it condemned them");
    part("unnamed", store.unnamed_bytes, " that no version here names");
    part("data packs", store.data_pack_bytes, &format!(" in {}", plural(store.data_packs, "pack")));
    part("meta packs", store.meta_pack_bytes, &format!(" in {}", plural(store.meta_packs, "pack")));
    if store.condemned_packs > 0 {
        part("condemned", store.condemned_pack_bytes, &format!(" of these, in {}", plural(store.condemned_packs, "pack")));
    }
    part("records", store.record_bytes, &format!(" in {}", plural(store.records, "record")));
    part("total", store.total_bytes, "");
    lines
}
