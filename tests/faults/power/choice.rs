//! Which of the things that were not synced are lost: none, all, each, pairs, random ones, and
//! writes that arrived in part.

use super::disk::Fate;
use super::log::{History, Op};

/// How much is tried at a moment.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// How many of the newest operations are lost or kept alone.
    pub(crate) single: usize,
    /// How many of the newest are paired with each of those.
    pub(crate) paired: usize,
    /// Random choices.
    pub(crate) random: usize,
}

/// Numbers that look random and are the same each time.
pub(crate) struct Random(u64);

/// What becomes of each operation of a history.
pub(crate) type Fates = [Fate];

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Returns a number below `end` (splitmix64).
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}

/// Calls `each` with what may become of the `pending` operations, until it returns false.
pub(crate) fn choices(
    history: &History,
    pending: &[usize],
    effort: Effort,
    random: &mut Random,
    each: &mut dyn FnMut(&Fates) -> bool,
) -> bool {
    let mut fates = vec![Fate::Kept; history.ops.len()];
    let newest = |count: usize| pending.iter().rev().take(count).copied();
    for (base, other) in [(Fate::Dropped, Fate::Kept), (Fate::Kept, Fate::Dropped)] {
        pending.iter().for_each(|&at| fates[at] = base);
        if !each(&fates) {
            return false;
        }
        for (number, first) in newest(effort.single).enumerate() {
            fates[first] = other;
            let mut go_on = each(&fates);
            if number < effort.paired {
                for second in newest(effort.single).skip(number + 1) {
                    fates[second] = other;
                    go_on = go_on && each(&fates);
                    fates[second] = base;
                }
            }
            if let (Fate::Kept, Op::Bytes { bytes, .. }) = (base, &history.ops[first]) {
                for torn in tears(bytes.len()) {
                    fates[first] = torn;
                    go_on = go_on && each(&fates);
                }
            }
            fates[first] = base;
            if !go_on {
                return false;
            }
        }
    }
    (0..effort.random).all(|_| {
        // Some subsets are sparse and some dense.
        let share = 1 + random.below(7);
        pending.iter().for_each(|&at| fates[at] = random_fate(history, at, share, random));
        each(&fates)
    })
}

fn random_fate(history: &History, at: usize, share: usize, random: &mut Random) -> Fate {
    if random.below(8) >= share {
        return Fate::Dropped;
    }
    match &history.ops[at] {
        Op::Bytes { bytes, .. } if random.below(4) == 0 => match random.below(2) {
            0 => Fate::Zeros,
            _ => Fate::Torn(random.below(bytes.len())),
        },
        _ => Fate::Kept,
    }
}

fn tears(len: usize) -> Vec<Fate> {
    let mut lens = vec![1, 512, 4096, len / 2, len.saturating_sub(1)];
    lens.retain(|torn| *torn < len && *torn > 0);
    lens.sort_unstable();
    lens.dedup();
    lens.into_iter().map(Fate::Torn).chain([Fate::Zeros]).collect()
}
