//! Cuts and compresses bytes; pure, no I/O.
pub mod compress;
pub mod cut;
mod cut_simd;
mod planes;
mod sample;
