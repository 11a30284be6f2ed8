//! `art gc`: frees what only deleted versions need, on evidence, in two phases.
//!
//! A run surveys what versions name (`survey`), gathers what is known of each pack (`facts`),
//! plans (`plan`, `scene`), and carries the plan out (`copy`, `apply`). Packs are condemned under
//! the shared lock, beside writers, and removed by a later run under the exclusive one, after a
//! survey of its own. "Collecting" in `docs/durability.md` argues why nothing is lost.

mod apply;
mod copy;
mod dispensable;
mod facts;
mod outcome;
mod plan;
mod scene;
mod survey;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::format::pack::PackClass;
use crate::lock::{Lock, Mode};
use crate::pack::{pack_path, reader};
use crate::quote::quote_path;
use crate::refs::read;
use crate::store::put_note::PutNotes;
use crate::store::roots::{BranchPages, Roots};
use crate::store::session::Session;
use crate::store::{Need, Store, local, worktrees};
pub(crate) use dispensable::dispensable;
use facts::Facts;
pub use outcome::{CondemnedPack, GcOutcome, Orphans, PackFile, WaitingPack};
use plan::{Copies, DeletePlan, Grace};
pub use plan::{Reason, Stay};
use scene::{CondemnPlans, Scene, Sight, with_newcomers, with_tree};
use survey::Ground;

/// How long a pack and what condemns it must both have been here before the pack is removed: so
/// long may another copy take to tell that it still needs it.
pub const GRACE: Duration = Duration::from_secs(14 * 24 * 3600);

/// How often the roots are read again because the git repo has changed.
const ROOT_TRIES: usize = 8;

/// How often a plan is made again because packs were removed meanwhile.
const PLAN_TRIES: usize = 8;

/// The phase in which versions are walked.
const LOOKING: &str = "reading what versions need";

/// What [`gc`] may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcOptions {
    /// Whether to plan only, and change nothing.
    pub dry_run: bool,
    /// Whether to condemn and remove at once: no other copy is about to be merged.
    pub prune_now: bool,
    /// Whether to free what no record here names, too, where it is older than the grace.
    pub orphans: bool,
    /// How long a pack waits.
    pub grace: Duration,
}

impl Default for GcOptions {
    fn default() -> GcOptions {
        GcOptions { dry_run: false, prune_now: false, orphans: false, grace: GRACE }
    }
}

/// Frees what it may. Fails, and has removed nothing, if it cannot tell what is needed.
///
/// Cost: reads the tables of all packs and the pages of all versions.
pub fn gc(store: &Store, context: &Context<'_>, options: &GcOptions) -> Result<GcOutcome> {
    store.check_features(Need::Collect)?;
    check_not_shared(store)?;
    if options.dry_run {
        return plan_only(store, context, options);
    }
    let local = local::find_or_create(store.root(), context.progress)?;
    let locks = worktrees::locks(store.layout(), &local, context.progress)?;
    let alone = Lock::take(&locks.join("gc"), Mode::Exclusive, context.wait, context.progress)?;
    let collector = Collector { store, context, options, local: &local, alone };
    let outcome = if options.prune_now { collector.prune_now() } else { collector.collect() }?;
    PutNotes::sweep(&local, |pack| store.layout().path(pack).exists());
    Ok(outcome)
}

/// Refuses packs that lie elsewhere, behind a symlink: another store may have them in use.
fn check_not_shared(store: &Store) -> Result<()> {
    for class in [PackClass::Data, PackClass::Meta] {
        let dir = store.layout().folder(class.dir().as_ref());
        let is_link = match fs::symlink_metadata(&dir) {
            Ok(meta) => meta.is_symlink(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(Error::io("look at", &dir, e)),
        };
        if is_link {
            return Err(Error::refused(format!(
                "cannot collect: {} is a symlink, and what else uses it is not known here",
                quote_path(&dir)
            ))
            .hint("run `art gc` only where no other store shares the packs, with the directory itself in this store"));
        }
    }
    Ok(())
}

/// Plans without a lock, as readers do. Where another gc has removed something meanwhile, what then
/// fails says nothing of the store: the second time other collectors are kept out.
fn plan_only(store: &Store, context: &Context<'_>, options: &GcOptions) -> Result<GcOutcome> {
    let mut lock = None;
    for _ in 0..PLAN_TRIES {
        let listed = packs_of(store)?;
        // Opened anew, so that no listing is older than this one.
        let planned = Store::open(store.root()).and_then(|store| dry_run(&store, context, options));
        if planned.is_ok() || packs_of(store)?.is_superset(&listed) {
            return planned;
        }
        // Another gc that has removed something has left a lock to share.
        if let Some(locks) = worktrees::find_locks(store.layout())? {
            lock = Lock::share_existing(&locks.join("gc"), context.wait, context.progress)?.or(lock);
        }
    }
    Err(Error::new(ErrorKind::Busy, "cannot tell what would be freed: packs are removed again and again")
        .hint("run `art gc --dry-run` again when nothing else removes packs"))
}

fn packs_of(store: &Store) -> Result<HashSet<PathBuf>> {
    let of = |class| Ok(reader::list(store.layout(), class)?.into_iter().map(move |id| pack_path(class, id)));
    Ok(of(PackClass::Data)?.chain(of(PackClass::Meta)?).collect())
}

/// Plans, and changes nothing; writers may change the plan meanwhile.
fn dry_run(store: &Store, context: &Context<'_>, options: &GcOptions) -> Result<GcOutcome> {
    let local = store.local();
    let now = SystemTime::from(context.now.0);
    let roots = Roots::read(store)?;
    let branches = roots.branches.peek(local.as_deref(), context.progress)?;
    context.progress.phase(LOOKING);
    let (threads, local) = (context.threads, local.as_deref());
    let scene = Scene::look(&Sight { store, options, threads, branches: &branches, local, now, removable: None }, &roots)?;
    let mut outcome = GcOutcome { dry_run: true, ..GcOutcome::default() };
    scene.tell(&mut outcome);
    let plans = scene.plan_condemn(Copies::Yes);
    let grace = if options.prune_now { Grace::Over } else { Grace::Kept };
    for (ground, facts, plan) in [(&scene.survey.data, &scene.data, &plans.data), (&scene.survey.meta, &scene.meta, &plans.meta)] {
        outcome.condemned(ground, facts, plan.all());
        outcome.expect_copies(plan);
        if options.prune_now {
            outcome.deleted(ground, facts, &plan.all().map(|(pack, _)| pack).collect::<Vec<_>>());
        }
    }
    let data = scene.plan_delete_data(grace);
    let gone: Vec<u32> = match options.prune_now {
        true => data.delete.iter().copied().chain(plans.data.all().map(|(pack, _)| pack)).collect(),
        false => data.delete.clone(),
    };
    outcome.deletes(&scene.survey.data, &scene.data, &data);
    outcome.deletes(&scene.survey.meta, &scene.meta, &scene.plan_delete_meta(grace, &gone));
    Ok(outcome)
}

struct Collector<'a> {
    store: &'a Store,
    context: &'a Context<'a>,
    options: &'a GcOptions,
    local: &'a Path,
    /// The lock of those who collect.
    alone: Lock,
}

impl Collector<'_> {
    /// Condemns, and removes what an earlier run has condemned.
    fn collect(&self) -> Result<GcOutcome> {
        let mut outcome = GcOutcome::default();
        let removable: HashSet<PathBuf> = self.store.condemned()?.iter().map(|(path, _)| path.to_owned()).collect();
        let before = read::all_names(self.store.root())?;
        let (roots, branches) = self.roots()?;
        let is_due = {
            let session = Session::begin(self.store, self.context)?;
            let mut scene = self.look(&session, &roots, &branches, Some(&removable))?;
            scene.tell(&mut outcome);
            let plans = scene.plan_condemn(Copies::Yes);
            self.condemn(&session, &mut scene, &plans, &mut outcome)?;
            if !outcome.condemned.is_empty() {
                self.lift_for_newcomers(&session, roots, &branches, &before, &mut outcome)?;
            }
            session.strike(&scene.reused());
            session.save_caches();
            let data = scene.plan_delete_data(Grace::Kept);
            let meta = scene.plan_delete_meta(Grace::Kept, &data.delete);
            let is_due = !data.is_idle() || !meta.is_idle();
            if !is_due {
                outcome.deletes(&scene.survey.data, &scene.data, &data);
                outcome.deletes(&scene.survey.meta, &scene.meta, &meta);
            }
            is_due
        };
        if is_due {
            let (session, roots, branches) = self.begin_alone()?;
            let mut scene = self.look(&session, &roots, &branches, Some(&removable))?;
            self.delete(&session, &mut scene, Grace::Kept, &mut outcome)?;
        }
        Ok(outcome)
    }

    /// Lifts the condemnation of what versions need that were stored, or came back to life, after the
    /// roots were read. Removing would spare it anyhow; but were they deleted before that, what
    /// they alone need would have no grace of its own.
    fn lift_for_newcomers(
        &self,
        session: &Session<'_>,
        roots: Roots,
        branches: &BranchPages,
        before: &HashSet<String>,
        outcome: &mut GcOutcome,
    ) -> Result<()> {
        let (roots, are_any) = with_newcomers(self.store, roots, before)?;
        if !are_any {
            return Ok(());
        }
        let condemned: HashSet<PathBuf> = outcome.condemned.iter().map(|condemned| condemned.pack.path.clone()).collect();
        let scene = self.look(session, &roots, branches, Some(&condemned))?;
        let (data, meta) = (scene.plan_delete_data(Grace::Kept), scene.plan_delete_meta(Grace::Kept, &[]));
        for (ground, facts, plan) in [(&scene.survey.data, &scene.data, data), (&scene.survey.meta, &scene.meta, meta)] {
            apply::lift(session, self.context, ground, facts, &plan.lift)?;
            outcome.condemned.retain(|condemned| !plan.lift.iter().any(|&pack| facts.of(pack).path == condemned.pack.path));
            outcome.deletes(ground, facts, &DeletePlan { lift: plan.lift, ..DeletePlan::default() });
        }
        Ok(())
    }

    /// Condemns and removes at once; first what is wholly unused, for there may be no room to copy.
    fn prune_now(&self) -> Result<GcOutcome> {
        let mut outcome = GcOutcome::default();
        let (session, roots, branches) = self.begin_alone()?;
        let mut scene = self.look(&session, &roots, &branches, None)?;
        scene.tell(&mut outcome);
        let plans = scene.plan_condemn(Copies::No);
        self.condemn(&session, &mut scene, &plans, &mut outcome)?;
        self.delete(&session, &mut scene, Grace::Over, &mut outcome)?;
        let plans = scene.plan_condemn(Copies::Yes);
        if plans.copies() {
            self.condemn(&session, &mut scene, &plans, &mut outcome)?;
            scene = self.look(&session, &roots, &branches, None)?;
            // Where the room gave out, what was copied so far may have made packs unused.
            let plans = scene.plan_condemn(Copies::No);
            self.condemn(&session, &mut scene, &plans, &mut outcome)?;
            outcome.waiting.clear();
            self.delete(&session, &mut scene, Grace::Over, &mut outcome)?;
        }
        session.strike(&scene.reused());
        session.save_caches();
        Ok(outcome)
    }

    /// Begins alone, with roots that are those of now: who waits for the lock may wait long, and
    /// what was stored, committed and switched away from meanwhile is in no tree.
    fn begin_alone(&self) -> Result<(Session<'_>, Roots, BranchPages)> {
        for _ in 0..ROOT_TRIES {
            let (roots, branches) = self.roots()?;
            let session = Session::begin_alone(self.store, self.context)?;
            if roots.are_current()? {
                return Ok((session, with_tree(self.store, roots)?, branches));
            }
        }
        Err(Error::new(ErrorKind::Busy, "cannot tell what is needed: the git repo changes again and again")
            .hint("run `art gc` again when nothing is committed or switched"))
    }

    /// Asks git, before any lock is taken that writers wait for.
    fn roots(&self) -> Result<(Roots, BranchPages)> {
        let roots = Roots::read(self.store)?;
        let branches = roots.branches.fetch(self.store.root(), self.local, self.context.progress)?;
        Ok((roots, branches))
    }

    /// Looks at the store; what condemns packs is on disk then, though another run was killed over it.
    fn look(&self, session: &Session<'_>, roots: &Roots, branches: &BranchPages, removable: Option<&HashSet<PathBuf>>) -> Result<Scene> {
        self.alone.check()?;
        self.context.progress.phase(LOOKING);
        let now = session.collecting(|| session.disk().file_system_time())?;
        let (store, options, threads, local) = (self.store, self.options, self.context.threads, Some(self.local));
        let scene = Scene::look(&Sight { store, options, threads, branches, local, now, removable }, roots)?;
        apply::rely_on_condemned(session, &scene)?;
        Ok(scene)
    }

    /// Copies what is kept of packs, then condemns them, and those that are unused.
    fn condemn(&self, session: &Session<'_>, scene: &mut Scene, plans: &CondemnPlans, outcome: &mut GcOutcome) -> Result<()> {
        for ((ground, facts), plan) in scene.classes().into_iter().zip([&plans.data, &plans.meta]) {
            let mut condemned: Vec<_> = plan.unused.iter().map(|&pack| (pack, Reason::Unused)).collect();
            if !plan.copied.is_empty() && outcome.no_space.is_none() {
                self.context.progress.phase("copying what is needed out of packs");
                match copy::copy(session, self.context, ground, facts, &plan.copied) {
                    Ok(copied) => {
                        outcome.new_packs += copied.new_packs;
                        outcome.new_bytes += copied.new_bytes;
                        condemned.extend(copied.packs);
                    }
                    Err(error) if error.kind() == ErrorKind::NoSpace => outcome.no_space = Some(error.to_string()),
                    Err(error) => return Err(error),
                }
            }
            condemned.sort_unstable_by_key(|(pack, _)| *pack);
            apply::settle_homes(session, self.context, ground, facts, &mut condemned);
            self.alone.check()?;
            apply::condemn(session, self.context, ground, facts, &condemned)?;
            outcome.condemned(ground, facts, condemned);
        }
        Ok(())
    }

    /// Removes what may be removed, data before the pages that tell of it, and lifts the
    /// condemnation of what is needed after all.
    fn delete(&self, session: &Session<'_>, scene: &mut Scene, grace: Grace, outcome: &mut GcOutcome) -> Result<()> {
        self.context.progress.phase("removing packs");
        let mut data = scene.plan_delete_data(grace);
        apply::check_homes(session, self.context, &scene.survey.data, &scene.data, &mut data);
        self.carry_out(session, &scene.survey.data, &scene.data, &data)?;
        outcome.deletes(&scene.survey.data, &scene.data, &data);
        let mut meta = scene.plan_delete_meta(grace, &data.delete);
        apply::check_homes(session, self.context, &scene.survey.meta, &scene.meta, &mut meta);
        if !meta.delete.is_empty() {
            apply::remove_again(session)?;
        }
        self.carry_out(session, &scene.survey.meta, &scene.meta, &meta)?;
        outcome.deletes(&scene.survey.meta, &scene.meta, &meta);
        Ok(())
    }

    fn carry_out(&self, session: &Session<'_>, ground: &Ground, facts: &Facts, plan: &DeletePlan) -> Result<()> {
        self.alone.check()?;
        session.check()?;
        apply::lift(session, self.context, ground, facts, &plan.lift)?;
        apply::remove(session, facts, &plan.delete)
    }
}
