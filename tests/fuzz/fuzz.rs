//! The fuzzers, one for each target of `tests/corpus/targets.rs`, all built from this file:
//!
//! ```text
//! cargo +nightly fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz page \
//!     target/fuzz/page tests/corpus/seeds/page -- -max_total_time=180
//! ```
//!
//! What is found goes into the first folder, which has to be there. What breaks a target belongs,
//! minimised (`cargo fuzz tmin`), into its seeds, which an ordinary test runs.

#![no_main]

#[path = "../corpus/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::run(env!("CARGO_BIN_NAME"), data);
});
