//! `art lineage`: the arguments. `label` puts nodes into words, and each form of output has a file,
//! a pure function from what the library found to text.

mod dot;
mod drawing;
mod heights;
mod html;
mod label;
mod layout;
mod mermaid;
mod svg;
mod text;

use std::io::Write;

use artstore::ops::lineage::{Direction, LineageOptions, LineageOutcome, lineage};
use artstore::quote::quote;
use clap::{Args, ValueEnum};

use super::warn_of_damaged;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use drawing::drawing;

/// How many of one sort are shown side by side before the rest is folded into a count.
const SHOWN_MAX: usize = 10;

/// Tell what a version or a run came from, and what came of it
///
/// What is named is a run if it is the id of one or the first characters of an id, else a version, else
/// a run by its name. More than twelve runs, or versions, side by side are folded into a count.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  art lineage model:best
  art lineage training-data:v0 --down --depth 2
  art lineage model --format html > lineage.html")]
pub(crate) struct LineageArgs {
    /// The version or the run
    #[arg(value_name = "REF|RUN")]
    named: String,
    /// Only what it came from
    #[arg(long, conflicts_with_all = ["down", "both"])]
    up: bool,
    /// Only what came of it
    #[arg(long, conflicts_with = "both")]
    down: bool,
    /// What it came from and what came of it (the default)
    #[arg(long)]
    both: bool,
    /// Only so many steps; from a version to the run that made it is one
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Fold nothing
    #[arg(long)]
    all: bool,
    /// As what to print it (default: text, or json with `--json`)
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Dot,
    Mermaid,
    Svg,
    Html,
}

pub(crate) fn run(args: &LineageArgs, setup: &Setup) -> Result<Exit> {
    let direction = match (args.up, args.down) {
        (true, _) => Direction::Up,
        (_, true) => Direction::Down,
        _ => Direction::Both,
    };
    let options = LineageOptions { direction, depth: args.depth };
    let outcome = lineage(&setup.store_to_read()?, &setup.context()?, &args.named, &options)?;
    warn_of_damaged(setup, &outcome.damaged);
    warn_of_cycles(setup, &outcome);
    let start = label::Label::of(&outcome.nodes[outcome.start]).name();
    let mut out = setup.ui.out()?;
    let shown_max = if args.all { usize::MAX } else { SHOWN_MAX };
    match args.format.unwrap_or(if out.json { Format::Json } else { Format::Text }) {
        Format::Json => out.value(&outcome)?,
        Format::Text => out.write_all(text::text(&outcome, &options, shown_max).as_bytes())?,
        Format::Dot => out.write_all(dot::dot(&drawing(&outcome, direction, shown_max)).as_bytes())?,
        Format::Svg => out.write_all(svg::svg(&drawing(&outcome, direction, shown_max), &start).as_bytes())?,
        Format::Html => {
            let (folded, all) = (drawing(&outcome, direction, shown_max), drawing(&outcome, direction, usize::MAX));
            out.write_all(html::html(&outcome, &folded, &all, &start).map_err(std::io::Error::from)?.as_bytes())?;
        }
        Format::Mermaid => out.write_all(mermaid::mermaid(&drawing(&outcome, direction, shown_max)).as_bytes())?,
    }
    out.done()?;
    Ok(Exit::Done)
}

/// Says where records go in a circle. Runs that go on at once may have made it, and nothing is lost by
/// it, so it is no failure.
fn warn_of_cycles(setup: &Setup, outcome: &LineageOutcome) {
    for edge in outcome.cycles() {
        let name = |at: usize| quote(label::Label::of(&outcome.nodes[at]).name().as_bytes());
        setup.ui.warn(&format!("the records go in a circle: {} came of {}, and led to it", name(edge.to), name(edge.from)));
    }
}
