//! Records on disk: which there are, what they add up to, and how new ones are written.

pub mod cache;
pub mod condemned;
mod edits;
pub mod history;
mod parallel;
pub mod read;
pub mod runs;
pub mod write;
