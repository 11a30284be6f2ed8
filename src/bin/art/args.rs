//! What can be typed: the global options and the commands.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::commands::plumbing::{
    cat_object, count_objects, hash_object, list_packs, ls_tree, rev_parse, serve_store, show_ref, verify_pack,
};
use crate::commands::porcelain::{
    alias, bundle, cat, checkout, clone, cp, diff, doctor, du, edit, export, find, fsck, gc, get, hooks, import, init, lineage, log, ls,
    prune, pull, push, put, repair, resolve, rm, run, runs, show, status, sync, tag, undelete, r#use, verify,
};
use crate::error;

/// Version datasets, models and any other files offline, in `.artifacts` beside your code.
#[derive(Debug, Parser)]
#[command(name = "art", version, arg_required_else_help = true, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Plumbing, for scripts: rev-parse, hash-object, cat-object, ls-tree, show-ref, list-packs,
verify-pack, count-objects, serve-store.

Exit codes: 0 done, 1 failed or the answer is no, 2 usage, 3 not found, 4 ambiguous, 5 damaged or
incomplete store, 6 busy, 7 no space, 70 a bug.";

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct GlobalArgs {
    /// Work as if started in DIR
    #[arg(short = 'C', value_name = "DIR", global = true, help_heading = "Global options")]
    pub(crate) directory: Option<PathBuf>,
    /// Use the store at DIR instead of the one found by walking up (also: ART_STORE)
    #[arg(long, value_name = "DIR", global = true, help_heading = "Global options")]
    pub(crate) store: Option<PathBuf>,
    /// Print one JSON value; messages on standard error become JSON lines
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Show no progress
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Fail with exit 6 instead of waiting when another process holds a lock
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) no_wait: bool,
}

/// A command and its own arguments; porcelain first, then plumbing.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::InitArgs),
    Put(Box<put::PutArgs>),
    Get(get::GetArgs),
    Checkout(checkout::CheckoutArgs),
    Cat(cat::CatArgs),
    Ls(ls::LsArgs),
    Log(log::LogArgs),
    Show(show::ShowArgs),
    Find(find::FindArgs),
    Diff(diff::DiffArgs),
    Status(status::StatusArgs),
    Verify(verify::VerifyArgs),
    Alias(alias::AliasArgs),
    Cp(cp::CpArgs),
    Resolve(resolve::ResolveArgs),
    Tag(tag::TagArgs),
    Edit(edit::EditArgs),
    Run(Box<run::RunArgs>),
    Runs(runs::RunsArgs),
    Use(r#use::UseArgs),
    Lineage(lineage::LineageArgs),
    Rm(rm::RmArgs),
    Undelete(undelete::UndeleteArgs),
    Du(du::DuArgs),
    Gc(gc::GcArgs),
    Prune(prune::PruneArgs),
    Fsck(fsck::FsckArgs),
    Repair(repair::RepairArgs),
    Doctor(doctor::DoctorArgs),
    Hooks(hooks::HooksArgs),
    Sync(sync::SyncArgs),
    Push(push::PushArgs),
    Pull(pull::PullArgs),
    Clone(clone::CloneArgs),
    Bundle(bundle::BundleArgs),
    Export(export::ExportArgs),
    Import(Box<import::ImportArgs>),
    #[command(hide = true)]
    RevParse(rev_parse::RevParseArgs),
    #[command(hide = true)]
    HashObject(hash_object::HashObjectArgs),
    #[command(hide = true)]
    CatObject(cat_object::CatObjectArgs),
    #[command(hide = true)]
    LsTree(ls_tree::LsTreeArgs),
    #[command(hide = true)]
    ShowRef(show_ref::ShowRefArgs),
    #[command(hide = true)]
    ListPacks(list_packs::ListPacksArgs),
    #[command(hide = true)]
    VerifyPack(verify_pack::VerifyPackArgs),
    #[command(hide = true)]
    CountObjects(count_objects::CountObjectsArgs),
    #[command(hide = true)]
    ServeStore(serve_store::ServeStoreArgs),
}

/// Parses the command line, or prints help or what is wrong and says how to exit.
pub(crate) fn parse() -> Result<CommandLine, ExitCode> {
    CommandLine::try_parse().map_err(|error| error::report_usage(&error))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn hidden_commands_are_named_in_the_help() {
        let command = CommandLine::command();
        for hidden in command.get_subcommands().filter(|command| command.is_hide_set()) {
            assert!(AFTER_HELP.contains(hidden.get_name()), "{}", hidden.get_name());
        }
    }
}
