//! The `art` command from outside: standard output, standard error and exit codes, in an
//! environment that the machine's own settings do not reach.

#![allow(clippy::unwrap_used, reason = "these are tests; the lint sees only functions marked as such")]

mod alias;
mod all_branches;
mod bundle;
mod cat;
mod clone;
mod cp;
mod diff;
mod docs;
mod doctor;
mod du;
mod edit;
mod env;
mod errors;
mod export;
mod find;
mod fsck;
mod gc;
mod hooks;
mod import;
mod init;
mod lineage;
mod lineage_drawn;
mod listing;
mod plumbing;
mod prune;
mod pull;
mod push;
mod references;
mod repair;
mod resolve;
mod rm;
mod run;
mod runs;
mod status;
mod sync;
mod tag;
mod undelete;
mod unsettled;
mod r#use;
