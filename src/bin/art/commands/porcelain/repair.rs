//! `art repair`

use std::path::PathBuf;

use artstore::ops::repair::{Lost, RepairOptions, RepairOutcome, repair};
use artstore::quote::{escape, quote};
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::out::Out;
use crate::ui::show::{plural, size};

/// Mend the store from other copies
///
/// Fetches what is damaged or missing from other copies, linked worktrees and git history, and
/// salvages what damaged packs still hold. Only then damaged files are moved to `quarantine/`;
/// nothing is deleted, and damaged records that no copy has stay where they are. Exit 0 if nothing is lost, else 5.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  art repair\n  art repair --from /mnt/backup/project --from ../other/.artifacts\n  art repair --dry-run"
)]
pub(crate) struct RepairArgs {
    /// Fetch from this copy too: a store, or a project with one
    #[arg(long, value_name = "DIR")]
    from: Vec<PathBuf>,
    /// Move damaged records aside though nothing replaces them: what they said is forgotten
    #[arg(long)]
    drop_records: bool,
    /// Tell what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &RepairArgs, setup: &Setup) -> Result<Exit> {
    let store = setup.store_to_repair()?;
    let options = RepairOptions { from: args.from.clone(), drop_records: args.drop_records, dry_run: args.dry_run };
    let outcome = repair(&store, &setup.context()?, &options)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&outcome)?
    } else {
        tell(&outcome, args, &mut out)?
    }
    out.done()?;
    Ok(if outcome.ok { Exit::Done } else { Exit::Damaged })
}

fn tell(outcome: &RepairOutcome, args: &RepairArgs, out: &mut Out) -> Result<()> {
    let would = if outcome.dry_run { "would be " } else { "" };
    for fetched in &outcome.fetched {
        out.line(format!("{would}fetched  {}, from {}", fetched.path.display(), fetched.from))?;
    }
    for gathered in &outcome.gathered {
        let counts = [(gathered.chunk_count, "chunk"), (gathered.page_count, "page")];
        let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| plural(*count, noun)).collect::<Vec<_>>();
        out.line(format!("{would}gathered  {} ({}), from {}", counts.join(" and "), size(gathered.size_bytes), gathered.from))?;
    }
    for moved in &outcome.quarantined {
        out.line(format!("{would}moved  {} to {}", escape_path(&moved.path), escape_path(&moved.to)))?;
    }
    for lost in &outcome.lost {
        out.line(format!("lost  {}", told(lost)))?;
    }
    let is_healthy = outcome.fetched.is_empty() && outcome.gathered.is_empty() && outcome.quarantined.is_empty() && outcome.ok;
    match (is_healthy, outcome.ok) {
        (true, _) => out.line("nothing to repair"),
        (_, true) => out.line("nothing is lost"),
        _ => {
            out.line(format!("{} lost", plural(outcome.lost.len() as u64, "thing")))?;
            if args.from.is_empty() {
                out.line("hint: `art repair --from DIR` fetches from another copy of the store")?;
            }
            if outcome.lost.iter().any(|lost| lost.path.is_some()) {
                out.line("hint: `art put` of the same files stores them anew")?;
            }
            if !outcome.kept.is_empty() {
                out.line("hint: damaged records stay where they are; `art repair --drop-records` moves them aside, and what they said is forgotten")?;
            }
            Ok(())
        }
    }
}

fn told(lost: &Lost) -> String {
    let path = lost.path.as_ref().map(|path| match path.path_bytes {
        // A path that is not UTF-8 is escaped already.
        Some(_) => format!(" '{}'", path.path),
        None => format!(" {}", quote(path.path.as_bytes())),
    });
    let more = if lost.count > 1 { format!(", and {} more of it", lost.count - 1) } else { String::new() };
    format!("{}{}: {}{more}", escape(lost.subject.as_bytes()), path.unwrap_or_default(), escape(lost.message.as_bytes()))
}

fn escape_path(path: &std::path::Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}
