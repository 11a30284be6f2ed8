//! Reading many small files on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Result;

/// Does something with each item, so many at a time on each of so many threads, and returns what came
/// of them in their order. Less work than one such batch is done where it is asked for.
pub(super) fn map<'i, T: Sync, R: Send>(
    items: &'i [T],
    batch: usize,
    threads: usize,
    work: impl Fn(&'i T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let jobs: Vec<&[T]> = items.chunks(batch).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(jobs.len())));
    let run = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else { break };
            let results: Result<Vec<R>> = job.iter().map(&work).collect();
            done.lock().unwrap_or_else(PoisonError::into_inner).push((at, results));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(jobs.len()) {
            scope.spawn(run);
        }
        run();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(at, _)| *at);
    let mut all = Vec::with_capacity(items.len());
    for (_, results) in done {
        all.append(&mut results?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn results_are_in_the_order_of_the_items_and_an_error_ends_it() {
        let items: Vec<u32> = (0..1000).collect();
        for threads in [1, 2, 7] {
            assert_eq!(map(&items, 3, threads, |item| Ok(item * 2)).unwrap(), items.iter().map(|item| item * 2).collect::<Vec<_>>());
            let error = map(&items, 3, threads, |item| if *item >= 500 { Err(Error::failed(item.to_string())) } else { Ok(()) });
            assert_eq!(error.unwrap_err().to_string(), "500", "the first in order, whichever came first");
        }
        assert!(map(&[], 3, 2, |_: &u32| Ok(())).unwrap().is_empty());
    }
}
