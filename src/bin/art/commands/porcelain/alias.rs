//! `art alias`

use artstore::name::{Alias, Ref, Selector};
use artstore::ops::alias::{self, AliasChange};
use artstore::{Error, Store};
use clap::{Args, Subcommand};

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::table::{Align::Left, Table};

/// Set, move, remove and list aliases
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art alias set model:v3 best prod\n  art alias rm model:prod\n  art alias ls model")]
pub(crate) struct AliasArgs {
    #[command(subcommand)]
    command: AliasCommand,
}

#[derive(Debug, Subcommand)]
enum AliasCommand {
    /// Let aliases name a version, whatever they named before
    #[command(after_help = "Example:\n  art alias set model:v3 best prod")]
    Set {
        /// The version
        #[arg(value_name = "REF")]
        reference: String,
        /// The aliases
        #[arg(value_name = "ALIAS", required = true)]
        aliases: Vec<String>,
    },
    /// Remove an alias; the version stays
    #[command(after_help = "Example:\n  art alias rm model:prod")]
    Rm {
        /// The artifact and the alias
        #[arg(value_name = "NAME:ALIAS")]
        alias: String,
    },
    /// List aliases, diverged ones with all that they name
    #[command(after_help = "Example:\n  art alias ls model")]
    Ls {
        /// Only those of this artifact
        name: Option<String>,
    },
}

pub(crate) fn run(args: &AliasArgs, setup: &Setup) -> Result<Exit> {
    match &args.command {
        AliasCommand::Set { reference, aliases } => set(setup, reference, aliases),
        AliasCommand::Rm { alias } => rm(setup, alias),
        AliasCommand::Ls { name } => ls(setup, name.as_deref()),
    }
}

fn set(setup: &Setup, reference: &str, aliases: &[String]) -> Result<Exit> {
    let reference: Ref = reference.parse()?;
    let aliases = aliases.iter().map(|alias| alias.parse()).collect::<artstore::Result<Vec<Alias>>>()?;
    let store = setup.store()?;
    let changes = alias::set(&store, &setup.context()?, &reference, &aliases)?;
    print(setup, &changes)
}

fn rm(setup: &Setup, typed: &str) -> Result<Exit> {
    let reference: Ref = typed.parse()?;
    let (Selector::Alias(alias), 0) = (&reference.selector, reference.back) else {
        let message = format!("cannot remove {}: it is not an alias", artstore::quote::quote(typed.as_bytes()));
        return Err(Error::usage(message).hint("name one as NAME:ALIAS; `latest` and numbers stay as they are").into());
    };
    let store = setup.store()?;
    let change = alias::remove(&store, &setup.context()?, &reference.artifact, alias)?;
    print(setup, &[change])
}

fn print(setup: &Setup, changes: &[AliasChange]) -> Result<Exit> {
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&changes)?;
    } else {
        for change in changes {
            out.line(told(change))?;
        }
    }
    out.done()?;
    Ok(Exit::Done)
}

fn told(change: &AliasChange) -> String {
    let name = format!("{}:{}", change.artifact, change.alias);
    let before = if change.before.is_empty() { String::new() } else { format!(" (was {})", change.before.join(" and ")) };
    match &change.version {
        Some(version) if change.changed => format!("{name} -> {version}{before}"),
        Some(version) => format!("{name} -> {version} (unchanged)"),
        None => format!("removed {name}{before}"),
    }
}

fn ls(setup: &Setup, name: Option<&str>) -> Result<Exit> {
    let name = name.map(str::parse).transpose()?;
    let store: Store = setup.store_to_read()?;
    let aliases = alias::list(&store, name.as_ref())?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&aliases)?;
    } else {
        let mut table = Table::new(&[("ARTIFACT", Left), ("ALIAS", Left), ("VERSION", Left)]);
        for row in aliases {
            let targets: Vec<String> = row.targets.into_iter().map(|target| target.unwrap_or_else(|| "removed".to_owned())).collect();
            let note = if row.diverged { " (diverged)" } else { "" };
            table.row([row.artifact.to_string(), row.alias.to_string(), format!("{}{note}", targets.join(" and "))]);
        }
        table.write(&mut out)?;
    }
    out.done()?;
    Ok(Exit::Done)
}
