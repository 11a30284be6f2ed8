//! The power fails at every moment: what was not synced is lost in all kinds of ways.
//!
//! Commands run once under strace, and their log tells every write, name and sync. From it the
//! images are made that a disk may hold after each operation, and each is judged.

mod choice;
mod disk;
mod log;
mod mutant;
mod record;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::act::act;
use crate::oracle::{check_no_litter, check_undamaged};
use crate::place::Workshop;
use crate::repo;
use crate::scenario::{Scenario, available, full};
use crate::tally::{Tally, for_each};
use choice::{Effort, Fates, Random, choices};
use disk::{Contents, Image, pending};
use log::Op;
use mutant::Mutant;
use record::{Finds, Recorded};

/// Where the random choices begin; printed with the result.
const SEED: u64 = 20_260_101;

/// What a sample takes.
const SAMPLED: [&str; 2] = ["put the second", "repair moves aside"];

/// Commands that are also killed at each of their syncs and run again.
const INTERRUPTED: [&str; 23] = [
    "init",
    "put with init",
    "put the second",
    "put with aliases",
    "put edits of an unchanged version",
    "put onto",
    "edit",
    "alias moved",
    "rm",
    "rm with aliases",
    "rm all",
    "undelete",
    "gc condemns",
    "gc deletes",
    "gc deletes what was condemned",
    "gc repacks",
    "prune",
    "use",
    "use a reference",
    "put unchanged in a run",
    "put onto in a run",
    "repair all",
    "pull",
];
const KILLS_MAX: u64 = 60;

/// Lost operations of a bad image that are named.
const TOLD_MAX: usize = 8;

/// Commands that also find packs which were copied in.
const COPIED_IN: [&str; 2] = ["put the first", "put the second"];

/// Counts of all histories together.
#[derive(Default)]
struct Counts {
    built: AtomicU64,
    mutants: AtomicU64,
    caught: AtomicU64,
    harmless: AtomicU64,
    idle: AtomicU64,
    missed: Mutex<Vec<String>>,
}

/// What was judged already, so that an image that several ways lead to is judged once.
type Judged = HashSet<[u8; 32]>;

pub(crate) fn sweep() {
    let workshop = Workshop::new();
    let (tally, counts) = (Tally::default(), Counts::default());
    let recorded = record_all(&workshop);
    for_each(&recorded, |recorded| recorded.sweep(&workshop, &tally, &counts));
    let (mutants, caught) = (counts.mutants.into_inner(), counts.caught.into_inner());
    let images = format!("{} histories, seed {SEED}, {} images with those built twice", recorded.len(), counts.built.into_inner());
    tally.finish("power cut", &images);
    let (harmless, idle) = (counts.harmless.into_inner(), counts.idle.into_inner());
    let not_made = format!("{idle} syncs with nothing to sync or covered by a later one");
    eprintln!("| mutants | {mutants} | {caught} caught | {not_made} | {harmless} more, without the sync of removed packs, did no harm |");
    let missed = counts.missed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(missed.is_empty(), "{} mutants were not judged right:\n{}", missed.len(), missed.join("\n"));
    assert!(mutants > 0, "there was no mutant");
}

/// Records each command that changes a store, also with a first try that was killed, and with
/// packs that somebody copied in.
fn record_all(workshop: &Workshop) -> Vec<Recorded> {
    let chosen: Vec<&'static Scenario> = available(workshop)
        .into_iter()
        .filter(|scenario| scenario.dest.is_none() && (full() || SAMPLED.contains(&scenario.name)))
        .collect();
    let mut all = Vec::new();
    for scenario in chosen {
        all.push(Recorded::plain(workshop, scenario));
        if INTERRUPTED.contains(&scenario.name) {
            let numbers = if full() { 1..=KILLS_MAX } else { 3..=3 };
            all.extend(numbers.map_while(|number| Recorded::interrupted(workshop, scenario, "fsync", number)));
        }
        if COPIED_IN.contains(&scenario.name) {
            all.push(Recorded::copied_in(workshop, scenario));
        }
    }
    all
}

/// What is tried after an operation of a history with packs of many megabytes.
fn effort_for_large(op: Option<&Op>) -> Effort {
    match op {
        Some(Op::Sync(_) | Op::Name { .. } | Op::Acknowledged) => Effort { single: 4, paired: 0, random: 2 },
        _ => Effort { single: 0, paired: 0, random: 0 },
    }
}

/// What is tried after an operation: most where something was just synced or told.
fn effort(op: Option<&Op>) -> Effort {
    let settles = matches!(op, Some(Op::Sync(_) | Op::Acknowledged));
    match (full(), settles) {
        (true, true) => Effort { single: 40, paired: 2, random: 16 },
        (true, false) => Effort { single: 8, paired: 1, random: 4 },
        (false, true) => Effort { single: 8, paired: 0, random: 2 },
        (false, false) => Effort { single: 1, paired: 0, random: 0 },
    }
}

/// What is tried to show that something is wrong with a mutant, the likely first.
const EFFORTS_FOR_MUTANTS: [fn(Option<&Op>) -> Effort; 3] = [
    |_| Effort { single: 0, paired: 0, random: 0 },
    |_| Effort { single: 12, paired: 0, random: 0 },
    |_| Effort { single: 24, paired: 1, random: 2 },
];

impl Recorded {
    fn sweep(&self, workshop: &Workshop, tally: &Tally, counts: &Counts) {
        let (mut judged, mut contents) = (Judged::new(), Contents::default());
        let whole: Vec<usize> = (0..self.history.ops.len()).collect();
        let effort = if self.scenario.is_large() { effort_for_large } else { effort };
        self.images(&whole, self.images_from, effort, &mut contents, &mut |image, prefix| {
            counts.built.fetch_add(1, Relaxed);
            if judged.insert(self.key(image, prefix)) {
                tally.injected(|| self.told(image, prefix), self.judge(image, prefix, workshop));
            }
            true
        });
        // In a sample one kind of history is enough to tell that the images show a missing sync.
        if !full() && self.was_killed {
            return;
        }
        let mutants = mutant::all(&self.history, self.from);
        let mut harm = |mutant: &Mutant| self.harm_of(mutant, judged.clone(), &mut contents, workshop);
        let told = |mutant: &Mutant, what: &str| format!("{}: {}{what}", self.name, mutant.told);
        let mut missed: Vec<String> = mutants.all.iter().filter(|mutant| harm(mutant).is_none()).map(|mutant| told(mutant, "")).collect();
        let caught = mutants.all.len() - missed.len();
        let does_harm = |mutant: &Mutant| harm(mutant).map(|why| told(mutant, &format!(", which does harm: {why}")));
        missed.extend(mutants.harmless.iter().filter_map(does_harm));
        // The whole takes long: what was done so far is told.
        eprintln!("  {}: {} images, {} mutants, missed {missed:?}", self.name, judged.len(), mutants.all.len());
        counts.idle.fetch_add(mutants.idle, Relaxed);
        counts.mutants.fetch_add(mutants.all.len() as u64, Relaxed);
        counts.harmless.fetch_add(mutants.harmless.len() as u64, Relaxed);
        counts.caught.fetch_add(caught as u64, Relaxed);
        counts.missed.lock().unwrap_or_else(PoisonError::into_inner).extend(missed);
    }

    /// Names an image by what came last and what of it is lost.
    fn told(&self, image: &Image, prefix: &[usize]) -> String {
        let told = |at: &usize| mutant::told(&self.history, *at);
        let lost: Vec<String> = image.lost.iter().rev().take(TOLD_MAX).map(told).collect();
        let last = prefix.last().map(told).unwrap_or_default();
        format!(
            "{}, {} operations in, after {last}, without {} of {} operations: {lost:?}",
            self.name,
            prefix.len(),
            lost.len(),
            image.lost.len()
        )
    }

    /// Calls `each` with the images of every moment after the first `from` operations of an
    /// order, until it returns false.
    fn images(
        &self,
        order: &[usize],
        from: usize,
        effort: fn(Option<&Op>) -> Effort,
        contents: &mut Contents,
        each: &mut dyn FnMut(&Image, &[usize]) -> bool,
    ) -> bool {
        let mut random = Random::new(SEED);
        (from..=order.len()).all(|end| {
            let prefix = &order[..end];
            let pending = pending(&self.history, prefix);
            let effort = effort(prefix.last().map(|at| &self.history.ops[*at]));
            choices(&self.history, &pending, effort, &mut random, &mut |fates: &Fates| {
                each(&Image::new(&self.history, prefix, fates, contents), prefix)
            })
        })
    }

    /// Returns what is wrong with the first image of a history made worse that is judged bad.
    fn harm_of(&self, mutant: &Mutant, mut judged: Judged, contents: &mut Contents, workshop: &Workshop) -> Option<String> {
        let mut harm = None;
        for effort in EFFORTS_FOR_MUTANTS {
            self.images(&mutant.order, mutant.from, effort, contents, &mut |image, prefix| {
                if judged.insert(self.key(image, prefix)) {
                    harm = self.judge(image, prefix, workshop).err().map(|why| format!("{} operations in, {why}", prefix.len()));
                }
                harm.is_none()
            });
            if harm.is_some() {
                break;
            }
        }
        harm
    }

    /// Returns how many commands were acknowledged, and how many begun, after a beginning.
    fn stage(&self, prefix: &[usize]) -> (usize, usize) {
        let (mut acknowledged, mut begun) = (0, 0);
        for at in prefix {
            match self.history.ops[*at] {
                Op::Begun => begun += 1,
                Op::Acknowledged => acknowledged = begun,
                _ => {}
            }
        }
        (acknowledged, begun)
    }

    fn key(&self, image: &Image, prefix: &[usize]) -> [u8; 32] {
        let (acknowledged, begun) = self.stage(prefix);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&image.key).update(&acknowledged.to_le_bytes()).update(&begun.to_le_bytes());
        hasher.finalize().into()
    }

    /// Judges an image: what was acknowledged is there, and the command that was cut short, or
    /// the last, can be run as if nothing had happened.
    fn judge(&self, image: &Image, prefix: &[usize], workshop: &Workshop) -> Result<(), String> {
        let place = workshop.place();
        image.write(&self.history, &place.project());
        let (acknowledged, begun) = self.stage(prefix);
        // Before anything has begun there is nothing to go on with but the first command; one that
        // was killed shows what it was to show once it is run again.
        let goal = (begun.max(1)..).find(|at| self.commands[at - 1].1).expect("the last command came to its end");
        let shown = if begun == 0 { 0 } else { goal };
        self.scenario.view(&place)?.check_within(&self.views[acknowledged..=shown])?;
        let is_done = acknowledged == self.commands.len();
        let finds = if self.scenario.is_repair() && is_done { Finds::Nothing } else { self.finds };
        // `init` may not have begun, or a clean may have left no store.
        let is_store = place.store().join("format").exists();
        match finds {
            Finds::Nothing if is_store => self.scenario.check_clean(&place)?,
            Finds::Gone if is_store => check_undamaged(&place.store())?,
            _ => {}
        }
        if self.scenario.is_in_git() && (self.scenario.is_guarded() || is_done) {
            let cleaned = workshop.place();
            image.write(&self.history, &cleaned.project());
            let is_store = self.commands[..acknowledged].iter().any(|(command, _)| command[0] == "init");
            repo::check_rules(&cleaned, self.scenario, is_store, is_done)?;
            // What a clean took and a repair brings back was acknowledged before both.
            let from = if self.scenario.is_repair() { goal } else { acknowledged };
            repo::check_cleaned(&cleaned, &self.views[from..=shown.max(from)], &act)?;
        }
        place.age_litter();
        let (command, _) = self.commands[goal - 1];
        let again = act(&place, command);
        // What is gathered when it is run again may lie in other packs.
        let wanted = self.views[goal].clone().after(&self.views[goal - 1]);
        let told = |why: String| format!("after the next command {why}; {again:?}");
        self.scenario.view(&place).map_err(&told)?.check_within(&[wanted]).map_err(&told)?;
        if self.finds != Finds::Anything || self.scenario.is_repair() {
            self.scenario.check_clean(&place)?;
        }
        // What the last command removed is removed again, should it have come back.
        let back = self.removed.iter().find(|pack| place.store().join(pack).exists());
        if let (true, Some(back)) = (goal == self.commands.len() && command[0] == "gc", back) {
            return Err(format!("{back:?} stays"));
        }
        if command[0] != "put" {
            // Not every command sweeps.
            act(&place, &["put", "swept", "SRC/three"])?;
        }
        check_no_litter(&place)?;
        if self.scenario.is_in_git() { repo::check_kept(&place) } else { Ok(()) }
    }
}
