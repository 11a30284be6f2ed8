//! `art init`

use std::path::PathBuf;

use artstore::ops::init::{GitMode, InitOptions, InitOutcome, init};
use artstore::quote::quote_path;
use clap::{Args, ValueEnum};

use crate::error::{Exit, Result};
use crate::git;
use crate::setup::Setup;

/// Make a store, `.artifacts`, here or in DIR
///
/// Inside a git repo its records and meta packs are meant to be committed, and its data packs
/// travel by copying; --git changes that. Running it again is safe.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art init\n  art init --git=none ~/data")]
pub(crate) struct InitArgs {
    /// Where to make it [default: the current directory]
    dir: Option<PathBuf>,
    /// What git commits: records and meta packs (split, the default), data packs too, or nothing
    #[arg(long, value_name = "MODE", value_enum)]
    git: Option<GitArg>,
}

/// What git is meant to commit of a store.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum GitArg {
    Split,
    All,
    None,
}

impl GitArg {
    pub(super) fn mode(self) -> GitMode {
        match self {
            GitArg::Split => GitMode::Split,
            GitArg::All => GitMode::All,
            GitArg::None => GitMode::None,
        }
    }
}

pub(crate) fn run(args: &InitArgs, setup: &Setup) -> Result<Exit> {
    let root = setup.new_store_root(args.dir.as_deref())?;
    let mode = args.git.map(GitArg::mode);
    let outcome = init(&root, &InitOptions { git: mode }, setup.ui.progress())?;
    if outcome.in_git && outcome.git != Some(GitMode::None) && git::is_ignored(&outcome.root) {
        setup.ui.warn("a rule of this git repo ignores the store as a whole: its records cannot be committed (`art doctor` names it, and what mends it)");
    }
    let mut out = setup.ui.out()?;
    if out.json {
        let path = outcome.root.to_string_lossy();
        out.value(&serde_json::json!({ "path": path, "created": outcome.created, "in_git": outcome.in_git, "mended": outcome.mended }))?;
    } else {
        out.line(told(&outcome))?;
    }
    out.done()?;
    Ok(Exit::Done)
}

fn told(outcome: &InitOutcome) -> String {
    let root = quote_path(&outcome.root);
    if outcome.created {
        return format!("made the store {root}");
    }
    match outcome.mended.len() {
        0 => format!("the store {root} is there already"),
        _ => format!("the store {root} is there already; wrote {}", outcome.mended.join(" and ")),
    }
}
