//! Histories made worse on purpose, to prove that the images would show a missing sync: each sync
//! left out, each come too late, each record come before what it names.

use std::collections::BTreeSet;
use std::path::Path;

use super::disk::{object_of, pending};
use super::log::{History, Op};
use crate::harm::COPY;

/// An order of operations in which something is wrong.
pub(crate) struct Mutant {
    /// What is wrong with it.
    pub(crate) told: String,
    pub(crate) order: Vec<usize>,
    /// How much of the order is as it was.
    pub(crate) from: usize,
}

/// The mutants of a history.
pub(crate) struct Mutants {
    /// Those that the images must show to be wrong.
    pub(crate) all: Vec<Mutant>,
    /// Those in which nothing is wrong, which the images must show as well: see
    /// [`removes_condemned`], [`takes_rules_away`], [`begins_rules`], [`begins_local_state`] and [`guards_outside`].
    pub(crate) harmless: Vec<Mutant>,
    /// How many syncs had no mutant: nothing waited for them, or another sync of the same directory
    /// follows before anything relies on it.
    pub(crate) idle: u64,
}

/// Makes all mutants of the operations from `from` on.
pub(crate) fn all(history: &History, from: usize) -> Mutants {
    let mut mutants = Mutants { all: records_first(history, from), harmless: Vec::new(), idle: 0 };
    let whole: Vec<usize> = (0..history.ops.len()).collect();
    for at in from..history.ops.len() {
        let Op::Sync(object) = history.ops[at] else { continue };
        let step = relying(history, at, object);
        let is_covered = (at + 1..step).any(|later| history.ops[later] == Op::Sync(object));
        // Syncs of one object that the same step relies on go together.
        let group: Vec<usize> =
            (from..=at).filter(|&other| history.ops[other] == Op::Sync(object) && relying(history, other, object) == step).collect();
        let mut waiting: Vec<usize> = group.iter().flat_map(|&sync| pending(history, &whole[..sync])).collect();
        waiting.retain(|&op| object_of(&history.ops[op]) == Some(object));
        // What never left local state, because its writer was killed, is nobody's loss.
        let is_local = !history.objects[object].is_dir && lies_below(history, object, "local");
        if is_covered || is_local || waiting.is_empty() {
            mutants.idle += 1;
            continue;
        }
        let path = &history.objects[object].path;
        let without: Vec<usize> = whole.iter().copied().filter(|op| !group.contains(op)).collect();
        let harmless = [removes_condemned, takes_rules_away, begins_local_state, guards_outside];
        let is_harmless = waiting.iter().all(|&op| harmless.iter().any(|is| is(history, op)));
        let mut kind = if is_harmless { &mut mutants.harmless } else { &mut mutants.all };
        kind.push(Mutant { told: format!("no sync of {path:?} (operation {at})"), order: without.clone(), from: group[0] });
        // The sync comes, but only after the step that relies on it.
        if step < history.ops.len() {
            if begins_rules(history, step) {
                kind = &mut mutants.harmless;
            }
            let mut order = without;
            let place = order.iter().position(|&op| op == step).unwrap() + 1;
            order.insert(place, at);
            kind.push(Mutant { told: format!("{path:?} synced after {}", told(history, step)), order, from: group[0] });
        }
    }
    mutants
}

/// Whether all that an operation does is to remove a pack whose condemnation is on disk by then, and
/// no pages are removed after it that would tell that it is dead.
///
/// That it is on disk need not be waited for. If the power cut undoes it the pack is there again, and
/// so is, for sure, the record that condemns it: writers rest nothing on it, as before it was
/// removed, all that it holds lies elsewhere or is known to be dead, and the next `gc` removes it
/// again. Pages that are gone for sure while data is back would make that data an orphan.
fn removes_condemned(history: &History, removal: usize) -> bool {
    let Op::Name { dir, name, to: None } = &history.ops[removal] else { return false };
    let is_data = lies_below(history, *dir, "packs");
    if !is_data && !lies_below(history, *dir, "meta") || is_data && (removal..history.ops.len()).any(|at| removes_pages(history, at)) {
        return false;
    }
    let before: Vec<usize> = (0..removal).collect();
    let pending = pending(history, &before);
    let is_pending = |file: usize| pending.iter().any(|&op| object_of(&history.ops[op]) == Some(file));
    let condemns = |file: usize| {
        before.iter().any(|&at| match &history.ops[at] {
            Op::Bytes { file: of, bytes, .. } if *of == file => String::from_utf8_lossy(bytes).contains(&*name.to_string_lossy()),
            _ => false,
        })
    };
    before.iter().any(|at| match &history.ops[*at] {
        Op::Name { dir, to: Some(file), .. } => {
            lies_below(history, *dir, "gc") && condemns(*file) && !pending.contains(at) && !is_pending(*file)
        }
        _ => false,
    })
}

/// Whether the directory of local state gets its name, as after a clean that took it.
///
/// All that lies there can be lost: what it says is confirmed is looked at again.
fn begins_local_state(history: &History, naming: usize) -> bool {
    let Op::Name { dir, name, to: Some(_) } = &history.ops[naming] else { return false };
    let of = &history.objects[*dir].path;
    name == "local" && [".artifacts", COPY].iter().any(|store| of == Path::new(store))
}

/// Whether a guard gets its name outside of one that stands and stays, where git tracks files between the two.
///
/// Git goes in past the outer one for their sake, and the inner one is what holds `git clean` off all that is
/// stored: of each file that no commit has, its second name. A writer makes the outer one before it gives any up.
/// Besides, the outer one tells the mode where the store's `.gitignore` is gone, which git tracks then.
fn guards_outside(history: &History, naming: usize) -> bool {
    let Op::Name { dir, name, to: Some(_) } = &history.ops[naming] else { return false };
    let is_inner = |at: &usize| match &history.ops[*at] {
        Op::Name { dir, name, .. } => name == "HEAD" && lies_below(history, *dir, "packs/keep/.git"),
        _ => false,
    };
    let before: Vec<usize> = (0..naming).collect();
    let made = before.iter().copied().rfind(is_inner).filter(|at| matches!(history.ops[*at], Op::Name { to: Some(_), .. }));
    let stays = !(naming..history.ops.len()).any(|at| is_inner(&at));
    let stands = stays && made.is_some_and(|made| !pending(history, &before).contains(&made));
    stands && name == ".git" && history.objects[*dir].path.ends_with("packs")
}

/// Whether a repo gets rules where it had none.
///
/// Before the answer nobody relies on them, and by then they are on disk; till then an empty file in their
/// place takes nothing from the user, and the next try adds to it.
fn begins_rules(history: &History, naming: usize) -> bool {
    let Op::Name { dir, name, to: Some(_) } = &history.ops[naming] else { return false };
    let is_there = |op: &Op| matches!(op, Op::Name { dir: of, name: also, to: Some(_) } if (of, also) == (dir, name));
    history.objects[*dir].path == Path::new(".git/info") && !history.ops[..naming].iter().any(is_there)
}

/// Whether a repo is freed of rules that ignore a part of the store, and that is all: a new line is of what
/// another ignored already, as `packs/keep/` is below `packs/`.
///
/// The store's own rules win over them, and take back what they ignore; where those are not there, as on a
/// branch without the store, the guard lies in what is ignored before and after. Rules that ignore the whole
/// of the store are another thing: of a directory that is ignored git reads no rules.
fn takes_rules_away(history: &History, naming: usize) -> bool {
    let Op::Name { dir, name, to } = &history.ops[naming] else { return false };
    if history.objects[*dir].path != Path::new(".git/info") {
        return false;
    }
    // A temporary file takes nothing away.
    let Some(new) = to.filter(|_| name == "exclude") else { return true };
    let before = history.ops[..naming].iter().rev().find_map(|op| match op {
        Op::Name { dir: of, name: also, to: Some(old) } if (of, also) == (dir, name) => Some(*old),
        _ => None,
    });
    let (old, new) = (before.map(|old| lines(history, old)).unwrap_or_default(), lines(history, new));
    let is_of_part = |line: &String| line.strip_prefix("/.artifacts/").is_some_and(|below| !below.is_empty());
    let was_ignored = |line: &String| old.contains(line) || old.iter().any(|rule| is_of_part(rule) && line.starts_with(rule));
    new.iter().all(was_ignored) && old.difference(&new).all(is_of_part)
}

/// Returns the lines of a file that was written once.
fn lines(history: &History, file: usize) -> BTreeSet<String> {
    let bytes = history.ops.iter().filter_map(|op| match op {
        Op::Bytes { file: of, bytes, .. } if *of == file => Some(String::from_utf8_lossy(bytes)),
        _ => None,
    });
    bytes.collect::<String>().lines().map(str::to_owned).collect()
}

/// Whether a pack of pages goes.
fn removes_pages(history: &History, at: usize) -> bool {
    matches!(&history.ops[at], Op::Name { dir, to: None, .. } if lies_below(history, *dir, "meta"))
}

/// The name of a record comes before the pack that it rests on is synced and renamed.
fn records_first(history: &History, from: usize) -> Vec<Mutant> {
    let Some(record) = (from..history.ops.len()).find(|&at| is_record(history, at)) else { return Vec::new() };
    let record_synced = (record..history.ops.len()).find(|&at| matches!(history.ops[at], Op::Sync(_))).unwrap_or(record);
    let mut mutants = Vec::new();
    for pack in from..record {
        let Op::Name { to: Some(file), dir, .. } = &history.ops[pack] else { continue };
        if history.objects[*file].is_dir
            || guards(history, *dir)
            || !(lies_below(history, *dir, "packs") || lies_below(history, *dir, "meta"))
        {
            continue;
        }
        // From the pack's own sync to that of its directory.
        let begin = (from..pack).rfind(|&at| history.ops[at] == Op::Sync(*file)).unwrap_or(pack);
        let end = (pack..record).find(|&at| history.ops[at] == Op::Sync(*dir)).unwrap_or(pack);
        let mut order: Vec<usize> = (0..history.ops.len()).filter(|at| !(begin..=end).contains(at)).collect();
        let place = order.iter().position(|&at| at == record_synced).unwrap() + 1;
        order.splice(place..place, begin..=end);
        let told = format!("{} before {:?}", told(history, record), history.objects[*file].path);
        mutants.push(Mutant { told, order, from: begin });
    }
    mutants
}

/// Returns the step that relies on a sync: for a new file its own name, for a pack's directory the
/// record's name, or the removal of pages that may tell of it, the last before another step, and else
/// the answer; the end if there is none.
fn relying(history: &History, sync: usize, object: usize) -> usize {
    let mut later = sync + 1..history.ops.len();
    let answer = |at: &usize| history.ops[*at] == Op::Acknowledged;
    let is_pack = |dir| lies_below(history, dir, "packs") || lies_below(history, dir, "meta");
    let named = |at: &usize| matches!(&history.ops[*at], Op::Name { to: Some(to), .. } if *to == object);
    let step = if guards(history, object) || holds_guard(history, sync, object) {
        // No record rests on what keeps `git clean` off.
        later.find(answer)
    } else if !history.objects[object].is_dir {
        later.clone().find(named).or_else(|| later.find(|at| is_record(history, *at) || answer(at)))
    } else if is_pack(object) {
        let next = later.clone().find(|at| is_record(history, *at) || answer(at));
        // Which of the pages tell of which pack no log says.
        let mut before = sync + 1..next.unwrap_or(history.ops.len());
        let removal = before.rfind(|&at| lies_below(history, object, "packs") && removes_pages(history, at));
        removal.or(next)
    } else {
        later.find(answer)
    };
    step.unwrap_or(history.ops.len())
}

/// Whether a file or directory is of the guard, or the folder of second names.
fn guards(history: &History, object: usize) -> bool {
    let path = &history.objects[object].path;
    lies_below(history, object, ".git") || lies_below(history, object, "packs/.git") || path.ends_with("packs/keep")
}

/// Whether all that waits for the sync of a directory are names of those.
fn holds_guard(history: &History, sync: usize, object: usize) -> bool {
    let before: Vec<usize> = (0..sync).collect();
    let mut waiting = pending(history, &before).into_iter().filter(|&op| object_of(&history.ops[op]) == Some(object)).peekable();
    let is_guard = |op| matches!(&history.ops[op], Op::Name { to: Some(to), .. } if guards(history, *to) && history.objects[*to].is_dir);
    waiting.peek().is_some() && waiting.all(is_guard)
}

/// Whether a record gets its name.
fn is_record(history: &History, at: usize) -> bool {
    match &history.ops[at] {
        Op::Name { dir, to: Some(to), .. } => {
            !history.objects[*to].is_dir && ["refs", "gc"].iter().any(|top| lies_below(history, *dir, top))
        }
        _ => false,
    }
}

fn lies_below(history: &History, object: usize, top: &str) -> bool {
    let path = &history.objects[object].path;
    path.strip_prefix(".artifacts").or_else(|_| path.strip_prefix(COPY)).is_ok_and(|below| below.starts_with(top))
}

pub(super) fn told(history: &History, at: usize) -> String {
    match &history.ops[at] {
        Op::Name { to: Some(to), .. } => format!("the name of {:?}", history.objects[*to].path),
        Op::Name { name, to: None, .. } => format!("the removal of {name:?}"),
        Op::Bytes { file, .. } | Op::Length { file, .. } => format!("bytes of {:?}", history.objects[*file].path),
        Op::Sync(object) => format!("the sync of {:?}", history.objects[*object].path),
        Op::Begun => "the begin".to_owned(),
        Op::Acknowledged => "the answer".to_owned(),
    }
}
