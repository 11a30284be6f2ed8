//! Copies of a store that are worked on, merged in whole and in part, and collected, against plain
//! rules: what each step must do, and which versions must restore where.

#![allow(clippy::print_stdout, reason = "a sweep tells its seeds and its figures")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../hammer/driver.rs"]
mod driver;

mod known;
mod rules;
mod union;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use support::slow_tests;
use world::{COPIES, Op, World};

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (copy, version) = (0..COPIES, 0..20_usize);
    let put =
        (copy.clone(), 0..2_usize, 0..12_u64, proptest::option::weighted(0.3, 0..20_usize), proptest::option::weighted(0.2, 0..2_usize))
            .prop_map(|(copy, artifact, piece, onto, alias)| Op::Put { copy, artifact, piece, onto, alias });
    let two = (copy.clone(), copy.clone()).prop_filter("two copies", |(from, to)| from != to);
    let op = prop_oneof![
        10 => put,
        2 => (copy.clone(), version.clone(), 0..2_usize).prop_map(|(copy, version, alias)| Op::Alias { copy, version, alias }),
        3 => (copy.clone(), proptest::option::weighted(0.8, version.clone()), 0..2_usize, proptest::option::weighted(0.7, 0..9_u64))
            .prop_map(|(copy, version, key, value)| Op::Edit { copy, version, key, value }),
        2 => (copy.clone(), version.clone(), 0..2_usize).prop_map(|(copy, version, artifact)| Op::Cp { copy, version, artifact }),
        5 => (copy.clone(), version.clone(), any::<bool>()).prop_map(|(copy, version, force)| Op::Rm { copy, version, force }),
        3 => (copy.clone(), version).prop_map(|(copy, version)| Op::Undelete { copy, version }),
        6 => (copy.clone(), any::<bool>(), any::<bool>()).prop_map(|(copy, late, prune_now)| Op::Gc { copy, late, prune_now }),
        3 => two.clone().prop_map(|(from, to)| Op::Union { from, to }),
        2 => (two, any::<u64>()).prop_map(|((from, to), seed)| Op::Subset { from, to, seed }),
        1 => (copy.clone(), 0..12_u64).prop_map(|(copy, piece)| Op::Crash { copy, piece }),
        1 => copy.prop_map(|copy| Op::Forget { copy }),
    ];
    proptest::collection::vec(op, 1..28)
}

pub(crate) fn run(ops: &[Op]) {
    let mut world = World::new();
    ops.iter().for_each(|op| world.apply(op));
    world.finish();
}

#[test]
fn copies_that_are_merged_and_collected_lose_nothing() {
    let cases = if slow_tests() { 2400 } else { 30 };
    let seed: u8 = std::env::var("ART_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    println!("seed {seed}, {cases} cases");
    if let Err(error) = runner.run(&ops(), |ops| {
        run(&ops);
        Ok(())
    }) {
        panic!("{error}");
    }
}

#[test]
fn union_is_commutative_associative_and_idempotent_for_what_users_see() {
    let count = if slow_tests() { 100_000 } else { 100 };
    let first = std::env::var("ART_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("seeds from {first}, {count} histories");
    union::try_all(first, count);
}
