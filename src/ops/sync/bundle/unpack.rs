//! A pull from a bundle: what this store lacks comes in the order of the classes, and records only
//! after every pack is here.

use std::collections::{HashMap, HashSet};

use super::super::dir::{Dir, WAITING};
use super::super::incomplete::incomplete;
use super::super::outcome::{Moved, SyncOutcome};
use super::super::plan::Listing;
use super::super::side::{Content, Files, Put, SelectedRecord};
use super::super::{is_version, records};
use super::reader::{Bundle, read_whole};
use super::{BaseState, BaseVersion, states};
use crate::context::Context;
use crate::durable::CopyBy;
use crate::error::{Error, Result};
use crate::quote::quote;
use crate::store::files::{FileClass, StoreFile, StorePath};
use crate::store::{Need, Store, check_feature};

/// Files that are not what their names say of which the error tells.
const TOLD: usize = 3;

/// What [`unpack`] is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnpackOptions {
    /// Whether to tell only, and write nothing.
    pub dry_run: bool,
}

/// Brings a store what it lacks of a bundle. Fails before anything is written if the store lacks a version that the
/// bundle builds on, or either needs what this program does not know; fails, with what came till then kept, if the
/// bundle turns out damaged. Records come only after every pack.
///
/// Cost: lists the store; reads and hashes what comes, and of a stream all.
pub fn unpack(store: &Store, context: &Context<'_>, mut bundle: Bundle, options: UnpackOptions) -> Result<SyncOutcome> {
    store.check_features(Need::Write)?;
    for entry in &bundle.entries[bundle.class(FileClass::Feature)] {
        check_feature(entry.file.path.name(), Need::Write, &format!("bundle {}", quote(bundle.name().as_bytes())))?;
    }
    context.progress.phase("reading what the bundle builds on");
    check_bases(store, context, &bundle)?;
    let here = Dir::new(store, store.root(), context, CopyBy::Pieces);
    let has = Listing::of(&here)?;
    let wanted = wanted(&bundle, &has);
    let coming = || bundle.entries.iter().zip(&wanted).filter(|(_, wanted)| **wanted).map(|(entry, _)| entry.file.clone());
    let mut outcome = SyncOutcome::new(bundle.name().to_owned(), options.dry_run);
    if options.dry_run {
        outcome.pulled = Some(Moved::of(&coming().collect::<Vec<_>>(), 0));
        return Ok(outcome);
    }
    context.progress.expect(coming().count() as u64, coming().map(|file| file.len).sum());
    context.progress.all_expected();
    here.settle()?;
    let arrived = take_all(&here, context, &mut bundle, &wanted)?;
    bundle.finish()?;
    let versions: Vec<StorePath> = arrived.iter().map(|file| file.path.clone()).filter(is_version).collect();
    if !versions.is_empty() {
        outcome.incomplete = incomplete(store, context, &versions)?;
    }
    outcome.pulled = Some(Moved::of(&arrived, 0));
    Ok(outcome)
}

fn check_bases(store: &Store, context: &Context<'_>, bundle: &Bundle) -> Result<()> {
    let states = states(store, context, &bundle.bases)?;
    let lacking = bundle.bases.iter().zip(states).filter(|(_, state)| *state != BaseState::Here);
    let told: Vec<String> = lacking
        .map(|(base, state)| {
            let what = if state == BaseState::Incomplete { ", of which a part is here" } else { "" };
            format!("\n  {} ({}){what}", BaseVersion::of(base).full_name(), base.version.short(16))
        })
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    let name = quote(bundle.name().as_bytes());
    Err(Error::refused(format!("cannot unpack {name}: it builds on versions that this store lacks:{}", told.concat()))
        .hint("unpack the bundle that has them first, or make one without `--since`"))
}

/// Says of each file whether it comes: the store lacks it, and has or gets the version that it is about.
fn wanted(bundle: &Bundle, has: &Listing) -> Vec<bool> {
    let selected: Vec<SelectedRecord> =
        bundle.entries.iter().map(|entry| SelectedRecord { file: entry.file.clone(), needs: entry.needs.clone() }).collect();
    let coming: HashSet<StorePath> = records(&selected, has).into_iter().map(|file| file.path).collect();
    bundle.entries.iter().map(|entry| coming.contains(&entry.file.path)).collect()
}

/// Takes what is wanted, class by class, and reads past the rest; stops before records if a pack was not what its
/// name says.
fn take_all(here: &Dir<'_>, context: &Context<'_>, bundle: &mut Bundle, wanted: &[bool]) -> Result<Vec<StoreFile>> {
    let (mut arrived, mut refused, name) = (Vec::new(), Vec::<String>::new(), bundle.name().to_owned());
    for class in FileClass::ALL {
        let range = bundle.class(class);
        context.progress.phase(if class.pack().is_some() { "unpacking packs" } else { "unpacking records" });
        let lens: HashMap<StorePath, u64> =
            bundle.entries[range.clone()].iter().map(|entry| (entry.file.path.clone(), entry.file.len)).collect();
        let read = bundle.read(range, wanted, context.threads + WAITING, &|entry, source| {
            let file = &entry.file;
            let hash = match file.path.pack_id() {
                // What has another hash is refused.
                Some(id) => {
                    here.put(file, Content::Stream(source))?;
                    *id.as_bytes()
                }
                None => {
                    let bytes = read_whole(&name, source)?;
                    here.put(file, Content::Stream(&mut &bytes[..]))?;
                    blake3::hash(&bytes).into()
                }
            };
            context.progress.advance(1, file.len);
            Ok(hash)
        });
        // What came is told before what failed, for it stays.
        for (path, put) in here.flush()? {
            match put {
                Put::Arrived => arrived.push(StoreFile { len: lens.get(&path).copied().unwrap_or(0), path }),
                Put::Kept => {}
                Put::Refused(why) => refused.push(format!("\n  {}: {why}", quote(path.as_str().as_bytes()))),
            }
        }
        read?;
        if !refused.is_empty() && class.pack().is_some() {
            break;
        }
    }
    if refused.is_empty() {
        return Ok(arrived);
    }
    let more = if refused.len() > TOLD { format!("\n  and {} more", refused.len() - TOLD) } else { String::new() };
    refused.truncate(TOLD);
    Err(bundle.damaged(format!("files in it are not what their names say:{}{more}", refused.concat())))
}
