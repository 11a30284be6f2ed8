//! `art hooks`

use std::ffi::OsString;

use artstore::Error;
use artstore::ops::hooks::{self, Hook, HookState, HooksOutcome, Moved, News, check_commit, news};
use artstore::quote::{quote, quote_path};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::error::{Exit, Result};
use crate::setup::{Setup, current_dir};
use crate::ui::show::plural;

/// Have git tell of the store: before a commit, after a merge, after a switch
///
/// `pre-commit` refuses a commit in which a version would be without its packs; `post-merge` and
/// `post-checkout` tell in a line what is new. None of them restores anything, or
/// writes more than a note in local state.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art hooks install\n  art hooks status\n  art hooks uninstall")]
pub(crate) struct HooksArgs {
    #[command(subcommand)]
    command: HooksCommand,
}

#[derive(Debug, Subcommand)]
enum HooksCommand {
    /// Write the hooks where there are none yet; what is there stays
    #[command(after_help = "Example:\n  art hooks install")]
    Install,
    /// Remove the hooks that are as they were written
    #[command(after_help = "Example:\n  art hooks uninstall")]
    Uninstall,
    /// Tell which hooks there are, and whose
    #[command(after_help = "Example:\n  art hooks status")]
    Status,
    /// What the hooks call
    #[command(hide = true)]
    Run {
        /// The hook
        hook: String,
        /// What git gives it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

pub(crate) fn run(args: &HooksArgs, setup: &Setup) -> Result<Exit> {
    let dir = current_dir()?;
    match &args.command {
        HooksCommand::Install => {
            let outcome = hooks::install(&dir)?;
            let is_done = |state| matches!(state, HookState::Installed | HookState::Called);
            tell(setup, &outcome, "installed", is_done)
        }
        HooksCommand::Uninstall => tell(setup, &hooks::uninstall(&dir)?, "removed", |state| state != HookState::Changed),
        HooksCommand::Status => tell(setup, &hooks::status(&dir)?, "", |_| true),
        HooksCommand::Run { hook, args } => {
            let args: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
            run_hook(setup, hook, &args)
        }
    }
}

/// Tells what lies in the hooks' places; exit 1 if it is not as was asked.
fn tell(setup: &Setup, outcome: &HooksOutcome, done: &str, is_done: impl Fn(HookState) -> bool) -> Result<Exit> {
    let mut out = setup.ui.out()?;
    let left: Vec<_> = outcome.hooks.iter().filter(|info| !is_done(info.state)).collect();
    if out.json {
        out.value(&json!({ "path": outcome.path.to_string_lossy(), "hooks": outcome.hooks }))?;
    } else {
        out.line(format!("hooks in {}:", quote_path(&outcome.path)))?;
        for info in &outcome.hooks {
            let state = if info.changed && !done.is_empty() { done } else { told(info.state) };
            out.line(format!("  {:<13}  {state}", info.hook.as_str()))?;
        }
        let others: Vec<_> = left.iter().filter(|info| info.state != HookState::Changed).collect();
        if !others.is_empty() {
            out.line("nothing is overwritten; to run both, add to the other hook:")?;
            for info in others {
                out.line(format!("  {}: {}", info.hook.as_str(), info.line))?;
            }
        }
        if left.iter().any(|info| info.state == HookState::Changed) {
            out.line("one that was changed since it was written stays: remove it by hand, and install again")?;
        }
    }
    out.done()?;
    Ok(if left.is_empty() { Exit::Done } else { Exit::No })
}

fn told(state: HookState) -> &'static str {
    match state {
        HookState::Missing => "not installed",
        HookState::Installed => "installed",
        HookState::Changed => "installed, and changed since",
        HookState::Called => "another program's, which calls `art`",
        HookState::Other => "another program's",
    }
}

/// Does what a hook is for. What goes wrong on the way keeps no one from committing.
fn run_hook(setup: &Setup, name: &str, args: &[&str]) -> Result<Exit> {
    let Some(hook) = Hook::ALL.into_iter().find(|hook| hook.as_str() == name) else {
        return Err(Error::usage(format!("there is no hook {}", quote(name.as_bytes()))).into());
    };
    let context = setup.context()?;
    let moved = match (hook, args) {
        (Hook::PreCommit, _) => {
            let refusals = match check_commit(&current_dir()?, &context) {
                Ok(refusals) => refusals,
                Err(error) => {
                    setup.ui.warn(&format!("art: what is staged of the store was not checked: {error}"));
                    return Ok(Exit::Done);
                }
            };
            let Some((last, others)) = refusals.split_last() else { return Ok(Exit::Done) };
            others.iter().for_each(|refusal| setup.ui.warn(&format!("{} ({})", refusal.message, refusal.hint)));
            return Err(Error::refused(last.message.clone()).hint(last.hint.clone()).into());
        }
        (Hook::PostMerge, args) => Moved::Merged { squashed: args.first() == Some(&"1") },
        // That files were taken from elsewhere is not what they tell of.
        (Hook::PostCheckout, [old, new, "1"]) => Moved::Switched { old: (*old).to_owned(), new: (*new).to_owned() },
        (Hook::PostCheckout, _) => return Ok(Exit::Done),
    };
    match news(&current_dir()?, &moved, context.threads) {
        Ok(all) => all.iter().for_each(|news| setup.ui.tell(&line(news))),
        Err(error) => setup.ui.warn(&format!("art: what is new in the store is not known: {error}")),
    }
    Ok(Exit::Done)
}

/// Puts the news of a store into a line.
fn line(news: &News) -> String {
    let few = |names: &[String]| match names {
        [first, second, third, _, ..] => format!("{first}, {second}, {third}, …"),
        names => names.join(", "),
    };
    let mut parts = Vec::new();
    if !news.versions.is_empty() {
        parts.push(format!("{} ({})", plural(news.versions.len() as u64, "new version"), few(&news.versions)));
    }
    if !news.left.is_empty() {
        parts.push(format!("{} not here any more ({})", plural(news.left.len() as u64, "version"), few(&news.left)));
    }
    if !news.deleted.is_empty() {
        parts.push(format!("{} deleted ({})", news.deleted.len(), few(&news.deleted)));
    }
    if !news.aliases.is_empty() {
        parts.push(few(&news.aliases));
    }
    if !news.incomplete.is_empty() {
        parts.push(format!("{} incomplete: `art pull DIR`", news.incomplete.len()));
    }
    if !news.diverged.is_empty() {
        parts.push(format!("{} ambiguous: `art resolve`", news.diverged.len()));
    }
    let place = if news.store.components().count() > 1 { format!("{}: ", quote_path(&news.store)) } else { String::new() };
    format!("art: {place}{}", parts.join("; "))
}
