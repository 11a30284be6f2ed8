//! Sequences that once went wrong, or that chance seldom makes.

use crate::run;
use crate::world::Op::{Gc, Put, Rm, Subset, Undelete, Union};

#[test]
fn a_version_brought_back_in_one_copy_outlives_the_gc_of_another() {
    let put = |piece| Put { copy: 0, artifact: 0, piece, onto: None, alias: None };
    run(&[
        put(1),
        put(2),
        Rm { copy: 0, version: 0, force: false },
        Union { from: 0, to: 1 },
        Undelete { copy: 1, version: 0 },
        Gc { copy: 0, late: true, prune_now: true },
        Union { from: 0, to: 1 },
        Gc { copy: 1, late: true, prune_now: false },
        Gc { copy: 1, late: true, prune_now: false },
        Union { from: 1, to: 0 },
        Subset { from: 0, to: 2, seed: 5 },
        Gc { copy: 2, late: true, prune_now: false },
    ]);
}
