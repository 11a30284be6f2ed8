//! Many processes on one store, stopped and killed by chance, against a model that knows what each
//! was told. And copies of a store that are stopped half-way.

#![allow(clippy::print_stdout, reason = "a sweep tells its seeds and its figures")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod check;
mod driver;
mod half;
mod journal;
mod worker;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use check::Counted;
use driver::{Driver, Rng};
use support::slow_tests;

/// Tells this program, run again, that it is a process of the hammer: `DIR SLOT SEED COUNT`.
const WORK: &str = "ART_HAMMER_WORK";

#[test]
fn one_process_alone_is_told_the_truth() {
    if let Ok(work) = std::env::var(WORK) {
        let [count, seed, slot, dir] = work.rsplitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{work}") };
        return worker::run(Path::new(dir), slot.parse().unwrap(), seed.parse().unwrap(), count.parse().unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    Driver::new(dir.path(), "main").make();
    let count = if slow_tests() { 3000 } else { 60 };
    worker::run(dir.path(), 0, 7, count);
    assert_eq!(check::check(dir.path(), 1).operations, count);
}

#[test]
fn processes_that_are_stopped_and_killed_lose_nothing() {
    // The stores, and the operations of all processes of each.
    let (rounds, count) = if slow_tests() { (84, 1200) } else { (1, 160) };
    let first: u64 = std::env::var("ART_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let (next, all) = (AtomicU64::new(first), Mutex::new(Figures::default()));
    // The processes of a store wait for each other and for those that are stopped.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Relaxed)).filter(|seed| *seed < first + rounds) {
                    let figures = hammer(seed, count);
                    let mut all = all.lock().unwrap();
                    all.add(&figures);
                    println!("so far: {all:?}, lost 0");
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    println!("{all:?}, lost 0");
    assert!(all.kills > 0 && all.stops > 0);
}

/// What became of all stores together.
#[derive(Debug, Default)]
struct Figures {
    operations: usize,
    kills: usize,
    stops: usize,
    acknowledged: usize,
    live: usize,
}

impl Figures {
    fn add(&mut self, more: &Figures) {
        self.operations += more.operations;
        self.kills += more.kills;
        self.stops += more.stops;
        self.acknowledged += more.acknowledged;
        self.live += more.live;
    }
}

/// Has processes work on one store until they have run about `count` operations.
fn hammer(seed: u64, count: usize) -> Figures {
    let slots = [4, 2, 8, 16, 3, 6, 12][seed as usize % 7];
    let count = count / slots;
    let dir = tempfile::tempdir().unwrap();
    println!("seed {seed}: {slots} processes");
    Driver::new(dir.path(), "main").make();
    let mut hammer = Hammer { dir: dir.path(), rng: Rng(seed), count, kills: 0, stops: 0 };
    hammer.run(slots);
    let counted = check::check(dir.path(), slots);
    assert_eq!(counted.operations, slots * count, "seed {seed}");
    let Counted { operations, acknowledged, live } = counted;
    Figures { operations, kills: hammer.kills, stops: hammer.stops, acknowledged, live }
}

struct Hammer<'a> {
    dir: &'a Path,
    rng: Rng,
    count: usize,
    kills: usize,
    stops: usize,
}

/// A place among the processes.
struct Place {
    child: Child,
    stopped: bool,
    done: bool,
}

impl Hammer<'_> {
    fn run(&mut self, slots: usize) {
        let mut places: Vec<Place> = (0..slots).map(|slot| Place { child: self.start(slot), stopped: false, done: false }).collect();
        while places.iter().any(|place| !place.done) {
            // Where the others are by then is chance; that is the point.
            std::thread::sleep(Duration::from_micros(500 + self.rng.below(6000)));
            for (slot, place) in places.iter_mut().enumerate() {
                self.disturb(slot, place, slots as u64);
            }
        }
    }

    fn disturb(&mut self, slot: usize, place: &mut Place, slots: u64) {
        if place.done {
            return;
        }
        if let Some(status) = place.child.try_wait().unwrap() {
            assert!(status.success(), "a process of the hammer failed: {status}");
            place.done = true;
            return;
        }
        let pid = Pid::from_child(&place.child);
        if place.stopped {
            if self.rng.below(3) == 0 {
                kill_process(pid, Signal::CONT).unwrap();
                place.stopped = false;
            }
            return;
        }
        // A store on which nobody was killed shows little.
        let is_due = self.kills == 0 && self.stops > 3;
        match self.rng.below(24 * slots) {
            chance if chance == 0 || is_due => {
                place.child.kill().unwrap();
                // It may have ended by itself just before.
                if place.child.wait().unwrap().success() {
                    place.done = true;
                } else {
                    self.kills += 1;
                    place.child = self.start(slot);
                }
            }
            1..5 => {
                kill_process(pid, Signal::STOP).unwrap();
                place.stopped = true;
                self.stops += 1;
            }
            _ => {}
        }
    }

    fn start(&mut self, slot: usize) -> Child {
        let work = format!("{} {slot} {} {}", self.dir.display(), self.rng.next(), self.count);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "one_process_alone_is_told_the_truth", "--test-threads=1", "--nocapture"]).env(WORK, work);
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    }
}
