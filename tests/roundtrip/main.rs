//! What goes in comes out: trees of every shape are stored and restored, and what lies in the
//! place where a version is restored to is kept from harm.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod checkout;
mod contents;
mod drafts;
mod get;
mod ignore;
mod odd;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod versions;
