//! Runs every seed of the fuzzers as an ordinary test, and changed copies of each: what a fuzzer
//! once found stays found. `tests/fuzz/fuzz.rs` tells how the fuzzers themselves are run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod made;
mod targets;

use std::fs;
use std::path::PathBuf;

use targets::{TARGETS, run};

/// Changed copies of each seed in the gate.
const CHANGES: u64 = 40;

fn dir_of(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/seeds").join(target)
}

/// The seeds of a target with their names, sorted.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir_of(target)).unwrap().map(|entry| entry.unwrap());
    let mut all: Vec<_> = entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect();
    all.sort();
    all
}

#[test]
fn seeds_named_good_are_taken_and_seeds_named_bad_are_refused() {
    for (name, _) in TARGETS {
        let seeds = seeds(name);
        assert!(seeds.iter().any(|(seed, _)| seed.starts_with("good-")), "no good seed of {name}");
        for (seed, bytes) in seeds {
            let taken = run(name, &bytes);
            assert!(!seed.starts_with("good-") || taken, "{name}/{seed} is refused");
            assert!(!seed.starts_with("bad-") || !taken, "{name}/{seed} is taken");
        }
    }
}

#[test]
fn changed_seeds_break_nothing() {
    let mut ran = 0u64;
    for (name, _) in TARGETS {
        for (seed, bytes) in seeds(name) {
            let mut dice = Dice(blake3::hash(seed.as_bytes()).as_bytes()[..8].try_into().map(u64::from_le_bytes).unwrap() | 1);
            for _ in 0..CHANGES {
                run(name, &dice.change(&bytes));
                ran += 1;
            }
        }
    }
    assert!(ran >= CHANGES * TARGETS.len() as u64);
}

/// Seeds are objects as this program writes them: where it no longer takes one, or makes another,
/// the format has changed. With `ART_WRITE_SEEDS` those that are not there are written.
#[test]
fn seeds_are_what_this_program_makes() {
    let write = std::env::var_os("ART_WRITE_SEEDS").is_some();
    for (target, seeds) in made::all() {
        for (name, bytes) in seeds {
            let path = dir_of(target).join(name);
            if write && !path.exists() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, &bytes).unwrap();
            }
            let there = fs::read(&path).unwrap_or_else(|error| panic!("{target}/{name}: {error}"));
            // How a compressor spends its bits may change; that they are still read is tested above.
            assert!(target == "decode" || there == bytes, "{target}/{name} is not what is made now");
        }
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }

    /// Turns bits, cuts, repeats and overwrites.
    fn change(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut changed = bytes.to_vec();
        for _ in 0..=self.roll(3) {
            let at = self.roll(changed.len());
            match self.roll(5) {
                _ if changed.is_empty() => changed.push(self.roll(256) as u8),
                0 | 1 => changed[at] ^= 1 << self.roll(8),
                2 => changed.truncate(at),
                3 => {
                    let end = (at + 1 + self.roll(16)).min(changed.len());
                    let part = changed[at..end].to_vec();
                    changed.splice(at..at, part);
                }
                _ => {
                    let edge = [0, 1, 0x7f, 0x80, 0xff][self.roll(5)];
                    let end = (at + 1 + self.roll(8)).min(changed.len());
                    changed[at..end].fill(edge);
                }
            }
        }
        changed
    }
}
