//! Counts of faults, and the line that tells them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How many failures are shown in full.
const SHOWN_MAX: usize = 12;

/// What became of the faults of one family.
#[derive(Default)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    injected: u64,
    survived: u64,
    not_injected: BTreeMap<&'static str, u64>,
    failures: Vec<String>,
}

impl Tally {
    /// Counts a fault that was injected, and whether all was well after it.
    pub(crate) fn injected(&self, what: impl FnOnce() -> String, outcome: Result<(), String>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.injected += 1;
        match outcome {
            Ok(()) => counts.survived += 1,
            Err(why) => {
                let failure = format!("{}: {why}", what());
                // A sweep may be stopped before its end.
                if counts.failures.len() < SHOWN_MAX {
                    eprintln!("  harm: {failure}");
                }
                counts.failures.push(failure);
            }
        }
    }

    pub(crate) fn not_injected(&self, why: &'static str) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).not_injected.entry(why).or_default() += 1;
    }

    /// Tells the counts and fails if there was a failure, or no fault at all.
    #[track_caller]
    pub(crate) fn finish(self, family: &str, note: &str) {
        let counts = self.counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let reasons: Vec<String> = counts.not_injected.iter().map(|(why, count)| format!("{count} {why}")).collect();
        let missed = if reasons.is_empty() { "0".to_owned() } else { reasons.join(", ") };
        eprintln!("| {family} | {} | {} | {missed} | {note} |", counts.injected, counts.survived);
        let shown: Vec<&String> = counts.failures.iter().take(SHOWN_MAX).collect();
        assert!(shown.is_empty(), "{} faults did harm, the first of them:\n{shown:#?}", counts.failures.len());
        assert!(counts.injected > 0, "nothing was injected");
    }
}

/// Does `work` for each item, on two threads.
pub(crate) fn for_each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}
