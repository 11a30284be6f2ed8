//! A writer's session: the lock it holds, and what it knows to be safe on this disk.
//!
//! Nothing may be acknowledged that rests on a pack which is merely there. A pack counts when
//! this store's writers published it, or when it was adopted: hashed whole, as is all it holds, and
//! synced.

mod gone;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::context::Context;
use crate::durable::{Disk, Reserve};
use crate::error::{Error, ErrorKind, Result};
use crate::format::pack::PackClass;
use crate::format::record::{AliasRecord, Record};
use crate::id::{HASH_LEN, PackId, PageId, RecordId};
use crate::index::Location;
use crate::lock::{Lock, Mode};
use crate::name::{Alias, Name};
use crate::pack::pack_path;
use crate::pack::reader::{Pack, verify_file};
use crate::pack::writer::FinishedPack;
use crate::refs::cache;
use crate::refs::condemned::{self, Condemned};
use crate::refs::history::{AliasHead, History, Version};
use crate::refs::runs::{self, Run};
use crate::refs::write;
use crate::store::guard::{GitMode, Guard};
use crate::store::put_note::{PutNote, PutNotes};
use crate::store::{FORMAT_FILE, INDEX_DIR, Need, Store, local, rests, worktrees};

/// How often what is gone is put back before a writer gives up.
const PUT_BACK_MAX: usize = 8;

/// A session of one writer, from its first look-up to its durable record.
pub struct Session<'a> {
    store: &'a Store,
    context: &'a Context<'a>,
    disk: Disk,
    local: PathBuf,
    /// Where the locks lie: in local state, of which stores in linked worktrees share this.
    locks: PathBuf,
    lock: Lock,
    guard: Option<Guard>,
    /// How the store was guarded when the session began.
    standing: Option<(GitMode, bool)>,
    /// Second names of what is gone from its place and stays so.
    left: Mutex<HashSet<PathBuf>>,
    /// For who deletes, and for who then collects: the one must not use up the other's.
    rm_reserve: Reserve,
    gc_reserve: Reserve,
    /// Where a put notes its packs.
    note: OnceLock<PutNote>,
    packs: Mutex<Packs>,
}

/// What is known of packs so far.
#[derive(Default)]
struct Packs {
    condemned: Condemned,
    confirmed: HashMap<PackId, bool>,
    rests_on: BTreeSet<PathBuf>,
}

impl<'a> Session<'a> {
    /// Begins: takes the shared lock and sweeps what dead writers left.
    pub fn begin(store: &'a Store, context: &'a Context<'a>) -> Result<Session<'a>> {
        Session::with_lock(store, context, Mode::Shared)
    }

    /// Begins alone, for who removes packs: no other session runs at the same time.
    pub fn begin_alone(store: &'a Store, context: &'a Context<'a>) -> Result<Session<'a>> {
        store.check_features(Need::Collect)?;
        Session::with_lock(store, context, Mode::Exclusive)
    }

    fn with_lock(store: &'a Store, context: &'a Context<'a>, mode: Mode) -> Result<Session<'a>> {
        store.check_features(Need::Write)?;
        if store.records.is_some() {
            return Err(Error::usage("cannot write through a store that takes records from the record cache")
                .hint("open it without `with_record_cache`"));
        }
        let local = local::find_or_create(store.root(), context.progress)?;
        let locks = worktrees::locks(store.layout(), &local, context.progress)?;
        let mut guard = Guard::of(store.root())?;
        let tended = guard.as_mut().map(|guard| guard.tend(&local, &locks, context.progress)).transpose()?;
        let standing = Guard::standing(store.root())?;
        let lock = Lock::take(&locks.join("lock"), mode, context.wait, context.progress)
            .map_err(|error| local::told_if_read_only(store.root(), &locks, error))?;
        let disk = Disk::new(store.layout(), &local)?.keeping(guard.as_ref().map(Guard::keep));
        let format = Path::new(FORMAT_FILE);
        if !disk.is_confirmed(format) {
            // An `init` that was killed, or a copy: nothing that is stored could be read without it.
            match disk.adopt(format) {
                // It is on disk; that it is was not noted.
                Err(error) if error.kind() == ErrorKind::NoSpace => {}
                adopted => adopted?,
            }
        }
        // Litter that cannot be removed keeps nobody from working.
        let _ = disk.sweep();
        let (rm_reserve, gc_reserve) = (Reserve::new(&local, "rm"), Reserve::new(&local, "gc"));
        gc_reserve.fill();
        rm_reserve.fill();
        let packs = Mutex::new(Packs { condemned: store.condemned()?, ..Packs::default() });
        let (note, left) = (OnceLock::new(), Mutex::default());
        let session = Session { store, context, disk, local, locks, lock, guard, standing, left, rm_reserve, gc_reserve, note, packs };
        if let Some(tended) = tended {
            session.take_up(tended)?;
        }
        Ok(session)
    }

    /// Returns the store.
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// Returns the disk to write to.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Returns the folder of local state.
    pub fn local(&self) -> &Path {
        &self.local
    }

    /// Takes the exclusive lock under which numbers are given and records are written. What a `git clean` has
    /// taken since the session began is in its place again then, for its numbers are given.
    ///
    /// Cost: in a git repo a look at each second name, and a listing of the records.
    ///
    /// # Errors
    ///
    /// If the store is guarded otherwise than when the session began: what it has stored may have no second names.
    pub fn lock_numbers(&self) -> Result<Lock> {
        Ok(self.lock_numbers_to_read(|| Ok(()))?.0)
    }

    /// Does the same, and reads what numbers are given by: nothing of it was gone while it was read.
    pub fn lock_numbers_to_read<T>(&self, read: impl Fn() -> Result<T>) -> Result<(Lock, T)> {
        for _ in 0..PUT_BACK_MAX {
            let numbers = self.take_numbers()?;
            if !self.keeps_all_that(Guard::standing(self.store.root())?) {
                return Err(Error::failed("cannot write: what git commits of the store has changed meanwhile")
                    .hint("run the command again; what it has stored is not stored twice"));
            }
            // What `art` brings back comes back under this lock: nothing gone now, nothing gone then.
            let found = read();
            let gone = self.gone_meanwhile()?;
            if gone.is_empty() {
                return Ok((numbers, found?));
            }
            // Git is asked without the lock.
            drop(numbers);
            self.put_back_meanwhile(gone)?;
        }
        Err(Error::failed("cannot write: files of the store are removed again and again").hint("see what removes them, and `art fsck`"))
    }

    /// Whether what this session stores has second names where a guard that stands now needs them.
    fn keeps_all_that(&self, standing: Option<(GitMode, bool)>) -> bool {
        let Some((mode, goes_in)) = standing else { return true };
        self.standing.is_some_and(|(own_mode, own_goes_in)| own_mode == mode && (own_goes_in || !goes_in))
    }

    fn take_numbers(&self) -> Result<Lock> {
        Lock::take(&self.locks.join("number"), Mode::Exclusive, self.context.wait, self.context.progress)
    }

    /// Whether a chunk or page is in a pack here that may be relied on; a pack that was copied in
    /// is adopted for it.
    pub fn has(&self, class: PackClass, hash: &[u8; HASH_LEN]) -> Result<bool> {
        Ok(self.store.index(class)?.find_likely(hash, |location| self.rely_on(location)).is_some())
    }

    /// Lists the packs again; returns whether there are new ones.
    pub fn list_packs_again(&self) -> Result<bool> {
        let (data, meta) = (self.store.index(PackClass::Data)?.refresh()?, self.store.index(PackClass::Meta)?.refresh()?);
        Ok(data || meta)
    }

    /// Publishes a finished pack and adds it to the index. One of the very same content as a
    /// condemned pack gets a salt, and so a name of its own.
    pub fn publish(&self, mut pack: FinishedPack) -> Result<()> {
        while let Some(salt) = self.packs().condemned.get(&pack_path(pack.class, pack.id)).map(condemned::salt) {
            pack = pack.salted(salt)?;
        }
        let FinishedPack { id, class, len, table, draft } = pack;
        let relative = pack_path(class, id);
        if let Some(note) = self.note.get() {
            note.add(&relative)?;
        }
        self.disk.publish(draft, &relative, |path| Ok(verify_file(path, id).is_ok()))?;
        let path = self.store.layout().path(&relative);
        {
            let mut packs = self.packs();
            packs.confirmed.insert(id, true);
            packs.rests_on.insert(relative);
        }
        let (block_count, chunk_count) = (table.block_count() as u32, table.chunk_count() as u32);
        let index = self.store.index(class)?;
        index.add(Pack { id, class, path, len, block_count, chunk_count }, table);
        if index.is_long() {
            self.save_index();
        }
        Ok(())
    }

    /// Makes durable what others have put here; what no commit holds gets a second name.
    pub fn settle<'p>(&self, files: impl Iterator<Item = &'p Path>) -> Result<()> {
        let committed = |paths: &[&Path]| Guard::of(self.store.root()).ok().flatten().map(|guard| guard.committed(paths));
        // What cannot be told gets one.
        self.disk.settle(files, |paths| committed(paths).and_then(Result::ok).unwrap_or_else(HashSet::new))
    }

    /// Fails if this session no longer holds its lock, because somebody removed local state.
    pub fn check(&self) -> Result<()> {
        self.lock.check()
    }

    /// Writes a record, the last step of everything that is acknowledged. One that helps to free
    /// space is written on a full disk too.
    pub fn write_record(&self, record: &Record) -> Result<RecordId> {
        self.lock.check()?;
        if let Record::Lift(lift) = record {
            // Versions rest on it again.
            self.strike(&condemned::packs(&lift.data, &lift.meta).map(|(class, pack)| pack_path(class, pack)).collect());
        }
        let write = || write::write(&self.disk, record);
        match record {
            Record::Edit(edit) if edit.delete => self.rm_reserve.spend(write),
            Record::Condemn(_) | Record::Lift(_) => {
                let id = self.gc_reserve.spend(write)?;
                // What this session publishes next must not get the name of what it has condemned.
                self.packs().condemned = self.store.condemned()?;
                Ok(id)
            }
            _ => write(),
        }
    }

    /// Does something that deleting needs, if need be with the room that is kept for it.
    pub fn freeing<T>(&self, work: impl FnMut() -> Result<T>) -> Result<T> {
        self.rm_reserve.spend(work)
    }

    /// The same of something that collecting needs.
    pub fn collecting<T>(&self, work: impl FnMut() -> Result<T>) -> Result<T> {
        self.gc_reserve.spend(work)
    }

    /// Notes the packs that this session publishes from now on: should it end without a record,
    /// they are left behind, and not somebody else's.
    pub fn note_packs(&self) {
        self.note.get_or_init(|| PutNote::new(&self.local));
    }

    /// Says that a record names all that this session rests on: nobody has left it behind.
    pub fn recorded(&self) {
        let packs = self.packs();
        if let Some(note) = self.note.get() {
            note.end(&packs.rests_on);
        }
        self.strike(&packs.rests_on);
    }

    /// Says that versions rest on packs, whoever stored them: no put has left them behind.
    pub fn strike(&self, packs: &BTreeSet<PathBuf>) {
        PutNotes::strike(&self.local, packs);
    }

    /// Begins what this session stores once more: it rests on nothing yet, and what is condemned
    /// is read anew.
    pub fn begin_again(&self) -> Result<()> {
        let condemned = self.store.condemned()?;
        *self.packs() = Packs { condemned, ..Packs::default() };
        Ok(())
    }

    /// Whether every pack that this session rests on is still there, and none was condemned
    /// meanwhile.
    pub fn rests_hold(&self) -> Result<bool> {
        let condemned = self.store.condemned()?;
        let packs = self.packs();
        Ok(packs.rests_on.iter().all(|path| self.disk.is_confirmed(path) && !condemned.contains(path)))
    }

    /// Makes sure that a version which was found here is on disk, and what made it live or gave it
    /// its number.
    pub fn rely_on_version(&self, history: &History, version: &Version) -> Result<()> {
        self.rely_on_record(&Record::Version(Box::new(version.record.clone())), version.id)?;
        let about = history.edits.iter().filter(|(_, edit)| edit.target == Some(version.id) && (edit.undelete || edit.claim));
        about.into_iter().try_for_each(|(id, edit)| self.rely_on_record(&Record::Edit(Box::new(edit.clone())), *id))
    }

    /// Makes sure that a record which was found here is on disk.
    pub fn rely_on_record(&self, record: &Record, id: RecordId) -> Result<()> {
        write::rely_on(&self.disk, &write::record_path(record, id))
    }

    /// Makes sure that all records of a run which was found here are on disk.
    pub fn rely_on_run(&self, run: &Run) -> Result<()> {
        runs::record_paths(self.store.root(), run)?.iter().try_for_each(|path| write::rely_on(&self.disk, path))
    }

    /// Makes sure that the deletions which were found here are on disk, and that aliases are gone.
    pub fn rely_on_deletions(&self, history: &History) -> Result<()> {
        for (id, edit) in history.edits.iter().filter(|(_, edit)| edit.delete) {
            self.rely_on_record(&Record::Edit(Box::new(edit.clone())), *id)?;
        }
        let removed = history.aliases.iter().flat_map(|(alias, heads)| heads.iter().map(move |head| (alias, head)));
        removed.filter(|(_, head)| head.target.is_none()).try_for_each(|(alias, head)| self.rely_on_alias(&history.artifact, alias, head))
    }

    /// Makes sure that an alias's record which was found here is on disk.
    pub fn rely_on_alias(&self, artifact: &Name, alias: &Alias, head: &AliasHead) -> Result<()> {
        // Where a record lies depends on these fields and its id alone.
        let (alias, artifact, created_at) = (alias.clone(), artifact.clone(), self.context.now);
        let record = AliasRecord { alias, artifact, created_at, replaces: Vec::new(), seq: head.seq, target: head.target };
        self.rely_on_record(&Record::Alias(record), head.record)
    }

    /// Makes sure that a record which condemns packs here is on disk.
    pub fn rely_on_condemned(&self, record: RecordId) -> Result<()> {
        self.gc_reserve.spend(|| write::rely_on(&self.disk, &condemned::record_path(record)))
    }

    /// Notes which packs a manifest rests on, all of them confirmed; a later session need not
    /// look its chunks up again.
    pub fn note_rests(&self, manifest: PageId) -> Result<()> {
        rests::write(&self.disk, &self.local, manifest, &self.packs().rests_on)
    }

    /// Whether everything that a manifest names was confirmed here and its packs are still
    /// there; this session then rests on them too.
    pub fn is_confirmed(&self, manifest: PageId) -> bool {
        let Some(paths) = rests::read(&self.local, manifest) else { return false };
        let mut packs = self.packs();
        let confirmed = paths.iter().all(|path| self.disk.is_confirmed(path) && !packs.condemned.contains(path));
        if confirmed {
            packs.rests_on.extend(paths);
        }
        confirmed
    }

    /// Saves the look-up and the records for the next command, where enough has come to them.
    pub fn save_caches(&self) {
        self.save_index();
        if let Err(error) = cache::save(self.store.root(), &self.disk, &self.local, self.context.threads) {
            self.context.progress.warn(&format!("cannot save the record cache: {error}"));
        }
    }

    fn save_index(&self) {
        for class in [PackClass::Data, PackClass::Meta] {
            let saved = self.store.index_if_open(class).map(|index| index.save(&self.disk, &self.local.join(INDEX_DIR)));
            if let Some(Err(error)) = saved {
                // It is a cache: the next command opens the store more slowly.
                self.context.progress.warn(&format!("cannot save the look-up: {error}"));
            }
        }
    }

    fn rely_on(&self, location: &Location) -> bool {
        let id = location.pack.id;
        if let Some(&known) = self.packs().confirmed.get(&id) {
            return known;
        }
        let relative = pack_path(location.pack.class, id);
        if self.packs().condemned.contains(&relative) {
            return false;
        }
        let result = if self.disk.is_confirmed(&relative) {
            Ok(())
        } else {
            self.context.progress.phase("checking a pack that was copied in");
            location.pack.verify().and_then(|()| location.pack.verify_contents()).and_then(|()| self.disk.adopt(&relative))
        };
        if let Err(error) = &result {
            // What it holds is stored again from the source, in another pack.
            self.context.progress.warn(&format!("cannot reuse a pack: {error}"));
        }
        let mut packs = self.packs();
        packs.confirmed.insert(id, result.is_ok());
        if result.is_ok() {
            packs.rests_on.insert(relative);
        }
        result.is_ok()
    }

    fn packs(&self) -> std::sync::MutexGuard<'_, Packs> {
        self.packs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
