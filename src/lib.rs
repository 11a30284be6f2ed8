//! Versions datasets, models and any other files offline, in a `.artifacts` directory inside a
//! project: named artifacts, versions `v0 v1 …`, aliases, metadata, and content-defined,
//! deduplicated, compressed storage that can be synced by copying the directory.
//!
//! The library neither prints nor exits, and reads neither the environment nor the clock: a
//! [`context::Context`] passes these in. `docs/architecture.md` tells what lies where.

pub mod chunk;
pub mod codec;
pub mod context;
pub mod durable;
pub mod error;
pub mod format;
pub mod id;
pub mod index;
pub mod layout;
pub mod lock;
pub mod name;
pub mod open;
pub mod ops;
pub mod pack;
pub mod progress;
pub mod quote;
pub mod refs;
pub mod run_id;
pub mod span;
pub mod store;
pub mod uri;

pub use context::Context;
pub use error::{Error, ErrorKind, Result};
pub use store::Store;
