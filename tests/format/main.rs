//! Holds every object of the format to `docs/format.md`: golden bytes, decoding back, and what
//! is refused. One module a section; `example` keeps the page's worked examples true.
// A test that meets what it does not expect should panic there.
#![allow(clippy::unwrap_used)]

mod bundle;
mod compare;
mod condemn;
mod cut;
mod draft;
mod example;
mod feature;
mod pack;
mod page;
mod path;
mod place;
mod record;
mod run;
mod sample;
mod state;
mod tree;
mod walk;
