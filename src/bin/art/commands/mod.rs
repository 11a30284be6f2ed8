//! One file a command: `porcelain` for people, `plumbing` for scripts.

pub(crate) mod plumbing;
pub(crate) mod porcelain;

use crate::args::Command;
use crate::error::{Exit, Result};
use crate::setup::Setup;

use plumbing::{cat_object, count_objects, hash_object, list_packs, ls_tree, rev_parse, serve_store, show_ref, verify_pack};
use porcelain::{
    alias, bundle, cat, checkout, clone, cp, diff, doctor, du, edit, export, find, fsck, gc, get, hooks, import, init, lineage, log, ls,
    prune, pull, push, put, repair, resolve, rm, run, runs, show, status, sync, tag, undelete, r#use, verify,
};

/// Runs a command.
pub(crate) fn run(command: Command, setup: &Setup) -> Result<Exit> {
    match command {
        Command::Init(args) => init::run(&args, setup),
        Command::Put(args) => put::run(&args, setup),
        Command::Get(args) => get::run(&args, setup),
        Command::Checkout(args) => checkout::run(&args, setup),
        Command::Cat(args) => cat::run(&args, setup),
        Command::Ls(args) => ls::run(&args, setup),
        Command::Log(args) => log::run(&args, setup),
        Command::Show(args) => show::run(&args, setup),
        Command::Find(args) => find::run(&args, setup),
        Command::Diff(args) => diff::run(&args, setup),
        Command::Status(args) => status::run(&args, setup),
        Command::Verify(args) => verify::run(&args, setup),
        Command::Alias(args) => alias::run(&args, setup),
        Command::Cp(args) => cp::run(&args, setup),
        Command::Resolve(args) => resolve::run(&args, setup),
        Command::Tag(args) => tag::run(&args, setup),
        Command::Edit(args) => edit::run(&args, setup),
        Command::Run(args) => run::run(&args, setup),
        Command::Runs(args) => runs::run(&args, setup),
        Command::Use(args) => r#use::run(&args, setup),
        Command::Lineage(args) => lineage::run(&args, setup),
        Command::Rm(args) => rm::run(&args, setup),
        Command::Undelete(args) => undelete::run(&args, setup),
        Command::Du(args) => du::run(&args, setup),
        Command::Gc(args) => gc::run(&args, setup),
        Command::Prune(args) => prune::run(&args, setup),
        Command::Fsck(args) => fsck::run(&args, setup),
        Command::Repair(args) => repair::run(&args, setup),
        Command::Doctor(args) => doctor::run(&args, setup),
        Command::Hooks(args) => hooks::run(&args, setup),
        Command::Sync(args) => sync::run(&args, setup),
        Command::Push(args) => push::run(&args, setup),
        Command::Pull(args) => pull::run(&args, setup),
        Command::Clone(args) => clone::run(&args, setup),
        Command::Bundle(args) => bundle::run(&args, setup),
        Command::Export(args) => export::run(&args, setup),
        Command::Import(args) => import::run(&args, setup),
        Command::RevParse(args) => rev_parse::run(&args, setup),
        Command::HashObject(args) => hash_object::run(&args, setup),
        Command::CatObject(args) => cat_object::run(&args, setup),
        Command::LsTree(args) => ls_tree::run(&args, setup),
        Command::ShowRef(args) => show_ref::run(&args, setup),
        Command::ListPacks(args) => list_packs::run(&args, setup),
        Command::VerifyPack(args) => verify_pack::run(&args, setup),
        Command::CountObjects(args) => count_objects::run(&args, setup),
        Command::ServeStore(args) => serve_store::run(&args, setup),
    }
}
