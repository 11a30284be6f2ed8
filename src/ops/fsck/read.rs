//! What a check reads, as far as its level asks for: the packs, and the pages of all versions that
//! are not deleted, side by side where neither needs what the other finds.

use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;

use crate::context::Context;
use crate::id::FileDigest;
use crate::quote::quote;
use crate::refs::history::{History, Version};
use crate::store::Store;

use super::facts::Measure;
use super::marks::{Bad, Chunks, Marks};
use super::packs::Checked;
use super::pages::Pages;
use super::verdict::{Trees, live_roots};
use super::{Finding, FindingKind, FsckLevel, LACKS_TOLD, files};

/// Reads packs and pages; notes what is wrong with the packs.
pub(super) fn read(
    store: &Store,
    context: &Context<'_>,
    level: FsckLevel,
    data: &mut Checked,
    meta: &mut Checked,
    histories: &[History],
    findings: &mut Vec<Finding>,
) -> Trees {
    if level != FsckLevel::Quick {
        context.progress.expect(data.count() + meta.count(), data.bytes() + meta.bytes());
    }
    let mut wrong_files = HashSet::new();
    match level {
        FsckLevel::Quick => {}
        FsckLevel::Full => {
            context.progress.all_expected();
            context.progress.phase("hashing packs");
            let walked = hash_and_walk(context, data, meta, histories, findings);
            // Else chunks were taken for good that are not.
            if data.bad.is_empty() {
                return walked;
            }
        }
        FsckLevel::Deep => wrong_files = deep(store, context, data, meta, histories, findings),
    }
    context.progress.phase("checking versions");
    walk(data, meta, &wrong_files, histories, context.threads)
}

/// Hashes the packs, and meanwhile walks the versions as if no pack were damaged: each has steps that
/// one thread takes, during which the other keeps the machine busy.
fn hash_and_walk(
    context: &Context<'_>,
    data: &mut Checked,
    meta: &mut Checked,
    histories: &[History],
    findings: &mut Vec<Finding>,
) -> Trees {
    let (of_data, of_meta, walked) = std::thread::scope(|scope| {
        let hash = || (data.look(FsckLevel::Full, None, context), meta.look(FsckLevel::Full, None, context));
        // With one thread, one after the other.
        let hashing = if context.threads > 1 { Err(scope.spawn(hash)) } else { Ok(hash()) };
        let walked = walk(data, meta, &HashSet::new(), histories, context.threads);
        let (of_data, of_meta) = hashing.unwrap_or_else(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        (of_data, of_meta, walked)
    });
    data.note(of_data, findings);
    meta.note(of_meta, findings);
    walked
}

/// Hashes files, and looks into the packs for what no file needed; returns the files that are wrong.
fn deep(
    store: &Store,
    context: &Context<'_>,
    data: &mut Checked,
    meta: &mut Checked,
    histories: &[History],
    findings: &mut Vec<Finding>,
) -> HashSet<FileDigest> {
    context.progress.phase("hashing files");
    let marks = Marks::new(&data.census);
    let pages = Pages { census: &meta.census, bad: &Bad::default(), extra: &HashMap::new() };
    let files = files::check(store, &data.census, pages, live(histories), &marks, context);
    context.progress.all_expected();
    context.progress.phase("hashing packs");
    let found = data.look(FsckLevel::Deep, Some(&marks), context);
    data.note(found, findings);
    let found = meta.look(FsckLevel::Deep, None, context);
    meta.note(found, findings);
    for path in files.too_long {
        let message = format!("it has more than {} TiB: its digest was not checked", files::FILE_LEN_MAX >> 40);
        findings.push(Finding { kind: FindingKind::Unreadable, subject: quote(path.as_bytes()), message });
    }
    files.wrong
}

fn walk(data: &Checked, meta: &Checked, wrong_files: &HashSet<FileDigest>, histories: &[History], threads: usize) -> Trees {
    let chunks = Chunks { census: &data.census, bad: &data.bad, extra: &HashMap::new() };
    let measure = Measure { chunks, wrong_files, keep: LACKS_TOLD, wanted: None };
    let pages = Pages { census: &meta.census, bad: &Bad::default(), extra: &HashMap::new() };
    Trees::read(pages, live_roots(histories), &measure, threads)
}

fn live(histories: &[History]) -> impl Iterator<Item = &Version> {
    // What a deleted version names may be gone already.
    histories.iter().flat_map(|history| &history.versions).filter(|version| !version.deleted)
}
