//! Packs that somebody copied in: merely there, damaged, or cut short. None counts before it was
//! hashed whole and synced.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::act::act;
use crate::oracle::View;
use crate::place::{Place, Workshop};
use crate::scenario::full;
use crate::strace::{Log, trace};
use crate::support::files;
use crate::tally::{Tally, for_each};

const PUT: Line = &["put", "data", "SRC/one"];

/// The words of a command.
type Line = &'static [&'static str];

/// What happened to a pack on its way.
#[derive(Clone, Copy, Debug)]
enum Harm {
    WrongByte(usize),
    CutAt(usize),
}

/// Commands that find all they are to do done, by a try that was killed or in another copy; and what
/// they then rely on: nothing of it may be told before it is synced.
const AGAIN: &[(&[Line], Line, &[&str])] = &[
    (&[], &["init"], &["format"]),
    (&[PUT], &["put", "data", "SRC/one", "-m", "said", "--tag", "red", "--alias", "best"], &["format", "refs"]),
    (&[PUT, &["run", "start", "--name", "train"]], &["use", "data", "--as", "set", "--run", "train"], &["runs", "refs"]),
    (&[PUT, &["run", "start", "--name", "train"]], &["use", "--ref", "s3://bucket/raw", "--run", "train"], &["runs"]),
    (&[PUT, &["run", "start", "--name", "train"]], &["put", "data", "SRC/one", "--run", "train"], &["runs", "refs"]),
    (&[PUT, &["alias", "set", "data", "best"]], &["alias", "set", "data", "best", "next"], &["refs"]),
    (&[PUT, &["edit", "data", "-m", "said"]], &["edit", "data", "-m", "said", "--meta", "rate=3"], &["refs/data/edits"]),
    (&[PUT, &["put", "data", "SRC/two"]], &["rm", "data:v0"], &["refs/data/edits"]),
    (&[PUT, &["alias", "set", "data", "best"]], &["rm", "data:v0", "--force-aliases"], &["refs/data/edits"]),
    (&[PUT, &["rm", "data:v0"]], &["undelete", "data:v0"], &["refs/data/versions"]),
    (&[PUT, &["put", "data", "SRC/two"], &["rm", "data:v1"]], &["gc"], &["gc", "features"]),
    (&[PUT, &["put", "data", "SRC/two"]], &["prune", "--keep-last", "1", "--apply"], &["refs/data/edits"]),
];

pub(crate) fn sweep_records() {
    let workshop = Workshop::new();
    let tally = Tally::default();
    for_each(AGAIN, |(before, command, relied_on)| {
        tally.injected(|| format!("{command:?} again"), check_told_when_synced(&workshop, before, command, relied_on));
    });
    tally.finish("done already", "commands that find done what they are to do");
}

/// Checks in the log of a command whose work is done already that the records which say so are
/// synced, with the directories above them.
fn check_told_when_synced(workshop: &Workshop, before: &[Line], command: Line, relied_on: &[&str]) -> Result<(), String> {
    let place = workshop.place();
    place.art(&["init"]).ok();
    before.iter().chain([&command]).for_each(|command| drop(place.art(command).ok()));
    // What is confirmed stands in local state.
    fs::remove_dir_all(place.store().join("local")).unwrap();
    let Log { calls, .. } = trace(&place.command(command), &place.log(), false, &[]).log;
    let is_synced = |path: &Path| calls.iter().any(|call| call.name == "fsync" && call.fd(0).is_some_and(|(_, of)| of == path));
    for path in relied_on.iter().flat_map(|below| match place.store().join(below) {
        dir if dir.is_dir() => files(&dir),
        file => vec![file],
    }) {
        let above = path.ancestors().skip(1).take_while(|dir| dir.starts_with(place.store()));
        if let Some(path) = [path.as_path()].into_iter().chain(above).find(|path| !is_synced(path)) {
            return Err(format!("{path:?} was not synced"));
        }
    }
    Ok(())
}

pub(crate) fn sweep() {
    let workshop = Workshop::new();
    let tally = Tally::default();
    let from = workshop.place();
    from.art(&["init"]).ok();
    from.art(PUT).ok();
    let wanted = View::read(&from.store()).unwrap();
    let packs = packs(&from.store());
    tally.injected(|| "packs that were copied in".to_owned(), check_synced_first(&workshop, &from, &packs));
    for pack in &packs {
        let len = fs::metadata(from.store().join(pack)).unwrap().len() as usize;
        let step = if full() { (len / 600).max(1) } else { (len / 6).max(1) };
        let bytes = (0..len).step_by(step).map(Harm::WrongByte);
        let lens = (0..len).step_by(step).map(Harm::CutAt);
        let harms: Vec<Harm> = bytes.chain(lens).collect();
        for_each(&harms, |harm| {
            tally.injected(|| format!("{pack:?}: {harm:?}"), check_not_used(&workshop, &from, pack, *harm, &wanted));
        });
    }
    tally.finish("adoption", "packs copied in: not synced, one wrong byte, cut short");
}

/// Copies all packs of a store into a new one.
fn copied(workshop: &Workshop, from: &Place) -> Place {
    let place = workshop.place();
    act(&place, &["init"]).unwrap();
    for pack in packs(&from.store()) {
        fs::create_dir_all(place.store().join(&pack).parent().unwrap()).unwrap();
        fs::copy(from.store().join(&pack), place.store().join(&pack)).unwrap();
    }
    place
}

/// Checks in the log of a put that each pack, and every directory above it, is synced before the
/// record gets its name.
fn check_synced_first(workshop: &Workshop, from: &Place, packs: &[PathBuf]) -> Result<(), String> {
    let place = copied(workshop, from);
    if !crate::strace::is_usable() {
        return Ok(());
    }
    let Log { calls, .. } = trace(&place.command(PUT), &place.log(), false, &[]).log;
    let below = |path: &Path| place.store().join(path);
    let is_record = |path: &PathBuf| path.starts_with(below(Path::new("refs")));
    let named = calls.iter().position(|call| call.name.starts_with("rename") && call.paths(&place.project()).iter().any(is_record));
    let named = named.ok_or("the put wrote no record")?;
    for pack in packs {
        for path in pack.ancestors() {
            let path = below(path);
            // The root itself comes out with a slash at its end.
            let is_sync =
                |path: &Path| calls[..named].iter().any(|call| call.name == "fsync" && call.fd(0).is_some_and(|(_, of)| of == path));
            if !is_sync(&path) {
                return Err(format!("{path:?} was not synced before the record"));
            }
        }
    }
    let written = calls.iter().any(|call| {
        call.name.starts_with("rename") && call.paths(&place.project()).iter().any(|path| path.starts_with(below(Path::new("packs"))))
    });
    if written { Err("the packs were written again instead of reused".to_owned()) } else { Ok(()) }
}

/// Checks that a put beside a damaged pack makes a version that is whole.
fn check_not_used(workshop: &Workshop, from: &Place, pack: &Path, harm: Harm, wanted: &View) -> Result<(), String> {
    let place = copied(workshop, from);
    let path = place.store().join(pack);
    let mut bytes = fs::read(&path).unwrap();
    match harm {
        Harm::WrongByte(at) => bytes[at] ^= 0x55,
        Harm::CutAt(len) => bytes.truncate(len),
    }
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&path, bytes).unwrap();
    act(&place, PUT)?;
    View::read(&place.store())?.check_within(std::slice::from_ref(wanted))
}

fn packs(store: &Path) -> Vec<PathBuf> {
    let all = ["packs", "meta"].into_iter().flat_map(|dir| files(&store.join(dir)));
    all.map(|path| path.strip_prefix(store).unwrap().to_owned()).collect()
}
