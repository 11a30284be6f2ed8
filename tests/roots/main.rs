//! What gc must keep: versions and packs that some working tree, index, stash, ref or older commit
//! has; with real git repos.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod refused;
mod repo;

mod aside;
mod attributes;
mod branches;
mod clean;
mod kept;
mod outlive;
mod split_clone;
mod tracked;
mod trees;
mod worktrees;
