//! Two trees compared: what differs is found, and pages that both have are not opened.

use std::collections::BTreeMap;

use artstore::format::manifest::Entry;
use artstore::store::compare::Differing;
use proptest::prelude::*;

use crate::sample::path;
use crate::tree::{built, files};
use crate::walk::Shelf;

/// What differs between two lists, as it follows from the meaning of the word.
fn expected(left: &[Entry], right: &[Entry]) -> Vec<Differing> {
    let mut all: BTreeMap<_, (Option<Entry>, Option<Entry>)> = BTreeMap::new();
    for entry in left {
        all.entry(entry.path.clone()).or_default().0 = Some(entry.clone());
    }
    for entry in right {
        all.entry(entry.path.clone()).or_default().1 = Some(entry.clone());
    }
    let differing = all.into_values().filter_map(|sides| match sides {
        (Some(left), Some(right)) if left == right => None,
        (Some(left), Some(right)) => Some(Differing::Changed(left, right)),
        (Some(left), None) => Some(Differing::Removed(left)),
        (None, right) => right.map(Differing::Added),
    });
    differing.collect()
}

/// Compares two lists as trees in a store; returns what differs and how many pages were opened.
fn compared(left: &[Entry], right: &[Entry]) -> (Vec<Differing>, u64) {
    let (left, right) = (built(left), built(right));
    let mut shelf = Shelf::default();
    shelf.pages.extend(left.pages);
    shelf.pages.extend(right.pages);
    let (_dir, store) = shelf.open();
    let mut compare = store.compare_entries(left.root, right.root).unwrap();
    let found = compare.by_ref().collect::<artstore::Result<_>>().unwrap();
    (found, compare.pages_opened())
}

fn renamed(entry: &Entry, name: &str) -> Entry {
    Entry { path: path(name), kind: entry.kind.clone() }
}

#[test]
fn cost_follows_the_difference() {
    let left = files(100_000);
    let all_pages = built(&left).pages.len() as u64;
    assert!(all_pages > 500, "{all_pages}");
    let mut right = left.clone();
    let removed = right.remove(49_999);
    let (found, opened) = compared(&left, &right);
    assert_eq!(found, [Differing::Removed(removed)]);
    assert!(opened <= 10, "{opened} of {all_pages} pages were opened");
}

#[test]
fn pages_are_found_wherever_they_hang() {
    // So much more stands before them that the other tree is higher.
    let few = files(3000);
    assert_eq!(compared(&few, &few), (Vec::new(), 0));
    let mut many: Vec<Entry> = files(20_000).iter().enumerate().map(|(at, entry)| renamed(entry, &format!("!{at:06}"))).collect();
    many.extend(few.iter().cloned());
    let (found, _) = compared(&few, &many);
    assert_eq!(found, expected(&few, &many));
    assert_eq!(found.len(), 20_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_two_lists_are_told_apart(
        left in prop::collection::btree_set(0usize..6000, 0..3000),
        moved in prop::collection::btree_set(0usize..6000, 0..40),
        turned in prop::collection::btree_set(0usize..6000, 0..40),
    ) {
        let all = files(6000);
        let right: Vec<Entry> = (0..6000)
            .filter(|at| left.contains(at) != moved.contains(at))
            .map(|at| Entry { path: all[at].path.clone(), kind: all[if turned.contains(&at) { 5999 - at } else { at }].kind.clone() })
            .collect();
        let left: Vec<Entry> = left.iter().map(|at| all[*at].clone()).collect();
        prop_assert_eq!(compared(&left, &right).0, expected(&left, &right));
    }
}
