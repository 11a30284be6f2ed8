//! Commands for people.

pub(crate) mod alias;
mod all_branches;
pub(crate) mod bundle;
pub(crate) mod cat;
pub(crate) mod checkout;
pub(crate) mod clone;
pub(crate) mod cp;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod du;
pub(crate) mod edit;
pub(crate) mod export;
pub(crate) mod find;
pub(crate) mod fsck;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod hooks;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod lineage;
pub(crate) mod log;
pub(crate) mod ls;
mod moved;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod put;
mod references;
pub(crate) mod repair;
pub(crate) mod resolve;
mod restored;
pub(crate) mod rm;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod tag;
pub(crate) mod undelete;
mod unsettled;
pub(crate) mod r#use;
pub(crate) mod verify;

use artstore::refs::read::DamagedRecord;

use crate::setup::Setup;

/// Warns of records that a listing had to leave out.
fn warn_of_damaged(setup: &Setup, damaged: &[DamagedRecord]) {
    for record in damaged {
        setup.ui.warn(&format!("record {} is damaged: {}", artstore::quote::quote_path(&record.path), record.why));
    }
}
