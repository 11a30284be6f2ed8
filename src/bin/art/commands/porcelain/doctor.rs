//! `art doctor`

use artstore::ops::doctor::{DoctorOptions, DoctorOutcome, Severity, doctor};
use artstore::quote::{escape, quote_path};
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::out::Out;
use crate::ui::show::plural;

/// Tell what is wrong with the store and the git repo round it, and the command that mends it
///
/// Looks at what git ignores, alters and holds of the store, at what would be lost or refused, at versions
/// that are not whole and names that mean two things. Changes nothing. Exit 0 if there is no problem,
/// else 1; advice is none.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art doctor\n  art doctor --json | jq -r '.findings[].mend'")]
pub(crate) struct DoctorArgs {}

pub(crate) fn run(_: &DoctorArgs, setup: &Setup) -> Result<Exit> {
    let outcome = doctor(&setup.store_root()?, &setup.context()?, &DoctorOptions::default())?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&outcome)?
    } else {
        tell(&outcome, &mut out)?
    }
    out.done()?;
    Ok(if outcome.ok { Exit::Done } else { Exit::No })
}

fn tell(outcome: &DoctorOutcome, out: &mut Out) -> Result<()> {
    for finding in &outcome.findings {
        let word = match finding.severity {
            Severity::Problem => "problem",
            Severity::Advice => "advice",
        };
        out.line(format!("{word}: {}", escape(finding.message.as_bytes())))?;
        if let Some(mend) = &finding.mend {
            out.line(format!("  mend: {mend}"))?;
        }
    }
    let is_elsewhere = std::env::current_dir().and_then(std::fs::canonicalize).ok() != std::fs::canonicalize(&outcome.project).ok();
    if is_elsewhere && outcome.findings.iter().any(|finding| finding.mend.is_some()) {
        out.line(format!("hint: the commands are to be run in {}", quote_path(&outcome.project)))?;
    }
    let problems = outcome.findings.iter().filter(|finding| finding.severity == Severity::Problem).count() as u64;
    out.line(if problems == 0 { "no problem found".to_owned() } else { format!("{} found", plural(problems, "problem")) })
}
