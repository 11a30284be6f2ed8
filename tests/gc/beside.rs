//! Writers and other collectors beside `gc`, at the moments that matter.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use artstore::context::Context;
use artstore::error::ErrorKind;
use artstore::format::record::Time;
use artstore::lock::{Lock, Mode, Wait};
use artstore::ops::gc::{GcOptions, GcOutcome, gc};
use artstore::ops::undelete::undelete;
use artstore::progress::{Progress, Silent};
use artstore::store::Store;

use crate::support::Project;
use crate::{gc as art_gc, gc_later, holds, packs, three_versions, write_version};

/// Does something once, when a phase of this name begins or, without a name, when a lock is
/// waited for.
struct At<'f> {
    phase: Option<&'static str>,
    act: &'f (dyn Fn() + Sync),
    done: AtomicBool,
}

impl At<'_> {
    fn once(&self, is_the_moment: bool) {
        if is_the_moment && !self.done.swap(true, Ordering::Relaxed) {
            (self.act)();
        }
    }
}

impl Progress for At<'_> {
    fn phase(&self, name: &'static str) {
        self.once(self.phase == Some(name));
    }
    fn waiting(&self, _lock: &str) {
        self.once(self.phase.is_none());
    }
}

fn context(progress: &dyn Progress) -> Context<'_> {
    let now = Time("2026-11-23T12:00:00Z".parse().unwrap());
    Context { now, git: None, run: None, threads: 2, wait: Wait::Patiently, progress }
}

fn open(project: &Project) -> Store {
    Store::open(&project.store()).unwrap()
}

/// Runs `gc`, and something else after it has read which versions are deleted.
fn gc_and(project: &Project, act: &(dyn Fn() + Sync)) -> GcOutcome {
    let at = At { phase: Some("reading what versions need"), act, done: AtomicBool::new(false) };
    let outcome = gc(&open(project), &context(&at), &GcOptions::default()).unwrap();
    assert!(at.done.load(Ordering::Relaxed));
    outcome
}

fn condemned(project: &Project) -> usize {
    open(project).condemned().unwrap().iter().count()
}

#[test]
fn what_comes_back_while_it_is_condemned_has_a_grace_of_its_own() {
    let project = three_versions();
    project.art(["rm", "data:v1"]).ok();
    let outcome = gc_and(&project, &|| {
        project.art(["undelete", "data:v1"]).ok();
        // Deleted again before anybody could see it.
        project.art(["rm", "data:v1"]).ok();
    });
    assert!(outcome.condemned.is_empty() && !outcome.lifted.is_empty(), "{outcome:?}");
    assert_eq!(condemned(&project), 0);
    gc_later(&project);
    assert_eq!(packs(&project).len(), 3, "condemned only by the later one");
    project.art(["undelete", "data:v1"]).ok();
    holds(&project, 1);
}

#[test]
fn what_a_put_or_an_alias_brings_back_while_it_is_condemned_is_not() {
    for args in [&["put", "other", "d"][..], &["alias", "set", "data:v1", "best"]] {
        let project = three_versions();
        write_version(&project, 1);
        project.art(["rm", "data:v1"]).ok();
        let outcome = gc_and(&project, &|| {
            // A version that is deleted gets no alias but from a copy that does not know of it.
            let edits = project.store().join("refs/data/edits");
            let away = project.path("edits");
            if args[0] == "alias" {
                std::fs::rename(&edits, &away).unwrap();
            }
            project.art(args).ok();
            if args[0] == "alias" {
                std::fs::rename(&away, &edits).unwrap();
            }
        });
        assert!(outcome.condemned.iter().all(|pack| pack.pack.class == "meta"), "{args:?}: {outcome:?}");
        gc_later(&project);
        gc_later(&project);
        let name = if args[0] == "put" { "other" } else { "data:best" };
        project.art(["verify", name, "d"]).ok();
        project.art(["fsck"]).ok();
    }
}

#[test]
fn what_other_writers_store_meanwhile_spares_nothing() {
    let project = three_versions();
    project.art(["rm", "data:v1"]).ok();
    write_version(&project, 9);
    let outcome = gc_and(&project, &|| {
        project.art(["put", "other", "d"]).ok();
    });
    assert!(!outcome.condemned.is_empty() && outcome.lifted.is_empty(), "{outcome:?}");
}

#[test]
fn an_undelete_lifts_what_was_condemned_while_it_waited() {
    let project = three_versions();
    project.art(["rm", "data:v1"]).ok();
    let local = open(&project).local().unwrap();
    let numbers = Mutex::new(Some(Lock::take(&local.join("number"), Mode::Exclusive, Wait::Patiently, &Silent).unwrap()));
    let act = || {
        assert!(!art_gc(&project, &[])["condemned"].as_array().unwrap().is_empty());
        numbers.lock().unwrap_or_else(PoisonError::into_inner).take();
    };
    let at = At { phase: None, act: &act, done: AtomicBool::new(false) };
    undelete(&open(&project), &context(&at), &["data:v1".parse().unwrap()]).unwrap();
    assert_eq!(condemned(&project), 0);
    project.art(["rm", "data:v1"]).ok();
    gc_later(&project);
    assert_eq!(packs(&project).len(), 3);
}

/// Another `gc` removes a version when the versions are looked at first; counts these looks.
struct Removing<'p>(&'p Project, AtomicUsize);

impl Progress for Removing<'_> {
    fn phase(&self, _name: &'static str) {
        if self.1.fetch_add(1, Ordering::Relaxed) == 0 {
            self.0.art(["rm", "data:v1"]).ok();
            self.0.art(["gc", "--prune-now"]).ok();
        }
    }
}

#[test]
fn a_plan_is_not_spoilt_by_another_gc() {
    let project = three_versions();
    let options = GcOptions { dry_run: true, ..GcOptions::default() };
    let removing = Removing(&project, AtomicUsize::new(0));
    let plan = gc(&open(&project), &context(&removing), &options).unwrap();
    assert!(removing.1.load(Ordering::Relaxed) == 2 && plan.condemned.is_empty(), "{plan:?}");
    holds(&project, 0);
    holds(&project, 2);
    // That of a store which is damaged and which nobody changes fails at once.
    for dir in std::fs::read_dir(project.store().join("meta")).unwrap() {
        std::fs::remove_dir_all(dir.unwrap().path()).unwrap();
    }
    assert_eq!(gc(&open(&project), &context(&removing), &options).unwrap_err().kind(), ErrorKind::Damaged);
    assert_eq!(removing.1.load(Ordering::Relaxed), 3);
}
