//! `art verify-pack`

use artstore::ops::verify_pack::{find_pack, verify_pack};
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Check packs: hash, table, every block decoded, every chunk hashed
///
/// Prints `ok ID` for a good pack, and `bad ID: WHY` for each thing that is wrong with another;
/// then the exit code is 5.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  art list-packs | awk '{ print $2 }' | xargs art verify-pack")]
pub(crate) struct VerifyPackArgs {
    /// A pack's id, its first 8 or more digits, or its file
    #[arg(value_name = "PACK", required = true)]
    packs: Vec<String>,
}

pub(crate) fn run(args: &VerifyPackArgs, setup: &Setup) -> Result<Exit> {
    let store = setup.store()?;
    let packs = args.packs.iter().map(|typed| find_pack(&store, typed)).collect::<artstore::Result<Vec<_>>>()?;
    let mut out = setup.ui.out()?;
    let mut exit = Exit::Done;
    for (class, id) in packs {
        let check = verify_pack(&store, class, id)?;
        if !check.problems.is_empty() {
            exit = Exit::Damaged;
        }
        if out.json {
            out.json_row(&check)?;
        } else if check.problems.is_empty() {
            out.line(format!("ok {id}"))?;
        }
        for problem in if out.json { [].iter() } else { check.problems.iter() } {
            out.line(format!("bad {id}: {problem}"))?;
        }
    }
    if out.json {
        out.end_rows()?;
    }
    out.done()?;
    Ok(exit)
}
