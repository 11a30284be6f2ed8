//! Faults from outside, through the system calls of the real `art`: kills, errors, power cuts and
//! packs that were copied in. `ART_SLOW_TESTS=1` tries everything; else a sample is taken.
//!
//! The families need strace. Where it is missing they say `skipped` and pass, unless
//! `ART_REQUIRE_STRACE=1` is set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "the counts are the result")]

mod act;
mod adopt;
mod error;
mod harm;
mod kill;
mod oracle;
mod place;
mod power;
mod repo;
mod scenario;
mod strace;
#[path = "../support/mod.rs"]
mod support;
mod tally;

#[test]
fn a_kill_at_any_call_loses_nothing() {
    if strace::is_usable() {
        kill::sweep();
    }
}

#[test]
fn an_error_of_any_call_is_told_and_loses_nothing() {
    if strace::is_usable() {
        error::sweep();
    }
}

#[test]
fn writes_that_end_short_are_told_and_lose_nothing() {
    error::sweep_short_writes();
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_and_a_missing_sync_would_show() {
    if strace::is_usable() {
        power::sweep();
    }
}

#[test]
fn packs_that_were_copied_in_count_only_once_they_are_checked_and_synced() {
    adopt::sweep();
}

#[test]
fn what_is_there_already_is_told_only_once_it_is_synced() {
    if strace::is_usable() {
        adopt::sweep_records();
    }
}
