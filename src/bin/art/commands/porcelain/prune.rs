//! `art prune`

use artstore::ops::prune::{Action, Best, KeepRules, Order, PlannedVersion, PruneOptions, PruneOutcome, Reason, prune};
use clap::Args;

use super::rm::UNTIL_FREED;
use super::warn_of_damaged;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::span;
use crate::ui::out::Out;
use crate::ui::show::{plural, size, time};
use crate::ui::table::{Align::Left, Align::Right, Table};

/// Plan which versions to delete by rules and times to live; with `--apply`, delete them
///
/// Without a rule only versions whose time to live has run out go. With rules all go that none of
/// them keeps. The latest version and those with an alias always stay.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  art prune                                     what has expired
  art prune model --keep-last 5 --keep-within 90d
  art prune model --keep-best metadata.accuracy --keep-tagged --apply
  art prune --keep-aliased --apply")]
pub(crate) struct PruneArgs {
    /// The artifacts [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Keep the N newest versions of each artifact
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keep_last: Option<u64>,
    /// Keep versions that were stored within a span, as in `90d`
    #[arg(long, value_name = "SPAN")]
    keep_within: Option<String>,
    /// Keep versions with an alias, and let all others go that no rule keeps
    #[arg(long)]
    keep_aliased: bool,
    /// Keep versions with a tag
    #[arg(long)]
    keep_tagged: bool,
    /// Keep the version of each artifact with the highest number there, as in `metadata.accuracy`
    #[arg(long, value_name = "metadata.KEY")]
    keep_best: Option<String>,
    /// With `--keep-best`: the lowest number is the best
    #[arg(long, requires = "keep_best")]
    minimise: bool,
    /// Delete what the plan says
    #[arg(long)]
    apply: bool,
    /// Only show the plan, as without `--apply`
    #[arg(short = 'n', long, conflicts_with = "apply")]
    dry_run: bool,
}

pub(crate) fn run(args: &PruneArgs, setup: &Setup) -> Result<Exit> {
    let order = if args.minimise { Order::Lowest } else { Order::Highest };
    let best = args.keep_best.as_deref().map(str::parse::<Best>).transpose()?;
    let rules = KeepRules {
        last: args.keep_last,
        within_seconds: args.keep_within.as_deref().map(span::parse).transpose()?,
        aliased: args.keep_aliased,
        tagged: args.keep_tagged,
        best: best.map(|best| Best { order, ..best }),
    };
    let artifacts = args.names.iter().map(|name| name.parse()).collect::<artstore::Result<_>>()?;
    let store = setup.store()?;
    let outcome = prune(&store, &setup.context()?, &PruneOptions { artifacts, rules, apply: args.apply })?;
    warn_of_damaged(setup, &outcome.damaged);
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&outcome)?
    } else {
        tell(&outcome, args, &mut out)?
    }
    out.done()?;
    Ok(Exit::Done)
}

fn tell(outcome: &PruneOutcome, args: &PruneArgs, out: &mut Out) -> Result<()> {
    let mut table = Table::new(&[("ACTION", Left), ("VERSION", Left), ("SIZE", Right), ("CREATED", Left), ("WHY", Left)]);
    for version in &outcome.versions {
        let action = match (version.action, outcome.applied) {
            (Action::Keep, _) => "keep",
            (Action::Delete, false) => "delete",
            (Action::Delete, true) => "deleted",
        };
        let reasons: Vec<String> = version.reasons.iter().map(|reason| why(*reason, version, args)).collect();
        let name = format!("{}:{}", version.artifact, version.version);
        table.row([action.to_owned(), name, size(version.size_bytes), time(version.created_at), reasons.join(", ")]);
    }
    table.write(out)?;
    let gone = outcome.versions.iter().filter(|version| version.action == Action::Delete).count() as u64;
    let of = format!("{gone} of {}", plural(outcome.versions.len() as u64, "version"));
    if outcome.applied {
        out.line(format!("deleted {of}"))?;
        if gone > 0 {
            out.line(UNTIL_FREED)?;
        }
        return Ok(());
    }
    out.line(format!("would delete {of}; `art gc` could then free {}", size(outcome.freed_bytes.unwrap_or(0))))?;
    if gone > 0 {
        out.line("nothing was deleted: `--apply` does it")?;
    }
    Ok(())
}

fn why(reason: Reason, version: &PlannedVersion, args: &PruneArgs) -> String {
    let key = args.keep_best.as_deref().unwrap_or_default();
    match reason {
        Reason::Latest => "latest".to_owned(),
        Reason::Aliased => format!("alias {}", version.aliases.join(" ")),
        Reason::Last => format!("one of the last {}", args.keep_last.unwrap_or_default()),
        Reason::Within => format!("within {}", args.keep_within.as_deref().unwrap_or_default()),
        Reason::Tagged => "tagged".to_owned(),
        Reason::Best => format!("best {}", artstore::quote::escape(key.as_bytes())),
        Reason::NothingToCompare => format!("no version has a number at {}", artstore::quote::escape(key.as_bytes())),
        Reason::NotExpired => version.expires_at.map_or_else(|| "no ttl".to_owned(), |at| format!("ttl runs until {}", time(at))),
        Reason::Expired => {
            let ended = version.expires_at.map(time).unwrap_or_default();
            format!("ttl of {} ran out on {ended}", span::shown(version.ttl_seconds.unwrap_or_default()))
        }
        Reason::NoRule => "no rule keeps it".to_owned(),
    }
}
