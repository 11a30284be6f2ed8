//! What is added to a run that goes on: values, inputs, outputs, its end. Also `art use`.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::record::{Metadata, Record};
use crate::format::run::{RunEnd, RunRecord, RunReference, RunVersion};
use crate::name::{Name, Ref};
use crate::quote::quote;
use crate::refs::history::Version;
use crate::refs::runs::Run;
use crate::run_id::RunId;
use crate::store::Store;
use crate::store::session::Session;

/// A version that a run uses.
#[derive(Clone, Debug)]
pub struct UseOutcome {
    /// The version.
    pub version: Version,
    /// Whether the run had not used it, in this role, before.
    pub changed: bool,
}

/// Finds a run that may be added to: it must be there, and not be finished.
pub fn check_open(store: &Store, id: RunId) -> Result<Run> {
    let run = store.run(id)?;
    match run.end {
        None => Ok(run),
        Some((_, at)) => Err(Error::refused(format!("cannot add to run {}: it ended at {at}", quote(id.to_string().as_bytes())))
            .hint("start another with `art run start` or `art run exec`, and name it in ART_RUN or with `--run`")),
    }
}

/// The same for who is about to add to it, or to say that it stands there already: what stands there
/// is on disk when this returns.
fn open(session: &Session<'_>, id: RunId) -> Result<Run> {
    let run = check_open(session.store(), id)?;
    session.rely_on_run(&run)?;
    Ok(run)
}

/// Sets values of a run: what it was configured with, and what it found out.
pub fn log(store: &Store, context: &Context<'_>, run: RunId, config: Metadata, summary: Metadata) -> Result<()> {
    let session = Session::begin(store, context)?;
    let _numbers = session.lock_numbers()?;
    let run = open(&session, run)?;
    let record = RunRecord { config, summary, ..next(&run, context) };
    session.write_record(&Record::Run(Box::new(record))).map(drop)
}

/// Says that a run is over, and how.
pub fn finish(store: &Store, context: &Context<'_>, run: RunId, end: RunEnd) -> Result<()> {
    let session = Session::begin(store, context)?;
    let _numbers = session.lock_numbers()?;
    let run = open(&session, run)?;
    let record = RunRecord { end: Some(end), ..next(&run, context) };
    session.write_record(&Record::Run(Box::new(record))).map(drop)
}

/// Records that a run uses a version.
pub fn use_version(store: &Store, context: &Context<'_>, run: RunId, reference: &Ref, role: Option<Name>) -> Result<UseOutcome> {
    check_open(store, run)?;
    check_usable(&store.resolve(reference)?.version)?;
    let session = Session::begin(store, context)?;
    let _numbers = session.lock_numbers()?;
    let found = store.resolve(reference)?;
    check_usable(&found.version)?;
    session.rely_on_version(&found.history, &found.version)?;
    let changed = write_input(&session, context, run, &found.version, role)?;
    Ok(UseOutcome { version: found.version, changed })
}

/// Records that a run uses something that was never stored; whether it had not before.
pub fn use_reference(store: &Store, context: &Context<'_>, run: RunId, reference: RunReference) -> Result<bool> {
    let session = Session::begin(store, context)?;
    let _numbers = session.lock_numbers()?;
    let run = open(&session, run)?;
    if run.references.contains(&reference) {
        return Ok(false);
    }
    let record = RunRecord { reference: Some(reference), ..next(&run, context) };
    session.write_record(&Record::Run(Box::new(record)))?;
    Ok(true)
}

/// Records an input under the lock of numbers, which the caller holds; whether it is a new one.
pub(crate) fn write_input(session: &Session<'_>, context: &Context<'_>, run: RunId, version: &Version, role: Option<Name>) -> Result<bool> {
    let run = open(session, run)?;
    let input = named(version, role);
    if run.inputs.contains(&input) {
        return Ok(false);
    }
    let record = RunRecord { input: Some(input), ..next(&run, context) };
    session.write_record(&Record::Run(Box::new(record)))?;
    Ok(true)
}

/// Records a version that was there already as a run's output, under the lock of numbers, which the
/// caller holds.
pub(crate) fn write_output(session: &Session<'_>, context: &Context<'_>, run: RunId, version: &Version) -> Result<()> {
    let run = session.store().run(run)?;
    session.rely_on_run(&run)?;
    let output = named(version, None);
    if version.record.run == Some(run.id) || run.outputs.contains(&output) {
        return Ok(());
    }
    let record = RunRecord { output: Some(output), ..next(&run, context) };
    session.write_record(&Record::Run(Box::new(record))).map(drop)
}

fn next(run: &Run, context: &Context<'_>) -> RunRecord {
    RunRecord::new(run.id, run.next_seq, context.now)
}

fn named(version: &Version, role: Option<Name>) -> RunVersion {
    RunVersion { artifact: version.record.artifact.clone(), digest: version.record.manifest, role, version: version.id }
}

fn check_usable(version: &Version) -> Result<()> {
    if !version.deleted {
        return Ok(());
    }
    let name = version.full_name();
    Err(Error::refused(format!("cannot use {}: it is deleted", quote(name.as_bytes())))
        .hint(format!("bring it back with `art undelete {name}`, or use another version")))
}
