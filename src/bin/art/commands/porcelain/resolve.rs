//! `art resolve`

use artstore::name::{Ref, Selector};
use artstore::ops::resolve::{self, Candidate, Divergence, DivergenceKind, Prefer, Scope, Settled};
use artstore::quote::quote;
use artstore::{Error, Result as ArtResult};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::unsettled::settle;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show::{first_line, plural, size, time};

/// List the names that stand for several versions, or settle which of them has it
///
/// After copies of a store were merged, two versions may share a number, and an alias may name two
/// versions. Nothing is renumbered: who does not get the number stays `v3.9f0c`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  art resolve                          lists what has diverged\n  art resolve model:v3 1a2b            lets v3 name v3.1a2b\n  art resolve model --prefer newest    settles all names of an artifact"
)]
pub(crate) struct ResolveArgs {
    /// Only this artifact, this number or this alias of it
    #[arg(value_name = "NAME[:vN|:ALIAS]")]
    name: Option<String>,
    /// The first digits of the version that is to have the number, as they stand after its `.`
    #[arg(conflicts_with = "prefer", value_name = "SUFFIX")]
    suffix: Option<String>,
    /// Settle all names by when their versions were stored: for the one stored last, or first
    #[arg(long, value_name = "WHICH")]
    prefer: Option<PreferArg>,
}

/// Which version gets a name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PreferArg {
    Newest,
    Oldest,
}

pub(crate) fn run(args: &ResolveArgs, setup: &Setup) -> Result<Exit> {
    let store = setup.store()?;
    let (scope, suffix) = target(args)?;
    if let Some(suffix) = suffix {
        let Scope::Number(artifact, number) = &scope else { return Err(no_number(args).into()) };
        let settled = resolve::claim(&store, &setup.context()?, artifact, *number, &suffix)?;
        return tell(setup, &[settled], &|settled| vec![settled_line(settled)]);
    }
    match args.prefer {
        None => tell(setup, &resolve::list(&store, &scope)?, &divergence_lines),
        Some(prefer) => {
            let prefer = match prefer {
                PreferArg::Newest => Prefer::Newest,
                PreferArg::Oldest => Prefer::Oldest,
            };
            tell(setup, &resolve::prefer(&store, &setup.context()?, &scope, prefer)?, &|settled| vec![settled_line(settled)])
        }
    }
}

/// Reads what is named, and the digits of the version that is to have a number.
fn target(args: &ResolveArgs) -> ArtResult<(Scope, Option<String>)> {
    let Some(typed) = &args.name else { return Ok((Scope::Store, None)) };
    if !typed.contains([':', '@', '~']) {
        return Ok((Scope::Artifact(typed.parse()?), args.suffix.clone()));
    }
    let Ref { artifact, selector, back } = typed.parse()?;
    match (selector, back) {
        (Selector::Number(number), 0) => {
            let prefix = format!("v{number}.");
            let suffix = args.suffix.as_ref().map(|suffix| suffix.strip_prefix(&prefix).unwrap_or(suffix).to_owned());
            Ok((Scope::Number(artifact, number), suffix))
        }
        (Selector::Numbered(number, suffix), 0) if args.suffix.is_none() && args.prefer.is_none() => {
            Ok((Scope::Number(artifact, number), Some(suffix)))
        }
        (Selector::Alias(alias), 0) => Ok((Scope::Alias(artifact, alias), args.suffix.clone())),
        _ => Err(Error::usage(format!("cannot settle {}", quote(typed.as_bytes())))
            .hint("name an artifact, a number such as NAME:v3, or an alias")),
    }
}

fn no_number(args: &ResolveArgs) -> Error {
    let typed = args.name.as_deref().unwrap_or_default();
    let hint = match typed.split_once(':') {
        Some((artifact, alias)) => format!("an alias is set with `art alias set {artifact}:VERSION {alias}`"),
        None => format!("name the number too, such as `{typed}:v3`"),
    };
    Error::usage(format!("cannot settle {} by the digits of a version: it is no number", quote(typed.as_bytes()))).hint(hint)
}

fn tell<T: Serialize>(setup: &Setup, all: &[T], lines: &dyn Fn(&T) -> Vec<String>) -> Result<Exit> {
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&all)?;
    } else if all.is_empty() {
        out.line("nothing has diverged")?;
    } else {
        for line in all.iter().flat_map(lines) {
            out.line(line)?;
        }
    }
    out.done()?;
    Ok(Exit::Done)
}

fn divergence_lines(one: &Divergence) -> Vec<String> {
    let Divergence { artifact, name, candidates, .. } = one;
    let mut lines = vec![format!("{artifact}:{name} stands for {} that differ", plural(candidates.len() as u64, "version"))];
    lines.extend(candidates.iter().map(candidate_line));
    lines.push(format!("  {}", settle(one)));
    lines
}

fn candidate_line(candidate: &Candidate) -> String {
    let name = match (&candidate.version, &candidate.id) {
        (Some(version), _) => version.clone(),
        (None, Some(id)) => format!("{}, whose record is not here", id.short(16)),
        (None, None) => "none: it was removed".to_owned(),
    };
    let stored = candidate.created_at.map(time);
    let content =
        candidate.file_count.zip(candidate.size_bytes).map(|(files, bytes)| format!("{}, {}", plural(files, "file"), size(bytes)));
    let parts: Vec<String> =
        [Some(name), stored, content, candidate.description.as_deref().map(first_line)].into_iter().flatten().collect();
    format!("  {}", parts.join("  "))
}

fn settled_line(settled: &Settled) -> String {
    let Settled { artifact, name, version, id, others, .. } = settled;
    let named = match settled.kind {
        DivergenceKind::Number => format!("{name}.{}", id.short(4)),
        DivergenceKind::Alias => version.clone(),
    };
    let others = if others.is_empty() { String::new() } else { format!(" (beside it: {})", others.join(", ")) };
    format!("{artifact}:{name} -> {named}{others}{}", if settled.changed { "" } else { " (unchanged)" })
}
